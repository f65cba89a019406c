"""What reductions, running sums, softmax, matrix products and sums by segment do with ragged tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api.public import PUBLIC, composite_rule, public
from millstream.api.ragged import is_ragged, ragged_or_tensor
from millstream.api.ragged_broadcast import number
from millstream.base import dtypes
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_slicing import take_rows
from millstream.execution.ragged_structure import positive_axis
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.row_partition import RowPartition, integer, sized
from millstream.execution.static_value import static_value
from millstream.execution.tensor import eager_constant
from millstream.ops import row_partition as ops
from millstream.ops.registry import find

Segments = Callable[[Any, Any, Any], Any]


def _by_op(name: str) -> Segments:
    return lambda data, ids, count: apply(find(name), data, ids, count)


_sum, _product = _by_op("UnsortedSegmentSum"), _by_op("UnsortedSegmentProd")
_max, _min = _by_op("UnsortedSegmentMax"), _by_op("UnsortedSegmentMin")


def _axes(axis: Any, rank: int | None) -> list[int]:
    """Return the axes to reduce, the innermost first."""
    if hasattr(axis, "dtype"):
        known = static_value(to_tensor(axis))
        if known is None:
            raise ValueError(explain("axis must be known at graph construction time."))
        axis = known.tolist()
    given = [axis] if isinstance(axis, (int, np.integer)) else list(axis)
    return sorted({positive_axis(int(a), rank, "axis", "rank(input_tensor)") for a in given}, reverse=True)


def _reduced(whole: Callable[..., Any], segments: Segments, x: Any, axis: Any, keepdims: bool) -> Any:
    """Reduce a ragged tensor, one axis after the other from the innermost; all of it at once without axes."""
    if axis is None:
        result = whole(x.flat_values)
        return PUBLIC["reshape"](result, [1] * x.shape.rank) if keepdims else result
    for place in _axes(axis, x.shape.rank):
        if not is_ragged(x):
            x = whole(x, place, keepdims)
            continue
        x = _along(whole, segments, x, place)
        if keepdims:
            x = PUBLIC["expand_dims"](x, place)
    return x


def _along(whole: Callable[..., Any], segments: Segments, x: Any, axis: int) -> Any:
    if axis > 1:
        inner = x.values
        return x.with_values(_along(whole, segments, inner, axis - 1) if is_ragged(inner) else whole(inner, axis - 1))
    if axis == 1:
        return by_segment(segments, x.values, x.value_rowids(), x.nrows())
    lengths = x.row_lengths()
    longest = PUBLIC["reduce_max"](PUBLIC["concat"]([lengths, eager_constant(np.asarray([0]), lengths.dtype)], 0))
    return by_segment(segments, x.values, x._row_partition.offsets_in_rows(), longest)


def by_segment(segments: Segments, data: Any, ids: Any, count: Any) -> Any:
    """Reduce the rows of each segment; of ragged rows the elements at one place, as long as the longest is."""
    if not is_ragged(data):
        return segments(data, ids, count)
    kind = data.row_splits.dtype
    ids, count = integer(ids, kind), integer(count, kind)
    # A row of a segment is as long as its longest; none is shorter than 0.
    found = _max(data.row_lengths(), ids, count)
    lengths = apply(find("Maximum"), found, number(0, kind))
    partition = RowPartition.from_row_lengths(lengths, validate=False)
    places = take_rows(partition.row_starts(), take_rows(ids, data.value_rowids()))
    targets = places + data._row_partition.offsets_in_rows()
    values = by_segment(segments, data.values, targets, partition.nvals())
    return RaggedTensor._from_row_partition(values, partition, validate=False)


def _reduction(name: str, segments: Segments) -> None:
    @composite_rule(f"math.{name}")
    def rule(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
        if not is_ragged(input_tensor):
            return NotImplemented
        return _reduced(PUBLIC[published], segments, input_tensor, axis, bool(keepdims))

    published = f"math.{name}"


for _name, _segments in {"reduce_sum": _sum, "reduce_prod": _product, "reduce_max": _max, "reduce_min": _min}.items():
    _reduction(_name, _segments)


def _logical(name: str, through: str) -> None:
    """Reduce bools as numbers: all as their product, any as their sum."""

    @composite_rule(f"math.{name}")
    def rule(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
        if not is_ragged(input_tensor):
            return NotImplemented
        numbers = PUBLIC["cast"](input_tensor, dtypes.int32)
        return PUBLIC["cast"](PUBLIC[through](numbers, axis, keepdims), dtypes.bool)


_logical("reduce_all", "math.reduce_prod")
_logical("reduce_any", "math.reduce_sum")


@composite_rule("math.reduce_mean")
def _mean(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    if not is_ragged(input_tensor):
        return NotImplemented
    x = input_tensor
    total = PUBLIC["math.reduce_sum"](x, axis, keepdims)
    ones = x.with_flat_values(apply(find("OnesLike"), x.flat_values))
    return total / PUBLIC["math.reduce_sum"](ones, axis, keepdims)


@composite_rule("math.reduce_variance")
def _variance(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    if not is_ragged(input_tensor):
        return NotImplemented
    x = input_tensor
    if x.dtype.is_complex:
        raise ValueError(
            explain(
                f"reduce_variance is not supported for RaggedTensors with complex dtypes; given {x.dtype.name}. Take the variances of "
                "tf.math.real and tf.math.imag."
            )
        )
    if x.dtype.is_integer:
        # As wide as what division makes of them.
        wide = dtypes.float32 if x.dtype.size < 4 else dtypes.float64
        x = x.with_flat_values(apply(find("Cast"), x.flat_values, DstT=wide))
    if axis is None:
        return _reduced(PUBLIC["math.reduce_variance"], _sum, x, None, bool(keepdims))
    squares = PUBLIC["math.reduce_mean"](PUBLIC["math.square"](x), axis, keepdims)
    return squares - PUBLIC["math.square"](PUBLIC["math.reduce_mean"](x, axis, keepdims))


@composite_rule("math.reduce_std")
def _deviation(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Any:
    if not is_ragged(input_tensor):
        return NotImplemented
    return PUBLIC["math.sqrt"](PUBLIC["math.reduce_variance"](input_tensor, axis, keepdims))


@composite_rule("strings.reduce_join")
def _join(inputs: Any, axis: Any = None, keepdims: bool = False, separator: str = "", name: str | None = None) -> Any:
    if not is_ragged(inputs):
        return NotImplemented

    def whole(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return PUBLIC["strings.reduce_join"](x, axis, keepdims, separator)

    def segments(data: Any, ids: Any, count: Any) -> Any:
        return PUBLIC["strings.unsorted_segment_join"](data, ids, count, separator)

    return _reduced(whole, segments, inputs, axis, bool(keepdims))


def _segment_function(name: str, segments: Segments) -> None:
    @composite_rule(f"math.{name}")
    def rule(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
        if not is_ragged(data) and not is_ragged(segment_ids):
            return NotImplemented
        return _segmented(segments, data, segment_ids, num_segments)


def _segmented(segments: Segments, data: Any, ids: Any, count: Any) -> Any:
    if is_ragged(ids):
        if not is_ragged(data):
            raise ValueError(explain("If segment_ids is ragged, then data must be ragged."))
        _require_rows(data, ids)
        return _segmented(segments, data.values, ids.values, count)
    ids = to_tensor(ids, None, dtypes.int64)
    return by_segment(segments, data, ids, to_tensor(count, None, ids.dtype))


def _require_rows(data: Any, ids: Any) -> None:
    """Stop where two ragged tensors have other rows."""
    message = "segment_ids.shape must be a prefix of data.shape"
    known = static_value(data.row_splits), static_value(ids.row_splits)
    if known[0] is not None and known[1] is not None:
        if not np.array_equal(*known):
            raise InvalidArgumentError(None, None, explain(message))
        return
    apply(ops.CHECK_EQUAL, data.row_splits, integer(ids.row_splits, data.row_splits.dtype), message=message)


def _mean_of_segments(power: float) -> Segments:
    def segments(data: Any, ids: Any, count: Any) -> Any:
        total = _sum(data, ids, count)
        numbers = _sum(PUBLIC["ones"](PUBLIC["shape"](ids), data.dtype), ids, count)
        some = apply(find("Maximum"), numbers, eager_constant(1, data.dtype))
        shape = PUBLIC["concat"]([PUBLIC["shape"](some), PUBLIC["ones"]([data.shape.rank - 1], dtypes.int32)], 0)
        return total / PUBLIC["reshape"](some if power == 1 else PUBLIC["math.sqrt"](some), shape)

    return segments


for _name, _segments in {
    "unsorted_segment_sum": _sum,
    "unsorted_segment_prod": _product,
    "unsorted_segment_max": _max,
    "unsorted_segment_min": _min,
    "unsorted_segment_mean": _mean_of_segments(1),
    "unsorted_segment_sqrt_n": _mean_of_segments(0.5),
}.items():
    _segment_function(_name, _segments)


@composite_rule("nn.softmax")
def _softmax(logits: Any, axis: Any = None, name: str | None = None) -> Any:
    if not is_ragged(logits):
        return NotImplemented
    axis = -1 if axis is None else axis
    largest = PUBLIC["stop_gradient"](PUBLIC["math.reduce_max"](logits, axis, True))
    powers = PUBLIC["math.exp"](logits - largest)
    return powers / PUBLIC["math.reduce_sum"](powers, axis, True)


@composite_rule("math.cumsum")
def _cumsum(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Any:
    if not is_ragged(x):
        return NotImplemented
    axis = positive_axis(int(axis), x.shape.rank, "axis", "rank(x)")
    if axis > x.ragged_rank:
        return x.with_flat_values(PUBLIC["math.cumsum"](x.flat_values, axis - x.ragged_rank, exclusive, reverse))
    # Zeros behind the ends of rows change no sum before them.
    sums = PUBLIC["math.cumsum"](x.to_tensor(), axis, exclusive, reverse)
    return like(sums, x)


def like(tensor: Any, ragged: Any) -> Any:
    """Return the elements of a dense tensor that stand where a ragged tensor has some."""
    return RaggedTensor.from_tensor(tensor, lengths=_nested(ragged), row_splits_dtype=ragged.row_splits.dtype)


def _nested(ragged: Any) -> list[Any]:
    return list(ragged.nested_row_lengths())


@composite_rule("linalg.matmul")
def _matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    output_type: Any = None,
    grad_a: bool = False,
    grad_b: bool = False,
    name: str | None = None,
) -> Any:
    if not is_ragged(a) and not is_ragged(b):
        return NotImplemented
    if (transpose_a and adjoint_a) or (transpose_b and adjoint_b):
        raise ValueError(explain("Only one of transpose and adjoint can be True."))
    a, b = ragged_or_tensor(a), ragged_or_tensor(b)
    rank = a.shape.rank
    if rank is None or rank != b.shape.rank:
        raise ValueError(explain(f"a and b must have one known rank; their shapes are {a.shape} and {b.shape}."))
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "adjoint_a": adjoint_a, "adjoint_b": adjoint_b}
    if rank == 2:
        return PUBLIC["linalg.matmul"](_whole(a), _whole(b), **options)
    if rank > 3:
        frame = a if is_ragged(a) else b
        inner = [
            v.merge_dims(0, rank - 3) if is_ragged(v) else PUBLIC["reshape"](v, [-1, *v.shape.as_list()[-2:]])
            for v in (a, b)
        ]
        product = PUBLIC["linalg.matmul"](*inner, **options)
        return RaggedTensor._from_nested_row_partitions(
            product, frame._nested_row_partitions[: rank - 3], validate=False
        )
    product = PUBLIC["linalg.matmul"](_whole(a), _whole(b), **options)
    turned = transpose_a or adjoint_a, transpose_b or adjoint_b
    rows = _sizes(a, 2 if turned[0] else 1)
    columns = _sizes(b, 1 if turned[1] else 2)
    if rows is None and columns is None:
        return product
    if columns is None:
        return RaggedTensor.from_tensor(product, lengths=rows, row_splits_dtype=rows.dtype)
    if rows is None:
        rows = PUBLIC["fill"]([PUBLIC["shape"](product)[0]], integer(PUBLIC["shape"](product)[1], columns.dtype))
    return RaggedTensor.from_tensor(
        product, lengths=[rows, PUBLIC["repeat"](columns, rows)], row_splits_dtype=rows.dtype
    )


def _whole(value: Any) -> Any:
    return value.to_tensor() if is_ragged(value) else value


def _sizes(value: Any, axis: int) -> Any:
    """Return the size of an axis for each matrix of a batch, None where it is one size for all."""
    if not is_ragged(value) or axis > value.ragged_rank or value._nested_row_partitions[axis - 1].is_uniform():
        return None
    if axis == 1:
        return value.row_lengths()
    # All rows of a matrix are of one length.
    return apply(
        find("Maximum"),
        by_segment(_max, value.values.row_lengths(), value.value_rowids(), value.nrows()),
        number(0, value.row_splits.dtype),
    )


@public("ragged.stack_dynamic_partitions")
def stack_dynamic_partitions(data: Any, partitions: Any, num_partitions: Any, name: str | None = None) -> Any:
    """Return the rows of `data` in rows by their partition: row i holds those with partition i, in their order.

    Args:
      data: a tensor or ragged tensor.
      partitions: integers in [0, num_partitions), one for each row of `data` (or deeper, as `data` has axes).
      num_partitions: how many rows there are.
      name: accepted and not used.

    Raises:
      InvalidArgumentError: where a partition is out of range.

    >>> tf.ragged.stack_dynamic_partitions(['a', 'b', 'c', 'd'], [3, 0, 2, 3], 4)
    <tf.RaggedTensor [[b'b'], [], [b'c'], [b'a', b'd']]>
    """
    data = ragged_or_tensor(data)
    partitions = ragged_or_tensor(partitions)
    rank = partitions.shape.rank
    if rank is None or ((rank == 0 and not is_ragged(partitions)) and partitions.shape.rank is None):
        raise ValueError(explain("partitions must have known rank."))
    if is_ragged(partitions):
        if not is_ragged(data):
            raise ValueError(explain("data must be ragged where partitions are."))
        _require_rows(data, partitions)
        made = stack_dynamic_partitions(data.values, partitions.values, num_partitions)
        return made.with_row_splits_dtype(data.row_splits.dtype)
    if rank == 0:
        wide = PUBLIC["expand_dims"](data, 0)
        return stack_dynamic_partitions(wide, PUBLIC["expand_dims"](partitions, 0), num_partitions)
    if rank > 1:
        flat = (
            data.merge_dims(0, rank - 1)
            if is_ragged(data)
            else PUBLIC["reshape"](data, PUBLIC["concat"]([[-1], PUBLIC["shape"](data)[rank:]], 0))
        )
        return stack_dynamic_partitions(flat, PUBLIC["reshape"](partitions, [-1]), num_partitions)
    kind = data.row_splits.dtype if is_ragged(data) else partitions.dtype
    ids = integer(partitions, kind)
    count = integer(to_tensor(num_partitions, None, kind), kind)
    apply(ops.CHECK_BELOW, ids, count, message="partitions must be in the range of num_partitions")
    apply(
        ops.CHECK_EQUAL, sized(data, kind), sized(ids, kind), message="partitions.shape must be a prefix of data.shape"
    )
    order = PUBLIC["argsort"](ids, stable=True)
    rows = take_rows(data, integer(order, kind))
    return RaggedTensor.from_value_rowids(rows, take_rows(ids, order), count, validate=False)
