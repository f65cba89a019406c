"""Find ops by name. Every module of this folder that declares ops is a family; families are imported when first asked for."""

from __future__ import annotations

import importlib
import pkgutil

from millstream.ops.declaration import Op

_NOT_FAMILIES = ("declaration", "registry", "types")


def all_ops() -> dict[str, Op]:
    """Return every declared op by its TensorFlow name."""
    package = importlib.import_module("millstream.ops")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in _NOT_FAMILIES and not module.name.endswith("_test"):
            importlib.import_module(f"millstream.ops.{module.name}")
    return Op.registry


def find(name: str) -> Op:
    """Return the op `name`; KeyError where none is declared."""
    if name not in Op.registry:
        all_ops()
    return Op.registry[name]
