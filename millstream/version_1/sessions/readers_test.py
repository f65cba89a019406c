"""Readers wait for names of files, accumulators for gradients; both are apart for each session."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import millstream as tf

v1: Any = tf.compat.v1


def test_readers_belong_to_graphs() -> None:
    with pytest.raises(RuntimeError, match=r"use tf\.data"):
        v1.TextLineReader()
    with pytest.raises(tf.errors.UnimplementedError, match="TFRecords"):
        v1.LMDBReader()


def test_a_queue_of_files_gives_lines_to_each_session_apart(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    with tf.Graph().as_default() as graph:
        queue = v1.train.string_input_producer([str(tmp_path / "a.txt")], shuffle=False)
        _, line = v1.TextLineReader().read(queue)
        for _ in range(2):
            with v1.Session(graph=graph) as session:
                coordinator = v1.train.Coordinator()
                threads = v1.train.start_queue_runners(session, coordinator)
                assert [session.run(line) for _ in range(3)] == [b"one", b"two", b"one"]
                coordinator.request_stop()
                coordinator.join(threads, stop_grace_period_secs=30)


def test_the_state_of_a_reader_of_whole_files_is_written_and_taken_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with tf.Graph().as_default(), v1.Session() as session:
        queue, reader = tf.queue.FIFOQueue(10, tf.string), v1.WholeFileReader()
        record, state = reader.read(queue), reader.serialize_state()
        session.run(queue.enqueue([str(tmp_path / "a")]))
        session.run(record)
        kept = session.run(state)
        session.run(reader.reset())
        assert session.run(reader.num_records_produced()) == 0
        session.run(reader.restore_state(kept))
        assert session.run(reader.num_records_produced()) == 1
        with pytest.raises(tf.errors.InvalidArgumentError, match="no state of a reader"):
            session.run(reader.restore_state("nonsense"))
        with pytest.raises(tf.errors.UnimplementedError, match="TextLineReader"):
            session.run(v1.TextLineReader().serialize_state())


def test_taking_waits_for_enough_gradients() -> None:
    with tf.Graph().as_default(), v1.Session() as session:
        total = v1.ConditionalAccumulator(tf.float32, [], shared_name="total")
        same = v1.ConditionalAccumulator(tf.float32, [], shared_name="total")
        take, apply = total.take_grad(2), same.apply_grad(3.0)
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(session.run(take)), daemon=True)
        thread.start()
        session.run(apply)
        session.run(apply)
        thread.join(60)
        assert found == [3.0]
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be positive"):
            session.run(total.take_grad(0))


def test_tensors_stay_in_graphs_sessions_alone() -> None:
    with pytest.raises(RuntimeError, match="Tensors stay in sessions"):
        v1.get_session_handle(tf.constant(1.0))
    with tf.Graph().as_default(), pytest.raises(TypeError, match="must be of type Tensor"):
        v1.get_session_handle(1.0)


def test_names_of_libraries_stand_for_the_classes_that_they_mean() -> None:
    with tf.Graph().as_default():
        assert isinstance(tf.constant(1.0) + v1.placeholder(tf.float32), v1.__internal__.SymbolicTensor)
    assert isinstance(v1.data.Dataset.range(3), v1.__internal__.types.data.Dataset)
    assert v1.sparse.SparseConditionalAccumulator is v1.SparseConditionalAccumulator
