"""Save all cases with the TensorFlow at hand, load and call them; results as npz. Called by record_saved_models.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np


def cases() -> Any:
    path = Path(__file__).with_name("saved_model_cases.py")
    spec = importlib.util.spec_from_file_location("saved_model_cases", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CASES


def tensors(tf: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return {k: tensors(tf, v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(tensors(tf, v) for v in value)
    return tf.constant(value)


def flat(tf: Any, value: Any) -> list[np.ndarray]:
    found = []
    for leaf in tf.nest.flatten(value, expand_composites=True):
        if leaf is not None:
            found.append(np.asarray(leaf.numpy()))
    return found


def called(tf: Any, item: Any, calls: Any) -> list[np.ndarray]:
    found = []
    for name, arguments in calls:
        given = [tensors(tf, a) for a in arguments]
        if name.startswith("signature:"):
            function = item.signatures[name.partition(":")[2]]
            named = given[0] if isinstance(given[0], dict) else dict(zip(function.structured_input_signature[1], given))
            found += flat(tf, function(**named))
        else:
            function = item if name == "__call__" else getattr(item, name)
            found += flat(tf, function(*given))
    return found


def keep(path: Path, arrays: list[np.ndarray]) -> None:
    arrays = [
        np.array([x if isinstance(x, bytes) else str(x).encode() for x in a.ravel()], "S").reshape(a.shape)
        if a.dtype == object
        else a
        for a in arrays
    ]
    np.savez(path, **{f"r{i}": a for i, a in enumerate(arrays)})


def main(folder: str) -> None:
    import tensorflow as tf

    for name, build in cases().items():
        place = Path(folder, name)
        item, calls, given = build(tf)
        tf.saved_model.save(item, str(place), signatures={k: getattr(item, v) for k, v in given.items()} or None)
        keep(Path(folder, f"{name}.expected.npz"), called(tf, tf.saved_model.load(str(place)), calls))
