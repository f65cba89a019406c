"""A pytest plugin: puts Millstream in TensorFlow's place before anything imports it. Loaded by tools/library_tests.py.

MILLSTREAM_KERAS_TESTS_ENGINE=tensorflow leaves the real one there, to measure the measuring.
"""

from __future__ import annotations

import os

ENGINE = os.environ.get("MILLSTREAM_KERAS_TESTS_ENGINE", "millstream")
os.environ["KERAS_BACKEND"] = "tensorflow"
if ENGINE != "tensorflow":
    import millstream

    millstream.install_as_tensorflow()
