"""Garbage collection around what is built."""

from __future__ import annotations

import gc

import pytest

from millstream.base.collecting import uncollected


@pytest.fixture(autouse=True)
def _restore():
    before = gc.isenabled()
    yield
    (gc.enable if before else gc.disable)()


def test_garbage_is_looked_for_again_afterwards_even_where_building_failed():
    gc.enable()
    with pytest.raises(KeyError), uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_who_switched_it_off_finds_it_off():
    gc.disable()
    with uncollected():
        assert not gc.isenabled()
    assert not gc.isenabled()
