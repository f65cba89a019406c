"""Convert Python values, arrays and objects that stand for tensors to tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.dtypes import DType, as_dtype
from millstream.execution.tensor import EagerTensor, Tensor, eager_constant


def to_tensor(value: Any, dtype: Any = None, preferred: DType | None = None, name: str | None = None) -> Any:
    """Return `value` as a tensor: of `dtype` where given, else of its own, else of `preferred` if it fits."""
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(value, Tensor):
        if wanted is not None and value.dtype != wanted:
            raise ValueError(
                f"Tensor conversion requested dtype {wanted.name} for Tensor with dtype {value.dtype.name}: {value!r}"
            )
        return value
    convert = getattr(value, "__tf_tensor__", None)
    if convert is not None:
        return convert(wanted, name)
    if wanted is None and preferred is not None:
        try:
            return constant_of(value, preferred)
        except (TypeError, ValueError, OverflowError):
            pass
    return constant_of(value, wanted)


def constant_of(value: Any, wanted: DType | None) -> EagerTensor:
    """Return a Python value or array as an eager tensor."""
    kind = value.__class__
    if kind is float and (wanted is None or wanted.is_floating):
        return runtime.scalar(value, (wanted or dtypes.float32).as_datatype_enum)  # type: ignore[no-any-return]
    if kind is int and wanted is not None and (wanted.is_floating or wanted is dtypes.int32 or wanted is dtypes.int64):
        return runtime.scalar(value, wanted.as_datatype_enum)  # type: ignore[no-any-return]
    if wanted is None:
        wanted = infer_dtype(value)
    return eager_constant(value, wanted)


def infer_dtype(value: Any) -> DType:
    """Return the element type that TensorFlow gives a Python value or array."""
    if isinstance(value, (np.ndarray, np.generic)):
        return dtypes.string if value.dtype.kind in "SUO" else as_dtype(value.dtype)
    array = np.asarray(value)
    kinds = {"b": dtypes.bool, "i": dtypes.int32, "f": dtypes.float32, "c": dtypes.complex128, "U": dtypes.string, "S": dtypes.string}
    return kinds.get(array.dtype.kind) or dtypes.string
