"""Tests tensors whose rank is known only when a graph runs: results of Python functions and of parse_tensor."""

import numpy as np
import pytest

import millstream as tf

W = np.array([[1.0, 2.0], [3.0, 5.0]], np.float32)
X = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def unknown(x):
    """Return x as a tensor of which the trace knows nothing but the element type."""
    y = tf.numpy_function(lambda a: a, [x], tf.float32)
    assert tf.executing_eagerly() or y.shape.rank is None
    return y


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x * 2.0 + W, X * 2 + W),
        (lambda x: tf.matmul(x, W), X @ W),
        (lambda x: tf.reshape(x, [-1]), X.reshape(-1)),
        (lambda x: tf.reduce_sum(x, 0), X.sum(0)),
        (lambda x: tf.concat([x, W], 0), np.concatenate([X, W])),
        (lambda x: tf.cast(x, tf.int32), X.astype(np.int32)),
        (lambda x: x[0, ..., tf.newaxis], X[0][:, None]),
        (lambda x: tf.transpose(x), X.T),
        (lambda x: tf.reshape(x, tf.concat([tf.shape(x)[:1], [-1]], 0)), X),
        (lambda x: tf.cond(tf.reduce_sum(x) > 0.0, lambda: x * 2.0, lambda: x), X * 2),
        (lambda x: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2.0), [0, x])[1], X * 8),
        (lambda x: tf.map_fn(lambda row: row * 2.0, x), X * 2),
        (lambda x: tf.nn.softmax(x) * 0.0 + x, X),
        (lambda x: tf.function(lambda y: tf.reduce_max(y) - y)(x), 4 - X),
        (lambda x: x, X),
    ],
)
def test_ops_take_tensors_of_unknown_rank(function, expected):
    traced = tf.function(lambda x: function(unknown(x)))
    np.testing.assert_allclose(traced(X), expected, rtol=1e-6)
    wide = tf.function(lambda x: function(unknown(x)), input_signature=[tf.TensorSpec([None, None])])
    np.testing.assert_allclose(wide(X), expected, rtol=1e-6)


def test_other_ranks_are_compiled_anew():
    @tf.function(input_signature=[tf.TensorSpec(None)])
    def f(x):
        y = unknown(x)
        return tf.reduce_sum(y), tf.rank(y), tf.shape(y)

    for value in (3.0, [1.0, 2.0], X):
        total, rank, sizes = f(value)
        assert (total.numpy(), rank.numpy(), tuple(sizes.numpy())) == (np.sum(value), np.ndim(value), np.shape(value))


def test_parsed_tensors_are_of_unknown_rank():
    @tf.function
    def f(text):
        return tf.io.parse_tensor(text, tf.float32) @ W

    np.testing.assert_allclose(f(tf.io.serialize_tensor(X)), X @ W)


def test_python_functions_inside_of_loops_and_branches():
    @tf.function
    def f(x, double):
        total = 0.0
        for _ in tf.range(3):
            total += tf.reduce_sum(tf.py_function(lambda a: a + 1.0, [x], tf.float32))
        if double:
            y = tf.py_function(lambda a: a * 2.0, [x], tf.float32)
        else:
            y = x
        return total, y + 1.0

    for double in (True, False):
        total, y = f(tf.constant(X), tf.constant(double))
        assert total.numpy() == 3 * (X + 1).sum()
        np.testing.assert_allclose(y, X * (1 + double) + 1)


def test_parts_run_in_order_and_see_each_other():
    v, seen = tf.Variable(0.0), []

    def note(a):
        seen.append(float(a))
        return a

    @tf.function
    def f():
        v.assign_add(1.0)
        a = tf.py_function(note, [v.read_value()], tf.float32)
        v.assign_add(10.0)
        b = tf.py_function(note, [a + v], tf.float32)
        return a + v, b * 2.0

    assert [t.numpy() for t in f()] == [12.0, 24.0]
    assert seen == [1.0, 12.0]
    assert [t.numpy() for t in f()] == [34.0, 68.0]


def test_a_tape_outside_follows_all_parts():
    v = tf.Variable(2.0)

    @tf.function
    def f(x):
        y = tf.py_function(lambda a: a * a, [x * v], tf.float32)
        return tf.reduce_sum(y * v)

    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as outer:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        by_v, by_x = tape.gradient(y, [v, x])
    np.testing.assert_allclose(by_x, 2 * x * 8.0)
    assert by_v.numpy() == 3 * 4 * 5
    assert outer.gradient(by_v, v).numpy() == 6 * 2 * 5


def test_datasets_map_to_tensors_of_unknown_rank():
    dataset = tf.data.Dataset.range(3).map(lambda n: tf.py_function(lambda n: tf.ones([n, 2]), [n], tf.float32))
    dataset = dataset.map(lambda x: (x * 2.0, tf.shape(x)))
    assert dataset.element_spec[0].shape.rank is None
    assert dataset.element_spec[1].shape.as_list() == [None]
    assert [(x.numpy().tolist(), s.numpy().tolist()) for x, s in dataset] == [
        ([], [0, 2]),
        ([[2.0, 2.0]], [1, 2]),
        ([[2.0, 2.0], [2.0, 2.0]], [2, 2]),
    ]


def test_tapes_inside_follow_tensors_of_unknown_rank():
    w, b = tf.Variable([[1.0], [2.0]]), tf.Variable([0.5])

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((tf.matmul(unknown(x), w) + b - y) ** 2)
        gradients = tape.gradient(loss, [w, b])
        w.assign_sub(0.1 * gradients[0])
        b.assign_sub(0.1 * gradients[1])
        return loss

    off = X @ [[1.0], [2.0]] + 0.5 - 1.0
    assert step(X, np.ones([2, 1], np.float32)).numpy() == pytest.approx((off**2).mean())
    np.testing.assert_allclose(w, [[1.0], [2.0]] - 0.1 * X.T @ off, rtol=1e-5)
    np.testing.assert_allclose(b, 0.5 - 0.1 * off.sum(0), rtol=1e-5)


@pytest.mark.parametrize("value", [3.0, [1.0, 2.0], X])
def test_gradients_of_any_order_where_the_rank_is_open(value):
    @tf.function(input_signature=[tf.TensorSpec(None)])
    def f(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(tf.transpose(x) ** 3)
            first = tape.gradient(y, x)
            total = tf.reduce_sum(first * first)
        return first, outer.gradient(total, x)

    first, second = f(value)
    x = np.asarray(value)
    np.testing.assert_allclose(first, 3 * x**2)
    np.testing.assert_allclose(second, 36 * x**3)


def test_gradients_through_loops_functions_and_gradients_of_their_own_where_the_rank_is_open():
    v = tf.Variable(2.0)

    @tf.custom_gradient
    def own(x):
        return x * 1.0, lambda dy: dy * 7.0

    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec(None)])
    def f(x, unused):
        with tf.GradientTape() as tape:
            tape.watch([x, unused])
            y = own(tf.function(tf.square)(x))
            for _ in tf.range(3):
                y = y * v
            z = tf.cond(tf.reduce_sum(x) > 0.0, lambda: y, lambda: -y)
        by_x, by_v, none = tape.gradient(z, [x, v, unused], output_gradients=tf.ones_like(z) * 2.0)
        assert none is None
        return by_x, by_v

    x = np.array([1.0, 3.0], np.float32)
    by_x, by_v = f(x, 0.0)
    np.testing.assert_allclose(by_x, 2 * 7 * 8 * 2 * x)
    assert by_v.numpy() == (2 * 3 * 4 * x**2).sum()


def test_a_variable_is_differentiated_as_it_was_read():
    v = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec(None)])
    def f(x):
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(x * v * v)
        v.assign_add(5.0)
        return tape.gradient(y, v)

    assert f([1.0, 2.0]).numpy() == 12.0
    assert f(1.0).numpy() == 14.0


def test_what_acts_on_the_way_of_such_a_gradient_is_refused():
    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.py_function(lambda a: a * a, [unknown(x) + x], tf.float32)
        return tape.gradient(y, x)

    with pytest.raises((NotImplementedError, tf.errors.UnimplementedError), match="ensure_shape"):
        f(tf.constant(X))


def test_branches_give_results_of_other_ranks():
    v = tf.Variable(3.0)

    @tf.function
    def f(p):
        y = tf.cond(p, lambda: v * 1.0, lambda: tf.stack([v, v * v]))
        assert y.shape.rank is None
        return tf.reduce_sum(y * 2.0), tf.rank(y)

    @tf.function
    def g(i, x):
        return tf.switch_case(i, [lambda: x, lambda: x[0], lambda: x[tf.newaxis]]) + 1.0

    for p, total, rank, slope in ((True, 6.0, 0, 2.0), (False, 24.0, 1, 14.0)):
        with tf.GradientTape() as tape:
            y, found = f(tf.constant(p))
        assert (y.numpy(), found.numpy(), tape.gradient(y, v).numpy()) == (total, rank, slope)
    for i, expected in enumerate(([2.0, 3.0], 2.0, [[2.0, 3.0]])):
        assert g(tf.constant(i), tf.constant([1.0, 2.0])).numpy().tolist() == expected


def test_branches_of_an_argument_of_unknown_rank_give_other_ranks():
    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec([], tf.bool)])
    def f(x, p):
        for _ in tf.range(2):
            if p:
                x = x * 2.0
            else:
                x = tf.expand_dims(x, 0)
        return x

    assert f([1.0, 2.0], True).numpy().tolist() == [4.0, 8.0]
    assert f([1.0, 2.0], False).numpy().tolist() == [[[1.0, 2.0]]]


def test_a_gradient_inside_through_branches_of_other_ranks_is_refused():
    @tf.function
    def f(p, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.cond(p, lambda: x, lambda: tf.stack([x, x]))
        return tape.gradient(y, x)

    with pytest.raises((NotImplementedError, tf.errors.UnimplementedError), match="ensure_shape"):
        f(tf.constant(True), tf.constant(2.0))


def test_loops_over_elements_of_unknown_rank_collect():
    @tf.function
    def f(dataset):
        total = tf.constant(0)
        for x, y in dataset:
            total += tf.abs(y - x - 4)
        return total

    @tf.function
    def g(iterator):
        first = next(iterator)
        return first[0] + 1, iterator.get_next()[1] * 2

    def dataset(*elements):
        return tf.data.Dataset.from_generator(lambda: iter(elements), (tf.int32, tf.int32))

    assert f(dataset((1, 1), (1, 1), (1, 1))).numpy() == 12
    assert f(dataset((1, [1, 2]), ([1, 0], 1))).numpy().tolist() == [8, 6]
    assert f(dataset()).numpy() == 0
    assert [t.numpy().tolist() for t in g(iter(dataset((1, 2), ([5], [6]))))] == [2, [12]]


ROWS = np.array([[3.0, 1.0, 2.0], [6.0, 5.0, 4.0]], np.float32)


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (tf.norm, ROWS),
        (lambda x: tf.norm(x, keepdims=True), ROWS),
        (lambda x: tf.norm(x, ord=2, axis=[0, 1]), ROWS),
        (lambda x: tf.norm(tf.complex(x, x)), ROWS),
        (lambda x: tf.repeat(x, 2), ROWS),
        (lambda x: tf.repeat(x, [1, 2], axis=0), ROWS),
        (lambda x: tf.repeat(x, [1, 0, 2], axis=-1), ROWS),
        (lambda x: tf.repeat(ROWS, tf.cast(x, tf.int32), axis=0), 2.0),
        (tf.image.grayscale_to_rgb, ROWS[..., None]),
        (lambda x: tf.vectorized_map(lambda row: row * 2.0 + tf.reduce_sum(row), x), ROWS),
        (lambda x: tf.vectorized_map(lambda pair: pair[0] * pair[1], (x, x)), ROWS[0]),
        (tf.sort, ROWS),
        (lambda x: tf.sort(x, axis=0, direction="DESCENDING"), ROWS),
        (lambda x: tf.argsort(x, axis=-2), ROWS),
        (lambda x: tf.tensordot(x, ROWS[0], 1), ROWS),
        (lambda x: tf.tensordot(x, x, [[0, 1], [0, 1]]), ROWS),
        (tf.linalg.pinv, ROWS),
    ],
)
def test_composites_take_tensors_of_unknown_rank(function, value):
    traced = tf.function(function, input_signature=[tf.TensorSpec(None)])
    expected = function(tf.constant(value))
    found = traced(value)
    assert found.dtype == expected.dtype == traced.get_concrete_function().outputs[0].dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("inside", [False, True])
def test_gradients_of_composites_where_the_rank_is_open(inside):
    def function(x):
        return tf.reduce_sum(tf.sort(x) ** 2.0 * [1.0, 2.0, 3.0]) * tf.norm(tf.tensordot(x, x, 1))

    def gradients(f, x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = f(x)
            first = tape.gradient(y, x)
            total = tf.reduce_sum(first * first)
        return first, outer.gradient(total, x)

    x = tf.constant(ROWS[0])
    signature = [tf.TensorSpec(None)]
    if inside:
        found = tf.function(lambda x: gradients(function, x), input_signature=signature)(x)
    else:
        found = gradients(tf.function(function, input_signature=signature), x)
    for have, want in zip(found, gradients(function, x), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4)


def test_composites_of_unknown_rank_are_not_written_to_files(tmp_path):
    module = tf.Module()
    module.f = tf.function(tf.sort, input_signature=[tf.TensorSpec(None)])
    with pytest.raises(tf.errors.UnimplementedError, match="ensure_shape"):
        tf.saved_model.save(module, str(tmp_path))


def test_ranks_that_the_arguments_tell_need_no_cut_and_axes_stay_known():
    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec([], tf.bool)])
    def f(x, p):
        axis = tf.where(tf.rank(x) > 5, 0, tf.rank(x) - 1)
        return tf.cond(p, lambda: tf.expand_dims(x, axis), lambda: tf.reshape(x, [1, -1, 2]))

    assert f(tf.ones([3, 2]), True).shape == (3, 1, 2)
    assert f(tf.ones([3, 2]), False).shape == (1, 3, 2)


def test_branches_take_constants_that_say_axes_along():
    @tf.function(input_signature=[tf.TensorSpec(None), tf.TensorSpec([], tf.bool)])
    def f(x, p):
        axis = tf.constant(0)
        y = tf.cond(p, lambda: tf.expand_dims(x, axis), lambda: tf.reduce_sum(x, axis))
        return tf.reduce_sum(y, axis)

    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    assert f(x, True).numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert f(x, False).numpy() == 10.0


def _rows(turns, read):
    """Return what is read of an array whose elements are 0, 1, 2 ... numbers long."""

    @tf.function
    def made(n):
        rows = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False, clear_after_read=False)
        for i in tf.range(n):
            rows = rows.write(i, tf.fill([i], tf.cast(i, tf.float32)))
        return read(rows)

    return made(tf.constant(turns))


def test_arrays_of_elements_of_unknown_rank_tell_it_when_they_are_read():
    assert _rows(4, lambda rows: rows.concat()).numpy().tolist() == [1, 2, 2, 3, 3, 3]
    assert _rows(4, lambda rows: rows.read(2)).numpy().tolist() == [2, 2]
    assert _rows(4, lambda rows: rows.gather([3])).numpy().tolist() == [[3, 3, 3]]

    def total(rows):
        found = tf.constant(0.0)
        for i in tf.range(3):
            found += tf.reduce_sum(rows.read(i))
        return found

    assert float(_rows(4, total)) == 5


def test_elements_of_one_array_may_differ_in_rank():
    @tf.function
    def both(n):
        parts = tf.TensorArray(tf.float32, 2, infer_shape=False)
        parts = parts.write(0, tf.fill([n], 1.0)).write(1, tf.fill([n, n], 2.0))
        return parts.read(0), parts.read(1)

    assert [t.numpy().tolist() for t in both(tf.constant(2))] == [[1, 1], [[2, 2], [2, 2]]]

    @tf.function
    def popped(n):
        kept = tf.raw_ops.EmptyTensorList(element_shape=-1, max_num_elements=-1, element_dtype=tf.float32)
        for shape in ([n], [n, n]):
            kept = tf.raw_ops.TensorListPushBack(input_handle=kept, tensor=tf.fill(shape, 1.0))
        kept, last = tf.raw_ops.TensorListPopBack(input_handle=kept, element_shape=-1, element_dtype=tf.float32)
        _, first = tf.raw_ops.TensorListPopBack(input_handle=kept, element_shape=-1, element_dtype=tf.float32)
        return first, last

    assert [t.shape.as_list() for t in popped(tf.constant(2))] == [[2], [2, 2]]


def test_an_empty_array_of_unknown_elements_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="the list is empty"):
        _rows(0, lambda rows: rows.stack())


def test_gradients_flow_through_arrays_of_elements_of_unknown_rank():
    @tf.function
    def joined(n, x):
        parts = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False)
        for i in tf.range(n):
            parts = parts.write(i, x[: i + 1] * tf.cast(i + 1, tf.float32))
        return parts.concat()

    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(joined(tf.constant(3), x) ** 2)
    assert tape.gradient(y, x).numpy().tolist() == [28, 52, 54]
