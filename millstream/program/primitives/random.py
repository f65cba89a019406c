"""State the random primitives: bits, distributions, permutations and counters of Philox, number for number TensorFlow's."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import Size
from millstream.base.spec import Spec
from millstream.program import random_numbers as numbers
from millstream.program.candidates import forget_learned
from millstream.program.primitives.core import primitive, refuse
from millstream.program.primitives.shaping import scalar_size
from millstream.program.value import Program, Value, current_program, emit

KINDS = (
    "uniform",
    "normal",
    "truncated_normal",
    "uniform_int",
    "uniform_full_int",
    "gamma",
    "poisson",
    "binomial",
    "multinomial",
)
"""The kinds of distributions, in the order of the kernel's numbers."""

Shape = tuple[Size, ...]
_KEY = Spec(dtypes.uint64, (1,))
_COUNTER = Spec(dtypes.uint64, (2,))


def _no_adjoints(dy: Any, y: Any, *inputs: Value, **_: Any) -> tuple[None, ...]:
    return (None,) * len(inputs)


def _seed_infer(seed: Spec) -> tuple[Spec, Spec]:
    if seed.shape is not None and (len(seed.shape) != 1 or (isinstance(seed.shape[0], int) and seed.shape[0] != 2)):
        raise refuse("seed must have shape [2]", f"shape {list(seed.shape)}", "give two whole numbers")
    return _KEY, _COUNTER


KEY_COUNTER = primitive(
    "random_key_counter", _seed_infer, lambda seed: numbers.key_counter(seed), _no_adjoints, outputs=2
)


def random_key_counter(seed: Value) -> tuple[Value, Value]:
    """Return the key (uint64 [1]) and the counter (uint64 [2]) of a seed of two whole numbers."""
    key, counter = emit(KEY_COUNTER, seed)
    return key, counter


BITS = primitive(
    "random_bits",
    lambda key, counter, shape, dtype, algorithm: Spec(dtype, shape),
    lambda key, counter, shape, dtype, algorithm: numbers.bits(
        algorithm, int(key[0]), counter, shape, dtype.as_numpy_dtype
    ),
    _no_adjoints,
)


def random_bits(key: Value, counter: Value, shape: Shape, dtype: DType, algorithm: int) -> Value:
    """Return raw bits as uint32 or uint64, in TensorFlow's order of blocks."""
    return emit(BITS, key, counter, shape=tuple(shape), dtype=dtype, algorithm=algorithm)[0]


SKIP = primitive(
    "random_skip",
    lambda counter, delta, algorithm: Spec(counter.dtype, counter.shape),
    lambda counter, delta, algorithm: numbers.skip(counter, int(delta), algorithm),
    _no_adjoints,
)


def random_skip(counter: Value, delta: Value, algorithm: int = numbers.PHILOX) -> Value:
    """Return the counter moved on by `delta` (uint64 scalar) blocks."""
    return emit(SKIP, counter, delta, algorithm=algorithm)[0]


PERMUTATION = primitive(
    "random_permutation",
    lambda key, counter, count, algorithm: Spec(dtypes.int64, (count,)),
    lambda key, counter, count, algorithm: numbers.permutation(int(key[0]), counter, int(count)),
    _no_adjoints,
)


def random_permutation(key: Value, counter: Value, count: Size, algorithm: int = numbers.PHILOX) -> Value:
    """Return the order in which TensorFlow's shuffle takes `count` rows."""
    return emit(PERMUTATION, key, counter, count=count, algorithm=algorithm)[0]


def _distribution_meaning(
    key: np.ndarray,
    counter: np.ndarray,
    *given: np.ndarray,
    kind: str,
    shape: tuple[int, ...],
    dtype: DType,
    algorithm: int,
) -> np.ndarray:
    number, element = int(key[0]), dtype.as_numpy_dtype
    match kind:
        case "uniform":
            return numbers.uniform(number, counter, shape, element)
        case "normal":
            return numbers.normal(number, counter, shape, element)
        case "truncated_normal":
            return numbers.truncated_normal(number, counter, shape, element)
        case "uniform_int":
            return numbers.uniform_int(number, counter, shape, int(given[0]), int(given[1]), element)
        case "uniform_full_int":
            return numbers.full_int(number, counter, shape, element)
        case "gamma":
            return numbers.gamma(number, counter, shape, given[0])
        case "poisson":
            return numbers.poisson(number, counter, shape, given[0], element)
        case "binomial":
            return numbers.binomial(number, counter, shape, given[0], given[1], element)
        case "multinomial":
            return numbers.multinomial(number, counter, given[0], shape[1], element)
    raise ValueError(f"random_distribution: kind {kind!r}; choose one of {', '.join(KINDS)}.")


DISTRIBUTION = primitive(
    "random_distribution",
    lambda key, counter, *given, kind, shape, dtype, algorithm: Spec(dtype, shape),
    _distribution_meaning,
    _no_adjoints,
)


def random_distribution(
    kind: str, shape: Shape, dtype: DType, key: Value, counter: Value, *given: Value, algorithm: int = numbers.PHILOX
) -> Value:
    """Return random numbers of a kind of `KINDS`."""
    if algorithm not in (numbers.PHILOX, numbers.AUTO_SELECT):
        raise refuse("Unsupported algorithm id", str(algorithm), "give 1 (philox) or 3 (auto_select)")
    return emit(DISTRIBUTION, key, counter, *given, kind=kind, shape=tuple(shape), dtype=dtype, algorithm=algorithm)[0]


_streams: dict[tuple[int, int, int, int], tuple[np.ndarray, np.ndarray]] = {}


def forget_streams() -> None:
    """Make the reference back end's counters begin again."""
    _streams.clear()
    forget_learned()


def _next_meaning(delta: np.ndarray, origin: int, ordinal: int, seed: int, seed2: int) -> tuple[np.ndarray, np.ndarray]:
    name = (origin, ordinal, seed, seed2)
    if name not in _streams:
        begin = (seed, seed2) if seed or seed2 else (numbers.fresh(64), numbers.fresh(64))
        _streams[name] = numbers.stateful_start(*begin)
    key, counter = _streams[name]
    _streams[name] = key, numbers.skip(counter, int(delta))
    return key, counter


NEXT = primitive(
    "random_next",
    lambda delta, origin, ordinal, seed, seed2: (_KEY, _COUNTER),
    _next_meaning,
    _no_adjoints,
    effects=True,
    outputs=2,
)


_origins: weakref.WeakKeyDictionary[Program, int] = weakref.WeakKeyDictionary()
_origin_numbers = itertools.count(1)


def random_next(blocks: Size, seed: int, seed2: int) -> tuple[Value, Value]:
    """Return key and counter of a stream that begins at these seeds, and move it on by `blocks`.

    Each use in a compiled program has its own stream, which is kept when that program is compiled again for other shapes.
    """
    program = current_program()
    origin = getattr(program, "origin", None)
    number, ordinal = 0, 0
    if origin is not None:
        if origin not in _origins:
            _origins[origin] = next(_origin_numbers)
        number, ordinal = _origins[origin], next(program.ordinals)  # type: ignore[attr-defined]
    seeds = {"seed": _signed(seed), "seed2": _signed(seed2)}
    key, counter = emit(NEXT, blocks_value(blocks), origin=number, ordinal=ordinal, **seeds)
    return key, counter


def _signed(word: int) -> int:
    return (word + 2**63) % 2**64 - 2**63


def blocks_value(blocks: Size) -> Value:
    """Return a count of blocks as a uint64 scalar."""
    return scalar_size(blocks, dtypes.uint64)
