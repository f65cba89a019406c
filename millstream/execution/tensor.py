"""The tensor classes' common surface, and eager tensors: values at hand. Operators are filled in by `operators`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, errors
from millstream.base.dtypes import DType, as_dtype
from millstream.base.shapes import TensorShape
from millstream.base.tensor_specs import TensorSpec
from millstream.base.trace_types import install
from millstream.base.type_specs import register_type_spec_from_value_converter
from millstream.execution.reference import Reference
from millstream.execution.specs import DTYPE_OF_NUMBER

CPU_NAME = "/job:localhost/replica:0/task:0/device:CPU:0"

_NUMPY_NAMES = frozenset(("T", "astype", "ravel", "transpose", "reshape", "clip", "size", "tolist", "data"))
_STRING = dtypes.string.as_datatype_enum
_VARIANT = dtypes.variant.as_datatype_enum
_RESOURCE = dtypes.resource.as_datatype_enum


watchers: list[Callable[[Any], bool]] = []
"""Asked whether a tape follows a tensor; filled by `tape`."""


class TensorType:
    """tf.__internal__.types.Tensor: what ops take as a tensor: tensors, variables, and Keras's variables."""

    @property
    def dtype(self) -> Any:
        raise NotImplementedError(errors.explain(f"{type(self).__name__}.dtype"))

    @property
    def shape(self) -> Any:
        raise NotImplementedError(errors.explain(f"{type(self).__name__}.shape"))


class Tensor(TensorType):
    """What eager and symbolic tensors share."""

    __array_priority__ = 100
    _nested_as = "leaf"

    def __init__(self) -> None:
        raise TypeError(errors.explain("tf.Tensor is not made by calling it; use tf.constant or tf.convert_to_tensor."))

    @property
    def ndim(self) -> int | None:
        """Number of axes, None where unknown."""
        return self.shape.rank  # type: ignore[no-any-return]

    def get_shape(self) -> TensorShape:
        """Return the shape."""
        return self.shape  # type: ignore[no-any-return]

    def _shape_as_list(self) -> list[int | None] | None:
        return None if self.shape.rank is None else self.shape.as_list()

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        if dtype is not None and not as_dtype(dtype).is_compatible_with(self.dtype):
            raise ValueError(
                errors.explain(
                    f"Tensor conversion requested dtype {as_dtype(dtype).name} for Tensor with dtype {self.dtype.name}: {self!r}"
                )
            )
        return self

    def ref(self) -> Reference:
        """Return a hashable reference to this tensor."""
        return Reference(self)

    experimental_ref = ref

    @property
    def is_packed(self) -> bool:
        return False

    def __hash__(self) -> int:
        raise TypeError("Tensor is unhashable. Instead, use tensor.ref() as the key.")

    def __copy__(self) -> Any:
        return self

    @property
    def _type_spec(self) -> TensorSpec:
        return TensorSpec(self.shape, self.dtype)

    def __tf_tracing_type__(self, context: Any) -> Any:
        return TensorSpec(self.shape, self.dtype)

    def __getattr__(self, name: str) -> Any:
        if name in _NUMPY_NAMES:
            raise AttributeError(
                f"{type(self).__name__} object has no attribute '{name}'. \n        If you are looking for numpy-related "
                "methods, please run the following:\n        tf.experimental.numpy.experimental_enable_numpy_behavior()\n      "
            )
        more = ". It has content only when the function runs: read it outside of tf.function" if name == "numpy" else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{more}")


class EagerTensor(runtime.TensorBase, Tensor):  # type: ignore[misc]
    """A tensor whose elements are at hand."""

    __hash__ = Tensor.__hash__

    @property
    def dtype(self) -> DType:
        """The element type."""
        return DTYPE_OF_NUMBER[self._dtype]

    @property
    def shape(self) -> TensorShape:
        """The sizes of the axes."""
        return TensorShape(self._shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._rank  # type: ignore[no-any-return]

    @property
    def _watched(self) -> bool:
        """Whether a tape follows this tensor, so that a graph must not take it in by value."""
        return any(asks(self) for asks in watchers)

    def numpy(self) -> Any:
        """Return the elements as a NumPy array that may be changed, or a NumPy scalar for a scalar."""
        array = self._array()
        if array.ndim:
            return array if array.dtype == object else array.copy()
        return array.item() if array.dtype == object else array[()]

    def _array(self) -> Any:
        """Return the elements as a NumPy array that shares their bytes, read-only, where NumPy can."""
        number = self._dtype
        if number == _STRING:
            array = np.empty(self._count, object)
            array[:] = self._strings()
            return array.reshape(self._shape)
        if number in (_RESOURCE, _VARIANT):
            raise errors.InvalidArgumentError(
                None, None, errors.explain(f"Cannot convert a Tensor of dtype {self.dtype.name} to a NumPy array.")
            )
        array = self._numpy()
        wanted = _NUMPY_TYPES[number]
        return array if array.dtype == wanted else array.view(wanted)

    def _numpy_for_printing(self) -> Any:
        return self.numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self._array()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(
                    errors.explain(
                        f"A tensor of {self.dtype.name} has no NumPy array of {np.dtype(dtype)} without a copy."
                    )
                )
            return array.astype(dtype)
        return array.copy() if copy else array

    def _datatype_enum(self) -> int:
        return self._dtype  # type: ignore[no-any-return]

    def _shape_tuple(self) -> tuple[int, ...]:
        return self._shape  # type: ignore[no-any-return]

    def _num_elements(self) -> int:
        return self._count  # type: ignore[no-any-return]

    def _copy(self, ctx: Any = None, device_name: Any = None) -> EagerTensor:
        return self

    @property
    def device(self) -> str:
        """Where the tensor lies."""
        return CPU_NAME

    @property
    def backing_device(self) -> str:
        """Where the bytes lie."""
        return CPU_NAME

    def cpu(self) -> EagerTensor:
        """Return this tensor on the cpu."""
        return self

    def gpu(self, gpu_index: int = 0) -> EagerTensor:
        """Raise: eager tensors lie on the cpu."""
        raise RuntimeError(errors.explain(f"GPU:{gpu_index} unknown device."))

    def set_shape(self, shape: Any) -> None:
        """Check that `shape` fits."""
        if not self.shape.is_compatible_with(shape):
            raise ValueError(
                errors.explain(
                    f"Tensor's shape {self.shape} is not compatible with supplied shape {TensorShape(shape)}."
                )
            )

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Raise: that is for sessions."""
        raise NotImplementedError(
            errors.explain(
                "eval is not supported when eager execution is enabled, is .numpy() what you're looking for?"
            )
        )

    def consumers(self) -> Any:
        """Raise: only tensors of graphs have consumers."""
        raise NotImplementedError(errors.explain("Tensor.consumers is undefined when eager execution is enabled."))

    @property
    def op(self) -> Any:
        raise AttributeError("Tensor.op is undefined when eager execution is enabled.")

    @property
    def graph(self) -> Any:
        raise AttributeError("Tensor.graph is undefined when eager execution is enabled.")

    @property
    def name(self) -> str:
        raise AttributeError("Tensor.name is undefined when eager execution is enabled.")

    @property
    def value_index(self) -> int:
        raise AttributeError("Tensor.value_index is undefined when eager execution is enabled.")

    def __getattr__(self, name: str) -> Any:
        if name in ("op", "graph", "name", "value_index"):
            raise AttributeError(f"Tensor.{name} is undefined when eager execution is enabled.")
        return Tensor.__getattr__(self, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> EagerTensor:
        memo[id(self)] = self
        return self

    def __reduce__(self) -> Any:
        return _rebuild, (self.numpy(), self._dtype)

    def __repr__(self) -> str:
        from millstream.execution.printing import tensor_repr

        return tensor_repr(self)

    def __str__(self) -> str:
        from millstream.execution.printing import tensor_text

        return tensor_text(self)

    def __format__(self, specification: str) -> str:
        from millstream.execution.printing import plain_value

        return format(plain_value(self), specification)

    def __bool__(self) -> bool:
        if self._count == 1:
            return bool(self._item())
        if self._count:
            raise ValueError(
                errors.explain(
                    "The truth value of an array with more than one element is ambiguous. Use tf.reduce_any or tf.reduce_all. "
                    f"Given shape {self.shape}."
                )
            )
        return False

    def _only(self) -> Any:
        try:
            return self._array().__complex__() if self._array().dtype.kind == "c" else self._array().__float__()
        except TypeError as error:
            raise TypeError(errors.explain(f"{error}; given shape {self.shape}")) from None

    def __int__(self) -> int:
        return int(self._item() if not self._rank else self._only())

    def __float__(self) -> float:
        return float(self._item() if not self._rank else self._only())

    def __complex__(self) -> complex:
        return complex(self._item() if not self._rank else self._only())

    def __index__(self) -> int:
        if self._rank or not DTYPE_OF_NUMBER[self._dtype].is_integer:
            raise TypeError(errors.explain("only integer scalar arrays can be converted to a scalar index"))
        return self._item()  # type: ignore[no-any-return]

    def __len__(self) -> int:
        if not self._rank:
            raise TypeError(errors.explain("Scalar tensor has no `len()`"))
        return self._shape[0]  # type: ignore[no-any-return]

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        """Return a DLPack capsule that shares the bytes."""
        return runtime.to_dlpack(self)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return DLPack's number of the cpu."""
        return (1, 0)


_NUMPY_TYPES = {
    number: dtype.stored
    for number, dtype in DTYPE_OF_NUMBER.items()
    if dtype not in (dtypes.string, dtypes.resource, dtypes.variant) and dtype.is_numpy_compatible
}

runtime.set_tensor_class(EagerTensor)


def eager_from_array(array: Any, dtype: DType) -> EagerTensor:
    """Return an array as `base.conversion` makes them, of the NumPy type of `dtype`, as an eager tensor."""
    number = dtype.as_datatype_enum
    if number == _STRING:
        return runtime.from_strings(array.ravel().tolist(), array.shape)  # type: ignore[no-any-return]
    shape = array.shape
    kind = array.dtype
    if kind.isbuiltin != 1:
        array = np.ascontiguousarray(array).view(np.uint8 if kind.itemsize == 1 else np.uint16)
    elif not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    return runtime.from_array(array, number, shape)  # type: ignore[no-any-return]


def eager_constant(value: Any, dtype: DType) -> EagerTensor:
    """Return a NumPy-like value, converted to the element type whatever it is, as an eager tensor."""
    if dtype is dtypes.string:
        array = np.asarray(value, object)
        flat = [v if isinstance(v, bytes) else str(v).encode() for v in array.ravel().tolist()]
        return runtime.from_strings(flat, array.shape)  # type: ignore[no-any-return]
    return eager_from_array(np.asarray(value, _NUMPY_TYPES[dtype.as_datatype_enum]), dtype)


def _rebuild(array: Any, number: int) -> EagerTensor:
    return eager_constant(array, DTYPE_OF_NUMBER[number])


install("Tensor", Tensor)
register_type_spec_from_value_converter(Tensor, lambda t: TensorSpec(t.shape, t.dtype), allow_subclass=True)
