"""Save all cases with the TensorFlow at hand, or load what is saved and call it; results as npz. Run: python FILE save|call FOLDER."""

from __future__ import annotations

import importlib.util
import sys
import traceback
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


def main(what: str, folder: str, *only: str) -> None:
    import tensorflow as tf

    failed = 0
    for name, build in cases().items():
        if only and name not in only:
            continue
        place = Path(folder, name)
        try:
            item, calls, given = build(tf)
            if what == "save":
                tf.saved_model.save(
                    item, str(place), signatures={k: getattr(item, v) for k, v in given.items()} or None
                )
            item = tf.saved_model.load(str(place))
            keep(Path(folder, f"{name}.{'expected' if what == 'save' else 'found'}.npz"), called(tf, item, calls))
        except Exception as error:
            failed += 1
            print(f"{name}: {type(error).__name__}: {str(error)[:1500]}")
            if "-v" in sys.argv:
                traceback.print_exc()
    print(f"{failed} failed")


if __name__ == "__main__":
    main(*[a for a in sys.argv[1:] if a != "-v"])
