"""Graphs being traced: a program of ops, the outer tensors it captured, and the symbolic tensors of its values."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.spec import Spec
from millstream.execution.context import current_graph
from millstream.execution.graph import Graph, reference_tensors
from millstream.execution.operation import Operation, base_name, free_label
from millstream.execution.specs import spec_of
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor
from millstream.program.primitives.shaping import constant
from millstream.program.value import Definition, Program, Value, building, from_source

LARGEST_INLINE_CONSTANT = 1024
"""Eager tensors up to this many elements that a trace meets are kept in the graph by value, so that shapes see them."""

_serial = itertools.count()


class FuncGraph(Graph):
    """Collect the ops of one traced function. It may use the values of the graph around it: `outer`, or the one being traced."""

    building_function = True

    def __init__(self, name: str = "graph", outer: Graph | None = None) -> None:
        super().__init__(name)
        self.program = Program(name)
        outer = current_graph() if outer is None else outer
        self.outer = outer
        self.serial = next(_serial)
        self.created: list[Any] = []
        self.late: dict[int, Any] = {}
        self.by_reference = outer.by_reference if outer is not None else False

    @property
    def gives_operations(self) -> bool:  # type: ignore[override]
        """Whether this is a branch, or the like, of a session's graph: elsewhere the order of the trace says what runs."""
        return self.creation is None and self.outer is not None and self.outer.gives_operations

    def tensor(self, value: Value) -> SymbolicTensor:
        """Return the symbolic tensor of a value."""
        found = self.tensors.get(value)
        if found is None:
            found = self.tensors[value] = SymbolicTensor(self, value)
        return found

    def placeholder(self, spec: Spec, name: str | None = None) -> SymbolicTensor:
        """Add an input."""
        tensor = self.tensor(self.program.input(spec))
        if name is not None:
            tensor.given_name = name  # type: ignore[attr-defined]
        return tensor

    def value_of(self, tensor: Tensor) -> Value:
        """Return the value of a tensor in this graph, capturing it where it is from outside."""
        if isinstance(tensor, SymbolicTensor):
            if tensor.is_reference:
                tensor = tensor.read()  # type: ignore[attr-defined]
            if tensor.graph is self:
                return tensor.value
            if not self._is_inside(tensor.graph):
                raise errors.InaccessibleTensorError(
                    errors.explain(
                        f"{tensor!r} is out of scope: it belongs to the function {tensor.graph.name!r}, "
                        f"{tensor.made_at()}and is not accessible here, in {self.name!r}. Return it from that function, or "
                        "keep it in a tf.Variable."
                    )
                )
            return self.capture(tensor)
        found = self.captures.get(id(tensor))
        if found is not None:
            return found[1]
        if tensor.dtype is dtypes.resource:
            given = self._given_handle(tensor)
            return self.capture(tensor) if given is None else given
        small = tensor._count <= LARGEST_INLINE_CONSTANT and tensor.dtype is not dtypes.variant
        # Whole numbers say axes, sizes and algorithms, and no tape follows them.
        by_reference = self.by_reference and (tensor.dtype.is_floating or tensor.dtype.is_complex)
        if small and not by_reference and not tensor._watched:
            self._note_inlined(tensor)
            with building(self.program):
                value = constant(
                    tensor.numpy() if tensor.dtype != dtypes.string else np.array(tensor.numpy(), object), tensor.dtype
                )
            self.captures[id(tensor)] = (tensor, value)
            return value
        return self.capture(tensor)

    def control_dependencies(self, control_inputs: Any) -> Any:
        """Make the function run after what `control_inputs` name outside of it; inside, the order of the trace says it already."""
        for item in control_inputs if isinstance(control_inputs, (list, tuple)) else ():
            element = item if isinstance(item, (Tensor, Operation)) else getattr(item, "op", None)
            graph = getattr(element, "graph", self)
            if not graph.building_function and self._is_inside(graph):
                graph.wait_next(graph.node_of(item))
        return nullcontext()

    def _given_handle(self, handle: Tensor) -> Value | None:
        """Return the argument that is this very handle: one thing must not be there under two names."""
        graph: Any = self
        while graph is not None:
            found = graph.given.get(handle._id)
            if found is not None:
                graph.relied_on.add(found)
                return found if graph is self else self.capture(graph.tensor(found))
            graph = None if graph.creation is not None else graph.outer
        return None

    def _note_inlined(self, tensor: Tensor) -> None:
        """Remember what is in the graph by value: a tape that follows it later needs another trace."""
        graph: Any = self
        while graph is not None:
            graph.inlined.add(tensor._id)
            graph = None if graph.creation is not None else graph.outer

    def function_graph(self) -> Any:
        """Return the graph of the function that this is a part of; None where there is none."""
        graph: Any = self
        while graph is not None and graph.creation is None:
            graph = graph.outer
        return graph

    def note_creation(self, variable: Any) -> None:
        """Refuse a new variable where this is not the function's first trace."""
        graph = self.function_graph()
        if graph is None:
            return
        if graph.creation == "refused":
            raise ValueError(
                errors.explain(
                    "tf.function only supports singleton tf.Variables created on the first call. Make sure the tf.Variable is only "
                    "created once or created outside tf.function."
                )
            )
        graph.created.append(weakref.ref(variable))

    def _is_inside(self, graph: Graph) -> bool:
        outer = self.outer
        while outer is not None:
            if outer is graph:
                return True
            outer = outer.outer
        return False

    def capture(self, tensor: Tensor) -> Value:
        """Add an input whose argument is always `tensor`."""
        found = self.captures.get(id(tensor))
        if found is None:
            value = self.program.input(spec_of(tensor))
            found = self.captures[id(tensor)] = (tensor, value)
        return found[1]

    def handles(self) -> list[tuple[Any, Value]]:
        """Return the handles that are captured, and those that are arguments, with their values."""
        captured = [(t, v) for t, v in self.captures.values() if t.dtype is dtypes.resource]
        values = {v for _, v in captured}
        given = [v for v in self.program.inputs if v.dtype is dtypes.resource and v not in values]
        return [*((self.tensor(v), v) for v in given), *captured]

    def external_captures(self) -> list[tuple[Any, Value]]:
        """Return the captured tensors with their inputs, in order."""
        inputs = set(self.program.inputs)
        return [(t, v) for t, v in self.captures.values() if v in inputs]

    def create(
        self,
        definition: Definition,
        inputs: Sequence[Tensor],
        attributes: Mapping[str, Any],
        label: str | None = None,
    ) -> tuple[SymbolicTensor, ...]:
        """Add a node and return its outputs."""
        refers = getattr(definition, "passes_reference", False)
        if refers:
            inputs = [t.handle if getattr(t, "is_reference", False) else t for t in inputs]
        values = [self.value_of(t) for t in inputs]
        with from_source(errors.user_line()):
            outputs = self.program.emit(definition, values, attributes)
        if refers and getattr(definition, "gives_reference", False):
            self.tensors[outputs[0]] = reference_tensors[0](self, outputs[0])
        self.program.nodes[-1].label = label or free_label(self, base_name(definition))
        return tuple(self.tensor(v) for v in outputs)


def graph_or_none() -> FuncGraph | None:
    """Return the graph being traced."""
    return current_graph()
