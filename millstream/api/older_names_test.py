"""Older and newer names of arguments mean the same, and are refused together; parameters stand where TensorFlow has them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import millstream as tf

v1: Any = tf.compat.v1


def test_both_names_at_once_are_refused() -> None:
    image, weights = tf.ones([1, 4, 4, 1]), tf.ones([2, 2, 1, 1])
    for call in (
        lambda: v1.nn.avg_pool(image, 2, 1, "VALID", input=image),
        lambda: v1.nn.conv2d(image, weights, 1, "VALID", filters=weights),
        lambda: v1.nn.conv2d_transpose(image, weights, [1, 5, 5, 1], 1, "VALID", input=image),
        lambda: v1.nn.convolution(image, weights, "VALID", dilation_rate=[1, 1], dilations=[1, 1]),
        lambda: v1.norm(image, keepdims=True, keep_dims=True),
    ):
        with pytest.raises(ValueError, match="Cannot specify both"):
            call()


def test_names_of_one_function_are_one_function() -> None:
    assert v1.nn.avg_pool is v1.nn.avg_pool2d
    assert v1.extract_image_patches is v1.image.extract_image_patches
    patches = v1.image.extract_image_patches(tf.ones([1, 4, 4, 1]), [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    assert patches.shape == [1, 3, 3, 4]


def test_names_of_operations_stand_third_where_an_example_is_parsed() -> None:
    assert list(inspect.signature(v1.parse_single_example).parameters) == [
        "serialized", "features", "name", "example_names",
    ]  # fmt: skip
    assert list(inspect.signature(v1.get_seed).parameters) == ["op_seed"]


def test_casts_of_version_1_have_names_of_their_own_and_no_other_parameters() -> None:
    with tf.Graph().as_default():
        assert v1.to_float(tf.constant(1)).name == "ToFloat:0"
        assert v1.to_bfloat16(tf.constant(1), name="small").name == "small:0"
    assert v1.to_int32(2.7).numpy() == 2 and v1.to_double(1).dtype is tf.float64
    with pytest.raises(TypeError):
        v1.to_float(1.0, "name", tf.int32)


def test_a_group_has_the_name_of_the_scope_that_it_is_given() -> None:
    with tf.Graph().as_default(), v1.name_scope("train") as scope:
        assert tf.group(tf.constant(1.0), name=scope).name == "train"
        assert tf.group(tf.constant(1.0), name="inner").name == "train/inner"
