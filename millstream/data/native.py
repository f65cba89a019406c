"""Readers of the runtime as readers of stages. Elements are tensors there; other leaves go as parts, or as what Python holds."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes, errors, nest
from millstream.base.specs import TensorSpec
from millstream.data.leaves import component_specs, components, leaf_specs, leaves_of
from millstream.data.methods import dataset
from millstream.data.nesting import DatasetSpec
from millstream.data.optional import OptionalSpec
from millstream.data.stage import Element, Reader, Run, Stage, failed_in

ENDING_SECONDS = 1.0
"""How long the interpreter waits at its end for threads that make elements."""

_HANDLES = (dtypes.variant, dtypes.resource)


def _is_opaque(spec: Any) -> bool:
    """Whether leaves of a spec are more than their tensors."""
    return isinstance(spec, (DatasetSpec, OptionalSpec)) or (isinstance(spec, TensorSpec) and spec.dtype in _HANDLES)


def is_transparent(spec: Any) -> bool:
    """Whether elements of a spec are nothing but tensors."""
    return not any(_is_opaque(s) for s in leaf_specs(spec))


def is_stackable(spec: Any) -> bool:
    """Whether the runtime can join elements of a spec."""
    return all(type(s) is TensorSpec and s.dtype not in _HANDLES for s in leaf_specs(spec))


class Parts:
    """How leaves become tensors of the runtime, and come back."""

    def __init__(self, specs: Sequence[Any]) -> None:
        self.specs = specs
        self.counts = [1 if _is_opaque(s) else len(component_specs(s)) for s in specs]

    def flat(self, element: Element) -> list[Any]:
        found: list[Any] = []
        for spec, leaf in zip(self.specs, element, strict=True):
            if _is_opaque(spec):
                found.append(runtime.opaque(leaf))
            else:
                found.extend(components(spec, leaf))
        return found

    def packed(self, tensors: Sequence[Any]) -> Element:
        at, leaves = 0, []
        for spec, count in zip(self.specs, self.counts, strict=True):
            given = tensors[at : at + count]
            leaves.append(_held_in(given[0], spec) if _is_opaque(spec) else leaves_of([spec], given)[0])
            at += count
        return tuple(leaves)


def _held_in(tensor: Any, spec: Any) -> Any:
    """Return the leaf that a variant of the runtime holds: elements are a dataset of theirs."""
    found = runtime.opaque_value(tensor)
    return dataset(Elements(spec.element_spec, found)) if isinstance(found, runtime.Elements) else found


def parts_of(spec: Any) -> Parts | None:
    """Return how elements of a spec become tensors; None where they are."""
    specs = leaf_specs(spec)
    return None if is_stackable(spec) else Parts(specs)


class NativeReader(Reader):
    """A reader of the runtime over readers before it."""

    def __init__(self, handle: Any, spec: Any, before: Sequence[Reader] = ()) -> None:
        self.handle, self.before = handle, tuple(before)
        self._parts = parts_of(spec)
        self._next: Callable[[], Element] = handle.next

    def __next__(self) -> Element:
        found = self._next()
        return found if self._parts is None else self._parts.packed(found)

    def read(self, count: int) -> list[Element]:
        found: list[Element] = self.handle.read(count)
        return found if self._parts is None else [self._parts.packed(e) for e in found]

    def state(self) -> Any:
        self.handle.pause()
        try:
            return [[b.state() for b in self.before], self._marks()]
        finally:
            self.handle.go_on()

    def _marks(self) -> list[Any]:
        marks: list[Any] = self.handle.marks()
        if any(not isinstance(m, int) and m.dtype in _HANDLES for m in nest.flatten(marks)):
            raise errors.UnimplementedError(
                None,
                None,
                "The state of an iterator that holds datasets or handles cannot be saved; save the number of elements read.",
            )
        return marks

    def restore(self, state: Any) -> None:
        self.handle.pause()
        try:
            self._restore_own(state)
        finally:
            self.handle.go_on()

    def _restore_own(self, state: Any) -> None:
        for reader, part in zip(self.before, state[0], strict=True):
            reader.restore(part)
        if not self.handle.restore(state[1]):
            raise errors.DataLossError(None, None, "The state of an iterator is that of another pipeline.")


class Elements(Stage):
    """Elements that the runtime has at hand."""

    name = "Window"

    def __init__(self, spec: Any, held: Any) -> None:
        super().__init__(spec)
        self.held = held

    @classmethod
    def of(cls, spec: Any, rows: Sequence[Element]) -> Elements:
        """Return a stage of these elements."""
        parts = parts_of(spec)
        return cls(spec, runtime.Elements([row if parts is None else tuple(parts.flat(row)) for row in rows]))

    def count(self) -> int:
        return len(self.held)

    def reader(self, run: Run) -> Reader:
        return NativeReader(runtime.read_held(self.held), self.spec)


class Turns:
    """Gives the runtime one reader after the other. `following` makes the next, or None."""

    def __init__(self, first: Reader | None, spec: Any) -> None:
        self.ready, self.now, self.spec = first, first, spec
        self.had_elements = False

    def following(self, empty: bool) -> Reader | None:
        """Return the reader of the next turn; `empty` says that the one before had no element."""
        raise NotImplementedError(errors.explain(f"{type(self).__name__}.following"))

    def __call__(self, empty: bool) -> Any:
        if self.ready is None:
            self.now = None if self.now is None else self.following(empty and not self.had_elements)
            self.had_elements = False
            self.ready = self.now
        found, self.ready = self.ready, None
        return None if found is None else handle_of(found, self.spec)


class TurnsReader(NativeReader):
    """Reads the turns of `turns`, whose own state is `position`."""

    def __init__(self, turns: Any, spec: Any) -> None:
        super().__init__(runtime.read_turns(turns), spec)
        self.turns = turns

    def state(self) -> Any:
        turns, marks = self.turns, self._marks()
        return [None if turns.now is None else turns.now.state(), marks, turns.position()]

    def restore(self, state: Any) -> None:
        self.turns.move(state[2], state[0] is not None)
        if self.turns.now is not None:
            self.turns.now.restore(state[0])
        self.turns.ready, self.turns.had_elements = self.turns.now, not state[1][0]
        if not self.handle.restore(state[1]):
            raise errors.DataLossError(None, None, "The state of an iterator is that of another pipeline.")


class NestedReader(NativeReader):
    """Reads what is made of elements, or of what a reader of the runtime made of them: `given_spec`.

    `open_nested(given, index)` makes those readers, of which `cycle` are under way; `make` takes the handle of the reader before
    and what opens them.
    """

    def __init__(
        self,
        make: Callable[[Any, Callable[..., Any]], Any],
        stage: Stage,
        before: Reader,
        given_spec: Any,
        open_nested: Callable[[Element, int], Reader],
        cycle: int,
    ) -> None:
        nested: list[Reader | None] = [None] * cycle
        given = parts_of(given_spec)

        def opened(place: int, index: int, *tensors: Any) -> Any:
            reader = open_nested(tensors if given is None else given.packed(tensors), index)
            nested[place] = reader
            return handle_of(reader, stage.spec)

        super().__init__(make(handle_of(before, stage.input.spec), opened), stage.spec, [before])
        self.nested = nested

    def state(self) -> Any:
        self.handle.pause()
        try:
            marks = self._marks()
            # The first marks say which places are open; a reader stays in its place when it has ended.
            nested = [r.state() if r is not None and is_open else None for r, is_open in zip(self.nested, marks)]
            return [[b.state() for b in self.before], marks, nested]
        finally:
            self.handle.go_on()

    def restore(self, state: Any) -> None:
        self.handle.pause()
        try:
            self._restore_own(state)
            for reader, part in zip(self.nested, state[2], strict=True):
                if part is not None and reader is not None:
                    reader.restore(part)
        finally:
            self.handle.go_on()


def handle_of(reader: Reader, spec: Any) -> Any:
    """Return the runtime's reader of what a reader gives."""
    if isinstance(reader, NativeReader):
        return reader.handle
    parts = parts_of(spec)
    return runtime.read_python(reader.__next__ if parts is None else lambda: parts.flat(reader.__next__()))


def function_of(stage: Stage, spec: Any = None, number: int = 0) -> Any:
    """Return a function of a stage for readers of the runtime: its plans, or where it has none itself.

    It takes the elements of the input, or where it is given leaves of `spec`.
    """
    function = stage.functions[number]
    found = function.mapped(stage.scope)
    if found is not None:
        return found
    call, given, made = stage.begun()[number], parts_of(spec or stage.input.spec), parts_of(function.spec)

    def called(*tensors: Any) -> Sequence[Any]:
        result = call(tensors if given is None else given.packed(tensors))
        return result if made is None else made.flat(result)  # type: ignore[no-any-return]

    return runtime.make_called_function(called)


def following(make: Callable[..., Any], stage: Stage, run: Run, *arguments: Any) -> NativeReader:
    """Return the reader of a stage that has one input; `make` takes that input's handle first."""
    before = stage.input.reader(run)
    return NativeReader(make(handle_of(before, stage.input.spec), *arguments), stage.spec, [before])


runtime.set_reader_failure(failed_in)
atexit.register(runtime.stop_readers, ENDING_SECONDS)
