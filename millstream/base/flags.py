"""Settings from the environment, read once when first asked for. Refuses values that mean nothing."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Final

SHOW_CHOICES: Final = ("graph", "program", "plan", "memory", "passes", "retrace")


@dataclass(frozen=True, slots=True)
class Flags:
    """All settings."""

    # MILLSTREAM_SHOW: the stages to print while they are made, separated by commas.
    show: frozenset[str]
    # MILLSTREAM_THREADS: workers of the runtime; 0 takes one for each core.
    threads: int
    # MILLSTREAM_VERIFY: check every program after every pass.
    verify: bool
    # MILLSTREAM_ALLOW_FILES: graphs that are loaded may touch any file.
    allow_files: bool
    # MILLSTREAM_EXPORT_PLAN: saved models with signatures, those of model.export too, get their plan beside them.
    export_plan: bool


def _whole_number(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdigit():
        raise ValueError(f"{name}={text!r} is not a whole number from 0. Set it to one, or unset it.")
    return int(text)


@functools.cache
def flags() -> Flags:
    """The settings, read from the environment at the first call."""
    show = frozenset(word.strip() for word in os.environ.get("MILLSTREAM_SHOW", "").split(",") if word.strip())
    if unknown := sorted(show.difference(SHOW_CHOICES)):
        raise ValueError(
            f"MILLSTREAM_SHOW={','.join(unknown)!r} is not one of {', '.join(SHOW_CHOICES)}. "
            "Set it to one or more of these, separated by commas, or unset it."
        )
    return Flags(
        show=show,
        threads=_whole_number("MILLSTREAM_THREADS", 0),
        verify=bool(_whole_number("MILLSTREAM_VERIFY", 0)),
        allow_files=bool(_whole_number("MILLSTREAM_ALLOW_FILES", 0)),
        export_plan=bool(_whole_number("MILLSTREAM_EXPORT_PLAN", 0)),
    )
