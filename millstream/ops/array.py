"""Declare the ops that say, change and join shapes. Cutting is in `slicing`, picking in `picking`."""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import int8, int32, int64
from millstream.base.sizes import Size, is_known, product, select_nonnegative
from millstream.base.spec import Spec
from millstream.ops.declaration import Known, Tensor, TensorList, Tensors, Types, op
from millstream.ops.reduction import read_axes
from millstream.ops.types import FLOATS, INTEGERS, NUMBERS
from millstream.program.primitives import shaping as s
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import conjugate
from millstream.program.value import UnknownRank, Value

T = Types("T")
Tshape = Types("Tshape", int32, int64, default=int32)
Out = Types("out_type", int32, int64, default=int32)
Index = Types("Tidx", int32, int64, default=int32)
MOST = [dtypes.float32, dtypes.float64, dtypes.int32, dtypes.bool, dtypes.complex64, dtypes.bfloat16, dtypes.int8]
"""Element types that the cases of ops which only move bytes go through: one of each width."""


def read_shape(x: Value, shape: Value) -> list[Size]:
    """Return the sizes that a shape tensor names, with -1 worked out from the number of elements of `x`."""
    wanted = list(s.contents(shape))
    total = product(x.shape)
    unknown = [i for i, n in enumerate(wanted) if is_known(n) and n == -1]
    if len(unknown) > 1:
        raise refuse("Reshape", f"shape {wanted}", "at most one size may be -1")
    if unknown:
        rest = product(n for n in wanted if not (is_known(n) and n == -1))
        if is_known(rest) and rest == 0:
            # Of an empty tensor, the sizes that are not 0 say what is left for -1.
            total = product(n for n in x.shape if not (is_known(n) and n == 0))
            rest = product(n for n in wanted if not (is_known(n) and n <= 0))
        if is_known(rest) and is_known(total) and (total % rest if rest else total):
            raise refuse("Reshape", f"{x.spec} to shape {wanted}", f"{total} elements must be a multiple of {rest}")
        wanted[unknown[0]] = total // rest
        return wanted
    doubtful = [n for n in wanted if not is_known(n) and _may_be_negative(n)]
    if not doubtful:
        return wanted
    # One of these may turn out to be -1: then the product of all is minus the product of the others.
    everything = product(wanted)
    return [select_nonnegative(n, total // (0 - everything)) if not is_known(n) else n for n in wanted]


def _may_be_negative(n: Size) -> bool:
    from millstream.base.sizes import bounds

    low = bounds(n)[0]
    return low is None or low < 0


@op("Reshape", outputs="output")
def reshape(tensor: Tensor[T], shape: Known[Tensor[Tshape]]) -> Tensor[T]:
    """Return the elements in another shape; one size may be -1, which is worked out."""
    return s.reshape(tensor, read_shape(tensor, shape))


@op("Shape", outputs="output")
def shape(input: Tensor[T], *, out_type: Out = int32) -> Tensor["out_type"]:
    """Return the shape as a vector."""
    return s.sizes(input.shape, out_type)


shape.of_rank(1)


@op("ShapeN", outputs="output")
def shape_n(input: Tensors[T, "N"], *, out_type: Out = int32) -> Tensors["out_type", "N"]:
    """Return the shapes of several tensors."""
    return [s.sizes(x.shape, out_type) for x in input]


shape_n.of_rank(1)


@op("Size", outputs="output")
def size(input: Tensor[T], *, out_type: Out = int32) -> Tensor["out_type"]:
    """Return the number of elements."""
    return s.size(product(input.shape), out_type)


size.of_rank(0)


@op("Rank", outputs="output")
def rank(input: Tensor[T]) -> Tensor[int32]:
    """Return the number of axes."""
    return s.constant(input.rank, int32)


rank.of_rank(0)


@op("Identity", outputs="output")
def identity(input: Tensor[T]) -> Tensor[T]:
    """Return the input."""
    return input


@identity.shape
def _(input: Spec) -> Spec:
    return input


@op("IdentityN", outputs="output")
def identity_n(input: TensorList["T"]) -> TensorList["T"]:
    """Return the inputs."""
    return list(input)


@op("StopGradient", outputs="output")
def stop_gradient(input: Tensor[T]) -> Tensor[T]:
    """Return the input; nothing flows back."""
    return s.stop_gradient(input)


@op("Snapshot", outputs="output")
def snapshot(input: Tensor[T]) -> Tensor[T]:
    """Return the input."""
    return input


Perm = Types("Tperm", int32, int64, default=int32)


def read_permutation(x: Value, perm: Value) -> list[int]:
    """Return a permutation of the axes of `x`."""
    axes = list(s.contents(perm))
    if any(not is_known(a) for a in axes):
        raise UnknownRank("The permutation is known only when the program runs.")
    if sorted(axes) != list(range(x.rank)):
        raise refuse("Transpose", f"perm {axes} for rank {x.rank}", f"give a permutation of {list(range(x.rank))}")
    return axes  # type: ignore[return-value]


@op("Transpose", outputs="y")
def transpose(x: Tensor[T], perm: Known[Tensor[Perm]]) -> Tensor[T]:
    """Return x with its axes reordered: axis i of the result is axis perm[i] of x."""
    return s.transpose(x, read_permutation(x, perm))


@op("ConjugateTranspose", outputs="y")
def conjugate_transpose(x: Tensor[T], perm: Known[Tensor[Perm]]) -> Tensor[T]:
    """Return the complex conjugate of x with its axes reordered."""
    return s.transpose(conjugate(x), read_permutation(x, perm))


@op("ConcatV2", outputs="output")
def concat(values: Tensors[T, "N"], axis: Known[Tensor[Index]]) -> Tensor[T]:
    """Join tensors along an axis."""
    if not values:
        raise refuse("ConcatV2", "no tensors", "give at least one")
    axes = read_axes(values[0], axis, "ConcatV2")
    if len(axes) != 1:
        raise refuse("ConcatV2", f"{len(axes)} axes", "give one: axis must be a scalar integer")
    return s.concatenate(values, axes[0])


@op("Concat", outputs="output")
def concat_v1(concat_dim: Known[Tensor[int32]], values: Tensors[T, "N"]) -> Tensor[T]:
    """Join tensors along an axis; the older form of ConcatV2."""
    return s.concatenate(values, read_axes(values[0], concat_dim, "Concat")[0])


def new_axis(x: Value, axis: int, what: str) -> int:
    """Return where a new axis goes, counted from 0."""
    if not -x.rank - 1 <= axis <= x.rank:
        raise refuse(what, f"axis {axis} for rank {x.rank}", f"give an axis in [{-x.rank - 1}, {x.rank}]")
    return axis % (x.rank + 1)


def insert_axis(x: Value, axis: int) -> Value:
    """Return x with an axis of size 1 at `axis`."""
    return s.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


@op("Pack", outputs="output")
def pack(values: Tensors[T, "N"], *, axis: int = 0) -> Tensor[T]:
    """Join tensors of one shape along a new axis."""
    if not values:
        raise refuse("Pack", "no tensors", "give at least one")
    at = new_axis(values[0], axis, "Pack")
    return s.concatenate([insert_axis(v, at) for v in values], at)


@op("Unpack", outputs="output")
def unpack(value: Tensor[T], *, num: int, axis: int = 0) -> Tensors[T, "num"]:
    """Cut a tensor into the `num` parts along an axis, which goes."""
    if not -value.rank <= axis < value.rank:
        raise refuse("Unpack", f"axis {axis} for rank {value.rank}", f"give an axis in [{-value.rank}, {value.rank})")
    at = axis % value.rank
    rest = (*value.shape[:at], *value.shape[at + 1 :])
    if is_known(value.shape[at]) and value.shape[at] != num:
        raise refuse("Unpack", f"num={num} for size {value.shape[at]}", f"give num={value.shape[at]}")
    return [s.reshape(s.slice_axis(value, at, i, i + 1), rest) for i in range(num)]


@unpack.gradient
def _unpack_gradient(dy: Any, y: Any, value: Value, *, num: int, axis: int) -> tuple[Value]:
    at = axis % value.rank
    parts = [insert_axis(v, at) for v in (dy if isinstance(dy, tuple) else (dy,))]
    return (s.concatenate(parts, at) if parts else s.full(value.shape, 0, value.dtype),)


@op("Split", outputs="output")
def split(split_dim: Known[Tensor[int32]], value: Tensor[T], *, num_split: int) -> Tensors[T, "num_split"]:
    """Cut a tensor into `num_split` equal parts along an axis."""
    axis = read_axes(value, split_dim, "Split")[0]
    if num_split < 1:
        raise refuse("Split", f"num_split={num_split}", "give 1 or more parts")
    n = value.shape[axis]
    if is_known(n) and n % num_split:
        raise refuse("Split", f"size {n} in {num_split} parts", f"num_split must divide {n}")
    each = n // num_split
    return [s.slice_axis(value, axis, each * i, each * (i + 1)) for i in range(num_split)]


@split.gradient
def _split_gradient(dy: Any, y: Any, split_dim: Value, value: Value, *, num_split: int) -> tuple[None, Value]:
    axis = read_axes(value, split_dim, "Split")[0]
    return None, s.concatenate(list(dy) if isinstance(dy, tuple) else [dy], axis)


Tlen = Types("Tlen", int8, int32, int64, default=int64)


@op("SplitV", outputs="output")
def split_v(
    value: Tensor[T], size_splits: Known[Tensor[Tlen]], split_dim: Known[Tensor[int32]], *, num_split: int
) -> Tensors[T, "num_split"]:
    """Cut a tensor into parts of the given sizes along an axis; one size may be -1."""
    axis = read_axes(value, split_dim, "SplitV")[0]
    parts = list(s.contents(size_splits))
    n = value.shape[axis]
    given: Size = 0
    for m in parts:
        given = given + (0 if is_known(m) and m == -1 else m)
    parts = [n - given if is_known(m) and m == -1 else m for m in parts]
    total: Size = 0
    for m in parts:
        total = total + m
    if len(parts) != num_split or (is_known(total) and is_known(n) and total != n):
        raise refuse("SplitV", f"sizes {parts} for size {n}", f"give {num_split} sizes that add up to {n}")
    result, start = [], 0
    for m in parts:
        result.append(s.slice_axis(value, axis, start, start + m))
        start = start + m
    return result


@split_v.gradient
def _split_v_gradient(
    dy: Any, y: Any, value: Value, size_splits: Value, split_dim: Value, *, num_split: int
) -> tuple[Value, None, None]:
    axis = read_axes(value, split_dim, "SplitV")[0]
    return s.concatenate(list(dy) if isinstance(dy, tuple) else [dy], axis), None, None


Dim = Types("Tdim", int32, int64, default=int32)


@op("ExpandDims", outputs="output")
def expand_dims(input: Tensor[T], dim: Known[Tensor[Dim]]) -> Tensor[T]:
    """Return the input with an axis of size 1 more."""
    axis = s.contents(dim)[0]
    if not is_known(axis):
        raise UnknownRank("The new axis is known only when the program runs.")
    return insert_axis(input, new_axis(input, axis, "ExpandDims"))


@op("Squeeze", outputs="output")
def squeeze(input: Tensor[T], *, squeeze_dims: list[int] = ()) -> Tensor[T]:
    """Return the input without axes of size 1: those named, or all."""
    axes = []
    for axis in squeeze_dims:
        if not -input.rank <= axis < input.rank:
            raise refuse("Squeeze", f"axis {axis} for rank {input.rank}", f"give axes in [{-input.rank}, {input.rank})")
        axes.append(axis % input.rank)
    for i in axes:
        if is_known(input.shape[i]) and input.shape[i] != 1:
            raise refuse("Squeeze", f"axis {i} of size {input.shape[i]}", "only axes of size 1 can go")
    if not squeeze_dims:
        if any(not is_known(n) for n in input.shape):
            raise UnknownRank("Which sizes are 1 is known only when the program runs.")
        axes = [i for i, n in enumerate(input.shape) if n == 1]
    return s.reshape(input, [n for i, n in enumerate(input.shape) if i not in axes])


IndexType = Types("index_type", int32, int64, default=int32)


@op("Fill", outputs="output")
def fill(dims: Known[Tensor[IndexType]], value: Tensor[T]) -> Tensor[T]:
    """Return a tensor of shape `dims` that holds the scalar `value` everywhere."""
    if value.rank != 0:
        raise refuse("Fill", f"a value of shape {list(value.shape)}", "give a scalar")
    wanted = s.contents(dims)
    if any(is_known(n) and n < 0 for n in wanted):
        raise refuse("Fill", f"dims {list(wanted)}", "give sizes of 0 or more")
    return s.broadcast(value, wanted, ())


@op("ZerosLike", outputs="y")
def zeros_like(x: Tensor[T]) -> Tensor[T]:
    """Return zeros of the shape of x."""
    return s.full(x.shape, b"" if x.dtype == dtypes.string else 0, x.dtype)


zeros_like.no_gradient()


@op("OnesLike", outputs="y")
def ones_like(x: Tensor[Types("T", *NUMBERS, dtypes.bool)]) -> Tensor[Types("T", *NUMBERS, dtypes.bool)]:
    """Return ones of the shape of x."""
    return s.full(x.shape, 1, x.dtype)


ones_like.no_gradient()
Multiples = Types("Tmultiples", int32, int64, default=int32)


@op("Tile", outputs="output")
def tile(input: Tensor[T], multiples: Known[Tensor[Multiples]]) -> Tensor[T]:
    """Repeat the input `multiples[i]` times along axis i."""
    times = s.contents(multiples)
    if len(times) != input.rank:
        raise refuse("Tile", f"{len(times)} multiples for rank {input.rank}", "give one for each axis")
    if any(is_known(m) and m < 0 for m in times):
        raise refuse("Tile", f"multiples {list(times)}", "give multiples of 0 or more")
    wide: list[Size] = []
    for n, m in zip(input.shape, times, strict=True):
        wide += [m, n]
    spread = s.broadcast(input, wide, range(1, 2 * input.rank, 2))
    return s.reshape(spread, [m * n for n, m in zip(input.shape, times, strict=True)])


@op("BroadcastTo", outputs="output")
def broadcast_to(input: Tensor[T], shape: Known[Tensor[Index]]) -> Tensor[T]:
    """Repeat the input to `shape`, as broadcasting does."""
    wanted = s.contents(shape)
    if len(wanted) < input.rank:
        raise refuse("BroadcastTo", f"{input.spec} to shape {list(wanted)}", f"give at least {input.rank} sizes")
    return s.spread_to(input, wanted)


Shape = Types("T", int32, int64, default=int32)


@op("BroadcastArgs", outputs="r0")
def broadcast_args(s0: Known[Tensor[Shape]], s1: Known[Tensor[Shape]]) -> Tensor[Shape]:
    """Return the shape that two shapes broadcast to."""
    return s.sizes(s.broadcast_shapes(s.contents(s0), s.contents(s1), what="BroadcastArgs"), s0.dtype)


@op("EnsureShape", outputs="output")
def ensure_shape(input: Tensor[T], *, shape: list[int] | None) -> Tensor[T]:
    """Return the input, whose shape must be compatible with `shape` (None: unknown sizes)."""
    if shape is None:
        return input
    if len(shape) != input.rank or any(
        n is not None and n >= 0 and is_known(m) and m != n for m, n in zip(input.shape, shape, strict=True)
    ):
        raise refuse("EnsureShape", f"a tensor of shape {list(input.shape)}", f"the shape must be {list(shape)}")
    return s.assume_shape(input, [m if n is None or n < 0 else n for m, n in zip(input.shape, shape, strict=True)])


@op("InvertPermutation", outputs="y")
def invert_permutation(x: Tensor[Shape]) -> Tensor[Shape]:
    """Return y with y[x[i]] = i."""
    from millstream.program.primitives.control import check
    from millstream.program.primitives.elementwise import compare
    from millstream.program.primitives.indexing import scatter_nd
    from millstream.program.primitives.reduction import reduce

    if x.rank != 1:
        raise refuse("InvertPermutation", f"{x.spec}", "invert_permutation expects a 1D vector")
    zeros, ones = s.full(x.shape, 0, x.dtype), s.full(x.shape, 1, x.dtype)
    places = s.reshape(x, (*x.shape, 1))
    times = scatter_nd(zeros, places, ones, "add")
    check(reduce(compare(times, ones, "EQ"), "and", (0,)), "a number is duplicated in the permutation", data=[x])
    return scatter_nd(zeros, places, s.iota(x.shape, 0, x.dtype), "set")


@op("ConcatOffset", outputs="offset")
def concat_offset(
    concat_dim: Known[Tensor[int32]], shape: Tensors[Types("shape_type", int32, int64, default=int32), "N"]
) -> Tensors[Types("shape_type"), "N"]:
    """Return where each of several shapes begins in their concatenation."""
    axis = s.contents(concat_dim)[0]
    results, before = [], s.constant(0, shape[0].dtype)
    for each in shape:
        part = s.slice_axis(each, 0, axis, axis + 1)
        place = s.pad(s.reshape(before, (1,)), (axis,), (each.shape[0] - axis - 1,))
        results.append(place)
        before = before + s.reshape(part, ())
    return results


Summed = (*FLOATS, *INTEGERS)
reshape.cases([((2, 6), (2,)), (("batch", 4), (2,))], inputs=(None, [4, -1]), dtypes=MOST)
reshape.cases([((0, 4), (2,))], inputs=(None, [2, 0]))
for _op in (shape, size, rank):
    _op.cases([(2, 3), ("batch", 4), ()])
shape_n.cases([((2, 3), (4,))])
for _op in (identity, stop_gradient, snapshot):
    _op.cases([(2, 3), ("batch", 4)], dtypes=MOST, gradient=_op is not stop_gradient)
transpose.cases([((2, 3, 4), (3,)), (("batch", 3, 4), (3,))], inputs=(None, [2, 0, 1]), dtypes=MOST)
conjugate_transpose.cases([((2, 3), (2,))], inputs=(None, [1, 0]), dtypes=MOST)
concat.cases(
    [
        ((2, 3), (4, 3), (1, 3), ()),
    ],
    inputs=(None, None, None, 0),
    dtypes=MOST,
)
concat.cases([(("batch", 3), ("batch", 1), ())], inputs=(None, None, -1))
concat_v1.cases([((), (2, 3), (4, 3))], inputs=(0,))
pack.cases([((2, 3), (2, 3)), (("batch", 3), ("batch", 3), ("batch", 3))], dtypes=MOST)
pack.cases([((2, 3), (2, 3))], attributes={"axis": -1})
unpack.cases([(3, 4), (3, "batch")], attributes={"num": 3}, dtypes=MOST)
unpack.cases([(2, 3)], attributes={"num": 3, "axis": -1})
split.cases([((), (4, 6)), ((), ("batch", 6))], inputs=(1,), attributes={"num_split": 3}, dtypes=MOST)
split_v.cases([((4, 6), (3,), ())], inputs=(None, [1, -1, 2], 1), attributes={"num_split": 3}, dtypes=MOST)
expand_dims.cases([((2, 3), ()), (("batch", 3), ())], inputs=(None, 1), dtypes=MOST)
expand_dims.cases([((2, 3), ()), ((), ())], inputs=(None, -1))
squeeze.cases([(1, 3, 1)], dtypes=MOST)
squeeze.cases([(1, "batch", 1)], attributes={"squeeze_dims": (-1,)})
fill.cases([((2,), ())], inputs=([2, 3], None), dtypes=MOST)
for _op in (zeros_like, ones_like):
    _op.cases([(2, 3), ("batch", 4)], dtypes=MOST)
tile.cases([((2, 3), (2,)), (("batch", 3), (2,))], inputs=(None, [2, 3]), dtypes=MOST)
broadcast_to.cases([((1, 3), (3,)), ((3,), (3,))], inputs=(None, [2, 4, 3]), dtypes=MOST)
broadcast_args.cases([((2,), (3,))], inputs=([1, 3], [4, 2, 1]))
ensure_shape.cases([(2, 3), ("batch", 3)], attributes={"shape": (None, 3)})
invert_permutation.cases([(4,)], inputs=([2, 0, 3, 1],))
concat_offset.cases([((), (3,), (3,))], inputs=(1, [2, 3, 4], [2, 5, 4]))
identity_n.cases([((2,), (3,))], attributes={"*": dtypes.float32})
