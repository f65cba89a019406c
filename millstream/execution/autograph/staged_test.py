"""Staging: what is staged and what is not, the errors that users see and where they point, options and features."""

# ruff: noqa: B007, TRY
from __future__ import annotations

import traceback

import pytest

from millstream.execution.autograph import Feature, convert, set_loop_options, set_verbosity, trace
from millstream.execution.autograph.testing import Dataset, OutOfScopeError, SymbolicValueError


def lines_of(error):
    """The frames of an error that lie in this file, as (function, text of the line)."""
    frames = traceback.extract_tb(error.__traceback__)
    return [(frame.name, frame.line) for frame in frames if frame.filename == __file__]


def fails(interpreter, function, *arguments):
    with pytest.raises((ValueError, TypeError, NotImplementedError, UnboundLocalError)) as caught:
        interpreter.call(function, *arguments)
    return type(caught.value).__name__, str(caught.value)


def test_a_variable_of_one_branch_is_refused(interpreter):
    def only_main(x):
        if x > 0:
            y = 1
        return y

    def only_else(x):
        if x > 0:
            pass
        else:
            y = 1
        return y

    expected = ("ValueError", "'y' must also be initialized in the else branch")
    assert fails(interpreter, only_main, 1) == expected
    assert fails(interpreter, only_else, 1) == ("ValueError", "'y' must also be initialized in the main branch")


def test_an_attribute_of_one_branch_is_refused(interpreter):
    class Holder:
        pass

    def function(x):
        h = Holder()
        if x > 0:
            h.z = 1
        return x

    expected = ("ValueError", "'h.z' must also be initialized in the else branch")
    assert fails(interpreter, function, 1) == expected


def test_a_deleted_variable_is_refused(interpreter):
    def function(x):
        y = 1
        if x > 0:
            del y
        return y

    assert fails(interpreter, function, 1)[1] == "'y' must also be initialized in the main branch"


def test_none_in_one_branch_is_refused(interpreter):
    def function(x):
        y = None
        if x > 0:
            y = x
        return y

    assert fails(interpreter, function, 1) == ("ValueError", "'y' is None at the end of the else branch.")
    assert fails(interpreter, lambda x: 1 if x > 0 else None, 1)[1] == "'x > 0' is None at the end of the else branch."

    def returns(x):
        if x > 0:
            return 1
        return None

    assert fails(interpreter, returns, 1)[1] == "'retval_' is None at the end of the else branch."


def test_a_return_in_one_branch_only_is_refused(interpreter):
    def function(x):
        if x > 0:
            return 1

    def in_loop(n):
        for i in range(n):
            if i > 2:
                return i

    assert fails(interpreter, function, 1)[1].startswith("the else branch must also have a return statement.")
    assert fails(interpreter, in_loop, 1)[1].startswith("the else branch must also have a return statement.")


def test_different_types_in_branches_are_refused(interpreter):
    def function(x):
        if x > 0:
            y = 1
        else:
            y = 1.0
        return y

    expected = "'y' has dtype int32 in the main branch, but dtype float32 in the else branch"
    assert fails(interpreter, function, 1) == ("TypeError", expected)
    expected = "'x > 0' has dtype int32 in the main branch, but dtype float32 in the else branch"
    assert fails(interpreter, lambda x: 1 if x > 0 else 2.0, 1) == ("TypeError", expected)
    assert fails(interpreter, lambda x: x > 0 and 3, 1)[0] == "TypeError"


def test_different_structures_in_branches_are_refused(interpreter):
    def function(x):
        if x > 0:
            y = (1, 2)
        else:
            y = 1
        return y

    kind, text = fails(interpreter, function, 1)
    assert kind == "TypeError"
    assert text.startswith(
        "'y' must have the same nested structure in the main and else branches:\n\nThe two structures"
    )


def test_different_objects_in_branches_are_refused(interpreter):
    def function(x):
        if x > 0:
            y = object()
        else:
            y = object()
        return y

    kind, text = fails(interpreter, function, 1)
    assert (kind, text[:58]) == ("TypeError", "'y' is of type object at the end of the main branch. A var")


def test_a_loop_variable_that_changes_type_is_refused(interpreter):
    def dtype(x):
        y = 0
        while x > 0:
            y = 1.5
            x -= 1
        return y

    def structure(x):
        y = (0, 1)
        while x > 0:
            y = 1
            x -= 1
        return y

    def none(n):
        y = None
        for i in range(n):
            if i > 2:
                y = i
        return y

    def to_none(n):
        y = 1
        for i in range(n):
            y = None
        return y

    def thing(n):
        y = object()
        for i in range(n):
            y = object()
        return y

    expected = "'y' has dtype int32 before the loop, but dtype float32 after one iteration"
    assert fails(interpreter, dtype, 1) == ("TypeError", expected)
    assert fails(interpreter, structure, 1)[1].startswith("'y' does not have the same nested structure after one iter")
    assert fails(interpreter, none, 1)[1] == "'y' is None at the end of the else branch."
    assert fails(interpreter, to_none, 1)[1].startswith("'y' is not allowed to be None after one iteration")
    assert fails(interpreter, thing, 1)[1].startswith("'y' is of type object and changes in a loop that a tensor")


def test_a_loop_variable_that_stays_undefined_is_refused(interpreter):
    def function(n):
        for i in range(n):
            if False:
                y = 1
        return y

    kind, text = fails(interpreter, function, 1)
    assert (kind, text) == ("ValueError", "'y' must be defined before the loop.")


def grow(vector):
    doubled = vector.engine.apply(lambda v: v + v, vector, dtype=vector.dtype, shape=(2 * vector.shape[0],))
    return doubled


def test_a_loop_variable_that_changes_shape_needs_an_invariant(interpreter):
    def without(y, n):
        while n > 0:
            y = grow(y)
            n -= 1
        return y

    def wanted(y, n):
        while n > 0:
            set_loop_options(shape_invariants=[(y, (None,))])
            y = y.engine.apply(lambda v: v + v, y, dtype="int32", shape=(None,))
            n -= 1
        return y

    def unrelated(y, n):
        while n > 0:
            set_loop_options(shape_invariants=[(object(), (None,))])
            n -= 1
        return y

    kind, text = fails(interpreter, without, [1, 2], 2)
    assert kind == "ValueError"
    assert text == (
        "'y' has shape (2,) before the loop, but shape (4,) after one iteration. "
        "Use tf.autograph.experimental.set_loop_options to set shape invariants."
    )
    assert type(interpreter)().call(wanted, [1, 2], 2) == [1, 2] * 4
    assert "is not a variable that this loop changes" in fails(interpreter, unrelated, [1], 2)[1]


def test_loop_options_reach_the_engine(interpreter):
    def function(n):
        total = 0
        while n > 0:
            set_loop_options(maximum_iterations=2, parallel_iterations=5)
            if n == 100:
                continue
            total += n
            n -= 1
        for i in range(n):
            set_loop_options(maximum_iterations=1)
            total += 1000
        return total

    assert interpreter.call(function, 5) == 5 + 4 + 1000
    assert convert(function)(3) == function(3) == 6


def test_loop_options_stand_first(interpreter):
    def function(n):
        while n > 0:
            n -= 1
            set_loop_options(maximum_iterations=2)
        return n

    assert convert(function)(3) == 0
    with pytest.raises(SymbolicValueError):
        interpreter.call(function, 3)


def test_an_error_keeps_its_type_and_points_at_the_users_line(interpreter):
    class CustomError(Exception):
        def __init__(self, code, detail):
            super().__init__(code)
            self.detail = detail

    def inner(x):
        if x > 0:
            raise CustomError(3, "d")  # the line
        return x

    def outer(x):
        while x < 10:
            x += inner(x)  # the caller
        return x

    with pytest.raises(CustomError) as caught:
        interpreter.call(outer, 5)
    assert caught.value.detail == "d"
    lines = lines_of(caught.value)
    assert ("inner", 'raise CustomError(3, "d")  # the line') in lines
    assert ("outer", "x += inner(x)  # the caller") in lines
    [note] = caught.value.__notes__
    assert note.startswith("in user code:\n\n    File ")
    assert note.endswith('in inner  *\n        raise CustomError(3, "d")  # the line')
    frames = traceback.extract_tb(caught.value.__traceback__)
    own = [frame for frame in frames if frame.filename.endswith(("operators.py", "loops.py"))]
    assert not own


def test_reading_an_unassigned_variable_names_it():
    def function(x):
        if x:
            y = 1
        return y + 1  # here

    with pytest.raises(UnboundLocalError, match="'y' is used before assignment") as caught:
        convert(function)(0)
    assert lines_of(caught.value)[-1] == ("function", "return y + 1  # here")


def test_errors_inside_handlers_keep_their_cause():
    def function(x):
        try:
            return {}[x]
        except KeyError as error:
            if x:
                raise ValueError("told") from error
            raise

    with pytest.raises(ValueError, match="told") as caught:
        convert(function)(1)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(KeyError):
        convert(function)(0)


def test_only_symbolic_conditions_are_staged(interpreter):
    def function(x):
        total = 0
        for i in [1, 2, 3]:
            if i == 2:
                continue
            total += i
        while total < 10:
            total += 1
        return total + x

    assert interpreter.call(function, 5) == 15
    assert interpreter.staged == []


def test_a_loop_that_becomes_symbolic_is_staged_from_there(interpreter):
    def function(n):
        i = 0
        while True:
            i += 1
            if i > n:
                break
        return i

    assert interpreter.call(function, 5) == 6
    assert interpreter.staged == ["cond", "while", "cond"] or interpreter.staged.count("while") == 1


def test_a_python_loop_without_length_is_not_left_by_a_tensor(interpreter):
    def function(n):
        import itertools

        for i in itertools.count():
            if i > n:
                break
        return i

    kind, text = fails(interpreter, function, 3)
    assert kind == "NotImplementedError"
    assert text.startswith("break and return statements which depend on a TF condition are not supported in Python for")


def test_a_value_that_leaves_a_loop_by_a_list_is_out_of_scope(interpreter):
    def function(n):
        kept = []
        for i in range(n):
            kept.append(i * 2)
        return kept[0] + 1

    with pytest.raises(OutOfScopeError):
        interpreter.call(function, 3)


def test_a_branch_starts_from_the_state_before_the_other(interpreter):
    class Holder:
        value = 3

    def function(x):
        h = Holder()
        y = 1
        if x > 0:
            y = y + 1
            h.value = h.value + y
        else:
            y = y + 10
            h.value = h.value + y
        return y, h.value

    assert type(interpreter)().call(function, 1) == (2, 5)
    assert type(interpreter)().call(function, -1) == (11, 14)


def test_datasets_are_looped_over_by_the_engine(interpreter):
    data = Dataset([1, 2, 3, 4])

    def function(limit):
        total = 0
        for element in data:
            if element > limit:
                break
            if element == 2:
                continue
            total += element
        return total

    def last(limit):
        for element in data:
            found = element
        return found + limit

    def returns(limit):
        for element in data:
            if element > limit:
                return element
        return -1

    assert type(interpreter)().call(function, 3) == 4
    assert type(interpreter)().call(last, 0) == 4
    assert type(interpreter)().call(returns, 2) == 3
    assert type(interpreter)().call(returns, 9) == -1
    interpreter.call(function, 3)
    assert "dataset" in interpreter.staged


def test_an_engine_may_trace_a_branch_twice(interpreter):
    class Twice(type(interpreter)):
        def cond(self, pred, true_fn, false_fn):
            self.trace("unused", true_fn)
            self.trace("unused", false_fn)
            return super().cond(pred, true_fn, false_fn)

    def function(x):
        y = 5 if 0 < x + 1 <= x * 2 < 100 else -x
        if y > 3:
            return y
        return x

    for x in (3, 1, -7):
        assert Twice().call(function, x) == function(x)


def test_asserts_are_staged(interpreter):
    def function(x):
        assert x > 0, f"x is not positive: {3}"
        assert x > -100
        return x

    assert type(interpreter)().call(function, 1) == 1
    with pytest.raises(AssertionError, match="x is not positive: 3"):
        interpreter.call(function, -1)
    with pytest.raises(AssertionError, match="x is not positive: 3") as caught:
        convert(function)(-1)
    assert lines_of(caught.value)[-1][0] == "function"


def test_an_assert_message_is_made_only_when_it_fails():
    def function(x):
        assert x, 1 // x
        return x

    assert convert(function)(1) == 1
    with pytest.raises(ZeroDivisionError):
        convert(function)(0)


def test_builtins_take_symbolic_values(interpreter):
    def function(x, xs):
        return (
            len(xs),
            abs(x),
            max(x, 3),
            min(x, 3),
            int(x),
            float(x),
            sum(xs),
            any(xs),
            all(xs),
            len([1]),
            range(2)[1],
        )

    assert interpreter.call(function, -4, [1, 0]) == (2, 4, 3, -4, -4, -4.0, 1, True, False, 1, 1)


def test_print_is_staged_with_its_feature_only(interpreter, capsys):
    def function(x):
        print("value", x)
        return x

    interpreter.call(function, 1)
    assert interpreter.printed == []
    assert capsys.readouterr().out.startswith("value <")
    other = type(interpreter)()
    other.call(function, 1, optional_features=Feature.BUILTIN_FUNCTIONS)
    assert other.printed == [("value", 1)]


def test_equality_operators_are_staged_with_their_feature(interpreter, monkeypatch):
    calls = []
    equal = type(interpreter).equal
    monkeypatch.setattr(type(interpreter), "equal", lambda *a: calls.append(a) or equal(*a))

    def function(x):
        return (x == 3, x != 3, [1] == [1], 1 != 1)

    assert interpreter.call(function, 3, optional_features=Feature.EQUALITY_OPERATORS) == (True, False, True, False)
    assert len(calls) == 2
    assert type(interpreter)().call(function, 3) == (True, False, True, False)
    assert len(calls) == 2


def test_lists_travel_with_their_feature(interpreter):
    class Array:
        """Enough of a TensorArray."""

        def __init__(self, items=()):
            self.items = items

        def size(self):
            return len(self.items)

        def write(self, index, value):
            return Array((*self.items[:index], value))

    def function(a, x):
        kept = []
        if x:
            a.append(x)
            kept.append(x)
        return a.items, kept

    with pytest.raises(AttributeError):
        convert(function)(Array(), 5)
    assert convert(function, optional_features=Feature.LISTS)(Array(), 5) == ((5,), [5])


def test_trace_prints_and_verbosity_shows_the_code(capsys, caplog):
    def function(x):
        trace("seen", x)
        return x if x else 2

    try:
        set_verbosity(10, alsologtostdout=True)
        assert convert(function)(3) == 3
    finally:
        set_verbosity(0)
    shown = capsys.readouterr().out
    assert "seen 3" in shown
    assert "def tf__function(x):" in shown
    assert convert(lambda x: function(x))(1) == 1
    assert "converted" not in capsys.readouterr().out
