"""Record what TensorFlow gives for the programs here: TENSORFLOW_PYTHON millstream/version_1/testdata/record.py"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def rounded(value: Any) -> Any:
    """Return numbers with seven digits."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    return [rounded(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    # TensorFlow's Python has no Millstream: the programs alone are imported, under their names.
    for name in ("millstream", "millstream.version_1", "millstream.version_1.testdata"):
        package = types.ModuleType(name)
        package.__path__ = [str(HERE)]
        sys.modules[name] = package
    import tensorflow as tf

    from millstream.version_1.testdata import (
        column_programs,
        distribution_programs,
        metric_programs,
        programs,
        queue_graph,
        reader_programs,
        state_programs,
    )

    kinds: dict[str, Any] = {
        "decays": programs.decays,
        "losses": programs.losses,
        "optimizers": programs.optimizers,
        "metrics": metric_programs.metrics,
        "recurrent": metric_programs.recurrent,
        "references": state_programs.references,
        "averages": state_programs.averages,
        "hooks": state_programs.hooks,
        "distributions": distribution_programs.distributions,
        "columns": column_programs.columns,
        "readers": reader_programs.readers,
        "accumulators": reader_programs.accumulators,
        "handles": reader_programs.handles,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/queues.meta"
        queue_graph.write(tf, path)
        queues = queue_graph.read(tf, path)
        kinds["queues"] = lambda _: queues
        with gzip.GzipFile(HERE / "queues.meta.gz", "wb", mtime=0) as file:
            file.write(Path(path).read_bytes())
    found = {kind: {name: rounded(v) for name, v in run(tf).items()} for kind, run in kinds.items()}
    with gzip.GzipFile(HERE / "libraries.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(found, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
