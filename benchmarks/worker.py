"""One framework in one process: answers `{"row": …}` lines on stdin with `{"seconds": …}` lines on stdout.

Started by run.py. A row that fails answers `{"error": …}` and the worker goes on. Whatever the framework prints goes
to stderr.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCH_SECONDS = 0.05
BATCHES_PER_ROUND = 5
ROUND_SECONDS = 2.0  # for jobs of which one run takes longer than a batch
MODULES = {
    "millstream": ["millstream"],
    "tensorflow": ["tensorflow"],
    "torch": ["torch"],
    "jax": ["jax", "jax.numpy"],
}
PARTS = {"millstream": ["millstream"], "tensorflow": ["tensorflow"], "torch": ["torch"], "jax": ["jax", "jaxlib"]}


class Worker:
    """Holds what a row prepared, so that its rounds measure only the job."""

    def __init__(self, framework: str, jit: str) -> None:
        self.framework = framework
        self.jit = jit
        self.prepared: tuple[str, Callable[[], object], Callable[[], object]] | None = None
        self.notes: dict[str, Any] = {}

    def keras(self) -> Any:
        backends = {"millstream": "tensorflow"}
        os.environ["KERAS_BACKEND"] = backends.get(self.framework, self.framework)
        if self.framework == "millstream":
            importlib.import_module("millstream").install_as_tensorflow()
        return importlib.import_module("keras")

    def answer(self, row: str) -> dict[str, Any]:
        """One round of one row."""
        if row == "first_call_mobilenetv2":
            return self.first_training_step("mobilenetv2")
        if row == "import":
            return self.measure_import()
        if row == "installed":
            return self.measure_installed()
        if self.prepared is None or self.prepared[0] != row:
            self.prepared = None
            self.notes = {}
            self.prepared = (row, *self.prepare(row))
            self.prepared[1]()
        seconds = time_job(self.prepared[1], self.prepared[2])
        return {"seconds": seconds, **self.notes}

    def prepare(self, row: str) -> tuple[Callable[[], object], Callable[[], object]]:
        """The job of a row, and how to wait for it."""
        kind, _, rest = row.partition(":")
        if kind == "train":
            from training import Trainer

            trainer = Trainer(self.keras(), rest, self.jit)
            began = time.perf_counter()
            trainer.step()
            trainer.wait()
            self.notes = {"first_call_seconds": time.perf_counter() - began}
            return trainer.step, trainer.wait
        if kind == "curve":
            from training import Trainer

            self.notes = {"losses": Trainer(self.keras(), rest, self.jit).curve()}
            return nothing, nothing
        if kind == "forward":
            from training import forward

            name, _, batch = rest.partition("/")
            return forward(self.keras(), name, int(batch), self.jit), nothing
        if kind == "op":
            if self.framework not in ("millstream", "tensorflow"):
                raise NotImplementedError(
                    f"single ops are written in TensorFlow's words only, not in {self.framework}'s"
                )
            from single_ops import op_job

            return op_job(importlib.import_module(self.framework), rest), nothing
        return self.micro_jobs()[row](), nothing

    def micro_jobs(self) -> dict[str, Callable[[], Callable[[], object]]]:
        import micro

        module = importlib.import_module(self.framework)
        if self.framework == "torch":
            return micro.torch_jobs(module)
        if self.framework == "jax":
            importlib.import_module("jax.numpy")
            return micro.jax_jobs(module)
        return micro.tensorflow_jobs(module)

    def first_training_step(self, name: str) -> dict[str, Any]:
        """Trace, compile and run of the first step, and the process's peak of memory afterwards."""
        from training import Trainer

        trainer = Trainer(self.keras(), name, self.jit)
        began = time.perf_counter()
        trainer.step()
        trainer.wait()
        return {"seconds": time.perf_counter() - began, "peak_bytes": peak_bytes()}

    def measure_import(self) -> dict[str, Any]:
        before = peak_bytes()
        began = time.perf_counter()
        for module in MODULES[self.framework]:
            importlib.import_module(module)
        return {
            "seconds": time.perf_counter() - began,
            "peak_bytes": peak_bytes(),
            "grown_bytes": peak_bytes() - before,
        }

    def measure_installed(self) -> dict[str, Any]:
        """Bytes of the framework's own packages, without what they depend on."""
        total = 0
        for part in PARTS[self.framework]:
            file = importlib.import_module(part).__file__
            assert file is not None
            total += sum(path.lstat().st_size for path in Path(file).parent.rglob("*") if path.is_file())
        return {"bytes": total}


def nothing() -> None:
    """Nothing to do or to wait for."""


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def time_job(job: Callable[[], object], wait: Callable[[], object]) -> float:
    """Seconds of one run: the median of a few batches, each long enough for the clock."""
    if job is nothing:
        return 0.0
    began = time.perf_counter()
    job()
    wait()
    once = time.perf_counter() - began
    if once > BATCH_SECONDS:
        repeats, batches = 1, max(3, min(BATCHES_PER_ROUND, int(ROUND_SECONDS / once)))
    else:
        repeats, batches = max(1, int(BATCH_SECONDS / max(once, 1e-7))), BATCHES_PER_ROUND
    samples = []
    for _ in range(batches):
        began = time.perf_counter()
        for _ in range(repeats):
            job()
        wait()
        samples.append((time.perf_counter() - began) / repeats)
    return statistics.median(samples)


def reason() -> str:
    """The last line of the error, the place where it was raised, and the whole trace on stderr."""
    traceback.print_exc()
    kind, error, trace = sys.exc_info()
    place = traceback.extract_tb(trace)[-1] if trace else None
    text = str(error).strip().splitlines()
    where = f" ({Path(place.filename).name}:{place.lineno})" if place else ""
    return f"{kind.__name__ if kind else 'error'}: {text[0][:200] if text else ''}{where}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("framework", choices=sorted(MODULES))
    parser.add_argument("--jit", choices=("auto", "on", "off"), default="auto")
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(options.framework, options.jit)
    for line in sys.stdin:
        row = json.loads(line)["row"]
        try:
            answer = worker.answer(row)
        except Exception:
            worker.prepared = None
            answer = {"error": reason()}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
