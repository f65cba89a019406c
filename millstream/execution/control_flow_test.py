"""Tests of branches, loops, maps and tensor arrays: eagerly and traced alike, with gradients. Numbers are TensorFlow's."""

# mypy: ignore-errors

from __future__ import annotations

import numpy as np
import pytest

import millstream as tf
from millstream.base import errors

BOTH = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "traced"])
X = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def plain(value):
    return tf.nest.map_structure(lambda v: v.numpy().tolist() if hasattr(v, "numpy") else v, value)


def gradient_of(function):
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x)

    return gradient


RESULTS = {
    "map": (lambda x: tf.map_fn(lambda r: r * r, x), [[1.0, 4.0], [9.0, 16.0], [25.0, 36.0]]),
    "map to a pair": (
        lambda x: tf.map_fn(lambda r: (r[0], r + 1.0), x, fn_output_signature=(tf.float32, tf.float32)),
        ([1.0, 3.0, 5.0], [[2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]),
    ),
    "scan": (lambda x: tf.scan(lambda a, r: a + r, x), [[1.0, 2.0], [4.0, 6.0], [9.0, 12.0]]),
    "scan from one": (lambda x: tf.scan(lambda a, r: a * 2.0 + r[0], x, tf.constant(1.0)), [3.0, 9.0, 23.0]),
    "scan backwards": (
        lambda x: tf.scan(lambda a, r: a + r, x, reverse=True),
        [[9.0, 12.0], [8.0, 10.0], [5.0, 6.0]],
    ),
    "foldl": (lambda x: tf.foldl(lambda a, r: a * 2.0 + r, x), [15.0, 22.0]),
    "foldr": (lambda x: tf.foldr(lambda a, r: a * 2.0 + r, x, tf.constant([1.0, 1.0])), [35.0, 42.0]),
    "vectorized": (
        lambda x: tf.vectorized_map(lambda r: {"a": r * 2.0, "b": r[0]}, x),
        {"a": [[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]], "b": [1.0, 3.0, 5.0]},
    ),
    "switch": (
        lambda x: tf.switch_case(tf.cast(x[0, 0], tf.int32), [lambda: x, lambda: x * 2.0, lambda: x * 3.0]),
        [[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]],
    ),
    "case": (
        lambda x: tf.case([(x[0, 0] > 5.0, lambda: x), (x[0, 0] > 0.0, lambda: x * 7.0)], default=lambda: x * 0.0),
        [[7.0, 14.0], [21.0, 28.0], [35.0, 42.0]],
    ),
    "structured loop": (
        lambda x: tf.while_loop(
            lambda i, d: i < 3, lambda i, d: (i + 1, {"a": d["a"] * 2.0, "b": d["b"] + d["a"]}), (0, {"a": x, "b": x})
        ),
        (
            3,
            {
                "a": [[8.0, 16.0], [24.0, 32.0], [40.0, 48.0]],
                "b": [[8.0, 16.0], [24.0, 32.0], [40.0, 48.0]],
            },
        ),
    ),
    "bounded loop": (
        lambda x: tf.while_loop(lambda i, d: True, lambda i, d: (i + 1, d + 1.0), (0, x), maximum_iterations=4),
        (4, [[5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]),
    ),
}


@BOTH
@pytest.mark.parametrize("name", RESULTS)
def test_results_equal_tensorflow(name, wrap):
    function, expected = RESULTS[name]
    assert plain(wrap(function)(tf.constant(X))) == expected


GROWING = (tf.TensorShape([]), tf.TensorShape([None, 2]))
GRADIENTS = {
    "map": (lambda x: tf.map_fn(lambda r: r * r, x), [[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]]),
    "scan": (lambda x: tf.scan(lambda a, r: a * r, x), [[19.0, 29.0], [6.0, 14.0], [3.0, 8.0]]),
    "vectorized": (lambda x: tf.vectorized_map(lambda r: r * r * r, x), [[3.0, 12.0], [27.0, 48.0], [75.0, 108.0]]),
    "a loop whose shapes grow": (
        lambda x: tf.while_loop(
            lambda i, d: i < 2, lambda i, d: (i + 1, tf.concat([d, d * d], 0)), (0, x), shape_invariants=GROWING
        )[1],
        [[9.0, 41.0], [121.0, 273.0], [521.0, 889.0]],
    ),
    "switch": (
        lambda x: tf.switch_case(tf.cast(x[0, 0], tf.int32), [lambda: x, lambda: x * x, lambda: x * 3.0]),
        [[2.0, 4.0], [6.0, 8.0], [10.0, 12.0]],
    ),
}


@pytest.mark.parametrize("order", ["function of tape", "tape of function", "eager"])
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_equal_tensorflow(name, order):
    function, expected = GRADIENTS[name]
    if order == "function of tape":
        gradient = tf.function(gradient_of(function))
    else:
        gradient = gradient_of(tf.function(function) if order == "tape of function" else function)
    np.testing.assert_allclose(gradient(tf.constant(X)).numpy(), expected, rtol=1e-6)


def power(x):
    return tf.while_loop(lambda i, y: i < 5, lambda i, y: (i + 1, y * x), (0, x))[1]


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["tape of function", "function of tape"])
def test_loops_are_differentiated_three_times(wrap):
    inner = tf.function(power)

    @wrap
    def derivatives(x):
        with tf.GradientTape() as third:
            third.watch(x)
            with tf.GradientTape() as second:
                second.watch(x)
                with tf.GradientTape() as first:
                    first.watch(x)
                    y = inner(x)
                d = first.gradient(y, x)
            dd = second.gradient(d, x)
        return y, d, dd, third.gradient(dd, x)

    assert [float(v) for v in derivatives(tf.constant(3.0))] == [729.0, 1458.0, 2430.0, 3240.0]


def test_a_branch_in_a_loop_reads_variables_and_is_differentiated():
    v = tf.Variable([[0.5, 2.0]])

    @tf.function
    def mixed(x):
        def body(i, s):
            return i + 1, tf.cond(i < 2, lambda: s * v, lambda: tf.exp(s))

        return tf.while_loop(lambda i, s: i < 4, body, (0, x))[1]

    x = tf.constant([[0.3, 0.1]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = mixed(x)
    dx, dv = tape.gradient(y, [x, v])
    w = v.numpy()
    e = np.exp(x.numpy() * w * w)
    np.testing.assert_allclose(y.numpy(), np.exp(e), rtol=1e-5)
    np.testing.assert_allclose(dx.numpy(), np.exp(e) * e * w * w, rtol=1e-5)
    np.testing.assert_allclose(dv.numpy(), np.exp(e) * e * 2 * w * x.numpy(), rtol=1e-5)


def test_loops_inside_of_loops_are_differentiated():
    @tf.function
    def nested(x):
        def outer(i, y):
            _, z = tf.while_loop(lambda j, z: j < i, lambda j, z: (j + 1, z * x), (0, y))
            return i + 1, z

        return tf.while_loop(lambda i, y: i < 4, outer, (0, x))[1]

    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = nested(x)
    assert (float(y), float(tape.gradient(y, x))) == (2187.0, 5103.0)


def test_effects_in_branches_and_loops_happen_in_order():
    u = tf.Variable(1.0)

    @tf.function
    def act(n):
        def grow():
            u.assign_add(2.0)
            return u.read_value()

        r = tf.cond(n > 2, grow, lambda: u * 1.0)
        tf.while_loop(lambda i: i < n, lambda i: (u.assign(u * 2.0), i + 1)[1:], [0])
        return r, u.read_value()

    assert [float(v) for v in act(tf.constant(3))] == [3.0, 24.0]
    assert [float(v) for v in act(tf.constant(1))] == [24.0, 48.0]


def test_sizes_that_are_known_only_when_it_runs_reach_inner_programs():
    @tf.function
    def zeros_like_positives(x):
        n = tf.shape(tf.gather_nd(x, tf.where(x > 0.0)))[0]
        return tf.cond(x[0] > 0.0, lambda: tf.zeros([n, 2]), lambda: tf.ones([n, 2]))

    assert zeros_like_positives(tf.constant([1.0, -2.0, 3.0])).numpy().tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert zeros_like_positives(tf.constant([-1.0, 2.0])).numpy().tolist() == [[1.0, 1.0]]


def test_a_shape_that_varies_unasked_is_refused():
    grow = tf.function(
        lambda x: tf.while_loop(lambda i, d: i < 3, lambda i, d: (i + 1, tf.concat([d, d], 0)), (0, x)), autograph=False
    )
    with pytest.raises(ValueError, match="enters the loop with shape"):
        grow(tf.constant(X))


def test_branches_of_unlike_results_are_refused():
    unlike = tf.function(lambda x: tf.cond(x > 0.0, lambda: 1.0, lambda: 2), autograph=False)
    with pytest.raises(TypeError, match="must have the same"):
        unlike(tf.constant(1.0))


def recurrence(x, w, steps):
    inputs = tf.TensorArray(tf.float32, size=steps).unstack(x)
    outputs = tf.TensorArray(tf.float32, size=steps)

    def body(i, s, out):
        s = tf.tanh(s * w + inputs.read(i))
        return i + 1, s, out.write(i, s)

    return tf.while_loop(lambda i, *_: i < steps, body, (0, x[0], outputs))[2].stack()


def test_a_recurrence_over_tensor_arrays_is_differentiated():
    rng = np.random.RandomState(0)
    x, w = tf.constant(rng.rand(7, 2, 3).astype(np.float32)), tf.constant(rng.rand(2, 3).astype(np.float32))

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            total = tf.reduce_sum(function(x, w))
        return tape.gradient(total, [x, w])

    eager = gradients(lambda x, w: recurrence(x, w, 7))
    traced = gradients(tf.function(lambda x, w: recurrence(x, w, 7)))
    whole = tf.function(lambda: gradients(lambda x, w: recurrence(x, w, 7)))()
    for a, b, c in zip(eager, traced, whole, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)
        np.testing.assert_allclose(a.numpy(), c.numpy(), rtol=1e-5)


def test_a_list_that_is_read_later_is_not_changed_in_place():
    @tf.function
    def two(x):
        first = tf.TensorArray(tf.float32, size=3).unstack(x)
        second = first.write(0, tf.constant(100.0))
        return first.read(0), second.read(0), first.stack(), second.stack()

    assert plain(two(tf.constant([1.0, 2.0, 3.0]))) == (1.0, 100.0, [1.0, 2.0, 3.0], [100.0, 2.0, 3.0])


@BOTH
def test_a_tensor_array_grows_gathers_scatters_joins_and_splits(wrap):
    @wrap
    def work(x):
        array = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False, element_shape=[1])
        array = array.write(0, x[:1]).write(2, x[1:2])
        parts = tf.TensorArray(tf.float32, size=2, infer_shape=False).split(x, [1, 2])
        spread = tf.TensorArray(tf.float32, size=3).scatter([2, 0, 1], x)
        return array.stack(), array.gather([2, 0]), array.concat(), array.size(), parts.read(1), spread.stack()

    assert plain(work(tf.constant([1.0, 2.0, 3.0]))) == (
        [[1.0], [0.0], [2.0]],
        [[2.0], [1.0]],
        [1.0, 0.0, 2.0],
        3,
        [2.0, 3.0],
        [2.0, 3.0, 1.0],
    )


def test_an_eager_tensor_array_refuses_what_tensorflow_refuses():
    array = tf.TensorArray(tf.float32, size=2).write(0, 1.0)
    assert float(array.read(0)) == 1.0
    with pytest.raises(errors.InvalidArgumentError, match="twice because it was cleared"):
        array.read(0)
    with pytest.raises(errors.OutOfRangeError, match="not resizeable and size is: 2"):
        array.write(5, 1.0)
    with pytest.raises(ValueError, match="Incompatible shape for value"):
        array.write(1, [1.0, 2.0])


def test_python_control_flow_on_tensors_is_staged():
    @tf.function
    def collatz(n):
        steps = 0
        while n != 1:
            if n % 2 == 0:
                n = n // 2
            else:
                n = 3 * n + 1
            steps += 1
            if steps > 100:
                break
        return steps

    @tf.function
    def first_large(x):
        for row in x:
            for element in row:
                if element > 3.0:
                    return element
        return tf.constant(-1.0)

    assert [int(collatz(tf.constant(n))) for n in (1, 6, 27)] == [0, 8, 101]
    assert float(first_large(tf.constant(X))) == 4.0
    assert float(first_large(tf.zeros([2, 2]))) == -1.0
    assert collatz.experimental_get_tracing_count() == 1


def test_smart_cond_traces_one_branch_where_known_sizes_decide():
    def classes(y):
        return tf.__internal__.smart_cond.smart_cond(
            tf.shape(y)[-1] > 1, lambda: tf.argmax(y, axis=-1), lambda: tf.cast(tf.squeeze(y, axis=-1), tf.int64)
        )

    many = tf.function(classes).get_concrete_function(tf.TensorSpec([None, 4]))
    one = tf.function(classes).get_concrete_function(tf.TensorSpec([None, 1]))
    assert many.structured_outputs.shape.as_list() == one.structured_outputs.shape.as_list() == [None]
    assert many(tf.constant([[0.0, 1.0, 0.0, 0.0]])).numpy().tolist() == [1]
    assert one(tf.constant([[3.0]])).numpy().tolist() == [3]


def test_a_loop_over_a_range_of_unknown_length_branches_on_its_element(capfd):
    @tf.function
    def fizz(n):
        for i in tf.range(1, n + 1):
            if i % 3 == 0:
                tf.print("fizz")
            else:
                tf.print(i)

    fizz(tf.constant(4))
    assert capfd.readouterr().err.split() == ["1", "2", "fizz", "4"]
