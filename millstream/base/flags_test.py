"""Tests of settings."""

import os
import subprocess
import sys

import pytest

from millstream.base import flags as module


@pytest.fixture(autouse=True)
def fresh_settings():
    module.flags.cache_clear()
    yield
    module.flags.cache_clear()


def test_settings_are_read_once(monkeypatch):
    monkeypatch.setenv("MILLSTREAM_SHOW", "program, plan")
    monkeypatch.setenv("MILLSTREAM_THREADS", "3")
    assert module.flags().show == {"program", "plan"} and module.flags().threads == 3
    monkeypatch.setenv("MILLSTREAM_THREADS", "4")
    assert module.flags().threads == 3


def test_settings_have_defaults(monkeypatch):
    for name in ("SHOW", "THREADS", "VERIFY"):
        monkeypatch.delenv(f"MILLSTREAM_{name}", raising=False)
    found = module.flags()
    assert (found.show, found.threads, found.verify) == (frozenset(), 0, False)


@pytest.mark.parametrize("name, value", [("SHOW", "grahp"), ("THREADS", "-1"), ("VERIFY", "yes")])
def test_settings_that_mean_nothing_are_refused_with_what_is_allowed(monkeypatch, name, value):
    monkeypatch.setenv(f"MILLSTREAM_{name}", value)
    with pytest.raises(ValueError, match=f"MILLSTREAM_{name}.*{value}.* not "):
        module.flags()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_runtime_gets_as_many_threads_as_are_asked_for(threads):
    code = "import millstream as tf; print(tf.config.threading.get_intra_op_parallelism_threads())"
    environment = {**os.environ, "MILLSTREAM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == threads
