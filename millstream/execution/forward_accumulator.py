"""tf.autodiff.ForwardAccumulator: Jacobian-vector products beside the calls that run. Made of reverse rules, twice applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.autodiff.reverse import _reverse_node, reverse
from millstream.base import nest
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply_flat
from millstream.execution.gradient_tape import (
    GradientTape,
    UnconnectedGradients,
    _unconnected,
    _zeros,
    handle_of_source,
)
from millstream.program.primitives.shaping import full
from millstream.program.slices import dense
from millstream.program.value import Definition, Node, Program, Value, building, current_program


class TangentOp(Definition):
    """The tangents of one call of `forward`: (inputs, outputs, tangents of the inputs `moved`) -> tangents of the outputs."""

    def __init__(
        self, forward: Definition, attributes: Mapping[str, Any], moved: tuple[int, ...], outputs: tuple[int, ...]
    ) -> None:
        self.name = f"{forward.name}:tangent"
        self.forward = forward
        self.attributes = dict(attributes)
        self.moved = moved
        self.outputs = outputs

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        scratch = Program(self.name)
        with building(scratch):
            return tuple(v.spec for v in self.run_body([scratch.input(s) for s in inputs], attributes))

    def known_positions(self, attributes: Mapping[str, Any]) -> tuple[int, ...]:
        return self.forward.known_positions(self.attributes)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        """Emit the reverse of the call for adjoints u, and the reverse of that, which is linear in u, for the tangents."""
        count, total = attributes["input_count"], attributes["output_count"]
        xs, ys, tangents = inputs[:count], inputs[count : count + total], inputs[count + total :]
        node = Node(self.forward, xs, self.attributes, [v.spec for v in ys])
        node.outputs = tuple(ys)
        # Anything that is no constant: what is linear in it must not be folded.
        us = {i: ys[i] - ys[i] for i in self.outputs}
        program = current_program()
        start = len(program.nodes)
        adjoints = _reverse_node(node, [us.get(i) for i in range(total)], {xs[i] for i in self.moved})
        flows: dict[Value, Any] = {}
        for i, tangent in zip(self.moved, tangents, strict=True):
            adjoint = adjoints[i]
            if adjoint is not None:
                value = dense(adjoint)
                flows[value] = tangent if value not in flows else flows[value] + tangent
        found = reverse(program.nodes[start:], flows, list(us.values()))
        return tuple(dense(found[us[i]]) if us[i] in found else full(ys[i].shape, 0, ys[i].dtype) for i in self.outputs)

    def tangents(self, inputs: Sequence[Any], outputs: Sequence[Any], moved: Sequence[Any]) -> tuple[Any, ...]:
        """Return the tangents of the outputs of a call, from those of the inputs that have some."""
        words = {"input_count": len(inputs), "output_count": len(outputs)}
        found = apply_flat(self, [*inputs, *outputs, *moved], words)
        return found if isinstance(found, tuple) else (found,)

    def reverse_rule(self, node: Node, flows: Any, reached: set[Value], again: Any) -> Any:
        """Reverse the tangents' own nodes."""
        from millstream.autodiff.reverse import by_position, flowing

        program = current_program()
        start = len(program.nodes)
        outputs = self.run_body(node.inputs, node.attributes)
        nodes = program.nodes[start:]
        return by_position(again(nodes, flowing(outputs, flows), node.inputs), node.inputs)


def _tangent_op(item: tapes.Record, moved: tuple[int, ...], numeric: tuple[int, ...]) -> TangentOp:
    """Return the op of a call's tangents, made once; it lives as long as what was called."""
    ops = vars(item.definition).setdefault("tangent_ops", {})
    key = (item.attributes, moved, numeric)
    if key not in ops:
        attributes = item.attributes.items if item.attributes is not None else {}
        ops[key] = TangentOp(item.definition, attributes, moved, numeric)
    found: TangentOp = ops[key]
    return found


class ForwardAccumulator:
    """Compute Jacobian-vector products of what runs inside the `with` block."""

    forward = True
    """Calls inside of functions with gradients of their own are followed, too."""

    def __init__(self, primals: Any, tangents: Any) -> None:
        self._tangents: dict[int, Any] = {}
        self._kept: list[Any] = []
        self._recording = False
        graph = current_graph()
        self._in_graph = None if graph is None else GraphTangents(graph)
        nest.assert_same_structure(primals, tangents)
        for primal, tangent in zip(nest.flatten(primals), nest.flatten(tangents), strict=True):
            self._watch(primal, tangent)

    def _watch(self, primal: Any, tangent: Any) -> None:
        if not primal.dtype.is_floating and not primal.dtype.is_complex:
            return
        tensor = to_tensor(tangent, primal.dtype)
        if not primal.shape.is_compatible_with(tensor.shape):
            raise ValueError(
                explain(
                    f"Expected the tangent of a primal of shape {primal.shape} to have its shape, given {tensor.shape}."
                )
            )
        handle = handle_of_source(primal)
        known, key = self._known(handle)
        if key in known:
            raise ValueError(
                explain(
                    f"Tensor {primal!r} was specified as a primal multiple times. This may indicate an error. If it was intended, "
                    "please sum the corresponding tangents."
                )
            )
        known[key] = tensor
        self._kept.append(handle)

    def _known(self, handle: Any) -> tuple[dict[Any, Any], Any]:
        """Return the tangents that there are, and the key of a tensor among them."""
        if self._in_graph is not None:
            return self._in_graph.tangents, self._in_graph.graph.value_of(handle)
        return self._tangents, handle._id

    def __enter__(self) -> ForwardAccumulator:
        if self._recording:
            raise ValueError(explain("Accumulator is already recording."))
        if self._in_graph is not None:
            self._in_graph.span._push()
        else:
            tapes.push(self)  # type: ignore[arg-type]
        self._recording = True
        return self

    def __exit__(self, *_: Any) -> None:
        if self._in_graph is not None:
            self._in_graph.span._pop()
        else:
            tapes.pop(self)  # type: ignore[arg-type]
        self._recording = False

    @property
    def watched(self) -> set[int]:
        """The ids of the tensors that have tangents."""
        return set(self._tangents)

    def wants(self, tensor: Any) -> bool:
        """Return whether `tensor` has a tangent."""
        return tensor._id in self._tangents

    def record(self, item: tapes.Record) -> None:
        """Compute the tangents of the outputs of a call."""
        made = getattr(item.definition, "made", None)
        if made is not None:
            for i, number in enumerate(made):
                if number in self._tangents:
                    self._keep(item.outputs[i], self._tangents[number])
            return
        moved = tuple(i for i, number in enumerate(item.input_ids) if number in self._tangents)
        numeric = tuple(i for i, t in enumerate(item.outputs) if t.dtype.is_floating or t.dtype.is_complex)
        if not moved or not numeric:
            return
        if getattr(item.definition, "name", "") == "ReadVariableOp":
            self._keep(item.outputs[0], self._tangents[item.input_ids[0]])
            return
        tangents = [self._tangents[item.input_ids[i]] for i in moved]
        with tapes.without(self):
            found = _tangent_op(item, moved, numeric).tangents(item.inputs, item.outputs, tangents)
        for i, tangent in zip(numeric, found, strict=True):
            self._keep(item.outputs[i], tangent)

    def _keep(self, output: Any, tangent: Any) -> None:
        self._tangents[output._id] = tangent
        self._kept.append(output)

    def jvp(self, primals: Any, unconnected_gradients: Any = UnconnectedGradients.NONE) -> Any:
        """Return the Jacobian-vector products of `primals`, computed from the watched ones."""
        zero = _unconnected(unconnected_gradients) is UnconnectedGradients.ZERO
        if self._in_graph is not None:
            self._in_graph.follow()

        def one(primal: Any) -> Any:
            known, key = self._known(handle_of_source(primal))
            found = known.get(key)
            return _zeros(primal) if found is None and zero else found

        return nest.map_structure(one, primals)


class GraphTangents:
    """The tangents of the values of a graph being traced. Nodes are followed when a product is asked for."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.tangents: dict[Value, Any] = {}
        self.span = GradientTape(watch_accessed_variables=False)
        """Says which nodes of the graph were recorded."""
        self._followed: set[Node] = set()

    def follow(self) -> None:
        """Add, to the graph, the tangents of the nodes that were recorded since the last time."""
        for node in self.span._nodes() if self.span._tape is not None else ():
            if node not in self._followed:
                self._followed.add(node)
                self._follow(node)

    def _follow(self, node: Node) -> None:
        moved = tuple(i for i, v in enumerate(node.inputs) if v in self.tangents)
        numeric = tuple(i for i, v in enumerate(node.outputs) if v.dtype.is_floating or v.dtype.is_complex)
        if not moved or not numeric:
            return
        tangents = [self.tangents[node.inputs[i]] for i in moved]
        if getattr(node.definition, "passes", False) or node.definition.name == "ReadVariableOp":
            self.tangents.update(
                (v, self.tangents[w]) for v, w in zip(node.outputs, node.inputs, strict=False) if w in self.tangents
            )
            return
        inputs, outputs = ([self.graph.tensor(v) for v in values] for values in (node.inputs, node.outputs))
        last = self.graph.program.nodes[-1]
        op = TangentOp(node.definition, node.attributes, moved, numeric)
        found = op.tangents(inputs, outputs, tangents)
        # What computes tangents is no part of what they are the tangents of.
        new = self.graph.program.nodes
        self._followed.update(new[next(i for i in range(len(new) - 1, -1, -1) if new[i] is last) + 1 :])
        self.tangents.update((node.outputs[i], tangent) for i, tangent in zip(numeric, found, strict=True))
