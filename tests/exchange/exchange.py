"""What both sides of an exchange of files gave, compared: python tests/exchange/exchange.py --tensorflow PYTHON prints the table.

`exchanged` runs one_side.py under both engines: each writes all models and checkpoints, and reads what the other wrote.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from written_checkpoints import CASES
from written_models import MODELS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MOST = 1e-5
"""How far results may be apart, of the largest of them."""

DIRECTIONS = {"there": ("tensorflow", "millstream"), "here": ("millstream", "tensorflow")}
"""Where files are written: who writes, and who reads."""


def exchanged(tensorflow: str, folder: Path) -> None:
    """Let both engines write to `folder`, and read what the other wrote."""
    for where, (writer, reader) in DIRECTIONS.items():
        (folder / where).mkdir()
        for engine, job in ((writer, "write"), (reader, "read")):
            ours = engine == "millstream"
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
            if ours:
                environment["PYTHONPATH"] = str(ROOT)
            command = [sys.executable if ours else tensorflow, HERE / "one_side.py", engine, job, folder / where]
            done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{engine} could not {job}:\n{done.stderr}")


def difference(folder: Path, where: str, name: str) -> float | str:
    """Return the largest difference of results, of the largest of each; or what failed, as text.

    Checkpoints, numbers that are no floats, and texts differ by 0 or infinity.
    """
    written, found = (pickle.loads((folder / where / f"{name}.{job}").read_bytes()) for job in ("write", "read"))
    for result in (written, found):
        if isinstance(result, str):
            return result
    return max(map(_apart, written, found), default=0.0) if len(written) == len(found) else float("inf")


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape or a.dtype != b.dtype:
        return float("inf")
    if a.dtype.kind not in "fc":
        return 0.0 if a.tolist() == b.tolist() else float("inf")
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    return float(np.nanmax(np.abs(a - b), initial=0.0) / (np.nanmax(np.abs(a), initial=0.0) or 1.0))


def main() -> int:
    """Print the table; 1 where something is too far apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tensorflow", required=True, help="a Python that has TensorFlow 2.21")
    given = parser.parse_args()
    status = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exchanged(given.tensorflow, folder)
        print("| what | TensorFlow's, here | ours, in TensorFlow |\n|---|---|---|")
        for each in (*MODELS, *CASES):
            cells = []
            for where in DIRECTIONS:
                apart: Any = difference(folder, where, each)
                if isinstance(apart, str) or apart > MOST:
                    status = 1
                    print(f"{each}, written {where}: {apart}", file=sys.stderr)
                cells.append("fails" if isinstance(apart, str) else f"{apart:.0e}" if apart else "equal")
            print(f"| {each} | {' | '.join(cells)} |")
    return status


if __name__ == "__main__":
    sys.exit(main())
