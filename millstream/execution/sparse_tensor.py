"""SparseTensor: indices, values and a dense shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.composite import CompositeTensor
from millstream.base.shapes import TensorShape
from millstream.base.specs import SparseTensorSpec
from millstream.base.trace_types import install
from millstream.execution.convert import to_tensor
from millstream.execution.static_value import static_value


class SparseTensor(CompositeTensor):
    """A tensor of which only the elements `values[i]` at `indices[i]` are kept; the others are zero."""

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        self._indices = to_tensor(indices, dtypes.int64)
        self._values = to_tensor(values)
        self._dense_shape = to_tensor(dense_shape, dtypes.int64)
        known = static_value(self._dense_shape)
        self._static = TensorShape(None if known is None else [int(n) for n in known])
        if known is None and self._dense_shape.shape.rank == 1:
            self._static = TensorShape([None] * (self._dense_shape.shape.as_list()[0] or 0))

    @property
    def indices(self) -> Any:
        """int64 [n, rank]."""
        return self._indices

    @property
    def values(self) -> Any:
        """The elements, [n]."""
        return self._values

    @property
    def dense_shape(self) -> Any:
        """int64 [rank]."""
        return self._dense_shape

    @property
    def shape(self) -> TensorShape:
        """The shape as far as it is known."""
        return self._static

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._values.dtype

    @property
    def graph(self) -> Any:
        """The graph of a symbolic one."""
        return self._values.graph

    def get_shape(self) -> TensorShape:
        """Return the shape as far as it is known."""
        return self._static

    def set_shape(self, shape: Any) -> None:
        """Say what is known of the shape."""
        self._static = self._static.merge_with(shape)

    def with_values(self, new_values: Any) -> SparseTensor:
        """Return the same places with other values."""
        return SparseTensor(self._indices, new_values, self._dense_shape)

    @property
    def _type_spec(self) -> SparseTensorSpec:
        return SparseTensorSpec(self._static, self.dtype)

    @classmethod
    def from_value(cls, value: Sequence[Any]) -> SparseTensor:
        """Return (indices, values, dense_shape) as a SparseTensor."""
        return value if isinstance(value, SparseTensor) else cls(*value)

    def __repr__(self) -> str:
        return f"SparseTensor(indices={self._indices!r}, values={self._values!r}, dense_shape={self._dense_shape!r})"


install("SparseTensor", SparseTensor)
