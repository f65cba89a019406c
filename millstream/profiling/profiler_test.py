"""A recording names what the runtime did, and what was traced by hand."""

from __future__ import annotations

import doctest
import os
import tempfile
import time
from pathlib import Path

import pytest

import millstream as tf
from millstream.base.messages import message
from millstream.profiling import profiler


def recorded(folder):
    """Return the only plane that was recorded."""
    (path,) = Path(folder).glob("plugins/profile/*/*.xplane.pb")
    (plane,) = message("XSpace").FromString(path.read_bytes()).planes
    return plane


def test_instructions_and_traces_are_recorded_with_their_times(tmp_path):
    f = tf.function(lambda x: tf.exp(x) @ x)
    f(tf.ones([8, 8]))
    before = time.time_ns()
    tf.profiler.experimental.start(str(tmp_path))
    with tf.profiler.experimental.Trace("step", step_num=3, kind="a"):
        f(tf.ones([8, 8]))
    tf.profiler.experimental.stop()
    after = time.time_ns()
    plane = recorded(tmp_path)
    names = {number: kind.name for number, kind in plane.event_metadata.items()}
    events = {names[e.metadata_id]: (line, e) for line in plane.lines for e in line.events}
    assert {"step", "dot"} <= events.keys()
    for line, event in events.values():
        begin = line.timestamp_ns + event.offset_ps // 1000
        assert before <= begin <= begin + event.duration_ps // 1000 <= after
    statistics = {plane.stat_metadata[s.metadata_id].name: s for s in events["step"][1].stats}
    assert statistics["step_num"].int64_value == 3
    assert statistics["kind"].str_value == "a"


def test_nothing_is_written_that_is_not_saved(tmp_path):
    tf.profiler.experimental.start(str(tmp_path / "x"))
    tf.profiler.experimental.stop(save=False)
    assert not (tmp_path / "x").exists()


def test_refusals_have_tensorflows_classes(tmp_path):
    with pytest.raises(tf.errors.UnavailableError, match="No profiler"):
        tf.profiler.experimental.stop()
    with tf.profiler.experimental.Profile(str(tmp_path)):
        with pytest.raises(tf.errors.AlreadyExistsError, match="Another profiler"):
            tf.profiler.experimental.start(str(tmp_path))
    assert recorded(tmp_path).name == "/host:CPU"
    with pytest.raises(tf.errors.UnimplementedError, match="not supported"):
        tf.profiler.experimental.server.start(6009)
    with pytest.raises(tf.errors.UnimplementedError, match="delay_ms"):
        tf.profiler.experimental.start("x", tf.profiler.experimental.ProfilerOptions(delay_ms=5))


def test_the_examples_in_docstrings_give_what_they_say():
    assert not doctest.testmod(profiler, extraglobs={"tf": tf, "os": os, "tempfile": tempfile}).failed
