"""Traced functions: a Python function becomes a graph once per signature, and a plan once per set of shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.backends.cpu.device import load
from millstream.base import nest
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, tracing
from millstream.execution.convert import to_tensor
from millstream.execution.func_graph import FuncGraph
from millstream.execution.program_call import FunctionOp, call_program
from millstream.execution.specs import spec_of
from millstream.execution.tensor import Tensor


class ConcreteFunction:
    """One graph with fixed structure and element types: plans are made for the shapes that come."""

    def __init__(self, graph: FuncGraph, structure: Any) -> None:
        self.graph = graph
        self.structure = structure
        self.op = FunctionOp(graph.program)
        order = {v: t for t, v in graph.external_captures()}
        self.captured = [order[v] for v in graph.program.inputs if v in order]
        graph.program.inputs = [
            *(v for v in graph.program.inputs if v not in order),
            *(v for v in graph.program.inputs if v in order),
        ]
        self.single = isinstance(structure, Tensor)
        self.cache = runtime.CallCache(self._miss)

    def _miss(self, *arguments: Any) -> Any:
        inputs = [*arguments, *self.captured]
        if current_graph() is None and not tapes.recording():
            plan = load(self.graph.program, [spec_of(t) for t in inputs])
            self.cache.add(tuple(arguments), plan, 0, tuple(self.captured), self.single)
            outputs = plan.run(0, tuple(inputs))
        else:
            outputs = call_program(self.op, inputs)
        return outputs[0] if self.single else outputs

    def call_flat(self, arguments: Sequence[Any]) -> Any:
        """Call with flat tensors; the result has the traced structure."""
        result = self.cache(*arguments)
        return result if self.single else nest.pack_sequence_as(self.structure, list(result), expand_composites=True)


class Function:
    """tf.function: traces `python_function` when a new signature comes."""

    def __init__(self, python_function: Callable[..., Any]) -> None:
        self.python_function = python_function
        self.concrete: dict[Any, ConcreteFunction] = {}

    def __call__(self, *arguments: Any) -> Any:
        flat = [to_tensor(a) for a in nest.flatten(arguments)]
        key = tuple(spec_of(t) for t in flat)
        found = self.concrete.get(key)
        if found is None:
            found = self.concrete[key] = self._trace(arguments, flat)
        return found.call_flat(flat)

    def _trace(self, arguments: Any, flat: Sequence[Any]) -> ConcreteFunction:
        graph = FuncGraph(self.python_function.__name__, current_graph())
        placeholders = [graph.placeholder(spec_of(t)) for t in flat]
        with tracing(graph):
            result = self.python_function(*nest.pack_sequence_as(arguments, placeholders))
            outputs = [to_tensor(t) for t in nest.flatten(result, expand_composites=True)]
            graph.program.outputs = [graph.value_of(t) for t in outputs]
        return ConcreteFunction(graph, result)
