"""Files of records are written as TensorFlow writes them, and read again."""

from __future__ import annotations

import pytest

import millstream as tf

OF_TENSORFLOW = bytes.fromhex("0300000000000000b099490e6162636e57f121")
"""What TensorFlow 2.21 writes for the one record b"abc"."""


def test_a_record_stands_in_the_file_as_tensorflow_writes_it(tmp_path):
    path = str(tmp_path / "records")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(b"abc")
    with open(path, "rb") as file:
        assert file.read() == OF_TENSORFLOW


@pytest.mark.parametrize("how", ["", "GZIP", "ZLIB"])
def test_records_are_read_as_they_were_written(tmp_path, how):
    path, records = str(tmp_path / "records"), [b"", b"one", bytes(range(256)) * 300]
    options = tf.io.TFRecordOptions(how, compression_level=9 if how else None)
    with tf.io.TFRecordWriter(path, options) as writer:
        for record in records:
            writer.write(record)
            writer.flush()
    assert list(tf.compat.v1.io.tf_record_iterator(path, options)) == records
    assert list(tf.data.TFRecordDataset(path, how).as_numpy_iterator()) == records


def test_damage_is_found(tmp_path):
    for name, data in (("cut", OF_TENSORFLOW[:-2]), ("changed", OF_TENSORFLOW[:-5] + b"d" + OF_TENSORFLOW[-4:])):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(tf.errors.DataLossError, match=name):
            list(tf.compat.v1.io.tf_record_iterator(str(path)))


def test_refusals_have_tensorflows_classes(tmp_path):
    with pytest.raises(ValueError, match="Not a valid compression_type"):
        tf.io.TFRecordOptions("x")
    with pytest.raises(tf.errors.NotFoundError):
        tf.io.TFRecordWriter(str(tmp_path / "none" / "x"))
    with pytest.raises(tf.errors.NotFoundError):
        list(tf.compat.v1.io.tf_record_iterator(str(tmp_path / "none")))
    writer = tf.io.TFRecordWriter(str(tmp_path / "x"))
    with pytest.raises(TypeError, match="bytes"):
        writer.write(5)
    writer.close()
    for call in (writer.close, writer.flush, lambda: writer.write(b"x")):
        with pytest.raises(tf.errors.FailedPreconditionError, match="closed"):
            call()
