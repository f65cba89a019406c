"""Runs Keras's own tests on Millstream and compares each outcome with the one recorded on real TensorFlow 2.21.

    .venv/bin/python tools/keras_tests.py [DIRECTORY …] [--python PY] [--no-millstream] [--processes 2] [--out FOLDER]

A DIRECTORY is below keras/src: `layers/core`, `losses`, or a file `layers/core/dense_test.py`. Without any, the
directories that the issue names. Each file runs in a process of its own, so that one that crashes takes no other with
it. Tests of trainers need jax and grain beside Keras: in PY, or in a folder that PYTHONPATH names. Prints a table by directory; writes failures.tsv (test, reason) and outcomes.tsv into FOLDER.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import csv
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared/reference"
REFERENCE = Path(os.environ.get("MILLSTREAM_REFERENCE", SHARED)) / "keras_3.15_tests_on_tensorflow_2.21.tsv"
DIRECTORIES = [
    *(f"layers/{name}" for name in ("core", "activations", "convolutional", "pooling", "normalization", "rnn")),
    *(f"layers/{name}" for name in ("attention", "regularization", "merging")),
    *("losses", "metrics", "optimizers", "initializers", "models", "trainers"),
]
FILE_SECONDS = 1800


@dataclass
class FileOutcome:
    """Outcomes of one test file by test name, with reasons and time taken; `broken` says why there are none."""

    outcomes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    broken: str = ""
    seconds: float = 0.0


def recorded(path: Path) -> dict[str, str]:
    with path.open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {without_addresses(row["test"]): row["outcome"] for row in rows}


def without_addresses(test: str) -> str:
    """A test's name; where it prints a function, its address differs in each run."""
    return re.sub("0x[0-9a-f]+", "0x", test)


def keras_folder(python: str) -> Path:
    """Where keras/src is, without importing Keras (that would import its back end)."""
    code = "import importlib.util as u; print(u.find_spec('keras').submodule_search_locations[0])"
    return Path(subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()) / "src"


def test_files(folder: Path, directories: list[str]) -> list[Path]:
    files = []
    for directory in directories:
        path = folder / directory
        if not path.exists():
            sys.exit(f"no {directory} in {folder}: name a folder or a test file below it, such as layers/core")
        files += [path] if path.is_file() else sorted(path.rglob("*_test.py"))
    return files


def module_name(folder: Path, path: Path) -> str:
    return ".".join(["keras", "src", *path.relative_to(folder).with_suffix("").parts])


@dataclass(frozen=True)
class Runner:
    """How one test file is run: by which Python, below which folder, on which engine, with what else pytest is given."""

    python: str
    root: Path
    scratch: Path
    engine: str
    plugin: str = "keras_pytest_plugin"
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    seconds: int = FILE_SECONDS

    def run(self, path: Path, module: str) -> FileOutcome:
        """One file in one pytest process. A crash loses the outcomes of the rest of its tests; they are `broken`."""
        report = self.scratch / (module + ".xml")
        report.unlink(missing_ok=True)
        environment = {
            **os.environ,
            **dict(self.environment),
            "MILLSTREAM_KERAS_TESTS_ENGINE": self.engine,
            "PYTHONWARNINGS": "ignore",
        }
        paths = [str(HERE), environment.get("PYTHONPATH")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        command = [self.python, "-m", "pytest", "-q", "-p", self.plugin, "-p", "no:cacheprovider", "-c", os.devnull]
        command += ["--rootdir", str(self.root), "--confcutdir", str(self.root), *self.arguments]
        command += ["--tb=short", f"--junitxml={report}", str(path)]
        try:
            done = subprocess.run(
                command,
                cwd=self.scratch,
                env=environment,
                capture_output=True,
                text=True,
                timeout=self.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return FileOutcome(broken=f"took more than {self.seconds} s")
        if not report.exists():
            last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-1:]
            return FileOutcome(broken=f"pytest ended with {done.returncode}: {last[0] if last else ''}"[:300])
        return parse(report, module)


def parse(report: Path, module: str) -> FileOutcome:
    """Outcomes from pytest's XML. Names are made to match the recorded ones: module.Class::test."""
    result = FileOutcome()
    for case in xml.parse(report).getroot().iter("testcase"):
        result.seconds += float(case.get("time", "0"))
        classes, name = case.get("classname", ""), case.get("name", "")
        if not classes:  # the file could not be collected
            error = case.find("error")
            result.broken = one_line(error) if error is not None else "could not be collected"
            continue
        kind = classes.rpartition(module.rpartition(".")[2])[2].lstrip(".")
        test = without_addresses(".".join(filter(None, [module, kind])) + "::" + name)
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        if bad is not None:
            result.outcomes[test], result.reasons[test] = "failed", one_line(bad)
        elif case.find("skipped") is not None:
            result.outcomes[test] = "skipped"
        else:
            result.outcomes[test] = "passed"
    return result


def one_line(element: xml.Element) -> str:
    """The error's own line, and where it was raised."""
    lines = [line for line in (element.text or "").splitlines() if line.strip()]
    errors = [line[2:].strip() for line in lines if line.startswith("E ")]
    places = [line for line in lines if ": in " in line or (line.count(":") >= 2 and line.split(":")[1].isdigit())]
    message = (errors[0] if errors else element.get("message", "")).replace("\t", " ").splitlines() or [""]
    return f"{message[0][:240]}  [{places[-1].strip()[-120:] if places else ''}]"


def group_of(test: str, directories: list[str]) -> str:
    path = test.split("::")[0].removeprefix("keras.src.").replace(".", "/")
    fitting = [directory for directory in directories if path.startswith(directory.removesuffix(".py"))]
    return max(fitting, key=len) if fitting else path.rpartition("/")[0]


def table(directories: list[str], reference: dict[str, str], outcomes: dict[str, str]) -> str:
    """By directory: tests that pass on TensorFlow, how many of those pass here."""
    right: Counter[str] = Counter()
    here: Counter[str] = Counter()
    for test, outcome in reference.items():
        if outcome == "passed":
            group = group_of(test, directories)
            right[group] += 1
            here[group] += outcomes.get(test) == "passed"
    lines = ["| directory | pass on TensorFlow | of these pass here | % |", "|---|---:|---:|---:|"]
    for group in directories:
        if right[group]:
            lines.append(f"| {group} | {right[group]} | {here[group]} | {100 * here[group] / right[group]:.1f} |")
    total, passing = sum(right[group] for group in directories), sum(here[group] for group in directories)
    lines.append(f"| all | {total} | {passing} | {100 * passing / max(total, 1):.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="*", default=DIRECTORIES)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--no-millstream", action="store_true", help="leave the real TensorFlow in place")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--reference", type=Path, default=REFERENCE)
    parser.add_argument("--out", type=Path, default=Path("build/keras_tests"))
    options = parser.parse_args()
    python = os.path.abspath(os.path.expanduser(options.python))
    engine = "tensorflow" if options.no_millstream else "millstream"
    folder = keras_folder(python)
    directories = [directory.strip("/") for directory in options.directories]
    files = test_files(folder, directories)
    scratch = options.out.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    runner = Runner(python, folder.parents[1], scratch, engine)
    outcomes: dict[str, str] = {}
    reasons: dict[str, str] = {}
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(options.processes) as pool:
        runs = {pool.submit(runner.run, path, module_name(folder, path)): path for path in files}
        for count, run in enumerate(concurrent.futures.as_completed(runs), 1):
            result, name = run.result(), module_name(folder, runs[run])
            outcomes |= result.outcomes
            reasons |= result.reasons
            if result.broken:
                reasons[name] = result.broken
            passed = sum(outcome == "passed" for outcome in result.outcomes.values())
            print(f"[{count}/{len(files)}] {name}: {passed} of {len(result.outcomes)} {result.broken}", file=sys.stderr)
    reference = recorded(options.reference)
    wanted = {
        test: outcome for test, outcome in reference.items() if test.split("::")[0].startswith(modules(folder, files))
    }
    failing = [test for test, outcome in wanted.items() if outcome == "passed" and outcomes.get(test) != "passed"]
    why = {test: reason_of(test, outcomes, reasons) for test in failing}
    (scratch / "failures.tsv").write_text("".join(f"{test}\t{reason}\n" for test, reason in why.items()))
    with (scratch / "outcomes.tsv").open("w") as file:
        file.writelines(f"{test}\t{outcome}\n" for test, outcome in sorted(outcomes.items()))
    print(table(directories, wanted, outcomes))
    unknown = len(outcomes.keys() - reference.keys())
    print(f"\n{time.perf_counter() - began:.0f} s; {len(failing)} failing, listed in {scratch / 'failures.tsv'}")
    if unknown:
        print(f"{unknown} tests ran that the reference does not list")
    for reason, count in Counter(reason.partition("  [")[0][:140] for reason in why.values()).most_common(12):
        print(f"{count:6}  {reason}")


def modules(folder: Path, files: list[Path]) -> tuple[str, ...]:
    """Recorded names begin with these: module and class are joined by a point, module and function by two colons."""
    return tuple(module_name(folder, path) + end for path in files for end in (".", "::"))


def reason_of(test: str, outcomes: dict[str, str], reasons: dict[str, str]) -> str:
    """The test's own reason, else why its file did not run, else its outcome."""
    place = test.split("::")[0]
    module = place if place.endswith("_test") else place.rpartition(".")[0]
    return reasons.get(test) or reasons.get(module) or outcomes.get(test) or "did not run"


if __name__ == "__main__":
    main()
