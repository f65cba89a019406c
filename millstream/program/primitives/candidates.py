"""State the random primitives that draw candidates, shuffle indices, and draw normal numbers between bounds; and isotonic."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.sizes import Size
from millstream.base.spec import Spec
from millstream.program import candidates as meanings
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import primitive
from millstream.program.primitives.linear import dot
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import broadcast
from millstream.program.value import Value, emit


def _nothing_back(dy: Any, y: Any, *inputs: Value, **_: Any) -> tuple[None, ...]:
    return (None,) * len(inputs)


def _candidates_infer(classes: Spec, key: Spec, counter: Spec, weights: Spec, count: int, **_: Any) -> tuple[Spec, ...]:
    return Spec(dtypes.int64, (count,)), Spec(dtypes.float32, classes.shape), Spec(dtypes.float32, (count,))


CANDIDATES = primitive(
    "random_candidates", _candidates_infer, meanings.candidates, _nothing_back, effects=True, outputs=3
)


def random_candidates(
    classes: Value,
    key: Value,
    counter: Value,
    weights: Value,
    *,
    kind: str,
    unique: bool,
    limit: int,
    count: int,
    identity: tuple[int, int, int, int],
) -> tuple[Value, Value, Value]:
    """Return sampled classes below `limit`, and how often the given classes and the sampled ones are expected.

    `identity` names what kind "learned" has learned so far; nothing where its first number is -1.
    """
    attributes = {"kind": kind, "unique": unique, "limit": limit, "count": count, "identity": identity}
    sampled, of_classes, of_sampled = emit(CANDIDATES, classes, key, counter, weights, **attributes)
    return sampled, of_classes, of_sampled


def _shuffle_meaning(index: np.ndarray, seed: np.ndarray, most: np.ndarray, rounds: int) -> np.ndarray:
    found = [meanings.shuffled_index(int(i), s, int(m), rounds) for i, s, m in zip(index, seed, most, strict=True)]
    return np.array(found, np.uint64)


INDEX_SHUFFLE = primitive(
    "random_index_shuffle", lambda index, seed, most, rounds: index, _shuffle_meaning, _nothing_back
)


def random_index_shuffle(index: Value, seed: Value, most: Value, rounds: int) -> Value:
    """Return where elements `index` (uint64 [n]) go when 0 … most are shuffled by seeds uint32 [n, 3]."""
    return emit(INDEX_SHUFFLE, index, seed, most, rounds=rounds)[0]


def _bounded_meaning(key: np.ndarray, counter: np.ndarray, *given: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    with np.errstate(all="ignore"):
        return meanings.bounded_normal(key, counter, shape, *given)


BOUNDED_NORMAL = primitive(
    "random_bounded_normal",
    lambda key, counter, means, deviations, least, most, shape: Spec(means.dtype, shape),
    _bounded_meaning,
    _nothing_back,
)


def random_bounded_normal(key: Value, counter: Value, parameters: tuple[Value, ...], shape: tuple[Size, ...]) -> Value:
    """Return normal numbers by means, deviations, least and most: of one shape, with which `shape` ends."""
    return emit(BOUNDED_NORMAL, key, counter, *parameters, shape=shape)[0]


def _isotonic_meaning(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, segments = np.empty_like(x), np.empty(x.shape, np.int32)
    for row, values in enumerate(x):
        pools: list[tuple[Any, int]] = []
        for value in values:
            total, count = value, 1
            while pools and pools[-1][0] / pools[-1][1] < total / count:
                total, count = total + pools[-1][0], count + pools[-1][1]
                pools.pop()
            pools.append((total, count))
        y[row] = [t / x.dtype.type(n) for t, n in pools for _ in range(n)]
        segments[row] = [i for i, (_, n) in enumerate(pools) for _ in range(n)]
    return y, segments


def _isotonic_reverse(dy: tuple[Value, Value], y: tuple[Value, Value], x: Value) -> tuple[Value]:
    segments, n = y[1], x.shape[1]
    wide = (x.shape[0], n, n)
    alike = e.compare(broadcast(segments, wide, (0, 1)), broadcast(segments, wide, (0, 2)), "EQ")
    weight = e.convert(alike, x.dtype)
    total = dot(weight, dy[0], contract=((2,), (1,)), batch=((0,), (0,)))
    return (total / reduce(weight, "sum", (2,)),)


ISOTONIC = primitive(
    "isotonic",
    lambda x: (Spec(x.dtype, x.shape), Spec(dtypes.int32, x.shape)),
    _isotonic_meaning,
    _isotonic_reverse,
    outputs=2,
)


def isotonic(x: Value) -> tuple[Value, Value]:
    """Return the rows [rows, n] that do not rise and are nearest to x, and which run of equal values elements are in."""
    y, segments = emit(ISOTONIC, x)
    return y, segments
