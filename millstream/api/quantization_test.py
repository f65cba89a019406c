"""tf.quantization against TensorFlow's recorded answers, with gradients; what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf

RECORDED = json.loads((Path(__file__).parent / "testdata/quantization.json").read_text())
FUNCTIONS = {
    "vars": tf.quantization.fake_quant_with_min_max_vars,
    "channels": tf.quantization.fake_quant_with_min_max_vars_per_channel,
    "back": tf.quantization.quantize_and_dequantize_v2,
}


@pytest.mark.parametrize("number", range(len(RECORDED["cases"])))
def test_levels_and_gradients_are_tensorflows(number: int) -> None:
    kind, ends, attributes, wanted, gradients = RECORDED["cases"][number]
    inputs = [tf.constant(v, tf.float32) for v in (RECORDED["x"], *ends)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = FUNCTIONS[kind](*inputs, **attributes)
        z = y * tf.constant(RECORDED["x"], tf.float32)
    np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6)
    for found, one in zip(tape.gradient(z, inputs), gradients, strict=True):
        np.testing.assert_allclose(found, one, rtol=1e-5, atol=1e-5)
    traced = tf.function(
        lambda x: FUNCTIONS[kind](x, *inputs[1:], **attributes), input_signature=[tf.TensorSpec([None, 4])]
    )
    np.testing.assert_allclose(traced(inputs[0]), wanted, rtol=1e-6, atol=1e-6)


def test_constant_ends_give_what_tensors_give() -> None:
    x = tf.constant(RECORDED["x"], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.quantization.fake_quant_with_min_max_args(x, -1.0, 2.0, num_bits=4)
    np.testing.assert_array_equal(y, tf.quantization.fake_quant_with_min_max_vars(x, -1.0, 2.0, num_bits=4))
    inside = tf.quantization.fake_quant_with_min_max_args_gradient(tf.ones_like(x), x, -1.0, 2.0, num_bits=4)
    np.testing.assert_array_equal(tape.gradient(y, x), inside)


@pytest.mark.parametrize(
    "call",
    [
        lambda q, x: q.fake_quant_with_min_max_args(x, 3.0, 2.0),
        lambda q, x: q.fake_quant_with_min_max_args(x, num_bits=17),
        lambda q, x: q.fake_quant_with_min_max_vars(x, [1.0], 2.0),
        lambda q, x: q.fake_quant_with_min_max_vars_per_channel(x, [1.0], [2.0]),
        lambda q, x: q.quantize_and_dequantize_v2(x, 0.0, 1.0, num_bits=64),
        lambda q, x: q.quantize_and_dequantize_v2(x, 0.0, 1.0, axis=3),
    ],
)
def test_what_does_not_fit_is_refused(call: Any) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        call(tf.quantization, tf.constant(RECORDED["x"], tf.float32))
