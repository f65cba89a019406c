"""tf.linalg: products of matrices and tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array, picking
from millstream.api.calls import call_of
from millstream.api.math import conj
from millstream.api.public import public
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.by_rank import takes_any_rank
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor
from millstream.ops.registry import find

_MATMUL = {(a, b): call_of("MatMul", transpose_a=a, transpose_b=b) for a in (False, True) for b in (False, True)}


@public("matmul", "linalg.matmul")
def matmul(
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
    """Return products of matrices on the last two axes, each transposed or adjoint first where asked."""
    for transposed, adjoint, which in ((transpose_a, adjoint_a, "a"), (transpose_b, adjoint_b, "b")):
        if transposed and adjoint:
            raise ValueError(
                explain(f"Only one of `transpose_{which}` and `adjoint_{which}` can be True. Received both.")
            )
    if not isinstance(a, Tensor):
        a = to_tensor(a, getattr(b, "dtype", None) if isinstance(b, Tensor) and not hasattr(a, "dtype") else None)
    if not isinstance(b, Tensor):
        b = to_tensor(b, None, a.dtype)
    rank_a, rank_b = a.shape.rank, b.shape.rank
    plain = output_type is None or as_dtype(output_type) is a.dtype
    if rank_a == 2 and rank_b == 2 and plain:
        if adjoint_a and a.dtype.is_complex:
            a, adjoint_a, transpose_a = conj(a), False, True
        if adjoint_b and b.dtype.is_complex:
            b, adjoint_b, transpose_b = conj(b), False, True
        return _MATMUL[bool(transpose_a or adjoint_a), bool(transpose_b or adjoint_b)](a, b)
    if transpose_a and a.dtype.is_complex:
        a = conj(a)
    if transpose_b and b.dtype.is_complex:
        b = conj(b)
    flags = {"adj_x": bool(transpose_a or adjoint_a), "adj_y": bool(transpose_b or adjoint_b)}
    if not plain or a.dtype is not b.dtype:
        return apply(
            find("BatchMatMulV3"), a, b, Tout=as_dtype(output_type) if output_type is not None else a.dtype, **flags
        )
    return apply(find("BatchMatMulV2"), a, b, **flags)


@public("linalg.matvec")
def matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    """Return products of matrices and vectors."""
    column = array.expand_dims(to_tensor(b, None, getattr(a, "dtype", None)), -1)
    return array.squeeze(matmul(a, column, transpose_a=transpose_a, adjoint_a=adjoint_a), [-1])


@public("linalg.matrix_transpose")
def matrix_transpose(a: Any, name: str = "matrix_transpose", conjugate: bool = False) -> Any:
    """Return the matrices with their last two axes swapped."""
    a = to_tensor(a)
    rank = a.shape.rank
    if rank is None:
        raise ValueError(
            explain("tf.linalg.matrix_transpose needs a tensor of known rank; give it with tf.ensure_shape.")
        )
    if rank < 2:
        raise ValueError(
            explain(f"Argument `a` should be a (batch) matrix with rank >= 2. Received `a` = {a} with shape: {a.shape}")
        )
    return array.transpose(a, [*range(rank - 2), rank - 1, rank - 2], conjugate)


@public("linalg.adjoint")
def adjoint(matrix: Any, name: str | None = None) -> Any:
    """Return the conjugate transposes of the matrices."""
    return matrix_transpose(matrix, conjugate=True)


def _free_axes(rank: int, axes: list[int]) -> list[int]:
    return [i for i in range(rank) if i not in axes]


def _flattened(x: Any, order: list[int], rows: list[int], columns: list[int]) -> tuple[Any, Any]:
    """Return x as a matrix of the axes `rows` by the axes `columns`, and the sizes of the free ones, known or as a tensor."""
    sizes = x.shape.as_list()
    turned = array.transpose(x, order) if order != list(range(len(order))) else x
    if None in sizes:
        shape = array.shape(x)
        product = find("Prod")
        parts = [
            apply(product, picking.gather(shape, axes), array.index_tensor([0]), keep_dims=False)
            for axes in (rows, columns)
        ]
        return array.reshape(turned, array.stack(parts)), shape
    counts = [int(np.prod([sizes[i] for i in axes], dtype=np.int64)) for axes in (rows, columns)]
    return array.reshape(turned, counts), sizes


@public("tensordot", "linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Any:
    """Contract axes of a with axes of b: a number of last and first axes, or a list of axes of each."""
    a = to_tensor(a)
    b = to_tensor(b, None, a.dtype)
    return _tensordot(a, b, np.asarray(axes).tolist() if isinstance(axes, Tensor) else axes)


@takes_any_rank("tf.tensordot", 2)
def _tensordot(a: Any, b: Any, axes: Any) -> Any:
    if isinstance(axes, (int, np.integer)):
        if axes < 0:
            raise ValueError(explain(f"`axes` must be at least 0. Received: {axes}."))
        if axes > a.shape.rank:
            raise ValueError(
                explain(
                    f"`axes` must not be larger than the number of dimensions of tensor {a}. Received {axes}, vs tensor dimensions {a.shape.rank}."
                )
            )
        over_a, over_b = list(range(a.shape.rank - axes, a.shape.rank)), list(range(axes))
    else:
        if len(axes) != 2:
            raise ValueError(explain(f"`axes` must be an integer or have length 2. Received {axes}."))
        over_a, over_b = ([int(i) for i in np.ravel(side)] for side in axes)
        if len(over_a) != len(over_b):
            raise ValueError(
                explain(f"Different number of contraction axes `a` and `b`, {len(over_a)} != {len(over_b)}.")
            )
    for side, x, over in (("a", a, over_a), ("b", b, over_b)):
        rank = x.shape.rank
        if any(not -rank <= i < rank for i in over):
            raise IndexError(
                explain(f"tensordot: axes {over} of {side}, which has rank {rank}; give axes in [{-rank}, {rank}).")
            )
    over_a, over_b = [i % a.shape.rank for i in over_a], [i % b.shape.rank for i in over_b]
    free_a, free_b = _free_axes(a.shape.rank, over_a), _free_axes(b.shape.rank, over_b)
    left, sizes_a = _flattened(a, free_a + over_a, free_a, over_a)
    right, sizes_b = _flattened(b, over_b + free_b, over_b, free_b)
    result = matmul(left, right)
    if isinstance(sizes_a, list) and isinstance(sizes_b, list):
        return array.reshape(result, [sizes_a[i] for i in free_a] + [sizes_b[i] for i in free_b])
    known = a.shape.as_list(), b.shape.as_list()
    parts = [known[0][i] if known[0][i] is not None else sizes_a[i] for i in free_a]
    parts += [known[1][i] if known[1][i] is not None else sizes_b[i] for i in free_b]
    return array.reshape(result, parts)
