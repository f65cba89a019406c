"""tf.nn.ctc_loss and tf.nn.ctc_greedy_decoder: labels of sequences whose alignment is unknown."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array, picking
from millstream.api.control_flow import while_loop
from millstream.api.math import cast
from millstream.api.nn import log_softmax
from millstream.api.public import public
from millstream.api.reduction import argmax, cumsum, reduce_logsumexp, reduce_max, reduce_sum
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.host import call_python
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.tensor import eager_constant
from millstream.ops.registry import find

_NOWHERE = -1e30
"""The logarithm of the probability outside of all states. Not -inf: differences of infinities would be NaN in the gradient."""

_PENALTY = -float(np.log(np.finfo(np.float64).max))
"""What a step that cannot be costs, as in TensorFlow: labels that do not fit into the frames have a large loss, not an infinite one."""


def _int(value: Any) -> Any:
    return cast(to_tensor(value, None, dtypes.int32), dtypes.int32)


def _dense_labels(labels: Any, label_length: Any) -> tuple[Any, Any]:
    """Return labels [batch, most] and their lengths."""
    if not isinstance(labels, SparseTensor):
        if label_length is None:
            raise ValueError(explain("Argument `label_length` must be provided when labels is a dense tensor."))
        return _int(labels), _int(label_length)
    shape = labels.dense_shape
    rows = labels.indices[:, 0]
    lengths = apply(find("UnsortedSegmentSum"), array.ones_like(rows, dtypes.int32), rows, shape[0])
    zero = eager_constant(0, labels.values.dtype)
    dense = apply(find("SparseToDense"), labels.indices, shape, labels.values, zero, validate_indices=True)
    return _int(dense), lengths


def _interleaved(labels: Any, blank: Any) -> Any:
    """Return labels with a blank before, between and after them, [batch, 2 * most + 1]."""
    blanks = array.zeros_like(labels) + blank
    pairs = array.reshape(array.stack([blanks, labels], 2), array.stack([array.shape(labels)[0], -1]))
    return array.concat([pairs, pairs[:, :1] * 0 + blank], 1)


def _moved(x: Any, by: int) -> Any:
    """Return x with its columns moved right."""
    return array.pad(x, [[0, 0], [by, 0]], constant_values=_NOWHERE)[:, : array.shape(x)[1]]


@public("nn.ctc_loss")
def ctc_loss(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: Any = None,
    name: str | None = None,
) -> Any:
    """Return for each sequence -log of the probability that its frames spell its labels, blanks and repeats left out."""
    if isinstance(labels, SparseTensor) and blank_index is None:
        raise ValueError(explain("Argument `blank_index` must be provided when labels is a SparseTensor."))
    logits = to_tensor(logits)
    kind = logits.dtype
    wide = cast(logits, dtypes.float32) if kind in (dtypes.float16, dtypes.bfloat16) else logits
    frames = wide if not logits_time_major else array.transpose(wide, [1, 0, 2])
    labels, label_length = _dense_labels(labels, label_length)
    # One batch size throughout, that of the frames, where several are unknown.
    batch = array.shape(frames)[:1]
    labels = array.reshape(labels, array.concat([batch, array.shape(labels)[1:]], 0))
    label_length, logit_length = array.reshape(label_length, batch), array.reshape(_int(logit_length), batch)
    classes = frames.shape[2] if frames.shape[2] is not None else array.shape(frames)[2]
    blank = 0 if blank_index is None else blank_index
    if isinstance(blank, int) and blank < 0:
        blank = blank + classes
    place = array.reshape(array.range_(array.shape(labels)[1]), [1, -1])
    inside = apply(find("Less"), place, array.expand_dims(label_length, 1))
    labels = array.where(inside, labels, array.zeros_like(labels))
    states = _interleaved(labels, blank)
    logs = log_softmax(frames)
    each = array.transpose(picking.gather(logs, states, axis=2, batch_dims=1), [1, 0, 2])
    penalty, nowhere, free = (eager_constant(v, wide.dtype) for v in (_PENALTY, _NOWHERE, 0))
    # A state is reached from the one two before where it is a label other than that one.
    two_before = array.pad(states, [[0, 0], [2, 0]], constant_values=-1)[:, : array.shape(states)[1]]
    odd = apply(find("Equal"), array.range_(array.shape(states)[1]) % 2, eager_constant(1, dtypes.int32))
    skips = apply(find("LogicalAnd"), odd, apply(find("NotEqual"), states, two_before))
    first = apply(find("Less"), array.range_(array.shape(states)[1]), eager_constant(2, dtypes.int32))
    alpha = each[0] + array.where(first, free, penalty)
    jump = array.where(skips, free, penalty)

    def step(t: Any, alpha: Any) -> Any:
        total = reduce_logsumexp(array.stack([alpha, _moved(alpha, 1), _moved(alpha, 2) + jump], 0), 0) + each[t]
        running = array.expand_dims(apply(find("Less"), t, logit_length), 1)
        return t + 1, array.where(running, total, alpha)

    count = array.shape(each)[0]
    start = eager_constant(1, dtypes.int32)
    alpha = while_loop(lambda t, alpha: apply(find("Less"), t, count), step, (start, alpha))[1]
    last = array.stack(
        [2 * label_length, apply(find("Maximum"), 2 * label_length - 1, eager_constant(0, dtypes.int32))], 1
    )
    ends = picking.gather(alpha, last, axis=1, batch_dims=1)
    empty = array.expand_dims(apply(find("Equal"), label_length, eager_constant(0, dtypes.int32)), 1)
    ends = array.where(apply(find("LogicalAnd"), empty, eager_constant([False, True], dtypes.bool)), nowhere, ends)
    return cast(apply(find("Neg"), reduce_logsumexp(ends, 1)), kind)


@public("nn.ctc_greedy_decoder")
def ctc_greedy_decoder(inputs: Any, sequence_length: Any, merge_repeated: bool = True, blank_index: Any = None) -> Any:
    """Return the likeliest class of each frame [frames, batch, classes], repeats (if asked) and blanks left out, as one sparse tensor in a list, and the negative sums of logits."""
    x, lengths = to_tensor(inputs), _int(sequence_length)
    classes = x.shape[2] if x.shape[2] is not None else array.shape(x)[2]
    blank = classes - 1 if blank_index is None else blank_index
    if isinstance(blank, int) and blank < 0:
        blank = blank + classes
    best = array.transpose(argmax(x, 2), [1, 0])
    place = array.reshape(array.range_(array.shape(best)[1]), [1, -1])
    running = apply(find("Less"), place, array.expand_dims(lengths, 1))
    kept = apply(find("LogicalAnd"), running, apply(find("NotEqual"), best, cast(to_tensor(blank), dtypes.int64)))
    if merge_repeated:
        before = array.pad(best, [[0, 0], [1, 0]], constant_values=-1)[:, : array.shape(best)[1]]
        kept = apply(find("LogicalAnd"), kept, apply(find("NotEqual"), best, before))
    ordinal = cumsum(cast(kept, dtypes.int64), 1)
    at = array.where(kept)
    column = picking.gather_nd(ordinal, at) - 1
    indices = array.stack([at[:, 0], column], 1)
    most = reduce_max(array.concat([array.reshape(ordinal, [-1]), eager_constant([0], dtypes.int64)], 0))
    shape = array.stack([cast(array.shape(best)[0], dtypes.int64), most])
    peak = array.transpose(reduce_max(x, 2), [1, 0])
    score = apply(find("Neg"), reduce_sum(array.where(running, peak, array.zeros_like(peak)), 1, True))
    return [SparseTensor(indices, picking.gather_nd(best, at), shape)], score


def _best_prefixes(logs: Any, width: int, blank: int) -> list[tuple[tuple[int, ...], float]]:
    """Return the likeliest label sequences for the frames [frames, classes] with their log probabilities, best first."""
    nothing = -np.inf
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, nothing)}
    others = [c for c in range(logs.shape[1]) if c != blank]
    for frame in logs.tolist():
        found: dict[tuple[int, ...], list[float]] = {}
        for prefix, (with_blank, without) in beams.items():
            total = np.logaddexp(with_blank, without)
            here = found.setdefault(prefix, [nothing, nothing])
            here[0] = np.logaddexp(here[0], total + frame[blank])
            if prefix:
                here[1] = np.logaddexp(here[1], without + frame[prefix[-1]])
            for c in others:
                before = with_blank if prefix and prefix[-1] == c else total
                if before == nothing:
                    continue
                longer = found.setdefault((*prefix, c), [nothing, nothing])
                longer[1] = np.logaddexp(longer[1], before + frame[c])
        best = sorted(found.items(), key=lambda item: -float(np.logaddexp(item[1][0], item[1][1])))[:width]
        beams = {prefix: (pair[0], pair[1]) for prefix, pair in best}
    return [(prefix, float(np.logaddexp(*pair))) for prefix, pair in beams.items()]


def _decode(x: Any, lengths: Any, width: int, paths: int) -> list[Any]:
    logs = x.astype(np.float64) - np.logaddexp.reduce(x.astype(np.float64), axis=2, keepdims=True)
    rows = [_best_prefixes(logs[: lengths[b], b], width, x.shape[2] - 1) for b in range(x.shape[1])]
    if any(len(found) < paths for found in rows):
        raise ValueError(
            explain(f"The search found fewer than top_paths={paths} label sequences; give a smaller number.")
        )
    results: list[Any] = []
    for k in range(paths):
        labels = [found[k][0] for found in rows]
        places = [(b, i) for b, row in enumerate(labels) for i in range(len(row))]
        results.append(np.array(places, np.int64).reshape(-1, 2))
        results.append(np.array([c for row in labels for c in row], np.int64))
        results.append(np.array([len(labels), max((len(row) for row in labels), default=0)], np.int64))
    return [*results, np.array([[found[k][1] for k in range(paths)] for found in rows], x.dtype).reshape(-1, paths)]


@public("nn.ctc_beam_search_decoder")
def ctc_beam_search_decoder(inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1) -> Any:
    """Return the `top_paths` likeliest label sequences of logits [frames, batch, classes], as sparse tensors, and their log probabilities.

    It runs on the host; the last class is the blank. Where beams are cut off, a less likely path may differ from TensorFlow's.
    """
    x, lengths = to_tensor(inputs), _int(sequence_length)
    kinds = [dtypes.int64] * (3 * top_paths) + [x.dtype]
    found = call_python(
        lambda a, n: _decode(np.asarray(a), np.asarray(n), beam_width, top_paths), [x, lengths], kinds, numpy=True
    )
    for k in range(top_paths):
        for part, shape in zip(found[3 * k : 3 * k + 3], ([None, 2], [None], [2]), strict=True):
            part.set_shape(shape)
    found[-1].set_shape([x.shape[1] if x.shape.rank == 3 else None, top_paths])
    return [SparseTensor(*found[3 * k : 3 * k + 3]) for k in range(top_paths)], found[-1]
