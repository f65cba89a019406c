"""Autograph: Python control flow on tensors becomes graph control flow. Names are loaded when first asked for."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "convert": "conversion",
    "convert_as_here": "conversion",
    "converted_call": "conversion",
    "do_not_convert": "conversion",
    "is_converted_code": "conversion",
    "to_code": "conversion",
    "to_graph": "conversion",
    "ConversionError": "trees",
    "Feature": "options",
    "Options": "options",
    "Status": "options",
    "current_status": "options",
    "status": "options",
    "set_loop_options": "options",
    "set_verbosity": "options",
    "trace": "options",
    "Staging": "staging",
    "install": "staging",
    "installed": "staging",
    "Missing": "undefined",
    "Undefined": "undefined",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
