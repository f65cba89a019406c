"""What `tf.function` compares arguments by (`tf.types.experimental.TraceType`), and the hooks that traces fill in."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from millstream.base.errors import explain


class TraceType(metaclass=abc.ABCMeta):
    """The kind of an argument: two arguments of one kind share a trace."""

    __slots__ = ()

    @abc.abstractmethod
    def is_subtype_of(self, other: Any) -> Any:
        """Whether a trace for `other` also serves this kind."""

    @abc.abstractmethod
    def most_specific_common_supertype(self, others: Sequence[Any]) -> Any:
        """The narrowest kind that serves this one and all `others`; None where there is none."""

    def placeholder_value(self, placeholder_context: Any) -> Any:
        """The value that stands for an argument of this kind inside a trace."""
        raise NotImplementedError(explain(f"{type(self).__name__} does not say what stands for it inside a trace."))

    def to_tensors(self, value: Any) -> list[Any]:
        """The tensors in a value of this kind."""
        return []

    def from_tensors(self, tensors: Iterator[Any]) -> Any:
        """The value that has these tensors."""
        return self.placeholder_value(PlaceholderContext())

    def flatten(self) -> list[Any]:
        """The kinds of the tensors in a value of this kind."""
        return []

    def cast(self, value: Any, cast_context: Any) -> Any:
        """The value as one of this kind; an error where it is none."""
        expected = self.placeholder_value(PlaceholderContext())
        if value != expected:
            raise AssertionError(f"Can not cast {value!r} to type {self!r}")
        return value

    @abc.abstractmethod
    def __hash__(self) -> int: ...

    @abc.abstractmethod
    def __eq__(self, other: object) -> Any: ...


class TracingContext:
    """What `__tf_tracing_type__` methods are given."""


class PlaceholderContext:
    """What `placeholder_value` is given. Tracing derives its own with more in it."""

    @property
    def unnest_only(self) -> bool:
        """Whether to give structures of specs instead of tensors."""
        return False


class CastContext:
    """What `cast` is given."""

    def __init__(self, allow_specs: bool = False) -> None:
        self.allow_specs = allow_specs


# What base names but rooms above make: filled by `install`, so that base imports none of them.
_installed: Final[dict[str, Callable[..., Any]]] = {}


def install(name: str, maker: Callable[..., Any]) -> None:
    """Give base a class or function of a room above, by the name that base asks for."""
    _installed[name] = maker


def installed(name: str) -> Any:
    """What was installed under `name`. Refuses with the name where nothing was."""
    found = _installed.get(name)
    if found is None:
        raise NotImplementedError(
            explain(f"{name} is not there before millstream's own rooms are imported. Import millstream first.")
        )
    return found
