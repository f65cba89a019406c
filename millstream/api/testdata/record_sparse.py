"""Records anew what real TensorFlow answers to the expressions of `sparse_expressions.txt`.

Run it with an interpreter that has TensorFlow:

    python millstream/api/testdata/record_sparse.py
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np

FOLDER = pathlib.Path(__file__).parent


def expressions() -> list[str]:
    """Return the expressions, one a line."""
    return (FOLDER / "sparse_expressions.txt").read_text().splitlines()


def numbers(*shape: int, dtype: Any = np.float32) -> Any:
    """Return small whole numbers of a shape, none 0, the same each time."""
    drawn = np.random.default_rng(sum(shape) + len(shape)).integers(1, 5, shape)
    signs = np.random.default_rng(len(shape)).choice([-1, 1], shape)
    return (drawn * signs).astype(dtype)


def places(shape: tuple[int, ...], seed: int) -> Any:
    """Return the indices of about half of the elements of a shape, in order."""
    return np.argwhere(np.random.default_rng(seed).random(shape) < 0.5).reshape(-1, len(shape))


def names(tf: Any) -> dict[str, Any]:
    """Return what the expressions are evaluated with."""

    def sparse(*shape: int, dtype: Any = "float32", seed: int = 1, turned: bool = False) -> Any:
        indices = places(shape, seed)
        values = numbers(len(indices), dtype=dtype)
        if turned:
            indices, values = indices[::-1], values[::-1]
        return tf.SparseTensor(indices, values, list(shape))

    def dense(value: Any) -> Any:
        return value.values if isinstance(value, tf.SparseTensor) else value

    def moved(value: Any, by: Any) -> Any:
        return value.with_values(by) if isinstance(value, tf.SparseTensor) else by

    def grads(function: Any, *arguments: Any) -> list[Any]:
        values = [tf.convert_to_tensor(dense(a)) for a in arguments]
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = dense(function(*(moved(a, v) for a, v in zip(arguments, values, strict=True))))
            total = tf.reduce_sum(result * result)
        found = tape.gradient(total, values)
        return [result, *(None if g is None else tf.convert_to_tensor(g) for g in found)]

    def open_spec(value: Any) -> Any:
        spec = tf.SparseTensorSpec if isinstance(value, tf.SparseTensor) else tf.TensorSpec
        return spec([None] * value.shape.rank, value.dtype)

    def opened(function: Any, *arguments: Any) -> Any:
        given = [a if isinstance(a, tf.SparseTensor) else tf.constant(a) for a in arguments]
        return tf.function(function, input_signature=[open_spec(a) for a in given])(*given)

    def unranked(function: Any, argument: Any) -> Any:
        return tf.function(function, input_signature=[tf.SparseTensorSpec(None, argument.dtype)])(argument)

    return {"unranked": unranked, "tf": tf, "np": np, "d": numbers, "s": sparse, "grads": grads, "opened": opened}


def array_of(value: Any) -> Any:
    """Return a tensor as an array, strings as bytes of one length."""
    array = np.asarray(value.numpy())
    return array.astype(bytes) if array.dtype == object else array


def flat(value: Any) -> list[Any]:
    """Return the arrays in a nested answer; None where there is none."""
    if hasattr(value, "dense_shape") and hasattr(value, "indices"):
        parts = [value.values, value.indices, value.dense_shape]
        return [array_of(part) for part in parts if part is not None]
    if isinstance(value, (list, tuple)):
        return [part for item in value for part in flat(item)]
    return [array_of(value) if hasattr(value, "numpy") else value]


def answer(expression: str, tf: Any, traced: bool = False) -> list[Any] | str:
    """Return the arrays of an expression's value, or the class of its error."""
    words = names(tf)
    try:
        if traced:
            return flat(tf.function(lambda: eval(expression, words))())
        return flat(eval(expression, words))
    except Exception as error:
        return type(error).__name__


def record() -> None:
    """Write sparse_answers.npz: arrays by number of line and place, and which lines fail."""
    import tensorflow as tf

    arrays: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for line, expression in enumerate(expressions()):
        found = answer(expression, tf)
        if isinstance(found, str):
            errors[str(line)] = found
            continue
        for i, array in enumerate(found):
            plain = isinstance(array, np.ndarray)
            arrays[f"{line}.{i}"] = array if plain else np.array("None" if array is None else repr(array))
    np.savez_compressed(FOLDER / "sparse_answers.npz", errors=np.array(json.dumps(errors)), **arrays)
    print(errors)


if __name__ == "__main__":
    record()
