"""Keras under the names that TensorFlow gives it."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import millstream
millstream.install_as_tensorflow()
import tensorflow as tf
from tensorflow.keras import layers
from tensorflow.losses import MeanSquaredError
import tensorflow.keras.layers as same
assert layers is same and MeanSquaredError is tf.keras.losses.MeanSquaredError
assert tf.compat.v1.keras.layers is layers
assert tf.metrics.Mean and tf.optimizers.Adam and tf.initializers.GlorotUniform
"""


def test_parts_of_keras_stand_at_the_top_too() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
