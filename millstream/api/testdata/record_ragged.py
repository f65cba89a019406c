"""Records anew what real TensorFlow answers to the expressions of `ragged_expressions.txt`.

Run it with an interpreter that has TensorFlow:

    python millstream/api/testdata/record_ragged.py
"""

from __future__ import annotations

import gzip
import json
import pathlib
import re
from typing import Any

import numpy as np

FOLDER = pathlib.Path(__file__).parent
MODES = ("eager", "traced", "opened")


def expressions() -> list[str]:
    """Return the expressions, one a line."""
    return (FOLDER / "ragged_expressions.txt").read_text().splitlines()


def names(tf: Any) -> dict[str, Any]:
    """Return the values that expressions are made of."""
    a = tf.ragged.constant([[1, 2], [3], [], [4, 5, 6]])
    return {
        "a": a,
        "b": tf.ragged.constant([[[1, 2], [3]], [], [[]], [[4, 5, 6], [7], [8, 9]]]),
        "c": tf.ragged.constant([[[1, 2]], [[3, 4], [5, 6]]], ragged_rank=1),
        "d": tf.constant([[1, 2], [3, 4], [5, 6]]),
        "f": tf.ragged.constant([[1.5, 2], [3], [], [4, 5, 6]]),
        "g": tf.ragged.constant([[True, False], [True], [], [False, False, False]]),
        "u": tf.RaggedTensor.from_uniform_row_length(a, 2),
        "s1": tf.ragged.constant([["a", "b"], ["c"]]),
        "x3": tf.ragged.constant([[[1.0, 2], [3, 4]], [[5, 6]]], ragged_rank=1),
        "y3": tf.ragged.constant([[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]]),
    }


def plain(value: Any, tf: Any) -> Any:
    """Return a value as lists, numbers and text that json takes; kind and element type first."""
    if isinstance(value, tf.RaggedTensor):
        shape = str(value.shape)
        return ["ragged", value.dtype.name, value.row_splits.dtype.name, shape, elements(value.to_list())]
    if isinstance(value, tf.SparseTensor):
        return ["sparse", *(plain(part, tf) for part in (value.indices, value.values, value.dense_shape))]
    if isinstance(value, tf.Tensor):
        return ["tensor", value.dtype.name, str(value.shape), elements(value.numpy().tolist())]
    if isinstance(value, np.ndarray):
        return ["array", str(value.dtype), str(value.shape), elements(value.tolist())]
    if isinstance(value, (list, tuple)):
        return ["list", *(plain(part, tf) for part in value)]
    return ["text", re.sub(r"np\.int\d+\((\d+)\)", r"\1", repr(value))]


def elements(value: Any) -> Any:
    """Return nested lists with text in place of bytes and complex numbers."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [elements(item) for item in value]
    return str(value) if isinstance(value, (bytes, complex)) else value


def open_spec(value: Any, tf: Any) -> Any:
    """Return the spec of a value with no size of an outer axis known."""
    if not isinstance(value, tf.RaggedTensor):
        return tf.TensorSpec([None] * value.shape.rank, value.dtype)
    inner = value.flat_values.shape.as_list()[1:]
    shape = [None] * (value.ragged_rank + 1) + inner
    return tf.RaggedTensorSpec(shape, value.dtype, value.ragged_rank, value.row_splits.dtype)


def answer(expression: str, tf: Any, mode: str = "eager") -> Any:
    """Return the plain form of an expression's value, or the class of its error."""
    held = names(tf)
    words = {
        "tf": tf,
        "np": np,
        "R": tf.RaggedTensor,
        "P": tf.experimental.RowPartition,
        "D": tf.experimental.DynamicRaggedShape,
    }
    used = [name for name in held if re.search(rf"\b{name}\b", expression)]
    try:
        function = eval(f"lambda {', '.join(used)}: {expression}", words)
        arguments = [held[name] for name in used]
        if mode == "eager":
            return plain(function(*arguments), tf)
        signature = [open_spec(value, tf) for value in arguments] if mode == "opened" else None
        return plain(tf.function(function, input_signature=signature)(*arguments), tf)
    except Exception as error:
        return type(error).__name__


def record() -> None:
    """Write ragged_answers.json.gz: the eager answers, one a line of the expressions."""
    import tensorflow as tf

    answers = [answer(expression, tf) for expression in expressions()]
    with gzip.GzipFile(FOLDER / "ragged_answers.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(answers).encode())
    for expression, found in zip(expressions(), answers, strict=True):
        if isinstance(found, str):
            print(found, expression)


if __name__ == "__main__":
    record()
