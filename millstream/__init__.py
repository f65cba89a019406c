"""Millstream: machine intelligence for Python. `import millstream as tf`."""

import sys as _sys

from millstream.api.load import load_all as _load_all
from millstream.api.public import build as _build

_load_all()
_build(_sys.modules[__name__])
__version__ = "2.21.0"
