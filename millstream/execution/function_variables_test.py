"""Tests variables as arguments of traced functions: one trace for all of a kind, whichever they are."""

import gc
import weakref

import numpy as np
import pytest

import millstream as tf


def counting(function):
    """Return `function` traced, with the names of the variables that it was traced with."""
    seen = []

    @tf.function
    def traced(*args):
        seen.append([type(a).__name__ for a in args])
        return function(*args)

    return traced, seen


def test_variables_of_one_kind_share_a_trace():
    f, seen = counting(lambda v, x: v.assign_add(x) * 2.0)
    a, b = tf.Variable(1.0), tf.Variable(2.0)
    assert [f(a, 1.0).numpy(), f(b, 1.0).numpy(), f(a, 1.0).numpy()] == [4.0, 6.0, 6.0]
    assert (a.numpy(), b.numpy()) == (3.0, 3.0)
    assert seen == [["ResourceVariable", "float"]]


def test_other_element_types_shapes_and_trainability_are_other_kinds():
    f, seen = counting(lambda v: v + 1)
    for v in (tf.Variable(1.0), tf.Variable(1), tf.Variable([1.0]), tf.Variable(1.0, trainable=False)):
        f(v)
    assert len(seen) == 4


def test_a_trace_for_an_open_size_serves_all_sizes():
    f, seen = counting(tf.reduce_sum)
    values = [f(tf.Variable(v, shape=[None])).numpy() for v in ([1.0, 2.0], [1.0])]
    values += [f(tf.Variable(v)).numpy() for v in ([1.0, 2.0, 4.0], [1.0])]
    assert values == [3.0, 1.0, 7.0, 1.0]
    assert len(seen) == 1


def test_the_same_variable_twice_is_another_trace():
    def body(v, w):
        v.assign(5.0)
        w.assign(7.0)
        return v + w

    f, seen = counting(body)
    a, b = tf.Variable(0.0), tf.Variable(0.0)
    assert [f(a, b).numpy(), f(a, a).numpy(), f(b, a).numpy(), f(b, b).numpy()] == [12.0, 14.0, 12.0, 14.0]
    assert len(seen) == 2


def test_a_variable_may_be_an_argument_and_captured_at_once():
    kept = tf.Variable(0.0)

    def body(v, n):
        total = tf.constant(0.0)
        for _ in tf.range(n):
            total += kept
            v.assign_add(1.0)
            total += kept
        return total

    f, seen = counting(body)
    other = tf.Variable(0.0)
    two = tf.constant(2)
    assert [f(other, two).numpy(), f(kept, two).numpy(), f(other, two).numpy(), f(kept, two).numpy()] == [0, 4, 8, 12]
    assert len(seen) == 2
    with pytest.raises(ValueError, match="captures"):
        f.get_concrete_function(other, two)(kept, two)


def test_gradients_flow_to_the_variable_that_was_given():
    @tf.function
    def loss(v, x):
        return v * v * x

    a, b, x = tf.Variable(2.0), tf.Variable(3.0), tf.constant(5.0)
    for v, expected in ((a, 20.0), (b, 30.0)):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as tape:
                y = loss(v, x)
            first = tape.gradient(y, v)
        assert first.numpy() == expected
        assert outer.gradient(first, v).numpy() == 10.0
        assert tape.watched_variables() == (v,)


def test_a_tape_inside_follows_the_variable_that_was_given():
    @tf.function
    def gradients(v, fixed, flag):
        with tf.GradientTape() as tape:
            if flag:
                y = v * v * fixed
            else:
                y = v * fixed
            for _ in tf.range(2):
                y = y * v
        assert tape.watched_variables() == (v,)
        return tape.gradient(y, [v, fixed])

    fixed = tf.Variable(3.0, trainable=False)
    for value in (2.0, 4.0):
        v = tf.Variable(value)
        with_square, rest = gradients(v, fixed, tf.constant(True))
        assert rest is None
        assert with_square.numpy() == 12.0 * value**3
        assert gradients(v, fixed, tf.constant(False))[0].numpy() == 9.0 * value**2
    assert gradients.experimental_get_tracing_count() == 1


def test_functions_called_inside_share_their_trace_too():
    f, seen = counting(lambda v, x: v.assign_add(x) * 2.0)

    @tf.function
    def outer(v, w):
        return f(v, 1.0) + f(w, 1.0)

    a, b = tf.Variable(1.0), tf.Variable(2.0)
    assert [outer(a, b).numpy(), outer(b, a).numpy(), outer(a, a).numpy()] == [10.0, 14.0, 18.0]
    assert len(seen) == 1
    assert outer.experimental_get_tracing_count() == 2


def test_variables_in_lists_and_dictionaries_are_arguments():
    @tf.function
    def step(variables, options):
        for v in variables:
            v.assign_sub(options["rate"] * v)
        return tf.add_n([v.value() for v in variables])

    a, b = tf.Variable(1.0), tf.Variable(2.0)
    assert step([a, b], {"rate": tf.constant(0.5)}).numpy() == 1.5
    assert step([b, a], {"rate": tf.constant(0.5)}).numpy() == 0.75
    assert step.experimental_get_tracing_count() == 1


def test_a_concrete_function_takes_any_variable_of_its_kind():
    @tf.function
    def f(v, x):
        return v.assign_add(x)

    a, b = tf.Variable(1.0, name="a"), tf.Variable(10.0)
    concrete = f.get_concrete_function(a, tf.TensorSpec([]))
    assert concrete(b, tf.constant(1.0)).numpy() == 11.0
    assert a.numpy() == 1.0
    assert concrete.variables == ()
    assert concrete.captured_inputs == []
    assert str(concrete.structured_input_signature[0][0]) == (
        "VariableSpec(shape=(), dtype=tf.float32, trainable=True, alias_id=0)"
    )
    with pytest.raises(TypeError):
        concrete(tf.constant(1.0), tf.constant(1.0))
    with pytest.raises(TypeError, match="Can not cast"):
        concrete(tf.Variable([1.0]), tf.constant(1.0))


def test_a_trace_does_not_keep_the_variable_that_it_was_made_with():
    f, _ = counting(lambda v: v + 1.0)
    v = tf.Variable(1.0)
    f(v)
    gone = weakref.ref(v)
    del v
    gc.collect()
    assert gone() is None
    assert f(tf.Variable(2.0)).numpy() == 3.0


def test_a_variable_has_the_class_that_tensorflow_gives_it():
    v = tf.Variable([1.0], name="v")
    assert type(v).__name__ == "ResourceVariable"
    assert repr(v) == "<tf.Variable 'v:0' shape=(1,) dtype=float32, numpy=array([1.], dtype=float32)>"
    np.testing.assert_array_equal(v, [1.0])


class Held:
    """Keeps what a function makes in its first call."""

    v = None


def growing(initial, change, **options):
    """Return a function that makes a variable in its first call and changes it in later ones, and what it keeps."""
    held = Held()

    @tf.function(**options)
    def f(x):
        if held.v is None:
            held.v = tf.Variable(initial(x))
        else:
            change(held.v, x)
        return held.v * x

    return f, held


@pytest.mark.parametrize(
    ("initial", "expected"), [(lambda x: 2.0, [15.0, 36.0, 70.0]), (lambda x: x * 2.0, [18.0, 40.0, 75.0])]
)
def test_what_a_function_does_where_its_variables_exist_is_another_trace(initial, expected):
    f, held = growing(initial, lambda v, x: v.assign_add(x))
    assert [f(tf.constant(x)).numpy() for x in (3.0, 4.0, 5.0)] == expected
    assert held.v.numpy() == expected[-1] / 5
    assert f.experimental_get_tracing_count() == 2
    assert len(f._list_all_concrete_functions()) == 1


def test_an_initial_value_that_needs_an_argument_is_the_first_calls():
    f, held = growing(lambda x: x * 2.0, lambda v, x: None, input_signature=[tf.TensorSpec([None])])
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    by_x, by_v = tape.gradient(y, [x, held.v])
    assert (y.numpy().tolist(), by_x.numpy().tolist(), by_v.numpy().tolist()) == ([2, 8], [2, 4], [1, 2])
    assert held.v.shape.as_list() == [None]
    assert f(tf.constant([1.0, 3.0])).numpy().tolist() == [2, 12]


def test_an_initial_value_may_come_of_a_variable_that_the_first_call_sets():
    kept = []

    @tf.function
    def g(x):
        if not kept:
            kept.append(tf.Variable(x * 2.0))
            kept.append(tf.Variable(kept[0] * 3.0))
        return kept[0] + kept[1]

    assert [g(tf.constant(x)).numpy() for x in (1.0, 5.0)] == [8.0, 8.0]


def test_a_first_call_within_another_function_sets_variables_once():
    f, _ = growing(lambda x: x * 2.0, lambda v, x: v.assign_add(x))
    outer = tf.function(lambda x: f(x) + 1.0)
    assert [outer(tf.constant(x)).numpy() for x in (3.0, 4.0, 5.0)] == [19.0, 41.0, 76.0]
    assert f(tf.constant(1.0)).numpy() == 16.0


def test_a_trace_is_not_given_before_the_first_call_has_set_its_variables():
    f, _ = growing(lambda x: x * 2.0, lambda v, x: None)
    with pytest.raises(ValueError, match="Call the function once"):
        f.get_concrete_function(tf.TensorSpec([]))
    assert f(tf.constant(3.0)).numpy() == 18.0
    assert f.get_concrete_function(tf.TensorSpec([]))(tf.constant(2.0)).numpy() == 12.0


def test_variables_made_at_each_call_are_refused_at_the_first():
    made = []

    @tf.function
    def f(x):
        made.append(tf.Variable(x))
        return made[-1] + 1.0

    with pytest.raises(ValueError, match="created on the first call"):
        f(tf.constant(1.0))


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("factor", [lambda x: 1.0, lambda x: x])
def test_random_initial_values_are_those_of_the_functions_seeds(called, factor):
    tf.random.set_seed(1)

    def initial(x):
        return (lambda: tf.random.normal([2]) * factor(x)) if called else tf.random.normal([2]) * factor(x)

    f, held = growing(initial, lambda v, x: None)
    f(tf.constant(1.0))
    assert held.v.numpy() == pytest.approx([0.30520469, 0.56713778], abs=1e-7)
    assert tf.random.normal([1]).numpy() == pytest.approx([-1.1012203], abs=1e-6)


def test_a_variable_is_known_by_its_id_in_every_trace_that_takes_it():
    known, kept = {}, []

    @tf.function
    def step(variable, rate):
        if not kept:
            kept.append(tf.Variable(0.0))
        known.setdefault(variable._unique_id, kept[0])
        known[variable._unique_id].assign_add(rate)
        return variable - known[variable._unique_id]

    weight = tf.Variable(2.0)
    assert step(weight, 0.5).numpy() == 1.5
    assert step(weight, 1).numpy() == 0.5
    assert list(known) == [weight._unique_id]
