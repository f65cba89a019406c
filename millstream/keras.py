"""The real Keras on this engine: `from millstream import keras`. Importing it answers to the name `tensorflow` in this process."""

from __future__ import annotations

import os
import sys

from millstream.bridge import install_as_tensorflow

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if os.environ["KERAS_BACKEND"] != "tensorflow":
    raise ImportError(f"KERAS_BACKEND={os.environ['KERAS_BACKEND']!r}: Keras runs on Millstream through its tensorflow back end; unset it.")
install_as_tensorflow()

import keras as _keras  # noqa: E402

sys.modules[__name__] = _keras
