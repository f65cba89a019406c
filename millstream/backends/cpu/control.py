"""Write the instructions that run other functions of the plan, and size bindings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.backends.cpu.emitters import emits
from millstream.base import dtypes, errors
from millstream.base.dtypes import DType
from millstream.base.spec import Spec
from millstream.compiler.pipeline import write_function
from millstream.compiler.plan import BINDING, HEAP, FunctionWriter
from millstream.program.value import Node


def _outputs(node: Node, writer: FunctionWriter) -> list[int]:
    """What another function gives may have any size that the spec does not say: it lives on the heap."""
    slots = []
    for value in node.outputs:
        flags = 0 if value.spec.is_static else BINDING
        writer.places[value] = writer.slot(value.spec, HEAP, 0, flags)
        slots.append(writer.places[value])
    return slots


@emits("branch")
def _branch(node: Node, writer: FunctionWriter) -> None:
    from millstream.backends.cpu.target import CPU

    functions = [write_function(writer.module, p, CPU) for p in node.attributes["programs"]]
    inputs = [writer.place(v) for v in node.inputs]
    writer.instruction("branch", inputs, _outputs(node, writer), functions)


@emits("loop")
def _loop(node: Node, writer: FunctionWriter) -> None:
    from millstream.backends.cpu.target import CPU

    condition = write_function(writer.module, node.attributes["condition"], CPU)
    body = write_function(writer.module, node.attributes["body"], CPU)
    inputs = [writer.place(v) for v in node.inputs]
    writer.instruction("loop", inputs, _outputs(node, writer), [condition, body, node.attributes["carried"]])


@emits("bind_sizes")
def _bind_sizes(node: Node, writer: FunctionWriter) -> None:
    writer.instruction("bind_sizes", [writer.place(node.inputs[0])], [], node.attributes["symbols"])


@emits("sizes")
def _sizes(node: Node, writer: FunctionWriter) -> None:
    writer.instruction("sizes", [], [writer.place(node.outputs[0])], node.attributes["values"])


@emits("host_call")
def _host_call(node: Node, writer: FunctionWriter) -> None:
    inputs = [writer.place(v) for v in node.inputs]
    outputs = []
    for value in node.outputs:
        writer.places[value] = writer.slot(value.spec, HEAP, 0, BINDING)
        outputs.append(writer.places[value])
    writer.instruction("host_call", inputs, outputs)


@emits("host_function")
def _host_function(node: Node, writer: FunctionWriter) -> None:
    kinds = tuple(v.dtype for v in node.outputs)
    handle = writer.slot(Spec(dtypes.resource, ()), HEAP)
    writer.instruction("host_kept", [], [handle], [_kept(node.attributes["function"], kinds)])
    outputs = []
    for value in node.outputs:
        writer.places[value] = writer.slot(value.spec, HEAP, 0, BINDING)
        outputs.append(writer.places[value])
    writer.instruction("host_call", [handle, *(writer.place(v) for v in node.inputs)], outputs)


@functools.cache
def _kept(function: Callable[..., Sequence[Any]], kinds: tuple[DType, ...]) -> int:
    """Return the number by which plans find a function of arrays, kept as one of tensors."""

    def call(*tensors: Any) -> list[Any]:
        try:
            answer = function(*map(_array, tensors))
        except errors.OpError:
            raise
        except Exception as error:
            raise errors.of_python(error) from error
        return [_tensor(a, kind) for a, kind in zip(answer, kinds, strict=True)]

    return runtime.keep_host(call)


def _array(tensor: Any) -> Any:
    value = tensor.numpy()
    # As an array of its own kind, a text would lose the zeros at its end.
    return np.asarray(value, object) if isinstance(value, bytes) else np.asarray(value)


def _tensor(array: Any, dtype: DType) -> Any:
    if dtype is dtypes.string:
        array = np.asarray(array, object)
        return runtime.from_strings(array.ravel().tolist(), array.shape)
    flat = np.ascontiguousarray(array)
    if flat.dtype.isbuiltin != 1:
        flat = flat.view(np.uint8 if flat.dtype.itemsize == 1 else np.uint16)
    return runtime.from_array(flat, dtype.as_datatype_enum, np.shape(array))


@emits("check")
def _check(node: Node, writer: FunctionWriter) -> None:
    message = node.attributes["message"].encode()
    code = getattr(errors, node.attributes["error"])(None, None, "").error_code
    padded = message + bytes(-len(message) % 8)
    words = [int.from_bytes(padded[i : i + 8], "little", signed=True) for i in range(0, len(padded), 8)]
    writer.instruction("check", [writer.place(v) for v in node.inputs], [], [code, len(message), *words])
