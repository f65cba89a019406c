"""Tests of settings."""

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
    for name in ("SHOW", "THREADS", "DATA", "BACKEND", "VERIFY"):
        monkeypatch.delenv(f"MILLSTREAM_{name}", raising=False)
    found = module.flags()
    assert (found.show, found.threads, found.backend, found.verify) == (frozenset(), 0, "cpu", False)


@pytest.mark.parametrize("name, value", [("SHOW", "grahp"), ("THREADS", "-1"), ("BACKEND", "gpu")])
def test_settings_that_mean_nothing_are_refused_with_what_is_allowed(monkeypatch, name, value):
    monkeypatch.setenv(f"MILLSTREAM_{name}", value)
    with pytest.raises(ValueError, match=f"MILLSTREAM_{name}.*{value}.* not "):
        module.flags()
