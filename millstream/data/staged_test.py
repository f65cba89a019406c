"""Tests loops over datasets in traced functions: staged where AutoGraph converts them, refused where Python would run them."""

import pytest

import millstream as tf


def plus_one(x):
    return x + 1


def test_builtins_over_datasets_are_datasets():
    @tf.function
    def f(a, b):
        s = tf.constant(0, tf.int64)
        for i, x in enumerate(a, 5):
            s += x * tf.cast(i, tf.int64)
        for x, y in zip(a, b):
            s += x * y
        for x in map(tf.abs, map(plus_one, a)):
            s += x
        for x in filter(lambda x: x > 2, a):
            s += x
        return s

    # 0*5+1*6+2*7+3*8+4*9 = 80; 0*3+1*4+2*5+3*6+4*7 = 60; 1+2+3+4+5 = 15; 3+4 = 7
    assert f(tf.data.Dataset.range(5), tf.data.Dataset.range(3, 9)).numpy() == 80 + 60 + 15 + 7


@pytest.mark.parametrize("values", [[True, False], [True, True], [False, False], []])
def test_any_and_all_of_a_dataset_of_bools(values):
    @tf.function
    def f(dataset):
        return any(dataset), all(dataset)

    dataset = tf.data.Dataset.from_tensor_slices(tf.constant(values, tf.bool))
    assert [t.numpy() for t in f(dataset)] == [any(values), all(values)]


def test_any_refuses_elements_that_are_no_bools():
    with pytest.raises(ValueError, match='"any" builtin only supports datasets that return bool scalars'):
        tf.function(lambda dataset: any(dataset))(tf.data.Dataset.range(3))


def test_len_of_a_dataset_is_a_tensor():
    @tf.function
    def f(dataset):
        return len(dataset)

    assert f(tf.data.Dataset.range(5)).numpy() == 5
    with pytest.raises(tf.errors.InvalidArgumentError, match="definitive cardinality"):
        f(tf.data.Dataset.range(5).repeat())


@pytest.mark.parametrize(
    "loop",
    [
        lambda d: [x + 1 for x in d],
        lambda d: {x.ref(): x for x in d},
        lambda d: list(d),
        lambda d: [*d],
        lambda d: tuple(iter(d)),
        lambda d: sum(x for x in d),
        lambda d: [x for _, x in zip([1, 2, 3], d)],
    ],
)
def test_loops_that_python_runs_are_refused_at_once(loop):
    dataset = tf.data.Dataset.range(3).map(lambda x: x + 1)
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError, match="Iterating over a dataset by Python"):
        tf.function(loop)(dataset)
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError, match="Iterating over a dataset by Python"):
        tf.function(loop, autograph=False)(iter(dataset))


def test_unpacking_a_dataset_is_refused():
    @tf.function
    def f(dataset):
        a, b = dataset
        return a + b

    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        f(tf.data.Dataset.range(2))


def test_next_is_a_call_and_may_stand_in_a_loop():
    @tf.function
    def f(dataset, iterator):
        s = next(iter(dataset))
        mine = iter(dataset)
        for _ in range(2):
            s += next(mine)
        for _ in tf.range(2):
            s += next(iterator)
        return s + iterator.get_next()

    dataset = tf.data.Dataset.range(1, 9)
    assert f(dataset, iter(dataset)).numpy() == 1 + (1 + 2) + (1 + 2) + 3
    assert tf.function(lambda i: next(i) + next(i), autograph=False)(iter(dataset)).numpy() == 3


def test_a_loop_may_break_go_on_return_and_nest():
    @tf.function
    def f(a, b):
        s = tf.constant(0, tf.int64)
        for x in a:
            if x == 3:
                break
            if x == 1:
                continue
            for y in b:
                s += (x + 1) * y
        else:
            s += 1000
        return s

    @tf.function
    def first_above(dataset, limit):
        for x in dataset:
            if x > limit:
                return x * 10
        return tf.constant(-1, tf.int64)

    assert f(tf.data.Dataset.range(5), tf.data.Dataset.range(3)).numpy() == (1 + 3) * 3
    assert f(tf.data.Dataset.range(3), tf.data.Dataset.range(3)).numpy() == (1 + 3) * 3 + 1000
    assert first_above(tf.data.Dataset.range(5), 2).numpy() == 30
    assert first_above(tf.data.Dataset.range(2), 2).numpy() == -1
