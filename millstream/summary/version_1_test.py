"""Summaries of version 1, and those of version 2 in graphs of sessions, against what TensorFlow 2.21 gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as package

tf: Any = package
v1 = tf.compat.v1

PICTURE = np.array([[[1.0, -2.0, 0.5, 4.0], [0.25, 3.0, -1.0, 0.0]], [[2.0, 2.0, 2.0, 2.0], [0.1, 0.2, 0.3, 0.4]]], "f")
SHOWN = {
    "real": [[[159, 64, 143, 255], [135, 223, 96, 128]], [[191, 191, 191, 191], [131, 134, 137, 140]]],
    "positive": [[[63, 127, 31, 255], [15, 191, 63, 0]], [[127, 127, 127, 127], [6, 12, 19, 25]]],
    "not finite": [[[170, 0, 85, 255], [255, 0, 0, 255]], [[255, 0, 0, 255], [17, 34, 51, 68]]],
}


def picture(name: str) -> Any:
    if name == "real":
        return PICTURE
    found = np.abs(PICTURE)
    if name == "not finite":
        found[0, 0] = [1.0, 0.0, 0.5, 1.5]
        found[0, 1, 1], found[1, 0, 3] = np.inf, np.nan
    return found


def made_in_session(make: Callable[[], Any]) -> Any:
    with tf.Graph().as_default(), v1.Session() as session:
        return v1.Summary.FromString(session.run(make()))


@pytest.mark.parametrize("name", SHOWN)
def test_pictures_are_scaled_as_tensorflow_scales_them(name: str) -> None:
    summary = made_in_session(lambda: v1.summary.image("p", picture(name)[None], max_outputs=1))
    (value,) = summary.value
    shown = tf.io.decode_png(value.image.encoded_image_string).numpy()
    assert (value.tag, shown.tolist()) == ("p/image", SHOWN[name])


@pytest.mark.parametrize(
    ("error", "make"),
    [
        (TypeError, lambda: v1.summary.scalar("a", "text")),
        (TypeError, lambda: v1.summary.histogram("a", ["text"])),
        (TypeError, lambda: v1.summary.image("a", np.zeros((1, 2, 2, 1), np.int32))),
        (TypeError, lambda: v1.summary.audio("a", np.zeros((1, 2)), 8000.0)),
        (ValueError, lambda: v1.summary.image("a", np.zeros((1, 2, 2, 1), "f"), max_outputs=0)),
        (ValueError, lambda: v1.summary.audio("a", np.zeros((1, 2), "f"), 8000.0, max_outputs=0)),
        (ValueError, lambda: v1.summary.merge([])),
        (tf.errors.InvalidArgumentError, lambda: v1.summary.scalar("a", [1.0])),
        (tf.errors.InvalidArgumentError, lambda: v1.summary.histogram("a", [np.nan])),
        (tf.errors.InvalidArgumentError, lambda: v1.summary.image("a", np.zeros((1, 2, 2, 2), "f"))),
    ],
)
def test_what_is_no_summary_is_refused(error: type[Exception], make: Callable[[], Any]) -> None:
    with pytest.raises(error):
        made_in_session(make)


def test_truth_values_have_histograms() -> None:
    (value,) = made_in_session(lambda: v1.summary.histogram("a", [True, False, True])).value
    assert (value.histo.num, value.histo.sum, value.histo.max) == (3, 2, 1)


def events_of(folder: Path) -> list[Any]:
    (file,) = folder.iterdir()
    return [v1.Event.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]


def test_summaries_of_version_2_are_written_when_a_session_runs_them(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph, v1.Session() as session:
        writer = tf.summary.create_file_writer(str(tmp_path))
        step = v1.placeholder(tf.int64, [])
        with writer.as_default():
            tf.summary.write("all", tf.cast(step, tf.float32), step=step)
            with tf.summary.record_if(tf.equal(step % 2, 0)):
                tf.summary.write("even", step, step=step)
            v1.summary.initialize(graph, session)
        written = v1.summary.all_v2_summary_ops()
        assert [session.run(written, {step: i}) for i in range(3)] == [[True, True], [True, False], [True, True]]
        assert session.run([writer.flush(), writer.close()]) == [None, None]
    events = events_of(tmp_path)
    assert [bool(e.graph_def) for e in events] == [False, True] + 5 * [False]
    assert sorted((e.step, v.tag) for e in events for v in e.summary.value) == [
        (0, "all"), (0, "even"), (1, "all"), (2, "all"), (2, "even"),
    ]  # fmt: skip


def test_initializing_needs_a_writer_and_a_session(tmp_path: Path) -> None:
    v1.summary.initialize()
    with tf.Graph().as_default():
        with pytest.raises(RuntimeError, match="No default"):
            v1.summary.initialize()
        with tf.summary.create_file_writer(str(tmp_path)).as_default(), pytest.raises(ValueError, match="session"):
            v1.summary.initialize()
