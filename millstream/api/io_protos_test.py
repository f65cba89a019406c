"""Messages as tensors and back, in graphs too; descriptors from bytes and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

import millstream as tf


@pytest.fixture(scope="module")
def source(tmp_path_factory: Any) -> str:
    made = descriptor_pb2.FileDescriptorSet()
    file = made.file.add(name="pets.proto", package="pets", syntax="proto2")
    message = file.message_type.add(name="Pet")
    for i, (name, kind, label) in enumerate((("name", 9, 1), ("ages", 5, 3), ("weight", 2, 1), ("friend", 11, 3)), 1):
        field = message.field.add(name=name, number=i, type=kind, label=label)
        if kind == 11:
            field.type_name = ".pets.Pet"
    path: Path = tmp_path_factory.mktemp("protos") / "pets.bin"
    path.write_bytes(made.SerializeToString())
    return str(path)


FIELDS, TYPES = ["name", "ages", "weight", "friend"], [tf.string, tf.int32, tf.float32, tf.string]


def test_messages_go_and_come_back(source: str) -> None:
    sizes = [[1, 2, 1, 0], [1, 0, 0, 1]]
    inner = tf.io.encode_proto([[1]], [[["Rex"]]], ["name"], "pets.Pet", source)
    values = [[["Tom"], ["Kit"]], [[3, 4], [0, 0]], [[1.5], [0.0]], [[""], [inner.numpy()[0]]]]
    texts = tf.io.encode_proto(sizes, values, FIELDS, "pets.Pet", source)
    found, columns = tf.io.decode_proto(texts, "pets.Pet", FIELDS, TYPES, source)
    assert found.numpy().tolist() == sizes
    assert columns[0].numpy().tolist() == [[b"Tom"], [b"Kit"]] and columns[1].numpy().tolist() == [[3, 4], [0, 0]]
    assert columns[3].numpy().tolist() == [[b""], [inner.numpy()[0]]]

    @tf.function(input_signature=[tf.TensorSpec(None, tf.string)])
    def names(x: Any) -> Any:
        return tf.io.decode_proto(x, "pets.Pet", ["name"], [tf.string], source)[1][0]

    assert names(texts).numpy().tolist() == [[b"Tom"], [b"Kit"]]


def test_descriptors_come_as_bytes_and_messages_as_text(source: str) -> None:
    given = "bytes://" + Path(source).read_bytes().decode("latin-1")
    _, (ages,) = tf.io.decode_proto("ages: 1 ages: 2", "pets.Pet", ["ages"], [tf.int64], given, "text")
    assert ages.numpy().tolist() == [1, 2]


def test_what_is_unknown_is_refused(source: str) -> None:
    for fields, types, message in (
        (["color"], [tf.string], "pets.Pet"),
        (["ages"], [tf.string], "pets.Pet"),
        (["ages"], [], "pets.Pet"),
        (["ages"], [tf.int32], "pets.Cat"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.io.decode_proto(b"", message, fields, types, source)
    with pytest.raises(tf.errors.DataLossError):
        tf.io.decode_proto(b"\xff\xff", "pets.Pet", ["ages"], [tf.int32], source)
    with pytest.raises(tf.errors.NotFoundError):
        tf.io.decode_proto(b"", "pets.Pet", ["ages"], [tf.int32], "/nowhere")
