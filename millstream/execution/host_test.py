"""tf.print writes what TensorFlow writes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

import millstream as tf


def printed(*values: Any, **words: Any) -> str:
    stream = io.StringIO()
    tf.print(*values, output_stream=stream, **words)
    return stream.getvalue()


def test_floats_are_printed_with_the_fewest_digits_that_read_back() -> None:
    x = tf.constant([0.1, 1e-7, 1e20, 1 / 3, float("nan")])
    assert printed(x, summarize=-1) == "[0.1 1e-07 1e+20 0.333333343 nan]\n"
    assert printed(tf.constant(0.1, tf.float64), tf.constant(0.1, tf.float16)) == "0.1 0.0999755859\n"


def test_structures_and_texts_are_printed_as_python_has_them() -> None:
    assert printed({"a": tf.constant(0.1)}, ["b", tf.constant(["c\n"])]) == "{'a': 0.1} ['b', [\"c\\n\"]]\n"
    assert printed(np.float32(0.5), "d", 3) == "np.float32(0.5) d 3\n"


def test_a_traced_function_prints_when_it_runs() -> None:
    stream = io.StringIO()

    @tf.function
    def show(x: Any) -> None:
        tf.print(x, "is", x * 2, sep="|", output_stream=stream)

    show(tf.constant([0.1, 0.2]))
    assert stream.getvalue() == "[0.1 0.2]|is|[0.2 0.4]\n"
