"""tf.summary writes the event files that TensorBoard reads."""

from __future__ import annotations

import doctest
import importlib
import io
import json
import os
import struct
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest

import millstream as tf
from millstream.base.messages import message
from millstream.base.tensor_proto import of_proto
from millstream.summary.kinds import buckets_of


def events_of(folder):
    """Return the events of the only file in a directory."""
    (name,) = os.listdir(folder)
    assert name.startswith("events.out.tfevents.") and name.endswith(".v2")
    return [message("Event").FromString(r) for r in tf.compat.v1.io.tf_record_iterator(os.path.join(folder, name))]


def values_of(folder):
    """Return (tag, step, plugin, array) of each summary in the only file in a directory."""
    return [
        (v.tag, e.step, v.metadata.plugin_data.plugin_name, of_proto(v.tensor)[0])
        for e in events_of(folder)
        for v in e.summary.value
    ]


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "logs")


def test_a_file_begins_with_its_version(folder):
    tf.summary.create_file_writer(folder).close()
    (first,) = events_of(folder)
    assert first.file_version == "brain.Event:2"
    assert first.wall_time > 1e9


def test_each_kind_is_written_in_the_form_of_its_plugin(folder):
    pixels = np.random.default_rng(0).random((4, 5, 7, 3)).astype(np.float32)
    sound = np.array([[[0.0], [0.5], [-1.0], [2.0]]], np.float32)
    with tf.summary.create_file_writer(folder).as_default(step=3):
        assert tf.summary.scalar("scalar", 2, description="about").numpy()
        assert tf.summary.histogram("histogram", [0.0, 0.0, 1.0], buckets=2).numpy()
        assert tf.summary.image("image", pixels, max_outputs=2).numpy()
        assert tf.summary.audio("audio", sound, 8000).numpy()
        assert tf.summary.text("text", ["one", "two"]).numpy()
    found = values_of(folder)
    assert [(tag, step, plugin) for tag, step, plugin, _ in found] == [
        ("scalar", 3, "scalars"),
        ("histogram", 3, "histograms"),
        ("image", 3, "images"),
        ("audio", 3, "audio"),
        ("text", 3, "text"),
    ]
    scalar, histogram, image, audio, text = (array for *_, array in found)
    assert scalar.dtype == np.float32 and scalar == 2
    np.testing.assert_array_equal(histogram, [[0, 0.5, 2], [0.5, 1, 1]])
    assert image[:2].tolist() == [b"7", b"5"] and len(image) == 4
    np.testing.assert_array_equal(
        tf.io.decode_png(image[2]), tf.image.convert_image_dtype(pixels[0], tf.uint8, saturate=True)
    )
    assert audio.shape == (1, 2) and audio[0, 1] == b""
    with wave.open(io.BytesIO(audio[0, 0])) as read:
        assert (read.getframerate(), read.getnchannels()) == (8000, 1)
        assert struct.unpack("<4h", read.readframes(4)) == (0, 16384, -32768, 32767)
    assert text.tolist() == [b"one", b"two"]
    values = [v for e in events_of(folder) for v in e.summary.value]
    assert values[0].metadata.summary_description == "about"
    assert [v.metadata.data_class for v in values] == [1, 2, 3, 3, 2]
    assert values[3].metadata.plugin_data.content == b"\x10\x0b"


def test_a_traced_function_writes_each_time_it_runs(folder):
    step = tf.Variable(5, dtype=tf.int64)

    @tf.function
    def write(x):
        with tf.name_scope("inner"):
            tf.summary.scalar("sum", tf.reduce_sum(x), step=step)
        step.assign_add(1)
        return tf.summary.histogram("all", x, step=step)

    with tf.summary.create_file_writer(folder).as_default():
        assert write(tf.constant([1.0, 2.0])).numpy()
        assert write(tf.constant([1.0, 5.0])).numpy()
    assert [(tag, at) for tag, at, *_ in values_of(folder)] == [
        ("inner/sum", 5),
        ("all", 6),
        ("inner/sum", 6),
        ("all", 7),
    ]


def test_a_condition_decides_when_the_graph_runs(folder):
    on = tf.Variable(False)
    write = tf.function(lambda x: tf.summary.scalar("x", x, step=1))
    with tf.summary.create_file_writer(folder).as_default(), tf.summary.record_if(lambda: on):
        assert not write(tf.constant(1.0)).numpy()
        on.assign(True)
        assert write(tf.constant(2.0)).numpy()
    assert [array for *_, array in values_of(folder)] == [2.0]


def test_a_callable_is_called_only_where_the_summary_is_recorded(folder):
    def fail():
        raise AssertionError("called")

    assert not tf.summary.write("x", fail, step=1).numpy()
    with tf.summary.create_file_writer(folder).as_default(), tf.summary.record_if(False):
        assert not tf.summary.write("x", fail, step=1).numpy()


def test_scopes_stand_before_the_tag():
    with tf.summary.experimental.summary_scope("a b", "d") as (tag, scope):
        assert (tag, scope) == ("a b", "ab/")
    with tf.name_scope("o"), tf.summary.experimental.summary_scope("%%", "d") as (tag, scope):
        assert (tag, scope) == ("o/%%", "o/d/")


def test_writers_nest_and_steps_with_them(tmp_path):
    first, second = (tf.summary.create_file_writer(str(tmp_path / n)) for n in "ab")
    with first.as_default(step=1):
        with second.as_default(step=2):
            tf.summary.scalar("x", 1.0)
        tf.summary.scalar("x", 1.0)
    assert tf.summary.experimental.get_step() is None
    assert values_of(tmp_path / "a")[0][1] == 1
    assert values_of(tmp_path / "b")[0][1] == 2


def test_nothing_is_written_without_a_writer():
    assert not tf.summary.scalar("x", 1.0, step=1).numpy()
    assert not tf.summary.should_record_summaries().numpy()
    with tf.summary.create_noop_writer().as_default():
        assert not tf.summary.scalar("x", 1.0).numpy()


def test_more_than_the_queue_holds_is_written_at_once(folder):
    writer = tf.summary.create_file_writer(folder, max_queue=1)
    with writer.as_default(step=1):
        tf.summary.scalar("x", 1.0)
        assert len(values_of(folder)) == 0
        tf.summary.scalar("x", 2.0)
        assert len(values_of(folder)) == 2


def test_raw_messages_are_written_as_they_are(folder):
    summary = tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag="old", simple_value=1.5)])
    with tf.summary.create_file_writer(folder).as_default(step=4):
        assert tf.summary.experimental.write_raw_pb(summary.SerializeToString()).numpy()
        with pytest.raises(tf.errors.DataLossError, match="index 0"):
            tf.summary.experimental.write_raw_pb(b"\xff\xff")
    value = events_of(folder)[1].summary.value[0]
    assert (value.tag, value.simple_value) == ("old", 1.5)


def test_refusals_have_tensorflows_classes(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path / "x"))
    with writer.as_default():
        with pytest.raises(ValueError, match="No step set"):
            tf.summary.scalar("x", 1.0)
        with pytest.raises(ValueError, match="must be a scalar"):
            tf.summary.scalar("x", 1.0, step=[1, 2])
        with pytest.raises(ValueError, match="scalar shape"):
            tf.summary.scalar("x", [1.0], step=1)
        with pytest.raises(ValueError, match="Unknown encoding"):
            tf.summary.audio("x", np.zeros([1, 2, 1]), 1, step=1, encoding="mp3")
        with pytest.raises(ValueError, match=r"not tf\.Graph"):
            tf.summary.graph(3)
    writer.close()
    for call in (writer.init, writer.as_default, writer.set_as_default):
        with pytest.raises(RuntimeError, match="already closed"):
            call()
    with pytest.raises(ValueError, match="logdir"):
        tf.summary.create_file_writer(None)
    with pytest.raises(ValueError, match="Invalid argument to flush"):
        tf.summary.flush(3)
    with pytest.raises(ValueError, match="trace_on"):
        tf.summary.trace_export("x", step=1)
    with pytest.raises(tf.errors.NotFoundError):
        tf.summary.create_file_writer("/proc/none/x")


def test_a_closed_writer_takes_nothing_more(folder):
    writer = tf.summary.create_file_writer(folder)
    with writer.as_default(step=1):
        writer.close()
        with pytest.raises(tf.errors.NotFoundError, match="closed"):
            tf.summary.scalar("x", 1.0)


def test_the_graphs_of_functions_called_while_tracing_are_exported(folder):
    f = tf.function(lambda x: tf.exp(x) + 1.0)
    f(tf.constant(1.0))
    with tf.summary.create_file_writer(folder).as_default():
        tf.summary.trace_on()
        f(tf.constant(2.0))
        f(tf.constant(3.0))
        tf.summary.trace_export("run", step=7)
        assert tf.summary.graph(f.get_concrete_function(tf.TensorSpec([])).graph).numpy()
    (tag, step, plugin, array), *_ = values_of(folder)
    assert (tag, step, plugin) == ("run", 7, "graph_run_metadata_graph")
    run = message("RunMetadata").FromString(array[()])
    (graph,) = [g.pre_optimization_graph for g in run.function_graphs]
    assert "Exp" in [n.op for n in graph.node]
    (written,) = [message("GraphDef").FromString(e.graph_def) for e in events_of(folder) if e.graph_def]
    names = {n.name for n in written.node}
    assert all(i.split(":")[0] in names for n in written.node for i in n.input)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([], [[0, 0, 0], [0, 0, 0]]),
        ([3, 3], [[3, 3, 0], [3, 3, 2]]),
        ([1, 2, 3], [[1, 2, 1], [2, 3, 2]]),
    ],
)
def test_buckets_are_of_one_width(data, expected):
    np.testing.assert_array_equal(buckets_of(np.array(data), 2), expected)


def test_buckets_take_what_is_not_finite():
    assert buckets_of(np.array([1.0, np.nan]), 2)[:, 2].tolist() == [0, 0]


def test_kerass_callback_logs_a_fit(tmp_path):
    from millstream import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 3)), np.zeros((8, 2))
    logs = keras.callbacks.TensorBoard(str(tmp_path), histogram_freq=1, update_freq=1)
    model.fit(x, y, epochs=2, batch_size=4, validation_data=(x, y), callbacks=[logs], verbose=0)
    tags = {tag for tag, *_ in values_of(tmp_path / "train")}
    assert {"keras", "epoch_loss", "batch_loss"} <= tags
    model_text = next(a for tag, _, _, a in values_of(tmp_path / "train") if tag == "keras")
    assert json.loads(model_text[()])["class_name"] == "Sequential"
    assert Path(tmp_path / "validation").is_dir()


@pytest.mark.parametrize("name", ["writers", "kinds", "graphs", "events"])
def test_the_examples_in_docstrings_give_what_they_say(name):
    module = importlib.import_module(f"millstream.summary.{name}")
    assert not doctest.testmod(module, extraglobs={"tf": tf, "tempfile": tempfile}).failed
