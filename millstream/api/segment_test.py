"""Segments: few and many, empty ones, rows narrow and wide, all give what NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest

import millstream as tf

KINDS = {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1, 3, 700])
@pytest.mark.parametrize("segments", [1, 3, 40, 900])
def test_sorted_segments_are_those_of_numpy(kind: str, width: int, segments: int) -> None:
    random = np.random.default_rng(segments + width)
    ids = np.sort(random.integers(0, segments, 1000)).astype(np.int32)
    data = random.uniform(0.9, 1.1, (1000, width)).astype(np.float32)
    found = getattr(tf.math, f"segment_{kind}")(data, ids).numpy()
    empty = 1.0 if kind == "prod" else 0.0
    expected = np.full((ids[-1] + 1, width), empty, np.float64)
    for segment in np.unique(ids):
        expected[segment] = KINDS[kind](data[ids == segment].astype(np.float64), axis=0)
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_segments_after_a_gap_and_of_no_rows() -> None:
    ids = tf.constant([3, 3, 4, 5, 6, 7, 9, 9])
    assert tf.math.segment_mean(tf.range(8.0), ids).numpy().tolist() == [0, 0, 0, 0.5, 2, 3, 4, 5, 0, 6.5]
    assert tf.math.segment_sum(tf.zeros([0, 2]), tf.zeros([0], tf.int32)).shape == (0, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not increasing"):
        tf.math.segment_sum(tf.range(8.0), [0, 1, 2, 3, 4, 3, 5, 6])
