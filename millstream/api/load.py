"""Import every module of the api, so that all public names are there."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

_NOT_NAMES = ("load", "public")


def load_all() -> None:
    """Import the modules of this folder."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in _NOT_NAMES and not module.name.endswith("_test"):
            importlib.import_module(f"millstream.api.{module.name}")
