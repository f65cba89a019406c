"""tf.train.ClusterSpec, Coordinator and ExponentialMovingAverage do what TensorFlow's do."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import millstream as tf


def test_clusters_are_described_by_dictionaries_and_messages() -> None:
    cluster = tf.train.ClusterSpec({"worker": ["a:1", "b:1"], "ps": {3: "c:1", 0: "d"}})
    assert cluster.as_dict() == {"worker": ["a:1", "b:1"], "ps": {0: "d", 3: "c:1"}}
    assert cluster.jobs == ["worker", "ps"]
    assert cluster.task_indices("ps") == [0, 3]
    assert cluster.job_tasks("ps") == ["d", None, None, "c:1"]
    assert cluster == tf.train.ClusterSpec(cluster.as_cluster_def()) == tf.train.ClusterSpec(cluster)
    assert [job.name for job in cluster.as_cluster_def().job] == ["ps", "worker"]
    assert repr(cluster) == "ClusterSpec({'ps': {0: 'd', 3: 'c:1'}, 'worker': ['a:1', 'b:1']})"
    assert not tf.train.ClusterSpec({})
    with pytest.raises(ValueError, match="No such job in cluster: 'x'"):
        cluster.num_tasks("x")
    with pytest.raises(ValueError, match="No task with index 7"):
        cluster.task_address("ps", 7)


@pytest.mark.parametrize("given", [3, {"a": 3}, {"a": [3]}, {3: ["a"]}])
def test_what_describes_no_cluster_is_refused(given: Any) -> None:
    with pytest.raises(TypeError):
        tf.train.ClusterSpec(given)


def test_threads_stop_together() -> None:
    coordinator = tf.train.Coordinator()

    def work(number: int) -> None:
        while not coordinator.should_stop():
            if number == 0:
                coordinator.request_stop()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    coordinator.join(threads)
    assert coordinator.joined
    assert coordinator.should_stop()
    coordinator.clear_stop()
    assert not coordinator.should_stop()


def test_what_a_thread_raises_is_raised_in_join_but_for_the_end_of_data() -> None:
    coordinator = tf.train.Coordinator()
    with coordinator.stop_on_exception():
        raise tf.errors.OutOfRangeError(None, None, "the end")
    coordinator.join()
    coordinator.clear_stop()
    with coordinator.stop_on_exception():
        raise KeyError("q")
    for call in (coordinator.join, coordinator.raise_requested_exception):
        with pytest.raises(KeyError, match="q"):
            call()


def test_threads_that_do_not_stop_are_named() -> None:
    coordinator = tf.train.Coordinator()
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait, name="slow")
    thread.start()
    coordinator.request_stop()
    with pytest.raises(RuntimeError, match="still running: slow"):
        coordinator.join([thread], stop_grace_period_secs=0.05)
    coordinator.join([thread], stop_grace_period_secs=0.05, ignore_live_threads=True)
    go_on.set()


def test_a_looping_thread_calls_again_and_again() -> None:
    coordinator, called = tf.train.Coordinator(), threading.Semaphore(0)
    tf.compat.v1.train.LooperThread.loop(coordinator, 0.005, called.release, args=(1,))
    for _ in range(3):
        called.acquire()
    coordinator.request_stop()
    coordinator.join()
    with pytest.raises(ValueError, match="also pass 'target'"):
        tf.compat.v1.train.LooperThread(coordinator, None, args=(1,))


def test_averages_follow_their_variables() -> None:
    v, u = tf.Variable([1.0, 2.0], name="w"), tf.Variable(1.0, dtype=tf.float64)
    averages = tf.train.ExponentialMovingAverage(0.9)
    averages.apply([v, u])
    v.assign([5.0, 6.0])
    u.assign(7.0)
    averages.apply([v, u])
    assert averages.average(v).numpy().tolist() == pytest.approx([1.4, 2.4])
    assert float(averages.average(u)) == pytest.approx(1.6, abs=1e-6)
    assert averages.average(v).name == "w/ExponentialMovingAverage:0"
    assert averages.average_name(tf.Variable(1.0, name="z")) == "z/ExponentialMovingAverage"
    assert not averages.average(v).trainable
    assert averages.average(tf.Variable(1.0)) is None
    assert set(averages.variables_to_restore()) == {averages.average_name(v), averages.average_name(u)}


def test_averages_move_faster_at_first_when_updates_are_counted() -> None:
    v, count = tf.Variable(0.0), tf.Variable(3)
    averages = tf.train.ExponentialMovingAverage(0.99, num_updates=count)

    @tf.function
    def step() -> None:
        averages.apply([v])

    averages.apply([v])
    v.assign(13.0)
    step()
    assert float(averages.average(v)) == pytest.approx(13 * (1 - 4 / 13))


@pytest.mark.parametrize("given", [tf.constant(1.0), tf.Variable(1)])
def test_what_has_no_average_is_refused(given: Any) -> None:
    with pytest.raises(TypeError):
        tf.train.ExponentialMovingAverage(0.5).apply([given])
