"""Declare the ops that read, write and change variables. What a handle refers to is made by `execution.variable`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.dtypes import resource as RESOURCE
from millstream.base.sizes import is_known, product
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.ops.types import NUMBERS
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import compare
from millstream.program.primitives.indexing import GATHER, gather, gather_nd, scatter_nd
from millstream.program.primitives.shaping import broadcast, constant, full, iota, reshape, sizes, spread_to
from millstream.program.primitives.state import is_set, read, write
from millstream.program.slices import Adjoint, Slices
from millstream.program.value import Value

D = Types("dtype")
N = Types("dtype", *NUMBERS, dtypes.qint8, dtypes.quint8, dtypes.qint16, dtypes.quint16, dtypes.qint32)
A = Types("T")
Where = Types("Tindices", dtypes.int32, dtypes.int64)
S = Types("Index", dtypes.int32, dtypes.int64)
Counted = Types("T", dtypes.int32, dtypes.int64)
OUT = Types("out_type", dtypes.int32, dtypes.int64, default=dtypes.int32)


def held(handle: Value, dtype: DType | None = None) -> Value:
    """Return what the variable holds now; where the handle does not say its element type, `dtype` does."""
    spec = handle.spec.handle
    if spec is not None:
        return read(handle)
    return read(handle, dtype, None)


@op("ReadVariableOp", outputs="value", stateful=True)
def read_variable(resource: Tensor[RESOURCE], *, dtype: D) -> Tensor[D]:
    """Return what the variable holds now."""
    value = held(resource, dtype)
    if value.dtype != dtype:
        raise refuse(
            "ReadVariableOp", f"dtype={dtype.name} of a variable of {value.dtype.name}", "give its own element type"
        )
    return value


@read_variable.gradient
def _read_gradient(dy: Adjoint, y: Value, resource: Value, *, dtype: DType) -> Sequence[Adjoint]:
    return (dy,)


_read_gradient.takes_slices = True
read_variable.backward = lambda item, given, wanted, dys: dys


@op("AssignVariableOp", outputs=(), stateful=True)
def assign_variable(resource: Tensor[RESOURCE], value: Tensor[D], *, validate_shape: bool = False) -> None:
    """Make the variable hold `value`."""
    write(resource, value)


assign_variable.no_gradient()


def _same_shape(what: str, now: Value, value: Value) -> None:
    if now.dtype not in NUMBERS:
        raise refuse(what, f"a variable of {now.dtype.name}", "only numbers are added: use assign")
    if now.rank != value.rank or any(
        is_known(a) and is_known(b) and a != b for a, b in zip(now.shape, value.shape, strict=False)
    ):
        raise refuse(
            what, f"a value of shape {list(value.shape)} for a variable of shape {list(now.shape)}", "give equal shapes"
        )


@op("AssignAddVariableOp", outputs=(), stateful=True)
def assign_add_variable(resource: Tensor[RESOURCE], value: Tensor[D]) -> None:
    """Add `value` to what the variable holds."""
    now = held(resource, value.dtype)
    _same_shape("AssignAddVariableOp", now, value)
    write(resource, now + reshape(value, now.shape))


@op("AssignSubVariableOp", outputs=(), stateful=True)
def assign_sub_variable(resource: Tensor[RESOURCE], value: Tensor[D]) -> None:
    """Subtract `value` from what the variable holds."""
    now = held(resource, value.dtype)
    _same_shape("AssignSubVariableOp", now, value)
    write(resource, now - reshape(value, now.shape))


assign_add_variable.no_gradient()
assign_sub_variable.no_gradient()


@op("VarIsInitializedOp", outputs="is_initialized", stateful=True)
def variable_is_initialized(resource: Tensor[RESOURCE]) -> Tensor[dtypes.bool]:
    """Return whether the variable holds anything yet."""
    return is_set(resource)


variable_is_initialized.no_gradient()


@op("VariableShape", outputs="output", stateful=True)
def variable_shape(input: Tensor[RESOURCE], *, out_type: OUT = dtypes.int32) -> Tensor[OUT]:
    """Return the shape of what the variable holds."""
    spec = input.spec.handle
    shape = spec.shape if spec is not None and spec.is_static else read(input).shape
    return sizes(shape or (), out_type)


variable_shape.no_gradient()


@op("ResourceCountUpTo", outputs="output", stateful=True)
def resource_count_up_to(resource: Tensor[RESOURCE], *, limit: int, T: Counted) -> Tensor[Counted]:
    """Return what the variable holds and add 1 to it; an error once it has reached `limit`."""
    now = held(resource, T)
    below = compare(now, constant(limit, now.dtype), "LT")
    check(below, f"Reached limit of {limit}", "OutOfRangeError")
    write(resource, now + constant(1, now.dtype))
    return now


resource_count_up_to.no_gradient()


@op("DisableCopyOnRead", outputs=(), stateful=True)
def disable_copy_on_read(resource: Tensor[RESOURCE]) -> None:
    """Do nothing: reading never copies here."""


disable_copy_on_read.no_gradient()


@op("ResourceGather", outputs="output", stateful=True)
def resource_gather(
    resource: Tensor[RESOURCE],
    indices: Tensor[Where],
    *,
    batch_dims: int = 0,
    validate_indices: bool = True,
    dtype: D,
) -> Tensor[D]:
    """Return the rows `indices` of what the variable holds."""
    return gather(held(resource, dtype), indices, batch_dims, batch_dims)


@resource_gather.gradient
def _gather_gradient(
    dy: Value, y: Value, resource: Value, indices: Value, *, batch_dims: int, validate_indices: bool, dtype: DType
) -> Sequence[Adjoint | None]:
    x = held(resource, dtype)
    if batch_dims:
        assert GATHER.reverse is not None
        return [GATHER.reverse(dy, y, x, indices, axis=batch_dims, batch_axes=batch_dims)[0], None]
    count = product(indices.shape)
    return [Slices(reshape(dy, (count, *x.shape[1:])), reshape(indices, (count,)), x.shape), None]


@op("ResourceGatherNd", outputs="output", stateful=True)
def resource_gather_nd(resource: Tensor[RESOURCE], indices: Tensor[Where], *, dtype: D) -> Tensor[D]:
    """Return the parts `indices` of what the variable holds."""
    return gather_nd(held(resource, dtype), indices)


@resource_gather_nd.gradient
def _gather_nd_gradient(
    dy: Value, y: Value, resource: Value, indices: Value, *, dtype: DType
) -> Sequence[Adjoint | None]:
    x = held(resource, dtype)
    if indices.shape[-1] == 1:
        count = product(indices.shape)
        return [Slices(reshape(dy, (count, *x.shape[1:])), reshape(indices, (count,)), x.shape), None]
    return [scatter_nd(full(x.shape, 0, dtype), indices, dy, "add"), None]


def _scattered(x: Value, indices: Value, updates: Value, kind: str) -> Value:
    if kind != "divide":
        return scatter_nd(x, indices, updates, kind)
    return x / scatter_nd(full(x.shape, 1, x.dtype), indices, updates, "multiply")


def _scatter(kind: str) -> Callable[[Value, Value, Value], None]:
    def body(resource: Value, indices: Value, updates: Value) -> None:
        x = held(resource, updates.dtype)
        shape = (*indices.shape, *x.shape[1:])
        if updates.rank == 0:
            updates = broadcast(updates, shape, ())
        elif updates.rank != len(shape) or any(
            is_known(a) and is_known(b) and a != b for a, b in zip(updates.shape, shape, strict=False)
        ):
            raise refuse(
                "ResourceScatter", f"updates of shape {list(updates.shape)}", f"give shape {list(shape)} or a scalar"
            )
        write(resource, _scattered(x, reshape(indices, (*indices.shape, 1)), updates, kind))

    return body


def _declare_scatter(name: str, kind: str, types: Types) -> Op:
    emit = _scatter(kind)

    def body(resource: Tensor[RESOURCE], indices: Tensor[Where], updates: Tensor[D]) -> None:
        emit(resource, indices, updates)

    body.__annotations__["updates"] = Tensor[types]
    body.__doc__ = f"Change rows `indices` of what the variable holds: {kind} `updates`."
    return op(name, outputs=(), stateful=True)(body).no_gradient()


resource_scatter_add = _declare_scatter("ResourceScatterAdd", "add", N)
resource_scatter_sub = _declare_scatter("ResourceScatterSub", "sub", N)
resource_scatter_mul = _declare_scatter("ResourceScatterMul", "multiply", N)
resource_scatter_div = _declare_scatter("ResourceScatterDiv", "divide", N)
resource_scatter_min = _declare_scatter("ResourceScatterMin", "min", N)
resource_scatter_max = _declare_scatter("ResourceScatterMax", "max", N)
resource_scatter_update = _declare_scatter("ResourceScatterUpdate", "set", D)


def _declare_scatter_nd(name: str, kind: str) -> Op:
    def body(
        ref: Tensor[RESOURCE],
        indices: Tensor[Where],
        updates: Tensor[A],
        *,
        use_locking: bool = True,
        bad_indices_policy: str = "",
    ) -> None:
        if bad_indices_policy not in ("", "DEFAULT", "ERROR"):
            raise refuse(
                name, f"bad_indices_policy={bad_indices_policy!r}", "indices out of range are an error: give ''"
            )
        x = held(ref, updates.dtype)
        shape = (
            (*indices.shape[:-1], *x.shape[int(indices.shape[-1]) :]) if is_known(indices.shape[-1]) else updates.shape
        )
        write(ref, scatter_nd(x, indices, updates if updates.rank else broadcast(updates, shape, ()), kind))

    body.__doc__ = f"Change the parts `indices` of what the variable holds: {kind} `updates`."
    return op(name, outputs=(), stateful=True)(body).no_gradient()


resource_scatter_nd_update = _declare_scatter_nd("ResourceScatterNdUpdate", "set")
resource_scatter_nd_add = _declare_scatter_nd("ResourceScatterNdAdd", "add")
resource_scatter_nd_sub = _declare_scatter_nd("ResourceScatterNdSub", "sub")
resource_scatter_nd_max = _declare_scatter_nd("ResourceScatterNdMax", "max")
resource_scatter_nd_min = _declare_scatter_nd("ResourceScatterNdMin", "min")


def with_slice(x: Value, begin: Value, end: Value, strides: Value, value: Value, masks: dict[str, Any]) -> Value:
    """Return x with `value`, broadcast, in the place of a strided slice."""
    from millstream.ops.registry import find

    count = product(x.shape)
    places = reshape(iota((count,), 0, dtypes.int64), x.shape)
    chosen = find("StridedSlice")(places, begin, end, strides, **masks)
    updates = spread_to(value, chosen.shape)
    total = product(chosen.shape)
    flat = scatter_nd(reshape(x, (count,)), reshape(chosen, (total, 1)), reshape(updates, (total,)), "set")
    return reshape(flat, x.shape)


@op("TensorStridedSliceUpdate", outputs="output")
def tensor_strided_slice_update(
    input: Tensor[A],
    begin: Known[Tensor[S]],
    end: Known[Tensor[S]],
    strides: Known[Tensor[S]],
    value: Tensor[A],
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> Tensor[A]:
    """Return `input` with `value`, broadcast, in the place of a strided slice."""
    masks: dict[str, Any] = {
        "begin_mask": begin_mask,
        "end_mask": end_mask,
        "ellipsis_mask": ellipsis_mask,
        "new_axis_mask": new_axis_mask,
        "shrink_axis_mask": shrink_axis_mask,
    }
    return with_slice(input, begin, end, strides, value, masks)


tensor_strided_slice_update.cases(
    shapes=[((4, 5), (2,), (2,), (2,), (2, 2))],
    inputs=[None, [1, 0], [3, 4], [1, 2]],
    dtypes=[dtypes.float32, dtypes.int32, dtypes.float64],
)
tensor_strided_slice_update.cases(
    shapes=[((4, 5), (2,), (2,), (2,), ())],
    inputs=[None, [3, -1], [0, 0], [-2, 1]],
    attributes={"shrink_axis_mask": 2},
)


@op("ResourceStridedSliceAssign", outputs=(), stateful=True)
def resource_strided_slice_assign(
    ref: Tensor[RESOURCE],
    begin: Known[Tensor[S]],
    end: Known[Tensor[S]],
    strides: Known[Tensor[S]],
    value: Tensor[A],
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> None:
    """Make a strided slice of what the variable holds `value`, broadcast to the slice."""
    masks: dict[str, Any] = {
        "begin_mask": begin_mask,
        "end_mask": end_mask,
        "ellipsis_mask": ellipsis_mask,
        "new_axis_mask": new_axis_mask,
        "shrink_axis_mask": shrink_axis_mask,
    }
    write(ref, with_slice(held(ref, value.dtype), begin, end, strides, value, masks))


resource_strided_slice_assign.no_gradient()
