"""Tests of GraphDef messages: written from graphs, put into graphs, with functions, control inputs and names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

import millstream as tf
from millstream.base.messages import message

TEXT = """
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "shape" value { shape { dim { size: -1 } dim { size: 2 } } } } }
node { name: "out" op: "Sum" input: "double" input: "axis" input: "^check"
  attr { key: "T" value { type: DT_FLOAT } } attr { key: "Tidx" value { type: DT_INT32 } } }
node { name: "axis" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
  attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 1 } } int_val: 1 } } } }
node { name: "double" op: "my_double" input: "x" }
node { name: "check" op: "NoOp" }
library { function {
  signature { name: "my_double" input_arg { name: "v" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT } }
  node_def { name: "sum" op: "AddV2" input: "v" input: "v" attr { key: "T" value { type: DT_FLOAT } } }
  ret { key: "r" value: "sum:z:0" } } }
versions { producer: 2474 }
"""


def parsed(text: str = TEXT) -> Any:
    return text_format.Parse(text, message("GraphDef")())


def test_a_graph_is_put_into_a_function_and_runs() -> None:
    f = tf.function(lambda x: tf.import_graph_def(parsed(), {"x": x}, ["out:0"])[0])
    assert f(tf.constant([[1.0, 2.0], [3.0, 4.0]])).numpy().tolist() == [6.0, 14.0]


def test_names_get_a_prefix_and_are_found_by_it() -> None:
    graph = tf.Graph()
    with graph.as_default():
        out, operation = tf.import_graph_def(parsed(), None, ["out:0", "out"], name="a")
        tf.import_graph_def(parsed(), name="a")
        tf.import_graph_def(parsed(), name="")
    assert out.name == "a/out:0" and operation.type == "Sum" and out.shape.as_list() == [None]
    names = [o.name for o in graph.get_operations()]
    assert {"a/x", "a/out", "a_1/out", "out", "x"} <= set(names)


def test_what_a_graph_is_written_as_is_read_as_the_same() -> None:
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], name="x")
        with tf.name_scope("layer"):
            w = tf.constant(np.arange(6, dtype=np.float32).reshape(3, 2), name="w")
            y = tf.nn.relu(tf.matmul(x, w, name="product") - 3.0, name="y")
            tf.cond(tf.reduce_sum(y) > 0, lambda: y + 1.0, lambda: y * 2.0)
    made = graph.as_graph_def()
    assert [n.op for n in made.node if n.name in ("x", "layer/w", "layer/product", "layer/y")] == [
        "Placeholder", "Const", "MatMul", "Relu",
    ]  # fmt: skip
    product = next(n for n in made.node if n.name == "layer/product")
    assert list(product.input) == ["x", "layer/w"] and product.attr["T"].type == tf.float32.as_datatype_enum
    assert len(made.library.function) == 2
    f = tf.function(lambda x: tf.import_graph_def(made, {"x": x}, ["layer/y:0"])[0])
    given = np.array([[1, -1, 0.5]], np.float32)
    np.testing.assert_allclose(f(given).numpy(), np.maximum(given @ np.arange(6).reshape(3, 2) - 3, 0))
    shapes = graph.as_graph_def(add_shapes=True).node[0].attr["_output_shapes"].list.shape[0]
    assert [d.size for d in shapes.dim] == [-1, 3]


def test_changes_of_variables_keep_their_order() -> None:
    v = tf.Variable(1.0)

    @tf.function
    def f():
        before = v.read_value()
        v.assign(before * 3.0)
        return v.read_value() + before

    made = f.get_concrete_function().graph.as_graph_def()
    nodes = {n.name: n for n in made.node}
    (write,) = (n for n in made.node if n.op == "AssignVariableOp")
    reads = [n.name for n in made.node if n.op == "ReadVariableOp"]
    assert f"^{reads[0]}" in write.input
    assert f"^{write.name}" in nodes[reads[1]].input


def test_what_is_not_there_is_named() -> None:
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="'nope:0' not found"):
            tf.import_graph_def(parsed(), return_elements=["nope:0"])
        with pytest.raises(ValueError, match=r"were not found in graph_def: \[zz:0\]"):
            tf.import_graph_def(parsed(), {"zz": tf.constant(1.0)})
        with pytest.raises(tf.errors.NotFoundError, match="Op type not registered 'Blub': the node 'axis'"):
            tf.import_graph_def(parsed(TEXT.replace('op: "Const"', 'op: "Blub"')))
        with pytest.raises(TypeError, match="must be a GraphDef"):
            tf.import_graph_def("text")
    with pytest.raises(RuntimeError, match="there is none"):
        tf.import_graph_def(parsed())


def test_attributes_that_are_not_known_need_their_writers_defaults() -> None:
    newer = parsed()
    newer.node[1].attr["turbo"].b = False
    with tf.Graph().as_default(), pytest.raises(ValueError, match="no attribute 'turbo'"):
        tf.import_graph_def(newer)
    ops = message("OpList")()
    attribute = ops.op.add(name="Sum").attr.add(name="turbo", type="bool")
    attribute.default_value.b = False
    with tf.Graph().as_default():
        tf.import_graph_def(newer, producer_op_list=ops)


def test_a_graph_is_written_to_a_file(tmp_path: Any) -> None:
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="one")
    text = tf.io.write_graph(graph, str(tmp_path), "graph.pbtxt")
    binary = tf.io.write_graph(graph, str(tmp_path), "graph.pb", as_text=False)
    with open(text, encoding="utf-8") as a, open(binary, "rb") as b:
        assert text_format.Parse(a.read(), message("GraphDef")()) == message("GraphDef").FromString(b.read())


def test_devices_that_were_asked_for_go_with_a_graph_and_come_back() -> None:
    with tf.Graph().as_default() as graph:
        with tf.device("/job:ps"):
            fed = tf.compat.v1.placeholder(tf.float32, [], name="fed")
            with tf.device("/cpu:1"):
                tf.identity(fed, name="there")
        tf.identity(fed, name="anywhere")
    written = graph.as_graph_def()
    wanted = {"fed": "/job:ps", "there": "/job:ps/device:CPU:1", "anywhere": ""}
    assert {node.name: node.device for node in written.node} == wanted
    with tf.Graph().as_default() as again, tf.device("/gpu:0"):
        tf.import_graph_def(written, name="")
    for name, own in (("fed", "/job:ps/device:GPU:0"), ("there", wanted["there"]), ("anywhere", "/device:GPU:0")):
        assert again.get_operation_by_name(name).device == own
