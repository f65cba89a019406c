"""Millstream: machine intelligence for Python. `import millstream as tf`."""

import importlib as _importlib
import sys as _sys

from millstream.api.load import load_all as _load_all
from millstream.api.public import build as _build

_load_all()
_build(_sys.modules[__name__])
__version__ = "2.21.0"
for _room in ("data.names", "distribution.strategy"):
    _importlib.import_module(f"millstream.{_room}")


def install_as_tensorflow(*, replace: bool = False) -> None:
    """Make `import tensorflow` give Millstream in this process; see `millstream.bridge`."""
    from millstream.bridge import install_as_tensorflow as install

    install(replace=replace)


def __getattr__(name: str) -> object:
    if name == "keras":
        return _importlib.import_module("millstream.keras")
    raise AttributeError(f"module 'millstream' has no attribute {name!r}; tf.{name} may not be supported yet.")
