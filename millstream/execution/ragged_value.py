"""RaggedTensorValue: a ragged tensor of NumPy arrays, as sessions of TensorFlow 1 give and take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class RaggedTensorValue:
    """Rows one after the other in `values` (an array, or ragged itself), and where each begins in `row_splits`."""

    def __init__(self, values: Any, row_splits: Any) -> None:
        if not (
            isinstance(row_splits, (np.ndarray, np.generic))
            and row_splits.dtype in (np.int64, np.int32)
            and row_splits.ndim == 1
        ):
            raise TypeError("row_splits must be a 1D int32 or int64 numpy array")
        if not isinstance(values, (np.ndarray, np.generic, RaggedTensorValue)):
            raise TypeError("values must be a numpy array or a RaggedTensorValue")
        if isinstance(values, RaggedTensorValue) and row_splits.dtype != values.row_splits.dtype:
            raise ValueError("row_splits and values.row_splits must have the same dtype")
        self._values: Any = values
        self._row_splits: Any = row_splits

    @classmethod
    def nested(cls, flat_values: Any, nested_row_splits: Sequence[Any]) -> Any:
        """Return rows of rows, from the innermost values and the splits, outermost first."""
        found = flat_values
        for splits in reversed(nested_row_splits):
            found = cls(found, splits)
        return found

    @property
    def values(self) -> Any:
        """The rows, one after the other."""
        return self._values

    @property
    def row_splits(self) -> Any:
        """Where each row begins, and where the last one ends."""
        return self._row_splits

    @property
    def flat_values(self) -> Any:
        """The innermost values, an array."""
        return self._values.flat_values if isinstance(self._values, RaggedTensorValue) else self._values

    @property
    def nested_row_splits(self) -> tuple[Any, ...]:
        """The splits of all levels, outermost first."""
        inner = self._values.nested_row_splits if isinstance(self._values, RaggedTensorValue) else ()
        return (self._row_splits, *inner)

    @property
    def dtype(self) -> Any:
        """The type of the innermost values."""
        return self._values.dtype

    @property
    def ragged_rank(self) -> int:
        """How many axes are ragged."""
        return len(self.nested_row_splits)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The sizes; None where rows differ."""
        return (self._row_splits.shape[0] - 1, None, *self._values.shape[1:])

    @property
    def _nested_row_partitions(self) -> tuple[Any, ...]:
        return self.nested_row_splits

    def to_list(self) -> list[Any]:
        """Return the rows as lists."""
        values = self._values.to_list() if isinstance(self._values, RaggedTensorValue) else self._values.tolist()
        return [values[a:b] for a, b in zip(self._row_splits[:-1], self._row_splits[1:], strict=True)]

    def __str__(self) -> str:
        return f"<tf.RaggedTensorValue {self.to_list()}>"

    def __repr__(self) -> str:
        return f"tf.RaggedTensorValue(values={self._values!r}, row_splits={self._row_splits!r})"
