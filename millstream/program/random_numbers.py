"""Say in NumPy which random numbers TensorFlow's CPU kernels make: Philox 4x32-10, distributions, generator states.

Bits, uniform and whole numbers are equal bit for bit; those that go through log, sin or cos agree to the last place or two,
as NumPy's functions and the C library's do. ThreeFry serves bits only: on CPU TensorFlow has no distribution of it.

How the stateful ops use a counter:
- RandomUniform and the like (attributes seed, seed2) begin with `stateful_start(seed, seed2)`; each run takes its numbers at the
  present counter and then skips `reserved(op, ...)`. Equal ops that run eagerly with equal attributes share one counter
  until `tf.random.set_seed`.
- tf.random.Generator holds int64 [counter low, counter high, key] (`generator_state`); RngReadAndSkip and RngSkip with
  `delta` skip 256 * delta, StatefulUniform and the like skip 256 * count.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

PHILOX = 1
THREEFRY = 2
AUTO_SELECT = 3

Array = NDArray[Any]

_LOW = np.uint64(0xFFFFFFFF)
_THIRTY_TWO = np.uint64(32)
_MASK = (1 << 64) - 1


def unsigned(value: int) -> int:
    """Return the 64 bits of `value` as a number that is not negative."""
    return int(value) & _MASK


def fresh(bits: int) -> int:
    """Return a number of so many bits that nobody can foretell, from the operating system."""
    # Not by `secrets`, which loads OpenSSL: 3 ms and 2 MB of each start.
    return int.from_bytes(os.urandom(bits // 8), "little")


def philox_blocks(key: int, counters: Array) -> Array:
    """Encrypt `counters` (uint64 [n, 2], low half first) into uint32 [n, 4]."""
    a, b = counters[:, 0] & _LOW, counters[:, 0] >> _THIRTY_TWO
    c, d = counters[:, 1] & _LOW, counters[:, 1] >> _THIRTY_TWO
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p = a * np.uint64(0xD2511F53)
        q = c * np.uint64(0xCD9E8D57)
        a = (q >> _THIRTY_TWO) ^ b ^ np.uint64(k0)
        c = (p >> _THIRTY_TWO) ^ d ^ np.uint64(k1)
        b, d = q & _LOW, p & _LOW
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([a, b, c, d], axis=1).astype(np.uint32)


def _counters(counter: Array, offsets: Array) -> Array:
    """Add each of `offsets` (uint64) to the 128-bit `counter` (uint64 [2])."""
    low = np.uint64(counter[0]) + offsets
    high = np.uint64(counter[1]) + (low < offsets).astype(np.uint64)
    return np.stack([low, high], axis=1)


def philox_bits(key: int, counter: Array, count: int) -> Array:
    """Return the first `count` 32-bit words from `counter` on."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    return philox_blocks(unsigned(key), _counters(counter, blocks)).reshape(-1)[:count]


def threefry_bits(key: int, counter: Array, count: int) -> Array:
    """Return the first `count` 32-bit words of ThreeFry 2x32-20 from the 64-bit `counter[0]` on."""
    counters = np.uint64(counter[0]) + np.arange((count + 1) // 2, dtype=np.uint64)
    key = unsigned(key)
    keys = [np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)]
    keys.append(keys[0] ^ keys[1] ^ np.uint32(0x1BD11BDA))
    x = (counters & _LOW).astype(np.uint32) + keys[0]
    y = (counters >> _THIRTY_TWO).astype(np.uint32) + keys[1]
    turns = (13, 15, 26, 6, 17, 29, 16, 24)
    for i in range(20):
        x = x + y
        turn = turns[i % 8]
        y = ((y << np.uint32(turn)) | (y >> np.uint32(32 - turn))) ^ x
        if i % 4 == 3:
            step = i // 4 + 1
            x = x + keys[step % 3]
            y = y + keys[(step + 1) % 3] + np.uint32(step)
    return np.stack([x, y], axis=1).reshape(-1)[:count]


def bits(algorithm: int, key: int, counter: Array, shape: tuple[int, ...], dtype: Any = np.uint32) -> Array:
    """Return raw bits as uint32 or uint64, in TensorFlow's order of blocks."""
    if algorithm not in (PHILOX, THREEFRY, AUTO_SELECT):
        raise ValueError(f"Unsupported algorithm id: {algorithm}")
    count = math.prod(shape)
    make = threefry_bits if algorithm == THREEFRY else philox_bits
    if np.dtype(dtype).itemsize == 4:
        return make(key, counter, count).reshape(shape)
    return _pairs(make(key, counter, 2 * count)).reshape(shape)


def _pairs(words: Array) -> Array:
    return words[0::2].astype(np.uint64) | (words[1::2].astype(np.uint64) << _THIRTY_TWO)


def key_counter(seed: Array) -> tuple[Array, Array]:
    """Return key uint64 [1] and counter uint64 [2] of a seed of two whole numbers (StatelessRandomGetKeyCounter)."""
    first, second = (unsigned(x) for x in np.asarray(seed).tolist())
    words = philox_blocks(0x02461E293EC8F720, np.array([[first, second]], np.uint64))[0]
    halves = _pairs(words)
    return halves[:1].copy(), np.array([0, halves[1]], np.uint64)


def skip(counter: Array, delta: int, algorithm: int = PHILOX) -> Array:
    """Move the counter `delta` blocks on."""
    if algorithm == THREEFRY:
        moved = counter.copy()
        moved[0] = unsigned(int(counter[0]) + delta)
        return moved
    total = (int(counter[0]) | int(counter[1]) << 64) + delta
    return np.array([unsigned(total), unsigned(total >> 64)], np.uint64)


def stateful_start(seed: int, seed2: int) -> tuple[Array, Array]:
    """Return the key and counter with which a stateful op of these attributes begins; both 0 means any seed."""
    return np.array([unsigned(seed)], np.uint64), np.array([0, unsigned(seed2)], np.uint64)


def generator_state(seed: int) -> Array:
    """Return the state of tf.random.Generator.from_seed(seed, alg="philox"): counter low, counter high, key."""
    sign = -1 if seed < 0 else 0
    return np.array([seed, sign, sign], np.int64)


def reserved(op: str, count: int, *, samples: int = 0) -> int:
    """Return how many blocks a stateful op skips when it makes `count` outputs.

    op: RandomShuffle (count: rows), Multinomial (count: batch, `samples` for each), StatefulRandomBinomial (count: parameters,
    `samples` for each), or any other.
    """
    if op == "RandomShuffle":
        return (max(count - 1, 0) + 3) // 4
    if op == "Multinomial":
        return count * ((samples + 3) // 4 * 4) * 2 * 256
    if op == "StatefulRandomBinomial":
        return count * 2 * 100 * (samples + 3) // 4 * 256
    return count * 256


def doubles(words: Array) -> Array:
    high, low = words[0::2].astype(np.uint64), words[1::2].astype(np.uint64)
    mantissa = ((high & np.uint64(0xFFFFF)) << _THIRTY_TWO) | low
    return (mantissa | np.uint64(0x3FF0000000000000)).view(np.float64) - 1.0


def floats(words: Array) -> Array:
    return ((words & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def _from_words(words: Array, dtype: np.dtype[Any]) -> Array:
    if dtype == np.float64:
        return doubles(words)
    if dtype == np.float32:
        return floats(words)
    places = 10 if dtype == np.float16 else 7
    return ((words & np.uint32((1 << places) - 1)).astype(np.float32) / np.float32(1 << places)).astype(dtype)


def _words_for(dtype: np.dtype[Any]) -> int:
    return 2 if dtype.itemsize == 8 else 1


def uniform(key: int, counter: Array, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Return numbers in [0, 1) (StatelessRandomUniformV2)."""
    dtype = np.dtype(dtype)
    count = math.prod(shape)
    return _from_words(philox_bits(key, counter, count * _words_for(dtype)), dtype).reshape(shape)


def _box_muller(words: Array, dtype: np.dtype[Any]) -> Array:
    """Turn uniform words into normal numbers, in pairs; float64 or float32."""
    if dtype == np.float64:
        u = doubles(words)
        radius = np.sqrt(-2.0 * np.log(np.maximum(u[0::2], 1.0e-7)))
        angle = 2.0 * math.pi * u[1::2]
        return np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=1).reshape(-1)
    # The C library's float functions are right almost to the last place: so is float64, rounded.
    u = floats(words)
    low = np.maximum(u[0::2], np.float32(1.0e-7)).astype(np.float64)
    radius = np.sqrt(np.float32(-2) * np.log(low).astype(np.float32))
    angle = (2.0 * math.pi * u[1::2].astype(np.float64)).astype(np.float32).astype(np.float64)
    sine, cosine = np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)
    return np.stack([sine * radius, cosine * radius], axis=1).reshape(-1)


def normal(key: int, counter: Array, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Return normal numbers of mean 0 and deviation 1 (StatelessRandomNormalV2)."""
    dtype = np.dtype(dtype)
    count, words = math.prod(shape), _words_for(dtype)
    blocks = (count * words + 3) // 4
    values = _box_muller(philox_bits(key, counter, 4 * blocks), dtype)
    return values[:count].astype(dtype).reshape(shape)


def truncated_normal(key: int, counter: Array, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
    """Return normal numbers within two deviations (StatelessTruncatedNormalV2).

    Outputs come in groups of a block. Each group has a stretch of 256 words for each output and draws until it is full.
    """
    dtype = np.dtype(dtype)
    each = 2 if dtype == np.float64 else 4
    count = math.prod(shape)
    groups = (count + each - 1) // each
    made = np.zeros((groups, each), dtype)
    filled = np.zeros(groups, np.int64)
    drawn = 0
    while groups and filled.min() < each:
        open_groups = np.nonzero(filled < each)[0]
        starts = open_groups.astype(np.uint64) * np.uint64(each * 64) + np.uint64(drawn)
        words = philox_blocks(unsigned(key), _counters(counter, starts))
        values = _box_muller(words.reshape(-1), dtype).reshape(len(open_groups), -1)
        for column in values.T:
            takes = (np.abs(column) < 2) & (filled[open_groups] < each)
            rows = open_groups[takes]
            made[rows, filled[rows]] = column[takes].astype(dtype)
            filled[rows] += 1
        drawn += 1
    return made.reshape(-1)[:count].reshape(shape)


def full_int(key: int, counter: Array, shape: tuple[int, ...], dtype: Any = np.int32) -> Array:
    """Return whole numbers over the whole range of `dtype` (StatelessRandomUniformFullIntV2)."""
    dtype = np.dtype(dtype)
    word = np.uint32 if dtype.itemsize == 4 else np.uint64
    return bits(PHILOX, key, counter, shape, word).view(dtype)


def uniform_int(
    key: int, counter: Array, shape: tuple[int, ...], minval: int, maxval: int, dtype: Any = np.int32
) -> Array:
    """Return whole numbers in [minval, maxval) (StatelessRandomUniformIntV2)."""
    dtype = np.dtype(dtype)
    if math.prod(shape) and minval >= maxval:
        raise ValueError(f"Need minval < maxval, got {minval} >= {maxval}")
    word = np.dtype(np.uint32 if dtype.itemsize == 4 else np.uint64)
    mask = (1 << (8 * dtype.itemsize)) - 1
    span = (int(maxval) - int(minval)) & mask
    raw = bits(PHILOX, key, counter, shape, word)
    if not raw.size:
        return raw.view(dtype)
    return (word.type(int(minval) & mask) + raw % word.type(span)).view(dtype)


def permutation(key: int, counter: Array, count: int) -> Array:
    """Return the order in which RandomShuffle takes `count` rows, int64."""
    order = list(range(count))
    words = philox_bits(key, counter, max(count - 1, 0)).tolist()
    for i, word in enumerate(words):
        j = i + word % (count - i)
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def _shuffled_words(key: int, counter: Array, output: int, unit: int) -> Any:
    """Yield the uniform float64 of one output's stretch, in TensorFlow's order here: the second of a block first."""
    start = skip(counter, unit * output)
    while True:
        pair = doubles(philox_bits(key, start, 4))
        yield float(pair[1])
        yield float(pair[0])
        start = skip(start, 1)


def _sampled(count: int, samples: int, dtype: Any, draw: Any) -> Array:
    """Draw output n = parameter * samples + sample; in the result the parameters lie innermost."""
    out = np.zeros((samples, count), np.float64)
    for parameter in range(count):
        for sample in range(samples):
            out[sample, parameter] = draw(parameter * samples + sample, parameter)
    with np.errstate(invalid="ignore"):
        return out.astype(dtype)


def gamma(key: int, counter: Array, shape: tuple[int, ...], alpha: Array) -> Array:
    """Return gamma numbers of shape parameter `alpha` (StatelessRandomGammaV3); `shape` ends with alpha's."""
    flat = np.asarray(alpha).reshape(-1).astype(np.float64)
    samples = math.prod(shape) // max(flat.size, 1)

    def draw(output: int, parameter: int) -> float:
        a = float(flat[parameter])
        start = skip(counter, 256 * output)
        spare: dict[str, list[float]] = {"normal": [], "uniform": []}

        def take(kind: str) -> float:
            nonlocal start
            if not spare[kind]:
                words = philox_bits(key, start, 4)
                start = skip(start, 1)
                double = np.dtype(np.float64)
                spare[kind] = (_box_muller(words, double) if kind == "normal" else doubles(words)).tolist()
            return spare[kind].pop()

        if a == 1.0:
            return -math.log1p(-take("uniform"))
        small = a < 1
        d = a + (2.0 / 3 if small else -1.0 / 3)
        c = 1.0 / 3 / math.sqrt(d)
        while True:
            x = take("normal")
            v = 1 + c * x
            if v <= 0:
                continue
            v = v * v * v
            u = take("uniform")
            if u < 1 - 0.0331 * (x * x) * (x * x) or math.log(u) < 0.5 * x * x + d * (1 - v + math.log(v)):
                result = d * v
                return result * take("uniform") ** (1 / a) if small else result

    return _sampled(flat.size, samples, np.asarray(alpha).dtype, draw).reshape(shape)


def poisson(key: int, counter: Array, shape: tuple[int, ...], rate: Array, dtype: Any) -> Array:
    """Return Poisson numbers of `rate` (StatelessRandomPoisson, RandomPoissonV2); `shape` ends with rate's."""
    flat = np.asarray(rate).reshape(-1).astype(np.float64)
    samples = math.prod(shape) // max(flat.size, 1)

    def draw(output: int, parameter: int) -> float:
        uniforms = _shuffled_words(key, counter, output, 256)
        mean = float(flat[parameter])
        if not 0 <= mean < math.inf:
            return math.nan
        if mean < 10:
            together, count = 1.0, 0
            while True:
                together *= next(uniforms)
                if together <= math.exp(-mean):
                    return count
                count += 1
        b = 0.931 + 2.53 * math.sqrt(mean)
        a = -0.059 + 0.02483 * b
        inverse = 1.1239 + 1.1328 / (b - 3.4)
        while True:
            u = next(uniforms) - 0.5
            v = next(uniforms)
            shifted = 0.5 - abs(u)
            k = math.floor((2 * a / shifted + b) * u + mean + 0.43)
            if shifted >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
                return k
            if k < 0 or (shifted < 0.013 and v > shifted):
                continue
            if math.log(v * inverse / (a / (shifted * shifted) + b)) <= -mean + k * math.log(mean) - math.lgamma(k + 1):
                return k

    return _sampled(flat.size, samples, dtype, draw).reshape(shape)


_STIRLING = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


def _stirling_tail(k: float) -> float:
    if k <= 9:
        return _STIRLING[max(int(k), 0)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def _few_successes(uniforms: Any, count: float, p: float) -> float:
    """Count waiting times until they go beyond `count`."""
    total, drawn = 0.0, 0
    while True:
        total += math.ceil(math.log(next(uniforms)) / math.log1p(-p))
        if not total <= count:
            return drawn
        drawn += 1


def _many_successes(uniforms: Any, count: float, p: float) -> float:
    """Transformed rejection with squeeze."""
    deviation = math.sqrt(count * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c, limit, ratio = count * p + 0.5, 0.92 - 4.2 / b, p / (1 - p)
    alpha, mode = (2.83 + 5.1 / b) * deviation, math.floor((count + 1) * p)
    while True:
        u = next(uniforms) - 0.5
        v = next(uniforms)
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= limit:
            return k
        if k < 0 or k > count:
            continue
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (ratio * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(ratio * (count - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(count - mode)
            - _stirling_tail(k)
            - _stirling_tail(count - k)
        )
        if math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


def binomial(key: int, counter: Array, shape: tuple[int, ...], counts: Array, chances: Array, dtype: Any) -> Array:
    """Return how many of `counts` trials succeed (StatelessRandomBinomial); `shape` ends with theirs, which are equal."""
    trials = np.asarray(counts).reshape(-1).astype(np.float64)
    given = np.asarray(chances).reshape(-1).astype(np.float64)
    narrow = np.float32 if np.asarray(counts).dtype == np.float32 else np.float64

    def draw(output: int, parameter: int) -> float:
        count, probability = float(trials[parameter]), float(given[parameter])
        if count <= 0 or probability <= 0:
            return 0
        if math.isnan(count) or math.isnan(probability) or math.isinf(count):
            return math.nan
        if probability >= 1:
            return count
        mirrored = probability > 0.5
        p = float(narrow(1 - probability)) if mirrored else probability
        if float(narrow(count * p)) >= 10:
            k = _many_successes(_shuffled_words(key, counter, output, 256), count, p)
        else:
            k = _few_successes(_shuffled_words(key, counter, output, 42), count, p)
        return count - k if mirrored else k

    return _sampled(trials.size, math.prod(shape) // max(trials.size, 1), dtype, draw).reshape(shape)


def multinomial(key: int, counter: Array, logits: Array, samples: int, dtype: Any = np.int64) -> Array:
    """Return class numbers [batch, samples] (StatelessMultinomial), as one of TensorFlow's threads draws them."""
    values = np.asarray(logits).astype(np.float64)
    words = philox_bits(key, counter, 2 * values.shape[0] * samples)
    uniforms = doubles(words).reshape(values.shape[0], samples)
    out = np.zeros((values.shape[0], samples), dtype)
    for row in range(values.shape[0]):
        finite = np.isfinite(values[row])
        most = values[row][finite].max() if finite.any() else 0.0
        weights = np.where(finite, np.exp(np.where(finite, values[row] - most, 0)), 0)
        sums = np.cumsum(weights)
        out[row] = np.searchsorted(sums, uniforms[row] * sums[-1], side="right")
    return out
