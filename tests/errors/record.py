"""Record how TensorFlow fails at every bad call: `REAL_PYTHON tests/errors/record.py` writes testdata/tensorflow_classes.json."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run the sweep on the real library and keep the classes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        subprocess.run([sys.executable, str(HERE / "bad_calls.py"), str(out), "--tensorflow"], check=True)
        found = {name: kind for name, (kind, _) in json.loads(out.read_text()).items()}
    (HERE / "testdata" / "tensorflow_classes.json").write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    main()
