"""Products of two sparse matrices, under the names of TensorFlow's CSR matrices; publishes nothing."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millstream.api import array
from millstream.base import errors
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.ops.sparse_product import SPARSE_PRODUCT

SparseParts = namedtuple("SparseParts", ["indices", "values", "dense_shape"])


def sparse_tensor_to_csr_sparse_matrix(indices: Any, values: Any, dense_shape: Any, name: str | None = None) -> Any:
    """Return a sparse matrix, or a batch of them."""
    return SparseTensor(indices, values, dense_shape)


def csr_sparse_matrix_to_sparse_tensor(sparse_matrix: SparseTensor, type: Any, name: str | None = None) -> SparseParts:
    """Return indices, values and dense shape of a sparse matrix; InvalidArgumentError for another element type."""
    _check_type(sparse_matrix, type)
    return SparseParts(sparse_matrix.indices, sparse_matrix.values, sparse_matrix.dense_shape)


def _check_type(matrix: SparseTensor, type: Any) -> None:
    if matrix.dtype != as_dtype(type):
        raise errors.InvalidArgumentError(
            None,
            None,
            explain(f"The sparse matrix has elements of type {matrix.dtype.name}, not {as_dtype(type).name}."),
        )


def sparse_matrix_sparse_mat_mul(
    a: SparseTensor,
    b: SparseTensor,
    type: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    name: str | None = None,
) -> SparseTensor:
    """Return the product of two sparse matrices of one element type, or of two batches of them, as a sparse one."""
    _check_type(a, type)
    _check_type(b, type)
    a, b = _turned(a, transpose_a, adjoint_a), _turned(b, transpose_b, adjoint_b)
    inner, outer = a.shape.as_list()[-1], b.shape.as_list()[-2]
    if inner is not None and outer is not None and inner != outer:
        raise errors.InvalidArgumentError(
            None,
            None,
            explain(f"The inner sizes of the sparse matrices differ: {a.shape} and {b.shape}; they must be equal."),
        )
    indices, values = apply(SPARSE_PRODUCT, a.indices, a.values, b.indices, b.values)
    return SparseTensor(indices, values, array.concat([a.dense_shape[:-1], b.dense_shape[-1:]], 0))


def _turned(matrix: SparseTensor, transpose: bool, adjoint: bool) -> SparseTensor:
    if not transpose and not adjoint:
        return matrix
    from millstream.api.math import conj
    from millstream.api.sparse import transpose as reorder_axes

    rank = matrix.shape.rank
    assert rank is not None
    turned = reorder_axes(matrix, to_tensor([*range(rank - 2), rank - 1, rank - 2]))
    return turned.with_values(conj(turned.values)) if adjoint else turned
