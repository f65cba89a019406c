"""IndexedSlices: a sparse stack of rows, as the gradient of a gather is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class IndexedSlices:
    """Rows `values[i]` at `indices[i]` of a tensor of shape `dense_shape`; rows at one index add up."""

    def __init__(self, values: Any, indices: Any, dense_shape: Sequence[Any] | None = None) -> None:
        self.values = values
        self.indices = indices
        self.dense_sizes = dense_shape

    @property
    def dtype(self) -> Any:
        return self.values.dtype
