"""Declare matrix products."""

from __future__ import annotations

from millstream.base.dtypes import float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64
from millstream.ops.declaration import Tensor, Types, op
from millstream.ops.types import COMPLEX, FLOATS
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import conjugate, convert
from millstream.program.primitives.linear import matmul as product
from millstream.program.primitives.shaping import broadcast_shapes, spread_to
from millstream.program.value import Value

T = Types("T", *FLOATS, int32, int64, uint8, uint16, uint32, uint64, *COMPLEX)


@op("MatMul", outputs="product")
def matmul(
    a: Tensor[T],
    b: Tensor[T],
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    grad_a: bool = False,
    grad_b: bool = False,
) -> Tensor[T]:
    """Return the product of two matrices, either of them transposed first."""
    if a.rank != 2 or b.rank != 2:
        raise refuse("MatMul", f"ranks {a.rank} and {b.rank}", "give two matrices")
    return product(a, b, transpose_x=transpose_a, transpose_y=transpose_b)


@matmul.gradient
def _(
    dz: Value, z: Value, a: Value, b: Value, transpose_a: bool, transpose_b: bool, grad_a: bool, grad_b: bool
) -> tuple[Value, Value]:
    p, q = conjugate(a), conjugate(b)
    if not transpose_a and not transpose_b:
        return product(dz, q, transpose_y=True), product(p, dz, transpose_x=True)
    if not transpose_a:
        return product(dz, q), product(dz, p, transpose_x=True)
    if not transpose_b:
        return product(q, dz, transpose_y=True), product(p, dz)
    return product(q, dz, transpose_x=True, transpose_y=True), product(dz, p, transpose_x=True, transpose_y=True)


def batched(x: Value, y: Value, adj_x: bool, adj_y: bool, what: str) -> Value:
    """Multiply matrices on the last two axes, broadcasting the leading axes."""
    if x.rank < 2 or y.rank < 2:
        raise refuse(what, f"ranks {x.rank} and {y.rank}", "give tensors of rank 2 or more")
    lead = broadcast_shapes(x.shape[:-2], y.shape[:-2], what=what)
    x = spread_to(conjugate(x) if adj_x else x, (*lead, *x.shape[-2:]))
    y = spread_to(conjugate(y) if adj_y else y, (*lead, *y.shape[-2:]))
    return product(x, y, transpose_x=adj_x, transpose_y=adj_y)


V2 = Types("T", *FLOATS, int16, int32, int64, uint8, uint16, uint32, uint64, *COMPLEX)


@op("BatchMatMulV2", outputs="output")
def batch_matmul(
    x: Tensor[V2],
    y: Tensor[V2],
    *,
    adj_x: bool = False,
    adj_y: bool = False,
    grad_x: bool = False,
    grad_y: bool = False,
) -> Tensor[V2]:
    """Return products of matrices on the last two axes, either adjoint first; leading axes broadcast."""
    return batched(x, y, adj_x, adj_y, "BatchMatMulV2")


V1 = Types("T", *FLOATS, int32, int64, *COMPLEX)


@op("BatchMatMul", outputs="output")
def batch_matmul_v1(
    x: Tensor[V1],
    y: Tensor[V1],
    *,
    adj_x: bool = False,
    adj_y: bool = False,
    grad_x: bool = False,
    grad_y: bool = False,
) -> Tensor[V1]:
    """Return products of matrices on the last two axes, either adjoint first; leading axes are equal."""
    return batched(x, y, adj_x, adj_y, "BatchMatMul")


Ta = Types("Ta", *FLOATS, uint8, int8, int16, int32, int64, *COMPLEX)
Tb = Types("Tb", *FLOATS, uint8, int8, int16, int32, int64, *COMPLEX)
Tout = Types("Tout", *FLOATS, int16, int32, int64, *COMPLEX)


@op("BatchMatMulV3", outputs="output")
def batch_matmul_v3(
    x: Tensor[Ta],
    y: Tensor[Tb],
    *,
    Tout: Tout,
    adj_x: bool = False,
    adj_y: bool = False,
    grad_x: bool = False,
    grad_y: bool = False,
) -> Tensor["Tout"]:
    """Return products of matrices of any two element types, in element type Tout."""
    return batched(convert(x, Tout), convert(y, Tout), adj_x, adj_y, "BatchMatMulV3")


for _flags in ({}, {"transpose_a": True}, {"transpose_b": True}, {"transpose_a": True, "transpose_b": True}):
    matmul.cases([((3, 3), (3, 3))], attributes=_flags, dtypes=T.allowed)
matmul.cases([(("batch", 4), (4, 5)), ((0, 4), (4, 5)), ((2, 0), (0, 5))])
for _op in (batch_matmul, batch_matmul_v1):
    _op.cases([((2, 3, 4), (2, 4, 5)), (("batch", 3, 4), ("batch", 4, 5))])
    _op.cases([((2, 3, 3), (2, 3, 3))], attributes={"adj_x": True}, dtypes=[float32, float64, *COMPLEX])
    _op.cases([((2, 3, 3), (2, 3, 3))], attributes={"adj_y": True, "adj_x": True}, dtypes=[float64, *COMPLEX])
batch_matmul.cases([((2, 3, 4), (4, 5)), ((3, 1, 2, 4), (2, 4, 2))], dtypes=[float32, float64])
batch_matmul_v3.cases([((2, 3, 4), (2, 4, 5))], attributes={"Tout": float32, "Ta": float32, "Tb": float32})
