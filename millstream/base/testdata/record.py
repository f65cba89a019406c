"""Records anew what real TensorFlow answers to the expressions in `tensorflow_answers.json`.

Add an expression there with any answer, then run this with an interpreter that has TensorFlow:

    python millstream/base/testdata/record.py
"""

from __future__ import annotations

import collections
import json
import pathlib
from typing import Any

Point = collections.namedtuple("Point", "a b")
Other = collections.namedtuple("Other", "a b")


class ReadOnly(collections.abc.Mapping):  # type: ignore[type-arg]
    """A mapping that cannot be changed."""

    def __init__(self, items: Any) -> None:
        self.items_ = dict(items)

    def __getitem__(self, key: Any) -> Any:
        return self.items_[key]

    def __iter__(self) -> Any:
        return iter(self.items_)

    def __len__(self) -> int:
        return len(self.items_)

    def __repr__(self) -> str:
        return f"ReadOnly({self.items_})"


def show(value: Any) -> str:
    """A text that tells values apart, types included."""
    if hasattr(value, "numpy"):
        value = value.numpy()
    if type(value).__module__ == "numpy" or (hasattr(value, "dtype") and hasattr(value, "tolist")):
        return f"{value.dtype} {getattr(value, 'shape', ())} {value.tolist()!r}"
    return f"{value!r} / {value!s}" if hasattr(value, "name") or "Shape" in type(value).__name__ else repr(value)


def answer(expression: str, names: dict[str, Any]) -> str:
    """What an expression gives: its value, or its error's class and text."""
    try:
        return show(eval(expression, dict(names)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main() -> None:
    """Record the answers."""
    import ml_dtypes
    import numpy as np
    import tensorflow as tf
    from tensorflow.python.framework import dtypes, errors_impl, tensor_shape, type_spec_registry
    from tensorflow.python.ops.resource_variable_ops import VariableSpec
    from tensorflow.python.util import nest

    names = {
        "dtypes": dtypes,
        "np": np,
        "ml_dtypes": ml_dtypes,
        "shapes": tensor_shape,
        "TensorShape": tf.TensorShape,
        "Dimension": tf.compat.v1.Dimension,
        "nest": nest,
        "errors": errors_impl,
        "constant": tf.constant,
        "collections": collections,
        "Point": Point,
        "Other": Other,
        "ReadOnly": ReadOnly,
        "TensorSpec": tf.TensorSpec,
        "BoundedTensorSpec": tf.__internal__.BoundedTensorSpec
        if hasattr(tf.__internal__, "BoundedTensorSpec")
        else __import__("tensorflow.python.framework.tensor", fromlist=["BoundedTensorSpec"]).BoundedTensorSpec,
        "RaggedTensorSpec": tf.RaggedTensorSpec,
        "SparseTensorSpec": tf.SparseTensorSpec,
        "IndexedSlicesSpec": tf.IndexedSlicesSpec,
        "VariableSpec": VariableSpec,
        "get_name": type_spec_registry.get_name,
        "pickle": __import__("pickle"),
        "copy": __import__("copy"),
    }
    path = pathlib.Path(__file__).with_name("tensorflow_answers.json")
    areas = {
        area: {expression: answer(expression, names) for expression in answers}
        for area, answers in json.loads(path.read_text()).items()
    }
    path.write_text(json.dumps(areas, indent=0, ensure_ascii=False) + "\n")
    print(f"{sum(map(len, areas.values()))} answers in {path}")


if __name__ == "__main__":
    main()
