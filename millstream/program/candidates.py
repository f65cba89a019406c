"""Say in Python which candidates, shuffled places and bounded normal numbers TensorFlow's kernels draw from Philox."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from millstream.base.errors import InvalidArgumentError, explain
from millstream.program import random_numbers as numbers

KINDS = ("uniform", "log_uniform", "learned", "fixed", "all")
"""The kinds of samplers, in the order of the kernel's numbers."""

_learned: dict[tuple[int, ...], np.ndarray] = {}


def forget_learned() -> None:
    """Make the learned samplers begin again."""
    _learned.clear()


def _words(key: np.ndarray, counter: np.ndarray) -> Iterator[int]:
    while True:
        yield from (int(w) for w in numbers.philox_bits(int(key[0]), counter, 4))
        counter = numbers.skip(counter, 1)


def _below(n: int, draw: Callable[[], int], bits: int) -> int:
    if n & (n - 1) == 0:
        return draw() & (n - 1)
    least = (2**bits - 1) % n + 1
    while True:
        word = draw()
        if word >= least:
            return word % n


def _shares(weights: np.ndarray) -> tuple[list[np.float32], list[int]]:
    """Return, as Walker's method has it, each class's share of its place and the class that has the rest."""
    n = len(weights)
    total = float(np.sum(weights, dtype=np.float64))
    share = [float(w * np.float32(n)) / total for w in weights]
    other = [-1] * n
    high, low = [i for i in range(n) if share[i] >= 1], [i for i in range(n) if share[i] < 1]
    while high and low:
        small, large = low.pop(), high.pop()
        other[small] = large
        share[large] -= 1 - share[small]
        (low if share[large] < 1 else high).append(large)
    narrow = [np.float32(s) for s in share]
    for i in high + low:
        narrow[i], other[i] = np.float32(1), i
    return narrow, other


def candidates(
    classes: np.ndarray,
    key: np.ndarray,
    counter: np.ndarray,
    weights: np.ndarray,
    kind: str,
    unique: bool,
    limit: int,
    count: int,
    identity: tuple[int, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sampled classes, and how often the given and the sampled ones are expected."""
    outside = [int(c) for c in classes.reshape(-1) if not 0 <= c < limit]
    if outside:
        raise InvalidArgumentError(
            None, None, explain(f"`true_candidate` out of range [0, {limit}), received {outside[0]}")
        )
    if kind == "all":
        return np.arange(count), np.ones(classes.shape, np.float32), np.ones(count, np.float32)
    words = _words(key, counter)
    short: Callable[[], int] = words.__next__

    def long() -> int:
        low = next(words)
        return low | next(words) << 32

    seen = np.ones(limit, np.int64)
    if kind == "learned" and identity[0] >= 0:
        seen = _learned.setdefault((limit, *identity), seen)
    sums = np.cumsum(seen)
    share, other = _shares(weights) if kind == "fixed" else ([], [])
    width = math.log1p(limit)
    total = np.float32(0)
    for weight in weights:
        total += weight

    def draw() -> int:
        if kind == "uniform":
            return _below(limit, long, 64)
        if kind == "log_uniform":
            high = next(words)
            place = float(numbers.doubles(np.array([high, next(words)], np.uint32))[0])
            return (int(math.exp(place * width)) - 1) % limit
        if kind == "learned":
            return int(np.searchsorted(sums, _below(int(sums[-1]), short, 32), side="right"))
        place = numbers.floats(np.array([next(words)], np.uint32))[0]
        i = _below(len(share), short, 32)
        return i if place < share[i] else other[i]

    def probability(value: int) -> np.float32:
        if kind == "uniform":
            return np.float32(1 / limit)
        if kind == "log_uniform":
            return np.float32(math.log((value + 2) / (value + 1)) / width)
        if kind == "learned":
            return np.float32(seen[value]) / np.float32(sums[-1])
        return np.float32(weights[value] / total)

    sampled: list[int] = []
    tries = 0
    while len(sampled) < count:
        tries += 1
        value = draw()
        if not unique or value not in sampled:
            sampled.append(value)

    def expected(value: int) -> np.float32:
        p = probability(value)
        return p * np.float32(count) if tries == count else -np.expm1(np.float32(tries) * np.log1p(-p))

    of_classes = [expected(int(c)) for c in classes.reshape(-1)]
    of_sampled = [expected(c) for c in sampled]
    if kind == "learned":
        np.add.at(seen, classes.reshape(-1), 1)
    return (
        np.array(sampled, np.int64),
        np.array(of_classes, np.float32).reshape(classes.shape),
        np.array(of_sampled, np.float32),
    )


def shuffled_index(index: int, seed: Any, most: int, rounds: int) -> int:
    """Return where element `index` goes when 0 … most are shuffled: by the Simon cipher, walked until it comes inside."""
    if index > most:
        raise InvalidArgumentError(None, None, explain(f"index {index} is above max_index {most}."))
    if most == 0:
        return 0
    bits = math.ceil(math.log2(most))
    width = min(64, max(bits + bits % 2, 16)) // 2
    mask = 2**width - 1

    def turned(x: int, by: int) -> int:
        return (x << by | x >> (width - by)) & mask

    def mixed(x: int) -> int:
        return (turned(x, 1) & turned(x, 8)) ^ turned(x, 2)

    keys, pattern = [int(k) & mask for k in seed], 0x7369F885192C0EF5 & mask
    for i in range(3, rounds):
        last = keys[-1]
        keys.append(
            (0xFFFFFFFC & mask) ^ (pattern & 1) ^ keys[i - 3] ^ turned(last, width - 3) ^ turned(last, width - 4)
        )
        pattern >>= 1
    while True:
        left, right = index >> width & mask, index & mask
        for i in range(0, rounds, 2):
            left ^= mixed(right) ^ keys[i]
            right ^= mixed(left) ^ keys[i + 1]
        index = left << width | right
        if index <= most:
            return index


def bounded_normal(key: np.ndarray, counter: np.ndarray, shape: tuple[int, ...], *parameters: np.ndarray) -> np.ndarray:
    """Return normal numbers of means and deviations between least and most."""
    dtype = parameters[0].dtype
    lanes = 2 if dtype == np.float64 else 4
    batches = parameters[0].size
    samples = int(np.prod(shape)) // batches if batches else 0
    out = np.zeros((samples, batches), dtype)
    kind = dtype.type

    def block(draw: Any) -> np.ndarray:
        nonlocal counter
        found = draw(int(key[0]), counter, (lanes,), dtype)
        counter = numbers.skip(counter, 1)
        return np.asarray(found)

    for b in range(batches if samples else 0):
        mean, deviation, low, high = (p.reshape(-1)[b] for p in parameters)
        if not (deviation > 0 and low < high and (np.isfinite(low) or np.isfinite(high))):
            raise InvalidArgumentError(None, None, explain("Invalid parameters"))
        if (np.isinf(low) and low < 0) or high < mean:
            low, high, deviation = high, low, -deviation
        least, most = (low - mean) / deviation, (high - mean) / deviation
        root = np.sqrt(least * least + kind(4))
        cutoff = kind(2) * np.exp(kind(0.5) + (least * (least - root)) / kind(4)) / (least + root)
        made = 0
        while made < samples:
            if (least < -kind(1.3) and most >= 0) or (most > kind(1.3) and least <= 0):
                found = [z for z in block(numbers.normal) if least <= z <= most]
            elif most - least < cutoff:
                plus = kind(0) if least < 0 else least * least
                z = block(numbers.uniform) * (most - least) + least
                found = list(z[block(numbers.uniform) <= np.exp((plus - z * z) / kind(2))])
            else:
                alpha = (least + np.sqrt(least * least + kind(4))) / kind(2)
                place = block(numbers.uniform)
                z = -np.log(place[::2]) / alpha + least
                x = alpha - z if least < alpha else np.full_like(z, least - alpha)
                found = list(z[(place[1::2] <= np.exp(-x * x / kind(2))) & (z < most)])
            for z in found[: samples - made]:
                out[made, b] = z * deviation + mean
                made += 1
    return out.reshape(shape)
