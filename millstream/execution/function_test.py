"""Tests of traced functions: when they are traced again, what they capture, and what they refuse."""

# mypy: ignore-errors

from __future__ import annotations

import gc

import numpy as np
import pytest

import millstream as tf
from millstream.base import errors


def counted(**options):
    """Return a function of two arguments that counts its traces."""
    traces = []

    @tf.function(**options)
    def double(x, factor=2.0):
        traces.append(x.shape.as_list() if hasattr(x, "shape") else x)
        return x * factor

    return double, traces


def test_one_trace_serves_all_calls_of_one_kind():
    double, traces = counted()
    assert [float(double(tf.constant(v))) for v in (1.0, 2.0, 3.0)] == [2.0, 4.0, 6.0]
    assert traces == [[]]
    assert double.experimental_get_tracing_count() == 1


def test_another_element_type_shape_or_python_value_traces_again():
    double, traces = counted()
    double(tf.constant(1.0))
    double(tf.constant([1.0]))
    double(tf.constant(1.0), 3.0)
    double(tf.constant(1.0, tf.float64), tf.constant(1.0, tf.float64))
    assert len(traces) == 4
    double(x=tf.constant(1.0), factor=3.0)
    assert len(traces) == 4


def test_sizes_that_vary_are_left_open_when_asked():
    double, traces = counted(reduce_retracing=True)
    for n in range(1, 6):
        np.testing.assert_array_equal(double(tf.ones([n, 3])).numpy(), np.full([n, 3], 2.0))
    assert traces == [[1, 3], [None, 3]]


def test_sizes_that_keep_varying_are_left_open_unasked():
    double, traces = counted()
    for n in range(1, 20):
        double(tf.ones([n]))
    assert len(traces) == 6
    assert traces[-1] == [None]


def test_an_input_signature_allows_one_trace_and_refuses_other_shapes():
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def double(x):
        return x + x

    assert double([[1, 2]]).numpy().tolist() == [[2.0, 4.0]]
    assert double(np.ones([3, 2], np.float32)).shape.as_list() == [3, 2]
    assert double.experimental_get_tracing_count() == 1
    with pytest.raises(TypeError, match="Can not cast TensorSpec"):
        double(tf.ones([3]))


def test_structures_and_none_go_in_and_out():
    @tf.function
    def swap(pair):
        return {"a": pair["b"], "rest": [None, (pair["a"],)]}

    found = swap({"a": tf.constant(1.0), "b": tf.constant(2)})
    assert int(found["a"]) == 2
    assert found["rest"][0] is None
    assert float(found["rest"][1][0]) == 1.0


def test_variables_are_made_on_the_first_call_only():
    class Layer:
        def __init__(self):
            self.weight = None

        @tf.function
        def __call__(self, x):
            if self.weight is None:
                self.weight = tf.Variable(2.0)
            return x * self.weight

    layer, other = Layer(), Layer()
    assert float(layer(tf.constant(3.0))) == 6.0
    layer.weight.assign(5.0)
    assert float(layer(tf.constant(3.0))) == 15.0
    assert float(other(tf.constant(3.0))) == 6.0

    @tf.function
    def wrong(x):
        return tf.Variable(1.0) * x

    with pytest.raises(ValueError, match=r"only supports singleton tf\.Variables"):
        wrong(tf.constant(1.0))


def test_a_method_does_not_keep_its_object_alive():
    class Model:
        @tf.function
        def call(self, x):
            return x + 1.0

    model = Model()
    model.call(tf.constant(1.0))
    import weakref

    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_variables_are_captured_by_reference_and_listed():
    v, fixed = tf.Variable(1.0), tf.Variable(2.0, trainable=False)

    @tf.function
    def add(x):
        return x + v + fixed

    assert float(add(tf.constant(1.0))) == 4.0
    v.assign(10.0)
    assert float(add(tf.constant(1.0))) == 13.0
    concrete = add.get_concrete_function(tf.constant(1.0))
    assert {id(x) for x in concrete.variables} == {id(v), id(fixed)}
    assert [id(x) for x in concrete.trainable_variables] == [id(v)]
    assert len(concrete.captured_inputs) == 2


def test_functions_call_functions_with_what_they_capture():
    @tf.function
    def outer(a):
        @tf.function
        def inner(b):
            return a * b

        return inner(a) + inner(a * 2.0)

    assert float(outer(tf.constant(3.0))) == 27.0


def test_a_tensor_leaked_from_a_trace_is_refused():
    leaked = []

    @tf.function
    def leak(x):
        leaked.append(x * 2.0)
        return x

    leak(tf.constant(1.0))
    with pytest.raises(TypeError, match="out of scope"):
        _ = leaked[0] + 1.0

    with pytest.raises(errors.InaccessibleTensorError, match="not accessible here"):
        tf.function(lambda x: x + leaked[0])(tf.constant(1.0))


def test_a_constant_that_a_tape_follows_later_is_differentiated():
    x = tf.constant(3.0)

    @tf.function
    def square():
        return x * x

    assert float(square()) == 9.0
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = square()
    assert float(tape.gradient(y, x)) == 6.0


def test_run_functions_eagerly_runs_the_python_code():
    double, traces = counted()
    double(tf.constant(1.0))
    tf.config.run_functions_eagerly(True)
    try:
        assert tf.config.functions_run_eagerly()
        double(tf.constant(1.0))
        double(tf.constant(1.0))
    finally:
        tf.config.run_functions_eagerly(False)
    assert len(traces) == 3


def test_a_concrete_function_is_called_by_position_or_name():
    double, _ = counted()
    concrete = double.get_concrete_function(tf.TensorSpec([None], tf.float32))
    assert concrete(tf.constant([1.0, 2.0])).numpy().tolist() == [2.0, 4.0]
    assert concrete(x=tf.constant([1.0])).numpy().tolist() == [2.0]
    assert concrete.structured_input_signature[0][0] == tf.TensorSpec([None], tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"convert it with tf\.cast"):
        concrete(tf.constant([1]))


def test_what_is_no_tensor_cannot_be_returned():
    with pytest.raises(TypeError, match="must return zero or more Tensors"):
        tf.function(lambda: object())()


def test_the_first_element_of_an_iterator_is_taken_before_the_call():
    dataset = tf.data.Dataset.from_generator(
        lambda: (np.full([n, 2], n, np.float32) for n in (1, 2, 1)),
        output_signature=tf.TensorSpec([None, 2], tf.float32),
    )
    iterator = iter(dataset)

    @tf.function
    def step(it):
        x = it.get_next()
        return tf.reduce_sum(x), tf.shape(x)

    assert [[float(a), b.numpy().tolist()] for a, b in (step(iterator) for _ in range(3))] == [
        [2.0, [1, 2]],
        [8.0, [2, 2]],
        [2.0, [1, 2]],
    ]
    with pytest.raises(errors.OutOfRangeError):
        step(iterator)


def test_python_functions_run_inside_of_graphs_and_are_differentiated():
    @tf.function
    def cube(x):
        y = tf.py_function(lambda a: a * a * a, [x], tf.float32)
        y.set_shape(x.shape)
        return y * 2.0

    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = cube(x)
    assert y.numpy().tolist() == [2.0, 16.0]
    assert tape.gradient(y, x).numpy().tolist() == [6.0, 24.0]


def test_print_writes_tensors_as_tensorflow_does(capsys):
    import sys

    tf.print(1.0, tf.constant([1.0, 2.5]), "a", tf.constant("b"), {"k": tf.constant([1, 2])}, output_stream=sys.stdout)
    tf.function(lambda x: tf.print("x is", x, tf.range(10), output_stream=sys.stdout))(tf.constant(3.0))
    assert capsys.readouterr().out == "1.0 [1 2.5] a \"b\" {'k': [1 2]}\nx is 3 [0 1 2 ... 7 8 9]\n"


def test_an_assertion_stops_the_run_and_shows_its_data():
    @tf.function
    def checked(x):
        tf.debugging.Assert(x > 2.0, [x, "is small"])
        return x

    assert float(checked(tf.constant(3.0))) == 3.0
    with pytest.raises(errors.InvalidArgumentError, match=r"assertion failed.*is small"):
        checked(tf.constant(1.0))


def test_a_report_says_why_a_trace_was_made(capsys, monkeypatch):
    import dataclasses

    from millstream.base import flags
    from millstream.execution import function

    shown = dataclasses.replace(flags.flags(), show=frozenset(["retrace"]))
    monkeypatch.setattr(function, "flags", lambda: shown)
    double, _ = counted(reduce_retracing=True)
    double(tf.ones([2]))
    double(tf.ones([3]))
    double(tf.ones([3]), 5.0)
    text = capsys.readouterr().err
    assert "x: shape (3,) instead of (2,)" in text
    assert "sizes that vary are left open now: float32[None]" in text
    assert "factor: 5.0 instead of 2.0" in text


def test_a_function_that_nobody_holds_is_freed_with_its_programs():
    from millstream.program.value import Program

    def use():
        @tf.function
        def loop(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x), (0, x))[1]
            return tape.gradient(y, x)

        x = tf.constant(2.0)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = loop(x)
        return float(tape.gradient(y, x))

    def living():
        gc.collect()
        return sum(isinstance(o, Program) for o in gc.get_objects())

    assert use() == 48.0
    before = living()
    use()
    assert living() == before


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function])
def test_what_python_code_inside_of_graphs_raises_comes_as_an_error_of_tensorflow(wrap):
    def failing(error):
        def call(_):
            raise error

        return wrap(lambda: tf.py_function(call, [1], tf.int32))

    for error, expected in (
        (ValueError("odd"), tf.errors.InvalidArgumentError),
        (NotImplementedError("odd"), tf.errors.UnimplementedError),
        (KeyError("odd"), tf.errors.UnknownError),
    ):
        with pytest.raises(expected, match=f"{type(error).__name__}: .*odd(.|\n)*Traceback"):
            failing(error)()


def test_a_size_is_bound_before_the_chains_that_need_it_run() -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.float32)])
    def first_counted(x):
        counts = tf.cumsum(tf.math.bincount(tf.cast(tf.reshape(x, [-1]), tf.int32), minlength=8))
        return tf.gather(counts, tf.where(counts)[0][0])

    assert int(first_counted(tf.fill([2, 2, 3], 3.0))) == 12


def test_signatures_are_shown_in_tensorflows_form():
    v = tf.Variable(1.0)

    @tf.function
    def step(x, *rest, k=3, **more):
        return {"a": x + v, "b": [x, None]}

    concrete = step.get_concrete_function(
        tf.TensorSpec([None, 2]), 5, [1, (2, tf.TensorSpec([]))], k=tf.TensorSpec([]), z={"q": 1.5, "r": True}
    )
    whole, scalar = (f"TensorSpec(shape={s}, dtype=tf.float32, name=None)" for s in ("(None, 2)", "()"))
    assert concrete.pretty_printed_signature(verbose=False) == (
        f"(x: {whole}, args_0: Literal[5], args_1: List[Literal[1], Tuple[Literal[2], {scalar}]], /, *, k: {scalar}, "
        f"z: Dict[['q', Literal[1.5]], ['r', Literal[True]]]) -> Dict[['a', {whole}], ['b', List[{whole}, Literal[None]]]]"
    )
    lines = str(concrete).split("\n")
    assert lines[:3] == [
        "ConcreteFunction Input Parameters:",
        f"  x (POSITIONAL_ONLY): {whole}",
        "  args_0 (POSITIONAL_ONLY): Literal[5]",
    ]
    assert lines[-2] == "Captures:" and lines[-1].endswith(": TensorSpec(shape=(), dtype=tf.resource, name=None)")


def test_a_known_length_chooses_branches_while_tracing():
    @tf.function
    def sizes(x):
        shape = tf.shape(x)
        if len(shape) == 2:
            result = shape[0]
        else:
            result = 1.0
            for size in shape[:-2]:
                result *= size
        return result

    assert sizes.get_concrete_function(tf.TensorSpec([None, None]))(tf.ones([7, 4])).numpy() == 7


def test_attributes_of_a_callable_object_are_found_on_its_function():
    class Scale(tf.Module):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable(2.0)

        def __call__(self, x):
            return self.factor * x

    scale = Scale()
    function = tf.function(scale)
    assert function.factor is scale.factor
    assert function(tf.constant(3.0)).numpy() == 6


def test_modules_of_one_name_have_scopes_of_their_own_in_a_graph():
    class Badger(tf.Module):
        pass

    with tf.Graph().as_default():
        names = [Badger().name_scope.name for _ in range(2)]
    assert names == ["badger/", "badger_1/"]
    assert [Badger().name_scope.name for _ in range(2)] == ["badger/", "badger/"]


def test_a_reshape_says_how_many_values_there_are_and_which_size_is_negative():
    with pytest.raises(tf.errors.InvalidArgumentError, match="a tensor with 6 values, but the requested shape has 4"):
        tf.reshape(tf.ones([2, 3]), [4])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Size 2 must be non-negative, not -2"):
        tf.reshape(tf.ones([1, 2, 3]), [1, 1, -2])


def test_a_list_difference_of_scalars_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="x should be a 1D vector"):
        tf.raw_ops.ListDiff(x=1, y=[2])
