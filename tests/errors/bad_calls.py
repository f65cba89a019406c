"""Run every bad call of testdata/bad_calls.txt, eagerly and traced, and tell how each fails. Judges nothing.

python tests/errors/bad_calls.py OUT.json [--tensorflow]    writes {case: [class, text]}; the real library with --tensorflow
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CALLS = HERE / "testdata" / "bad_calls.txt"
PRELUDE = """import numpy as np

from the_library import tf

c, ones = tf.constant, tf.ones
F23, F24, F32, V3 = tf.ones([2, 3]), tf.ones([2, 4]), tf.ones([3, 2]), tf.ones([3])

"""


def families() -> Iterator[tuple[str, str, list[str], bool]]:
    """Yield family, name, the statements, and whether the case also runs inside tf.function."""
    family, traced = "", False
    for line in CALLS.read_text().splitlines():
        if line.startswith("## "):
            mode, _, family = line[3:].partition(" ")
            traced = mode == "traced"
        elif line and not line.startswith("#"):
            name, _, code = line.partition(" | ")
            yield family, name, code.replace("\\n", "\n").split(" ;; "), traced


def write_script(path: Path) -> None:
    """Write all cases as functions of one module, so that each has lines of its own."""
    lines = [PRELUDE]
    for _, name, statements, _ in families():
        body = "\n".join([*statements[:-1], _returned(statements[-1])]).split("\n")
        lines.append("\n".join([f"def {name}():", *(f"    {line}" for line in body), ""]))
    path.write_text("\n".join(lines))


def _returned(statement: str) -> str:
    """Return the last statement as one that gives its value, so that a traced function cannot leave it out."""
    return statement if isinstance(ast.parse(statement).body[0], ast.Assign) else f"return {statement}"


def load_script(path: Path, library: Any) -> Any:
    """Import the written cases with `library` as tf."""
    sys.modules["the_library"] = type(sys)("the_library")
    sys.modules["the_library"].tf = library  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("bad_calls_script", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bad_calls_script"] = module
    spec.loader.exec_module(module)
    return module


def outcome(call: Any) -> tuple[str, str]:
    """Return the class and the text of what `call` raises; `none` where it does not fail."""
    try:
        result = call()
    except Exception as error:
        leave_tapes(error.__traceback__)
        return type(error).__name__, str(error)
    return "none", repr(result)[:80]


def leave_tapes(frames: Any) -> None:
    """End the tapes that a failed case left recording: what runs later in this process must not be on them."""
    while frames is not None:
        for item in frames.tb_frame.f_locals.values():
            if type(item).__name__ == "GradientTape" and getattr(item, "_recording", False):
                item.__exit__(None, None, None)
        frames = frames.tb_next


def cases(library: Any, script: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and call of every case; the traced ones are named `name/traced`."""
    for _, name, _, traced in families():
        function = getattr(script, name)
        yield name, function
        if traced:
            yield f"{name}/traced", library.function(function, autograph=False)


def main() -> None:
    out = Path(sys.argv[1])
    if "--child" not in sys.argv:
        # The real library ends the process at some of these: go on behind such a case.
        out.write_text("{}")
        while subprocess.run([sys.executable, *sys.argv, "--child"], check=False).returncode not in (0, 1):
            found = json.loads(out.read_text())
            found[list(found)[-1]] = ["process ended", ""]
            out.write_text(json.dumps(found, indent=0))
        return
    if "--tensorflow" in sys.argv:
        import tensorflow as library
    else:
        import millstream as library
    path = Path(tempfile.mkdtemp()) / "bad_calls_script.py"
    write_script(path)
    script = load_script(path, library)
    found = json.loads(out.read_text())
    for name, call in cases(library, script):
        if name not in found:
            found[name] = ["process ended", ""]
            out.write_text(json.dumps(found, indent=0))
            found[name] = outcome(call)
    out.write_text(json.dumps(found, indent=0))
    os._exit(0)


if __name__ == "__main__":
    main()
