"""Results that are not finite are found, eagerly, in functions and in gradients; the message says which op and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import millstream as tf


@pytest.fixture(autouse=True)
def checked() -> Iterator[None]:
    tf.debugging.enable_check_numerics()
    yield
    tf.debugging.disable_check_numerics()


def test_an_eager_op_is_named_with_its_inputs_and_counts() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        tf.math.log(tf.constant([-1.0, 0.0, 1.0]))
    text = raised.value.message
    assert 'eagerly-executing op "Log"' in text and "# of -Inf elements: 1" in text and "# of NaN elements: 1" in text
    assert "[-1.  0.  1.]" in text and "numerics_check_test.py" in text


def test_an_op_of_a_function_is_named_with_its_line_and_graph() -> None:
    @tf.function
    def quotient(x: Any) -> Any:
        y = x + 1.0
        return y / (x - x)

    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        quotient(tf.constant(1.0))
    text = raised.value.message
    assert (
        'graph op "RealDiv"' in text and "return y / (x - x)" in text and "quotient" in text.partition("Graph name")[2]
    )


def test_gradients_are_looked_at() -> None:
    x = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.sqrt(x)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Infinity or NaN"):
        tape.gradient(y, x)


def test_finite_work_goes_on_as_before() -> None:
    variable = tf.Variable([1.0, 2.0])
    step = tf.function(lambda: variable.assign_sub([0.5, 0.5]))
    step()
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(variable * variable)
    assert tape.gradient(y, variable).numpy().tolist() == [1.0, 3.0]
    assert tf.constant(float("nan")).shape.rank == 0


def test_nothing_is_looked_at_after_it_is_taken_back() -> None:
    tf.debugging.disable_check_numerics()
    assert tf.math.is_nan(tf.math.log(-1.0))


def test_the_devices_of_ops_are_written(capsys: Any) -> None:
    tf.debugging.set_log_device_placement(True)
    assert tf.debugging.get_log_device_placement()
    tf.square(tf.constant(2.0))
    tf.debugging.set_log_device_placement(False)
    tf.square(tf.constant(2.0))
    written = capsys.readouterr().err
    assert written.count("Executing op Square in device /job:localhost/replica:0/task:0/device:CPU:0") == 1


def test_files_of_the_debugger_are_refused() -> None:
    with pytest.raises(tf.errors.UnimplementedError, match="enable_check_numerics"):
        tf.debugging.experimental.enable_dump_debug_info("/tmp/nowhere")
    tf.debugging.experimental.disable_dump_debug_info()
