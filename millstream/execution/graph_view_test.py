"""Tests what users see of a graph being traced."""

import pytest

import millstream as tf


@pytest.fixture
def graph():
    made = tf.__internal__.FuncGraph("k")
    with made.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], name="in")
        y = x + x
        with tf.name_scope("s"):
            y = y * x
        with tf.name_scope("s"):
            tf.negative(y)
    return made


def test_operations_have_the_names_of_their_scopes(graph):
    assert [op.name for op in graph.get_operations()] == ["in", "add", "s/mul", "s_1/Neg"]
    assert [op.type for op in graph.get_operations()] == ["Placeholder", "AddV2", "Mul", "Neg"]


def test_tensors_are_found_by_name(graph):
    tensor = graph.get_tensor_by_name("s/mul:0")
    assert tensor.op is graph.get_operation_by_name("s/mul")
    assert tensor.op.inputs[0] is graph.get_tensor_by_name("add:0")
    assert tensor.shape.as_list() == [None, 3]
    assert [op.name for op in tensor.consumers()] == ["s_1/Neg"]
    assert graph.as_graph_element("add:0") is tensor.op.inputs[0]


@pytest.mark.parametrize(
    ("name", "error"), [("nope:0", KeyError), ("add:1", KeyError), ("add", ValueError), (3, TypeError)]
)
def test_names_of_nothing_are_refused(graph, name, error):
    with pytest.raises(error):
        graph.get_tensor_by_name(name)


def test_inside_a_graph_nothing_runs_eagerly(graph):
    assert tf.executing_eagerly()
    with graph.as_default():
        assert not tf.executing_eagerly()
        assert graph.get_name_scope() == ""
        with tf.name_scope("t"):
            assert graph.get_name_scope() == "t"
    assert tf.executing_eagerly()


def test_variables_in_use_are_listed():
    graph = tf.__internal__.FuncGraph("k")
    v, w = tf.Variable(1.0), tf.Variable(2.0, trainable=False)
    with graph.as_default():
        v + w
    assert [variable is known for variable, known in zip(graph.variables, (v, w))] == [True, True]
    assert len(graph.trainable_variables) == 1


def test_a_placeholder_needs_a_graph():
    with pytest.raises(RuntimeError, match="eager"):
        tf.compat.v1.placeholder(tf.float32)


def test_a_variable_is_not_changed_by_an_operator():
    v = tf.Variable(1.0)
    with pytest.raises(RuntimeError, match="assign_add"):
        v += 1.0


def test_operations_get_the_names_that_are_asked_for():
    graph = tf.__internal__.FuncGraph("k")
    with graph.as_default():
        x = tf.constant([1.0], name="c")
        named = [tf.add(x, x, name="sum"), tf.add(x, x, name="sum"), tf.exp(x, name="power"), tf.exp(x)]
    assert x.name == "c:0"
    assert [tensor.name for tensor in named] == ["sum:0", "sum_1:0", "power:0", "Exp:0"]
