"""Record what real TensorFlow answers to `io_cases.py`: `python record_io.py` in an environment that has it."""

import json
import tempfile
from pathlib import Path

import tensorflow as tf
from io_cases import answers

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = answers(tf, folder)
    Path(__file__).with_name("io_answers.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
