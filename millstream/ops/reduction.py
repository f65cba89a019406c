"""Declare the ops that reduce or accumulate along axes."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.base import dtypes
from millstream.base.dtypes import float32, float64, int16, int32, int64, uint16
from millstream.base.sizes import is_known, product
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.ops.types import COMPLEX, FLOATS, INTEGERS, NUMBERS, QUANTIZED
from millstream.program.primitives import elementwise as e
from millstream.program.primitives import reduction as r
from millstream.program.primitives.core import refuse
from millstream.program.primitives.shaping import constant, contents, reshape, scalar_size, spread
from millstream.program.value import UnknownRank, Value

T = Types("T", *NUMBERS, *QUANTIZED)
Ordered = Types("T", *FLOATS, *INTEGERS, *QUANTIZED)
Tidx = Types("Tidx", int32, int64, default=int32)


def read_axes(x: Value, indices: Value, what: str) -> list[int]:
    """Return the axes that an index tensor names, counted from 0."""
    axes = contents(indices)
    found = []
    for axis in axes:
        if not is_known(axis):
            raise UnknownRank(f"{what}: the axes are known only when the program runs.")
        if not -x.rank <= axis < x.rank:
            raise refuse(what, f"axis {axis} of a tensor of rank {x.rank}", f"give axes in [{-x.rank}, {x.rank})")
        found.append(axis % x.rank)
    if len(set(found)) != len(found):
        raise refuse(what, f"axes {list(axes)}", "name each axis once")
    return sorted(found)


def read_axis(x: Value, index: Value, what: str) -> int:
    """Return the axis that an index names, counted from 0."""
    if index.rank != 0:
        raise refuse(what, f"axis is {index.spec}", "axis must be a scalar")
    return read_axes(x, index, what)[0]


def _reduced(x: Value, indices: Value, keep_dims: bool, kind: str, what: str) -> Value:
    axes = read_axes(x, indices, what)
    return keep(r.reduce(x, kind, axes), x, axes, keep_dims)


def keep(y: Value, x: Value, axes: Sequence[int], keep_dims: bool) -> Value:
    """Give `y` sizes of 1 at the reduced axes where `keep_dims`."""
    return reshape(y, [1 if i in axes else n for i, n in enumerate(x.shape)]) if keep_dims else y


@op("Sum", outputs="output")
def sum_(input: Tensor[T], reduction_indices: Known[Tensor[Tidx]], *, keep_dims: bool = False) -> Tensor[T]:
    """Return the sum over the named axes."""
    return _reduced(input, reduction_indices, keep_dims, "sum", "Sum")


@op("Prod", outputs="output")
def product_(input: Tensor[T], reduction_indices: Known[Tensor[Tidx]], *, keep_dims: bool = False) -> Tensor[T]:
    """Return the product over the named axes."""
    return _reduced(input, reduction_indices, keep_dims, "product", "Prod")


@op("Max", outputs="output")
def max_(input: Tensor[Ordered], reduction_indices: Known[Tensor[Tidx]], *, keep_dims: bool = False) -> Tensor[Ordered]:
    """Return the largest element over the named axes. Elements that tie share the gradient."""
    return _reduced(input, reduction_indices, keep_dims, "max", "Max")


@op("Min", outputs="output")
def min_(input: Tensor[Ordered], reduction_indices: Known[Tensor[Tidx]], *, keep_dims: bool = False) -> Tensor[Ordered]:
    """Return the smallest element over the named axes. Elements that tie share the gradient."""
    return _reduced(input, reduction_indices, keep_dims, "min", "Min")


@op("All", outputs="output")
def all_(
    input: Tensor[dtypes.bool], reduction_indices: Known[Tensor[Tidx]], *, keep_dims: bool = False
) -> Tensor[dtypes.bool]:
    """Return whether all elements over the named axes hold."""
    return _reduced(input, reduction_indices, keep_dims, "and", "All")


@op("Any", outputs="output")
def any_(
    input: Tensor[dtypes.bool], reduction_indices: Known[Tensor[Tidx]], *, keep_dims: bool = False
) -> Tensor[dtypes.bool]:
    """Return whether any element over the named axes holds."""
    return _reduced(input, reduction_indices, keep_dims, "or", "Any")


@op("Mean", outputs="output")
def mean(input: Tensor[T], reduction_indices: Known[Tensor[Tidx]], *, keep_dims: bool = False) -> Tensor[T]:
    """Return the sum over the named axes divided by the number of elements; truncated for integers.

    The mean of nothing is NaN, and 0 for types that are not real numbers.
    """
    axes = read_axes(input, reduction_indices, "Mean")
    narrow = input.dtype.is_integer and input.dtype.size < 8
    wide = e.convert(input, int64) if narrow else input
    count = scalar_size(product(input.shape[i] for i in axes), wide.dtype)
    total = r.reduce(wide, "sum", axes)
    if input.dtype.is_integer or input.dtype.is_complex:
        count = e.convert(e.maximum(e.convert(count, int64), constant(1, int64)), wide.dtype)
    quotient = total / spread(count, like=total, axes=range(total.rank))
    return keep(e.convert(quotient, input.dtype), input, axes, keep_dims)


@op("EuclideanNorm", outputs="output")
def euclidean_norm(input: Tensor[T], reduction_indices: Known[Tensor[Tidx]], *, keep_dims: bool = False) -> Tensor[T]:
    """Return the square root of the sum of squared magnitudes over the named axes."""
    axes = read_axes(input, reduction_indices, "EuclideanNorm")
    total = r.reduce(e.conjugate(input) * input, "sum", axes)
    root = e.convert(e.sqrt(e.convert(total, float64)), input.dtype) if input.dtype.is_integer else e.sqrt(total)
    return keep(root, input, axes, keep_dims)


Arg = Types("T", *FLOATS, *INTEGERS, *QUANTIZED, dtypes.bool)
ArgIndex = Types("Tidx", int16, int32, int64, default=int32)
ArgOutput = Types("output_type", int16, uint16, int32, int64, default=int64)


def _arg(input: Value, dimension: Value, kind: str, output_type: dtypes.DType, what: str) -> Value:
    axis = read_axes(input, dimension, what)[0]
    x = e.convert(input, dtypes.uint8) if input.dtype == dtypes.bool else input
    wide = output_type if output_type in (int32, int64) else int32
    return e.convert(r.arg_reduce(x, kind, axis, wide), output_type)


@op("ArgMax", outputs="output")
def arg_max(
    input: Tensor[Arg], dimension: Known[Tensor[ArgIndex]], *, output_type: ArgOutput = int64
) -> Tensor["output_type"]:
    """Return the index of the first largest element along an axis."""
    return _arg(input, dimension, "max", output_type, "ArgMax")


@op("ArgMin", outputs="output")
def arg_min(
    input: Tensor[Arg],
    dimension: Known[Tensor[Tidx]],
    *,
    output_type: Types("output_type", int32, int64, default=int64) = int64,
) -> Tensor["output_type"]:
    """Return the index of the first smallest element along an axis."""
    return _arg(input, dimension, "min", output_type, "ArgMin")


@op("Cumsum", outputs="out")
def cumulative_sum(
    x: Tensor[T], axis: Known[Tensor[Tidx]], *, exclusive: bool = False, reverse: bool = False
) -> Tensor[T]:
    """Return running sums along an axis."""
    return r.cumulative(x, "sum", read_axis(x, axis, "Cumsum"), exclusive=exclusive, backwards=reverse)


@op("Cumprod", outputs="out")
def cumulative_product(
    x: Tensor[T], axis: Known[Tensor[Tidx]], *, exclusive: bool = False, reverse: bool = False
) -> Tensor[T]:
    """Return running products along an axis."""
    return r.cumulative(x, "product", read_axis(x, axis, "Cumprod"), exclusive=exclusive, backwards=reverse)


@op("CumulativeLogsumexp", outputs="out")
def cumulative_logsumexp(
    x: Tensor[Types("T", *FLOATS)], axis: Known[Tensor[Tidx]], *, exclusive: bool = False, reverse: bool = False
) -> Tensor[Types("T", *FLOATS)]:
    """Return log of running sums of exponentials along an axis."""
    return r.cumulative(
        x, "logsumexp", read_axes(x, axis, "CumulativeLogsumexp")[0], exclusive=exclusive, backwards=reverse
    )


def _reduction_cases(each: Op, **options: object) -> None:
    each.cases([((3, 4), (1,)), (("batch", 4), (1,))], inputs=(None, [0]), **options)
    each.cases([((2, 3, 4), (2,))], inputs=(None, [0, 2]), attributes={"keep_dims": True}, **options)
    each.cases([((2, 3, 4), (2,)), ((2, 0, 4), (2,))], inputs=(None, [-1, 1]), **options)
    each.cases([((5,), ())], inputs=(None, 0), **options)
    each.cases([((2, 3), (0,))], inputs=(None, []), **options)


for _op in (sum_, mean, euclidean_norm):
    _reduction_cases(_op, dtypes=(*FLOATS, *COMPLEX), low=0.5, high=2)
    _op.cases([((3, 4), (1,)), ((0, 4), (1,))], inputs=(None, [0]), dtypes=INTEGERS)
for _op in (product_,):
    _reduction_cases(_op, dtypes=(*FLOATS, *INTEGERS), low=0.5, high=2)
for _op in (max_, min_):
    _reduction_cases(_op, dtypes=(*FLOATS, *INTEGERS))
for _op in (all_, any_):
    _reduction_cases(_op)
for _op in (arg_max, arg_min):
    _op.cases([((3, 4), ()), (("batch", 4), ())], inputs=(None, 1), dtypes=(*FLOATS, *INTEGERS))
    _op.cases([((3, 4), ())], inputs=(None, -2), attributes={"output_type": int32}, dtypes=[float32])
for _op in (cumulative_sum, cumulative_product, cumulative_logsumexp):
    for _flags in ({}, {"exclusive": True}, {"reverse": True}, {"exclusive": True, "reverse": True}):
        _op.cases(
            [((3, 4), ()), (("batch", 4), ())],
            inputs=(None, 1),
            attributes=_flags,
            dtypes=[float32, float64, int32],
            low=0.5,
            high=2,
            gradient=not ("exclusive" in _flags and _op is cumulative_logsumexp),
        )
