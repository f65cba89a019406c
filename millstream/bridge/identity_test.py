"""Classes by the names by which other packages know them, and pickled under these."""

from __future__ import annotations

import subprocess
import sys


def test_classes_bear_the_names_that_libraries_look_for_and_are_pickled_under_them():
    program = """
import pickle
import millstream
millstream.install_as_tensorflow()
import tensorflow as tf

seen = []

@tf.function
def f(x):
    seen.append(type(x))
    return x

f(tf.constant(1.0))
things = [tf.constant(1.0), tf.Variable(1.0), tf.float32, tf.TensorShape([2]), tf.TensorSpec([2]), tf.data.Dataset.range(2)]
kinds = [*seen, *(type(thing) for thing in things), tf.Tensor, tf.Variable, tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices]
for kind in kinds:
    assert kind.__module__.startswith("tensorflow."), kind
for kind in (tf.Tensor, tf.Variable, tf.DType, tf.TensorShape, tf.TensorSpec, tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices):
    assert pickle.loads(pickle.dumps(kind)) is kind, kind
for thing in (tf.float32, tf.TensorShape([2, None]), tf.TensorSpec([2], tf.int32, "x"), tf.RaggedTensorSpec([2, None])):
    assert pickle.loads(pickle.dumps(thing)) == thing, thing
print("right")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "right\n", done.stderr
