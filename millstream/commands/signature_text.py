"""Signatures and functions of saved models in the words of saved_model_cli."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millstream.base.dtypes import as_dtype
from millstream.base.structured_values import decode
from millstream.base.tensor_specs import TensorSpec


def signature_text(signature: Any, depth: int) -> Iterable[str]:
    """Return what a SignatureDef takes and gives."""
    indent = "  " * depth
    for what, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        yield f"{indent}The given SavedModel SignatureDef contains the following {what}(s):"
        for key in sorted(tensors):
            yield f"{indent}  {what}s['{key}'] tensor_info:"
            yield from _tensor_text(tensors[key], f"{indent}      ")
    yield f"{indent}Method name is: {signature.method_name}"


def _tensor_text(info: Any, indent: str) -> Iterable[str]:
    yield f"{indent}dtype: {f'DT_{_NAMES.get(as_dtype(info.dtype).name, as_dtype(info.dtype).name.upper())}' if info.dtype else 'DT_INVALID'}"
    sizes = [str(d.size) for d in info.tensor_shape.dim]
    shape = "unknown_rank" if info.tensor_shape.unknown_rank else f"({', '.join(sizes)})"
    yield f"{indent}shape: {shape}"
    yield f"{indent}name: {info.name}"


_NAMES = {"float16": "HALF", "float32": "FLOAT", "float64": "DOUBLE"}


def function_texts(meta_graph: Any) -> Iterable[str]:
    """Return the functions that a saved model holds, and what they can be called with."""
    nodes = meta_graph.object_graph_def.nodes
    if not nodes:
        return
    concrete = meta_graph.object_graph_def.concrete_functions
    yield "Concrete Functions:"
    for child in sorted(nodes[0].children, key=lambda c: c.local_name):
        node = nodes[child.node_id]
        if node.WhichOneof("kind") != "function":
            continue
        yield f"  Function Name: '{child.local_name}'"
        options = [f for f in node.function.concrete_functions if f in concrete]
        for number, name in enumerate(options, 1):
            args, words = decode(concrete[name].canonicalized_input_signature)
            yield f"    Option #{number}"
            yield "      Callable with:"
            for place, argument in enumerate(args, 1):
                yield f"        Argument #{place}"
                yield f"          {_argument(argument)}"
            for key in sorted(words):
                yield f"        Argument #{len(args) + 1}: {key}"
                yield f"          {_argument(words[key])}"


def _argument(argument: Any) -> str:
    if isinstance(argument, TensorSpec):
        return f"{argument.name}: {argument!r}"
    return f"DType: {type(argument).__name__}\n          Value: {argument!r}"
