"""tf.Tensor, tf.constant and what turns values into tensors and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.api.public import public, publish
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.trace_types import install
from millstream.execution.context import current_graph
from millstream.execution.convert import register_conversion, to_tensor
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.operation import Operation, label
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.static_value import static_value
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor, Tensor, TensorType, eager_from_array
from millstream.execution.variable import Variable

publish("Tensor", Tensor)
publish("IndexedSlices", IndexedSlices)
publish("Operation", Operation)
publish("__internal__.EagerTensor", EagerTensor)
publish("__internal__.types.Tensor", TensorType)


def in_graph(tensor: Any) -> Any:
    """Return an eager constant as a tensor of the graph being traced; itself where none is."""
    graph = current_graph()
    if graph is None or not isinstance(tensor, EagerTensor):
        return tensor
    if tensor.dtype in (dtypes.resource, dtypes.variant):
        return graph.tensor(graph.value_of(tensor))
    if not graph.building_function:
        return graph.add_constant(tensor)
    from millstream.program.primitives.shaping import constant
    from millstream.program.value import building

    with building(graph.program):
        value = constant(tensor._array(), tensor.dtype)
    label(graph, graph.program.nodes[-1])
    return graph.tensor(value)


@public("convert_to_tensor")
def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None) -> Any:
    """Return `value` as a tensor; of `dtype` where given, of `dtype_hint` if it fits."""
    if isinstance(value, TensorType):
        return to_tensor(value, dtype, name=name)
    hint = None if dtype_hint is None else as_dtype(dtype_hint)
    tensor = to_tensor(value, dtype, hint, name)
    return in_graph(tensor) if runtime.tracing() else tensor


install("convert_to_tensor", convert_to_tensor)


@public("constant")
def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Any:
    """Return a tensor of the elements of `value`, in `shape` where given."""
    if dtype is not None and isinstance(value, (EagerTensor, Variable)):
        wanted = as_dtype(dtype)
        if isinstance(value, EagerTensor):
            value = constant_conversions[0](value, wanted) if constant_conversions else value
            if value.dtype is not wanted:
                raise TypeError(
                    explain(f"Expected tensor {value} with dtype {wanted!r}, but got dtype {value.dtype!r}.")
                )
        elif value.dtype is not wanted and not runtime.tracing():
            value = value.numpy()  # converted as NumPy's arrays are
    if isinstance(value, TensorShape):
        value = value.as_list()
    tensor = to_tensor(value, dtype)
    if shape is not None and isinstance(tensor, EagerTensor):
        tensor = _shaped(tensor, value, TensorShape(shape))
    if constant_watchers and dtype is None:
        constant_watchers[0](tensor, value)
    return in_graph(tensor) if runtime.tracing() else tensor


constant_watchers: list[Callable[[Any, Any], None]] = []
"""Who is told of constants made without an element type: the modes of tf.experimental.numpy in which Python's numbers give way."""


constant_conversions: list[Callable[[EagerTensor, Any], Any]] = []
"""Who converts a tensor given with another element type: the same modes."""


def _shaped(tensor: Any, value: Any, shape: TensorShape) -> Any:
    if tensor.shape == shape:
        return tensor
    count = shape.num_elements()
    array = tensor._array()
    if count == array.size:
        return eager_from_array(array.reshape(shape.as_list()), tensor.dtype)
    if array.size == 1 and not array.ndim:
        return eager_from_array(np.full(shape.as_list(), array, array.dtype), tensor.dtype)
    raise TypeError(
        explain(
            f"Eager execution of tf.constant with unsupported shape. Tensor {tensor} (converted from {value}) has {array.size} "
            f"elements, but got `shape` {shape} with {count} elements)."
        )
    )


@public("is_tensor")
def is_tensor(x: Any) -> bool:
    """Return whether ops take `x` as it is: a tensor, a variable, a sparse or ragged tensor, or IndexedSlices."""
    return (
        isinstance(x, (TensorType, SparseTensor, RaggedTensor, IndexedSlices))
        or getattr(x, "is_tensor_like", False) is True
    )


@public("is_symbolic_tensor")
def is_symbolic_tensor(tensor: Any) -> bool:
    """Return whether `tensor` stands for a value that is not computed yet."""
    if isinstance(tensor, SymbolicTensor):
        return True
    return isinstance(tensor, IndexedSlices) and isinstance(tensor.values, SymbolicTensor)


@public("get_static_value")
def get_static_value(tensor: Any, partial: bool = False) -> Any:
    """Return the content of `tensor` as far as it is known before anything runs; None where it is not."""
    return static_value(tensor, partial)


@public("register_tensor_conversion_function")
def register_tensor_conversion_function(base_type: Any, conversion_func: Any, priority: int = 100) -> None:
    """Convert objects of `base_type` to tensors with `conversion_func(value, dtype, name, as_ref)`."""
    register_conversion(base_type, conversion_func, priority)


@public("experimental.dlpack.to_dlpack")
def to_dlpack(tf_tensor: Any) -> Any:
    """Return a DLPack capsule that shares the tensor's bytes."""
    return runtime.to_dlpack(to_tensor(tf_tensor))


@public("experimental.dlpack.from_dlpack")
def from_dlpack(dlcapsule: Any) -> Any:
    """Return a tensor that shares the bytes of a DLPack capsule, or of an object with `__dlpack__`."""
    return runtime.from_dlpack(dlcapsule.__dlpack__() if hasattr(dlcapsule, "__dlpack__") else dlcapsule)
