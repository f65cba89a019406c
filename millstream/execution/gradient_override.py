"""Nodes whose gradients are functions that users registered: what tf.Graph.gradient_override_map asks for."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream.base import errors
from millstream.base.spec import Spec
from millstream.execution.dispatch import overriding
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.operation import operation_of_node
from millstream.program.primitives.shaping import full
from millstream.program.slices import dense
from millstream.program.value import Definition, Node, Value, current_program

registered: dict[str, Callable[..., Any] | None] = {}
"""Gradients that users registered by name; None where there is none."""


class Overridden(Definition):
    """An op as it is, but for its gradient."""

    def __init__(self, graph: Any, inner: Definition, gradient: str) -> None:
        self.name = inner.name
        self.overridden = inner
        self.effects = inner.effects
        self._graph = weakref.ref(graph)
        self._gradient = gradient

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return self.overridden.infer(inputs, attributes)

    def infer_values(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return self.overridden.infer_values(inputs, attributes)

    def known_positions(self, attributes: Mapping[str, Any]) -> tuple[int, ...]:
        return self.overridden.known_positions(attributes)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        return current_program().emit(self.overridden, inputs, attributes)

    def describe_given(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> str:
        return self.overridden.describe_given(inputs, attributes)

    def reverse_rule(self, node: Node, flows: Sequence[Any], reached: set[Value], again: Any) -> list[Any]:
        """Call what is registered with the operation and what flows back; it adds to the graph."""
        graph = self._graph()
        if graph is None or current_program() is not graph.program:
            raise errors.UnimplementedError(
                None, None, f"The gradient {self._gradient!r} of {self.name} is of a graph: differentiate it there."
            )
        if self._gradient not in registered:
            raise LookupError(f"gradient registry has no entry for: {self._gradient}")
        function = registered[self._gradient]
        if function is None:
            return [None] * len(node.inputs)
        dys = [
            graph.tensor(full(v.shape, 0, v.dtype) if f is None else dense(f))
            for f, v in zip(flows, node.outputs, strict=True)
        ]
        found = function(operation_of_node(graph, node), *dys)
        found = list(found) if isinstance(found, (list, tuple)) else [found]
        if len(found) != len(node.inputs):
            raise ValueError(
                f"Num gradients {len(found)} generated for op {node.label} do not match num inputs {len(node.inputs)}"
            )
        return [
            None if g is None else graph.value_of(g.to_dense() if isinstance(g, IndexedSlices) else g) for g in found
        ]


overriding[:] = [Overridden]
