"""Public names are the same whether a namespace was loaded before or is loaded because it was asked for."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import sys
import millstream as tf
heavy = ("millstream.data.", "millstream.api.image", "millstream.api.signal", "millstream.execution.autograph.", "_hashlib")
heavy = [m for m in sys.modules if m.startswith(heavy)]
assert not heavy, heavy
{code}
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE.format(code=code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_namespace_is_loaded_when_it_is_imported_from() -> None:
    run("from millstream.image import resize; from millstream.data import Dataset; assert Dataset is tf.data.Dataset")


def test_a_name_that_a_waiting_namespace_gives_elsewhere_is_found() -> None:
    run("assert tf.OptionalSpec and tf.distribute.get_strategy()")


def test_reading_a_picture_loads_no_other_namespace() -> None:
    run("tf.io.read_file; tf.io.decode_jpeg; assert not [m for m in sys.modules if m.startswith('millstream.data.')]")


def test_all_names_of_a_waiting_namespace_are_listed() -> None:
    run("assert 'stft' in dir(tf.signal)")


def test_a_name_that_is_nowhere_is_refused_by_its_full_name() -> None:
    run("""
try:
    tf.signal.nothing
except AttributeError as error:
    assert "tf.signal.nothing" in str(error)
else:
    raise AssertionError("no error")
""")


def test_the_collector_of_garbage_is_left_as_it_was() -> None:
    run("import gc; assert gc.isenabled() and gc.get_freeze_count() == 0")
