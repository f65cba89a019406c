"""Runs notebooks cell by cell on Millstream or on the real TensorFlow, and lists the cells that fail here and not there.

    python tools/guides.py run NOTEBOOKS OUT [--tensorflow] [NAME…]    runs FOLDER/**/NAME.ipynb with this Python; OUT gets
                                                                      one JSON file a notebook
    python tools/guides.py compare HERE THERE                          prints the table of both

Each notebook is a process of its own. A cell that fails does not stop the next one. Lines for the shell (`!`, `%`) are left
out; modules that only draw or show and are not installed are replaced by ones that do nothing. The notebooks themselves are
not part of this repository: TensorFlow's guides are in github.com/tensorflow/docs.
"""

from __future__ import annotations

import ast
import contextlib
import gzip
import importlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import types
from pathlib import Path
from typing import Any
from unittest import mock

DRAWING = ("seaborn", "IPython", "IPython.display", "graphviz", "pydot", "google.colab", "tensorflow_docs")
LONGEST_SECONDS = 420
MOST_TEXT = 4000


def cells_of(notebook: Path) -> list[str]:
    """Return the code of a notebook's cells, without lines for the shell."""
    found = []
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        lines = "".join(cell["source"]).split("\n")
        shell = any(line.startswith("%%") for line in lines[:1])
        found.append("" if shell else "\n".join("pass" if line.lstrip()[:1] in ("!", "%") else line for line in lines))
    return found


def _stand_in(name: str) -> None:
    """Put a module that does nothing in the place of one that is not installed."""
    try:
        missing = importlib.util.find_spec(name) is None
    except ModuleNotFoundError:
        missing = True
    if missing:
        module = mock.MagicMock(name=name, spec=None)
        module.__spec__ = None
        module.__path__ = []
        sys.modules[name] = module


def _place_images(home: Path, images: Path) -> None:
    """Put image files where Keras looks for downloads: the same images stand for both data sets of digits and clothes."""
    import numpy as np

    folder = home / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    arrays: dict[str, Any] = {}
    for name, key, skip in (
        ("train-images-idx3-ubyte.gz", "x_train", 16),
        ("train-labels-idx1-ubyte.gz", "y_train", 8),
        ("t10k-images-idx3-ubyte.gz", "x_test", 16),
        ("t10k-labels-idx1-ubyte.gz", "y_test", 8),
    ):
        data = (images / name).read_bytes()
        (folder / name).write_bytes(data)
        content = np.frombuffer(gzip.decompress(data), np.uint8, offset=skip)
        arrays[key] = content.reshape(-1, 28, 28) if key.startswith("x") else content
    np.savez(home / "datasets" / "mnist.npz", **arrays)


def _keep_images() -> None:
    """Let Keras take the images that were placed for it without comparing them with the ones it would download."""
    placed = Path(os.environ["KERAS_HOME"]) / "datasets" / "mnist.npz"
    if placed.exists():
        importlib.import_module("keras")
        importlib.import_module("keras.src.datasets.mnist").get_file = lambda *_, **__: str(placed)  # type: ignore[attr-defined]


def run_cell(code: str, path: Path, namespace: dict[str, Any]) -> str | None:
    """Run one cell; show the value of its last expression, as a notebook does. Return the error's text, None without one."""
    path.write_text(code)
    try:
        tree = ast.parse(code, str(path))
        last = tree.body[-1] if tree.body else None
        shown = None
        if isinstance(last, ast.Expr):
            tree.body.pop()
            shown = ast.Expression(last.value)
        exec(compile(tree, str(path), "exec"), namespace)
        if shown is not None:
            value = eval(compile(shown, str(path), "eval"), namespace)
            if value is not None:
                print(repr(value))
    except Exception:
        return traceback.format_exc(limit=-6)
    except SystemExit as error:
        return f"SystemExit: {error}"
    return None


def child(notebook: Path, out: Path, real: bool) -> None:
    """Run a notebook in this process; write what each cell gave after each, so that nothing is lost when it is ended."""
    if not real:
        import millstream

        millstream.install_as_tensorflow()
    for name in DRAWING:
        _stand_in(name)
    _keep_images()
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for number, code in enumerate(cells_of(notebook)):
            path = Path(folder) / f"{notebook.stem}_{number:03}.py"
            text = io.StringIO()
            began = time.perf_counter()
            with contextlib.redirect_stdout(text):
                error = run_cell(code, path, module.__dict__)
            first = next((line for line in code.split("\n") if line.strip()), "")
            results.append(
                {
                    "cell": number,
                    "first_line": first[:80],
                    "error": error,
                    "seconds": round(time.perf_counter() - began, 3),
                    "text": text.getvalue()[:MOST_TEXT],
                }
            )
            out.write_text(json.dumps(results, indent=0))
    os._exit(0)


def run(folder: Path, out: Path, real: bool, names: list[str]) -> None:
    """Run notebooks, one process each."""
    out.mkdir(parents=True, exist_ok=True)
    images = os.environ.get("GUIDES_IMAGES")
    for notebook in sorted(folder.rglob("*.ipynb")):
        if names and notebook.stem not in names:
            continue
        (out / f"{notebook.stem}.json").unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as home:
            if images:
                _place_images(Path(home), Path(images))
            environment = {**os.environ, "MPLBACKEND": "Agg", "KERAS_HOME": home, "TF_CPP_MIN_LOG_LEVEL": "3"}
            command = [sys.executable, __file__, "child", str(notebook), str((out / f"{notebook.stem}.json").resolve())]
            began = time.perf_counter()
            with open(out / f"{notebook.stem}.log", "w") as log, contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    command + ["--tensorflow"] * real,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=LONGEST_SECONDS,
                    check=False,
                )
            print(f"{notebook.stem}: {time.perf_counter() - began:.0f} s", flush=True)


def compare(here: Path, there: Path) -> None:
    """Print for each notebook how many cells pass here and there, and each cell that fails here only."""
    for file in sorted(there.glob("*.json")):
        mine = json.loads((here / file.name).read_text()) if (here / file.name).exists() else []
        theirs = json.loads(file.read_text())
        passed = [sum(1 for c in cells if c["error"] is None) for cells in (mine, theirs)]
        print(f"{file.stem}: {passed[0]} of {len(theirs)} here, {passed[1]} there")
        for number, other in enumerate(theirs):
            own = mine[number] if number < len(mine) else {"error": "was not reached"}
            if own["error"] is not None and other["error"] is None:
                last = own["error"].strip().split("\n")
                text = next((line for line in last if "Error" in line and not line.startswith(" ")), last[-1])
                print(f"  cell {number} ({other['first_line']}): {text[:220]}")


def main() -> None:
    """Read the command line."""
    words = [w for w in sys.argv[1:] if w != "--tensorflow"]
    real = "--tensorflow" in sys.argv
    if words[:1] == ["child"]:
        child(Path(words[1]), Path(words[2]), real)
    elif words[:1] == ["run"] and len(words) >= 3:
        run(Path(words[1]), Path(words[2]), real, words[3:])
    elif words[:1] == ["compare"] and len(words) == 3:
        compare(Path(words[1]), Path(words[2]))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
