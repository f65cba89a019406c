"""Update variables in place: a reading that only makes the next value of its variable becomes an edit of the variable's bytes.

Changes no program whose variable is touched in between, or whose old value is needed afterwards. Whoever else holds the old
bytes keeps them: the runtime copies before it edits what is shared.
"""

from __future__ import annotations

from collections import defaultdict

from millstream.compiler.plan import ALIAS, ARENA, HEAP, FunctionWriter, Instruction


def update_in_place(function: FunctionWriter) -> None:
    """Turn read, fused arithmetic or changed rows, and write into an edit where nobody sees the difference."""
    if not any(item.kernel == "state_write" for item in function.instructions):
        return
    uses: dict[int, list[int]] = defaultdict(list)
    made: dict[int, int] = {}
    for time, item in enumerate(function.instructions):
        for slot in {function.root(s) for s in item.inputs if s >= 0}:
            uses[slot].append(time)
        made.update((slot, time) for slot in item.outputs)
    end = len(function.instructions)
    for slot in function.outputs:
        uses[function.root(slot)].append(end)
    dropped: set[int] = set()
    for time, item in enumerate(function.instructions):
        if item.kernel == "state_write":
            if _edits(function, time, item, made, uses):
                dropped.add(time)
            else:
                _share(function, item.inputs[1])
    function.instructions[:] = [item for time, item in enumerate(function.instructions) if time not in dropped]


def _edits(
    function: FunctionWriter, time: int, write: Instruction, made: dict[int, int], uses: dict[int, list[int]]
) -> bool:
    handle, value = function.root(write.inputs[0]), write.inputs[1]
    maker_time = made.get(value)
    if maker_time is None or function.slots[value].storage not in (ARENA, HEAP):
        return False
    maker = function.instructions[maker_time]
    touches = [t for t in uses[handle] if t <= time]
    if maker.kernel not in ("fused", "scatter_nd") or len(touches) < 2:
        return False
    read_time = touches[-2]
    read = function.instructions[read_time]
    if read.kernel != "state_read" or read_time >= maker_time:
        return False
    old = read.outputs[0]
    spec = function.slots[old].spec
    # Rows are changed in what comes first; it cannot be what they are changed by, too.
    first = maker.inputs if maker.kernel == "fused" else maker.inputs[:1]
    if (
        old not in first
        or (maker.kernel == "scatter_nd" and old in map(function.root, maker.inputs[1:]))
        or spec != function.slots[value].spec
        or not spec.is_static
        or uses[old][-1] > maker_time
    ):
        return False
    read.kernel = "state_edit"
    function.slots[value].storage, function.slots[value].location = ALIAS, old
    uses[old].extend(uses.pop(value, []))
    return True


def _share(function: FunctionWriter, value: int) -> None:
    """Keep what a variable will hold outside the arena, so that writing it copies nothing."""
    slot = function.slots[function.root(value)]
    if slot.storage == ARENA:
        slot.storage = HEAP
