"""Symbolic tensors: values of a graph being traced. They have no elements yet and say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream.base import errors
from millstream.base.dtypes import DType
from millstream.base.shapes import TensorShape, from_spec_shape
from millstream.execution.tensor import Tensor
from millstream.program.value import Value

if TYPE_CHECKING:
    from millstream.execution.func_graph import FuncGraph


class SymbolicTensor(Tensor):
    """Stand for one value of a graph."""

    def __init__(self, graph: FuncGraph, value: Value) -> None:
        self.graph = graph
        self.value_ = value
        self._shape_override: TensorShape | None = None

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return self.value_.spec.dtype

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        if self._shape_override is not None:
            return self._shape_override
        return from_spec_shape(self.value_.spec.shape)

    @property
    def value(self) -> Value:
        return self.value_

    def set_shape(self, shape: Any) -> None:
        """Say more of the shape than is known here."""
        self._shape_override = self.shape.merge_with(shape)

    def numpy(self) -> Any:
        """Raise: a symbolic tensor has no elements."""
        raise NotImplementedError(f"numpy() is only available when eager execution is enabled; {self!r} is symbolic.")

    def __bool__(self) -> bool:
        raise errors.OperatorNotAllowedInGraphError(
            f"Using a symbolic `tf.Tensor` as a Python `bool` is not allowed: {self!r}. Use tf.cond, or let AutoGraph convert the code."
        )

    def __repr__(self) -> str:
        return f"<tf.Tensor 'value:0' shape={self.shape} dtype={self.dtype.name}>"
