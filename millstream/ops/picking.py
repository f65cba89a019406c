"""Declare the ops that pick and place rows: gather, scatter, one-hot."""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import float32, float64, int8, int16, int32, int64, uint8, uint16
from millstream.base.sizes import is_known, product
from millstream.ops.array import MOST
from millstream.ops.declaration import Known, Op, Tensor, Types, op
from millstream.ops.reduction import read_axes
from millstream.ops.types import NUMBERS
from millstream.program.primitives import indexing as i
from millstream.program.primitives import shaping as s
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import convert, select
from millstream.program.slices import Slices
from millstream.program.value import Value

T = Types("T")
Tparams = Types("Tparams")
Tindices = Types("Tindices", int16, int32, int64)
Wide = Types("Tindices", int32, int64)
Taxis = Types("Taxis", int32, int64)


def rows_gradient(dy: Value, params: Value, indices: Value) -> Slices:
    """Return what flows back through a gather of whole rows: the rows, not the table."""
    count = product(indices.shape)
    return Slices(s.reshape(dy, (count, *params.shape[1:])), s.reshape(indices, (count,)), params.shape)


@op("GatherV2", outputs="output")
def gather(
    params: Tensor[Tparams], indices: Tensor[Tindices], axis: Known[Tensor[Taxis]], *, batch_dims: int = 0
) -> Tensor[Tparams]:
    """Pick params[..., indices, ...] along an axis; the first `batch_dims` axes of both go together."""
    batch = batch_dims % (indices.rank + 1) if batch_dims < 0 else batch_dims
    return i.gather(params, _usual(indices), read_axes(params, axis, "GatherV2")[0], batch)


def _usual(indices: Value) -> Value:
    return indices if indices.dtype in (int32, int64) else convert(indices, int32)


@gather.gradient
def _(dy: Value, y: Value, params: Value, indices: Value, axis: Value, batch_dims: int) -> tuple[Any, None, None]:
    at = read_axes(params, axis, "GatherV2")[0]
    if at == 0 and batch_dims == 0:
        return rows_gradient(dy, params, _usual(indices)), None, None
    batch = batch_dims % (indices.rank + 1) if batch_dims < 0 else batch_dims
    rule = i.GATHER.reverse
    assert rule is not None
    return rule(dy, y, params, _usual(indices), axis=at, batch_axes=batch)[0], None, None


@op("Gather", outputs="output")
def gather_v1(params: Tensor[Tparams], indices: Tensor[Wide], *, validate_indices: bool = True) -> Tensor[Tparams]:
    """Pick rows; the older form of GatherV2."""
    return i.gather(params, indices)


@gather_v1.gradient
def _(dy: Value, y: Value, params: Value, indices: Value, validate_indices: bool) -> tuple[Any, None]:
    return rows_gradient(dy, params, indices), None


def check_policy(policy: str, what: str) -> None:
    """Refuse policies for bad indices other than raising."""
    if policy not in ("", "DEFAULT", "ERROR"):
        raise refuse(what, f"bad_indices_policy={policy!r}", "choose '', 'DEFAULT' or 'ERROR'")


@op("GatherNd", outputs="output")
def gather_nd(params: Tensor[Tparams], indices: Tensor[Tindices], *, bad_indices_policy: str = "") -> Tensor[Tparams]:
    """Pick params[indices[..., 0], indices[..., 1], ...]."""
    check_policy(bad_indices_policy, "GatherNd")
    return i.gather_nd(params, _usual(indices))


@op("ScatterNd", outputs="output")
def scatter_nd(
    indices: Tensor[Tindices], updates: Tensor[T], shape: Known[Tensor[Tindices]], *, bad_indices_policy: str = ""
) -> Tensor[T]:
    """Return zeros of `shape` to which updates are added at the indices."""
    check_policy(bad_indices_policy, "ScatterNd")
    sizes = s.contents(shape)
    empty: Any = b"" if updates.dtype == dtypes.string else 0
    kind = "set" if updates.dtype in (dtypes.string, dtypes.bool) else "add"
    return i.scatter_nd(s.full(sizes, empty, updates.dtype), _usual(indices), updates, kind)


def _spread_scalar(tensor: Value, indices: Value, updates: Value) -> Value:
    depth = indices.shape[-1]
    if updates.rank == 0 and is_known(depth):
        return s.broadcast(updates, (*indices.shape[:-1], *tensor.shape[depth:]), ())
    return updates


Update = Types("Tindices", int16, int32, int64, uint16)


@op("TensorScatterUpdate", outputs="output")
def tensor_scatter_update(
    tensor: Tensor[T], indices: Tensor[Update], updates: Tensor[T], *, bad_indices_policy: str = ""
) -> Tensor[T]:
    """Return the tensor with updates written at the indices."""
    check_policy(bad_indices_policy, "TensorScatterUpdate")
    return i.scatter_nd(tensor, _usual(indices), _spread_scalar(tensor, indices, updates), "set")


def _scatter(name: str, kind: str, doc: str) -> Op:
    def body(
        tensor: Tensor[T], indices: Tensor[Wide], updates: Tensor[T], *, bad_indices_policy: str = ""
    ) -> Tensor[T]:
        check_policy(bad_indices_policy, name)
        return i.scatter_nd(tensor, indices, _spread_scalar(tensor, indices, updates), kind)

    body.__doc__ = doc
    return op(name, outputs="output")(body)


tensor_scatter_add = _scatter("TensorScatterAdd", "add", "Return the tensor with updates added at the indices.")
tensor_scatter_sub = _scatter("TensorScatterSub", "sub", "Return the tensor with updates subtracted at the indices.")
tensor_scatter_max = _scatter("TensorScatterMax", "max", "Return the larger of tensor and updates at the indices.")
tensor_scatter_min = _scatter("TensorScatterMin", "min", "Return the smaller of tensor and updates at the indices.")
TI = Types("TI", uint8, int8, int32, int64, default=int64)


@op("OneHot", outputs="output")
def one_hot(
    indices: Tensor[TI], depth: Known[Tensor[int32]], on_value: Tensor[T], off_value: Tensor[T], *, axis: int = -1
) -> Tensor[T]:
    """Return a tensor with a new axis of size `depth`: on_value where its index equals the element, off_value elsewhere."""
    n = s.contents(depth)[0]
    if is_known(n) and n < 0:
        raise refuse("OneHot", f"depth {n}", "give a depth >= 0")
    if not -1 <= axis <= indices.rank:
        raise refuse("OneHot", f"axis {axis} for rank {indices.rank}", f"give an axis in [-1, {indices.rank}]")
    # Narrow positions compare faster; a depth always fits 32 bits.
    where = indices if indices.dtype is int64 else convert(indices, int32)
    hot = i.one_hot(where, n, axis, dtypes.bool)
    return select(hot, s.broadcast(on_value, hot.shape, ()), s.broadcast(off_value, hot.shape, ()))


XlaIndex = Types("Tindices", int32, int64)


@op("XlaDynamicUpdateSlice", outputs="output")
def dynamic_update_slice(input: Tensor[T], update: Tensor[T], indices: Tensor[XlaIndex]) -> Tensor[T]:
    """Return the input with `update` written at `indices`, clamped so that it fits."""
    return s.dynamic_update_slice(input, update, convert(indices, int64))


gather.cases(
    [((5, 3), (2, 2), ()), (("batch", 3), (2,), ())], inputs=(None, lambda r: r.integers(0, 3, (2, 2)), 0), dtypes=MOST
)
gather.cases([((3, 5), (2,), ())], inputs=(None, [4, 0], 1), dtypes=[float32, float64])
gather.cases(
    [((2, 5, 3), (2, 2), ())],
    inputs=(None, [[4, 0], [1, 1]], 1),
    attributes={"batch_dims": 1},
    dtypes=[float32, float64],
)
gather_v1.cases([((5, 3), (2,))], inputs=(None, [4, 0]), dtypes=[float32, float64])
gather_nd.cases([((5, 3), (2, 2))], inputs=(None, [[4, 0], [1, 2]]), dtypes=MOST)
gather_nd.cases([((5, 3), (2, 1))], inputs=(None, [[4], [1]]), dtypes=[float32, float64])
scatter_nd.cases([((3, 1), (3, 2), (2,))], inputs=([[4], [1], [4]], None, [5, 2]), dtypes=[float32, float64, int32])
tensor_scatter_update.cases([((5, 2), (2, 1), (2, 2))], inputs=(None, [[4], [1]], None), dtypes=MOST)
for _op in (tensor_scatter_add, tensor_scatter_sub, tensor_scatter_max, tensor_scatter_min):
    _op.cases([((5, 2), (2, 1), (2, 2))], inputs=(None, [[4], [1]], None), dtypes=[float32, float64, int32])
one_hot.cases(
    [((4,), (), (), ()), (("batch",), (), (), ())],
    inputs=(lambda r: r.integers(0, 3, (3,)), 4, None, None),
    dtypes=[float32, float64, dtypes.bool],
)
one_hot.cases([((2, 3), (), (), ())], inputs=([[0, 9, 7], [1, 2, 3]], 4, 1, 0), attributes={"axis": 0}, dtypes=NUMBERS)
dynamic_update_slice.cases([((5, 4), (2, 2), (2,))], inputs=(None, None, [4, 1]), dtypes=[float32, float64, int32])
