"""Python functions inside of graphs: py_function, numpy_function and print. Such a graph cannot leave Python."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, errors, nest
from millstream.base.composite import CompositeArgument, CompositeTensor
from millstream.base.dtypes import DType, as_dtype
from millstream.base.spec import Spec
from millstream.base.specs import TypeSpec
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, tracing
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply, apply_flat, new_operation
from millstream.execution.gradient_tape import GradientTape
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.ragged_structure import RaggedStructure
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor, TensorType
from millstream.ops.registry import find
from millstream.program.primitives.control import host_call
from millstream.program.primitives.shaping import full
from millstream.program.primitives.text_format import written
from millstream.program.slices import dense
from millstream.program.value import Definition, Node, Value, current_program


class HostFunction(Definition):
    """Calls the Python function whose handle is the first input with the others."""

    effects = True

    def __init__(
        self, name: str, outputs: Sequence[Spec], backward: HostFunction | None = None, handle: Any = None
    ) -> None:
        self.name = name
        self.outputs = tuple(outputs)
        self.backward_call = backward
        self.backward_handle = handle
        self.written: dict[str, tuple[str, Any]] = {}
        """The attributes of its nodes as files have them: kinds and values."""
        self.at_once: Callable[..., Sequence[Any]] | None = None
        """What is called with the inputs, handles first, where the graph is run in parts; see `program_call.Late`."""

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return self.outputs or tuple(
            i.with_value(None) for i in inputs[attributes.get("like", len(inputs)) :][: attributes.get("count", 0)]
        )

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        return host_call(inputs[0], inputs[1:], self.infer([v.spec for v in inputs], attributes))

    def reverse_rule(self, node: Node, flows: Sequence[Any], reached: set[Value], again: Any) -> list[Any]:
        """Call the function again under a tape; its second input is the handle of the function that does so."""
        if self.backward_call is None:
            return [None] * len(node.inputs)
        xs = node.inputs[2:]
        dys = [full(v.shape, 0, v.dtype) if f is None else dense(f) for f, v in zip(flows, node.outputs, strict=True)]
        made = current_program().emit(
            self.backward_call, (node.inputs[1], node.inputs[1], *xs, *dys), {"like": 2, "count": len(xs)}
        )
        return [
            None,
            None,
            *(m if x.dtype.is_floating or x.dtype.is_complex else None for m, x in zip(made, xs, strict=True)),
        ]


importers: dict[str, Callable[[Any, Any, Sequence[Any], str], Sequence[Any]]] = {}
"""What adds nodes of files that run in Python here, by their types: (graph, node, inputs, label) -> outputs. Those who know them
put themselves here."""


def _at_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` as one that runs outside of all graphs."""

    def call(*arguments: Any) -> Any:
        with tracing(None), tapes.fresh():
            return function(*arguments)

    return call


def _as_results(answer: Any, types: Sequence[DType]) -> list[Any]:
    parts = [] if not types else list(answer) if isinstance(answer, (list, tuple)) else [answer]
    if len(parts) != len(types):
        raise ValueError(
            errors.explain(f"A Python function inside of a graph gave {len(parts)} results; Tout says {len(types)}.")
        )
    return [to_tensor(p, t) for p, t in zip(parts, types, strict=True)]


def call_python(function: Callable[..., Any], inputs: Sequence[Any], Tout: Any, *, numpy: bool) -> Any:
    """Call `function` on tensors (or arrays), now or when the graph runs; the results have the element types `Tout`."""
    composite = any(isinstance(x, CompositeTensor) and not isinstance(x, TensorType) for x in inputs)
    if not numpy and (composite or any(isinstance(t, TypeSpec) for t in nest.flatten(Tout))):
        return _call_with_composites(function, list(inputs), Tout)
    single = not isinstance(Tout, (list, tuple)) and Tout is not None
    types = [as_dtype(t) for t in nest.flatten(Tout)] if Tout not in (None, [], ()) else []
    tensors = [to_tensor(x) for x in inputs]

    def forward(*arguments: Any) -> list[Any]:
        given = [_array(a) for a in arguments] if numpy else arguments
        try:
            return _as_results(function(*given), types)
        except Exception as error:
            raise errors.of_python(error) from error

    if current_graph() is None:
        results = forward(*tensors)
    else:
        backward = None if numpy else runtime.make_host(_at_once(_backward_of(function, types, len(tensors))))
        call = HostFunction("PyFunc" if numpy else "EagerPyFunc", [Spec(t, None) for t in types], None)
        handle = runtime.make_host(_at_once(lambda _, *arguments: forward(*arguments)))
        if backward is not None:
            call.backward_call = HostFunction("EagerPyFuncGradient", ())
        call.at_once = lambda _, __, *arguments: forward(*arguments)
        found = apply_flat(call, [handle, backward if backward is not None else handle, *tensors], {})
        results = list(found) if isinstance(found, tuple) else [found]
    if not types:
        return new_operation()
    return results[0] if single else results


def call_host(
    name: str,
    function: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Spec],
    written: dict[str, tuple[str, Any]] | None = None,
) -> list[Any]:
    """Call `function` on tensors, now or when the graph runs; it gives a list of tensors. Its errors stay as they are.

    `written` are the attributes that its node has in files.
    """
    if current_graph() is None:
        return list(function(*inputs) or ())
    once = _at_once(lambda _, *arguments: function(*arguments))
    definition = HostFunction(name, outputs)
    definition.written = written or {}
    definition.at_once = lambda _, *arguments: once(*arguments)
    handle = runtime.make_host(once)
    found = apply_flat(definition, [handle, handle, *inputs], {})
    return [] if not outputs else list(found) if isinstance(found, tuple) else [found]


def _call_with_composites(function: Callable[..., Any], inputs: list[Any], Tout: Any) -> Any:
    """Call a function of composite tensors, or with such results: their tensors go in and out one by one."""
    single = not isinstance(Tout, (list, tuple))
    wanted = [Tout] if single else list(Tout)
    flat = nest.flatten(wanted, expand_composites=True)
    types = [as_dtype(getattr(t, "dtype", t)) for t in flat]

    def opened(*tensors: Any) -> list[Any]:
        answer = function(*nest.pack_sequence_as(inputs, list(tensors), expand_composites=True))
        return nest.flatten([answer] if single else list(answer), expand_composites=True)

    found = call_python(opened, nest.flatten(inputs, expand_composites=True), types, numpy=False)
    for tensor, spec in zip(found or [], flat, strict=True):
        if getattr(spec, "shape", None) is not None:
            tensor.set_shape(spec.shape)
    results = nest.pack_sequence_as(wanted, found or [], expand_composites=True)
    return results[0] if single else results


def call_on_host(
    name: str,
    function: Callable[..., Sequence[Any]],
    inputs: Sequence[Any],
    outputs: Sequence[Spec] = (),
    written: dict[str, tuple[str, Any]] | None = None,
) -> list[Any]:
    """Call `function` on eager tensors, now or when the graph runs; it returns one tensor for each of `outputs`.

    `written` are the attributes that its node has in files.

    Nothing flows back through the call. Outputs of unknown rank cut the graph: what follows is compiled when they are there.
    """
    graph = current_graph()
    if graph is None and not any(isinstance(x, SymbolicTensor) for x in inputs):
        with tapes.fresh():
            return list(function(*inputs))

    def call(_: Any, *tensors: Any) -> Sequence[Any]:
        try:
            return function(*tensors)
        except errors.OpError:
            raise
        except Exception as error:
            raise errors.of_python(error) from error

    once = _at_once(call)
    definition = HostFunction(name, outputs)
    definition.written = written or {}
    definition.at_once = lambda _, *arguments: once(*arguments)
    handle = runtime.make_host(once)
    found = apply_flat(definition, [handle, handle, *inputs], {})
    return list(found) if isinstance(found, tuple) else [] if found is None else [found]


def _array(tensor: Any) -> Any:
    return tensor.numpy()


def _backward_of(function: Callable[..., Any], types: Sequence[DType], count: int) -> Callable[..., Any]:
    def backward(_: Any, *arguments: Any) -> list[Any]:
        xs, dys = list(arguments[:count]), arguments[count:]
        with GradientTape() as tape:
            tape.watch([x for x in xs if x.dtype.is_floating or x.dtype.is_complex])
            results = _as_results(function(*xs), types)
        found = tape.gradient(results, xs, output_gradients=list(dys), unconnected_gradients="zero")
        return [g.to_dense() if isinstance(g, IndexedSlices) else g for g in found]

    return backward


def print_values(values: Sequence[Any], words: Mapping[str, Any]) -> Any:
    """tf.print: now, or when the graph runs; in the graph of a session, an operation."""
    unknown = set(words) - {"output_stream", "name", "summarize", "sep", "end"}
    if unknown:
        raise ValueError(errors.explain(f"Unrecognized keyword arguments for tf.print: {sorted(unknown)}"))
    summarize = words.get("summarize", 3)
    separator, end = words.get("sep", " "), words.get("end", "\n")
    stream = words.get("output_stream", sys.stderr)
    leaves: list[Any] = []
    for value in nest.flatten(list(values)):
        if isinstance(value, RaggedStructure):
            raise CompositeArgument(value)

    def take(leaf: Any) -> Any:
        tensor = (
            leaf
            if isinstance(leaf, Tensor)
            else to_tensor(leaf)
            if hasattr(leaf, "__tf_tensor__") or hasattr(leaf, "_handle")
            else None
        )
        if tensor is None:
            return leaf
        leaves.append(tensor)
        return _Place(len(leaves) - 1)

    shown = [nest.map_structure(take, v, expand_composites=True) for v in values]

    def write(*tensors: Any) -> None:
        texts = [_text(t.numpy(), t.dtype, summarize) for t in tensors]
        if len(shown) == len(tensors) == 1 and tensors[0].dtype is dtypes.string and tensors[0].shape.rank == 0:
            # A text alone is shown as it is.
            texts = [tensors[0].numpy().decode(errors="replace")]
        line = separator.join(_fill(part, texts) for part in shown) + end
        _write(line, stream)

    if any(isinstance(t, SymbolicTensor) for t in leaves) or current_graph() is not None:
        named = _stream_in_graphs(stream)
        if named is not None and not any(t.dtype in (dtypes.resource, dtypes.variant) for t in leaves):
            line = separator.join(_fill(part, [f"\0{i}\0" for i in range(len(leaves))]) for part in shown)
            return apply(find("PrintV2"), _formatted(line, leaves, summarize), output_stream=named, end=end)
        handle = runtime.make_host(_at_once(lambda _, *tensors: write(*tensors)))
        apply_flat(HostFunction("PrintV2", ()), [handle, handle, *leaves], {})
        return new_operation()
    write(*leaves)
    return None


def _stream_in_graphs(stream: Any) -> str | None:
    """Return what graphs call a stream; None for one that they cannot name."""
    if isinstance(stream, str):
        return stream if stream.startswith("file://") else None
    return "stdout" if stream is sys.stdout else "stderr" if stream is sys.stderr else None


def _formatted(line: str, leaves: Sequence[Any], summarize: int | None) -> Any:
    """Return a text with its tensors filled in, as a tensor; `\\0number\\0` stands for each."""
    if len(leaves) == 1 and line == "\0" + "0\0" and leaves[0].dtype is dtypes.string and leaves[0].shape.rank == 0:
        # A text alone is shown as it is.
        return leaves[0]
    placeholder = "{}"
    while placeholder in line:
        placeholder = f"{{{placeholder}}}"
    order = [int(number) for number in re.findall("\0(\\d+)\0", line)]
    template = re.sub("\0\\d+\0", placeholder, line)
    texts = {"template": template, "placeholder": placeholder, "summarize": -1 if summarize is None else summarize}
    return apply(find("StringFormat"), [leaves[i] for i in order], **texts)


class _Place:
    """Stands for a tensor in the text."""

    def __init__(self, index: int) -> None:
        self.index = index


class _Text:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _fill(part: Any, texts: Sequence[str]) -> str:
    if isinstance(part, str):
        return part
    filled = nest.map_structure(lambda v: _Text(texts[v.index]) if isinstance(v, _Place) else v, part)
    return filled.text if isinstance(filled, _Text) else repr(filled)


def _write(line: str, stream: Any) -> None:
    if callable(stream) and not hasattr(stream, "write"):
        stream(line)
    elif isinstance(stream, str):
        if not stream.startswith("file://"):
            raise ValueError(
                errors.explain(f"Unsupported output stream {stream!r}: give sys.stdout, sys.stderr or a file:// path.")
            )
        with open(stream.removeprefix("file://"), "a", encoding="utf-8") as file:
            file.write(line)
    else:
        stream.write(line)
        if hasattr(stream, "flush"):
            stream.flush()


def _text(array: Any, dtype: DType, summarize: int | None) -> str:
    if dtype in (dtypes.resource, dtypes.variant):
        return "<unprintable>"
    array = np.asarray(array, object) if dtype == dtypes.string else np.asarray(array)
    text = written(array, -1 if summarize is None else summarize)
    return text.encode("latin-1").decode(errors="backslashreplace")
