"""Find ops by name. Families are imported when first asked for, so that `import millstream` stays quick."""

from __future__ import annotations

import importlib

from millstream.ops.declaration import Op

FAMILIES = ("math", "array", "nn", "state")


def all_ops() -> dict[str, Op]:
    """Return every declared op by its TensorFlow name."""
    for family in FAMILIES:
        importlib.import_module(f"millstream.ops.{family}")
    return Op.registry


def find(name: str) -> Op:
    """Return the op `name`; KeyError where none is declared."""
    if name not in Op.registry:
        all_ops()
    return Op.registry[name]
