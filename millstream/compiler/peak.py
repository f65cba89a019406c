"""Tell what a function's plan holds where it holds the most: `MILLSTREAM_SHOW=memory`. Changes nothing."""

from __future__ import annotations

from millstream.compiler.plan import ARENA, HEAP, FunctionWriter, Instruction, bytes_of

MOST_LINES = 40


def describe_peak(function: FunctionWriter) -> str:
    """Return as text the values that live at the instruction where most bytes do, the largest first.

    Values of sizes that only running tells count as nothing; inputs and constants, which are there anyway, are left out.
    """
    made, read = _lifetimes(function)
    sizes = {slot: bytes_of(function.slots[slot].spec) for slot in made}
    held = [0] * (len(function.instructions) + 1)
    for slot, size in sizes.items():
        for time in range(made[slot], read[slot] + 1):
            held[time] += size
    if not any(held):
        return f"memory of {function.name}: nothing"
    peak = max(range(len(held)), key=held.__getitem__)
    lines = [
        f"memory of {function.name}: {held[peak]:,} bytes at instruction {peak} of {len(function.instructions)}, "
        f"{_name(function, peak)}; arena of {function.arena_bytes:,} bytes"
    ]
    alive = sorted((s for s in sizes if made[s] <= peak <= read[s] and sizes[s]), key=lambda s: -sizes[s])
    for slot in alive[:MOST_LINES]:
        kind = "arena" if function.slots[slot].storage == ARENA else "heap"
        lines.append(
            f"  {sizes[slot]:>13,}  {kind}  {function.slots[slot].spec}: "
            f"{made[slot]} {_name(function, made[slot])} -> {read[slot]} {_name(function, read[slot])}"
        )
    rest = alive[MOST_LINES:]
    if rest:
        lines.append(f"  {sum(sizes[s] for s in rest):>13,}  {len(rest)} smaller ones")
    return "\n".join(lines)


def _lifetimes(function: FunctionWriter) -> tuple[dict[int, int], dict[int, int]]:
    """Return when each value that has bytes of its own is made and last read, by the numbers of instructions."""
    made: dict[int, int] = {}
    read: dict[int, int] = {}
    for time, item in enumerate(function.instructions):
        for slot in (*item.inputs, *item.outputs):
            root = function.root(slot) if slot >= 0 else -1
            if root >= 0 and function.slots[root].storage in (ARENA, HEAP):
                made.setdefault(root, time)
                read[root] = time
    for slot in function.outputs:
        root = function.root(slot)
        if root in made:
            read[root] = len(function.instructions)
    return made, read


def _name(function: FunctionWriter, time: int) -> str:
    if time == len(function.instructions):
        return "the result"
    item: Instruction = function.instructions[time]
    return f"{item.kernel} ({item.source})" if item.source else item.kernel
