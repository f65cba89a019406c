"""Give the values of a function places in one arena: chains write over what ends with them, the rest lies where it fits best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from millstream.base.sizes import Size, evaluate
from millstream.compiler.plan import ALIAS, ARENA, BINDING, HEAP, WITHOUT_BYTES, FunctionWriter, Instruction, Slot

ALIGNMENT = 64
CHANGES_FIRST = ("scatter_nd", "dynamic_update_slice")
"""Kernels whose output may be their first input, changed in place."""
STORE = 0
"""The kind of a chain's output that is no reduction."""


def write_over_dying(function: FunctionWriter, last: dict[int, int]) -> None:
    """Let each fused chain write its results over inputs that nobody reads later, where it reads them in the same order."""
    for time, item in enumerate(function.instructions):
        if item.kernel in CHANGES_FIRST:
            _change_dying(function, item, time, last)
        if item.kernel not in ("fused", "fused_reduce"):
            continue
        dying = _dying(function, item, time, last)
        kinds = item.attributes[-3 * len(item.outputs) + 2 :: 3]
        for output, kind in zip(item.outputs, kinds, strict=True):
            slot = function.slots[output]
            if (
                not _has_own_bytes(slot)
                or kind != STORE
                or (item.kernel == "fused_reduce" and not slot.spec.dtype.is_floating)
            ):
                continue
            for root, given in list(dying.items()):
                spec, held = function.slots[given].spec, function.slots[root]
                if (
                    spec.dtype == slot.spec.dtype
                    and spec.shape == slot.spec.shape
                    and held.storage == slot.storage
                    and root < output
                    and given < output
                ):
                    slot.storage, slot.location = ALIAS, given
                    last[root] = max(last[root], last.pop(output, time))
                    del dying[root]
                    break


def _has_own_bytes(slot: Slot) -> bool:
    """Return whether a kernel gives this slot new bytes: no output that must last, nothing that may be shared as a variable's value is."""
    if slot.storage == HEAP:
        return not slot.spec.is_static and not slot.flags & BINDING and slot.spec.dtype not in WITHOUT_BYTES
    return slot.storage == ARENA


def _change_dying(function: FunctionWriter, item: Instruction, time: int, last: dict[int, int]) -> None:
    """Let a kernel that changes some elements change those of its first input, which nobody reads later."""
    given, output = item.inputs[0], item.outputs[0]
    root, slot = function.root(given), function.slots[output]
    held = function.slots[root]
    if (
        held.storage != ARENA
        or slot.storage not in (ARENA, HEAP)
        or last.get(root) != time
        or [function.root(i) for i in item.inputs if i >= 0].count(root) != 1
        or function.slots[given].spec != slot.spec
        or not slot.spec.is_static
        or given > output
    ):
        return
    held.storage = slot.storage
    slot.storage, slot.location = ALIAS, given
    last[root] = max(time, last.pop(output, time))


def _dying(function: FunctionWriter, item: Instruction, time: int, last: dict[int, int]) -> dict[int, int]:
    """Return the inputs, by their roots, that end with this instruction and are read once, densely."""
    roots = [function.root(i) for i in item.inputs]
    rank = item.attributes[1]
    assert isinstance(rank, int)
    dims = item.attributes[8 : 8 + rank]
    # What is reduced as it comes is read once more after the tile's results are stored.
    reduced = set(item.attributes[-3 * len(item.outputs) :: 3])
    found: dict[int, int] = {}
    for k, (given, root) in enumerate(zip(item.inputs, roots, strict=True)):
        at = 8 + rank + k * (2 + rank)
        if (
            _has_own_bytes(function.slots[root])
            and last.get(root) == time
            and roots.count(root) == 1
            and k not in reduced
            and item.attributes[at + 1] == 0
            and _is_dense(dims, item.attributes[at + 2 : at + 2 + rank])
        ):
            found[root] = given
    return found


def _is_dense(dims: Sequence[Size], strides: Sequence[Size]) -> bool:
    step: Size = 1
    for n, stride in zip(reversed(dims), reversed(strides), strict=True):
        if n != 1 and stride != step:
            return False
        step = step * n
    return True


def place(function: FunctionWriter, first: dict[int, int], last: dict[int, int]) -> None:
    """Place large slots first, each in the smallest gap that is free during its whole life."""
    sizes: dict[int, int] = {}
    for index, slot in enumerate(function.slots):
        if slot.storage == ARENA and index in first:
            count = evaluate(slot.spec.count or 0)
            sizes[index] = max(ALIGNMENT, -(-count * slot.spec.dtype.size // ALIGNMENT) * ALIGNMENT)
    order = sorted(sizes, key=lambda i: (-sizes[i], first[i]))
    begins, ends, lows, highs = (np.zeros(len(order), np.int64) for _ in range(4))
    arena = 0
    for k, index in enumerate(order):
        begin, end, size = first[index], last[index], sizes[index]
        (others,) = np.nonzero((begins[:k] <= end) & (ends[:k] >= begin))
        offset = _best_gap(lows[others], highs[others], size)
        begins[k], ends[k], lows[k], highs[k] = begin, end, offset, offset + size
        function.slots[index].location = offset
        arena = max(arena, offset + size)
    function.arena_bytes = arena


def _best_gap(lows: np.ndarray, highs: np.ndarray, size: int) -> int:
    if not len(lows):
        return 0
    order = np.argsort(lows)
    starts = np.concatenate([[0], np.maximum.accumulate(highs[order])])
    gaps = lows[order] - starts[:-1]
    (fitting,) = np.nonzero(gaps >= size)
    best = fitting[np.argmin(gaps[fitting])] if len(fitting) else len(order)
    return int(starts[best])
