"""Records anew what real TensorFlow answers to the expressions of `strings_expressions.txt` and `lookup_expressions.txt`.

Run it with an interpreter that has TensorFlow:

    python millstream/api/testdata/record_strings.py [topic...]
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import numpy as np

FOLDER = pathlib.Path(__file__).parent
TOPICS = ("strings", "lookup")
WORDS = [
    b"",
    b" two  words ",
    b"Stra\xc3\x9fe",
    b"a",
    b"\x00\xff",
    b"x" * 70,
    b"abcdefgh",
    b"0123456789abcdefXYZ",
    b"y" * 200,
]


def expressions(topic: str) -> list[str]:
    """Return the expressions, one a line."""
    return (FOLDER / f"{topic}_expressions.txt").read_text().splitlines()


def plain(value: Any) -> Any:
    """Return an answer in words of JSON: element types and nested lists, bytes as Latin-1."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), plain(value.tolist())]
    if isinstance(value, (float, complex)):
        return repr(value)
    if hasattr(value, "nested_row_splits"):
        return ["ragged", plain(value.flat_values), [s.numpy().tolist() for s in value.nested_row_splits]]
    if hasattr(value, "dense_shape"):
        return ["sparse", *map(plain, (value.indices, value.values, value.dense_shape))]
    if hasattr(value, "numpy"):
        return plain(np.asarray(value.numpy(), object if value.dtype.name == "string" else None))
    return [plain(item) for item in value]


def tables(tf: Any) -> dict[str, Any]:
    """Return what makes tables for the expressions."""

    def static(keys: Any, values: Any, default: Any = -1) -> Any:
        return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)

    def vocabulary(words: Any, buckets: int) -> Any:
        numbers = tf.range(len(words), dtype=tf.int64)
        return tf.lookup.StaticVocabularyTable(tf.lookup.KeyValueTensorInitializer(words, numbers), buckets)

    def filled(table: Any, value: Any) -> Any:
        kinds = {"string": ["x", "y"], "int64": [1, 2], "float32": [[1.0, 2.0], [3.0, 4.0]]}
        table.insert(tf.constant(["a", "b"]), tf.constant(kinds[value.name], value))
        return table

    def mutable(key: Any, value: Any, default: Any) -> Any:
        return filled(tf.lookup.experimental.MutableHashTable(key, value, default), value)

    def dense(key: Any, value: Any, default: Any) -> Any:
        made = tf.lookup.experimental.DenseHashTable(key, value, default, empty_key="", deleted_key="del")
        return filled(made, value)

    def changed(table: Any) -> Any:
        table.insert(tf.constant(["b", "c", "d"]), tf.constant([20, 30, 40], tf.int64))
        table.remove(tf.constant(["a", "zz"]))
        return table.lookup(tf.constant(["a", "b", "c", "d"])), table.size()

    def from_file(key: Any, k: int, value: Any, v: int, default: Any, file: int = 0, **options: Any) -> Any:
        name = FOLDER / ("vocabulary.txt", "vocabulary_of_pairs.txt", "vocabulary_with_gap.txt")[file]
        lines = tf.lookup.TextFileInitializer(str(name), key, k, value, v, **options)
        return tf.lookup.StaticHashTable(lines, default)

    return {
        "static": static,
        "vocabulary": vocabulary,
        "mutable": mutable,
        "dense": dense,
        "changed": changed,
        "from_file": from_file,
    }


def answer(expression: str, tf: Any, traced: bool = False) -> Any:
    """Return the value of an expression, or `!` and the class of its error."""
    words = {"tf": tf, "np": np, "words": WORDS, "rc": tf.ragged.constant, **tables(tf)}
    try:
        if traced:
            return plain(tf.function(lambda: eval(expression, words))())
        return plain(eval(expression, words))
    except Exception as error:
        return f"!{type(error).__name__}"


def record(topic: str) -> None:
    """Write the topic's answers: one line for each expression."""
    import tensorflow as tf

    answers = [json.dumps(answer(expression, tf)) for expression in expressions(topic)]
    (FOLDER / f"{topic}_answers.txt").write_text("\n".join(answers) + "\n")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or TOPICS:
        record(wanted)
