"""Import the real Keras on this engine. Refuses other back ends."""

from __future__ import annotations

import importlib
import os
import types

from millstream.bridge.install import NAME, install_as_tensorflow


def load_keras() -> types.ModuleType:
    """Answer to the name `tensorflow` and import Keras with its tensorflow back end, in the form with `tf.keras`'s names."""
    if os.environ.setdefault("KERAS_BACKEND", NAME) != NAME:
        raise ImportError(
            f"KERAS_BACKEND={os.environ['KERAS_BACKEND']!r}: Keras runs on Millstream through its {NAME} back end; unset it."
        )
    install_as_tensorflow()
    plain, full = importlib.import_module("keras"), importlib.import_module("keras._tf_keras.keras")
    # It has all of `tf.keras`'s older names, but lacks some of `keras`'s own.
    for name, item in vars(plain).items():
        if not name.startswith("_") and not hasattr(full, name):
            setattr(full, name, item)
    return full
