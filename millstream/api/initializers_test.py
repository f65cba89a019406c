"""Initializers, device names, tensor messages and other small things of the top level, against TensorFlow's answers."""

from __future__ import annotations

import numpy as np
import pytest

import millstream as tf

RECORDED_NORMAL = [-0.3431696, 4.3521008, -0.8884909, 2.215878]
RECORDED_UNIFORM = [1, 4, 1, 3]


def test_initializers_make_what_tensorflow_makes() -> None:
    assert tf.zeros_initializer()([2], tf.int32).numpy().tolist() == [0, 0]
    assert tf.constant_initializer([[1.5, 2], [3, 4]])([2, 2]).numpy().tolist() == [[1.5, 2.0], [3.0, 4.0]]
    # Recorded from TensorFlow 2.21.
    drawn = tf.random_normal_initializer(1.0, 2.0, seed=3)([4])
    np.testing.assert_array_equal(drawn, tf.random.stateless_normal([4], [3, 0], 1.0, 2.0))
    np.testing.assert_allclose(drawn, RECORDED_NORMAL, rtol=1e-6)
    assert tf.random_uniform_initializer(1, 5, seed=3)([4], tf.int32).numpy().tolist() == RECORDED_UNIFORM


def test_initializers_refuse_types_and_arguments_they_do_not_take() -> None:
    with pytest.raises(ValueError, match="expected to be numeric"):
        tf.ones_initializer()([2], tf.string)
    with pytest.raises(ValueError, match="floating point"):
        tf.random_normal_initializer()([2], tf.int32)
    with pytest.raises(TypeError, match="Received: foo"):
        tf.zeros_initializer()([2], foo=1)
    with pytest.raises(ValueError, match="partition"):
        tf.constant_initializer(3)([4], partition_shape=[2])


def test_device_names_are_taken_apart_and_joined() -> None:
    spec = tf.DeviceSpec.from_string("/job:ps/replica:0/task:1/device:CPU:0")
    assert (spec.job, spec.task, spec.device_type) == ("ps", 1, "CPU")
    merged = tf.DeviceSpec(job="ps").make_merged_spec(tf.DeviceSpec(device_type="gpu", device_index=2))
    assert merged.to_string() == "/job:ps/device:GPU:2" and merged == tf.DeviceSpec.from_string("/job:ps/gpu:2")
    with pytest.raises(ValueError, match="Unknown attribute 'foo'"):
        tf.DeviceSpec.from_string("/foo:1")
    with pytest.raises(ValueError, match="Multiple device types"):
        tf.DeviceSpec.from_string("/cpu:0/gpu:1")


@pytest.mark.parametrize("value", [3, 2.5, [1.0, 2.0], [[1, 2], [3, 4]], "abc", [b"x", b"y"], True, [1 + 2j], []])
def test_tensor_messages_hold_what_they_were_made_of(value: object) -> None:
    made = tf.make_ndarray(tf.make_tensor_proto(value))
    wanted = tf.constant(value).numpy()
    assert np.array_equal(made, wanted) and made.dtype == np.asarray(wanted, made.dtype).dtype


def test_tensor_messages_fill_up_with_the_last_value() -> None:
    assert tf.make_ndarray(tf.make_tensor_proto([1, 2], shape=[2, 2])).tolist() == [[1, 2], [2, 2]]
    with pytest.raises(ValueError, match="Too many elements"):
        tf.make_tensor_proto([1, 2, 3], shape=[2])
    with pytest.raises(TypeError, match="Expected Tensor's shape"):
        tf.make_tensor_proto([1, 2], shape=[2, 2], verify_shape=True)


def test_arrays_of_tensors_are_arguments_of_traced_functions() -> None:
    stack = tf.function(lambda array: array.stack())
    array = tf.TensorArray(tf.float32, 2).unstack([[1.0, 2.0], [3.0, 4.0]])
    assert stack(array).numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    array = array.write(0, [5.0, 6.0])
    assert stack(array).numpy().tolist() == [[5.0, 6.0], [3.0, 4.0]]
    assert stack.experimental_get_tracing_count() == 1
    assert tf.type_spec_from_value(array) == tf.TensorArraySpec([2], tf.float32)


def test_gradients_are_registered_once_and_libraries_refused() -> None:
    tf.RegisterGradient("NobodysOp")(lambda op, grad: grad)
    with pytest.raises(KeyError, match="NobodysOp"):
        tf.no_gradient("NobodysOp")
    with pytest.raises(KeyError, match="Exp"):
        tf.RegisterGradient("Exp")(lambda op, grad: grad)
    with pytest.raises(tf.errors.NotFoundError):
        tf.load_op_library("/nonexistent.so")
    with pytest.raises(tf.errors.UnimplementedError, match="composite"):
        tf.load_op_library(__file__)
