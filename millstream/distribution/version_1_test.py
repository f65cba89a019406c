"""Strategies of version 1 give each replica its part of what iterators give. TensorFlow 2.21 gives the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millstream as tf

v1: Any = tf.compat.v1


@pytest.mark.parametrize("kind", ["OneDeviceStrategy", "MirroredStrategy", "experimental.CentralStorageStrategy"])
def test_replicas_run_with_what_an_iterator_gives_next(kind: str) -> None:
    name = kind.rpartition(".")[2]
    space = v1.distribute.experimental if "." in kind else v1.distribute
    arguments: dict[str, list[Any]] = {"OneDeviceStrategy": ["/cpu:0"], "MirroredStrategy": [["/cpu:0"]]}
    strategy = getattr(space, name)(*arguments.get(name, []))
    assert isinstance(strategy, v1.distribute.Strategy) and strategy.num_replicas_in_sync == 1
    iterator = strategy.make_dataset_iterator(tf.data.Dataset.range(4).batch(2))
    found = [strategy.unwrap(strategy.experimental_run(lambda x: x * 2, iterator))[0].numpy().tolist() for _ in "ab"]
    assert found == [[0, 2], [4, 6]]
    with pytest.raises(tf.errors.OutOfRangeError):
        strategy.experimental_run(lambda x: x, iterator)
    iterator.initialize()
    assert iterator.get_next().numpy().tolist() == [0, 1]
    numbers = strategy.make_input_fn_iterator(lambda context: tf.data.Dataset.range(3 * context.num_replicas_in_sync))
    assert numbers.get_next().numpy() == 0
    assert len(list(strategy.experimental_make_numpy_dataset((np.arange(3), np.ones(3))))) == 3
    assert strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant([1.0, 2.0])).numpy().tolist() == [1.0, 2.0]
    assert strategy.update_config_proto(v1.ConfigProto(allow_soft_placement=True)).allow_soft_placement


def test_several_replicas_get_parts_of_a_batch() -> None:
    strategy = v1.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
    iterator = strategy.make_dataset_iterator(tf.data.Dataset.range(4).batch(4))
    parts = strategy.unwrap(strategy.experimental_run(lambda x: x + 10, iterator))
    assert [p.numpy().tolist() for p in parts] == [[10, 11], [12, 13]]
    assert v1.distribute.get_loss_reduction() is tf.distribute.ReduceOp.SUM


def test_iterators_begin_in_sessions() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        strategy = v1.distribute.OneDeviceStrategy("/cpu:0")
        iterator = strategy.make_dataset_iterator(tf.data.Dataset.range(2))
        number = iterator.get_next()
        session.run(iterator.initialize())
        assert [session.run(number), session.run(number)] == [0, 1]
