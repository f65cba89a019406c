"""Hashable references to tensors and variables, which themselves have no hash."""

from __future__ import annotations

import weakref
from typing import Any


class Reference:
    """Stands for one object; equal to other references of the same object."""

    __slots__ = ("_wrapped",)

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def deref(self) -> Any:
        """Return the object."""
        return self._wrapped

    @property
    def wrapped(self) -> Any:
        return self._wrapped

    def __eq__(self, other: object) -> bool:
        return self._wrapped is other._wrapped if isinstance(other, Reference) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return id(self._wrapped) < id(other._wrapped) if isinstance(other, Reference) else NotImplemented

    def __gt__(self, other: object) -> bool:
        return id(self._wrapped) > id(other._wrapped) if isinstance(other, Reference) else NotImplemented

    def __hash__(self) -> int:
        return id(self._wrapped)

    def __repr__(self) -> str:
        return f"<Reference wrapping {self._wrapped!r}>"


class WeakReference(Reference):
    """A reference that does not keep its object alive."""

    __slots__ = ("_id",)

    def __init__(self, wrapped: Any) -> None:
        super().__init__(weakref.ref(wrapped))
        self._id = id(wrapped)

    def deref(self) -> Any:
        return self._wrapped()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WeakReference) and self._id == other._id

    def __hash__(self) -> int:
        return self._id
