"""Every declared op has the signature that TensorFlow publishes."""

import pytest

from millstream.ops.registry import all_ops

import opdef_compare

REFERENCE = opdef_compare.published()


@pytest.mark.parametrize("name", sorted(all_ops()))
def test_op_is_declared_as_published(name):
    assert name in REFERENCE, f"TensorFlow publishes no op {name!r}"
    lines = opdef_compare.differences(opdef_compare.declared(all_ops()[name]), REFERENCE[name])
    assert not lines, "\n".join([name, *lines])


def test_a_wrong_default_is_noticed():
    ours, theirs = (opdef_compare.published()["MatMul"] for _ in range(2))
    ours["attributes"]["transpose_a"]["default"] = True
    ours["inputs"][0] = ("x", "T", "")
    assert [line.split(":")[0] for line in opdef_compare.differences(ours, theirs)] == [
        "inputs",
        "attribute transpose_a, default",
    ]


def test_text_list_and_type_defaults_are_decoded():
    convolution = REFERENCE["Conv2D"]["attributes"]
    assert convolution["data_format"]["default"] == "NHWC"
    assert convolution["dilations"]["default"] == (1, 1, 1, 1)
    assert REFERENCE["ConcatV2"]["attributes"]["Tidx"]["default"] == "int32"
