"""Tests of nested structures that need classes of their own; `tensorflow_answers_test.py` has the rest."""

import collections

import pytest

from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.base.specs import TensorSpec, TypeSpec


class PairSpec(TypeSpec):
    def __init__(self, shape):
        self.shape = shape

    value_type = property(lambda self: Pair)
    _component_specs = property(lambda self: [TensorSpec(self.shape), TensorSpec(self.shape)])

    def _serialize(self):
        return (self.shape,)

    def _to_components(self, value):
        return [value.left, value.right]

    def _from_components(self, components):
        return Pair(*components)


class Pair(CompositeTensor):
    def __init__(self, left, right):
        self.left, self.right = left, right

    @property
    def _type_spec(self):
        return PairSpec((2,))


class Leaf(Pair):
    _nested_as = "leaf"


class Box:
    """Says itself how it is taken apart."""

    def __init__(self, label, *values):
        self.label, self.values = label, values

    def __tf_flatten__(self):
        return (self.label,), self.values

    @classmethod
    def __tf_unflatten__(cls, metadata, components):
        return cls(*metadata, *components)


class Proxy:
    """Stands for another object and shows its class, as wrapt's proxies do."""

    __wrapped__ = None

    def __init__(self, wrapped):
        self.__wrapped__ = wrapped

    __class__ = property(lambda self: type(self.__wrapped__))

    def __getattr__(self, name):
        return getattr(self.__wrapped__, name)

    def __iter__(self):
        return iter(self.__wrapped__)

    def __getitem__(self, key):
        return self.__wrapped__[key]

    def __len__(self):
        return len(self.__wrapped__)


def test_composites_are_opened_only_when_asked():
    pair = Pair(1, 2)
    assert nest.flatten([pair]) == [pair] and nest.flatten([pair, 3], expand_composites=True) == [1, 2, 3]
    assert not nest.is_nested(pair) and nest.is_nested_or_composite(pair)
    doubled = nest.map_structure(lambda x: 2 * x, {"p": pair}, expand_composites=True)["p"]
    assert isinstance(doubled, Pair) and (doubled.left, doubled.right) == (2, 4)
    assert nest.flatten(Leaf(1, 2), expand_composites=True)[0].left == 1
    assert nest.flatten(pair._type_spec, expand_composites=True) == [TensorSpec((2,)), TensorSpec((2,))]


def test_composites_are_compared_by_spec():
    nest.assert_same_structure(Pair(1, 2), PairSpec((2,)), expand_composites=True)
    with pytest.raises(ValueError, match="Incompatible CompositeTensor TypeSpecs"):
        nest.assert_same_structure(Pair(1, 2), PairSpec((3,)), expand_composites=True)
    with pytest.raises(ValueError, match="is a sequence, while substructure"):
        nest.assert_same_structure(Pair(1, 2), 3, expand_composites=True)


def test_classes_that_take_themselves_apart():
    box = Box("label", 1, [2])
    assert nest.is_nested(box) and nest.flatten(box) == [1, 2]
    made = nest.map_structure(lambda x: x + 1, box)
    assert (made.label, made.values) == ("label", (2, [3]))


def test_attrs_classes_keep_their_order():
    Field = collections.namedtuple("Field", "name")

    class Point:
        __attrs_attrs__ = (Field("y"), Field("x"))

        def __init__(self, y, x):
            self.y, self.x = y, x

    made = nest.map_structure(str, Point(1, [2]))
    assert (type(made), made.y, made.x) == (Point, "1", ["2"])
    assert nest.flatten(Point(1, [2])) == [1, 2]
    assert list(nest.yield_flat_paths(Point(1, [2]))) == [("y",), ("x", 0)]


def test_proxies_count_as_what_they_stand_for():
    proxy = Proxy({"b": 1, "a": [2]})
    assert nest.flatten(proxy) == [2, 1] and nest.is_nested(proxy) and not nest.is_nested(Proxy(3))


def test_keys_that_cannot_be_sorted_are_refused():
    with pytest.raises(TypeError, match="not supported between instances"):
        nest.flatten({1: 2, "a": 3})


def test_ordered_and_default_dictionaries_keep_class_and_order():
    ordered = nest.map_structure(str, collections.OrderedDict([("b", 1), ("a", 2)]))
    assert list(ordered.items()) == [("b", "1"), ("a", "2")] and type(ordered) is collections.OrderedDict
    counted = nest.map_structure(str, collections.defaultdict(list, a=1))
    assert counted.default_factory is list and counted == {"a": "1"}
