"""The global seed, the seeds that each random op gets from it, and the streams of random ops that run at once."""

from __future__ import annotations

import random
import threading
import weakref
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.context import current_graph
from millstream.execution.tensor import eager_constant
from millstream.program.primitives.random import forget_streams
from millstream.program.random_numbers import fresh

DEFAULT_SEED = 87654321
"""What stands for the global seed where only the op has one; TensorFlow's number."""

LARGEST = 2**31 - 1


class _Seeds:
    """What `tf.random.set_seed` set, and how far its numbers are used."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.generator = random.Random()
        self.lock = threading.Lock()
        self.streams: dict[Any, tuple[Any, int]] = {}
        self.graph_seeds: weakref.WeakKeyDictionary[Any, int | None] = weakref.WeakKeyDictionary()
        self.graph_counts: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


_seeds = _Seeds()


def set_global_seed(seed: Any) -> None:
    """Set the global seed (None: none); all streams begin again. Inside a trace it is the graph's seed alone."""
    graph = current_graph()
    if graph is not None:
        if graph.building_function:
            _seeds.graph_seeds[graph] = seed
        else:
            graph.seed = seed
        return
    with _seeds.lock:
        _seeds.seed = seed
        try:
            _seeds.generator = random.Random(seed)
        except TypeError:
            _seeds.seed = int(np.asarray(seed))
            _seeds.generator = random.Random(_seeds.seed)
        _seeds.streams.clear()
        forget_streams()
        runtime.forget_random_states()


def global_seed() -> int | None:
    """Return the global seed; inside a trace that of the graph, which it has from what was around it."""
    graph = current_graph()
    while graph is not None:
        if not graph.building_function:
            return graph.seed  # type: ignore[no-any-return]
        if graph in _seeds.graph_seeds:
            return _seeds.graph_seeds[graph]
        graph = graph.outer
    return _seeds.seed


def drawn_seed() -> int:
    """Return the seed of an op that runs at once and has none itself."""
    with _seeds.lock:
        return _seeds.generator.randint(0, LARGEST)


def op_seeds(op_seed: Any) -> tuple[int | None, int | None]:
    """Return the two seeds of an op whose caller gave `op_seed`; None, None where any number will do."""
    overall = global_seed()
    if overall is None:
        if op_seed is None:
            return None, None
        seeds = DEFAULT_SEED, _number(op_seed) % LARGEST
    else:
        if op_seed is None:
            graph = current_graph()
            if graph is None:
                op_seed = drawn_seed()
            else:
                op_seed = _seeds.graph_counts.get(graph, 0)
                _seeds.graph_counts[graph] = op_seed + 1
        seeds = int(overall) % LARGEST, _number(op_seed) % LARGEST
    return (0, LARGEST) if seeds == (0, 0) else seeds


def take(name: Any, seed: Any, blocks: int) -> tuple[Any, Any]:
    """Return key and counter for an op that runs at once, and move its stream on by `blocks`.

    Ops of one name (with their element types) and equal seeds share a stream.
    """
    first, second = op_seeds(seed)
    if first is None or second is None:
        stream: tuple[Any, ...] = (name, None)
    elif seed is None:
        # A seed that was drawn is not drawn again: nothing has to be kept.
        return _word(first), _counter(second << 64)
    else:
        stream = (name, first, second)
    with _seeds.lock:
        found = _seeds.streams.get(stream)
        if found is None:
            if first is None or second is None:
                found = _word(fresh(64)), fresh(128)
            else:
                found = _word(first), second << 64
        key, counter = found
        _seeds.streams[stream] = key, (counter + blocks) % 2**128
    return key, _counter(counter)


def _number(seed: Any) -> int:
    try:
        return int(seed)
    except ValueError:
        raise ValueError(explain(f"seed={seed!r}; give a whole number.")) from None


def _word(number: int) -> Any:
    return eager_constant(np.array([number], np.uint64), dtypes.uint64)


def _counter(number: int) -> Any:
    return eager_constant(np.array([number % 2**64, number >> 64], np.uint64), dtypes.uint64)
