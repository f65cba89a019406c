"""Training loops of version 1: hooks are called in their order, sessions are restored, queues are filled; files go both ways."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf

v1: Any = tf.compat.v1


class Recorder(v1.train.SessionRunHook):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def begin(self) -> None:
        self.seen.append("begin")

    def after_create_session(self, session: Any, coord: Any) -> None:
        self.seen.append("create")

    def before_run(self, run_context: Any) -> Any:
        return v1.train.SessionRunArgs(v1.train.get_global_step())

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self.seen.append(int(run_values.results))

    def end(self, session: Any) -> None:
        self.seen.append("end")


def model() -> tuple[Any, Any, Any]:
    step = v1.train.get_or_create_global_step()
    weight = v1.get_variable("w", initializer=1.0)
    loss = tf.square(weight - 3.0)
    return weight, loss, v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss, step)


def train(folder: Path, last_step: int) -> tuple[list[Any], float]:
    with tf.Graph().as_default():
        _, loss, train_op = model()
        recorder = Recorder()
        hooks = [recorder, v1.train.StopAtStepHook(last_step=last_step)]
        with v1.train.MonitoredTrainingSession(
            checkpoint_dir=str(folder), hooks=hooks, save_checkpoint_steps=3, log_step_count_steps=None
        ) as session:
            while not session.should_stop():
                value = session.run([train_op, loss])[1]
        return recorder.seen, float(value)


def test_a_training_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    seen, _ = train(tmp_path, 5)
    assert seen == ["begin", "create", 0, 1, 2, 3, 4, "end"]
    seen, loss = train(tmp_path, 12)
    assert seen == ["begin", "create", *range(5, 12), "end"]
    # TensorFlow gives this for the same program.
    assert loss == pytest.approx(0.25858617, rel=1e-5)
    assert {"checkpoint", "graph.pbtxt", "model.ckpt-12.index", "model.ckpt-12.meta"} <= set(os.listdir(tmp_path))


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    with tf.Graph().as_default():
        bad = tf.constant(float("nan"))
        with (
            pytest.raises(v1.train.NanLossDuringTrainingError),
            v1.train.MonitoredSession(hooks=[v1.train.NanTensorHook(bad)]) as session,
        ):
            session.run(bad)


def test_a_session_that_was_aborted_is_made_again() -> None:
    with tf.Graph().as_default():
        made, one = [], tf.constant(1.0)

        class Aborts(v1.train.SessionRunHook):  # type: ignore[misc, name-defined]
            def after_create_session(self, session: Any, coord: Any) -> None:
                made.append(session)

            def before_run(self, run_context: Any) -> None:
                if len(made) == 1:
                    raise tf.errors.AbortedError(None, None, "lost")

        with v1.train.MonitoredSession(hooks=[Aborts()]) as session:
            session.run(one)
        assert len(made) == 2


def test_savers_write_what_import_meta_graph_and_restore_bring_back(tmp_path: Path) -> None:
    path = str(tmp_path / "model")
    with tf.Graph().as_default(), v1.Session() as session:
        weight, loss, train_op = model()
        with v1.variable_scope("p", partitioner=v1.fixed_size_partitioner(2)):
            v1.get_variable("parts", initializer=tf.range(5.0))
        v1.add_to_collection("ends", loss)
        v1.add_to_collection("ends", train_op)
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        saved = v1.train.Saver().save(session, path, v1.train.get_global_step())
        held = session.run(weight)
    assert saved == f"{path}-1"
    reader = v1.train.NewCheckpointReader(saved)
    assert reader.get_tensor("p/parts").tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    with tf.Graph().as_default(), v1.Session() as session:
        saver = v1.train.import_meta_graph(f"{saved}.meta")
        saver.restore(session, saved)
        loss, train_op = v1.get_collection("ends")
        assert session.run(v1.global_variables()[1]) == held
        before = session.run(loss)
        session.run(train_op)
        assert session.run(loss) < before
        assert [v.name for v in v1.trainable_variables()] == ["w:0", "p/parts/part_0:0", "p/parts/part_1:0"]


def test_what_a_checkpoint_lacks_or_has_in_another_shape_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", initializer=[1.0, 2.0])
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "m"))
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("other", [2])
        with pytest.raises(tf.errors.NotFoundError, match="Key other not found in checkpoint"):
            v1.train.Saver().restore(session, path)
    with tf.Graph().as_default(), v1.Session() as session:
        wide = v1.get_variable("w", [2, 1])
        with pytest.raises(tf.errors.InvalidArgumentError, match="shapes of both tensors to match"):
            v1.train.Saver().restore(session, path)
        v1.train.Saver(reshape=True).restore(session, path)
        assert session.run(wide).tolist() == [[1.0], [2.0]]


def test_saved_models_of_version_1_are_written_and_loaded_in_sessions(tmp_path: Path) -> None:
    folder = str(tmp_path / "model")
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], name="x")
        y = tf.multiply(x, v1.get_variable("w", initializer=2.0), name="y")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, folder, {"x": x}, {"y": y})
        with pytest.raises(AssertionError, match="isn't empty"):
            v1.saved_model.Builder(folder)
    with tf.Graph().as_default(), v1.Session() as session:
        meta_graph = v1.saved_model.load(session, ["serve"], folder, import_scope="s")
        assert set(meta_graph.signature_def) == {"serving_default", "__saved_model_init_op"}
        assert session.run("s/y:0", {"s/x:0": [3.0]}).tolist() == [6.0]
        with pytest.raises(RuntimeError, match="could not be found in SavedModel"):
            v1.saved_model.load(session, ["train"], folder)
    assert tf.saved_model.load(folder).signatures["serving_default"](x=tf.constant([3.0]))["y"].numpy() == [6.0]


def test_queues_are_filled_until_their_epochs_are_over() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        a, b = v1.train.slice_input_producer([tf.range(7), tf.range(7) * 2], num_epochs=2, shuffle=False)
        batch = v1.train.batch({"a": a, "b": b}, 3, allow_smaller_final_batch=True)
        session.run(v1.local_variables_initializer())
        coordinator = v1.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coordinator)
        seen: list[int] = []
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                found = session.run(batch)
                assert np.array_equal(found["b"], found["a"] * 2)
                seen += found["a"].tolist()
        coordinator.request_stop()
        coordinator.join(threads, stop_grace_period_secs=10)
    assert seen == [*range(7), *range(7)]


def test_variables_begin_with_what_a_checkpoint_has_under_other_names(tmp_path: Path) -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", initializer=2.0)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "m"))
    with tf.Graph().as_default(), v1.Session() as session:
        inside, other = v1.get_variable("scope/w", []), v1.get_variable("other", [])
        v1.train.init_from_checkpoint(str(tmp_path), {"/": "scope/", "w": other})
        session.run(v1.global_variables_initializer())
        assert session.run([inside, other]) == [2.0, 2.0]
        with pytest.raises(ValueError, match="is not found in"):
            v1.train.init_from_checkpoint(str(tmp_path), {"nope": other})
    with tf.Graph().as_default(), v1.Session() as session:
        again = v1.get_variable("w", [])
        v1.train.warm_start(str(tmp_path))
        session.run(v1.global_variables_initializer())
        assert session.run(again) == 2.0


def test_a_supervisor_restores_saves_and_stops(tmp_path: Path) -> None:
    for first in (0, 3):
        with tf.Graph().as_default():
            step = v1.train.get_or_create_global_step()
            add = v1.assign_add(step, 1)
            supervisor = v1.train.Supervisor(logdir=str(tmp_path), save_model_secs=0, save_summaries_secs=0)
            with supervisor.managed_session() as session:
                assert session.run(step) == first
                for _ in range(3):
                    session.run(add)
                supervisor.saver.save(session, supervisor.save_path, global_step=supervisor.global_step)
    assert v1.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-6")


def test_a_supervisor_says_when_it_begins_and_ends(tmp_path: Path) -> None:
    with tf.Graph().as_default():
        step = v1.train.get_or_create_global_step()
        supervisor = v1.train.Supervisor(logdir=str(tmp_path), save_model_secs=0, save_summaries_secs=0)
        with supervisor.managed_session() as session:
            assert session.run(step) == 0
        assert supervisor.ShouldStop() and supervisor.Loop.__func__ is supervisor.loop.__func__
    (name,) = (f for f in os.listdir(tmp_path) if "events" in f)
    events = list(v1.train.summary_iterator(str(tmp_path / name)))
    kinds = ["file_version", "graph_def", "meta_graph_def", "session_log", "session_log"]
    assert [e.WhichOneof("what") for e in events] == kinds
    assert [e.session_log.status for e in events[3:]] == [v1.SessionLog.START, v1.SessionLog.STOP]


def test_hooks_ask_for_options_of_runs() -> None:
    class Tracing(v1.train.SessionRunHook):  # type: ignore[misc, name-defined]
        def before_run(self, run_context: Any) -> Any:
            return v1.train.SessionRunArgs(None, options=v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE))

        def after_run(self, run_context: Any, run_values: Any) -> None:
            self.entries = len(run_values.run_metadata.step_stats.dev_stats)
            self.partitions = len(run_values.run_metadata.partition_graphs)

    hook = Tracing()
    with tf.Graph().as_default():
        one = tf.constant(1.0) + v1.placeholder_with_default(1.0, [])
        with v1.train.SingularMonitoredSession([hook]) as session:
            assert session.run(one, options=v1.RunOptions(output_partition_graphs=True)) == 2.0
    assert (hook.entries, hook.partitions) == (1, 1)


def test_variables_become_constants_in_frozen_graphs() -> None:
    with tf.Graph().as_default() as graph, v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        rows = v1.placeholder(tf.int32, [None], name="rows")
        weights = v1.get_variable("w", initializer=np.float32([[1, 2], [3, 4]]))
        table = v1.get_variable("e", initializer=np.float32([[1, 1], [2, 2], [3, 3]]))
        tf.add(tf.matmul(x, weights), tf.nn.embedding_lookup(table, rows), name="y")
        session.run(v1.global_variables_initializer())
        frozen = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
    assert {node.op for node in frozen.node} == {"AddV2", "Const", "GatherV2", "Identity", "MatMul", "Placeholder"}
    with tf.Graph().as_default(), v1.Session() as session:
        tf.import_graph_def(frozen, name="")
        assert session.run("y:0", {"x:0": [[1.0, 1.0]], "rows:0": [2]}).tolist() == [[7.0, 9.0]]
