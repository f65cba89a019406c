"""Objects that only offer __array__ become arrays as a whole, whatever else they can do."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.conversion import to_array


class ArrayLike:
    """As arrays of other libraries: a length, elements, and __array__; scalars have no length."""

    def __init__(self, value: Any) -> None:
        self.value = np.asarray(value)
        self.ndim = self.value.ndim

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return self.value if dtype is None else self.value.astype(dtype)

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: int) -> ArrayLike:
        return ArrayLike(self.value[index])


def test_array_likes_are_taken_as_arrays() -> None:
    array, dtype = to_array(ArrayLike(np.array([[1, 2], [3, 4]])))
    assert array.tolist() == [[1, 2], [3, 4]] and dtype is dtypes.int64
    array, dtype = to_array(ArrayLike([1.5, 2.0]), dtypes.float32)
    assert array.dtype == np.float32 and dtype is dtypes.float32
