"""How many rows the batches of a dataset have, read off its element spec or its stages without running it.

What shards a dataset asks this. A last batch of fewer rows does not count.
"""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.data.leaves import leaf_specs, shape_of
from millstream.data.stage import Stage
from millstream.execution.convert import to_tensor

UNKNOWN_SIZE = -1
_JOINING = frozenset({"Batch", "PaddedBatch"})
_OF_EACH_INPUT = frozenset({"Zip", "Concatenate"})
_PASSING = frozenset({"AssertCardinality", "Cache", "Filter", "Prefetch", "Repeat", "Shard", "Shuffle", "Skip", "Take"})
"""Stages whose batches are those of their input."""


def batch_size_of(stage: Stage) -> Any:
    """Return the rows of each batch as an int64 tensor; -1 where they are not known, or differ between components.

    Raises IndexError where a component has no axis, as TensorFlow does.
    """
    shapes = [shape_of(spec) for spec in leaf_specs(stage.spec)]
    sizes = [None if shape.rank is None else shape.as_list()[0] for shape in shapes]
    if None in sizes:
        return to_tensor(_joined_by(stage), dtypes.int64)
    return to_tensor(sizes[0] if len(set(sizes)) == 1 else UNKNOWN_SIZE, dtypes.int64)


def _joined_by(stage: Stage) -> Any:
    """Return the size that the last batching stage was given, where nothing after it changes its batches."""
    if stage.name in _JOINING:
        return stage.values["size"]
    if stage.name in _OF_EACH_INPUT:
        found = {int(_joined_by(before)) for before in stage.inputs}
        return found.pop() if len(found) == 1 else UNKNOWN_SIZE
    return _joined_by(stage.input) if stage.name in _PASSING else UNKNOWN_SIZE


def size_given(stage: Stage) -> Any:
    """Return the size that a batching stage was given, as an int64 tensor; AttributeError where it is none."""
    if stage.name not in _JOINING:
        raise AttributeError(f"'{stage.name}Dataset' object has no attribute '_batch_size'")
    return to_tensor(stage.values["size"], dtypes.int64)
