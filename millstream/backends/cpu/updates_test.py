"""Tests that variables are updated in their own bytes, and that nobody who holds older ones notices."""

import numpy as np

import millstream as tf
from millstream.backends.cpu.target import CPU
from millstream.compiler.pipeline import lower, write_function
from millstream.compiler.plan import ModuleWriter
from millstream.execution.context import tracing
from millstream.execution.func_graph import FuncGraph
from millstream.execution.specs import spec_of


def kernels(function):
    """Return the names of the instructions of a traced function of no arguments."""
    graph = FuncGraph("step")
    with tracing(graph):
        result = function()
        graph.program.outputs = [] if result is None else [graph.value_of(result)]
    module = ModuleWriter()
    captured = [spec_of(tensor) for tensor, _ in graph.external_captures()]
    write_function(module, lower(graph.program, captured, CPU), CPU)
    return [item.kernel for item in module.functions[0].instructions]


def test_adding_to_a_variable_is_one_edit():
    v = tf.Variable([1.0, 2.0])
    assert kernels(lambda: v.assign_add([1.0, 1.0], read_value=False)) == ["state_edit", "fused"]


def test_a_step_of_two_variables_edits_both():
    w, m = tf.Variable([1.0, 2.0]), tf.Variable([0.0, 0.0])

    def step():
        m.assign(m * 0.5 + [1.0, 3.0])
        w.assign_sub(m * 0.25, read_value=False)

    assert sorted(set(kernels(step))) == ["fused", "state_edit"]
    tf.function(step, autograph=False)()
    np.testing.assert_allclose(m, [1.0, 3.0])
    np.testing.assert_allclose(w, [0.75, 1.25])


def test_an_old_value_that_is_returned_is_kept():
    v = tf.Variable([1.0, 2.0])

    def step():
        old = v.value()
        v.assign(old + 1.0)
        return old

    assert "state_write" in kernels(step)
    assert tf.function(step, autograph=False)().numpy().tolist() == [1.0, 2.0]
    assert v.numpy().tolist() == [2.0, 3.0]


def test_an_old_value_that_is_used_after_the_write_is_kept():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])

    def step():
        old = v.value()
        v.assign(old * 2.0)
        return old @ old

    np.testing.assert_allclose(tf.function(step, autograph=False)(), [[7.0, 10.0], [15.0, 22.0]])
    np.testing.assert_allclose(v, [[2.0, 4.0], [6.0, 8.0]])


def test_two_variables_given_one_value_part_again():
    v, w = tf.Variable([1.0, 2.0]), tf.Variable([10.0, 20.0])

    @tf.function(autograph=False)
    def step():
        both = v + w
        v.assign(both)
        w.assign(both)
        v.assign_add([1.0, 1.0])

    step()
    step()
    assert w.numpy().tolist() == [23.0, 45.0]
    assert v.numpy().tolist() == [24.0, 46.0]


def test_tensors_that_share_bytes_with_a_variable_keep_theirs():
    given = tf.constant([1.0, 2.0])
    v = tf.Variable(given)
    before = v.value()
    copy = tf.Variable(v)
    v.assign_add([1.0, 1.0])
    tf.function(lambda: v.assign_add([1.0, 1.0], read_value=False), autograph=False)()
    assert v.numpy().tolist() == [3.0, 4.0]
    for other in (given, before, copy):
        assert other.numpy().tolist() == [1.0, 2.0]


def test_a_value_returned_with_its_write_does_not_change_later():
    v = tf.Variable([1.0, 2.0])

    @tf.function(autograph=False)
    def step():
        value = v + 1.0
        v.assign(value)
        return value

    first = step()
    step()
    assert first.numpy().tolist() == [2.0, 3.0]
    assert v.numpy().tolist() == [3.0, 4.0]


def test_broadcast_old_values_are_not_overwritten():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])

    @tf.function(autograph=False)
    def step():
        v.assign(v + v[0])

    step()
    assert v.numpy().tolist() == [[2.0, 4.0], [4.0, 6.0]]


def test_what_is_written_from_a_matrix_product_is_not_copied():
    v = tf.Variable(np.eye(2, dtype=np.float32))
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])

    def step():
        v.assign(v @ x)

    assert "copy" not in kernels(step)
    tf.function(step, autograph=False)()
    tf.function(step, autograph=False)()
    np.testing.assert_allclose(v, [[7.0, 10.0], [15.0, 22.0]])


def test_what_two_readings_of_a_variable_lead_to_is_computed_once():
    step, a, b = tf.Variable(3.0), tf.Variable([1.0, 2.0]), tf.Variable([[1.0]])

    def update():
        for v in (a, b):
            v.assign_sub(v * tf.exp(step.value()), read_value=False)

    assert kernels(update).count("fused") == 3
    tf.function(update, autograph=False)()
    np.testing.assert_allclose(a, np.float32([1.0, 2.0]) * (1 - np.exp(np.float32(3))), rtol=1e-6)
    np.testing.assert_allclose(b, [[1 - np.exp(np.float32(3))]], rtol=1e-6)


def test_changed_rows_go_straight_into_the_variable_and_its_slot():
    w, m = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), tf.Variable(tf.zeros([3, 2]))

    def step():
        rows = {"lr": 0.5, "grad": [[1.0, 1.0]], "indices": [1], "momentum": 0.9}
        tf.raw_ops.ResourceSparseApplyMomentum(var=w.handle, accum=m.handle, **rows)

    used = kernels(step)
    assert used.count("state_edit") == 2 and "state_write" not in used and "state_read" not in used
    before = w.value()
    tf.function(step, autograph=False)()
    assert w.numpy().tolist() == [[1.0, 2.0], [2.5, 3.5], [5.0, 6.0]]
    assert m.numpy().tolist() == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    assert before.numpy().tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def test_rows_that_are_changed_by_the_variable_itself_are_not_edited():
    v = tf.Variable([0, 2, 1])

    def step():
        old = v.value()
        v.assign(tf.tensor_scatter_nd_update(old, tf.reshape(old, [3, 1]), [5, 6, 7]))

    assert "state_write" in kernels(step)
    tf.function(step, autograph=False)()
    assert v.numpy().tolist() == [5, 7, 6]
