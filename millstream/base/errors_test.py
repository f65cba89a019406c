"""Tests of error classes and of the user's line."""

import pickle

from millstream.base import errors


def test_every_status_raises_its_class():
    for code in range(1, 17):
        error = errors.from_runtime(code, "went wrong")
        assert type(error) is errors.exception_type_from_error_code(code)
        assert error.error_code == code and error.message.startswith("went wrong\n  at ")
    unknown = errors.from_runtime(99, "went wrong")
    assert type(unknown) is errors.InternalError and "unknown status 99" in unknown.message


def test_a_status_carries_the_op_and_the_users_line(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("x = 1\ny = tf.gather(x, 7)\n")
    source = errors.origin(f"{script}:2 in step", "GatherV2")
    error = errors.from_runtime(errors.INVALID_ARGUMENT, "bad index", source)
    assert error.message == f"bad index [Op:GatherV2]\n  at {script}:2 in step: y = tf.gather(x, 7)"
    assert errors.origin(source, "Mul") == source, "an op inside of an op is not what the user wrote"


def test_each_part_of_an_error_is_stated_once():
    error = errors.InvalidArgumentError(None, None, "dot: sizes differ")
    error.rename_inner("MatMul")
    error.state("MatMul", "a: float32[2]")
    error.state("While", "x: int32[]", "train.py:3 in step")
    assert error.message == "MatMul: sizes differ [Op:MatMul]\n  given a: float32[2]\n  at train.py:3 in step"


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
    assert (
        "errors_test.py:" in second
        and " in test_explain_says_given_allowed_fix_and_the_users_line: text = errors.explain(" in second
    )


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
