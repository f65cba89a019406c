"""Records what real TensorFlow makes of the pipelines: run in this folder by a Python that has it, `python record_pipelines.py`."""

# mypy: ignore-errors

import json
import pathlib

if __name__ == "__main__":
    import numpy as np
    import tensorflow as tf
    from pipeline_cases import described, pipelines

    found = {name: described(tf, make) for name, make in pipelines(tf, np).items()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
    (pathlib.Path(__file__).parent / "pipelines.json").write_text("{\n" + lines + "\n}\n")
