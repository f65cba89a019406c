"""Cut a program and its reverse in two: what runs forward, what runs backward, and the values that go from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from millstream.autodiff.slices import Adjoint, Slices, accumulate, dense
from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, Symbol
from millstream.base.spec import Spec
from millstream.program.learned_sizes import DECIDED, bound_symbols, free_symbols, substitute_attribute, unify
from millstream.program.primitives.control import programs_of
from millstream.program.primitives.lists import is_list_of_numbers, list_pop
from millstream.program.primitives.shaping import BIND_SIZES, SIZES
from millstream.program.primitives.state import IS_SET, READ
from millstream.program.value import Node, Program, Value, building, current_program, from_source

Reverse = Callable[..., dict[Value, Adjoint]]


def differentiable(spec: Spec) -> bool:
    """Return whether adjoints flow to such a value: numbers, lists of numbers, variables that hold numbers."""
    if spec.dtype == dtypes.resource:
        return spec.handle is not None and (spec.handle.dtype.is_floating or spec.handle.dtype.is_complex)
    return spec.dtype.is_floating or spec.dtype.is_complex or is_list_of_numbers(spec)


def adjoint_spec(spec: Spec) -> Spec:
    """Return the spec of a value's adjoint: a variable's is like what it holds."""
    if spec.dtype == dtypes.resource and spec.handle is not None:
        return spec.handle
    return spec.with_value(None)


def inline(program: Program, inputs: Sequence[Value]) -> list[Value]:
    """Emit the nodes of `program`, applied to `inputs`, into the current program; return its outputs."""
    place: dict[Value, Value] = dict(zip(program.inputs, inputs, strict=True))
    emit_nodes(program.nodes, place)
    return [place[v] for v in program.outputs]


def emit_nodes(nodes: Sequence[Node], place: dict[Value, Value]) -> None:
    """Emit copies of `nodes` into the current program, reading and adding to `place`, from old values to new ones."""
    target = current_program()
    sizes: dict[Symbol, Size] = {}
    for old, new in place.items():
        if old.spec != new.spec:
            unify(old.spec, new.spec, sizes)
    for node in nodes:
        attributes = node.attributes
        if sizes:
            attributes = {k: v if k in DECIDED else substitute_attribute(v, sizes) for k, v in attributes.items()}
        with from_source(node.source):
            made = target.emit(node.definition, [place[v] for v in node.inputs], attributes)
        for old, new in zip(node.outputs, made, strict=True):
            place[old] = new
            if old.spec != new.spec:
                unify(old.spec, new.spec, sizes)


def acts(node: Node) -> bool:
    """Return whether a node does more than give its outputs; reading a variable does not."""
    if node.definition in (READ, IS_SET):
        return False
    programs = programs_of(node.definition, node.attributes)
    return any(acts(n) for p in programs for n in p.nodes) if programs else node.definition.effects


def reached_values(nodes: Sequence[Node], sources: set[Value], *, by_adjoints: bool = False) -> set[Value]:
    """Return the values that depend on `sources`, and those themselves.

    With `by_adjoints`, only by way of what adjoints could flow through: no whole numbers, no texts.
    """
    reached = set(sources)
    for node in nodes:
        if any(v in reached for v in node.inputs):
            reached.update(v for v in node.outputs if not by_adjoints or not _stops(v.dtype))
    return reached


def _stops(dtype: DType) -> bool:
    return dtype.is_integer or dtype.is_bool or dtype == dtypes.string


def influences(nodes: Sequence[Node], outputs: set[Value]) -> set[Value]:
    """Return the values that `outputs` depend on, and those themselves."""
    found = set(outputs)
    for node in reversed(nodes):
        if any(v in found for v in node.outputs):
            found.update(node.inputs)
    return found


class Split:
    """A program beside its reverse.

    `forward` and `backward` are nodes; `flows` the adjoints that come in, `results` those that go out (None where nothing
    flows), `needed` the values of the forward part, inputs included, that the backward part reads.
    """

    def __init__(
        self,
        program: Program,
        flows: Mapping[int, Value],
        wanted: Sequence[int],
        reverse: Reverse,
        *,
        totals: Mapping[int, Value] | None = None,
        sparse: bool = False,
    ) -> None:
        """Reverse `program`, which this takes over.

        Args:
          program: what runs forward.
          flows: adjoints by position of output.
          wanted: positions of the inputs whose adjoints are asked for.
          reverse: the reverse of nodes.
          totals: adjoints, by position of input, that what is found is added to.
          sparse: whether results may be slices.
        """
        self.inputs, self.outputs = program.inputs, program.outputs
        last = program.nodes[-1] if program.nodes else None
        with building(program):
            found: dict[Value, Adjoint] = {program.inputs[i]: v for i, v in (totals or {}).items()}
            for i, flow in flows.items():
                value = program.outputs[i]
                found[value] = flow if value not in found else accumulate(found[value], flow, value)
            answers = reverse(list(program.nodes), found, [program.inputs[i] for i in wanted])
            self.results: list[Adjoint | None] = []
            for i in wanted:
                adjoint = answers.get(program.inputs[i])
                self.results.append(
                    adjoint if adjoint is None or (sparse and isinstance(adjoint, Slices)) else dense(adjoint)
                )
        cut = next((i + 1 for i, n in enumerate(program.nodes) if n is last), 0) if last is not None else 0
        self.forward, self.backward = program.nodes[:cut], program.nodes[cut:]
        self._given = [*flows.values(), *(totals or {}).values()]
        self._settle(self._given)

    def make_dense(self, at: int) -> None:
        """Let the result at `at` be one value where it is rows."""
        adjoint = self.results[at]
        if isinstance(adjoint, Slices):
            more = Program("dense")
            with building(more):
                self.results[at] = dense(adjoint)
            self.backward += more.nodes
            self._settle(self._given)

    def _settle(self, given: Sequence[Value]) -> None:
        """Drop what no result needs, take nodes without inputs along, and collect what else is read."""
        wanted: set[Value] = set()
        for adjoint in self.results:
            wanted.update(parts(adjoint))
        kept: list[Node] = []
        for node in reversed(self.backward):
            if acts(node) or any(v in wanted for v in node.outputs):
                wanted.update(node.inputs)
                kept.append(node)
        kept.reverse()
        made = {v for n in kept for v in n.outputs} | set(given)
        self.needed: list[Value] = []
        copied: dict[Node, None] = {}
        order = [*(v for n in kept for v in n.inputs), *(v for a in self.results for v in parts(a))]
        for value in dict.fromkeys(order):
            if value in made:
                continue
            if value.node is not None and not value.node.inputs and not value.node.definition.effects:
                copied[value.node] = None
            else:
                self.needed.append(value)
        self.backward = [*copied, *kept]

    def recompute(self, fixed: set[Value]) -> None:
        """Compute again, backward, what is made of `fixed` inputs only, instead of keeping it."""
        again: dict[Value, Node] = {}
        for node in self.forward:
            if not node.definition.effects and all(v in fixed or v in again for v in node.inputs):
                again.update((v, node) for v in node.outputs)
        chosen: set[Node] = set()
        stack = [again[v] for v in self.needed if v in again]
        inside = set(self.backward)
        while stack:
            node = stack.pop()
            if node not in chosen and node not in inside:
                chosen.add(node)
                stack.extend(again[v] for v in node.inputs if v in again)
        if not chosen:
            return
        # What is computed again may read the constants that the backward part has taken along: they stay first.
        first = [n for n in self.backward if not n.inputs and not n.definition.effects]
        rest = [n for n in self.backward if n.inputs or n.definition.effects]
        self.backward = [*first, *(n for n in self.forward if n in chosen), *rest]
        needed = dict.fromkeys(v for v in self.needed if v not in again)
        needed.update(dict.fromkeys(v for n in chosen for v in n.inputs if v in fixed))
        self.needed = list(needed)

    def keep_sizes(self, given: Sequence[Value], around: Sequence[Value]) -> None:
        """Keep, as one more value, the sizes that the backward part uses and only the forward part knows.

        `given` are the backward part's other inputs, `around` values that are known outside of both parts.
        """
        unknown = free_symbols([*given, *self.needed], self.backward)
        mine = bound_symbols([*self.inputs, *(v for n in self.forward for v in n.outputs)])
        mine.update(s for n in self.forward if n.definition is BIND_SIZES for s in n.attributes["symbols"])
        mine -= bound_symbols(around)
        names = tuple(s for s in unknown if s in mine)
        if not names:
            return
        kept = Program("sizes")
        (value,) = kept.emit(SIZES, (), {"values": names, "dtype": dtypes.int64, "scalar": False})
        self.forward.extend(kept.nodes)
        self.needed.append(value)
        self.backward.insert(0, Node(BIND_SIZES, (value,), {"symbols": names}, ()))


def take_back(saved: Sequence[Value], lists: Sequence[Value], place: dict[Value, Value]) -> list[Value]:
    """Pop what the forward part has put on `lists` into `place`; return the lists that are left.

    Values whose sizes are symbols come first: they say what the sizes of the others are made of.
    """
    rests: list[Value] = list(lists)
    order = range(len(saved))
    for i in sorted(order, key=lambda i: not all(isinstance(n, (int, Symbol)) for n in saved[i].spec.shape or ())):
        rests[i], place[saved[i]] = list_pop(lists[i], saved[i].spec.with_value(None))
    return rests


def parts(adjoint: Adjoint | None) -> tuple[Value, ...]:
    """Return the values of an adjoint."""
    if adjoint is None:
        return ()
    if isinstance(adjoint, Slices):
        return (adjoint.values, adjoint.indices)
    assert isinstance(adjoint, Value), "Adjoints of elements and blocks are made dense before they leave a program."
    return (adjoint,)


def copy_program(program: Program) -> Program:
    """Return a copy whose nodes may be changed."""
    result = Program(program.name)
    inputs = [result.input(v.spec) for v in program.inputs]
    with building(result):
        result.outputs = inline(program, inputs)
    return result
