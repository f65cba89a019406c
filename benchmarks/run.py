"""Runs the same jobs on us, TensorFlow, JAX and PyTorch, round by round in turn, and reports medians and ratios.

    python benchmarks/run.py --us .venv/bin/python --tensorflow ~/ref/bin/python --torch ~/peers/bin/python \
        --jax ~/peers/bin/python [--rows eager,train_mlp] [--rounds 5] [--out benchmarks/results]

One worker process per framework; all wait while one works. A row that a framework cannot do is shown with its reason.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from machine import measure_machine
from report import write_report
from rows import CURVES, OP_ROWS, ROWS, Row

HERE = Path(__file__).parent
ANSWER_SECONDS = 900.0


class Framework:
    """One framework's interpreter, and the worker process that answers for it."""

    def __init__(self, label: str, name: str, python: str, jit: str, log: Path) -> None:
        self.label = label
        self.command = [str(Path(python).expanduser()), str(HERE / "worker.py"), name, "--jit", jit]
        self.log = log
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        if self.process is None or self.process.poll() is not None:
            errors = self.log.open("a")
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        return self.process

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, row: Row) -> dict[str, Any]:
        """One round of one row; a worker that dies or hangs is an error of this row only."""
        if row.fresh:
            self.stop()
        process = self.start()
        assert process.stdin is not None and process.stdout is not None
        late = threading.Timer(ANSWER_SECONDS, process.kill)
        late.start()
        try:
            process.stdin.write(json.dumps({"row": row.question}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            late.cancel()
        if not line:
            status = process.wait()
            self.stop()
            return {"error": f"the worker ended with status {status}; see {self.log}"}
        answer: dict[str, Any] = json.loads(line)
        if row.fresh:
            self.stop()
        return answer


def measure(rows: list[Row], frameworks: list[Framework], rounds: int) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Answers by row and framework. Rows that ask the same question of a fresh process share the answer."""
    answers: dict[str, dict[str, list[dict[str, Any]]]] = {}
    shared: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        began = time.perf_counter()
        if row.question not in shared:
            taken: dict[str, list[dict[str, Any]]] = {framework.label: [] for framework in frameworks}
            for _ in range(row.rounds or rounds):
                for framework in frameworks:
                    if not (taken[framework.label] and "error" in taken[framework.label][-1]):
                        taken[framework.label].append(framework.ask(row))
            shared[row.question] = taken
        answers[row.name] = shared[row.question]
        print(f"{row.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return answers


def chosen(wanted: str) -> list[Row]:
    """Rows of which the name begins with one of the comma-separated words; without words all but those of single ops."""
    if not wanted:
        return [*ROWS, *CURVES]
    words = tuple(wanted.split(","))
    found = [row for row in [*ROWS, *CURVES, *OP_ROWS] if row.name.startswith(words)]
    if not found:
        names = ", ".join(row.name for row in [*ROWS, *CURVES])
        sys.exit(f"--rows {wanted}: no such row; there are: {names}, and op: for the table of single ops")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--us", help="a Python that has millstream and keras")
    parser.add_argument("--tensorflow", help="a Python that has tensorflow and keras")
    parser.add_argument(
        "--tensorflow-xla", help="the same with jit_compile=True (Keras leaves it off where there is only a CPU)"
    )
    parser.add_argument("--torch", help="a Python that has torch and keras")
    parser.add_argument("--jax", help="a Python that has jax and keras")
    parser.add_argument("--rows", default="", help="only rows whose names begin with these words, comma-separated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    log = options.out / "workers.log"
    log.write_text("")
    settings = [
        ("millstream", "millstream", options.us, "auto"),
        ("tensorflow", "tensorflow", options.tensorflow, "auto"),
        ("tensorflow (XLA)", "tensorflow", options.tensorflow_xla, "on"),
        ("torch", "torch", options.torch, "auto"),
        ("jax", "jax", options.jax, "auto"),
    ]
    frameworks = [Framework(label, name, python, jit, log) for label, name, python, jit in settings if python]
    if not frameworks:
        sys.exit("name at least one framework: --us, --tensorflow, --tensorflow-xla, --torch or --jax")
    results: dict[str, Any] = {"machine": measure_machine(), "answers": {}}
    try:
        results["answers"] = measure(chosen(options.rows), frameworks, options.rounds)
    finally:
        for framework in frameworks:
            framework.stop()
    print(write_report(results, [framework.label for framework in frameworks], options.out))


if __name__ == "__main__":
    main()
