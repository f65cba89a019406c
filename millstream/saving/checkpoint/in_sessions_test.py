"""Tests tf.train.Checkpoint in graphs of sessions against what TensorFlow did with the same programs."""

import numpy as np
import pytest

import millstream as tf

tf1 = tf.compat.v1


def variables(first=1.0, second=2.0, prefix=""):
    a = tf1.get_variable(f"{prefix}a", shape=[], initializer=tf1.constant_initializer(first))
    b = tf1.get_variable(f"{prefix}b", shape=[2], initializer=tf1.constant_initializer(second))
    return a, b


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tf.Graph().as_default(), tf1.Session() as session:
        a, b = variables()
        session.run(tf1.global_variables_initializer())
        return tf.train.Checkpoint(x=[a], b=b).save("saved")


def test_a_session_saves_what_it_holds_and_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        a, b = variables()
        checkpoint = tf.train.Checkpoint(x=[a], b=b)
        session.run(tf1.global_variables_initializer())
        assert [checkpoint.save("p"), checkpoint.save("p"), checkpoint.write("w")] == ["p-1", "p-2", "w"]
        assert session.run(checkpoint.save_counter) == 2
        assert tf.train.latest_checkpoint(".") == "./p-2"
        count = len(graph.get_operations())
        checkpoint.save("p")
        assert len(graph.get_operations()) == count
        session.run(a.assign(7.0))
        status = checkpoint.restore("p-1")
        assert session.run(a) == 7.0
        status.assert_consumed().run_restore_ops()
        assert [np.max(v) for v in session.run([a, b, checkpoint.save_counter])] == [1.0, 2.0, 1]
        assert checkpoint.save("q") == "q-2"
    assert [(name, list(sizes)) for name, sizes in tf.train.list_variables("p-2")] == [
        ("_CHECKPOINTABLE_OBJECT_GRAPH", []),
        ("b/.ATTRIBUTES/VARIABLE_VALUE", [2]),
        ("save_counter/.ATTRIBUTES/VARIABLE_VALUE", []),
        ("x/0/.ATTRIBUTES/VARIABLE_VALUE", []),
    ]


def test_variables_of_another_graph_take_values_and_others_are_initialised(saved):
    with tf.Graph().as_default():
        a, b = variables(0.0, 0.0, "other_")
        extra = tf1.get_variable("extra", shape=[2], initializer=tf1.ones_initializer())
        status = tf.train.Checkpoint(x=[a], b=b, extra=extra).restore(saved)
        with pytest.raises(AssertionError, match="1 Python objects that were not bound"):
            status.assert_consumed()
        with tf1.Session() as session:
            status.initialize_or_restore(session)
            assert [v.tolist() for v in session.run([a, b, extra])] == [1.0, [2.0, 2.0], [1.0, 1.0]]
        with tf1.Session() as session:
            tf.train.Checkpoint(x=[a]).restore(None).initialize_or_restore()
            assert session.run(a) == 0.0


def test_what_a_session_saved_restores_at_once_and_back(saved, tmp_path):
    a, b = tf.Variable(0.0), tf.Variable([0.0, 0.0])
    checkpoint = tf.train.Checkpoint(x=[a], b=b)
    checkpoint.restore(saved).assert_consumed().run_restore_ops()
    assert (a.numpy(), b.numpy().tolist(), checkpoint.save_counter.numpy()) == (1.0, [2.0, 2.0], 1)
    a.assign(5.0)
    path = checkpoint.save(str(tmp_path / "eager"))
    with tf.Graph().as_default():
        c, d = variables(0.0, 0.0)
        held = tf1.Session()
        version_1 = tf1.train.Checkpoint(x=[c], b=d)
        version_1.restore(path).assert_consumed().run_restore_ops(session=held)
        assert [held.run(c), version_1.write("w", session=held), version_1.save("v", session=held)] == [5.0, "w", "v-3"]


def test_names_of_variables_find_values_too(tmp_path):
    with tf.Graph().as_default(), tf1.Session() as session:
        a, b = variables()
        session.run(tf1.global_variables_initializer())
        path = tf1.train.Saver([a, b]).save(session, str(tmp_path / "named"))
        session.run(a.assign(9.0))
        tf.train.Checkpoint(x=[a], b=b).restore(path).run_restore_ops()
        assert session.run(a) == 1.0


def test_without_a_session_there_is_nothing_to_save(saved):
    with tf.Graph().as_default():
        checkpoint = tf.train.Checkpoint(x=[variables()[0]])
        with pytest.raises(RuntimeError, match="default session"):
            checkpoint.write("nothing")
        with pytest.raises(RuntimeError, match="default session"):
            checkpoint.restore(saved).expect_partial().run_restore_ops()


def test_a_manager_counts_in_the_session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tf.Graph().as_default(), tf1.Session() as session:
        a, _ = variables()
        step = tf1.get_variable("step", shape=[], dtype=tf.int64, initializer=tf1.zeros_initializer())
        session.run(tf1.global_variables_initializer())
        manager = tf.train.CheckpointManager(tf.train.Checkpoint(a=a), "m", 2)
        assert [manager.save() for _ in range(3)] == ["m/ckpt-1", "m/ckpt-2", "m/ckpt-3"]
        assert manager.checkpoints == ["m/ckpt-2", "m/ckpt-3"]
        assert [manager.save(checkpoint_number=n) for n in (9, step, step.assign_add(5))] == [
            "m/ckpt-9",
            "m/ckpt-0",
            "m/ckpt-5",
        ]
        every = tf.train.CheckpointManager(manager.checkpoint, "n", 2, step_counter=step, checkpoint_interval=3)
        assert [every.save(), every.save()] == ["n/ckpt-7", None]
