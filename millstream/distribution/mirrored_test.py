"""MirroredStrategy on two logical devices: variables, merging, inputs and gradients, with TensorFlow's answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.api import config_devices


@pytest.fixture(autouse=True)
def two_devices() -> Iterator[None]:
    config_devices.reset_devices()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    yield
    config_devices.reset_devices()


def mirrored() -> Any:
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def parts(value: Any) -> list[Any]:
    return [np.asarray(v).tolist() for v in value.values]


def replica() -> Any:
    return tf.distribute.get_replica_context()


def test_variables_have_a_copy_for_each_replica() -> None:
    strategy = mirrored()
    with strategy.scope():
        variable = tf.Variable([1.0, 2.0], name="weights")
    assert type(variable).__name__ == "MirroredVariable" and isinstance(variable, tf.Variable)
    assert isinstance(variable, tf.distribute.DistributedValues)
    assert variable.synchronization is tf.VariableSynchronization.ON_WRITE
    assert [copy.name for copy in variable.values] == ["weights:0", "weights/replica_1:0"]
    variable.assign([5.0, 6.0])
    assert parts(variable) == [[5.0, 6.0], [5.0, 6.0]]
    assert tf.Variable(1.0).__class__.__name__ == "ResourceVariable"


def test_changes_in_replicas_are_aggregated_before_they_are_made() -> None:
    strategy = mirrored()
    with strategy.scope():
        mean = tf.Variable(1.0, aggregation=tf.VariableAggregation.MEAN)
        total = tf.Variable(1.0, aggregation=tf.VariableAggregation.SUM)
        first = tf.Variable(1.0, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

    def change() -> None:
        number = tf.cast(replica().replica_id_in_sync_group, tf.float32)
        for variable in (mean, total, first):
            variable.assign_add(number + 1)

    strategy.run(change)
    assert [parts(v) for v in (mean, total, first)] == [[2.5, 2.5], [4.0, 4.0], [2.0, 2.0]]


def test_variables_summed_on_reading_are_changed_by_each_replica_alone() -> None:
    strategy = mirrored()
    with strategy.scope():
        count = tf.Variable(
            0.0, synchronization=tf.VariableSynchronization.ON_READ, aggregation=tf.VariableAggregation.SUM
        )
    strategy.run(lambda: count.assign_add(float(replica().replica_id_in_sync_group + 1)))
    assert parts(count) == [1.0, 2.0] and count.numpy() == 3.0


@pytest.mark.parametrize("traced", [False, True])
def test_sums_over_replicas_have_the_sum_of_their_gradients(traced: bool) -> None:
    strategy = mirrored()
    given = strategy.experimental_distribute_values_from_function(
        lambda context: tf.fill([2], float(context.replica_id_in_sync_group))
    )

    def gradient(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = replica().all_reduce("sum", x * x)
            loss = tf.reduce_sum(total) * tf.cast(replica().replica_id_in_sync_group + 1, tf.float32)
        return tape.gradient(loss, x)

    found = strategy.run(tf.function(gradient) if traced else gradient, args=(given,))
    assert parts(found) == [[0.0, 0.0], [6.0, 6.0]]


def test_functions_traced_in_a_replica_have_its_copies() -> None:
    strategy = mirrored()
    with strategy.scope():
        variable = tf.Variable(0.0)

    @tf.function
    def inner(x: Any) -> Any:
        variable.assign_add(x)
        return variable * 1.0

    def step() -> Any:
        return inner(tf.constant(float(replica().replica_id_in_sync_group + 1)))

    assert parts(strategy.run(step)) == [1.0, 2.0]
    assert parts(strategy.run(step)) == [2.0, 4.0]


@pytest.mark.parametrize(
    ("dataset", "steps"),
    [
        (lambda: tf.data.Dataset.range(10).batch(4), [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8], [9]]]),
        (lambda: tf.data.Dataset.range(5).batch(3).map(lambda x: x), [[[0, 1], [2]], [[3], [4]]]),
        (lambda: tf.data.Dataset.range(3).batch(2), [[[0], [1]], [[2], []]]),
    ],
)
def test_batches_are_divided_evenly(dataset: Any, steps: list[Any]) -> None:
    assert [parts(batch) for batch in mirrored().experimental_distribute_dataset(dataset())] == steps


def test_datasets_of_a_function_have_a_batch_for_each_replica() -> None:
    found = mirrored().distribute_datasets_from_function(lambda context: tf.data.Dataset.range(5).batch(1))
    assert [parts(batch) for batch in found] == [[[0], [1]], [[2], [3]], [[4], []]]


def test_one_replica_has_plain_values() -> None:
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    dataset = strategy.distribute_datasets_from_function(lambda context: tf.data.Dataset.range(3).batch(2))
    assert [batch.numpy().tolist() for batch in dataset] == [[0, 1], [2]]
    assert strategy.run(lambda x: x + 1, args=(tf.constant(1),)).numpy() == 2


def test_a_traced_loop_runs_over_divided_batches() -> None:
    strategy = mirrored()
    dataset = strategy.experimental_distribute_dataset(tf.data.Dataset.range(10).batch(4))

    @tf.function
    def total() -> Any:
        found = tf.constant(0, tf.int64)
        for batch in dataset:
            found += strategy.reduce("SUM", strategy.run(tf.reduce_sum, args=(batch,)), axis=None)
        return found

    assert int(total()) == 45


def test_values_are_reduced_and_gathered() -> None:
    strategy = mirrored()
    given = strategy.experimental_distribute_values_from_function(lambda c: tf.range(2 + c.replica_id_in_sync_group))
    assert strategy.gather(given, 0).numpy().tolist() == [0, 1, 0, 1, 2]
    assert int(strategy.reduce("SUM", given, axis=0)) == 4
    same = strategy.experimental_distribute_values_from_function(
        lambda c: tf.constant(float(c.replica_id_in_sync_group))
    )
    assert float(strategy.reduce(tf.distribute.ReduceOp.MEAN, same, axis=None)) == 0.5
    with pytest.raises(ValueError, match="cannot be reduced with the given reduce op"):
        strategy.reduce("SUM", 3.0, axis=None)


def test_an_error_in_one_replica_ends_all() -> None:
    def fails() -> None:
        replica().merge_call(lambda strategy: None)
        if replica().replica_id_in_sync_group == 1:
            raise KeyError("second")

    with pytest.raises(KeyError, match="second"):
        mirrored().run(fails)


def test_replicas_that_merge_differently_are_refused() -> None:
    def uneven() -> None:
        if replica().replica_id_in_sync_group == 0:
            replica().merge_call(lambda strategy: None)

    with pytest.raises(RuntimeError, match="different number of replica_context"):
        mirrored().run(uneven)


def test_devices_that_are_not_there_are_refused_when_they_are_used() -> None:
    strategy = tf.distribute.MirroredStrategy(["GPU:0"])
    for use in (lambda: strategy.scope().__enter__(), lambda: strategy.run(lambda: 0)):
        with pytest.raises(ValueError, match=r"There are no devices \['/job:localhost/.*/device:GPU:0'\]"):
            use()
    with pytest.raises(ValueError, match="give each device once"):
        tf.distribute.MirroredStrategy(["cpu:0", "cpu:0"])
    assert tf.distribute.MirroredStrategy(tf.config.list_logical_devices("GPU")).num_replicas_in_sync >= 1
    assert tf.distribute.MirroredStrategy(["cpu:0", "cpu:7"]).num_replicas_in_sync == 2


def test_values_of_replicas_are_written_out() -> None:
    value = mirrored().run(lambda: tf.constant([1, 2]))
    assert str(value) == "PerReplica:{{\n  0: {0},\n  1: {0}\n}}".format("tf.Tensor([1 2], shape=(2,), dtype=int32)")
    assert "  1: <tf.Tensor: shape=(2,), dtype=int32, numpy=array([1, 2], dtype=int32)>" in repr(value)


def test_no_strategy_is_in_force_outside_of_scopes() -> None:
    strategy = mirrored()
    with strategy.scope():
        assert tf.distribute.get_strategy() is strategy and tf.distribute.in_cross_replica_context()
        assert replica() is None
    assert not tf.distribute.has_strategy() and replica().num_replicas_in_sync == 1


def test_a_generator_draws_other_numbers_in_each_replica() -> None:
    strategy = mirrored()
    with strategy.scope():
        shared = tf.random.Generator.from_seed(1)
    draw = tf.function(lambda: shared.normal([]))
    with strategy.scope():
        # Numbers of TensorFlow 2.21.
        np.testing.assert_allclose(parts(strategy.run(lambda: shared.normal([]))), [-0.87930447, 0.020661574])
        assert parts(strategy.run(lambda: shared.uniform([2], 0, 100, tf.int32))) == [[36, 82], [93, 31]]
        np.testing.assert_allclose(parts(strategy.run(lambda: draw())), [-0.3431945, -1.400983], rtol=1e-6)
        np.testing.assert_allclose(parts(strategy.run(lambda: draw())), [0.16718747, -0.35701847], rtol=1e-6)


def test_what_was_traced_in_replicas_is_saved_with_one_copy(tmp_path: Any) -> None:
    class Module(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = tf.random.Generator.from_seed(0)

        @tf.function
        def __call__(self) -> Any:
            return self.generator.normal([])

    strategy = mirrored()
    with strategy.scope():
        module = Module()
        np.testing.assert_allclose(parts(strategy.run(module)), [-1.4154755, -0.11388441], rtol=1e-6)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    drawn = [strategy.run(module) for _ in range(2)]
    np.testing.assert_allclose([loaded(), loaded()], [parts(d)[0] for d in drawn])
