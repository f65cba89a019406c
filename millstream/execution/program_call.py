"""Call programs: from a plan cache when eager, as one node in a graph, in two halves under a tape."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.autodiff.control import CONTROL_RULES, reverse_call
from millstream.autodiff.reverse import reverse
from millstream.autodiff.split import Split, adjoint_spec, differentiable, inline, parts
from millstream.backends.cpu.device import load
from millstream.base import dtypes
from millstream.base.errors import InvalidArgumentError, UnimplementedError
from millstream.base.sizes import Size, Symbol, fresh_symbol
from millstream.base.spec import Spec
from millstream.compiler.expand import expand
from millstream.compiler.prune import prune
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, tracing
from millstream.execution.dispatch import apply_flat
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.late_gradient import specialise
from millstream.execution.specs import spec_of
from millstream.execution.tensor import eager_constant
from millstream.program.learned_sizes import free_symbols, unify
from millstream.program.primitives.control import CALL, HOST_CALL
from millstream.program.primitives.shaping import BIND_SIZES, SIZES
from millstream.program.slices import Adjoint, Slices
from millstream.program.value import Definition, Node, Program, UnknownRank, Value, building, current_program


class FunctionOp(Definition):
    """A program as one op: what a call of it in a graph, or on a tape, is."""

    effects = True

    def __init__(self, program: Program) -> None:
        self.name = program.name
        self.program = program
        self.halves: dict[Any, Halves] = {}
        self.cache = runtime.CallCache(lambda *arguments: _miss(self, arguments))
        self.lists = [(i, v.spec.handle) for i, v in enumerate(program.outputs) if v.dtype == dtypes.variant]

    @functools.cached_property
    def late(self) -> Late | None:
        """The parts of the program where Python or branches give it tensors of unknown rank; None where it is one plan."""
        return Late(self.program) if _is_late(self.program) else None

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        """Return the program's specs, with the sizes that the inputs have here; what it makes itself is new at each call."""
        known: dict[Symbol, Size] = {}
        for old, new in zip(self.program.inputs, inputs, strict=True):
            unify(old.spec, new, known)
        own = {s for v in self.program.inputs for s in v.spec.symbols()}
        for value in self.program.outputs:
            for symbol in value.spec.symbols():
                if symbol not in known and symbol not in own:
                    known[symbol] = fresh_symbol("n")
        return tuple(v.spec.substitute(known) if known else v.spec for v in self.program.outputs)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        return current_program().emit(CALL, inputs, {"program": self.program})

    def reverse_rule(
        self, node: Node, flows: list[Adjoint | None], reached: set[Value], again: Any
    ) -> list[Adjoint | None]:
        """Make the call give what its reverse needs besides, and emit the reverse, for the sizes that it is called with."""
        whole = specialised(self.program, [v.spec for v in node.inputs])
        return reverse_call(node, whole, lambda p: (FunctionOp(p), {}), flows, reached, again)


def _whole(node: Node) -> bool:
    """Whether an op is kept as one, to be reversed by its own rule; functions that it runs are opened."""
    return node.definition.name not in CONTROL_RULES and not isinstance(node.definition, FunctionOp)


def _no_function(node: Node) -> bool:
    return not isinstance(node.definition, FunctionOp)


def specialised(program: Program, specs: Sequence[Spec], keeps: Callable[[Node], bool] = _whole) -> Program:
    """Return the program for inputs of `specs`, in whole ops (those that `keeps` says), with what it calls inside."""
    whole = expand(program, [s.with_value(None) for s in specs], keeps)
    prune(whole)
    plain = Program(whole.name)
    plain.inputs, plain.nodes, plain.outputs = whole.inputs, whole.nodes, whole.outputs
    return plain


def _whole_or_of_integers(node: Node) -> bool:
    return _whole(node) and not all(v.dtype.is_integer for v in node.outputs)


# Shapes and axes are computed by ops of integers: opened, they fold to what they are.
specialise[:] = [lambda program, specs: specialised(program, specs, _whole_or_of_integers)]


class Halves:
    """A program cut in two: forward gives the results and what the backward half needs besides; both are plans."""

    def __init__(self, program: Program, specs: Sequence[Spec], wanted: tuple[int, ...]) -> None:
        self.result_count = len(program.outputs)
        plain = specialised(program, specs)
        self.wanted = wanted
        flows = {i: Value(adjoint_spec(v.spec)) for i, v in enumerate(plain.outputs) if differentiable(v.spec)}
        self.given = list(flows)
        split = Split(plain, flows, wanted, reverse, sparse=True)
        split.keep_sizes([*flows.values()], ())
        position = {v: i for i, v in enumerate(split.inputs)}
        kept = [v for v in split.needed if v not in position]
        forward, backward = Program(f"{program.name}_forward"), Program(f"{program.name}_backward")
        forward.inputs, forward.nodes, forward.outputs = split.inputs, split.forward, [*split.outputs, *kept]
        backward.inputs, backward.nodes = [*split.needed, *flows.values()], split.backward
        self.layout: list[tuple[int, Any]] = []
        for adjoint in split.results:
            backward.outputs += parts(adjoint)
            self.layout.append((len(parts(adjoint)), adjoint.shape if isinstance(adjoint, Slices) else None))
        place = {v: ("saved", i) for i, v in enumerate(kept)}
        self.sources = [("input", position[v]) if v in position else place[v] for v in split.needed]
        self.forward_op, self.backward_op = FunctionOp(forward), FunctionOp(backward)

    def run_forward(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Run the forward half; results, then what is kept for the backward half."""
        return call_eagerly(self.forward_op, inputs)

    def run_backward(self, inputs: Sequence[Any], outputs: Sequence[Any], dys: Mapping[int, Any]) -> dict[int, Any]:
        """Run the backward half; adjoints by input position."""
        saved = outputs[self.result_count :]
        arguments = [inputs[i] if kind == "input" else saved[i] for kind, i in self.sources]
        for i in self.given:
            dy = dys.get(i)
            arguments.append(tapes.zeros_for(outputs[i]) if dy is None else dy)
        flat = call_program(self.backward_op, arguments)
        adjoints: dict[int, Any] = {}
        at = 0
        for i, (count, shape) in zip(self.wanted, self.layout, strict=True):
            if count == 2:
                adjoints[i] = IndexedSlices(flat[at], flat[at + 1], shape)
            elif count:
                adjoints[i] = flat[at]
            at += count
        return adjoints


class RecordedHalves(Definition):
    """What a tape writes down for a call that ran as halves."""

    def __init__(self, halves: Halves) -> None:
        self.name = halves.forward_op.name
        self.halves = halves
        self.effects = True

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return self.halves.forward_op.infer(inputs, attributes)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        return self.halves.forward_op.run_body(inputs, attributes)

    def reverse_rule(self, node: Node, flows: Any, reached: set[Value], again: Any) -> list[Adjoint | None]:
        """Reverse the forward half as any program: for gradients of gradients."""
        return self.halves.forward_op.reverse_rule(node, flows, reached, again)

    def backward(self, item: Any, given: tuple[int, ...], wanted: tuple[int, ...], dys: list[Any]) -> Any:
        """Run the backward half where only results have adjoints; NotImplemented otherwise."""
        halves = self.halves
        if any(i >= halves.result_count for i in given) or not set(wanted) <= set(halves.wanted):
            return NotImplemented
        found = halves.run_backward(item.inputs, item.outputs, dict(zip(given, map(tapes.to_dense, dys), strict=True)))
        return [found.get(i) for i in wanted]


def _is_late(program: Program) -> bool:
    return any(_gives_unknown_rank(n) for n in program.nodes)


def _gives_unknown_rank(node: Node) -> bool:
    """Whether Python, or a choice among branches, gives tensors of unknown rank, here or in the programs that the node runs."""
    if isinstance(node.definition, FunctionOp):
        return _is_late(node.definition.program)
    unknown = [v for v in node.outputs if v.spec.shape is None and v.dtype not in (dtypes.resource, dtypes.variant)]
    if unknown and (_acts_at_once(node) or _chooses(node)):
        return True
    return any(_is_late(p) for p in _programs(node))


def _acts_at_once(node: Node) -> bool:
    """Whether a node calls Python, or reads a list whose elements tell their rank when it runs."""
    definition = node.definition
    return definition is HOST_CALL or definition.name in LIST_SHAPES or getattr(definition, "at_once", None) is not None


LIST_SHAPES = {
    "TensorListGetItem": 2,
    "TensorListPopBack": 1,
    "TensorListStack": 1,
    "TensorListGather": 2,
    "TensorListConcatV2": 1,
}
"""The ops that read lists, and which input says the shape of the elements."""


def _chooses(node: Node) -> bool:
    return "branches" in node.attributes or "then_branch" in node.attributes


def _programs(node: Node) -> list[Program]:
    """Return the programs that an op of control flow runs."""
    found: list[Program] = []
    for attribute in node.attributes.values():
        found += [p for p in (attribute if isinstance(attribute, tuple) else (attribute,)) if isinstance(p, Program)]
    return found


def _with(program: Program, fixed: Mapping[int, Value]) -> Program:
    """Return a program that holds some of its inputs itself, as copies of these constants."""
    if not fixed:
        return program
    result = Program(program.name)
    with building(result):
        inputs = [
            result.emit(fixed[i].node.definition, (), fixed[i].node.attributes)[fixed[i].index]  # type: ignore[union-attr]
            if i in fixed
            else result.input(v.spec)
            for i, v in enumerate(program.inputs)
        ]
        result.outputs = inline(program, inputs)
    return result


class Late:
    """A program cut where Python, or a branch, gives it tensors of unknown rank: what follows is compiled for what it gave."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._whole: dict[Any, FunctionOp | None] = {}
        whole = specialised(program, [v.spec for v in program.inputs], _no_function)
        at = next(i for i, n in enumerate(whole.nodes) if _gives_unknown_rank(n))
        self.node = whole.nodes[at]
        self.inputs = whole.inputs
        first, second = Program(f"{program.name}_before"), Program(f"{program.name}_after")
        first.inputs, first.nodes = whole.inputs, whole.nodes[:at]
        made = {v for n in first.nodes for v in n.outputs}
        copied = {v: n for n in first.nodes if not n.inputs and not n.definition.effects for v in n.outputs}
        own = {v for n in whole.nodes[at:] for v in n.outputs}
        later = dict.fromkeys(v for v in (*(v for n in whole.nodes[at + 1 :] for v in n.inputs), *whole.outputs))
        given = [v for v in later if v not in own and v not in copied]
        first.outputs = list(dict.fromkeys(v for v in (*self.node.inputs, *given) if v in made))
        second.inputs = [*given, *self.node.outputs]
        second.nodes = [*dict.fromkeys(copied[v] for v in later if v in copied), *whole.nodes[at + 1 :]]
        second.outputs = whole.outputs
        names = tuple(free_symbols(second.inputs, second.nodes))
        if names:
            sizes = Program("sizes")
            (value,) = sizes.emit(SIZES, (), {"values": names, "dtype": dtypes.int64, "scalar": False})
            first.nodes += sizes.nodes
            first.outputs.append(value)
            second.inputs.insert(len(given), value)
            given.append(value)
            second.nodes.insert(0, Node(BIND_SIZES, (value,), {"symbols": names}, ()))
        self.given = given
        self.before, self.after = FunctionOp(first), FunctionOp(second)
        fixed = {i - 1: v for i, v in enumerate(self.node.inputs) if i and v in copied} if _chooses(self.node) else {}
        self.passed = [i for i in range(len(self.node.inputs) - 1) if i not in fixed]
        """Which inputs of a choice its branches take: constants, which may say axes and shapes, are their own."""
        self.inner = {n: FunctionOp(_with(p, fixed)) for n, p in self.node.attributes.items() if isinstance(p, Program)}
        self.branches = [FunctionOp(_with(p, fixed)) for p in self.node.attributes.get("branches", ())]

    def _run_node(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Call the Python function; of a branch or loop around it, run the programs one by one."""
        if self.node.definition is HOST_CALL:
            with tracing(None), tapes.fresh():
                answer = runtime.host_callable(inputs[0])(*inputs[1:])
            return answer if isinstance(answer, (tuple, list)) else (answer,)
        place = LIST_SHAPES.get(self.node.definition.name)
        if place is not None:
            name, given = self.node.definition.name, list(inputs)
            index = int(inputs[1]) if name == "TensorListGetItem" else -1 if name == "TensorListPopBack" else 0
            rank = runtime.list_rank(inputs[0], index)
            if rank < 0:
                raise InvalidArgumentError(
                    None,
                    None,
                    f"{name}: the list is empty, and nothing says which shape its elements have; say element_shape.",
                )
            given[place] = eager_constant([-1] * rank, dtypes.int32)
            found = apply_flat(self.node.definition, given, dict(self.node.attributes))
            return found if isinstance(found, tuple) else (found,)
        at_once = getattr(self.node.definition, "at_once", None)
        if at_once is not None:
            return at_once(*inputs)  # type: ignore[no-any-return]
        if "body" in self.inner:
            while bool(call_program(self.inner["cond"], inputs)[0]):
                inputs = call_program(self.inner["body"], inputs)
            return inputs
        if "f" in self.inner:
            return call_program(self.inner["f"], inputs)
        passed = [inputs[1 + i] for i in self.passed]
        if self.branches:
            index = int(inputs[0])
            last = len(self.branches) - 1
            return call_program(self.branches[index if 0 <= index <= last else last], passed)
        return call_program(self.inner["then_branch" if bool(inputs[0]) else "else_branch"], passed)

    def _one_plan(self, specs: tuple[Spec, ...], wanted: tuple[int, ...]) -> FunctionOp | None:
        """Return the whole program for inputs of these ranks, where they tell the ranks that what follows its branches needs."""
        key = (specs, wanted)
        if key not in self._whole:
            whole = FunctionOp(self.program)
            whole.late = None
            try:
                if wanted:
                    whole.halves[key] = Halves(self.program, specs, wanted)
                else:
                    load(self.program, specs)
            except (UnimplementedError, UnknownRank):
                self._whole[key] = None
            else:
                self._whole[key] = whole
        return self._whole[key]

    def run(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Run the parts in turn; tapes record each."""
        if _chooses(self.node) or self.node.definition.name in LIST_SHAPES:
            whole = self._one_plan(tuple(spec_of(t) for t in inputs), _followed(inputs))
            if whole is not None:
                return call_program(whole, inputs)
        place = dict(zip(self.inputs, inputs, strict=True))
        place.update(zip(self.before.program.outputs, call_program(self.before, inputs), strict=True))
        results = self._run_node([place[v] for v in self.node.inputs])
        return call_program(self.after, [*(place[v] for v in self.given), *results])


def call_program(op: FunctionOp, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Call a program on tensors: now, as a node of the graph being traced, or in halves where a tape follows an input."""
    graph = current_graph()
    if graph is not None:
        return graph.create(op, inputs, {})
    if op.late is not None:
        return op.late.run(inputs)
    wanted = _followed(inputs)
    return _call_recorded(op, inputs, wanted) if wanted else call_eagerly(op, inputs)


def _followed(inputs: Sequence[Any]) -> tuple[int, ...]:
    """Return the positions of the inputs that a tape follows."""
    return tuple(i for i, t in enumerate(inputs) if tapes.follows(t)) if tapes.recording() else ()


def _call_recorded(op: FunctionOp, inputs: Sequence[Any], wanted: tuple[int, ...]) -> tuple[Any, ...]:
    specs = tuple(spec_of(t) for t in inputs)
    key = (specs, wanted)
    halves = op.halves.get(key)
    if halves is None:
        halves = op.halves[key] = Halves(op.program, specs, wanted)
    outputs = halves.run_forward(inputs)
    tapes.record(RecordedHalves(halves), None, tuple(inputs), outputs)
    return outputs[: halves.result_count]


def call_eagerly(op: FunctionOp, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Run the plan of a program for the shapes at hand; never recorded."""
    tapes.pause(1)
    try:
        result = op.cache(*inputs)
        result = result if isinstance(result, tuple) else (result,)
        for i, element in op.lists:
            result[i].element_spec = element
        return result  # type: ignore[no-any-return]
    finally:
        tapes.pause(-1)


def _miss(op: FunctionOp, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    plan = load(op.program, [spec_of(t) for t in inputs])
    op.cache.add(inputs, plan, 0, (), False)
    return plan.run(0, inputs)  # type: ignore[no-any-return]
