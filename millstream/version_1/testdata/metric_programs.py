"""Metrics over three batches, and recurrent networks: more programs for record.py and libraries_test.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.version_1.testdata.programs import Found, plain

_DRAW = np.random.RandomState(0)
_BATCHES = [
    {
        "p": _DRAW.rand(4, 3).astype("f"),
        "y": _DRAW.rand(4, 3) > 0.5,
        "w": _DRAW.rand(4, 3).astype("f"),
        "c": _DRAW.randint(0, 3, 4).astype("int64"),
        "d": _DRAW.randint(0, 3, 4).astype("int64"),
        "s": _DRAW.rand(4, 6).astype("f"),
        "k": _DRAW.randint(0, 6, (4, 2)).astype("int64"),
        "r": _DRAW.rand(4).astype("f"),
    }
    for _ in range(3)
]


def metrics(tf: Any) -> Found:
    """The update and the value after each batch, and the names of the variables."""
    v1 = tf.compat.v1
    m = v1.metrics

    def f(x: Any) -> Any:
        return tf.cast(x, tf.float32)

    kinds = {
        "mean": lambda p, w, **_: m.mean(p, w),
        "mean_tensor": lambda p, w, **_: m.mean_tensor(p, w),
        "percentage_below": lambda p, w, **_: m.percentage_below(p, 0.4, w),
        "accuracy": lambda c, d, r, **_: m.accuracy(c, d, r),
        "mean_absolute_error": lambda y, p, w, **_: m.mean_absolute_error(f(y), p, w),
        "root_mean_squared_error": lambda y, p, **_: m.root_mean_squared_error(f(y), p),
        "mean_relative_error": lambda y, p, **_: m.mean_relative_error(f(y), p, f(y)),
        "mean_cosine_distance": lambda y, p, w, **_: m.mean_cosine_distance(f(y), p, 1, w[:, :1]),
        "mean_per_class_accuracy": lambda c, d, r, **_: m.mean_per_class_accuracy(c, d, 3, r),
        "mean_iou": lambda c, d, r, **_: m.mean_iou(c, d, 3, r),
        "true_positives": lambda y, p, w, **_: m.true_positives(y, p > 0.5, w),
        "false_negatives": lambda y, p, w, **_: m.false_negatives(y, p > 0.5, w),
        "precision": lambda y, p, w, **_: m.precision(y, p > 0.5, w),
        "recall": lambda y, p, w, **_: m.recall(y, p > 0.5, w),
        "auc": lambda y, p, w, **_: m.auc(y, p, w),
        "auc of precisions": lambda y, p, w, **_: m.auc(
            y, p, w, 20, curve="PR", summation_method="careful_interpolation"
        ),
        "auc below": lambda y, p, **_: m.auc(y, p, num_thresholds=20, summation_method="minoring"),
        "auc at": lambda y, p, **_: m.auc(y, p, thresholds=[0.2, 0.5]),
        "true_negatives_at_thresholds": lambda y, p, w, **_: m.true_negatives_at_thresholds(y, p, [0.2, 0.6], w),
        "precision_at_thresholds": lambda y, p, w, **_: m.precision_at_thresholds(y, p, [0.2, 0.6], w),
        "recall_at_thresholds": lambda y, p, w, **_: m.recall_at_thresholds(y, p, [0.2, 0.6], w),
        "sensitivity_at_specificity": lambda y, p, w, **_: m.sensitivity_at_specificity(y, p, 0.5, w),
        "specificity_at_sensitivity": lambda y, p, w, **_: m.specificity_at_sensitivity(y, p, 0.5, w),
        "recall_at_k": lambda k, s, r, **_: m.recall_at_k(k, s, 3, weights=r),
        "recall_at_k of a class": lambda k, s, **_: m.recall_at_k(k, s, 3, class_id=2),
        "recall_at_k of one label": lambda c, s, **_: m.recall_at_k(c, s, 3),
        "precision_at_k": lambda k, s, r, **_: m.precision_at_k(k, s, 2, weights=r),
        "average_precision_at_k": lambda k, s, r, **_: m.average_precision_at_k(k, s, 3, r),
        "recall of sparse labels": lambda k, s, **_: m.recall_at_k(tf.sparse.from_dense(k + 0), s, 3),
    }
    found = {}
    for name, make in kinds.items():
        with tf.Graph().as_default(), v1.Session() as session:
            holders = {n: v1.placeholder(tf.as_dtype(a.dtype), a.shape) for n, a in _BATCHES[0].items()}
            value, update = make(**holders)
            session.run(v1.local_variables_initializer())
            results = []
            for batch in _BATCHES:
                results += plain([session.run(update, {holders[n]: a for n, a in batch.items()}), session.run(value)])
            # TensorFlow numbers one of the names of average precisions in its own way.
            names = sorted(v.name.replace("max_1", "max") for v in v1.local_variables())
            found[name] = [results, names]
    return found


class _Cell:
    """Doubles what it remembers."""

    state_size = output_size = 3

    def __init__(self, v1: Any, tf: Any) -> None:
        self.v1, self.tf = v1, tf

    def zero_state(self, batch: Any, dtype: Any) -> Any:
        return self.tf.zeros([batch, 3], dtype)

    def __call__(self, x: Any, state: Any) -> Any:
        w = self.v1.get_variable("w", [x.shape[-1] + 3, 3], initializer=self.v1.constant_initializer(0.1))
        new = self.tf.tanh(self.tf.matmul(self.tf.concat([x, state], 1), w))
        return new * 2.0, new


class _Pair(_Cell):
    """Has a state of two parts."""

    state_size: Any = (3, 3)

    def zero_state(self, batch: Any, dtype: Any) -> Any:
        return super().zero_state(batch, dtype), super().zero_state(batch, dtype)

    def __call__(self, x: Any, state: Any) -> Any:
        output, new = super().__call__(x, state[0])
        return output + state[1], (new, output)


def recurrent(tf: Any) -> Found:
    """Outputs and gradients of recurrent networks."""
    v1, nn, x_now = tf.compat.v1, tf.compat.v1.nn, np.random.RandomState(0).randn(2, 5, 4).astype("f")
    cell, pair, lengths = _Cell(v1, tf), _Pair(v1, tf), [3, 5]
    f = {"dtype": tf.float32}

    def raw(x: Any) -> Any:
        steps = tf.TensorArray(tf.float32, 5).unstack(tf.transpose(x, [1, 0, 2]))

        def steer(time: Any, output: Any, state: Any, loop_state: Any) -> Any:
            finished = time >= tf.constant(lengths)
            given = tf.cond(tf.reduce_all(finished), lambda: tf.zeros([2, 4]), lambda: steps.read(time))
            return finished, given, cell.zero_state(2, tf.float32) if output is None else state, output, None

        emitted, state, _ = nn.raw_rnn(cell, steer)
        return emitted.stack(), state

    kinds = {
        "dynamic": lambda x: nn.dynamic_rnn(cell, x, **f),
        "dynamic of lengths": lambda x: nn.dynamic_rnn(pair, x, lengths, **f),
        "bidirectional": lambda x: nn.bidirectional_dynamic_rnn(cell, pair, x, lengths, **f),
        "static": lambda x: nn.static_rnn(cell, tf.unstack(x, 5, 1), **f),
        "static of lengths": lambda x: nn.static_rnn(pair, tf.unstack(x, 5, 1), sequence_length=lengths, **f),
        "static both": lambda x: nn.static_bidirectional_rnn(
            cell, cell, tf.unstack(x, 5, 1), sequence_length=lengths, **f
        ),
        "raw": raw,
    }
    found = {}
    for name, make in kinds.items():
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, [2, 5, 4])
            flat = tf.nest.flatten(make(x))
            slopes = v1.gradients([tf.reduce_sum(y) for y in flat], [x, *v1.trainable_variables()])
            session.run(v1.global_variables_initializer())
            names = [v.name for v in v1.trainable_variables()]
            found[name] = [plain(session.run(flat + slopes, {x: x_now})), names, [str(y.shape) for y in flat]]
    return found
