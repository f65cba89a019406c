"""Messages have the bytes that TensorFlow's have."""

from __future__ import annotations

import subprocess
import sys

import pytest

from millstream.base.messages import enumeration, message, parsed


def test_an_example_has_tensorflows_bytes():
    example = message("Example")()
    example.features.feature["ab"].int64_list.value.extend([1, 300])
    assert example.SerializeToString() == b"\n\x0f\n\r\n\x02ab\x12\x07\x1a\x05\n\x03\x01\xac\x02"
    assert message("Example").FromString(example.SerializeToString()) == example
    assert example.DESCRIPTOR.full_name == "tensorflow.Example"


def test_a_oneof_holds_one_kind():
    feature = message("Feature")(float_list=message("FloatList")(value=[1.5]))
    assert feature.WhichOneof("kind") == "float_list"
    feature.bytes_list.value.append(b"x")
    assert feature.WhichOneof("kind") == "bytes_list"
    assert feature.SerializeToString() == b"\n\x03\n\x01x"


def test_nested_messages_and_enums_are_found():
    value = message("Summary.Value")(tag="t", simple_value=2.0)
    assert value.WhichOneof("value") == "simple_value"
    assert enumeration("DataType").Value("DT_STRING") == 7
    assert message("TensorProto")(dtype=9).SerializeToString() == b"\x08\x09"


def test_what_is_not_understood_is_named():
    with pytest.raises(ValueError, match="'service' is not understood"):
        parsed("service S {}", "x.proto")


def test_importing_millstream_does_not_import_protobuf():
    code = "import sys, millstream; sys.exit('google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
