"""Plan memory: lifetimes, places in one arena, and what is given back when. Moves no instruction."""

from __future__ import annotations

from millstream.compiler.arena import place, write_over_dying
from millstream.compiler.plan import ARENA, CONSTANT, HEAP, WITHOUT_BYTES, FunctionWriter, Instruction


def plan_memory(function: FunctionWriter) -> None:
    """Give every arena slot an offset, put outputs on the heap, and write down the releases."""
    _put_outputs_on_heap(function)
    _put_kept_on_heap(function)
    _protect_lists(function)
    first, last = _lifetimes(function)
    write_over_dying(function, last)
    _release_heap(function, last)
    place(function, first, last)


def _put_outputs_on_heap(function: FunctionWriter) -> None:
    """An output must own its bytes: what lies in the arena moves to the heap, a constant is copied.

    Numbers that are an input, or another output, in another shape share its counted bytes.
    """
    seen: set[int] = set()
    for position, slot in enumerate(function.outputs):
        root = function.root(slot)
        held = function.slots[root]
        if held.storage == ARENA:
            held.storage = HEAP
        elif held.storage == CONSTANT or (held.spec.dtype in WITHOUT_BYTES and (held.storage != HEAP or slot in seen)):
            copy = function.slot(function.slots[slot].spec, HEAP)
            function.source = None
            function.instruction("copy", [slot], [copy])
            function.outputs[position] = slot = copy
        seen.add(slot)


_KEEPS = {"list_push": 1, "list_set": 2, "list_from_tensor": 0}
"""Which input of a kernel a list keeps."""


def _put_kept_on_heap(function: FunctionWriter) -> None:
    """An element of a list, and what a branch gives back as it is, must own its bytes, or it is copied."""
    for item in function.instructions:
        for kept in _kept_inputs(function, item):
            slot = function.slots[function.root(kept)]
            if slot.storage == ARENA:
                slot.storage = HEAP


def _kept_inputs(function: FunctionWriter, item: Instruction) -> list[int]:
    if item.kernel in _KEEPS:
        return [item.inputs[_KEEPS[item.kernel]]]
    if item.kernel != "branch":
        return []
    given = item.inputs[1:]
    branches = [function.module.functions[int(i)] for i in item.attributes]  # type: ignore[arg-type]
    return [x for b in branches for x, held in zip(given, b.inputs, strict=True) if held in map(b.root, b.outputs)]


_CHANGES_ITS_LIST = frozenset(("list_push", "list_pop", "list_set", "list_scatter_into", "list_resize"))


def _protect_lists(function: FunctionWriter) -> None:
    """A kernel changes a list that only its slot holds in place: give it another reference where the list is read later."""
    last: dict[int, int] = {slot: len(function.instructions) for slot in function.outputs}
    protected: list[Instruction] = []
    for time in range(len(function.instructions) - 1, -1, -1):
        item = function.instructions[time]
        if item.kernel in _CHANGES_ITS_LIST and last.get(item.inputs[0], -1) > time:
            copy = function.slot(function.slots[item.inputs[0]].spec, HEAP)
            protected.append(
                Instruction(item.kernel, [copy, *item.inputs[1:]], item.outputs, item.attributes, item.source)
            )
            protected.append(Instruction("copy", [item.inputs[0]], [copy], [], item.source))
        else:
            protected.append(item)
        for slot in item.inputs:
            last.setdefault(slot, time)
    protected.reverse()
    function.instructions[:] = protected


def _lifetimes(function: FunctionWriter) -> tuple[dict[int, int], dict[int, int]]:
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for time, item in enumerate(function.instructions):
        for slot in (*item.inputs, *item.outputs):
            if slot >= 0:
                root = function.root(slot)
                first.setdefault(root, time)
                last[root] = time
    for slot in function.outputs:
        last[function.root(slot)] = len(function.instructions)
    return first, last


def _release_heap(function: FunctionWriter, last: dict[int, int]) -> None:
    end = len(function.instructions)
    for slot, time in last.items():
        if time < end and function.slots[slot].storage == HEAP:
            function.instructions[time].releases.append(slot)
