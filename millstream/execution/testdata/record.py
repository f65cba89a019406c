"""Records anew what real TensorFlow answers to the expressions of `expressions.txt` and to those made here.

Run it with an interpreter that has TensorFlow:

    python millstream/execution/testdata/record.py
"""

from __future__ import annotations

import copy
import json
import pathlib
import pickle
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np

FLOATS = ["bfloat16", "float16", "float32", "float64"]
SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
COMPLEX = ["complex64", "complex128"]
EVERY = [*FLOATS, *SIGNED, *UNSIGNED, *COMPLEX, "bool", "string"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!=", "&", "|", "^", "@", "<<"]


def names(tf: Any, traced: Callable[..., Any]) -> dict[str, Any]:
    """Return what the expressions are evaluated with, made anew for each."""

    class Arrayed:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.array([1, 2, 3])

    class Answering:
        def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> Any:
            return tf.constant(7.0)

    class Reflected:
        def __radd__(self, other: Any) -> str:
            return "reflected"

    class Inner(tf.Module):  # type: ignore[misc]
        def __init__(self, name: Any = None) -> None:
            super().__init__(name=name)
            self.w = tf.Variable(1.0, name="w")
            self.l = [tf.Variable(2.0), {"a": tf.Variable(3.0, trainable=False)}]

        @tf.Module.with_name_scope  # type: ignore[untyped-decorator]
        def __call__(self, x: Any) -> Any:
            if not hasattr(self, "b"):
                self.b = tf.Variable(2.0, name="b")
            return self.b.name

    return {
        "tf": tf,
        "np": np,
        "copy": copy,
        "pickle": pickle,
        "traced": traced,
        "Arrayed": Arrayed,
        "Answering": Answering,
        "Reflected": Reflected,
        "Inner": Inner,
        "a": tf.constant([1.0, 2.0]),
        "i": tf.constant([1, 2]),
        "s": tf.constant("a"),
        "b": tf.constant([True, False]),
        "d": tf.constant([1.0, 2.0], tf.float64),
        "m": tf.constant([[1.0, 2.0], [3.0, 4.0]]),
        "e": tf.constant(3.0),
        "n": tf.constant(3),
        "c": tf.constant(1 + 2j),
        "u": tf.constant([1, 2], tf.uint8),
        "v": tf.Variable([1.0, 2.0], name="v"),
        "w": tf.Variable(2.0),
        "x": tf.constant(np.arange(60, dtype=np.float32).reshape(3, 4, 5)),
    }


def answer(expression: str, given: dict[str, Any]) -> str:
    """Return what the expression is, as text; an error as its class and message."""
    try:
        text = repr(eval(expression, given))
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def expressions() -> dict[str, list[str]]:
    """Return the expressions by area."""
    areas: dict[str, list[str]] = {}
    for line in (pathlib.Path(__file__).parent / "expressions.txt").read_text().splitlines():
        if line.startswith("# "):
            areas[line[2:]] = found = []
        else:
            found.append(line)
    matrix = []
    for dtype in EVERY:
        left, right = (
            ("['p','q']", "['q','q']")
            if dtype == "string"
            else ("[True,False]", "[True,True]")
            if dtype == "bool"
            else ("[7,2]", "[2,3]")
        )
        one = f"tf.constant({left}, tf.{dtype})"
        for operator in BINARY:
            matrix.append(f"{one} {operator} tf.constant({right}, tf.{dtype})")
            matrix.append(f"{one} {operator} 2")
            matrix.append(f"2 {operator} {one}")
        matrix += [
            f"-{one}",
            f"~{one}",
            f"abs({one})",
            f"{one}[0]",
            f"repr({one})",
            f"str({one}[0])",
            f"{one}.numpy()",
            f"bool({one}[0])",
        ]
        matrix += [
            f"tf.Variable({one})",
            f"tf.Variable({one}).assign_add({one})",
            f"copy.deepcopy({one})",
            f"pickle.loads(pickle.dumps({one}))",
        ]
        matrix += [
            f"np.asarray({one})",
            f"tf.constant(1, tf.{dtype})",
            f"tf.constant(1.5, tf.{dtype})",
            f"tf.constant([1, 2], tf.{dtype})",
            f"list({one})",
        ]
    areas["element types"] = matrix
    chosen = random.Random(7)
    entries = [
        "0",
        "1",
        "-1",
        "2",
        ":",
        "::2",
        "1:",
        ":-1",
        "::-1",
        "...",
        "None",
        "0:0",
        "2:0:-1",
        "-2:",
        "n-2",
        "n-3:",
        "5",
        "1:9",
        "np.int64(1)",
    ]
    slices = [f"x[{', '.join(chosen.choice(entries) for _ in range(chosen.randint(1, 4)))},]" for _ in range(240)]
    areas["slices"] = [*slices, *[f"traced(lambda x: x{s[1:]}, x)" for s in slices[:80]]]
    assigned = [":", "0:2", "1", "...", "::2", "None", "-1"]
    areas["slices"] += [f"tf.Variable(x)[{chosen.choice(assigned)}].assign(5.0).numpy().sum()" for _ in range(14)]
    return areas


def main() -> None:
    """Record all answers."""
    import tensorflow as tf

    def traced(function: Callable[..., Any], *arguments: Any) -> str:
        held = []

        def call(x: Any) -> Any:
            held.append(repr(function(x)))

        spec = tf.TensorSpec(
            [None, *arguments[0].shape[1:]] if arguments[0].shape.rank else [], arguments[0].dtype, name="x"
        )
        tf.function(call, autograph=False).get_concrete_function(spec)
        return held[0]

    areas = {
        area: {expression: answer(expression, names(tf, traced)) for expression in listed}
        for area, listed in expressions().items()
    }
    path = pathlib.Path(__file__).parent / "tensorflow_answers.json"
    path.write_text(json.dumps(areas, indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
