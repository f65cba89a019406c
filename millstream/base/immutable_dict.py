"""A mapping that cannot be changed: what extension types keep in fields of mappings. Keys may be anything hashable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class ImmutableDict(Mapping[Any, Any]):
    """A dictionary without the methods that change it."""

    __supported_by_tf_nest__ = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._content = dict(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._content[key]

    def __contains__(self, key: object) -> bool:
        return key in self._content

    def __iter__(self) -> Iterator[Any]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __repr__(self) -> str:
        return f"ImmutableDict({self._content})"
