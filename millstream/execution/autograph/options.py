"""What a user can choose about autograph: optional features, loop options, how much it says. Holds no conversion."""

from __future__ import annotations

import enum
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("millstream.autograph")


class Feature(enum.Enum):
    """Optional parts of the conversion."""

    ALL = "ALL"
    AUTO_CONTROL_DEPS = "AUTO_CONTROL_DEPS"
    ASSERT_STATEMENTS = "ASSERT_STATEMENTS"
    BUILTIN_FUNCTIONS = "BUILTIN_FUNCTIONS"
    EQUALITY_OPERATORS = "EQUALITY_OPERATORS"
    LISTS = "LISTS"
    NAME_SCOPES = "NAME_SCOPES"

    @classmethod
    def all(cls) -> tuple[Feature, ...]:
        """Every feature."""
        return tuple(cls)

    @classmethod
    def all_but(cls, exclude: Feature | Iterable[Feature]) -> tuple[Feature, ...]:
        """Every feature but the ones given."""
        left_out = set(_features(exclude)) | {cls.ALL}
        return tuple(feature for feature in cls if feature not in left_out)


def _features(features: Feature | Iterable[Feature] | None) -> tuple[Feature, ...]:
    if features is None:
        return ()
    if isinstance(features, Feature):
        return (features,)
    chosen = tuple(features)
    for feature in chosen:
        if not isinstance(feature, Feature):
            raise TypeError(
                f"autograph's optional features must be members of tf.autograph.experimental.Feature, got {feature!r}"
            )
    return chosen


@dataclass(frozen=True, slots=True)
class Options:
    """How a function is converted: whether the functions that it calls are too, and the optional features in use."""

    recursive: bool = True
    features: frozenset[Feature] = frozenset()

    @classmethod
    def of(cls, recursive: bool, features: Feature | Iterable[Feature] | None) -> Options:
        """Check what a user gave and return it as options."""
        return cls(bool(recursive), frozenset(_features(features)))

    def uses(self, feature: Feature) -> bool:
        """Whether a feature is in use."""
        return feature in self.features or Feature.ALL in self.features


class Status(enum.Enum):
    """Whether calls made at this moment are converted."""

    UNSPECIFIED = 0
    ENABLED = 1
    DISABLED = 2


class _State(threading.local):
    def __init__(self) -> None:
        self.stack: list[Status] = []


_state = _State()


def current_status() -> Status:
    """Return the status set by the innermost converted or unconverted function on this thread."""
    return _state.stack[-1] if _state.stack else Status.UNSPECIFIED


@contextmanager
def status(value: Status) -> Iterator[None]:
    """Set the status inside a `with` block."""
    _state.stack.append(value)
    try:
        yield
    finally:
        _state.stack.pop()


_verbosity: int | None = None
_to_stdout = False


def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """Set how much autograph logs: 0 nothing but warnings, 1 what is converted, 2 each call's fate, 10 the new code."""
    global _verbosity, _to_stdout
    _verbosity = int(level)
    _to_stdout = alsologtostdout


def get_verbosity() -> int:
    """Return the level that `set_verbosity`, or else the variable AUTOGRAPH_VERBOSITY, gives."""
    return _verbosity if _verbosity is not None else int(os.environ.get("AUTOGRAPH_VERBOSITY", "0"))


def note(level: int, text: Callable[[], str]) -> None:
    """Log a text at a level; the text is only made where it is wanted."""
    if (_verbosity is None and "AUTOGRAPH_VERBOSITY" not in os.environ) or get_verbosity() < level:
        return
    message = text()
    if _to_stdout:
        sys.stdout.write(message + "\n")
    log.warning("%s", message)


def trace(*args: Any) -> None:
    """Print values while a function is being traced."""
    print(*args)  # the purpose of the function


_unset: Any = object()


def set_loop_options(
    parallel_iterations: Any = _unset,
    swap_memory: Any = _unset,
    maximum_iterations: Any = _unset,
    shape_invariants: Any = _unset,
) -> None:
    """Give options to the `for` or `while` loop whose body begins with this call.

    The conversion reads the call and takes it out of the loop; in a loop that is not converted it does nothing.

    Args:
      parallel_iterations: how many iterations may run at once.
      swap_memory: whether values kept for the gradient may leave the device.
      maximum_iterations: the loop ends after so many.
      shape_invariants: pairs (tensor, shape): the shape that holds for a loop variable through all iterations.
    """
