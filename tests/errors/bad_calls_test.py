"""Every bad call fails with TensorFlow's class, names what was called, and shows the user's line; what differs is listed."""

from __future__ import annotations

import json
import re
import traceback
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import millstream as tf

from .bad_calls import families, leave_tapes, load_script, write_script

DATA = Path(__file__).parent / "testdata"
CLASSES: dict[str, str] = json.loads((DATA / "tensorflow_classes.json").read_text())
DIFFERENT: dict[str, list[str]] = json.loads((DATA / "known_differences.json").read_text())
OURS = str(Path(tf.__file__).parent)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("user") / "bad_calls_script.py"
    write_script(path)
    return load_script(path, tf)


def raised_by_python(error: BaseException) -> bool:
    """Whether Python itself refused, in the user's own line, or in one of Keras: its traceback ends there, not with us."""
    return not traceback.extract_tb(error.__traceback__)[-1].filename.startswith(OURS)


def lines_of(function: FunctionType) -> range:
    """The lines of a case."""
    first = function.__code__.co_firstlineno
    return range(first, first + 12)


@pytest.mark.parametrize("name", CLASSES)
def test_a_bad_call_fails_as_tensorflow_does_and_shows_the_users_line(name: str, script: Any) -> None:
    case = getattr(script, name.partition("/")[0])
    call = tf.function(case, autograph=False) if name.endswith("/traced") else case
    expected = DIFFERENT[name][0] if name in DIFFERENT else CLASSES[name]
    if expected == "none":
        call()
        return
    with pytest.raises(Exception) as caught:
        call()
    error = caught.value
    leave_tapes(error.__traceback__)
    assert type(error).__name__ == expected, str(error)
    if raised_by_python(error) or isinstance(error, AttributeError) or name == "hash_of_tensor":
        # `hasattr` and dictionaries ask so often that these do not look for the line: Python's traceback shows it.
        return
    text = str(error)
    found = set(re.findall(r"\n  at \S*bad_calls_script\.py:(\d+) in [^:]+: (.+)", text))
    assert len(found) == 1, f"the user's line stands in: {text}"
    line, content = found.pop()
    assert int(line) in lines_of(case)
    assert content in Path(script.__file__).read_text(), "the line is shown as the user wrote it"
    assert "Export it again" not in text and "UnknownRank" not in text


def test_every_case_was_recorded() -> None:
    names = {name for _, name, _, _ in families()}
    assert names == {name.partition("/")[0] for name in CLASSES}
    assert len(names) >= 250


def test_what_differs_says_why_and_is_never_vaguer() -> None:
    for name, (kind, reason) in DIFFERENT.items():
        assert kind != CLASSES[name] and reason.endswith("."), name
