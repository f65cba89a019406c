"""Sessions give what TensorFlow's gave for the programs of `testdata/session_programs.py`; and what only we can say of them."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as package
from millstream.execution.testdata.record_sessions import outcome
from millstream.execution.testdata.session_programs import PROGRAMS

tf: Any = package
v1 = tf.compat.v1
RECORDED = json.loads(Path(__file__).parent.joinpath("testdata", "sessions.json").read_text())


def same(got: Any, wanted: Any) -> bool:
    """Whether two results are equal, numbers nearly."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        if "data" in got and "data" in wanted:
            if (got["dtype"], got["shape"]) != (wanted["dtype"], wanted["shape"]):
                return False
            if got["dtype"] == "object":
                return bool(got["data"] == wanted["data"])
            return np.allclose(got["data"], wanted["data"], rtol=1e-5, atol=1e-6, equal_nan=True)
        return got.keys() == wanted.keys() and all(same(got[k], wanted[k]) for k in got)
    if isinstance(got, list) and isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(same, got, wanted))
    if isinstance(got, float) and isinstance(wanted, float):
        return abs(got - wanted) < 1e-5
    return bool(got == wanted)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gives_what_tensorflow_gives(name: str) -> None:
    got = json.loads(json.dumps(outcome(tf, PROGRAMS[name])))
    wanted = RECORDED[name]
    if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        for i, (ours, theirs) in enumerate(zip(got, wanted, strict=True)):
            assert same(ours, theirs), f"{name}, result {i}: {ours} is not {theirs}"
    assert same(got, wanted)


def test_threads_run_one_session_at_once() -> None:
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None])
        y = tf.reduce_sum(x * 2.0)
        session = v1.Session()
    found: list[Any] = []

    def work(n: int) -> None:
        found.extend(float(session.run(y, {x: np.ones(n)})) == 2.0 * n for _ in range(50))

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200 and all(found)


def test_a_queue_hands_elements_from_thread_to_thread() -> None:
    with tf.Graph().as_default():
        queue = v1.FIFOQueue(1, [tf.int32], [()])
        x = v1.placeholder(tf.int32, [])
        put, take = queue.enqueue(x), queue.dequeue()
        session = v1.Session()
    taken: list[int] = []
    thread = threading.Thread(target=lambda: taken.extend(int(session.run(take)) for _ in range(20)))
    thread.start()
    for i in range(20):
        session.run(put, {x: i})
    thread.join(timeout=30)
    assert taken == list(range(20))


def test_a_reading_of_what_holds_nothing_names_the_variable_and_the_line() -> None:
    with tf.Graph().as_default():
        v = tf.Variable(1.0, name="weights")
        y = v + 1.0
        with pytest.raises(tf.errors.FailedPreconditionError, match=r"(?s)'weights'.*session_test.py"):
            v1.Session().run(y)


def test_a_placeholder_that_is_not_fed_is_named_with_its_line() -> None:
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        y = x + 1.0
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"tensor 'x' with dtype float and shape \[\?,3\].*made at"
        ):
            v1.Session().run(y)


def test_what_no_fetch_needs_does_not_run() -> None:
    calls: list[int] = []

    def unwanted() -> Any:
        calls.append(1)
        return np.float32(0)

    with tf.Graph().as_default():
        needed = tf.constant(1.0) + 1.0
        v1.py_func(unwanted, [], tf.float32)
        assert v1.Session().run(needed) == 2.0
    assert not calls


def test_gradients_of_a_loop_do_not_spoil_runs_that_were_compiled() -> None:
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None])
        loop = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [0, tf.ones_like(x)])[1]
        session = v1.Session()
        ready = session.make_callable(loop, [x])
        assert ready([2.0]).tolist() == [8.0]
        (slope,) = v1.gradients(loop, x)
        assert ready([2.0, 3.0]).tolist() == [8.0, 27.0]
        assert session.run(slope, {x: [2.0]}).tolist() == [12.0]
        assert session.run(loop, {x: [1.0, 2.0, 3.0]}).tolist() == [1.0, 8.0, 27.0]


def test_a_value_that_was_fed_may_be_changed_after_the_run() -> None:
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [2])
        v = tf.Variable([0.0, 0.0])
        put = v.assign(x, read_value=False)
        session = v1.Session()
        value = np.array([1.0, 2.0], np.float32)
        session.run(put, {x: value})
        value[0] = 9.0
        assert session.run(v).tolist() == [1.0, 2.0]
        got = session.run(v)
        session.run(put, {x: value})
        assert got.tolist() == [1.0, 2.0]


def test_what_a_type_stands_for_can_be_registered() -> None:
    class Pair:
        def __init__(self, a: Any, b: Any) -> None:
            self.a, self.b = a, b

    v1.register_session_run_conversion_functions(
        Pair, lambda p: ([p.a, p.b], lambda found: tuple(found)), lambda p, value: [(p.a, value[0]), (p.b, value[1])]
    )
    with tf.Graph().as_default():
        pair = Pair(v1.placeholder(tf.float32, []), v1.placeholder(tf.float32, []))
        session = v1.Session()
        assert session.run(pair, {pair: (1.0, 2.0)}) == (1.0, 2.0)
        assert session.run(pair.a + pair.b, {pair: (1.0, 2.0)}) == 3.0


def test_the_modes_of_version_1_are_switched_together() -> None:
    text = """
    import millstream.compat.v1 as tf
    tf.disable_v2_behavior()
    x = tf.placeholder(tf.float32, [None, 3])
    w = tf.Variable(tf.zeros([3, 1]), name="w")
    y = tf.matmul(x, w)
    assert not tf.executing_eagerly() and not tf.resource_variables_enabled() and not tf.control_flow_v2_enabled()
    assert x.get_shape()[1].value == 3 and x.shape[0].value is None and str(w.dtype) == "<dtype: 'float32_ref'>"
    assert w.op.type == "VariableV2" and {x: 1}[x] == 1 and (x == x) is True and (x == y) is False
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert y.eval({x: [[1.0, 2.0, 3.0]]}).tolist() == [[0.0]]
    graph = tf.get_default_graph()
    tf.reset_default_graph()
    assert tf.get_default_graph() is not graph and not tf.get_default_graph().get_operations()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(text)], check=True, cwd=Path(__file__).parents[2])


def test_run_metadata_has_the_nodes_that_ran() -> None:
    with tf.Graph().as_default():
        y = tf.add(tf.constant(1.0), 2.0, name="sum")
        tf.add(y, 1.0, name="other")
        metadata = v1.RunMetadata()
        options = v1.RunOptions(output_partition_graphs=True, trace_level=v1.RunOptions.FULL_TRACE)
        v1.Session().run(y, options=options, run_metadata=metadata)
    names = {node.name for node in metadata.partition_graphs[0].node}
    assert "sum" in names and "other" not in names
    assert "sum" in metadata.step_stats.dev_stats[0].node_stats[0].timeline_label


def test_an_event_file_has_what_the_writer_was_given(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [])
        v1.summary.scalar("loss", x)
        merged = v1.summary.merge_all()
        session = v1.Session()
        with v1.summary.FileWriter(str(tmp_path), graph) as writer:
            for step in range(3):
                writer.add_summary(session.run(merged, {x: step}), step)
    (file,) = tmp_path.iterdir()
    events = [v1.Event.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]
    assert [e.step for e in events if e.HasField("summary")] == [0, 1, 2]
    assert [e.summary.value[0].simple_value for e in events if e.HasField("summary")] == [0.0, 1.0, 2.0]
    assert any(e.graph_def for e in events)


def test_a_branch_waits_for_what_it_names_outside_of_it() -> None:
    with tf.Graph().as_default():
        v = tf.Variable(0.0)
        x = v1.placeholder(tf.bool, [])
        add = v.assign_add(1.0)

        def after() -> Any:
            with tf.control_dependencies([add]):
                return v.read_value() * 10.0

        y = tf.cond(x, after, lambda: tf.constant(-1.0))
        session = v1.Session()
        session.run(v.initializer)
        assert session.run(y, {x: True}) == 10.0
        assert session.run(v) == 1.0


def test_the_last_node_of_a_call_has_the_name_that_was_asked_for() -> None:
    with tf.Graph().as_default() as graph:
        x, w, b = tf.zeros([2, 3]), tf.zeros([3, 4]), tf.zeros([4])
        logits = v1.nn.xw_plus_b(x, w, b, name="logits")
        sums = [tf.add(x, x, name="sum") for _ in range(2)]
    assert logits.name == "logits:0" and [s.name for s in sums] == ["sum:0", "sum_1:0"]
    assert graph.get_operation_by_name("logits/MatMul").type == "MatMul"


def test_gradients_may_be_those_that_were_registered() -> None:
    @tf.RegisterGradient("SessionTestGuided")
    def guided(op: Any, grad: Any) -> Any:
        return tf.where(grad > 0.0, op.outputs[0] * grad * 10.0, tf.zeros_like(grad))

    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [3])
        with graph.gradient_override_map({"Relu": "SessionTestGuided"}):
            y = tf.nn.relu(x)
        z = tf.nn.relu(x)
        slopes = v1.gradients(y * [1.0, 1.0, -1.0], x) + v1.gradients(z, x)
        found = v1.Session().run([y, *slopes], {x: [2.0, -1.0, 3.0]})
    assert [f.tolist() for f in found] == [[2.0, 0.0, 3.0], [20.0, 0.0, 0.0], [1.0, 0.0, 1.0]]
    assert y.op.type == "Relu" and "Relu" in {n.op for n in graph.as_graph_def().node if n.name == "Relu"}


@pytest.mark.parametrize("resource", [False, True])
def test_changes_of_variables_have_the_names_that_were_asked_for(resource: bool) -> None:
    with tf.Graph().as_default():
        v = v1.get_variable("v", initializer=[1.0, 2.0], use_resource=resource)
        row = tf.IndexedSlices(tf.constant([1.0]), tf.constant([0]))
        made = {
            "set": v.assign([1.0, 1.0], name="set"),
            "add": v.assign_add([1.0, 1.0], name="add"),
            "sub": v.assign_sub([1.0, 1.0], name="sub", read_value=False),
            "scatter": v.scatter_add(row, name="scatter"),
            "asked": v.is_initialized(name="asked"),
            "rows": v.sparse_read([0], name="rows"),
        }
    assert {name: getattr(item, "op", item).name for name, item in made.items()} == {name: name for name in made}


def test_assignments_that_let_shapes_change_say_so_in_files() -> None:
    with tf.Graph().as_default() as graph:
        v = v1.Variable([1.0], use_resource=False, name="v")
        w = v1.Variable([1.0], validate_shape=False, use_resource=False, name="w")
        v1.assign(v, [2.0], use_locking=True, name="strict")
        v.assign([2.0], name="open")
        v1.assign(w, [1.0, 2.0], validate_shape=False, name="loose")
    found = {n.name: (n.attr["validate_shape"].b, n.attr["use_locking"].b) for n in graph.as_graph_def().node}
    wanted = {"v/Assign": (True, True), "w/Assign": (False, True), "strict": (True, True), "open": (True, False)}
    assert {name: found[name] for name in (*wanted, "loose")} == {**wanted, "loose": (False, True)}


THREADS = """
import threading
import numpy as np
import millstream as tf
v1 = tf.compat.v1
v1.disable_v2_behavior()
x = v1.placeholder(tf.float32, [None])
late = tf.py_function(lambda a: tf.reduce_sum(a) + 1.0, [x], tf.float32)
fetches = [x * 2.0, tf.unique(tf.cast(x, tf.int32))[0], late, v1.py_func(np.sum, [x], tf.float32)]
session, found = v1.Session(), []
def run():
    found.append([np.sum(session.run(f, {x: np.ones(3, np.float32)})) for f in fetches])
run()
for _ in range(2):
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
assert found == [[6.0, 1, 4.0, 3.0]] * 3, found
with tf.Graph().as_default():
    run()
assert found[3] == found[0]
"""


def test_threads_without_a_graph_of_their_own_run_sessions() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
