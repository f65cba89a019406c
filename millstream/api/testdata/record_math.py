"""Records anew what real TensorFlow answers to the expressions of `math_expressions.txt`, `image_…` and so on.

Run it with an interpreter that has TensorFlow, whose own kernels are asked for quantised types, not oneDNN's:

    TF_ENABLE_ONEDNN_OPTS=0 python millstream/api/testdata/record_math.py [topic...]
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import numpy as np

FOLDER = pathlib.Path(__file__).parent
TOPICS = ("math", "image", "linalg", "quantized", "edges")


def expressions(topic: str) -> list[str]:
    """Return the expressions, one a line."""
    return (FOLDER / f"{topic}_expressions.txt").read_text().splitlines()


def numbers(*shape: int) -> Any:
    """Return float32 numbers of a shape, the same each time."""
    return np.random.default_rng(sum(shape) + len(shape)).standard_normal(shape).astype(np.float32)


def doubles(*shape: int) -> Any:
    """Return float64 numbers of a shape, the same each time."""
    return np.random.default_rng(sum(shape) + len(shape)).standard_normal(shape)


def complexes(*shape: int) -> Any:
    """Return complex128 numbers of a shape, the same each time."""
    return doubles(*shape) + 1j * doubles(*shape, 2)[..., 1]


def definite(x: Any) -> Any:
    """Return positive definite matrices made of x."""
    return (x @ np.conj(np.swapaxes(x, -1, -2)) + 2 * np.eye(x.shape[-1])).astype(x.dtype)


def names(tf: Any) -> dict[str, Any]:
    """Return what the expressions are evaluated with."""

    def grads(function: Any, *arrays: Any) -> list[Any]:
        tensors = [tf.constant(a) for a in arrays]
        with tf.GradientTape() as tape:
            for tensor in tensors:
                tape.watch(tensor)
            result = function(*tensors)
        return [result, *tape.gradient(result, tensors)]

    def grads2(tf_: Any, x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            sums = tf.reduce_sum(tf.nn.softmax(x) ** 2 + tf.nn.log_softmax(x) ** 3)
            loss = tf.nn.softmax_cross_entropy_with_logits(tf.constant(numbers(3, 4)), x)
            result = sums + tf.reduce_sum(loss)
        return tape.gradient(result, x)

    def grads3(function: Any, *arrays: Any) -> list[Any]:
        """Return a result, its gradients, and those of the sum of their squares; 0 where there is none."""
        tensors = [tf.constant(a) for a in arrays]
        zero = tf.UnconnectedGradients.ZERO
        with tf.GradientTape() as outer:
            for tensor in tensors:
                outer.watch(tensor)
            with tf.GradientTape() as inner:
                for tensor in tensors:
                    inner.watch(tensor)
                result = function(*tensors)
            first = inner.gradient(result, tensors, unconnected_gradients=zero)
            squares = tf.add_n([tf.cast(tf.reduce_sum(tf.abs(g) ** 2), tf.float64) for g in first])
        return [result, *first, *outer.gradient(squares, tensors, unconnected_gradients=zero)]

    def words(*values: Any) -> Any:
        """Return what is no tensor as one, so that graphs can return it, too."""
        return tf.constant([ord(letter) for letter in repr(values)])

    quantized = (tf.qint8, tf.quint8, tf.qint16, tf.quint16, tf.qint32)

    def levels(dtype: Any, *shape: int) -> Any:
        """Return all kinds of numbers of a quantised type, the same each time."""
        plain = np.dtype(dtype.as_numpy_dtype)[0]
        bits = np.random.default_rng(sum(shape)).integers(0, 2**16, shape) * 65537
        return tf.bitcast(tf.constant(bits.astype(plain)), dtype)

    matrices = {"L": tf.linalg, "d": doubles, "c": complexes, "definite": definite, "words": words}
    more = {"Q": tf.quantization, "QT": quantized, "q": levels, "raw": tf.raw_ops, "nn1": tf.compat.v1.nn}
    return {"tf": tf, "np": np, "r": numbers, **more, "grads": grads, "grads2": grads2, "grads3": grads3, **matrices}


def flat(value: Any) -> list[Any]:
    """Return the arrays in a nested answer; None where there is none."""
    if isinstance(value, (list, tuple)):
        return [part for item in value for part in flat(item)]
    return [np.asarray(value.numpy()) if hasattr(value, "numpy") else value]


def answer(expression: str, tf: Any, traced: bool = False) -> list[Any] | str:
    """Return the arrays of an expression's value, or the class of its error."""
    words = names(tf)
    try:
        if traced:
            return flat(tf.function(lambda: eval(expression, words))())
        return flat(eval(expression, words))
    except Exception as error:
        return type(error).__name__


def record(topic: str) -> None:
    """Write the topic's answers: arrays by number of line and place, and which lines fail."""
    import tensorflow as tf

    arrays: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for line, expression in enumerate(expressions(topic)):
        found = answer(expression, tf)
        if isinstance(found, str):
            errors[str(line)] = found
            continue
        for i, array in enumerate(found):
            plain = isinstance(array, np.ndarray)
            arrays[f"{line}.{i}"] = array if plain else np.array("None" if array is None else repr(array))
    np.savez_compressed(FOLDER / f"{topic}_answers.npz", errors=np.array(json.dumps(errors)), **arrays)


if __name__ == "__main__":
    for chosen in sys.argv[1:] or TOPICS:
        record(chosen)
