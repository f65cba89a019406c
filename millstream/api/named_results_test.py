"""Results of functions of several outputs, which TensorFlow names after its ops."""

# mypy: ignore-errors

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import millstream as tf

_PICTURES = tf.ones([1, 4, 4, 1])
_CLASSES = tf.constant([[1]], tf.int64)
_CALLS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "Unique": (lambda: tf.unique([1, 2]), ("y", "idx")),
    "UniqueWithCounts": (lambda: tf.unique_with_counts([1, 2]), ("y", "idx", "count")),
    "ListDiff": (lambda: tf.compat.v1.setdiff1d([1, 2], [2]), ("out", "idx")),
    "MaxPoolWithArgmax": (lambda: tf.nn.max_pool_with_argmax(_PICTURES, 2, 2, "VALID"), ("output", "argmax")),
    "FractionalMaxPool": (
        lambda: tf.nn.fractional_max_pool(_PICTURES, 1.5, seed=1),
        ("output", "row_pooling_sequence", "col_pooling_sequence"),
    ),
    "FakeQuantWithMinMaxVarsGradient": (
        lambda: tf.quantization.fake_quant_with_min_max_vars_gradient([1.0, 2.0], [1.0, 2.0], 0.0, 3.0),
        ("backprops_wrt_input", "backprop_wrt_min", "backprop_wrt_max"),
    ),
    "ApproxTopK": (lambda: tf.math.approx_max_k([1.0, 2.0], 1), ("values", "indices")),
    "UniformCandidateSampler": (
        lambda: tf.random.uniform_candidate_sampler(_CLASSES, 1, 2, True, 5, seed=1),
        ("sampled_candidates", "true_expected_count", "sampled_expected_count"),
    ),
    "ComputeAccidentalHits": (
        lambda: tf.nn.compute_accidental_hits(_CLASSES, tf.constant([1, 2], tf.int64), 1),
        ("indices", "ids", "weights"),
    ),
    "QuantizeV2": (
        lambda: tf.quantization.quantize([1.0, 2.0], 0.0, 3.0, tf.quint8),
        ("output", "output_min", "output_max"),
    ),
    "Qr": (lambda: tf.linalg.qr(tf.eye(2)), ("q", "r")),
    "Lu": (lambda: tf.linalg.lu(tf.eye(2)), ("lu", "p")),
    "LogMatrixDeterminant": (lambda: tf.linalg.slogdet(tf.eye(2)), ("sign", "log_abs_determinant")),
    "Svd": (lambda: tf.raw_ops.Svd(input=tf.eye(2)), ("s", "u", "v")),
}


@pytest.mark.parametrize("name", _CALLS)
def test_results_have_the_names_of_the_ops(name: str) -> None:
    call, fields = _CALLS[name]
    eager, traced = call(), tf.function(call)()
    assert type(eager).__name__ == name and eager._fields == fields
    assert type(call()) is type(eager) is type(traced)
