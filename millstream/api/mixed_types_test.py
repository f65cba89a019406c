"""Tests which element type decides where numbers of Python and tensors meet."""

import numpy as np
import pytest

import millstream as tf

FLOATS = tf.constant([1.0, 2.0])
REFUSED = (tf.errors.InvalidArgumentError, TypeError, ValueError)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("function", [tf.add, tf.truediv, tf.math.multiply_no_nan])
def test_the_first_of_a_sum_quotient_or_product_decides(function, traced):
    def call(x, y):
        return tf.function(lambda: function(x, y))() if traced else function(x, y)

    assert call(2.5, FLOATS).dtype == tf.float32
    if function is not tf.math.multiply_no_nan:
        assert call(2, tf.constant([1, 2])).dtype == (tf.float64 if function is tf.truediv else tf.int32)
    assert call(FLOATS, 2).dtype == call(FLOATS, np.float32(2)).dtype == tf.float32
    for first in (2, [3, 4], np.array([3.0, 4.0]), True):
        with pytest.raises(REFUSED):
            call(first, FLOATS)


def test_coefficients_have_their_own_element_type():
    assert tf.math.polyval([1.0, 2.0], FLOATS).numpy().tolist() == [3.0, 4.0]
    with pytest.raises(REFUSED):
        tf.math.polyval([1, 2], FLOATS)
