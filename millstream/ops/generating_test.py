"""The length of ranges of floats is counted in the range's own type, as TensorFlow does."""

from __future__ import annotations

import millstream as tf


def test_ranges_of_floats_count_in_their_own_type() -> None:
    # TensorFlow 2.21's lengths; in float64 the first quotient, taken of float32 numbers, is above 10.
    assert tf.range(0.1, 1.1, 0.1).shape == [10]
    assert tf.range(0.0, 0.7, 0.1).shape == [7]
    assert tf.range(0.5, 2.0, 0.25, dtype=tf.bfloat16).shape == [6]
