"""Private modules that hold public names."""

from __future__ import annotations

import subprocess
import sys

import pytest

import millstream as tf
from millstream.bridge.private_names import PLACES, RENAMED, finder


@pytest.mark.parametrize("module", sorted(PLACES))
def test_each_namespace_that_is_asked_exists_and_each_other_name_leads_somewhere(module):
    find = finder(module)
    assert find is not None
    with pytest.raises(AttributeError, match=f"tensorflow.python.{module}"):
        find("no_such_name")
    for name in RENAMED.get(module, ()):
        assert find(name) is not None


def test_names_are_the_public_ones():
    assert finder("framework.ops")("Tensor") is tf.Tensor
    assert finder("framework.ops")("get_default_graph") is tf.compat.v1.get_default_graph
    assert finder("framework.tensor_util")("constant_value") is tf.get_static_value
    assert finder("ops.math_ops")("reduce_sum") is tf.reduce_sum
    assert finder("ops.no_such_module") is None


def test_programs_import_them():
    program = """
import millstream
millstream.install_as_tensorflow()
import tensorflow as tf
from tensorflow.python.framework import dtypes, ops
from tensorflow.python.ops.numpy_ops import np_config
import tensorflow.python.ops.array_ops as array_ops
from tensorflow.python.eager.record import should_record_backprop
assert dtypes.float32 is tf.float32 and array_ops.gather is not None and np_config.enable_numpy_behavior
x = tf.constant(1.0)
assert not should_record_backprop([x])
with tf.GradientTape() as tape:
    tape.watch(x)
    assert should_record_backprop([x]) and not should_record_backprop([tf.constant(2.0)])
try:
    from tensorflow.python.ops.array_ops import no_such_name
except ImportError:
    print("right")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "right\n", done.stderr
