"""ConfigProto and RunOptions do what they do in TensorFlow on a processor: time limits, devices, pools of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import millstream as package
from millstream.execution.context import placement

tf: Any = package
v1 = tf.compat.v1
SHORT = v1.RunOptions(timeout_in_ms=100)


@pytest.fixture(autouse=True)
def graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(placement, "soft", None)
    monkeypatch.setattr(placement, "processors", 1)
    with tf.Graph().as_default() as made:
        yield made


def queue(capacity: int = 4) -> Any:
    return v1.FIFOQueue(capacity, [tf.float32], shapes=[()])


def endless() -> Any:
    return tf.while_loop(lambda i: i >= 0, lambda i: [(i + 1) % 1000], [tf.constant(0)])


def endless_elements() -> Any:
    nothing = tf.data.Dataset.range(10).repeat().filter(lambda x: x < 0)
    return v1.data.make_one_shot_iterator(nothing).get_next()


def full() -> Any:
    q = queue(1)
    return q.enqueue_many([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize("make", [lambda: queue().dequeue(), full, endless, endless_elements])
def test_a_run_ends_when_its_time_is_over(make: Callable[[], Any]) -> None:
    fetch = make()
    with pytest.raises(tf.errors.DeadlineExceededError, match="Timed out waiting for notification"):
        v1.Session().run(fetch, options=SHORT)


@pytest.mark.parametrize("make", [lambda: queue().dequeue(), endless])
def test_closing_a_session_ends_what_runs(make: Callable[[], Any]) -> None:
    begun, failures = threading.Event(), []
    with tf.control_dependencies([tf.numpy_function(begun.set, [], [])]):
        fetch = make()
    session = v1.Session()

    def run() -> None:
        try:
            session.run(fetch)
        except tf.errors.CancelledError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    session.close()
    thread.join()
    assert len(failures) == 1


def test_a_session_states_the_time_of_all_its_runs() -> None:
    element = queue().dequeue()
    session = v1.Session(config=v1.ConfigProto(operation_timeout_in_ms=50))
    for run in (lambda: session.run(element), lambda: session.run(element), session.make_callable(element)):
        with pytest.raises(tf.errors.DeadlineExceededError):
            run()
    began = time.monotonic()
    with pytest.raises(tf.errors.DeadlineExceededError):
        session.run(element, options=v1.RunOptions(timeout_in_ms=400))
    assert time.monotonic() - began >= 0.4


def test_a_run_that_is_done_in_time_gives_its_results() -> None:
    x = v1.placeholder(tf.float32, [])
    session = v1.Session(config=v1.ConfigProto(operation_timeout_in_ms=60_000))
    run = session.make_callable(x + 1.0, [x], accept_options=True)
    assert session.run(x + 1.0, {x: 2.0}, options=v1.RunOptions(timeout_in_ms=60_000)) == 3.0
    assert session.run([x + 1.0], {x: 2.0}) == [3.0]
    assert run(2.0) == run(2.0, options=v1.RunOptions(timeout_in_ms=60_000)) == 3.0


def test_an_error_before_the_time_is_over_is_raised_itself() -> None:
    x = v1.placeholder(tf.float32, [])
    checked = tf.debugging.check_numerics(1.0 / x, "no number")
    with pytest.raises(tf.errors.InvalidArgumentError, match="no number"):
        v1.Session().run(checked, {x: 0.0}, options=v1.RunOptions(timeout_in_ms=60_000))


def test_what_a_run_took_out_of_a_queue_goes_back_when_it_ends() -> None:
    q = queue()
    put, three, one, size = q.enqueue_many([[1.0, 2.0]]), q.dequeue_many(3), q.dequeue(), q.size()
    session = v1.Session()
    session.run(put)
    with pytest.raises(tf.errors.DeadlineExceededError):
        session.run(three, options=SHORT)
    assert session.run(size) == 2
    assert [session.run(one), session.run(one)] == [1.0, 2.0]


def test_reset_closes_all_sessions() -> None:
    one = tf.constant(1.0)
    session, closed = v1.Session(), v1.Session()
    closed.close()
    v1.Session.reset("")
    with pytest.raises(tf.errors.CancelledError, match="Session has been closed"):
        session.run(one)
    with pytest.raises(RuntimeError, match="closed Session"):
        closed.run(one)
    assert v1.Session().run(one) == 1.0


def placed(device: Any, **options: Any) -> Any:
    with tf.Graph().as_default():
        with tf.device(device):
            value = tf.constant(1.0)
        return v1.Session(config=v1.ConfigProto(**options) if options else None).run(value)


@pytest.mark.parametrize("device", ["/gpu:0", "/cpu:1", "/job:ps", "/task:1"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    for _ in range(2):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Cannot assign a device for operation Const"):
            placed(device)


def test_nothing_runs_in_a_graph_with_a_node_that_is_nowhere() -> None:
    with tf.device("/gpu:0"):
        elsewhere = tf.constant(1.0)
    here = tf.constant(2.0)
    session = v1.Session()
    for fetch in (elsewhere, here, here):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Cannot assign a device"):
            session.run(fetch)
    config = v1.ConfigProto(graph_options=v1.GraphOptions(place_pruned_graph=True))
    assert v1.Session(config=config).run(here) == 2.0


def test_the_processor_stands_in_for_other_devices_where_that_is_allowed() -> None:
    assert placed("/gpu:3", allow_soft_placement=True) == 1.0
    assert placed("/cpu:1", device_count={"CPU": 2}) == 1.0
    with pytest.raises(tf.errors.InvalidArgumentError):
        placed("/job:ps", allow_soft_placement=True)


def test_the_mode_of_the_program_says_how_devices_are_taken_where_no_config_does() -> None:
    assert not tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(True)
    assert placed("/gpu:0") == 1.0


def test_devices_are_listed_as_the_config_counts_them() -> None:
    session = v1.Session(config=v1.ConfigProto(device_count={"CPU": 2}))
    assert [d.name[-5:] for d in session.list_devices()] == ["CPU:0", "CPU:1"]


def test_places_are_logged(capfd: pytest.CaptureFixture[str]) -> None:
    value = tf.constant(1.0) + tf.constant(2.0)
    session = v1.Session(config=v1.ConfigProto(log_device_placement=True))
    session.run(value)
    session.run([value, value.op.inputs[0]])
    where = "/job:localhost/replica:0/task:0/device:CPU:0"
    assert sorted(capfd.readouterr().err.splitlines()) == [
        f"Const: (Const): {where}",
        f"Const_1: (Const): {where}",
        f"add: (AddV2): {where}",
    ]


@pytest.mark.parametrize(
    ("error", "make"),
    [
        (TypeError, lambda: v1.Session(config=3)),
        (tf.errors.NotFoundError, lambda: v1.Session(config=executor("NOPE"))),
        (tf.errors.UnimplementedError, lambda: v1.Session(config=v1.ConfigProto(graph_options=cost_model()))),
        (tf.errors.InvalidArgumentError, lambda: run_with(None, inter_op_thread_pool=1)),
        (tf.errors.InvalidArgumentError, lambda: run_with(None, inter_op_thread_pool=-2)),
        (tf.errors.InvalidArgumentError, lambda: run_with(no_graphs(), output_partition_graphs=True)),
    ],
)
def test_what_cannot_be_done_is_refused(error: type[Exception], make: Callable[[], Any]) -> None:
    with pytest.raises(error):
        make()


def executor(name: str) -> Any:
    return v1.ConfigProto(experimental=v1.ConfigProto.Experimental(executor_type=name))


def no_graphs() -> Any:
    return v1.ConfigProto(experimental=v1.ConfigProto.Experimental(disable_output_partition_graphs=True))


def cost_model() -> Any:
    return v1.GraphOptions(build_cost_model=1)


def run_with(config: Any, **options: Any) -> Any:
    return v1.Session(config=config).run(tf.constant(1.0), options=v1.RunOptions(**options))


def test_what_names_pools_and_executors_that_are_there_runs() -> None:
    config = executor("SINGLE_THREADED_EXECUTOR")
    for _ in range(2):
        config.session_inter_op_thread_pool.add(num_threads=1)
    assert run_with(config, inter_op_thread_pool=1) == run_with(config, inter_op_thread_pool=-1) == 1.0


@pytest.mark.parametrize(
    ("asked", "alone", "inside"),
    [
        ("CPU:0", "/device:CPU:0", "/job:w/device:CPU:0"),
        ("cpu", "/device:CPU:*", "/job:w/device:CPU:3"),
        ("/gpu:*", "/device:GPU:*", "/job:w/device:GPU:3"),
        ("/task:2", "/task:2", "/job:w/task:2/device:GPU:3"),
        (tf.DeviceSpec(job="ps"), "/job:ps", "/job:ps/device:GPU:3"),
    ],
)
def test_devices_are_named_as_tensorflow_names_them(asked: Any, alone: str, inside: str) -> None:
    with tf.device(asked):
        assert tf.constant(1.0).op.device == alone
    with tf.device("/job:w/gpu:3"), tf.device(asked):
        assert tf.constant(1.0).op.device == inside


@pytest.mark.parametrize("asked", ["/device:cpu", "/foo:1", "/cpu:x", "/task:x", "/cpu:0/gpu:1"])
def test_names_that_are_no_devices_are_refused(asked: str) -> None:
    with pytest.raises(ValueError, match=r"device spec|int"), tf.device(asked):
        pass
