"""tf.make_tensor_proto and tf.make_ndarray: arrays as TensorProto messages, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.conversion import to_array
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.base.tensor_proto import FIELDS, of_proto
from millstream.execution.static_value import static_value
from millstream.execution.tensor import Tensor

_AS_BYTES = frozenset(
    (
        dtypes.float32, dtypes.float64, dtypes.int32, dtypes.uint8, dtypes.int16, dtypes.int8, dtypes.int64, dtypes.qint8,
        dtypes.quint8, dtypes.qint16, dtypes.quint16, dtypes.qint32, dtypes.uint32, dtypes.uint64,
    )
)  # fmt: skip
"""Element types of which several elements stand in a message as raw bytes."""


def _array(values: Any, dtype: Any) -> tuple[Any, Any]:
    if isinstance(values, Tensor):
        known = static_value(values)
        if known is None:
            raise TypeError(explain(f"List of Tensors when single Tensor expected: {values!r} has no content yet."))
        return known, values.dtype
    if values is None:
        raise ValueError(explain("None values not supported."))
    if isinstance(values, (np.ndarray, np.generic)) and dtype is not None and dtype is not dtypes.string:
        return np.asarray(values).astype(dtype.as_numpy_dtype), dtype
    try:
        return to_array(values, dtype)
    except ValueError:
        if dtype is None:
            raise
        raise TypeError(
            explain(f"Expected {dtype.name}, but got {values} of type {type(values).__name__!r}.")
        ) from None


@public("make_tensor_proto", "compat.v1.make_tensor_proto")
def make_tensor_proto(
    values: Any, dtype: Any = None, shape: Any = None, verify_shape: bool = False, allow_broadcast: bool = False
) -> Any:
    """Return a TensorProto of a value.

    Args:
      values: a Python value, nested list or NumPy array.
      dtype: the element type; that of the values without it.
      shape: the sizes; those of the values without it. Where there are fewer values, the last one is meant for the rest.
      verify_shape: whether the values must be of exactly this shape.
      allow_broadcast: whether a scalar or one value may stand for all, in place of the rule above.

    Raises:
      TypeError: where values do not fit the element type, or their shape is not the one to be verified.
      ValueError: for None, and where there are more values than the shape holds.

    >>> tf.make_ndarray(tf.make_tensor_proto([[1, 2], [3, 4]]))
    array([[1, 2],
           [3, 4]], dtype=int32)
    """
    if allow_broadcast and verify_shape:
        raise ValueError(explain("allow_broadcast and verify_shape are not both allowed."))
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(values, message("TensorProto")):
        return values
    array, found = _array(values, wanted)
    array = np.asarray(array, object) if found is dtypes.string else np.asarray(array)
    sizes = array.shape if shape is None else tuple(int(n) for n in np.atleast_1d(shape))
    count = int(np.prod(sizes, dtype=np.int64))
    if (verify_shape or (allow_broadcast and array.size > 1)) and array.shape != sizes:
        raise TypeError(explain(f"Expected Tensor's shape: {sizes}, but got {array.shape}."))
    if array.size > count > 0 or (array.size > count and array.size > 1):
        raise ValueError(explain(f"Too many elements provided. Takes at most {count}, but got {array.size}."))
    made = message("TensorProto")(dtype=found.as_datatype_enum)
    made.tensor_shape.SetInParent()
    for size in sizes:
        made.tensor_shape.dim.add(size=size)
    if not count:
        return made
    if found in _AS_BYTES and array.size == count > 1:
        made.tensor_content = np.ascontiguousarray(array).tobytes()
    elif found is dtypes.string:
        made.string_val.extend(v.encode() if isinstance(v, str) else bytes(v) for v in array.ravel())
    elif found.name not in FIELDS:
        made.float8_val = np.ascontiguousarray(array).tobytes()
    else:
        getattr(made, FIELDS[found.name]).extend(_numbers(array.ravel(), found))
    return made


def _numbers(flat: Any, dtype: Any) -> Any:
    if dtype.name in ("float16", "bfloat16"):
        return flat.view(np.uint16).tolist()
    if dtype.is_complex:
        return np.stack([flat.real, flat.imag], 1).ravel().tolist()
    return flat.tolist()


@public("make_ndarray", "compat.v1.make_ndarray")
def make_ndarray(tensor: Any) -> Any:
    """Return the content of a TensorProto as a NumPy array, texts as bytes objects.

    Args:
      tensor: the message.

    Raises:
      TypeError: where its element type is none of tensors.
      ValueError: where its content does not fit its shape.

    >>> tf.make_ndarray(tf.make_tensor_proto([1.0, 2.0]))
    array([1., 2.], dtype=float32)
    """
    try:
        return of_proto(tensor)[0]
    except errors.InvalidArgumentError as error:
        unknown = "element type" in error.message or "elements of" in error.message
        raise (TypeError if unknown else ValueError)(explain(f"Unsupported tensor: {error.message}")) from None
