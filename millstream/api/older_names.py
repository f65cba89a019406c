"""Arguments of version 1 that have an older and a newer name. Refuses both at once."""

from __future__ import annotations

from typing import Any

from millstream.base.errors import explain


def either(new: Any, old: Any, new_name: str, old_name: str) -> Any:
    """Return the one of two names' values that is given."""
    if new is not None and old is not None:
        raise ValueError(explain(f"Cannot specify both '{old_name}' and '{new_name}'."))
    return old if new is None else new
