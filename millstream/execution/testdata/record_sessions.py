"""Record what TensorFlow gives for the programs of `session_programs` and `graph_programs`. Run with a
Python that has it, in millstream/execution: python -m testdata.record_sessions. Writes sessions.json."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from . import graph_programs, more_programs  # noqa: F401 - add their programs
from .session_programs import PROGRAMS


def plain(value: Any) -> Any:
    """Return a result as JSON has it: arrays with element type and shape, bytes with a mark."""
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        data = [plain(v) for v in array.ravel().tolist()]
        return {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, dict):
        return {"dict": {k: plain(v) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def outcome(library: Any, program: Any) -> Any:
    """Return what a program gives in a new graph."""
    with library.Graph().as_default():
        return plain(program(library))


def main() -> None:
    """Run all programs and write the file; failures are shown and left out."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    found = {}
    for name, program in PROGRAMS.items():
        try:
            found[name] = outcome(tf, program)
        except Exception as error:
            print(name, type(error).__name__, error)
    lines = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in found.items())
    Path(__file__).with_name("sessions.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
