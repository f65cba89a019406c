"""tf.SparseTensor, tf.sparse basics, tf.RaggedTensor's name, and the base of composite tensors."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, publish
from millstream.base.composite import CompositeTensor
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.ops import picking
from millstream.ops.registry import find

publish("SparseTensor", SparseTensor)
publish("sparse.SparseTensor", SparseTensor)
publish("__internal__.CompositeTensor", CompositeTensor)


@public("sparse.to_dense")
def to_dense(
    sp_input: SparseTensor, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Any:
    """Return a sparse tensor as a dense one, with `default_value` (0) elsewhere."""
    missing = to_tensor(0 if default_value is None else default_value, sp_input.dtype)
    return apply(
        picking.sparse_to_dense,
        sp_input.indices,
        sp_input.dense_shape,
        sp_input.values,
        missing,
        validate_indices=validate_indices,
    )


@public("sparse.from_dense")
def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """Return the elements that are not zero as a sparse tensor."""
    tensor = to_tensor(tensor)
    places = apply(find("Where"), tensor)
    shape = apply(find("Shape"), tensor, out_type=places.dtype)
    return SparseTensor(places, apply(picking.gather_nd, tensor, places), shape)


class RaggedTensor(CompositeTensor):
    """A tensor whose rows have lengths of their own: values and where each row begins."""

    def __init__(self, values: Any, row_splits: Any) -> None:
        self._values = to_tensor(values)
        self._row_splits = to_tensor(row_splits)

    @classmethod
    def from_row_splits(
        cls, values: Any, row_splits: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Return rows values[row_splits[i]:row_splits[i + 1]]."""
        return cls(values, row_splits)

    @property
    def values(self) -> Any:
        """The elements of all rows, one after the other."""
        return self._values

    @property
    def flat_values(self) -> Any:
        """The innermost values."""
        return self._values

    @property
    def row_splits(self) -> Any:
        """Where each row begins, and the end."""
        return self._row_splits

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._values.dtype

    @property
    def _type_spec(self) -> Any:
        from millstream.base.specs import RaggedTensorSpec

        return RaggedTensorSpec(None, self.dtype, 1, self._row_splits.dtype)


publish("RaggedTensor", RaggedTensor)


def _refused(name: str) -> Any:
    def function(*_: Any, **__: Any) -> Any:
        from millstream.base import errors

        raise errors.UnimplementedError(
            None, None, f"tf.sparse.{name} is not supported yet; use tf.sparse.to_dense and dense ops."
        )

    function.__name__ = name
    return function


for _name in (
    "add",
    "maximum",
    "minimum",
    "map_values",
    "reorder",
    "reshape",
    "sparse_dense_matmul",
    "concat",
    "slice",
    "expand_dims",
    "transpose",
    "split",
    "mask",
    "cross_hashed",
    "reduce_sum",
    "retain",
):
    publish(f"sparse.{_name}", _refused(_name))
