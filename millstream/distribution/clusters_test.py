"""Strategies of one worker, resolvers, ways of summing, and the refusals of tf.distribute."""

from __future__ import annotations

import json

import pytest

import millstream as tf

CLUSTER = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


def test_one_worker_trains_as_one_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    options = tf.distribute.experimental.CommunicationOptions(implementation="nccl")
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    with strategy.scope():
        total = tf.Variable(1.0)
    given = strategy.run(lambda: total.assign_add(2.0))
    assert strategy.num_replicas_in_sync == 1 and float(strategy.reduce("SUM", given, None)) == 3.0
    assert strategy.cluster_resolver.task_type is None


def test_several_workers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps(CLUSTER))
    with pytest.raises(tf.errors.UnimplementedError, match="several workers; the cluster has 2"):
        tf.distribute.MultiWorkerMirroredStrategy()


def test_resolvers_tell_clusters_tasks_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", json.dumps(CLUSTER))
    told = tf.distribute.cluster_resolver.TFConfigClusterResolver(rpc_layer="grpc")
    assert told.cluster_spec().as_dict() == CLUSTER["cluster"]
    assert (told.task_type, told.task_id, told.master()) == ("worker", 1, "grpc://b:2")
    spec = tf.train.ClusterSpec({"ps": ["c:3"]})
    simple = tf.distribute.cluster_resolver.SimpleClusterResolver(spec, master="m", task_type="ps", task_id=0)
    assert simple.master() == "m" and simple.master("ps", 0) == "c:3"
    both = tf.distribute.cluster_resolver.UnionResolver(told, simple)
    assert both.cluster_spec().as_dict() == {"ps": ["c:3"], "worker": ["a:1", "b:2"]} and both.task_id == 1
    with pytest.raises(TypeError, match="ClusterSpec"):
        tf.distribute.cluster_resolver.SimpleClusterResolver({"ps": ["c:3"]})


def test_a_central_store_has_one_compute_device() -> None:
    strategy = tf.distribute.experimental.CentralStorageStrategy()
    with strategy.scope():
        assert tf.distribute.get_strategy() is strategy
    assert strategy.num_replicas_in_sync == 1
    with pytest.raises(tf.errors.UnimplementedError, match="several devices"):
        tf.distribute.experimental.CentralStorageStrategy(["/cpu:0", "/cpu:1"])


@pytest.mark.parametrize("kind", ["HierarchicalCopyAllReduce", "NcclAllReduce", "ReductionToOneDevice"])
def test_every_way_of_summing_sums(kind: str) -> None:
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=getattr(tf.distribute, kind)())
    given = strategy.experimental_distribute_values_from_function(
        lambda c: tf.constant([1.0, c.replica_id_in_sync_group])
    )
    assert strategy.reduce("MEAN", given, None).numpy().tolist() == [1.0, 0.5]
    pairs = [(given, None), (given, None)]
    assert [t.numpy().tolist() for t in getattr(tf.distribute, kind)().batch_reduce("SUM", pairs)] == [[2.0, 1.0]] * 2


def test_an_accumulation_of_the_users_sums() -> None:
    ops = tf.distribute.ReductionToOneDevice(accumulation_fn=lambda values: tf.reduce_max(tf.stack(values), 0))
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=ops)

    def replica() -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        return context.all_reduce("SUM", tf.cast(context.replica_id_in_sync_group, tf.float32) + 4.0)

    assert [float(v) for v in strategy.experimental_local_results(strategy.run(replica))] == [5.0, 5.0]


def test_a_strategy_stays_in_force_until_it_is_taken_back() -> None:
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    tf.distribute.experimental_set_strategy(strategy)
    try:
        assert tf.distribute.get_strategy() is strategy
    finally:
        tf.distribute.experimental_set_strategy(None)
    assert not tf.distribute.has_strategy()
    with strategy.scope(), pytest.raises(RuntimeError, match="Must not be called inside"):
        tf.distribute.experimental_set_strategy(None)


def test_what_needs_other_machines_says_so() -> None:
    with pytest.raises(tf.errors.UnimplementedError, match="TPUStrategy is not supported: there are no TPUs here"):
        tf.distribute.TPUStrategy()
    with pytest.raises(tf.errors.UnimplementedError, match="no parameter servers"):
        tf.distribute.coordinator.ClusterCoordinator(None)
    options = tf.distribute.InputOptions(experimental_replication_mode=tf.distribute.InputReplicationMode.PER_REPLICA)
    with pytest.raises(tf.errors.UnimplementedError, match="PER_REPLICA"):
        tf.distribute.MirroredStrategy().distribute_datasets_from_function(lambda _: tf.data.Dataset.range(4), options)
