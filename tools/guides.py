"""Runs notebooks cell by cell on Millstream or on the real TensorFlow, and lists the cells that fail here and not there.

    python tools/guides.py run FOLDER OUT [--tensorflow] [NAME…]       runs FOLDER/**/NAME.ipynb, and Keras's examples that are
                                                                      scripts (.py), with this Python; OUT gets one JSON file each
    python tools/guides.py compare HERE THERE [--text]                 prints the table of both; with --text, what cells print
                                                                      differently, too

Each notebook is a process of its own. A cell that fails does not stop the next one. Of the lines for the shell, those that only
handle files are run, the others left out; modules that only draw or show and are not installed are replaced by ones that do
nothing. Training is cut to EPOCHS epochs, and downloads are answered with small stand-ins (guides_web.py, guides_datasets.py),
the same for both sides. The notebooks themselves are not part of this repository: TensorFlow's guides are in
github.com/tensorflow/docs. GUIDES_STORE names the folder that keeps the stand-ins.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import types
from pathlib import Path
from typing import Any
from unittest import mock

import guides_datasets
import guides_web

DRAWING = (
    "seaborn", "IPython", "IPython.display", "graphviz", "pydot", "google.colab", "tensorflow_docs", "tensorflow_docs.vis",
    "tensorflow_docs.modeling", "tensorflow_docs.plots", "tensorflow_docs.vis.embed",
)  # fmt: skip
FILE_COMMANDS = ("ls", "mkdir", "rm", "cp", "mv", "cat", "head", "unzip", "tar", "du", "tree")
OUTSIDE = {
    "dtensor": "tensors over meshes of devices are outside of the mission",
    "tpu": "needs a TPU",
    "estimator": "tf.estimator is gone from TensorFlow 2.21",
    "jax2tf": "needs jax",
    "tflite": "converts to TensorFlow Lite",
    "movinet": "needs the model garden and its weights",
    "video": "needs videos and what reads them",
    "music": "needs pretty_midi",
    "_hub": "needs TensorFlow Hub",
    "hub_": "needs TensorFlow Hub",
    "compression": "needs tensorflow_compression or the optimization toolkit",
    "keras_tuner": "needs keras_tuner",
    "actor_critic": "needs gym",
    "parameter_server": "needs a cluster",
    "multi_worker": "needs a cluster",
    "canned_estimators": "needs tensorflow_decision_forests",
}
"""Parts of the names of notebooks that are not run, with the reason."""

LONGEST_SECONDS = 150
MOST_TEXT = 6000
EPOCHS = 2
LOOPS = 100


def _code_of(source: str) -> str:
    """Return a cell's Python: shell lines as calls or left out, numbers of epochs, of long loops and of images cut."""
    for full, short in (("60000", guides_web.IMAGES), ("10000", guides_web.TEST_IMAGES)):
        source = re.sub(rf"(reshape\(|\[-|\[:-){full}\b", rf"\g<1>{short}", source)
    lines = source.split("\n")
    indent = len(lines[0]) - len(lines[0].lstrip())
    lines = [line[indent:] if line[:indent].isspace() else line for line in lines]
    if lines[0].startswith("%%writefile"):
        rest = "\n".join(lines[1:]) + "\n"
        return f"open({lines[0].split()[-1]!r}, 'w').write({rest!r}) and None"
    if lines[0].startswith("%%"):
        lines = lines[1:] if lines[0].split()[0] in ("%%time", "%%timeit", "%%capture") else []
    out = []
    for line in lines:
        blank = line[: len(line) - len(line.lstrip())]
        word = line.strip()
        if word.startswith("!"):
            known = word[1:].split()[:1] and word[1:].split()[0] in FILE_COMMANDS
            out.append(f"{blank}shell_({word[1:]!r}, {{**globals(), **locals()}})" if known else f"{blank}pass")
        elif word.startswith(("%time ", "%timeit ")):
            out.append(blank + word.split(" ", 1)[1])
        elif word.startswith("%") or word.startswith("pip install"):
            out.append(f"{blank}pass")
        else:
            line = re.sub(
                r"^(\s*\w*(?:EPOCHS|epochs)\s*=\s*)(\d+)(\s*(?:#.*)?)$",
                lambda m: f"{m[1]}{min(int(m[2]), EPOCHS)}{m[3]}",
                line,
            )
            out.append(
                re.sub(r"(for \w+ in (?:tf\.)?range\()(\d+)\)", lambda m: f"{m[1]}{min(int(m[2]), LOOPS)})", line)
            )
    return "\n".join(out)


def cells_of(source: Path) -> list[str]:
    """Return the code of a notebook's cells; of a script, its parts between texts."""
    if source.suffix == ".py":
        text = source.read_text()
        lines = text.split("\n")
        parts: list[list[str]] = []
        for node in ast.parse(text).body:
            text_only = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if text_only or not parts:
                parts.append([])
            if not text_only:
                begin = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
                parts[-1] += lines[begin - 1 : node.end_lineno]
        return [_code_of("\n".join(part)) for part in parts if part]
    cells = json.loads(source.read_text())["cells"]
    return [_code_of("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]


def _shell(command: str, names: dict[str, Any]) -> None:
    """Run a line for the shell, in which {…} is Python."""
    expanded = re.sub(r"\{([^{}]+)\}", lambda m: str(eval(m[1], names)), command)
    expanded = re.sub(r"\$(\w+)", lambda m: str(names.get(m[1], m[0])), expanded)
    done = subprocess.run(expanded, shell=True, capture_output=True, text=True, timeout=60, check=False)
    print(done.stdout + done.stderr, end="")


def _stand_in(name: str) -> None:
    """Put a module that does nothing in the place of one that is not installed."""
    try:
        missing = importlib.util.find_spec(name) is None
    except (ModuleNotFoundError, ValueError):
        missing = True
    if missing:
        module = mock.MagicMock(name=name, spec=None)
        module.__spec__ = None
        module.__path__ = []
        module.version_info = (9, 0)
        module.get_ipython.return_value = None
        sys.modules[name] = module


def _shorten_training() -> None:
    """Let `fit` train for a few epochs, on whatever it is asked for."""
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer

    full = TensorFlowTrainer.fit
    names = inspect.signature(full)

    def fit(*args: Any, **kwargs: Any) -> Any:
        bound = names.bind(*args, **kwargs)
        bound.apply_defaults()
        bound.arguments["epochs"] = min(bound.arguments["epochs"], bound.arguments["initial_epoch"] + EPOCHS)
        bound.arguments["verbose"] = bound.arguments["verbose"] and 2
        return full(*bound.args, **bound.kwargs)

    TensorFlowTrainer.fit = fit


def _prepare(real: bool) -> None:
    """Import the package and Keras, seed all random numbers, and put the stand-ins in place."""
    if not real:
        import millstream

        millstream.install_as_tensorflow()
    for name in DRAWING:
        _stand_in(name)
    guides_web.serve(Path(os.environ["GUIDES_STORE"]))
    guides_datasets.install()
    _shorten_training()
    import keras

    keras.utils.set_random_seed(1)


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
        exec(compile(tree, str(path), "exec", dont_inherit=True), namespace)
        if shown is not None:
            value = eval(compile(shown, str(path), "eval", dont_inherit=True), namespace)
            if value is not None:
                print(repr(value))
    except Exception:
        return traceback.format_exc(limit=-6)
    except SystemExit as error:
        return f"SystemExit: {error}"
    return None


def child(notebook: Path, out: Path, real: bool) -> None:
    """Run a notebook in this process; write what each cell gave after each, so that nothing is lost when it is ended."""
    _prepare(real)
    module = types.ModuleType("__main__")
    module.__dict__["shell_"] = _shell
    sys.modules["__main__"] = module
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for number, code in enumerate(cells_of(notebook)):
            path = Path(folder) / f"{notebook.stem}_{number:03}.py"
            text = io.StringIO()
            began, busy = time.perf_counter(), time.process_time()
            with contextlib.redirect_stdout(text):
                error = run_cell(code, path, module.__dict__)
            first = next((line for line in code.split("\n") if line.strip()), "")
            results.append(
                {
                    "cell": number,
                    "first_line": first[:80],
                    "error": error,
                    "seconds": round(time.perf_counter() - began, 3),
                    "busy_seconds": round(time.process_time() - busy, 3),
                    "text": text.getvalue()[:MOST_TEXT],
                }
            )
            out.write_text(json.dumps(results, indent=0))
    sys.stdout.flush()
    os._exit(0)


def _title(folder: Path, source: Path) -> str:
    return "_".join(source.relative_to(folder).with_suffix("").parts)


def run(folder: Path, out: Path, real: bool, names: list[str]) -> None:
    """Run notebooks, one process each."""
    out.mkdir(parents=True, exist_ok=True)
    store = os.environ.get("GUIDES_STORE", str(Path(tempfile.gettempdir()) / "guides_store"))
    for notebook in sorted([*folder.rglob("*.ipynb"), *folder.rglob("*.py")]):
        title = _title(folder, notebook)
        if names and not {title, notebook.stem} & set(names):
            continue
        reason = next((why for part, why in OUTSIDE.items() if part in title), "")
        if reason and not names:
            print(f"{title}: not run: {reason}", flush=True)
            continue
        result = (out / f"{title}.json").resolve()
        result.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as home:
            environment = {
                **os.environ, "MPLBACKEND": "Agg", "KERAS_HOME": home, "TF_CPP_MIN_LOG_LEVEL": "3", "GUIDES_STORE": store,
                "TF_USE_LEGACY_KERAS": "0",
            }  # fmt: skip
            command = [sys.executable, __file__, "child", str(notebook.resolve()), str(result)] + [
                "--tensorflow"
            ] * real
            began = time.perf_counter()
            ended = "no end within the limit"
            with open(out / f"{title}.log", "w") as log, contextlib.suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    command, env=environment, stdout=log, stderr=subprocess.STDOUT, timeout=LONGEST_SECONDS, check=False
                )
                ended = "" if done.returncode == 0 else f"status {done.returncode}"
            print(f"{title}: {time.perf_counter() - began:.0f} s {ended}", flush=True)


NOISE = (
    (re.compile(r"\x1b\[[0-9;]*m|[\x08\r]"), ""),
    (re.compile(r"0x[0-9a-f]+"), "ADDRESS"),
    (re.compile(r"\b\d+(\.\d+)?(e-?\d+)? ?(ms|us|µs|s|sec|seconds|min)(/(step|epoch|sample))?\b"), "TIME"),
    (re.compile(r"/tmp/\w+"), "FOLDER"),
    (re.compile(r"_\d{3}\.py"), ".py"),
    (re.compile(r"<class '(?:[\w.]+\.)*(\w+)'>"), r"<class \1>"),
    (re.compile(r" +(?=[,\])])|(?<=[\[(]) +"), ""),
    (re.compile(r"\n +at [\w/.<>]+:\d+ in .*"), ""),
    (re.compile(r"\{\{function_node .*?\}\} "), ""),
)
NUMBER = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:e[-+]?\d+)?")


def difference(here: str, there: str) -> str:
    """Return where two texts differ in more than noise and the last digits of numbers; "" where they do not."""
    for pattern, instead in NOISE:
        here, there = pattern.sub(instead, here), pattern.sub(instead, there)
    for mine, other in zip(here.split("\n"), there.split("\n"), strict=False):
        words = [" ".join(NUMBER.sub("N", line).split()) for line in (mine, other)]
        numbers = [[float(n) for n in NUMBER.findall(line)] for line in (mine, other)]
        near = len(numbers[0]) == len(numbers[1]) and all(
            abs(a - b) <= 2e-3 * max(abs(a), abs(b)) + 1e-5 for a, b in zip(*numbers, strict=True)
        )
        if words[0] != words[1] or not near:
            return f"{mine.strip()[:150]!r} for {other.strip()[:150]!r}"
    lines = [len(text.rstrip().split("\n")) for text in (here, there)]
    return "" if lines[0] == lines[1] else f"{lines[0]} lines for {lines[1]}"


def compare(here: Path, there: Path, with_text: bool) -> None:
    """Print for each notebook how many cells pass here and there, each cell that fails here only, and its seconds."""
    for file in sorted(there.glob("*.json")):
        mine = json.loads((here / file.name).read_text()) if (here / file.name).exists() else []
        theirs = json.loads(file.read_text())
        passed = [sum(1 for c in cells if c["error"] is None) for cells in (mine, theirs)]
        both = [
            n for n, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a["error"] is None and b["error"] is None
        ]
        times = []
        for kind in ("seconds", "busy_seconds"):
            times.append([sum(cells[n].get(kind, 0.0) for n in both) for cells in (mine, theirs)])
        count = max(len(mine), len(theirs))
        taken = ", ".join(f"{here:.1f} for {there:.1f}" for here, there in times)
        print(f"{file.stem}: of {count} cells {passed[0]} here, {passed[1]} there; seconds, and of all cores: {taken}")
        for number, other in enumerate(theirs):
            own = mine[number] if number < len(mine) else {"error": "was not reached"}
            if own["error"] is not None and other["error"] is None:
                last = own["error"].strip().split("\n")
                text = next((line for line in last if "Error" in line and not line.startswith(" ")), last[-1])
                print(f"  cell {number} ({other['first_line']}): {text[:220]}")
            elif own["error"] is None and other["error"] is not None:
                print(
                    f"  cell {number} ({other['first_line']}) fails there: {other['error'].strip().splitlines()[-1][:160]}"
                )
            elif with_text and own["error"] is None and (found := difference(own["text"], other["text"])):
                print(f"  cell {number} ({other['first_line']}) prints {found}")


def main() -> None:
    """Read the command line."""
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    real = "--tensorflow" in sys.argv
    if words[:1] == ["child"]:
        child(Path(words[1]), Path(words[2]), real)
    elif words[:1] == ["run"] and len(words) >= 3:
        run(Path(words[1]).resolve(), Path(words[2]), real, words[3:])
    elif words[:1] == ["compare"] and len(words) == 3:
        compare(Path(words[1]), Path(words[2]), "--text" in sys.argv)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
