"""Checks what public functions give in the conversion mode "all", against what TensorFlow 2.21 answered."""

import subprocess
import sys

ANSWERS = {
    "tf.abs(f)": "float32 weak",
    "tf.negative(1)": "int32 weak",
    "tf.exp(c)": "complex128 weak",
    "tf.zeros_like(i)": "int32 weak",
    "tf.reduce_sum(f)": "float32 weak",
    "tf.reshape(i, [1])": "int32 weak",
    "tf.identity(i)": "int32 weak",
    "tf.nn.leaky_relu(f)": "float32 weak",
    "tf.nn.relu(f)": "float32",
    "tf.math.real(c)": "float64 weak",
    "tf.add(i, f)": "float32 weak",
    "tf.add(i, tf.constant(1, tf.int8))": "int8",
    "tf.multiply(f, tf.constant(1.0, tf.float16))": "float16",
    "tf.maximum(i, f)": "float32",
    "tf.equal(i, tf.constant(1.0))": "bool",
    "tf.pow(i, 1.5)": "float32 weak",
    "tf.truediv(i, i)": "float64 weak",
    "tf.subtract(tf.constant(1.0), np.array([1, 2]))": "float64 weak",
    "tnp.exp(i)": "float32 weak",
    "tnp.sum(tf.constant(1, tf.int8))": "int32",
    "tnp.mean(i)": "float32 weak",
    "tnp.where(True, i, tf.constant(1.0))": "float32",
    "tnp.concatenate([tnp.ravel(f), tf.constant([1.0], tf.bfloat16)])": "bfloat16",
    "tnp.stack([tf.constant(1), tf.constant(1, tf.int8)])": "int8",
    "tnp.multiply(i, tf.constant(1.0))": "float64",
    "tf.matmul(tf.reshape(i, [1, 1]), [[1.0]])": "float32 weak",
    "i < f": "InvalidArgumentError",
    "i == f": "bool",
    "tf.tensordot(f, i, 0)": "float32",
    "tf.expand_dims(1.5, 0)": "float32 weak",
    "tf.square(tf.constant(1, tf.int64))": "int64",
    "tf.cast(i, tf.float32)": "float32",
    "tf.cast(tf.constant(1), tf.int32)": "int32",
    "tf.cast(tf.constant(1), tf.int32) + tf.constant(1, tf.int8)": "int32",
    "tf.constant(tf.constant(10, tf.int16), tf.float32)": "float32",
    "tf.constant(tf.constant(True), tf.int8)": "int8",
    "tf.constant(tf.constant(10, tf.int64), tf.bfloat16, [2])": "bfloat16",
    "tf.constant(tf.constant(10, tf.int16), tf.int8)": "TypeError",
    "tf.constant(tf.constant(2.5, tf.float64), tf.float32)": "TypeError",
    "tf.constant(tf.constant(2.5, tf.float64), tf.int32)": "TypeError",
    "tf.constant(tf.constant(1), tf.int8)": "int8",
    "tf.constant(tf.constant(1.0), tf.int8)": "TypeError",
    "tf.constant(tf.Variable(10), tf.float32)": "float32",
}

PROGRAM = """
import sys
import numpy as np
import millstream as tf
tnp = tf.experimental.numpy
tnp.experimental_enable_numpy_behavior(dtype_conversion_mode="all")
i, f, c = tnp.asarray(1), tnp.asarray(1.5), tnp.asarray(1j)
for expression in sys.stdin.read().splitlines():
    try:
        found = eval(expression)
        print(found.dtype.name + (" weak" if getattr(found, "weak", False) else ""))
    except Exception as error:
        print(type(error).__name__)
tnp.experimental_enable_numpy_behavior(dtype_conversion_mode="off")
print(tf.add(1, 2).dtype.name, tf.abs(1.5).dtype.name, getattr(tf.abs(1.5), "weak", False))
"""


def test_public_functions_keep_what_gives_way_in_the_mode_all_and_only_there() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input="\n".join(ANSWERS), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert dict(zip(ANSWERS, lines, strict=True)) == ANSWERS
    assert last == "int32 float32 False"
