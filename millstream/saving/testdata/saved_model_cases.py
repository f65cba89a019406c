"""Models that both TensorFlow and Millstream build, and calls of them: what is saved there must load here, and the other way round."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

Calls = list[tuple[str, list[Any]]]
"""Names of functions (`signature:name` for signatures) and their arguments as arrays."""

CASES: dict[str, Callable[[Any], tuple[Any, Calls, dict[str, str]]]] = {}
"""build(tf) -> the object to save, calls, and signatures as names of attributes."""


def case(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    CASES[build.__name__] = build
    return build


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape).astype(np.float32)


@case
def linear(tf: Any) -> Any:
    class Linear(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(numbers(4, 3), name="w")
            self.b = tf.Variable(numbers(3), name="b", trainable=False)

        @tf.function(input_signature=[tf.TensorSpec([None, 4])])
        def __call__(self, x):
            return tf.nn.softmax(x @ self.w + self.b)

    return Linear(), [("__call__", [numbers(5, 4)]), ("signature:serving_default", [numbers(2, 4)])], {}


@case
def signatures(tf: Any) -> Any:
    class Several(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = tf.Variable(2.5)

        @tf.function(input_signature=[tf.TensorSpec([None], name="numbers")])
        def double(self, numbers):
            return {"twice": numbers * 2.0, "scaled": numbers * self.scale}

        @tf.function(input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec([None, None])])
        def pick(self, row, table):
            return table[row], tf.reduce_max(table, 1)

    calls = [
        ("double", [numbers(3)]),
        ("signature:a", [numbers(3)]),
        ("pick", [np.int32(1), numbers(3, 4)]),
        ("signature:b", [{"row": np.int32(1), "table": numbers(3, 4)}]),
    ]
    return Several(), calls, {"a": "double", "b": "pick"}


@case
def control_flow(tf: Any) -> Any:
    class Flow(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None]), tf.TensorSpec([], tf.int32)])
        def run(self, x, n):
            i = tf.constant(0)
            while i < n:
                if tf.reduce_sum(x) > 10.0:
                    x = x / 2.0
                else:
                    x = x * x + 1.0
                i += 1
            return x, i

        @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
        def choose(self, index):
            return tf.switch_case(index, [lambda: tf.constant(1.0), lambda: tf.constant(2.0), lambda: tf.constant(3.0)])

        @tf.function(input_signature=[tf.TensorSpec([None, 2])])
        def grow(self, x):
            def turn(i, held):
                return i + 1, tf.concat([held, x], 0)

            shapes = [tf.TensorShape([]), tf.TensorShape([None, 2])]
            return tf.while_loop(lambda i, _: i < 3, turn, [tf.constant(0), x], shape_invariants=shapes)[1]

        @tf.function(input_signature=[tf.TensorSpec([None, 3])])
        def collect(self, x):
            rows = tf.TensorArray(tf.float32, 0, dynamic_size=True)
            for i in tf.range(tf.shape(x)[0]):
                rows = rows.write(i, tf.sort(x[i]) * tf.cast(i, tf.float32))
            return rows.stack()

    calls = [
        ("run", [numbers(3), np.int32(5)]),
        ("run", [numbers(4), np.int32(0)]),
        ("choose", [np.int32(0)]),
        ("choose", [np.int32(7)]),
        ("grow", [numbers(2, 2)]),
        ("collect", [numbers(4, 3)]),
    ]
    return Flow(), calls, {}


@case
def text(tf: Any) -> Any:
    class Text(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            words = tf.lookup.KeyValueTensorInitializer(["the", "cat", "sat"], tf.constant([1, 2, 3], tf.int64))
            self.table = tf.lookup.StaticVocabularyTable(
                tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([0, 1], tf.int64)), 3
            )
            self.words = tf.lookup.StaticHashTable(words, -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, lines):
            clean = tf.strings.regex_replace(tf.strings.lower(lines), "[^a-z ]", "")
            return self.words.lookup(tf.strings.split(clean)).to_tensor(-2)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def bucket(self, words):
            return self.table.lookup(words), tf.strings.length(words), tf.strings.join([words, words], "-")

    lines = np.array([b"The cat!", b"sat on the MAT", b""], object)
    return (
        Text(),
        [("__call__", [lines]), ("bucket", [np.array([b"a", b"zz", b"b"], object)])],
        {"serving_default": "bucket"},
    )


@case
def vocabulary_file(tf: Any) -> Any:
    class Vocabulary(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            path = os.path.join(tempfile.mkdtemp(), "words.txt")
            with open(path, "w", encoding="utf-8") as file:
                file.write("red\ngreen\nblue\n")
            whole, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
            start = tf.lookup.TextFileInitializer(path, tf.string, whole, tf.int64, line)
            self.table = tf.lookup.StaticHashTable(start, -1)
            self.asset = tf.saved_model.Asset(path)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def find(self, words):
            return self.table.lookup(words)

        @tf.function(input_signature=[])
        def name(self):
            return tf.strings.regex_replace(self.asset.asset_path, ".*/", "")

    return Vocabulary(), [("find", [np.array([b"blue", b"x"], object)]), ("name", [])], {"serving_default": "find"}


@case
def containers(tf: Any) -> Any:
    class Part(tf.Module):
        def __init__(self, start: float) -> None:
            super().__init__()
            self.v = tf.Variable(start)

    class Containers(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = [Part(1.0), Part(2.0)]
            self.named = {"left": tf.Variable([1, 2]), "right": (tf.Variable(3.0), Part(4.0))}
            self.shared = self.parts[0]
            self.big = tf.constant(numbers(50, 60))

        @tf.function
        def total(self, x, times=2, *, shift=0.5):
            return (x * self.parts[1].v + self.shared.v) * times + shift + tf.reduce_sum(self.big)

        @tf.function
        def nested(self, pair):
            return {"sum": pair["a"] + pair["b"][0], "rest": [pair["b"][1], None]}

    model = Containers()
    model.total(tf.constant([1.0, 2.0]))
    model.total(tf.constant([1.0, 2.0]), times=3)
    model.total(tf.constant(1, tf.float32), shift=1.5)
    a = numbers(2)
    model.nested({"a": tf.constant(a), "b": (tf.constant(a), tf.constant(a * 2))})
    return model, [("total", [np.array([1.0, 2.0], np.float32)]), ("nested", [{"a": a, "b": (a, a * 2)}])], {}


@case
def training(tf: Any) -> Any:
    class Training(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(numbers(3, 2))
            self.m = tf.Variable(np.zeros((3, 2), np.float32), trainable=False)
            self.steps = tf.Variable(0, dtype=tf.int64)

        @tf.function(input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([None], tf.int64)])
        def step(self, x, y):
            with tf.GradientTape() as tape:
                logits = tf.tanh(x @ self.w)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
            gradient = tape.gradient(loss, self.w)
            self.m.assign(0.9 * self.m + gradient)
            self.w.assign_sub(0.1 * self.m)
            self.steps.assign_add(1)
            return loss

        @tf.function(input_signature=[])
        def state(self):
            return self.w + 0.0, self.steps + 0

    batch = [numbers(4, 3), np.array([0, 1, 1, 0], np.int64)]
    return Training(), [("step", batch), ("step", batch), ("state", [])], {"serving_default": "step"}


@case
def ragged_and_sparse(tf: Any) -> Any:
    class Composite(tf.Module):
        @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)])
        def lengths(self, rows):
            return rows.row_lengths(), tf.reduce_sum(rows, 1), rows * 2

        @tf.function(input_signature=[tf.TensorSpec([None, None])])
        def nonzero(self, x):
            s = tf.sparse.from_dense(x)
            return s, tf.sparse.reduce_sum(s, 1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def split(self, lines):
            return tf.strings.split(lines, ",")

    x = np.array([[0, 1, 0], [2, 0, 3]], np.float32)
    return Composite(), [("nonzero", [x]), ("split", [np.array([b"a,b", b"c"], object)])], {}


@case
def custom_gradient(tf: Any) -> Any:
    class Custom(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.v = tf.Variable(3.0)

        @tf.function(input_signature=[tf.TensorSpec([None])])
        def clipped(self, x):
            @tf.custom_gradient
            def inner(t):
                return t * t, lambda dy: tf.clip_by_value(dy * 2.0 * t, -1.0, 1.0)

            return inner(x * self.v)

        @tf.function(input_signature=[tf.TensorSpec([None])])
        def swish(self, x):
            return tf.nn.silu(x * self.v)

    return Custom(), [("clipped", [numbers(4)]), ("swish", [numbers(4)])], {"serving_default": "swish"}


@case
def calls_inside(tf: Any) -> Any:
    @tf.function
    def helper(x, power):
        return x**power

    class Calls(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.count = tf.Variable(0.0)

        @tf.function(input_signature=[tf.TensorSpec([])])
        def add(self, x):
            self.count.assign_add(x)
            return self.count.read_value()

        @tf.function(input_signature=[tf.TensorSpec([None])])
        def run(self, x):
            first = self.add(1.0)
            second = self.add(2.0)
            return helper(x, 2.0) + first, helper(x, 3.0) + second

    return Calls(), [("run", [numbers(3)]), ("run", [numbers(2)])], {}


@case
def random_numbers(tf: Any) -> Any:
    class Random(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([2], tf.int32)])
        def draw(self, seed):
            shape = [3, 2]
            return (
                tf.random.stateless_normal(shape, seed),
                tf.random.stateless_uniform(shape, seed, maxval=100, dtype=tf.int32),
                tf.random.stateless_truncated_normal(shape, seed),
            )

    return Random(), [("draw", [np.array([3, 4], np.int32)])], {}


@case
def images(tf: Any) -> Any:
    class Images(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(numbers(3, 3, 3, 4))

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
        def run(self, x):
            x = tf.image.resize(x, [8, 8])
            x = tf.nn.relu(tf.nn.conv2d(x, self.w, 2, "SAME"))
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
            return tf.reduce_mean(tf.pad(x, [[0, 0], [1, 1], [0, 0], [0, 0]]), [1, 2]), tf.argmax(x, -1)

    return Images(), [("run", [numbers(2, 6, 5, 3)])], {}


@case
def mutable_table(tf: Any) -> Any:
    class Mutable(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
            self.table.insert(tf.constant(["q", "r"]), tf.constant([5, 6], tf.int64))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def find(self, words):
            return self.table.lookup(words)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int64)])
        def put(self, words, values):
            self.table.insert(words, values)
            return self.table.size()

    words = np.array([b"q", b"s"], object)
    return Mutable(), [("find", [words]), ("put", [words, np.array([1, 2], np.int64)]), ("find", [words])], {}


@case
def linear_algebra(tf: Any) -> Any:
    class Algebra(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 3, 3])])
        def run(self, x):
            a = tf.matmul(x, x, transpose_b=True) + tf.eye(3)
            return tf.linalg.cholesky(a), tf.linalg.inv(a), tf.einsum("bij,bkj->bik", x, a), tf.linalg.det(a)

        @tf.function(input_signature=[tf.TensorSpec([None, 8])])
        def spectrum(self, x):
            return tf.abs(tf.signal.rfft(x)), tf.cumsum(x, 1, reverse=True), tf.math.top_k(x, 3), tf.one_hot([1, 3], 4)

    return Algebra(), [("run", [numbers(2, 3, 3)]), ("spectrum", [numbers(3, 8)])], {}
