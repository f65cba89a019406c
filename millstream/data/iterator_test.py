"""Iterators: saved and restored, in traced functions, of datasets that traced functions make, with errors on the way."""

# mypy: ignore-errors

from __future__ import annotations

import itertools
import json
import pathlib
import threading
import time

import numpy as np
import pytest

import millstream as tf
from millstream import _runtime as runtime
from millstream.data.testdata.pipeline_cases import pipelines, plain

Dataset = tf.data.Dataset
CASES = {k: v for k, v in pipelines(tf, np).items() if not k.startswith("error")}
ANSWERS = json.loads((pathlib.Path(__file__).parent / "testdata" / "pipelines.json").read_text())
NOT_SAVED = (
    "random map",
    "random shuffle",
    "random filter",
    "random scan",
    "resample",
    "window",
    "generator",
    "map dataset",
    "counter infinite",
)


@pytest.mark.parametrize("name", [n for n in CASES if not n.startswith(NOT_SAVED) and "error" not in ANSWERS[n]])
@pytest.mark.parametrize("read", [0, 1, 4])
def test_a_restored_iterator_goes_on_as_the_saved_one(name, read):
    tf.random.set_seed(3)
    dataset = CASES[name]()
    first = iter(dataset)
    list(itertools.islice(first, read))
    state = first.save()
    rest = [plain(e) for e in itertools.islice(first, 60)]
    second = iter(dataset)
    list(itertools.islice(second, 2))
    second.restore(state)
    assert [plain(e) for e in itertools.islice(second, 60)] == rest


def test_what_cannot_be_saved_says_so():
    iterator = iter(Dataset.from_generator(lambda: iter([1]), output_signature=tf.TensorSpec([], tf.int32)))
    with pytest.raises(tf.errors.UnimplementedError, match="_GeneratorReader cannot be saved"):
        iterator.save()
    with pytest.raises(tf.errors.DataLossError, match="damaged"):
        iter(Dataset.range(3)).restore(b"nothing")
    with pytest.raises(tf.errors.DataLossError, match="version"):
        iter(Dataset.range(3)).restore(json.dumps([9, 0]).encode())


def test_a_traced_function_reads_datasets_and_makes_them():
    @tf.function
    def total(n):
        return Dataset.range(n).map(lambda x: x * n).reduce(np.int64(0), lambda s, x: s + x)

    assert [int(total(tf.constant(n, tf.int64))) for n in (3, 4, 1)] == [9, 24, 0]

    @tf.function
    def only(x):
        return Dataset.from_tensors(x).map(lambda y: y + 1).get_single_element()

    assert only(tf.constant([1, 2])).numpy().tolist() == [2, 3]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Dataset was empty"):
        tf.function(lambda n: Dataset.range(n).get_single_element())(tf.constant(0, tf.int64))


def test_an_iterator_made_in_a_traced_function_is_made_by_each_call():
    @tf.function
    def first_two(n):
        iterator = iter(Dataset.range(n, n + 10).batch(2))
        return next(iterator), next(iterator)

    for n in (0, 5):
        a, b = first_two(tf.constant(n, tf.int64))
        assert a.numpy().tolist() == [n, n + 1] and b.numpy().tolist() == [n + 2, n + 3]


def test_datasets_are_arguments_of_traced_functions():
    traces = []

    @tf.function
    def total(dataset):
        traces.append(1)
        return dataset.reduce(np.int64(0), lambda s, x: s + x)

    assert [int(total(Dataset.range(n))) for n in (3, 5)] == [3, 10]
    assert len(traces) == 1


def test_an_error_ends_one_element_and_names_stage_and_number():
    checked = Dataset.range(4).map(lambda x: tf.debugging.check_numerics(1.0 / (tf.cast(x, tf.float32) - 1.0), "pole"))
    for dataset in (checked, checked.prefetch(2), checked.take(4)):
        iterator = iter(dataset)
        assert next(iterator).numpy() == -1.0
        with pytest.raises(tf.errors.InvalidArgumentError, match="passed to MapDataset, element 1: pole"):
            next(iterator)
        assert [float(x) for x in iterator] == [1.0, 0.5]


def test_tapes_and_graphs_around_a_loop_do_not_see_the_functions_of_datasets():
    variable = tf.Variable(2.0)
    dataset = Dataset.range(3).map(lambda x: tf.cast(x, tf.float32) * 2.0)
    with tf.GradientTape() as tape:
        total = sum(variable * x for x in dataset)
    assert tape.gradient(total, variable).numpy() == 6.0


def test_functions_of_datasets_are_traced_though_functions_run_eagerly():
    tf.config.run_functions_eagerly(True)
    try:
        calls = []
        dataset = Dataset.range(3).map(lambda x: calls.append(1) or x + 1)
        assert [int(x) for x in dataset] == [1, 2, 3]
        assert len(calls) == 1
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("calls", [4, tf.data.AUTOTUNE])
def test_calls_of_slow_functions_overlap_and_keep_their_order(calls):
    running, most = [], []

    def slow(x):
        running.append(1)
        most.append(len(running))
        time.sleep(0.03)
        running.pop()
        return x

    dataset = Dataset.range(16).map(lambda x: tf.py_function(slow, [x], tf.int64), num_parallel_calls=calls)
    assert [int(x) for x in dataset] == list(range(16))
    assert 2 <= max(most) <= (calls if calls > 0 else 2 * runtime.thread_count())


def test_calls_that_need_no_order_come_as_they_are_ready():
    others_are_taken = threading.Event()

    def first_is_last(x):
        if x == 0:
            others_are_taken.wait(20)
        return x

    def order(deterministic, options):
        others_are_taken.clear()
        dataset = Dataset.range(4).map(
            lambda x: tf.py_function(first_is_last, [x], tf.int64), num_parallel_calls=2, deterministic=deterministic
        )
        iterator = iter(dataset.with_options(options))
        found = [int(next(iterator)) for _ in range(3)]
        others_are_taken.set()
        return [*sorted(found), int(next(iterator))]

    options = tf.data.Options()
    assert order(False, options) == [1, 2, 3, 0]
    options.deterministic = False
    assert order(None, options) == [1, 2, 3, 0]


def test_no_more_is_made_ahead_than_is_asked_for():
    made = []

    def elements():
        for i in range(100):
            made.append(i)
            yield i

    iterator = iter(Dataset.from_generator(elements, output_signature=tf.TensorSpec([], tf.int32)).prefetch(3))
    next(iterator)
    time.sleep(0.2)
    assert len(made) <= 1 + 3 + 1


def test_variables_that_functions_of_datasets_read_are_those_of_the_moment():
    variable = tf.Variable(1)
    dataset = Dataset.range(3).map(lambda x: tf.cast(x, tf.int32) + variable)
    assert [int(x) for x in dataset] == [1, 2, 3]
    variable.assign(10)
    assert [int(x) for x in dataset] == [10, 11, 12]


def test_a_fingerprint_differs_where_stages_differ():
    prints = [
        int(d.fingerprint())
        for d in (
            Dataset.range(3),
            Dataset.range(4),
            Dataset.range(3).map(lambda x: x + 1),
            Dataset.range(3).map(lambda x: x + 2),
            Dataset.from_tensor_slices([1, 2]),
            Dataset.from_tensor_slices([1, 3]),
        )
    ]
    assert len(set(prints)) == 6
    assert int(Dataset.range(3).map(lambda x: x + 1).fingerprint()) == prints[2]


def test_python_loops_over_datasets_are_staged():
    @tf.function
    def total(dataset):
        result = tf.constant(0, tf.int64)
        for x in dataset:
            if x == 3:
                continue
            if x > 6:
                break
            result += x
        return result

    assert int(total(Dataset.range(10))) == 18
    assert int(total(iter(Dataset.range(3)))) == 3

    @tf.function
    def weighted(n):
        result = tf.constant(0, tf.int64)
        for i, x in Dataset.range(n).enumerate():
            result += x * i
        return result

    assert int(weighted(tf.constant(5, tf.int64))) == 30


def test_a_break_leaves_the_rest_to_later_loops_over_the_iterator():
    @tf.function
    def first_above(iterator, limit):
        found = tf.constant(-1, tf.int64)
        for x in iterator:
            if x > limit:
                found = x
                break
        return found

    iterator = iter(Dataset.range(10))
    assert int(first_above(iterator, tf.constant(3, tf.int64))) == 4
    assert int(first_above(iterator, tf.constant(1, tf.int64))) == 5


def test_variables_of_a_staged_loop_over_a_dataset_may_change_their_sizes():
    @tf.function
    def joined(elements):
        found, count = tf.constant([7], tf.int64), 0
        for x in elements:
            found = tf.concat([found, [x]], 0)
            count += 1
        return found, count

    found, count = joined(Dataset.range(3))
    assert found.numpy().tolist() == [7, 0, 1, 2] and int(count) == 3
    assert joined.get_concrete_function(Dataset.range(3)).output_shapes[0].as_list() == [None]
    with pytest.raises(ValueError, match="'found' has shape"):
        joined(iter(Dataset.range(3)))


def test_a_variable_is_trained_in_a_staged_loop_over_batches():
    variable = tf.Variable(0.0)

    @tf.function
    def train(dataset):
        for x, y in dataset:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum((variable * x - y) ** 2)
            variable.assign_sub(0.1 * tape.gradient(loss, variable))
        return variable.read_value()

    ones = np.ones([5, 2], np.float32)
    np.testing.assert_allclose(train(Dataset.from_tensor_slices((ones, ones)).batch(2)), 0.976, rtol=1e-6)
