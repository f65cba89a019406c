"""Millstream: machine intelligence for Python. `import millstream as tf`."""

import gc as _gc
import importlib as _importlib
import sys as _sys

_collecting = _gc.isenabled()
# All that an import makes stays: looking through it for garbage, again and again, would take a fifth of the time.
_gc.disable()

from millstream.api.load import load_api as _load_api  # noqa: E402
from millstream.api.public import build as _build  # noqa: E402
from millstream.api.public import missing as _missing  # noqa: E402

_load_api()
_build(_sys.modules[__name__])
__version__ = "2.21.0"

if _collecting:
    if _gc.get_freeze_count() == 0:
        # Counts all that is there as old, so that the next search does not begin with it.
        _gc.freeze()
        _gc.unfreeze()
    _gc.enable()


def install_as_tensorflow(*, replace: bool = False) -> None:
    """Make `import tensorflow` give Millstream in this process; see `millstream.bridge`."""
    from millstream.bridge import install_as_tensorflow as install

    install(replace=replace)


def __getattr__(name: str) -> object:
    if name == "keras":
        return _importlib.import_module("millstream.keras")
    if name in ("initializers", "losses", "metrics", "optimizers"):
        return getattr(_importlib.import_module("millstream.keras"), name)
    return _missing("", name)
