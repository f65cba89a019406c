"""The table of public names. Each public object is registered once, under all names that TensorFlow gives it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any, TypeVar

PUBLIC: dict[str, Any] = {}
"""Public objects by name without the leading `tf.`, such as `nn.relu`."""

Object = TypeVar("Object")


def public(*names: str) -> Callable[[Object], Object]:
    """Publish the decorated function or class as tf.<name> for each of `names`."""

    def register(item: Object) -> Object:
        for name in names:
            publish(name, item)
        return item

    return register


def publish(name: str, item: Any) -> None:
    """Publish `item` as tf.<name>."""
    if name in PUBLIC and PUBLIC[name] is not item:
        raise ValueError(f"tf.{name} is published twice.")
    PUBLIC[name] = item
    _place(name, item)


_root: types.ModuleType | None = None


def build(root: types.ModuleType) -> None:
    """Make the public modules (`millstream.nn`, `millstream.io.gfile` …) under `root`; names published later are added."""
    global _root
    _root = root
    for name, item in PUBLIC.items():
        _place(name, item)


def _place(name: str, item: Any) -> None:
    if _root is None:
        return
    *path, leaf = name.split(".")
    module, full = _root, _root.__name__
    for part in path:
        full = f"{full}.{part}"
        inner = sys.modules.get(full)
        # A room of the same name (millstream.data) carries the public names itself.
        if inner is None:
            inner = types.ModuleType(full, f"Public names of tf.{full.partition('.')[2]}.")
            inner.__path__ = []
            sys.modules[full] = inner
        setattr(module, part, inner)
        module = inner
    setattr(module, leaf, item)
