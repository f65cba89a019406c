"""Stand-ins for what a variable holds before it has a value. Refuses, by name, every use of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn


class Undefined:
    """What a variable holds until it is assigned."""

    __slots__ = ("symbol_name",)

    def __init__(self, symbol_name: str) -> None:
        self.symbol_name = symbol_name

    def read(self) -> NoReturn:
        """Raise as Python does where an unassigned local variable is read."""
        raise UnboundLocalError(f"'{self.symbol_name}' is used before assignment")

    def __repr__(self) -> str:
        return f"<undefined variable {self.symbol_name}>"


class Missing(Undefined):
    """The value of a function that has not returned yet. A staged branch without one takes zeros like the other's."""

    __slots__ = ()


missing = Missing("retval_")


def ld(value: Any) -> Any:
    """Return the value of a variable that is being read."""
    if isinstance(value, Undefined):
        value.read()
    return value


def ldu(read: Callable[[], Any], name: str) -> Any:
    """Return what `read` gives, or a stand-in where the variable, attribute or item does not exist."""
    try:
        return read()
    except (NameError, AttributeError, KeyError, IndexError):
        return Undefined(name)


def write_attribute(owner: Any, name: str, value: Any) -> None:
    """Set an attribute that travels through staged control flow; an undefined one is taken away again."""
    if not isinstance(value, Undefined):
        setattr(owner, name, value)
    elif hasattr(owner, name):
        delattr(owner, name)


def write_item(owner: Any, key: Any, value: Any) -> None:
    """Set an item that travels through staged control flow; an undefined one is taken away again."""
    if not isinstance(value, Undefined):
        owner[key] = value
    elif isinstance(owner, dict):
        owner.pop(key, None)
