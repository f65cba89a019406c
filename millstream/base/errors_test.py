"""Tests of error classes and of the user's line."""

import pickle

import pytest

from millstream.base import errors


def test_every_status_raises_its_class():
    for code in range(1, 17):
        with pytest.raises(errors.exception_type_from_error_code(code), match=r"^went wrong$") as caught:
            errors.raise_for_code(code, "went wrong")
        assert caught.value.error_code == code and caught.value.message == "went wrong"
    with pytest.raises(errors.InternalError, match="unknown status 99"):
        errors.raise_for_code(99, "went wrong")


def test_a_status_carries_the_users_line():
    with pytest.raises(errors.InvalidArgumentError, match=r"bad\n  at train\.py:3 in step"):
        errors.raise_for_code(errors.INVALID_ARGUMENT, "bad", "train.py:3 in step")


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(errors.NotFoundError(None, None, "no file")))
    assert type(error) is errors.NotFoundError and str(error) == "no file"
    base = pickle.loads(pickle.dumps(errors.OpError(None, None, "odd", 7)))
    assert base.error_code == 7 and base.message == "odd"


def test_an_error_of_a_graph_operation_shows_where_it_was_made():
    class Operation:
        name = "step/add"
        traceback = [("train.py", 3, "step", "x + y")]

    text = str(errors.InternalError(None, Operation(), "failed"))
    assert text.startswith("failed\n\nOriginal stack trace for 'step/add':\n") and "train.py" in text


def test_explain_says_given_allowed_fix_and_the_users_line():
    text = errors.explain("axis=3 is past the end.", "Rank 2 has axes -2 to 1.", "Give one of these.")
    first, second = text.split("\n")
    assert first == "axis=3 is past the end. Rank 2 has axes -2 to 1. Give one of these."
    assert "errors_test.py:" in second and second.endswith("in test_explain_says_given_allowed_fix_and_the_users_line")


def test_our_own_and_the_standard_librarys_frames_are_skipped(tmp_path, monkeypatch):
    import functools

    from millstream.base import nest

    found = nest.map_structure(functools.partial(lambda _: errors.user_line()), [1])
    assert "errors_test.py:" in found[0]
    script = tmp_path / "train.py"
    script.write_text("def step():\n    return nest.map_structure(lambda x: x, [errors.user_line()])\n")
    names = {"nest": nest, "errors": errors}
    exec(compile(script.read_text(), str(script), "exec"), names)
    monkeypatch.chdir(tmp_path)
    assert names["step"]() == ["train.py:2 in step"]
