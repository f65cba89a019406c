"""Runs test suites of libraries that stand on TensorFlow, on the real one and on Millstream, and compares test by test.

    .venv/bin/python tools/library_tests.py [LIBRARY …] --sources FOLDER --python PY --oracle PY [--again] [--out FOLDER]

FOLDER holds a checkout of each library under the name that LIBRARIES gives it. PY of --python has their dependencies and
Millstream, but no tensorflow; PY of --oracle has the same and tensorflow. What the oracle said of a file is kept in --out
and asked again with --again only. Prints a table and writes differences.tsv (library, test, reason).
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from keras_tests import FileOutcome, Runner

FILE_SECONDS = 900


@dataclass(frozen=True)
class Library:
    """Where a library's tests are, and what their run needs besides."""

    tests: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


LIBRARIES = {
    "einops": Library(("einops/tests/test_*.py",), environment=(("EINOPS_TEST_BACKENDS", "numpy,tensorflow"),)),
    "opt_einsum": Library(("opt_einsum/tests/test_*.py",), ("-k", "not jax and not torch")),
    "autoray": Library(("tests/test_*.py",), ("-k", "tensorflow")),
    "eagerpy": Library(("tests/test_*.py",), ("--backend", "tensorflow")),
    "foolbox": Library(("tests/**/*_test.py", "tests/**/test_*.py"), ("--backend", "tensorflow")),
    "POT": Library(("test/**/test_*.py",), ("-k", "tf")),
    "tensorly": Library(("tensorly/**/tests/test_*.py",), environment=(("TENSORLY_BACKEND", "tensorflow"),)),
    "TensorNetwork": Library(("tensornetwork/**/*_test.py",), ("-k", "tensorflow or tn_keras")),
    "sonnet": Library(("sonnet/src/**/*_test.py",)),
    "graph_nets": Library(("graph_nets/tests_tf2/*_test.py",)),
    "keras-tuner": Library(("keras_tuner/**/*_test.py",)),
    "keras-hub": Library(("keras_hub/**/*_test.py",)),
    "keras-rs": Library(("keras_rs/**/*_test.py",)),
    "keras-cv": Library(("keras_cv/**/*_test.py",)),
    "recommenders": Library(("tensorflow_recommenders/**/*_test.py",)),
    "ranking": Library(("tensorflow_ranking/**/*_test.py",)),
    "addons": Library(("tensorflow_addons/**/*_test.py", "tensorflow_addons/**/test_*.py")),
    "graphics": Library(("tensorflow_graphics/**/*_test.py",)),
    "spektral": Library(("tests/**/test_*.py",)),
    "deepxde": Library(("tests/**/test_*.py", "tests/**/*_test.py"), environment=(("DDE_BACKEND", "tensorflow"),)),
    "pennylane": Library(("tests/**/test_*.py",), ("-m", "tf")),
    "GPflow": Library(("tests/**/test_*.py",)),
    "probability": Library(
        tuple(f"tensorflow_probability/python/{room}/*_test.py" for room in ("distributions", "bijectors", "math"))
    ),
    "neural-structured-learning": Library(("neural_structured_learning/**/*_test.py",)),
    "lattice": Library(("tensorflow_lattice/**/*_test.py",)),
    "hub": Library(("tensorflow_hub/*_test.py",)),
    "tf-slim": Library(("tf_slim/**/*_test.py",)),
    "agents": Library(
        ("tf_agents/specs/*_test.py", "tf_agents/networks/*_test.py", "tf_agents/trajectories/*_test.py")
    ),
}


@dataclass
class Comparison:
    """One library: tests that pass on TensorFlow, which of them pass here, and the seconds of both."""

    right: int = 0
    here: int = 0
    oracle_seconds: float = 0.0
    seconds: float = 0.0


def version_of(folder: Path) -> str:
    """What git says of the checkout, else what the library's installed distribution says."""
    said = subprocess.run(["git", "-C", folder, "describe", "--tags", "--always"], capture_output=True, text=True)
    marker = folder / ".version"
    return marker.read_text().strip() if marker.exists() else said.stdout.strip() or "?"


def kept(place: Path) -> FileOutcome | None:
    return FileOutcome(**json.loads(place.read_text())) if place.exists() else None


def run_library(
    name: str, files: list[Path], options: argparse.Namespace
) -> list[tuple[str, FileOutcome, FileOutcome]]:
    """Each of the library's files on both engines: its name, the oracle's outcome, ours."""
    library, root = LIBRARIES[name], options.sources.resolve() / name
    environment = (("PYTHONPATH", os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))),)

    def one(path: Path) -> tuple[str, FileOutcome, FileOutcome]:
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        found: list[FileOutcome] = []
        for engine, python in (("tensorflow", options.oracle), ("millstream", options.python)):
            scratch = options.out.resolve() / name / engine
            scratch.mkdir(parents=True, exist_ok=True)
            place = scratch / (module + ".json")
            outcome = kept(place) if engine == "tensorflow" and not options.again else None
            if outcome is None:
                runner = Runner(
                    os.path.abspath(os.path.expanduser(python)),
                    root,
                    scratch,
                    engine,
                    "engine_pytest_plugin",
                    library.arguments,
                    library.environment + environment,
                    options.seconds,
                )
                outcome = runner.run(path, module)
                place.write_text(json.dumps(asdict(outcome)))
            found.append(outcome)
        right = [test for test, said in found[0].outcomes.items() if said == "passed"]
        here = sum(found[1].outcomes.get(test) == "passed" for test in right)
        times = f"{found[0].seconds:.1f} s, here {found[1].seconds:.1f} s"
        print(
            f"{name} {module}: {here} of {len(right)} ({times}) {found[0].broken} | {found[1].broken}", file=sys.stderr
        )
        return module, found[0], found[1]

    with concurrent.futures.ThreadPoolExecutor(options.processes) as pool:
        return list(pool.map(one, files))


def compare(runs: list[tuple[str, FileOutcome, FileOutcome]], why: dict[str, str]) -> Comparison:
    total = Comparison()
    for module, oracle, ours in runs:
        total.oracle_seconds += oracle.seconds
        total.seconds += ours.seconds
        for test, said in oracle.outcomes.items():
            if said != "passed":
                continue
            total.right += 1
            if ours.outcomes.get(test) == "passed":
                total.here += 1
            else:
                why[test] = ours.reasons.get(test) or ours.broken or ours.outcomes.get(test) or "did not run"
        if oracle.broken:
            why[module] = "on TensorFlow: " + oracle.broken
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("libraries", nargs="*", default=list(LIBRARIES))
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--oracle", required=True)
    parser.add_argument("--again", action="store_true", help="ask the oracle again")
    parser.add_argument("--files", default="", help="only files whose path has this text")
    parser.add_argument("--every", type=int, default=1, help="a sample: each so many-th file")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=FILE_SECONDS, help="the longest that one file may take")
    parser.add_argument("--out", type=Path, default=Path("build/library_tests"))
    options = parser.parse_args()
    lines = ["| library | version | pass on TensorFlow | of these pass here | % | s | s here |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    differences: list[str] = []
    for name in options.libraries:
        root = options.sources.resolve() / name
        if name not in LIBRARIES or not root.is_dir():
            sys.exit(f"{name}: give one of {', '.join(LIBRARIES)}, with a checkout in {options.sources}")
        files = sorted({path for pattern in LIBRARIES[name].tests for path in root.glob(pattern)})
        files = [path for path in files if options.files in str(path)][:: options.every]
        why: dict[str, str] = {}
        total = compare(run_library(name, files, options), why)
        share = 100 * total.here / max(total.right, 1)
        lines.append(
            f"| {name} | {version_of(root)} | {total.right} | {total.here} | {share:.1f} "
            f"| {total.oracle_seconds:.0f} | {total.seconds:.0f} |"
        )
        differences += [f"{name}\t{test}\t{reason}" for test, reason in why.items()]
        for reason, count in Counter(reason.partition("  [")[0][:150] for reason in why.values()).most_common(15):
            print(f"{count:6}  {reason}")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "differences.tsv").write_text("".join(line + "\n" for line in differences))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
