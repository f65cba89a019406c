"""The type of `tf.experimental.RowPartition`. Refuses sizes that cannot go together."""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.tensor_specs import TensorSpec
from millstream.base.trace_types import installed
from millstream.base.type_specs import TypeSpec, register_type_spec


@register_type_spec("tf.RowPartitionSpec")
class RowPartitionSpec(TypeSpec):
    """How many rows and values there are, and the length of all rows, as far as they are known."""

    __slots__ = ("_dtype", "_nrows", "_nvals", "_uniform_row_length")

    _nrows: TensorShape
    _nvals: TensorShape
    _uniform_row_length: TensorShape
    _dtype: DType

    def __init__(
        self, nrows: Any = None, nvals: Any = None, uniform_row_length: Any = None, dtype: Any = dtypes.int64
    ) -> None:
        # Shapes of one axis: they compare and relax as sizes do.
        self._nrows = TensorShape([nrows])
        self._nvals = TensorShape([nvals])
        self._uniform_row_length = TensorShape([uniform_row_length])
        self._dtype = dtypes.as_dtype(dtype)
        if self._dtype not in (dtypes.int32, dtypes.int64):
            raise ValueError(explain("dtype must be tf.int32 or tf.int64"))
        known = (self.nrows, self.nvals, self.uniform_row_length)
        if any(n is not None and n < 0 for n in known) or not _fit(*known):
            raise ValueError(
                explain(
                    f"nvals (={self.nvals}) must be equal to uniform_row_length (={self.uniform_row_length}) times nrows "
                    f"(={self.nrows})."
                )
            )

    @property
    def nrows(self) -> int | None:
        """The number of rows."""
        return self._nrows.as_list()[0]  # type: ignore[no-any-return]

    @property
    def nvals(self) -> int | None:
        """The number of values."""
        return self._nvals.as_list()[0]  # type: ignore[no-any-return]

    @property
    def uniform_row_length(self) -> int | None:
        """The length of all rows, if they are of one length."""
        return self._uniform_row_length.as_list()[0]  # type: ignore[no-any-return]

    @property
    def dtype(self) -> DType:
        """The element type of the row splits."""
        return self._dtype

    @property
    def value_type(self) -> Any:
        """The class RowPartition."""
        return installed("RowPartition")

    @classmethod
    def from_value(cls, value: Any) -> RowPartitionSpec:
        """The spec of a row partition."""
        return cls(value.static_nrows, value.static_nvals, value.static_uniform_row_length, value.dtype)

    def with_dtype(self, dtype: Any) -> RowPartitionSpec:
        """The same spec with another element type of the row splits."""
        return RowPartitionSpec(self.nrows, self.nvals, self.uniform_row_length, dtype)

    def _serialize(self) -> Any:
        return self._nrows, self._nvals, self._uniform_row_length, self._dtype

    @classmethod
    def _deserialize(cls, serialization: Any) -> Any:
        nrows, nvals, length, dtype = serialization
        return cls(nrows.as_list()[0], nvals.as_list()[0], length.as_list()[0], dtype)

    def __reduce__(self) -> Any:
        return type(self), (self.nrows, self.nvals, self.uniform_row_length, self._dtype)

    @property
    def _component_specs(self) -> Any:
        count = None if self.nrows is None else self.nrows + 1
        return TensorSpec([count], self._dtype)

    def _to_components(self, value: Any) -> Any:
        return value.row_splits()

    def _from_components(self, components: Any) -> Any:
        return installed("RowPartition").from_row_splits(components, validate=False)._merge_with_spec(self)

    def __repr__(self) -> str:
        return (
            f"RowPartitionSpec(nrows={self.nrows}, nvals={self.nvals}, uniform_row_length={self.uniform_row_length}, "
            f"dtype={self._dtype!r})"
        )


def _fit(nrows: int | None, nvals: int | None, length: int | None) -> bool:
    """Whether there may be so many rows and values of one row length."""
    if length is None or nvals is None:
        return True
    if nrows is not None:
        return nrows * length == nvals
    return nvals % length == 0 if length else nvals == 0
