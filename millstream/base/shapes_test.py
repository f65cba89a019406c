"""Tests of what TensorShape does beyond TensorFlow's: sizes that have names."""

from millstream.base import shapes
from millstream.base.shapes import Dimension, TensorShape, from_spec_shape, to_spec_shape
from millstream.base.sizes import Symbol, is_known


def test_a_named_size_shows_as_none():
    batch = Symbol("batch")
    assert from_spec_shape((batch, 2 * batch, 3)) == TensorShape([None, None, 3])
    assert TensorShape([batch, 3]).as_list() == [None, 3]
    assert from_spec_shape(None).rank is None and from_spec_shape(()).rank == 0


def test_each_unknown_size_gets_a_name_of_its_own():
    first, second, third = to_spec_shape(TensorShape([None, 3, None]), "batch")
    assert not is_known(first) and second == 3 and third is not first and first.name.startswith("batch_")
    assert to_spec_shape(None) is None


def test_version_1_shapes_hold_dimensions():
    shapes.disable_v2_tensorshape()
    try:
        shape = TensorShape([2, None])
        assert isinstance(shape[0], Dimension) and [size.value for size in shape] == [2, None]
        assert repr(shape) == "TensorShape([Dimension(2), Dimension(None)])" and str(shape) == "(2, ?)"
    finally:
        shapes.enable_v2_tensorshape()
    assert TensorShape([2, None])[0] == 2
