"""Draw graphs at random: what is called on which tensors is a recipe, so that one graph can be run in many ways.

A recipe is drawn while it runs eagerly, so every step fits what it is given. Steps that jump (comparisons, rounding) only look
at values that were moved about, never computed: else a rounding in one way of running would be a different graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import millstream

tf: Any = millstream

Run = Callable[..., Any]
LARGEST = 4096
"""Steps that would make more elements are not taken."""


@dataclass
class Step:
    """`run(*values at places)` makes one more value; `exact` says that it only moves what it is given."""

    name: str
    run: Run
    places: tuple[int, ...]
    exact: bool


class Recipe:
    """Inputs, and the steps that make more values of them; the last few values are the results."""

    def __init__(self, seed: int, length: int, dtype: Any) -> None:
        self.random = np.random.default_rng(seed)
        self.dtype = dtype
        kind = dtype.as_numpy_dtype
        n, m, k = (int(i) for i in self.random.integers(1, 6, 3))
        shapes = [(n, m), (m, k), (n, m, k), (2, 6, 6, 3), (), (m,)]
        self.inputs = [self.random.uniform(-1, 1, s).astype(kind) for s in shapes]
        self.start = self.random.uniform(-1, 1, (m,)).astype(kind)
        self.steps: list[Step] = []
        self.results: list[int] = []
        self._draw(length)

    def _draw(self, length: int) -> None:
        variable = tf.Variable(self.start)
        values: list[Any] = [tf.constant(a) for a in self.inputs]
        exact = [True] * len(values)
        tries = 0
        while len(self.steps) < length and tries < 40 * length:
            tries += 1
            draw = KINDS[int(self.random.integers(len(KINDS)))]
            # Newer values are taken more often, so that chains become long.
            places = [len(values) - 1 - int(self.random.integers(len(values)) * self.random.random()) for _ in range(3)]
            made = draw(self.random, [values[i] for i in places], [exact[i] for i in places])
            if made is None:
                continue
            name, run, count, keeps = made
            step = Step(name, run, tuple(places[:count]), keeps and all(exact[i] for i in places[:count]))
            value = run(variable, *(values[i] for i in step.places))
            size = int(np.prod(value.shape))
            if size > LARGEST or (value.dtype.is_floating and np.abs(value.numpy()).max(initial=0.0) > 1e4):
                continue
            self.steps.append(step)
            values.append(value)
            exact.append(step.exact)
        self.results = list(range(max(len(self.inputs), len(values) - 4), len(values)))

    def __call__(self, variable: Any, *inputs: Any) -> list[Any]:
        """Run the steps on tensors, eagerly or while tracing."""
        values = list(inputs)
        for step in self.steps:
            values.append(step.run(variable, *(values[i] for i in step.places)))
        return [values[i] for i in self.results]

    def __repr__(self) -> str:
        first = len(self.inputs)
        lines = [f"%{i}: input {a.shape}" for i, a in enumerate(self.inputs)]
        lines += [f"%{first + i}: {s.name} of {', '.join(f'%{p}' for p in s.places)}" for i, s in enumerate(self.steps)]
        return "\n".join([*lines, f"results {self.results}"])


Made = tuple[str, Run, int, bool] | None
Draw = Callable[[np.random.Generator, Sequence[Any], Sequence[bool]], Made]


def _one(name: str, f: Run, keeps: bool = False) -> Made:
    return name, lambda v, x: f(x), 1, keeps


_UNARY: dict[str, Run] = {
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "exp of tanh": lambda x: tf.exp(tf.tanh(x)),
    "softplus": tf.nn.softplus,
    "square of sin": lambda x: tf.square(tf.sin(x)),
    "sqrt": lambda x: tf.sqrt(tf.abs(x) + 1.0),
    "log": lambda x: tf.math.log1p(tf.square(x)),
    "erf": tf.math.erf,
    "reciprocal": lambda x: 1.0 / (1.0 + x * x),
    "rsqrt": lambda x: tf.math.rsqrt(1.0 + tf.square(x)),
    "gelu": tf.nn.gelu,
    "times one": lambda x: x * 1.0 - 0.0,
    "twice negative": lambda x: tf.negative(-x),
    "clip": lambda x: tf.clip_by_value(x, -0.75, 0.75),
    "relu": tf.nn.relu,
    "elu": tf.nn.elu,
}


def _unary(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    name = str(random.choice(list(_UNARY)))
    return _one(name, _UNARY[name])


_BINARY: dict[str, Run] = {
    "add": tf.add,
    "subtract": tf.subtract,
    "multiply": tf.multiply,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
    "divide": lambda x, y: x / (1.0 + tf.abs(y)),
    "squared difference": tf.math.squared_difference,
    "atan2": lambda x, y: tf.atan2(x, 2.0 + tf.abs(y)),
}


def _binary(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    try:
        np.broadcast_shapes(tuple(x[0].shape), tuple(x[1].shape))
    except ValueError:
        return None
    name = str(random.choice(list(_BINARY)))
    return name, lambda v, a, b: _BINARY[name](a, b), 2, False


def _axes(random: np.random.Generator, rank: int) -> list[int]:
    count = int(random.integers(1, rank + 1))
    return sorted(int(i) for i in random.choice(rank, count, replace=False))


def _reduce(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    rank = x[0].shape.rank
    if not rank or not int(np.prod(x[0].shape)):
        return None
    axes, keep = _axes(random, rank), bool(random.integers(2))
    name = str(random.choice(["reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_logsumexp"]))
    return _one(f"{name} over {axes}", lambda t: getattr(tf, name)(t, axes, keepdims=keep))


def _rows(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    if not x[0].shape.rank:
        return None

    def normalised(t: Any) -> Any:
        mean, variance = tf.nn.moments(t, [-1], keepdims=True)
        return tf.nn.batch_normalization(t, mean, variance, None, None, 1e-2)

    found: dict[str, Run] = {
        "softmax": tf.nn.softmax,
        "log_softmax": tf.nn.log_softmax,
        "cumsum": lambda t: tf.cumsum(t, -1, reverse=True),
        "normalised": normalised,
        "l2_normalize": lambda t: tf.math.l2_normalize(t, -1, epsilon=1e-2),
    }
    name = str(random.choice(list(found)))
    return _one(name, found[name])


def _shape(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    sizes = [int(n) for n in x[0].shape]
    rank = len(sizes)
    if not rank:
        return _one("expand_dims", lambda t: tf.expand_dims(t, 0), True)
    axis = int(random.integers(rank))
    permutation = [int(i) for i in random.permutation(rank)]
    cut = [slice(int(random.integers(0, 2)), None, int(random.integers(1, 3))) for _ in sizes]
    back = tuple(slice(None, None, -1) if i == axis else slice(None) for i in range(rank))
    pads = [[int(random.integers(0, 2)), int(random.integers(0, 3))] for _ in sizes]
    repeats = [int(random.integers(1, 3)) for _ in sizes]
    picks = [int(i) for i in random.integers(0, max(sizes[axis], 1), 4)]
    shift = int(random.integers(-3, 4))
    found: dict[str, Run] = {
        "flat": lambda t: tf.reshape(t, [-1]),
        "first axes merged": lambda t: tf.reshape(t, [-1, tf.shape(t)[-1]]),
        f"transpose {permutation}": lambda t: tf.transpose(t, permutation),
        "expand_dims": lambda t: tf.expand_dims(t, axis),
        "strided slice": lambda t: t[tuple(cut)],
        "backwards": lambda t: t[back],
        f"pad {pads}": lambda t: tf.pad(t, pads),
        f"tile {repeats}": lambda t: tf.tile(t, repeats),
        f"roll by {shift}": lambda t: tf.roll(t, shift, axis),
        "reverse": lambda t: tf.reverse(t, [axis]),
        "stack and take apart": lambda t: tf.unstack(tf.stack([t, t[back]], axis), axis=axis)[1],
        "split and join": lambda t: (
            tf.concat(tf.split(t, [1, sizes[axis] - 1], axis)[::-1], axis) if sizes[axis] else t
        ),
    }
    if all(sizes):
        found["pad mirrored"] = lambda t: tf.pad(t, [[0, 0]] * (rank - 1) + [[0, min(1, sizes[-1] - 1)]], "REFLECT")
    if sizes[axis]:
        found[f"gather {picks}"] = lambda t: tf.gather(t, picks, axis=axis)
    name = str(random.choice(list(found)))
    return _one(name, found[name], True)


def _join(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    if not x[0].shape.rank or x[0].shape != x[1].shape:
        return None
    axis = int(random.integers(x[0].shape.rank))
    if random.integers(2):
        return f"concat on {axis}", lambda v, a, b: tf.concat([a, b], axis), 2, True
    return f"stack on {axis}", lambda v, a, b: tf.stack([a, b], axis), 2, True


def _select(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    if not exact[2]:
        return None
    try:
        np.broadcast_shapes(*(tuple(t.shape) for t in x))
    except ValueError:
        return None
    return "where", lambda v, a, b, c: tf.where(c > 0.1, a, b), 3, False


def _product(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    a, b = x[0].shape, x[1].shape
    if a.rank == 3 and b.rank == 2 and a[2] == b[0] and a[2]:
        return "einsum", lambda v, p, q: tf.einsum("bij,jk->bik", p, q), 2, False
    if a.rank == 1 and a == b:
        return "outer", lambda v, p, q: tf.einsum("i,j->ij", p, q), 2, False
    if a.rank != 2 or b.rank != 2:
        return None
    ways = [(i, k) for i in (0, 1) for k in (0, 1) if a[1 - i] == b[k] and a[1 - i]]
    if not ways:
        return None
    left, right = ways[int(random.integers(len(ways)))]
    activation = str(random.choice(["relu", "tanh", "softplus", "identity"]))

    def product(v: Any, p: Any, q: Any) -> Any:
        found = tf.matmul(p, q, transpose_a=bool(left), transpose_b=bool(right))
        return found if activation == "identity" else getattr(tf.nn, activation)(found + 0.5)

    return f"{activation} of matmul", product, 2, False


def _image(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    shape = x[0].shape
    if shape.rank != 4 or min(shape[1], shape[2]) < 2 or not shape[0] or not 0 < shape[3] < 16:
        return None
    filters = random.uniform(-0.3, 0.3, (int(random.integers(1, 4)), 2, int(shape[3]), int(random.integers(1, 5))))
    stride, padding = int(random.integers(1, 3)), str(random.choice(["SAME", "VALID"]))
    if padding == "VALID" and filters.shape[0] > shape[1]:
        return None

    def weights(t: Any) -> Any:
        return tf.cast(tf.constant(filters), t.dtype)

    found: dict[str, Run] = {
        "conv2d": lambda t: tf.nn.conv2d(t, weights(t), stride, padding),
        "relu of conv2d": lambda t: tf.nn.relu(tf.nn.conv2d(t, weights(t), stride, padding) + 0.1),
        "depthwise": lambda t: tf.nn.depthwise_conv2d(t, weights(t)[:, :, :, :1], [1, stride, stride, 1], padding),
        "avg_pool": lambda t: tf.nn.avg_pool2d(t, 2, stride, padding),
        "max_pool": lambda t: tf.nn.max_pool2d(t, 2, stride, padding),
    }
    name = str(random.choice(list(found)))
    return _one(f"{name} {padding} {stride}", found[name])


def _control(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    rounds = int(random.integers(0, 4))

    def looped(v: Any, t: Any) -> Any:
        body = lambda i, y: (i + 1, tf.tanh(y) * 0.9 + tf.cast(i, y.dtype))  # noqa: E731
        return tf.while_loop(lambda i, y: i < rounds, body, (0, t))[1]

    def chosen(v: Any, t: Any, other: Any) -> Any:
        return tf.cond(tf.reduce_sum(other) > 0.3, lambda: tf.sin(t), lambda: t * 0.5)

    def mapped(v: Any, t: Any) -> Any:
        return tf.map_fn(lambda row: tf.tanh(row) + tf.reduce_sum(row), t)

    pick = int(random.integers(3))
    if pick == 0:
        return f"loop of {rounds}", looped, 1, False
    if pick == 1 and exact[1] and x[1].shape.rank == 0:
        return "cond", chosen, 2, False
    if pick == 2 and x[0].shape.rank and x[0].shape[0]:
        return "map_fn", mapped, 1, False
    return None


def _state(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    pick = int(random.integers(3))
    if pick == 0:
        return "read", lambda v, t: tf.reduce_sum(v) * t, 1, False
    if pick == 1:

        def changed(v: Any, t: Any) -> Any:
            v.assign(v * 0.5 + tf.tanh(tf.reduce_mean(t)))
            return v + 0.0

        return ("assign", changed, 1, False) if int(np.prod(x[0].shape)) else None

    def added(v: Any, t: Any) -> Any:
        before = v.read_value()
        v.assign_add(tf.ones_like(v) * 0.25)
        return before - v

    return "assign_add", added, 1, False


def _whole(random: np.random.Generator, x: Sequence[Any], exact: Sequence[bool]) -> Made:
    """By way of whole numbers, which must be equal bit for bit."""
    if not exact[0] or not x[0].shape.rank or not x[0].shape[-1]:
        return None
    found: dict[str, Run] = {
        "round": lambda t: tf.cast(tf.cast(t * 4.0, tf.int32) // 2 % 3, t.dtype),
        "argmax": lambda t: tf.cast(tf.argmax(t, -1), t.dtype),
        "sort": lambda t: tf.sort(t, -1, direction="DESCENDING"),
        "top_k": lambda t: tf.math.top_k(t, 1).values,
        "one_hot": lambda t: tf.one_hot(tf.cast(tf.abs(t) * 3.0, tf.int32), 3, dtype=t.dtype),
        "bits": lambda t: tf.cast(tf.bitwise.bitwise_xor(tf.cast(t * 8.0, tf.int32), 5), t.dtype) / 8.0,
    }
    name = str(random.choice(list(found)))
    return _one(name, found[name])


KINDS: tuple[Draw, ...] = (
    _unary, _unary, _unary, _binary, _binary, _binary, _reduce, _rows, _shape, _shape, _shape, _join, _select, _product,
    _product, _image, _control, _state, _whole,
)  # fmt: skip
"""How steps are drawn; those that stand more often are drawn more often."""
