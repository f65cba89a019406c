"""tf.nn's rare functions: labels of CTC, morphology, fractional pooling, isotonic regression; cells that wrap cells."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from millstream.api import array, picking
from millstream.api.calls import named
from millstream.api.control_flow import map_fn
from millstream.api.math import cast
from millstream.api.public import PUBLIC, public
from millstream.api.random import dropout
from millstream.api.reduction import reduce_max, reduce_sum
from millstream.base import dtypes, errors, nest
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.module import Module
from millstream.execution.random_seeds import op_seeds
from millstream.ops.registry import find


@public("nn.collapse_repeated")
def collapse_repeated(labels: Any, seq_length: Any, name: str | None = None) -> Any:
    """Make one of labels that repeat side by side, in each row.

    Arguments:
      labels: [batch, longest].
      seq_length: [batch]: how many labels of each row count.
      name: not used.

    Returns:
      the labels that are left, [batch, longest that is left], padded with 0; and how many there are in each row.

    >>> tf.nn.collapse_repeated([[1, 1, 2, 2, 1]], [5])[0].numpy().tolist()
    [[1, 2, 1]]
    """
    labels, lengths = to_tensor(labels), to_tensor(seq_length)
    first = array.ones_like(labels[:, :1], dtypes.bool)
    new = array.concat([first, apply(find("NotEqual"), labels[:, 1:], labels[:, :-1])], 1)
    longest = array.shape(labels)[1]
    new = apply(find("LogicalAnd"), new, picking.sequence_mask(lengths, longest))
    counts = reduce_sum(cast(new, dtypes.int32), 1)
    widest = reduce_max(counts)
    places = apply(find("Where"), new)
    rows = places[:, 0]
    order = apply(find("Cumsum"), cast(new, dtypes.int64), 1)
    columns = picking.gather_nd(order, places) - 1
    shape = array.stack([cast(array.shape(labels)[0], dtypes.int64), cast(widest, dtypes.int64)])
    kept = picking.scatter_nd(array.stack([rows, columns], 1), picking.gather_nd(labels, places), shape)
    return kept, cast(counts, lengths.dtype)


@public("nn.ctc_unique_labels")
def ctc_unique_labels(labels: Any, name: str | None = None) -> Any:
    """Return each row's different labels, padded with 0, and where each label is among them: for ctc_loss's `unique`.

    Arguments:
      labels: [batch, longest], padded with 0.
      name: not used.

    >>> [part.numpy().tolist() for part in tf.nn.ctc_unique_labels([[3, 4, 4, 3]])]
    [[[3, 4, 0, 0]], [[0, 1, 1, 0]]]
    """

    def row(x: Any) -> Any:
        values, index = array.unique(x)
        missing = array.size(index) - array.size(values)
        padded = array.pad(values, [[array.size(index) * 0, missing]])
        return [cast(padded, dtypes.int64), index]

    return map_fn(row, to_tensor(labels), fn_output_signature=[dtypes.int64, dtypes.int32])


def _channels_last(data_format: str) -> None:
    if data_format != "NHWC":
        raise ValueError(
            explain(f"`data_format` values other than 'NHWC' are not supported. Received: data_format={data_format}")
        )


@public("nn.dilation2d")
def dilation2d(
    input: Any,
    filters: Any,
    strides: Sequence[int],
    padding: str,
    data_format: str,
    dilations: Sequence[int],
    name: str | None = None,
) -> Any:
    """Return the grey-scale dilation of images: the largest sum of pixel and filter over each window.

    Arguments:
      input: [batch, rows, columns, depth].
      filters: [rows, columns, depth].
      strides, dilations: [1, rows, columns, 1].
      padding: "SAME" or "VALID".
      data_format: "NHWC".
      name: not used.

    Raises:
      ValueError: on another data_format.
    """
    _channels_last(data_format)
    x = to_tensor(input)
    return _dilated(x, to_tensor(filters, x.dtype), strides, dilations, padding)


def _dilated(x: Any, filters: Any, strides: Sequence[int], rates: Sequence[int], padding: str) -> Any:
    return apply(find("Dilation2D"), x, filters, strides=tuple(strides), rates=tuple(rates), padding=padding)


@public("nn.erosion2d")
def erosion2d(
    value: Any,
    filters: Any,
    strides: Sequence[int],
    padding: str,
    data_format: str,
    dilations: Sequence[int],
    name: str | None = None,
) -> Any:
    """Return the grey-scale erosion of images: the smallest difference of pixel and mirrored filter over each window.

    Arguments: those of `tf.nn.dilation2d`.
    """
    _channels_last(data_format)
    x = to_tensor(value)
    mirrored = to_tensor(filters, x.dtype)[::-1, ::-1]
    return -_dilated(-x, mirrored, strides, dilations, padding)


@public("compat.v1.nn.dilation2d")
def dilation2d_v1(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Any:
    """Return the grey-scale dilation of images; see `tf.nn.dilation2d`."""
    x = to_tensor(input)
    chosen = to_tensor(filter if filters is None else filters, x.dtype)
    return _dilated(x, chosen, strides, rates if dilations is None else dilations, padding)


@public("compat.v1.nn.erosion2d")
def erosion2d_v1(
    value: Any, kernel: Any, strides: Sequence[int], rates: Sequence[int], padding: str, name: str | None = None
) -> Any:
    """Return the grey-scale erosion of images; see `tf.nn.erosion2d`."""
    return erosion2d(value, kernel, strides, padding, "NHWC", rates)


def _ratios(given: Any) -> tuple[float, ...]:
    if isinstance(given, (list, tuple)):
        if any(r < 1.0 for r in given):
            raise ValueError(explain(f"`pooling_ratio` should be >= 1.0. Received: pooling_ratio={given}"))
        if len(given) not in (1, 2, 4):
            raise ValueError(explain(f"`pooling_ratio` has {len(given)} numbers; give 1, 2 or 4."))
        if len(given) != 1 and (given[0] != 1.0 or given[-1] != 1.0):
            raise ValueError(
                explain(
                    f"`pooling_ratio` should have first and last elements with value 1.0. Received: pooling_ratio={given}"
                )
            )
        inner = tuple(given) * 2 if len(given) == 1 else tuple(given)
        return inner if len(inner) == 4 else (1.0, *inner, 1.0)
    if not isinstance(given, (int, float)):
        raise ValueError(
            explain(f"`pooling_ratio` should be an int or a list of ints. Received: pooling_ratio={given}")
        )
    if given < 1.0:
        raise ValueError(explain(f"`pooling_ratio` should be >= 1.0. Received: pooling_ratio={given}"))
    return 1.0, float(given), float(given), 1.0


def _fractional(leaf: str, op_name: str, what: str) -> None:
    op = find(op_name)

    def pool(
        value: Any,
        pooling_ratio: Any,
        pseudo_random: bool = False,
        overlapping: bool = False,
        seed: int = 0,
        name: str | None = None,
    ) -> Any:
        first, second = op_seeds(seed) if seed else (0, 0)
        return named(
            op, value, pooling_ratio=_ratios(pooling_ratio), pseudo_random=pseudo_random, overlapping=overlapping,
            deterministic=bool(seed), seed=first or 0, seed2=second or 0,
        )  # fmt: skip

    def pool_v1(
        value: Any,
        pooling_ratio: Any,
        pseudo_random: bool = False,
        overlapping: bool = False,
        deterministic: bool = False,
        seed: int = 0,
        seed2: int = 0,
        name: str | None = None,
    ) -> Any:
        return named(
            op, value, pooling_ratio=tuple(float(r) for r in pooling_ratio), pseudo_random=pseudo_random,
            overlapping=overlapping, deterministic=deterministic, seed=seed, seed2=seed2,
        )  # fmt: skip

    doc = f"""Return the {what} of windows of changing size, and where their rows and columns begin.

    Arguments:
      value: [batch, rows, columns, channels]: int32, int64, float32 or float64; sizes must be known.
      pooling_ratio: how many times smaller the result is, from 1.0 on: one number, or [1.0, rows, columns, 1.0].
      pseudo_random: whether windows begin at multiples of the ratio, shifted, instead of in random order of sizes.
      overlapping: whether neighbours share the pixels at their border.
      seed: of the windows; 0: any.
      name: not used.

    Returns:
      output, row_pooling_sequence, col_pooling_sequence (int64).

    Raises:
      ValueError: on ratios below 1, or that touch batch or channels.
    """
    for name, function in ((f"nn.{leaf}", pool), (f"compat.v1.nn.{leaf}", pool_v1)):
        function.__name__ = function.__qualname__ = leaf
        function.__doc__ = doc
        public(name)(function)


_fractional("fractional_max_pool", "FractionalMaxPool", "largest elements")
_fractional("fractional_avg_pool", "FractionalAvgPool", "means")

_PROMOTED = {
    dtypes.float32: dtypes.float32,
    dtypes.float16: dtypes.float16,
    dtypes.bfloat16: dtypes.bfloat16,
    dtypes.int8: dtypes.float32,
    dtypes.int16: dtypes.float32,
}


@public("nn.isotonic_regression")
def isotonic_regression(inputs: Any, decreasing: bool = True, axis: int = -1) -> Any:
    """Return the numbers that do not rise (or, with decreasing=False, not fall) along an axis and are nearest to `inputs`.

    Arguments:
      inputs: numbers of any shape.
      decreasing: the direction.
      axis: along which.

    Returns:
      the solutions, and int32 numbers of the runs of equal values.

    Raises:
      InvalidArgumentError: where there is no such axis.

    >>> tf.nn.isotonic_regression([3.0, 1.0, 2.0])[0].numpy()
    array([3. , 1.5, 1.5], dtype=float32)
    """
    x = to_tensor(inputs)
    rank = x.shape.rank
    if rank is not None and not -rank <= axis < rank:
        raise errors.InvalidArgumentError(
            None,
            None,
            explain(f"`dim` must be in the range [{-rank}, {rank}), the axes of the input. Received: dim={axis}"),
        )
    out = _PROMOTED.get(x.dtype, dtypes.float64)
    last = axis in (-1, (rank or 0) - 1)
    order = list(range(rank or 1))
    if not last:
        order[axis], order[-1] = order[-1], order[axis]
        x = array.transpose(x, order)
    values, segments = apply(find("IsotonicRegression"), x if decreasing else -x, output_dtype=out)
    values = values if decreasing else -values
    return (values, segments) if last else (array.transpose(values, order), array.transpose(segments, order))


@public("nn.scale_regularization_loss")
def scale_regularization_loss(regularization_loss: Any) -> Any:
    """Return the sum of a regularisation loss, divided by the number of replicas.

    Arguments:
      regularization_loss: a tensor or scalar.

    Raises:
      RuntimeError: outside of a replica of a distribution strategy.
    """
    if PUBLIC["distribute.in_cross_replica_context"]() if "distribute.in_cross_replica_context" in PUBLIC else False:
        raise RuntimeError(
            explain(
                "You are calling `scale_regularization_loss` in cross replica context, while it was expected to be called in "
                "replica context: call it inside strategy.run."
            )
        )
    replicas = PUBLIC["distribute.get_strategy"]().num_replicas_in_sync if "distribute.get_strategy" in PUBLIC else 1
    total = reduce_sum(to_tensor(regularization_loss))
    return total if replicas == 1 else total / cast(to_tensor(replicas), total.dtype)


class _Wrapper(Module):
    """A recurrent cell around another one, whose sizes it has."""

    def __init__(self, cell: Any, name: str | None = None) -> None:
        super().__init__(name)
        for attribute in ("output_size", "state_size", "__call__"):
            if not hasattr(cell, attribute):
                raise TypeError(
                    explain(f"The argument 'cell' ({cell!r}) is not an RNNCell: '{attribute}' property is missing.")
                )
        self.cell = cell

    @property
    def state_size(self) -> Any:
        """The sizes of the state."""
        return self.cell.state_size

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self.cell.output_size

    @property
    def wrapped_cell(self) -> Any:
        """The cell inside."""
        return self.cell

    def get_initial_state(self, *args: Any, **kwargs: Any) -> Any:
        """Return the first state of the cell inside."""
        return self.cell.get_initial_state(*args, **kwargs)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Return a state of zeros."""
        return nest.map_structure(lambda n: array.zeros([batch_size, n], dtype), self.state_size)

    def call(self, inputs: Any, state: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Return output and state after one step."""
        output, new = self.cell(inputs, state, **kwargs)
        return output, new

    def __call__(self, inputs: Any, state: Any, **kwargs: Any) -> tuple[Any, Any]:
        return self.call(inputs, state, **kwargs)


@public("nn.RNNCellDropoutWrapper")
class RNNCellDropoutWrapper(_Wrapper):
    """A recurrent cell with dropout on inputs, outputs and states.

    Arguments:
      cell: the cell inside.
      input_keep_prob, output_keep_prob, state_keep_prob: the share that is kept of each, in [0, 1].
      variational_recurrent: not supported: must be False.
      input_size, dtype: not used without it.
      seed: of the numbers.
      dropout_state_filter_visitor: a function that says of each state whether dropout is applied; None: of all but a
        cell's memory `c` of LSTM.

    Raises:
      ValueError: on shares outside [0, 1].
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(cell, name)
        self._keep = {"input": input_keep_prob, "output": output_keep_prob, "state": state_keep_prob}
        for what, share in self._keep.items():
            if isinstance(share, (int, float)) and not 0 <= share <= 1:
                raise ValueError(explain(f"Parameter {what}_keep_prob must be between 0 and 1: {share}"))
        if variational_recurrent:
            raise errors.UnimplementedError(
                None,
                None,
                explain("variational_recurrent=True is not supported: use the dropout arguments of Keras's cells."),
            )
        self._seed = seed
        self._filter = dropout_state_filter_visitor

    def _dropped(self, x: Any, what: str, flags: Sequence[bool] | None = None) -> Any:
        share = self._keep[what]
        if isinstance(share, (int, float)) and math.isclose(share, 1.0):
            return x
        flat = nest.flatten(x)
        kept = flags if flags is not None else [True] * len(flat)
        found = [
            dropout(v, rate=1 - share, seed=self._seed_of(what, i)) if keep else v
            for i, (v, keep) in enumerate(zip(flat, kept, strict=True))
        ]
        return nest.pack_sequence_as(x, found)

    def _seed_of(self, what: str, i: int) -> int | None:
        if self._seed is None:
            return None
        digest = hashlib.md5(f"{self._seed}{what}_{i}".encode(), usedforsecurity=False).hexdigest()
        return int(digest[:8], 16) & 0x7FFFFFFF

    def call(self, inputs: Any, state: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Return output and state after one step, with dropout."""
        output, new = self.cell(self._dropped(inputs, "input"), state, **kwargs)
        chosen = self._filter(new) if self._filter is not None else True
        flags = nest.flatten(chosen) if nest.is_nested(chosen) else [bool(chosen)] * len(nest.flatten(new))
        return self._dropped(output, "output"), self._dropped(new, "state", flags)


@public("nn.RNNCellResidualWrapper")
class RNNCellResidualWrapper(_Wrapper):
    """A recurrent cell whose inputs are added to its outputs, or joined with them by `residual_fn(inputs, outputs)`."""

    def __init__(
        self, cell: Any, residual_fn: Callable[[Any, Any], Any] | None = None, name: str | None = None
    ) -> None:
        super().__init__(cell, name)
        self._join = residual_fn

    def call(self, inputs: Any, state: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Return output and state after one step."""
        output, new = self.cell(inputs, state, **kwargs)
        if self._join is not None:
            return self._join(inputs, output), new
        return nest.map_structure(lambda x, y: x + y, inputs, output), new


@public("nn.RNNCellDeviceWrapper")
class RNNCellDeviceWrapper(_Wrapper):
    """A recurrent cell that runs on a device."""

    def __init__(self, cell: Any, device: Any, name: str | None = None) -> None:
        super().__init__(cell, name)
        self._device = device

    def call(self, inputs: Any, state: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Return output and state after one step."""
        with PUBLIC["device"](self._device):
            output, new = self.cell(inputs, state, **kwargs)
        return output, new
