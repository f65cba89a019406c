"""The tensor classes' common surface, and eager tensors: values at hand. Operators are filled in by `operators`."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.shapes import TensorShape
from millstream.execution.specs import DTYPE_OF_NUMBER


class TensorType:
    """tf.__internal__.types.Tensor: what ops take as a tensor: tensors, variables, and Keras's variables."""


class Tensor(TensorType):
    """What eager and symbolic tensors share."""

    dtype: DType
    shape: TensorShape
    __array_priority__ = 100

    @property
    def ndim(self) -> int | None:
        """Number of axes, None where unknown."""
        return self.shape.rank

    def get_shape(self) -> TensorShape:
        """Return the shape."""
        return self.shape


class EagerTensor(runtime.TensorBase, Tensor):  # type: ignore[misc]
    """A tensor whose elements are at hand."""

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        return DTYPE_OF_NUMBER[self._dtype]

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        return TensorShape(self._shape)

    @property
    def ndim(self) -> int:
        return self._rank  # type: ignore[no-any-return]

    @property
    def _watched(self) -> bool:
        """Whether a tape follows this tensor, so that a graph must not take it in by value."""
        from millstream.execution.tape import is_watched

        return is_watched(self)

    def numpy(self) -> Any:
        """Return the elements as a NumPy array, or a NumPy scalar for a scalar; without a copy where NumPy can share."""
        array = self._array()
        return array[()] if array.ndim == 0 and array.dtype != object else (array.item() if array.ndim == 0 else array)

    def _array(self) -> Any:
        if self._dtype == dtypes.string.as_datatype_enum:
            array = np.empty(self._count, object)
            array[:] = self._strings()
            return array.reshape(self._shape)
        array = self._numpy()
        wanted = self.dtype.as_numpy_dtype
        return array if array.dtype == wanted else array.view(wanted)

    def _numpy_for_printing(self) -> Any:
        return self.numpy()

    def set_shape(self, shape: Any) -> None:
        """Check that `shape` fits."""
        if not self.shape.is_compatible_with(shape):
            raise ValueError(f"Tensor's shape {self.shape} is not compatible with supplied shape {shape}.")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self._array()
        return array if dtype is None else array.astype(dtype)


runtime.set_tensor_class(EagerTensor)


def eager_constant(value: Any, dtype: DType) -> EagerTensor:
    """Return a NumPy-like value as an eager tensor."""
    if dtype == dtypes.string:
        array = np.asarray(value, object)
        flat = [v if isinstance(v, bytes) else str(v).encode() for v in array.ravel().tolist()]
        return runtime.from_strings(flat, array.shape)  # type: ignore[no-any-return]
    array = np.asarray(value, dtype.as_numpy_dtype)
    shape = array.shape
    if array.dtype.kind == "V" or dtype.size != array.dtype.itemsize or array.dtype.num > 23:
        array = np.ascontiguousarray(array).view(np.uint8 if dtype.size == 1 else np.uint16)
    return runtime.from_array(np.ascontiguousarray(array), dtype.as_datatype_enum, shape)  # type: ignore[no-any-return]
