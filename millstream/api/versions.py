"""tf.version and tf.sysconfig: what this build is, and which version of TensorFlow's interface it has."""

from __future__ import annotations

import platform
from pathlib import Path

from millstream.api.public import public, publish

VERSION = "2.21.0"

for _name, _value in (
    ("VERSION", VERSION),
    ("GIT_VERSION", f"v{VERSION}-millstream"),
    ("COMPILER_VERSION", platform.python_compiler()),
    ("GRAPH_DEF_VERSION", 2474),
    ("GRAPH_DEF_VERSION_MIN_CONSUMER", 0),
    ("GRAPH_DEF_VERSION_MIN_PRODUCER", 0),
):
    publish(f"version.{_name}", _value)
    publish(f"compat.v1.version.{_name}", _value)
    publish(f"compat.v1.{_name}", _value)

for _name, _value in (("CXX11_ABI_FLAG", 1), ("CXX_VERSION", 202002), ("MONOLITHIC_BUILD", 0)):
    publish(f"sysconfig.{_name}", _value)
    publish(f"compat.v1.sysconfig.{_name}", _value)

_PACKAGE = Path(__file__).resolve().parents[1]


@public("sysconfig.get_include", "compat.v1.sysconfig.get_include")
def get_include() -> str:
    """Return the folder of the header `millstream.h`: that of the package, or of the sources where it was not installed.

    TensorFlow's own headers are not there: libraries of ops for TensorFlow cannot be built against Millstream.
    """
    installed = _PACKAGE / "include"
    return str(installed if installed.is_dir() else _PACKAGE.parent / "runtime" / "include")


@public("sysconfig.get_lib", "compat.v1.sysconfig.get_lib")
def get_lib() -> str:
    """Return the folder of the library `libmillstream`."""
    return str(_PACKAGE)


@public("sysconfig.get_compile_flags", "compat.v1.sysconfig.get_compile_flags")
def get_compile_flags() -> list[str]:
    """Return the flags that a compiler takes to find the header."""
    return [f"-I{get_include()}", "--std=c++20"]


@public("sysconfig.get_link_flags", "compat.v1.sysconfig.get_link_flags")
def get_link_flags() -> list[str]:
    """Return the flags that a linker takes to find the library."""
    return [f"-L{get_lib()}", "-lmillstream"]
