"""Extension types: made, refused, compared, traced, batched, and answered for by functions of their own."""

from __future__ import annotations

import pickle
import typing

import numpy as np
import pytest

import millstream as tf


class Masked(tf.experimental.BatchableExtensionType):
    """Values of which some are not to be seen."""

    values: tf.Tensor
    mask: tf.Tensor

    def __validate__(self) -> None:
        self.values.shape.assert_is_compatible_with(self.mask.shape)

    __add__ = tf.add


class Toy(tf.experimental.ExtensionType):
    """One field of each kind."""

    name: str
    price: tf.Tensor
    features: typing.Mapping[str, tf.Tensor]
    size: int | float | None = 3
    lengths: tuple[int, ...] = ()
    shape: tf.TensorShape = [2, 3]
    dtype: tf.DType = "int32"


@pytest.fixture
def masked_add() -> typing.Iterator[None]:
    @tf.experimental.dispatch_for_binary_elementwise_apis(Masked, Masked)
    def both(function: typing.Any, x: Masked, y: Masked) -> Masked:
        return Masked(function(x.values, y.values), x.mask & y.mask)

    @tf.experimental.dispatch_for_unary_elementwise_apis(Masked)
    def one(function: typing.Any, x: Masked) -> Masked:
        return Masked(function(x.values), x.mask)

    yield
    tf.experimental.unregister_dispatch_for(both)
    tf.experimental.unregister_dispatch_for(one)


def test_fields_are_converted_and_have_defaults() -> None:
    toy = Toy("a", 1.0, {"z": [1]})
    assert toy.features["z"].shape == (1,) and toy.shape == (2, 3) and toy.dtype is tf.int32
    assert tf.experimental.extension_type.as_dict(toy)["size"] == 3
    with pytest.raises(TypeError, match="name: expected 'str', got 'int'"):
        Toy(3, 1.0, {})
    with pytest.raises(TypeError, match="size: expected"):
        Toy("a", 1.0, {}, "large")


def test_values_cannot_be_changed() -> None:
    toy = Toy("a", 1.0, {})
    with pytest.raises(AttributeError, match="Cannot mutate attribute `name`"):
        toy.name = "b"
    with pytest.raises(AttributeError, match="Cannot mutate attribute `price`"):
        del toy.price
    with pytest.raises(TypeError):
        toy.features["z"] = 1


def test_validation_follows_construction_and_own_constructors_set_fields() -> None:
    with pytest.raises(ValueError, match="incompatible"):
        Masked([1, 2], [True])

    class Doubled(tf.experimental.ExtensionType):
        x: tf.Tensor
        y: tf.Tensor

        def __init__(self, x: typing.Any) -> None:
            self.x = x
            self.y = x * 2

    assert Doubled(tf.constant(2)).y.numpy() == 4
    with pytest.raises(AttributeError, match="`x`"):
        Doubled(1.0).x = 3


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"__annotations__": {"x": list}}, TypeError),
        ({"x": 3}, ValueError),
        ({"__annotations__": {"_type_spec": int}}, ValueError),
        ({"__annotations__": {"x": list[int]}}, TypeError),
        ({"__annotations__": {"x": typing.Mapping[tf.Tensor, int]}}, TypeError),
        ({"Spec": 3}, ValueError),
    ],
)
def test_classes_with_fields_that_cannot_be_are_refused(body: typing.Any, error: type[Exception]) -> None:
    base = tf.experimental.ExtensionType
    with pytest.raises(error):
        type(base)("Bad", (base,), {"__module__": __name__, "__qualname__": "Bad", **body})


def test_specs_compare_relax_and_pickle() -> None:
    toy, other = Toy("a", 1.0, {"z": [1]}), Toy("a", [1.0], {"z": [1]})
    spec = toy._type_spec
    assert pickle.loads(pickle.dumps(spec)) == spec and spec.is_compatible_with(toy)
    assert not spec.is_compatible_with(Toy("b", 1.0, {"z": [1]}))
    merged = spec.most_specific_common_supertype([other._type_spec])
    assert merged.price.shape.rank is None and merged.is_compatible_with(other)
    with pytest.raises(TypeError, match="TensorSpec"):
        Masked.Spec(3, tf.TensorSpec([2]))


def test_equality_is_of_all_elements() -> None:
    a, b = Masked([1, 2], [True, False]), Masked([1, 3], [True, False])
    assert bool(a == a) and not bool(a == b) and bool(a != b) and (a == 3) is False

    @tf.function(input_signature=[Masked.Spec(tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.bool))] * 2)
    def same(x: Masked, y: Masked) -> typing.Any:
        return x == y

    assert same(a, a) and not same(a, b) and not same(a, Masked([1, 2, 3], [True] * 3))


def test_functions_answer_for_own_types_also_by_references_taken_before(masked_add: None) -> None:
    a = Masked([1, -2], [True, False])
    assert (a + a).values.numpy().tolist() == [2, -4]
    assert tf.abs(a).values.numpy().tolist() == [1, 2]
    assert tf.ones_like(a, dtype=tf.float32).values.dtype is tf.float32
    assert tf.add(1, 2).numpy() == 3
    with pytest.raises(ValueError):
        tf.add(tf.constant(1), a)


def test_functions_forget_what_is_unregistered() -> None:
    @tf.experimental.dispatch_for_api(tf.concat, {"values": list[Masked]})
    def joined(values: typing.Any, axis: typing.Any) -> Masked:
        return Masked(tf.concat([v.values for v in values], axis), tf.concat([v.mask for v in values], axis))

    a = Masked([1], [True])
    assert tf.concat([a, a], 0).values.shape == (2,)
    tf.experimental.unregister_dispatch_for(joined)
    with pytest.raises(ValueError):
        tf.concat([a, a], 0)
    with pytest.raises(ValueError, match="was not registered"):
        tf.experimental.unregister_dispatch_for(joined)
    with pytest.raises(ValueError, match="does not match"):
        tf.experimental.dispatch_for_api(tf.add, {"x": Masked})(lambda x: x)


def test_values_pass_through_traces_loops_and_branches(masked_add: None) -> None:
    @tf.function
    def grown(x: Masked, n: typing.Any) -> Masked:
        for _ in tf.range(n):
            x = x + x
        return tf.cond(n > 2, lambda: tf.negative(x), lambda: x)

    x = Masked([1, 2], [True, False])
    assert grown(x, tf.constant(3)).values.numpy().tolist() == [-8, -16]
    assert grown(x, tf.constant(1)).values.numpy().tolist() == [2, 4]
    assert grown.experimental_get_tracing_count() == 1
    nested = tf.function(lambda toy: toy.features["z"] * 2)
    assert nested(Toy("a", 1.0, {"z": [1]})).numpy().tolist() == [2]


def test_gradients_flow_through_fields(masked_add: None) -> None:
    x = Masked([1.0, 2.0], [True, False])
    with tf.GradientTape() as tape:
        tape.watch(x.values)
        y = tf.reduce_sum(tf.square(x).values)
    assert tape.gradient(y, x.values).numpy().tolist() == [2.0, 4.0]


def test_rows_are_batched_and_mapped_over(masked_add: None) -> None:
    x = Masked([[1, 2], [3, 4], [5, 6]], [[True, False]] * 3)
    rows = tf.data.Dataset.from_tensor_slices(x)
    assert rows.element_spec == Masked.Spec(tf.TensorSpec([2], tf.int32), tf.TensorSpec([2], tf.bool))
    batches = list(rows.map(lambda v: v + v).batch(2))
    assert [b.values.shape.as_list() for b in batches] == [[2, 2], [1, 2]]
    again = [v.values.numpy().tolist() for v in rows.batch(2).unbatch()]
    assert again == [[1, 2], [3, 4], [5, 6]]
    doubled = tf.map_fn(lambda v: v + v, x)
    assert np.array_equal(doubled.values.numpy(), x.values.numpy() * 2)
    traced = tf.function(lambda v: tf.map_fn(lambda row: row.values * 2, v, fn_output_signature=tf.int32))
    assert np.array_equal(traced(x).numpy(), x.values.numpy() * 2)


def test_a_dispatching_function_names_itself_and_the_users_line_where_an_argument_is_missing() -> None:
    @tf.experimental.dispatch_for_api(tf.concat, {"values": list[Masked]})
    def joined(values: typing.Any, axis: typing.Any) -> Masked:
        return Masked(tf.concat([v.values for v in values], axis), values[0].mask)

    with pytest.raises(
        TypeError, match=r"^concat\(\) missing a required argument: 'axis'\n  at .*: tf\.concat\(\[\]\)"
    ):
        tf.concat([])
    tf.experimental.unregister_dispatch_for(joined)
    with pytest.raises(TypeError, match=r"^concat\(\) missing"):
        tf.concat([])


def test_stacked_results_of_map_fn_have_the_shape_of_all() -> None:
    class Network(tf.experimental.BatchableExtensionType):
        shape: tf.TensorShape
        work: tf.Tensor

        def __init__(self, work: tf.Tensor) -> None:
            self.work = tf.convert_to_tensor(work)
            self.shape = self.work.shape[:-1]

    def doubled(networks: Network) -> Network:
        return tf.map_fn(lambda network: Network(network.work * 2), networks)

    networks = Network(tf.ones([2, 3]))
    for found in (doubled(networks), tf.function(doubled)(networks)):
        assert found.shape.as_list() == [2] and found.work.numpy().tolist() == [[2.0] * 3] * 2
