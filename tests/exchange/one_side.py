"""One side of an exchange of files, as a program: one_side.py ENGINE JOB FOLDER, with a Python that has the engine.

ENGINE is tensorflow or millstream. JOB: write saves all models and checkpoints, with what they give; read loads what is there, and
keeps what it gives here. What fails is written down in the place of results.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

import written_checkpoints as checkpoints
import written_models as models


def _checkpoint_bytes(tensors: list[np.ndarray]) -> list[np.ndarray]:
    """Return arrays as bytes with their type and shape: element types of others are not in every NumPy."""
    return [np.array([a.dtype.name, str(a.shape), a.tobytes().hex()]) for a in tensors]


def _write(tf: Any, keras: Any, name: str, folder: Path) -> list[np.ndarray]:
    keras.utils.set_random_seed(1)
    if name in checkpoints.CASES:
        case = checkpoints.CASES[name](tf, keras, True)
        case.save(str(folder / name))
        return _checkpoint_bytes(case.tensors())
    calls = models.MODELS[name](tf, keras, str(folder / name))
    (folder / f"{name}.calls").write_bytes(pickle.dumps(calls))
    return _called(tf, name, folder)


def _read(tf: Any, keras: Any, name: str, folder: Path) -> list[np.ndarray]:
    if name in checkpoints.CASES:
        case = checkpoints.CASES[name](tf, keras, False)
        case.restore(str(folder / name))
        return _checkpoint_bytes(case.tensors())
    return _called(tf, name, folder)


def _called(tf: Any, name: str, folder: Path) -> list[np.ndarray]:
    called = models.module("run_saved_models").called
    calls = pickle.loads((folder / f"{name}.calls").read_bytes())
    return called(tf, tf.saved_model.load(str(folder / name)), calls)  # type: ignore[no-any-return]


def main(engine: str, job: str, folder: str, *only: str) -> None:
    """Do one job for everything, or for what is named."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    if engine == "millstream":
        import millstream

        millstream.install_as_tensorflow()
    import keras
    import tensorflow as tf

    done = {"write": _write, "read": _read}[job]
    for name in only or (*models.MODELS, *checkpoints.CASES):
        result: Any
        try:
            result = done(tf, keras, name, Path(folder))
        except Exception as error:
            result = "".join(traceback.format_exception(error))
        Path(folder, f"{name}.{job}").write_bytes(pickle.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
