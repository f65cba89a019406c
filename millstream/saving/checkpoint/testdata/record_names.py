"""Run with TensorFlow: writes checkpoints of names, of versions 1 and 2, into `tensorflow/`."""

import pathlib

import numpy as np
import tensorflow as tf

VALUES = {
    "float": np.arange(6, dtype=np.float32).reshape(2, 3),
    "double": np.arange(3.0),
    "text": np.array([b"a", b"", b"\xff" * 50], object),
    "long": np.int64(7),
    "half": np.array([1.5, 2], np.float16),
    "truth": np.array([True, False]),
    "byte": np.array([255, 1], np.uint8),
    "complex": np.array([1 + 2j], np.complex64),
    "zeros": np.zeros(300, np.float32),
    "short": np.array([-5], np.int16),
}

if __name__ == "__main__":
    v1 = tf.compat.v1
    folder = pathlib.Path(__file__).parent / "tensorflow"
    with tf.Graph().as_default():
        for name, value in VALUES.items():
            v1.get_variable(name, initializer=tf.constant(value))
        with v1.variable_scope("cut", partitioner=v1.fixed_size_partitioner(3)):
            whole = v1.get_variable("rows", shape=(7, 2), initializer=v1.ones_initializer())
        session = v1.Session()
        session.run(v1.global_variables_initializer())
        for number, part in enumerate(whole):
            part.load(np.full(part.shape, number, np.float32), session)
        for version in (1, 2):
            saver = v1.train.Saver(write_version=version)
            saver.save(session, str(folder / f"names_{version}"), write_meta_graph=False, write_state=False)
