"""The real Keras on this engine: `from millstream import keras`."""

import sys

from millstream.bridge.keras import load_keras

sys.modules[__name__] = load_keras()
