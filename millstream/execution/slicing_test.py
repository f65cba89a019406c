"""Tests indexing of tensors: against NumPy, with gradients, and that a place does not cost a plan."""

import random

import numpy as np
import pytest

import millstream as tf
from millstream.execution.function import Function
from millstream.execution.gradient_tape import GradientTape
from millstream.execution.slicing import _cut_handle

ARRAY = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


def random_index(chosen):
    entries = []
    for size in ARRAY.shape[: chosen.randint(1, 3)]:
        kind = chosen.randint(0, 3)
        if kind == 0:
            entries.append(chosen.randint(-size, size - 1))
        elif kind == 1:
            entries.append(
                slice(chosen.randint(-size, size), chosen.randint(-size, size), chosen.choice([None, 1, 2, -1, -2]))
            )
        elif kind == 2:
            entries.append(slice(None))
        else:
            entries += [None, slice(None)]
    if chosen.random() < 0.3:
        entries.append(Ellipsis)
    return tuple(entries)


INDICES = [random_index(random.Random(i)) for i in range(60)]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_a_slice_is_what_numpy_gives_eagerly_and_traced(index):
    expected = ARRAY[index]
    x = tf.constant(ARRAY)
    np.testing.assert_array_equal(x[index], expected)
    np.testing.assert_array_equal(Function(lambda t: t[index])(x), expected)


@pytest.mark.parametrize("index", INDICES[:24], ids=str)
def test_what_flows_back_from_a_slice_lands_where_it_came_from(index):
    weight = np.random.default_rng(0).normal(size=ARRAY[index].shape).astype(np.float32)
    expected = np.zeros_like(ARRAY)
    expected[index] = weight
    x = tf.constant(ARRAY)
    with GradientTape() as tape:
        tape.watch(x)
        y = x[index] * weight
    np.testing.assert_allclose(tape.gradient(y, x), expected)


def test_one_plan_serves_all_places():
    x = tf.constant(np.arange(100.0))
    x[0], x[3:5]
    before = _cut_handle.cache_size()
    for i in range(95):
        assert float(x[i]) == i
        assert x[i : i + 2].numpy().tolist() == [i, i + 1]
    assert _cut_handle.cache_size() == before


def test_second_derivatives_go_through_a_slice():
    x = tf.constant([1.0, 2.0, 3.0])
    with GradientTape() as outer:
        outer.watch(x)
        with GradientTape() as inner:
            inner.watch(x)
            y = x[1] * x[1] * x[2]
        first = inner.gradient(y, x)
    np.testing.assert_allclose(first, [0.0, 12.0, 4.0])
    np.testing.assert_allclose(outer.gradient(first, x), [0.0, 10.0, 4.0])


def test_a_mask_picks_rows_eagerly_and_traced():
    x, mask = tf.constant(ARRAY), tf.constant([True, False, True])
    np.testing.assert_array_equal(x[mask], ARRAY[[0, 2]])
    np.testing.assert_array_equal(Function(lambda t, m: t[m])(x, mask), ARRAY[[0, 2]])
    np.testing.assert_array_equal(x[x > 30.0], ARRAY[ARRAY > 30.0])


def test_places_known_only_when_a_trace_runs_slice_too():
    cut = Function(lambda t, i: (t[i], t[i:], t[:, i, 1]))
    for i in range(3):
        one, rest, column = cut(tf.constant(ARRAY), tf.constant(i))
        np.testing.assert_array_equal(one, ARRAY[i])
        np.testing.assert_array_equal(rest, ARRAY[i:])
        np.testing.assert_array_equal(column, ARRAY[:, i, 1])


def test_iterating_gives_the_rows():
    assert [row.numpy().tolist() for row in tf.constant([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
