"""Settings from the environment, read once when first asked for. Refuses names and values that mean nothing."""

from __future__ import annotations

import functools
import os
from typing import Final

SHOW_CHOICES: Final = ("graph", "program", "plan", "passes", "retrace")

# name: (default, what it takes: words, "number" or "folder")
SETTINGS: Final[dict[str, tuple[str, tuple[str, ...] | str]]] = {
    # The stages to print while they are made, separated by commas.
    "MILLSTREAM_SHOW": ("", SHOW_CHOICES),
    # Where data sets and weights lie.
    "MILLSTREAM_DATA": (os.path.join("~", ".cache", "millstream"), "folder"),
    # Workers of the runtime; 0 takes one for each core.
    "MILLSTREAM_THREADS": ("0", "number"),
    # What runs programs: the runtime, or the interpreter that tests compare with.
    "MILLSTREAM_BACKEND": ("cpu", ("cpu", "reference", "xla")),
    # 1 checks every program after every pass.
    "MILLSTREAM_VERIFY": ("0", "number"),
}


@functools.cache
def setting(name: str) -> str:
    """The text of a setting, its default where the environment has none. Read once."""
    if name not in SETTINGS:
        raise KeyError(f"There is no setting {name!r}. There are {', '.join(SETTINGS)}.")
    default, takes = SETTINGS[name]
    text = os.environ.get(name, "").strip() or default
    if isinstance(takes, tuple):
        unknown = sorted({word.strip() for word in text.split(",") if word.strip()}.difference(takes))
        if unknown:
            raise ValueError(
                f"{name}={text!r} has {', '.join(unknown)}, which is not one of {', '.join(takes)}. "
                "Set it to one of these (several with commas), or unset it."
            )
    elif takes == "number" and not text.isdigit():
        raise ValueError(f"{name}={text!r} is not a whole number from 0. Set it to one, or unset it.")
    elif takes == "folder":
        text = os.path.expanduser(text)
    return text


@functools.cache
def number(name: str) -> int:
    """The number that a setting is."""
    return int(setting(name))


@functools.cache
def words(name: str) -> frozenset[str]:
    """The words that a setting lists."""
    return frozenset(word.strip() for word in setting(name).split(",") if word.strip())
