"""Keep Python's search for circular garbage off while something large is built. Changes nothing where it is off already."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Build without looking for garbage: all that a trace or a plan makes stays, and looking again and again took a tenth."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
