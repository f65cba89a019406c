"""What the tests of tf.random run, and the recorder of TensorFlow's answers: run it with TensorFlow's Python to write the npz."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

REALS = ("float16", "bfloat16", "float32", "float64")
WHOLES = ("int32", "int64", "uint32", "uint64")


def stateless(tf: Any, keep: Callable[[str, Any], None]) -> None:
    """Draw from each stateless function in each element type."""
    random = tf.random
    for seed in ([1, 2], [-7, 2**31 - 1]):
        for shape in ([7], [3, 5], [], [0]):
            for dtype in REALS:
                tag = f"{seed}{shape}{dtype}"
                keep(f"uniform{tag}", random.stateless_uniform(shape, seed, dtype=dtype))
                keep(f"philox{tag}", random.stateless_uniform(shape, seed, -2.5, 3.25, dtype, alg="philox"))
                keep(f"normal{tag}", random.stateless_normal(shape, seed, 1.5, 0.3, dtype))
                keep(f"truncated{tag}", random.stateless_truncated_normal(shape, seed, 1.5, 0.3, dtype))
            for dtype in WHOLES:
                keep(f"full{seed}{shape}{dtype}", random.stateless_uniform(shape, seed, None, None, dtype))
            for dtype in ("int32", "int64"):
                keep(f"whole{seed}{shape}{dtype}", random.stateless_uniform(shape, seed, -5, 100, dtype))
        for dtype in ("float16", "float32", "float64"):
            keep(f"gamma{seed}{dtype}", random.stateless_gamma([5, 2, 3], seed, [0.5, 1.0, 7.0], [[2.0], [3.0]], dtype))
        for dtype in ("float32", "int32", "int64", "float64", "float16"):
            keep(f"poisson{seed}{dtype}", random.stateless_poisson([50, 3], seed, [0.5, 3.0, 70.0], dtype))
            counts, chances = [10.0, 3.0, 700.0], [[0.5], [0.1]]
            keep(f"binomial{seed}{dtype}", random.stateless_binomial([50, 2, 3], seed, counts, chances, dtype))
        for dtype in ("int32", "int64"):
            keep(f"classes{seed}{dtype}", random.stateless_categorical([[1.0, 2, 3], [0, 0, -5]], 20, seed, dtype))
        keep(f"shuffle{seed}", random.experimental.stateless_shuffle(tf.range(100), seed))
        keep(f"split{seed}", random.split(seed, 3))
        keep(f"fold{seed}", random.fold_in(seed, tf.constant(3, tf.int64)))


def _some(tf: Any, seed: Any) -> list[Any]:
    random = tf.random
    return [
        random.uniform([3, 5], seed=seed),
        random.uniform([3], -1.0, 3.0, tf.float64, seed=seed),
        random.normal([3], dtype=tf.float16, seed=seed),
        random.truncated_normal([3], seed=seed),
        random.uniform([5], 1, 9, dtype=tf.int64, seed=seed),
        random.gamma([5], [0.5, 7.0], seed=seed),
        random.poisson([9], [0.5, 20.0], dtype=tf.int32, seed=seed),
        random.categorical([[1.0, 2.0, 3.0]], 11, seed=seed),
        random.shuffle(tf.range(20), seed=seed),
        tf.nn.dropout(tf.ones([9]), 0.4, seed=seed),
        tf.nn.dropout(tf.ones([9]), 0, seed=seed),
        random.uniform([3], seed=seed),
    ]


def stateful(tf: Any, keep: Callable[[str, Any], None]) -> None:
    """Draw eagerly and in functions, with and without seeds of the ops."""
    random = tf.random
    for overall in (7, 0, 2**40 + 3, None):
        for seed in (None, 0, 5):
            if overall is None and seed is None:
                continue
            random.set_seed(overall)
            for turn in range(2):
                keep(f"eager{overall},{seed},{turn}", _some(tf, seed))
            function = tf.function(lambda seed=seed: _some(tf, seed))
            for turn in range(2):
                keep(f"traced{overall},{seed},{turn}", function())
            random.set_seed(overall)
            keep(f"again{overall},{seed}", function())
    random.set_seed(3)

    @tf.function
    def inner() -> Any:
        return random.uniform([1])

    @tf.function
    def outer() -> Any:
        return random.uniform([1]), inner(), inner(), random.uniform([1]), random.uniform([1], seed=3)

    @tf.function
    def loop() -> Any:
        taken = tf.TensorArray(tf.float32, 3)
        for i in tf.range(3):
            taken = taken.write(i, random.uniform([]))
        return taken.stack()

    @tf.function
    def branch(x: Any) -> Any:
        if x > 0:
            y = random.uniform([2])
        else:
            y = random.normal([2])
        return y + random.uniform([2])

    @tf.function(input_signature=[tf.TensorSpec([None, None])])
    def open_sizes(x: Any) -> Any:
        rows, columns = tf.shape(x)[0], tf.shape(x)[1]
        return (
            random.uniform(tf.shape(x)),
            random.shuffle(x),
            tf.nn.dropout(x, 0.5),
            random.normal([rows, 2]),
            random.categorical(x, rows),
            random.gamma([columns], x[0] + 1.0),
            random.poisson([rows], x[0] + 1.0),
            random.stateless_uniform(tf.shape(x), [1, rows]),
            random.stateless_binomial([rows, 2], [1, 2], [5.0, 6.0], 0.5),
        )

    @tf.function
    def seeded_inside() -> Any:
        random.set_seed(11)
        return random.uniform([2]), random.uniform([2])

    for turn in range(2):
        keep(f"outer{turn}", outer())
        keep(f"inner{turn}", inner())
        keep(f"loop{turn}", loop())
        keep(f"inside{turn}", seeded_inside())
        for x in (1.0, -1.0):
            keep(f"branch{turn},{x}", branch(tf.constant(x)))
        for shape in ((3, 4), (2, 5)):
            keep(f"open{turn},{shape}", open_sizes(tf.reshape(tf.range(float(shape[0] * shape[1])), shape)))


def generators(tf: Any, keep: Callable[[str, Any], None]) -> None:
    """Draw from generators, eagerly and in functions."""
    random = tf.random
    for seed in (5, -5, 2**70 + 9, [1, 2], [1, 2, 3, 4]):
        one = random.Generator.from_seed(seed)
        keep(f"begin{seed}", [one.state, one.key])
        for dtype in REALS:
            drawn = [
                one.uniform([2, 3], -1, 2, dtype),
                one.normal([3], 1, 2, dtype),
                one.truncated_normal([3], dtype=dtype),
            ]
            keep(f"generator{seed}{dtype}", drawn)
        for dtype in ("int32", "int64"):
            keep(f"generator{seed}{dtype}", [one.uniform([2, 3], 1, 9, dtype), one.uniform([3], None, None, dtype)])
        for dtype in WHOLES:
            keep(f"full{seed}{dtype}", one.uniform_full_int([3], dtype))
        keep(f"binomial{seed}", [one.binomial([4, 3, 2], [10.0, 20.0], [0.5, 0.3]), one.state])
        keep(f"seeds{seed}", [one.make_seeds(3), *(part.state for part in one.split(3)), one.skip(3), one.state])
        one.reset_from_seed(9)
        keep(f"reset{seed}", one.state)
        one.reset_from_key_counter(3, [1, 2])
        keep(f"key{seed}", one.state)
        one.reset([4, 2**64 - 1, 6])
        copy = random.Generator(copy_from=one)
        keep(f"copy{seed}", [one.normal([]), one.state, copy.normal([])])

        @tf.function
        def traced(n: Any, one: Any = one) -> Any:
            return (
                one.normal([2]),
                one.uniform([n, 2]),
                one.make_seeds(2),
                one.state,
                one.binomial([n, 2], [5.0, 9.0], [0.4]),
            )

        for n in (2, 3):
            keep(f"traced{seed}{n}", traced(tf.constant(n)))
    keep("state", [random.create_rng_state(7, "philox"), random.create_rng_state(2**130 - 1, "threefry")])


GROUPS = {"stateless": stateless, "stateful": stateful, "generators": generators}


def answers(tf: Any, group: str) -> dict[str, np.ndarray]:
    """Run one group; return everything it made by name."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str, result: Any) -> None:
        for i, tensor in enumerate(tf.nest.flatten(result)):
            array = tensor.numpy()
            found[f"{group}/{name}/{i}"] = (
                array.astype(np.float32) if tensor.dtype == tf.bfloat16 else np.asarray(array)
            )

    GROUPS[group](tf, keep)
    return found


if __name__ == "__main__":
    import tensorflow

    recorded: dict[str, np.ndarray] = {}
    for chosen in GROUPS:
        recorded |= answers(tensorflow, chosen)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("random.npz")
    # One array an element type, and where each answer lies in it: thousands of small files would be ten times as large.
    index: list[str] = []
    parts: dict[str, list[Any]] = {}
    for name, array in recorded.items():
        held = parts.setdefault(array.dtype.name, [])
        index.append(f"{name}|{array.dtype.name}|{sum(a.size for a in held)}|{','.join(map(str, array.shape))}")
        held.append(array.ravel())
    joined: dict[str, Any] = {dtype: np.concatenate(arrays) for dtype, arrays in parts.items()}
    joined["index"] = np.array("\n".join(index))
    np.savez_compressed(target, allow_pickle=False, **joined)
