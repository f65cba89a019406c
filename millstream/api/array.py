"""tf.reshape, tf.concat and the other functions that make, shape, cut and join tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api.calls import named
from millstream.api.public import public
from millstream.api.tensors import in_graph
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import folded
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor, Tensor, TensorType, eager_constant
from millstream.ops import array, slicing, unary
from millstream.ops.registry import find


def static_shape(tensor: Any) -> TensorShape:
    """Return the shape known of a tensor or of anything that converts to one."""
    shape = getattr(tensor, "shape", None)
    return shape if isinstance(shape, TensorShape) else TensorShape(np.shape(tensor) if shape is None else shape)


def shape_tensor(shape: Any, dtype: Any = None) -> Any:
    """Return a shape given as TensorShape, number, list of numbers and scalars, or tensor, as a vector."""
    if isinstance(shape, TensorShape):
        shape = shape.as_list()
        if None in shape:
            raise ValueError(explain(f"Cannot convert a partially known TensorShape {TensorShape(shape)} to a Tensor."))
    if isinstance(shape, (list, tuple)):
        items = [
            d.value if hasattr(d, "value") and not isinstance(d, Tensor) and isinstance(d.value, int) else d
            for d in shape
        ]
        if all(isinstance(d, (int, np.integer)) for d in items):
            wide = any(abs(int(d)) > 2**31 - 1 for d in items)
            return eager_constant(np.asarray(items, np.int64), dtype or (dtypes.int64 if wide else dtypes.int32))
        if any(isinstance(d, Tensor) and d.dtype.is_floating for d in items):
            # TensorFlow casts what it packs into a shape.
            items = [cast_index(to_tensor(d), dtype or dtypes.int32) for d in items]
        return to_tensor(items, dtype, dtypes.int32)
    if isinstance(shape, (int, np.integer)):
        return eager_constant(np.asarray([shape], np.int64), dtype or dtypes.int32)
    return to_tensor(shape, dtype, dtypes.int32)


def index_tensor(value: Any) -> Any:
    """Return axes or other indices as an int32 tensor; tensors and wide arrays keep their type."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (int, list, tuple)):
        return (
            to_tensor(value, None, dtypes.int32)
            if _mixed(value)
            else eager_constant(np.asarray(value, np.int32), dtypes.int32)
        )
    return to_tensor(value)


def _mixed(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(not isinstance(v, (int, np.integer)) for v in value)


@public("reshape", "manip.reshape")
def reshape(tensor: Any, shape: Any, name: str | None = None) -> Any:
    """Return the elements in another shape; one size may be -1."""
    return apply(array.reshape, tensor, shape_tensor(shape))


@public("shape")
def shape(input: Any, out_type: Any = None, name: str | None = None) -> Any:
    """Return the shape as a vector of `out_type` (int32)."""
    return apply(array.shape, input, out_type=as_dtype(out_type or dtypes.int32))


@public("shape_n")
def shape_n(input: Sequence[Any], out_type: Any = dtypes.int32, name: str | None = None) -> Any:
    """Return the shapes of several tensors."""
    return apply(array.shape_n, list(input), out_type=as_dtype(out_type))


@public("size")
def size(input: Any, out_type: Any = None, name: str | None = None) -> Any:
    """Return the number of elements."""
    return apply(array.size, input, out_type=as_dtype(out_type or dtypes.int32))


@public("rank")
def rank(input: Any, name: str | None = None) -> Any:
    """Return the number of axes: a constant where it is known."""
    tensor = to_tensor(input)
    known = tensor.shape.rank
    return apply(array.rank, tensor) if known is None else in_graph(to_tensor(known, dtypes.int32))


@public("identity")
def identity(input: Any, name: str | None = None) -> Any:
    """Return a tensor with the input's content."""
    from millstream.base.composite import CompositeTensor

    if isinstance(input, CompositeTensor) and not isinstance(input, TensorType):
        from millstream.base import nest

        return nest.map_structure(identity, input, expand_composites=True)
    return apply(array.identity, input)


@public("identity_n")
def identity_n(input: Sequence[Any], name: str | None = None) -> Any:
    """Return tensors with the inputs' contents."""
    return apply(array.identity_n, [to_tensor(x) for x in input])


@public("stop_gradient")
def stop_gradient(input: Any, name: str | None = None) -> Any:
    """Return the input; no gradient flows back through it."""
    return apply(array.stop_gradient, input)


@public("ensure_shape")
def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Any:
    """Return x, whose shape must be compatible with `shape`."""
    wanted = TensorShape(shape)
    x = to_tensor(x)
    if x.shape.rank is None and wanted.rank is not None:
        # What Python code gave in a graph: the runtime compares its rank with what is said here.
        x.set_shape([None] * wanted.rank)
    return apply(array.ensure_shape, x, shape=None if wanted.rank is None else tuple(wanted.as_list()))


@public("transpose")
def transpose(a: Any, perm: Any = None, conjugate: bool = False, name: str = "transpose") -> Any:
    """Return `a` with axis i of the result being axis perm[i]; all axes turned round without `perm`."""
    a = to_tensor(a)
    if perm is None:
        known = a.shape.rank
        if known is None:
            turned = apply(slicing.reverse, range_(apply(array.rank, a)), index_tensor([0]))
            perm = turned
        else:
            perm = list(range(known))[::-1]
    op = array.conjugate_transpose if conjugate and a.dtype.is_complex else array.transpose
    return apply(op, a, index_tensor(perm))


@public("concat")
def concat(values: Any, axis: Any, name: str = "concat") -> Any:
    """Join tensors along `axis`."""
    if not isinstance(values, (list, tuple)):
        values = [values]
    values = together(values)
    if len(values) == 1:
        return identity(values[0])
    return apply(array.concat, values, index_tensor(axis))


def together(values: Sequence[Any]) -> list[Any]:
    """Return values as tensors of one element type: that of the first tensor among them."""
    dtype = next((v.dtype for v in values if isinstance(getattr(v, "dtype", None), dtypes.DType)), None)
    return [to_tensor(v, None if isinstance(v, Tensor) else dtype) for v in values]


@public("stack")
def stack(values: Any, axis: int = 0, name: str = "stack") -> Any:
    """Join tensors of one shape along a new axis."""
    if isinstance(values, Tensor):
        values = unstack(values)
    tensors = together(values)
    if not tensors:
        return to_tensor([])
    rank = tensors[0].shape.rank
    if rank is not None and not -rank - 1 <= axis <= rank:
        raise ValueError(explain(f"Argument `axis` = {axis} not in range [{-rank - 1}, {rank + 1})"))
    return apply(array.pack, tensors, axis=axis)


@public("parallel_stack")
def parallel_stack(values: Any, name: str = "parallel_stack") -> Any:
    """Join tensors of one shape along a new first axis; while tracing only, as in TensorFlow."""
    if current_graph() is None:
        raise RuntimeError(explain("tf.parallel_stack() is not compatible with eager execution. Use tf.stack."))
    return stack(values)


@public("unstack")
def unstack(value: Any, num: int | None = None, axis: int = 0, name: str = "unstack") -> Any:
    """Return the parts of `value` along `axis`, which goes."""
    value = to_tensor(value)
    if num is None:
        if value.shape.rank is None:
            raise ValueError(explain(f"Cannot infer argument `num` from shape {value.shape}; give num=."))
        if not -value.shape.rank <= axis < value.shape.rank:
            raise ValueError(
                explain(f"Argument `axis` = {axis} not in range [{-value.shape.rank}, {value.shape.rank})")
            )
        num = value.shape.as_list()[axis]
        if num is None:
            raise ValueError(explain(f"Cannot infer argument `num` from shape {value.shape}; give num=."))
    return apply(array.unpack, value, num=num, axis=axis)


@public("split")
def split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split") -> Any:
    """Cut into a number of equal parts, or into parts of given sizes, along `axis`."""
    value = to_tensor(value)
    if isinstance(num_or_size_splits, (int, np.integer)):
        return apply(array.split, index_tensor(axis), value, num_split=int(num_or_size_splits))
    sizes = to_tensor(num_or_size_splits, None, dtypes.int32)
    if sizes.shape.rank == 0:
        raise ValueError(
            explain(
                "Rank-0 tensors are not supported as the num_or_size_splits argument to split. Argument provided: "
                + str(num_or_size_splits)
            )
        )
    if num is None:
        num = sizes.shape.as_list()[0]
        if num is None:
            raise ValueError(explain("Cannot infer argument `num` from the shape of num_or_size_splits; give num=."))
    return apply(array.split_v, value, sizes, index_tensor(axis), num_split=num)


@public("expand_dims")
def expand_dims(input: Any, axis: Any, name: str | None = None) -> Any:
    """Return the input with an axis of size 1 more at `axis`."""
    return apply(array.expand_dims, input, index_tensor(axis))


@public("squeeze")
def squeeze(input: Any, axis: Any = None, name: str | None = None) -> Any:
    """Return the input without axes of size 1: those named, or all."""
    axes = () if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else tuple(int(a) for a in axis)
    return apply(array.squeeze, input, squeeze_dims=tuple(int(a) for a in axes))


@public("fill")
def fill(dims: Any, value: Any, name: str | None = None, layout: Any = None) -> Any:
    """Return a tensor of shape `dims` that holds `value` everywhere."""
    return apply(array.fill, shape_tensor(dims), to_tensor(value))


def _filled(shape: Any, number: Any, dtype: Any) -> Any:
    wanted = as_dtype(dtype).base_dtype
    value: Any = number
    if wanted == dtypes.string:
        value = b"" if number == 0 else b"1"
    elif wanted == dtypes.bool:
        value = bool(number)
    sizes = shape_tensor(shape)
    graph = current_graph()
    if graph is not None and not graph.building_function and isinstance(sizes, EagerTensor):
        # As TensorFlow has it, in a graph small ones are constants.
        count = int(np.prod(sizes.numpy(), dtype=np.int64))
        name = "zeros" if number == 0 else "ones"
        if count < 1000:
            return graph.add_constant(eager_constant(np.full(sizes.numpy().tolist(), value), wanted), name)
    return apply(array.fill, sizes, eager_constant(value, wanted))


@public("zeros")
def zeros(shape: Any, dtype: Any = dtypes.float32, name: str | None = None, layout: Any = None) -> Any:
    """Return zeros of `shape`."""
    return _filled(shape, 0, dtype)


@public("ones")
def ones(shape: Any, dtype: Any = dtypes.float32, name: str | None = None, layout: Any = None) -> Any:
    """Return ones of `shape`."""
    return _filled(shape, 1, dtype)


def _like(input: Any, dtype: Any, number: int) -> Any:
    # A variable whose shape is known is not read.
    tensor = input if isinstance(input, TensorType) else to_tensor(input)
    wanted = tensor.dtype if dtype is None else as_dtype(dtype)
    if tensor.shape.is_fully_defined():
        return _filled(tensor.shape, number, wanted)
    return _filled(apply(array.shape, tensor, out_type=dtypes.int32), number, wanted)


@public("zeros_like")
def zeros_like(input: Any, dtype: Any = None, name: str | None = None, layout: Any = None) -> Any:
    """Return zeros of the input's shape."""
    return _like(input, dtype, 0)


@public("ones_like")
def ones_like(input: Any, dtype: Any = None, name: str | None = None, layout: Any = None) -> Any:
    """Return ones of the input's shape."""
    return _like(input, dtype, 1)


@public("tile", "manip.tile")
def tile(input: Any, multiples: Any, name: str | None = None) -> Any:
    """Repeat the input multiples[i] times along axis i."""
    return apply(array.tile, input, shape_tensor(multiples))


@public("broadcast_to")
def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Any:
    """Repeat the input to `shape` as broadcasting does."""
    return apply(array.broadcast_to, input, shape_tensor(shape))


@public("broadcast_dynamic_shape")
def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Any:
    """Return the shape that two shapes, given as tensors, broadcast to."""
    return apply(array.broadcast_args, shape_tensor(shape_x), shape_tensor(shape_y))


@public("broadcast_static_shape")
def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """Return the TensorShape that two TensorShapes broadcast to; ValueError where they do not."""
    x, y = TensorShape(shape_x), TensorShape(shape_y)
    if x.rank is None or y.rank is None:
        return TensorShape(None)
    sizes: list[int | None] = []
    a, b = x.as_list()[::-1], y.as_list()[::-1]
    for i in range(max(len(a), len(b))):
        m, n = (a[i] if i < len(a) else 1), (b[i] if i < len(b) else 1)
        if m == n or n == 1:
            sizes.append(m)
        elif m == 1:
            sizes.append(n)
        elif m is None or n is None:
            sizes.append(n if m is None else m)
        else:
            raise ValueError(
                explain(
                    f"Incompatible shapes for broadcasting. Two shapes are compatible if for each dimension pair they are either equal or one of them is 1. Received: {x} and {y}."
                )
            )
    return TensorShape(sizes[::-1])


@public("pad")
def pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0, name: str | None = None) -> Any:
    """Add elements before and after along each axis: a constant, or mirrored ones (REFLECT, SYMMETRIC)."""
    tensor, paddings, mode = to_tensor(tensor), to_tensor(paddings, None, dtypes.int32), mode.upper()
    if isinstance(paddings, SymbolicTensor):
        # What is put together from known parts, as ranks are, is known: then so are the sizes.
        known = folded(paddings)
        paddings = paddings if known is None else to_tensor(known, paddings.dtype)
    if mode == "CONSTANT":
        if not isinstance(constant_values, Tensor) and np.isscalar(constant_values) and constant_values == 0:
            return apply(slicing.pad, tensor, paddings)
        return apply(slicing.pad_v2, tensor, paddings, to_tensor(constant_values, tensor.dtype))
    if mode not in ("REFLECT", "SYMMETRIC"):
        raise ValueError(
            explain(
                f"Value of argument `mode` expected to be one of CONSTANT, REFLECT, or SYMMETRIC. Received `mode` = {mode}"
            )
        )
    return apply(slicing.mirror_pad, tensor, paddings, mode=mode)


@public("reverse")
def reverse(tensor: Any, axis: Any, name: str | None = None) -> Any:
    """Turn the order along the named axes round."""
    axes = [axis] if isinstance(axis, (int, np.integer)) else axis
    return apply(slicing.reverse, tensor, index_tensor(axes))


@public("roll", "manip.roll")
def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Any:
    """Move elements along axes by `shift` places, round the ends."""
    s, a = index_tensor(shift), index_tensor(axis)
    s = reshape(s, [-1]) if s.shape.rank == 0 else s
    a = reshape(a, [-1]) if a.shape.rank == 0 else a
    return apply(slicing.roll, input, s, a)


@public("slice")
def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Any:
    """Cut `size` elements from `begin` along each axis; -1 takes the rest."""
    b, s = shape_tensor(begin), shape_tensor(size)
    if b.dtype != s.dtype:
        b, s = cast_index(b, dtypes.int64), cast_index(s, dtypes.int64)
    return apply(slicing.slice_, input_, b, s)


def cast_index(tensor: Any, dtype: Any) -> Any:
    """Return an index tensor in another integer type."""
    return tensor if tensor.dtype == dtype else apply(unary.cast, tensor, DstT=dtype)


@public("strided_slice")
def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Any:
    """Cut begin:end:strides along each axis; the bits of the masks mean what they mean in StridedSlice."""
    b, e = shape_tensor(begin), shape_tensor(end)
    s = ones_like(b) if strides is None else shape_tensor(strides)
    return apply(
        slicing.strided_slice,
        input_,
        b,
        e,
        s,
        begin_mask=begin_mask,
        end_mask=end_mask,
        ellipsis_mask=ellipsis_mask,
        new_axis_mask=new_axis_mask,
        shrink_axis_mask=shrink_axis_mask,
    )


@public("range")
def range_(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str = "range") -> Any:
    """Return start, start + delta, … below limit; one argument is the limit."""
    if limit is None:
        start, limit = 0, start
    items = [start, limit, delta]
    if dtype is None:
        known = [v.dtype for v in items if isinstance(getattr(v, "dtype", None), dtypes.DType)]
        found = known or [to_tensor(v).dtype for v in items]
        order = [dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64]
        tensors = [to_tensor(v) for v in items] if not known else None
        kinds = found if tensors is None else [t.dtype for t in tensors]
        if known:
            kinds = [*kinds, *(to_tensor(v).dtype for v in items if isinstance(v, float))]
        wanted = max(kinds, key=lambda d: order.index(d) if d in order else -1)
    else:
        wanted = as_dtype(dtype)
    return apply(find("Range"), *(as_type(v, wanted) for v in items))


def as_type(value: Any, dtype: Any) -> Any:
    if isinstance(getattr(value, "dtype", None), dtypes.DType):
        tensor = to_tensor(value)
        return tensor if tensor.dtype == dtype else apply(unary.cast, tensor, DstT=dtype)
    return to_tensor(value, dtype)


@public("eye", "linalg.eye")
def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Any:
    """Return identity matrices."""
    columns = num_rows if num_columns is None else num_columns
    for count in (num_rows, columns):
        if isinstance(count, (int, np.integer)) and count < 0:
            fill([count], 0)
    rows_index, columns_index = range_(num_rows), range_(columns)
    same = apply(find("Equal"), expand_dims(rows_index, 1), expand_dims(columns_index, 0))
    matrix = apply(unary.cast, same, DstT=as_dtype(dtype))
    if batch_shape is None:
        return matrix
    return broadcast_to(
        matrix, concat([shape_tensor(batch_shape), apply(array.shape, matrix, out_type=dtypes.int32)], 0)
    )


@public("meshgrid")
def meshgrid(*args: Any, **kwargs: Any) -> Any:
    """Return coordinate tensors for vectors: indexing='xy' or 'ij'."""
    indexing = kwargs.pop("indexing", "xy")
    kwargs.pop("name", None)
    if kwargs:
        raise TypeError(explain(f"'{next(iter(kwargs))}' is an invalid keyword argument for this function"))
    if indexing not in ("xy", "ij"):
        raise ValueError(explain(f"Argument `indexing` parameter must be either 'xy' or 'ij', got '{indexing}'"))
    vectors = [reshape(to_tensor(a), [-1]) for a in args]
    n = len(vectors)
    places = list(range(n))
    if indexing == "xy" and n > 1:
        places[0], places[1] = 1, 0
    order = sorted(range(n), key=lambda i: places[i])
    sizes = stack([size(vectors[i]) for i in order]) if n else []
    return [
        broadcast_to(reshape(v, [-1 if j == p else 1 for j in range(n)]), sizes)
        for v, p in zip(vectors, places, strict=True)
    ]


@public("unique")
def unique(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """Return the distinct elements of a vector and where each element is among them."""
    return named(find("Unique"), x, out_idx=as_dtype(out_idx))


@public("unique_with_counts")
def unique_with_counts(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """Return the distinct elements of a vector, where each element is among them, and how often each occurs."""
    return named(find("UniqueWithCounts"), x, out_idx=as_dtype(out_idx))


@public("where")
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """Return where `condition` holds; with x and y, x there and y elsewhere."""
    if x is None and y is None:
        return apply(find("Where"), condition)
    if x is None or y is None:
        raise ValueError(explain("x and y must both be non-None or both be None."))
    return apply(find("SelectV2"), to_tensor(condition, preferred=dtypes.bool), x, y)


@public("bitcast")
def bitcast(input: Any, type: Any, name: str | None = None) -> Any:
    """Return the bytes of the input read as element type `type`."""
    return apply(find("Bitcast"), input, type=as_dtype(type))
