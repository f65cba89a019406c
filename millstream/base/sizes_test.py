"""Tests of symbolic sizes."""

import copy
import pickle
import random

import numpy as np
import pytest

from millstream.base import sizes
from millstream.base.size_text import parse
from millstream.base.sizes import Symbol, bounds, ceil_divide, floor_divide, maximum, minimum, modulo

BATCH, N = Symbol("batch"), Symbol("n")


def test_ints_stay_ints():
    assert type(floor_divide(7, 2)) is int and floor_divide(-7, 2) == -4
    assert (ceil_divide(7, 2), modulo(-7, 3), minimum(2, 3), maximum(2, 3)) == (4, 2, 2, 3)
    assert sizes.product([2, 3, 4]) == 24 and sizes.product([]) == 1
    assert type(BATCH - BATCH) is int and BATCH - BATCH == 0


def test_equal_expressions_are_one_object():
    assert 2 * BATCH + 1 is BATCH + BATCH + 1
    assert (BATCH + N) * (BATCH - N) is BATCH * BATCH - N * N
    assert Symbol("batch") is BATCH and Symbol("batch", 1) is not BATCH
    assert hash(N * 3) == hash(3 * N) and N * 3 == 3 * N and N * 3 != N * 4
    assert N != 3 and (N + 1) - N == 1
    assert minimum(N, BATCH) is minimum(BATCH, N)


def test_numpy_integers_are_taken_on_both_sides():
    assert np.int64(3) * N is N * 3 and N + np.int32(1) is N + 1 and np.int64(7) - N is 7 - N


def test_divisions_that_come_out_even_leave_no_operation():
    assert (4 * N) // 4 is N and (4 * N * BATCH) // (2 * N) is 2 * BATCH
    assert (10 * BATCH) // BATCH == 10 and ((N + 1) * (BATCH + 2)) // (BATCH + 2) is N + 1
    assert (4 * N + 3) // 4 is N and (4 * N + 6) // 4 is N + 1
    assert (4 * N) % 4 == 0 and (4 * N + 3) % 4 == 3


def test_divisions_have_one_form():
    assert ((N + 1) // 2 + 1) // 2 is (N + 3) // 4
    assert (N - 1) // 2 + 1 is (N + 1) // 2
    assert (2 * N + 1) // 4 is N // 2
    assert N // -2 is (-N) // 2
    assert sizes.provably_equal(4 * (N // 4) + N % 4, N)


def test_division_by_zero_is_zero_as_in_a_plan():
    assert floor_divide(N, 0) == 0 and modulo(N, 0) == 0 and floor_divide(3, 0) == 0
    assert sizes.evaluate(7 // (N - 1), {N: 1}) == 0


def test_bounds_settle_minimum_maximum_and_choices():
    short = Symbol("short", 1, 8)
    assert maximum(N, 0) is N and minimum(short, 8) is short and maximum(short, 9) == 9
    assert sizes.select_nonnegative(N, 5) is N and sizes.select_nonnegative(-short, 5) == 5
    assert bounds(2 * short - 1) == (1, 15) and bounds(short % 4) == (0, 3) and bounds(short // 3) == (0, 2)
    assert sizes.equal(short, 9) == 0 and sizes.equal(N, N) == 1
    assert sizes.provably_at_least(short, 1) and not sizes.provably_at_least(N, 1)
    assert sizes.provably_different(short, 0) and not sizes.provably_different(N, 0)


def test_text_reads_well_and_back():
    for size, text in [
        (BATCH, "batch"),
        (2 * BATCH + 1, "2*batch+1"),
        (1 - N, "-n+1"),
        (N // 2 * BATCH, "(n//2)*batch"),
        (maximum(N, BATCH) - 3, "max(batch, n)-3"),
        ((N + 1) // 2, "((n+1)//2)"),
    ]:
        assert parse(str(size)) is size
        assert sorted(str(size)) == sorted(text)
    assert str(2 * BATCH + 1) == "2*batch+1" and str(N * N * 3 - N) == "3*n*n-n"


def test_reading_refuses_other_text_with_the_place():
    for text in ["", "2*", "n)", "n ? 2", "max(n)", "(n"]:
        with pytest.raises(ValueError, match="Cannot read the size"):
            parse(text)


def test_unknown_sizes_are_neither_ordered_nor_true():
    with pytest.raises(TypeError, match="batch is not known before the program runs"):
        assert BATCH < 3
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(BATCH)
    with pytest.raises(TypeError):
        BATCH + 1.5
    with pytest.raises(ValueError, match="must be an identifier"):
        Symbol("a b")
    with pytest.raises(ValueError, match="empty range"):
        Symbol("x", 3, 2)
    with pytest.raises(ValueError, match=r"depends on batch, n"):
        sizes.evaluate(BATCH + N)


def test_copies_are_the_same_object():
    size = maximum(N, BATCH) * 2 + N // 3
    assert copy.deepcopy(size) is size and pickle.loads(pickle.dumps(size)) is size


def test_substitution_simplifies():
    size = (N + 3) // 4 + maximum(N, BATCH)
    assert sizes.substitute(size, {N: 4 * BATCH}) is 5 * BATCH
    assert sizes.symbols(size) == {N, BATCH} and sizes.substitute(size, {}) is size
    first, second = sizes.fresh_symbol("row"), sizes.fresh_symbol("row")
    assert first is not second and first.name.startswith("row_")


def _random_size(generator, depth):
    """A random expression and the same computed directly."""
    if depth == 0:
        name = generator.choice(["a", "b", None])
        if name is None:
            number = generator.randint(-4, 9)
            return number, lambda values: number
        return Symbol(name), lambda values: values[name]
    left, left_value = _random_size(generator, depth - 1)
    right, right_value = _random_size(generator, depth - 1)

    def divide(x, y):
        return x // y if y else 0

    def remainder(x, y):
        return x % y if y else 0

    make, compute = generator.choice(
        [
            (lambda x, y: x + y, lambda x, y: x + y),
            (lambda x, y: x - y, lambda x, y: x - y),
            (lambda x, y: x * y, lambda x, y: x * y),
            (floor_divide, divide),
            (modulo, remainder),
            (minimum, min),
            (maximum, max),
            (sizes.select_nonnegative, lambda x, y: x if x >= 0 else y),
            (sizes.equal, lambda x, y: int(x == y)),
        ]
    )
    return make(left, right), lambda values: compute(left_value(values), right_value(values))


def test_canonical_forms_have_the_value_of_what_was_written():
    generator = random.Random(1)
    for _ in range(1500):
        size, value = _random_size(generator, generator.randint(1, 3))
        assert parse(str(size)) is size or isinstance(size, int)
        for numbers in [(1, 1), (2, 5), (7, 3), (100, 11)]:
            values = dict(zip("ab", numbers))
            assigned = {Symbol(name): number for name, number in values.items()}
            found = sizes.evaluate(size, assigned)
            low, high = bounds(size)
            assert (low is None or low <= found) and (high is None or found <= high), (str(size), values)
            assert found == value(values), (str(size), values)


def test_an_even_division_takes_its_divisor_as_not_zero():
    assert sizes.evaluate((N * BATCH) // N, {N: 0, BATCH: 3}) == 3
