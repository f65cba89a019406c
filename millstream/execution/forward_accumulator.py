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
from millstream.execution.gradient_tape import UnconnectedGradients, _unconnected, _zeros, handle_of_source
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

    def reverse_rule(self, node: Node, flows: Any, reached: set[Value], again: Any) -> Any:
        """Reverse the tangents' own nodes."""
        from millstream.autodiff.reverse import by_position, flowing

        program = current_program()
        start = len(program.nodes)
        outputs = self.run_body(node.inputs, node.attributes)
        nodes = program.nodes[start:]
        return by_position(again(nodes, flowing(outputs, flows), node.inputs), node.inputs)


class ForwardAccumulator:
    """Compute Jacobian-vector products of what runs inside the `with` block."""

    def __init__(self, primals: Any, tangents: Any) -> None:
        self._tangents: dict[int, Any] = {}
        self._kept: list[Any] = []
        self._recording = False
        nest.assert_same_structure(primals, tangents)
        for primal, tangent in zip(nest.flatten(primals), nest.flatten(tangents), strict=True):
            self._watch(primal, tangent)

    def _watch(self, primal: Any, tangent: Any) -> None:
        if current_graph() is not None:
            raise NotImplementedError(
                explain("A ForwardAccumulator works on eager calls; inside tf.function use two nested tapes.")
            )
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
        known = self._tangents.get(handle._id)
        self._tangents[handle._id] = tensor if known is None else tapes.add_adjoints(known, tensor)
        self._kept.append(handle)

    def __enter__(self) -> ForwardAccumulator:
        if self._recording:
            raise ValueError(explain("Accumulator is already recording."))
        tapes.push(self)  # type: ignore[arg-type]
        self._recording = True
        return self

    def __exit__(self, *_: Any) -> None:
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
        moved = tuple(i for i, number in enumerate(item.input_ids) if number in self._tangents)
        numeric = tuple(i for i, t in enumerate(item.outputs) if t.dtype.is_floating or t.dtype.is_complex)
        if not moved or not numeric:
            return
        if getattr(item.definition, "name", "") == "ReadVariableOp":
            self._tangents[item.output_ids[0]] = self._tangents[item.input_ids[0]]
            self._kept.append(item.outputs[0])
            return
        attributes = item.attributes.items if item.attributes is not None else {}
        key = (item.definition, item.attributes, moved, numeric)
        op = _tangent_ops.get(key)
        if op is None:
            op = _tangent_ops[key] = TangentOp(item.definition, attributes, moved, numeric)
        words = {"input_count": len(item.inputs), "output_count": len(item.outputs)}
        tangents = [self._tangents[item.input_ids[i]] for i in moved]
        with tapes.without(self):
            found = apply_flat(op, [*item.inputs, *item.outputs, *tangents], words)
        for i, tangent in zip(numeric, found if isinstance(found, tuple) else (found,), strict=True):
            self._tangents[item.output_ids[i]] = tangent
            self._kept.append(item.outputs[i])

    def jvp(self, primals: Any, unconnected_gradients: Any = UnconnectedGradients.NONE) -> Any:
        """Return the Jacobian-vector products of `primals`, computed from the watched ones."""
        zero = _unconnected(unconnected_gradients) is UnconnectedGradients.ZERO

        def one(primal: Any) -> Any:
            found = self._tangents.get(handle_of_source(primal)._id)
            return _zeros(primal) if found is None and zero else found

        return nest.map_structure(one, primals)


_tangent_ops: dict[Any, TangentOp] = {}
