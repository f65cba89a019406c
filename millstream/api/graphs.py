"""Graphs being traced, as objects: for shape inference on made-up inputs, as Keras does it."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, publish, root
from millstream.api.sparse import made
from millstream.base.dtypes import as_dtype, int64
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape, to_spec_shape
from millstream.base.spec import Spec
from millstream.execution.context import current_graph, forget_default_graph, graph_stack
from millstream.execution.func_graph import FuncGraph
from millstream.execution.graph import free_name
from millstream.execution.name_scope import NameScope
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.sparse_tensor import SparseTensor

publish("__internal__.FuncGraph", FuncGraph)


@public("compat.v1.placeholder")
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Any:
    """Add an input to the graph being traced; sizes that are None are known when it runs."""
    graph = current_graph()
    if graph is None:
        raise RuntimeError(explain("tf.placeholder() is not compatible with eager execution."))
    known = TensorShape(shape)
    return graph.placeholder(Spec(as_dtype(dtype), to_spec_shape(known)), free_name(name or "Placeholder"))


@public("compat.v1.sparse_placeholder", "compat.v1.sparse.placeholder")
def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """Add a sparse input to the graph being traced; sizes that are None are known when it runs.

    dtype: of the values. shape: of the dense tensor. Raises RuntimeError outside of a graph.
    """
    if current_graph() is None:
        raise RuntimeError(explain("`sparse_placeholder` is not compatible with eager execution."))
    known = TensorShape(shape)
    prefix = "" if name is None else f"{name}/"
    indices = placeholder(int64, [None, known.rank], f"{prefix}indices")
    values = placeholder(dtype, [None], f"{prefix}values")
    return made(indices, values, placeholder(int64, [known.rank], f"{prefix}shape"), known)


@public("compat.v1.ragged.placeholder")
def ragged_placeholder(dtype: Any, ragged_rank: int, value_shape: Any = None, name: str | None = None) -> Any:
    """Add a ragged input to the graph.

    Args:
      dtype: of the values.
      ragged_rank: how many axes are ragged.
      value_shape: the shape of one of the innermost values, None where it is not known.
      name: what the names of its tensors begin with.

    Raises:
      RuntimeError: ops run at once.
    """
    if current_graph() is None:
        raise RuntimeError(explain("`ragged_placeholder` is not compatible with eager execution."))
    with NameScope(name or "RaggedPlaceholder"):
        sizes = TensorShape([None]).concatenate(TensorShape(value_shape))
        values = placeholder(dtype, sizes, "flat_values")
        splits = [placeholder(int64, [None], f"row_splits_{i}") for i in range(ragged_rank)]
        return RaggedTensor.from_nested_row_splits(values, splits, validate=False)


@public("compat.v1.reset_default_graph")
def reset_default_graph() -> None:
    """Begin a new default graph on this thread.

    Raises:
      AssertionError: a graph is entered: leave it first.
    """
    if graph_stack():
        raise AssertionError(
            "Do not use tf.reset_default_graph() to clear nested graphs. If you need a cleared graph, exit the nesting and create "
            "a new graph."
        )
    forget_default_graph()


def load_importers(graph_def: Any) -> None:
    """Load what adds queues and summaries of files to graphs, where a GraphDef has some."""
    from millstream.execution.queue_operations import NODE_TYPES

    types = {node.op for node in getattr(graph_def, "node", ())}
    if not types.isdisjoint(NODE_TYPES):
        assert root().queue.QueueBase
    if any("Summary" in kind for kind in types):
        assert root().compat.v1.summary.merge


@public(
    "import_graph_def",
    "graph_util.import_graph_def",
    "compat.v1.import_graph_def",
    "compat.v1.graph_util.import_graph_def",
)
def import_graph_def(
    graph_def: Any,
    input_map: Any = None,
    return_elements: Any = None,
    name: str | None = None,
    op_dict: Any = None,
    producer_op_list: Any = None,
    *,
    allow_file_ops: bool = False,
) -> Any:
    """Add the nodes of a GraphDef to the graph being traced.

    Args:
      graph_def: the message.
      input_map: tensors that take the place of outputs in it, by `name` or `name:index`.
      return_elements: names of what is wanted: `name:index` for tensors, `name` for operations.
      name: what is put before all names, "import" without it, nothing for "".
      op_dict: accepted and not used.
      producer_op_list: an OpList of the ops of who wrote it: attributes that are not known here are left out where they
        have the defaults stated there.
      allow_file_ops: our own: whether the graph's ops may read and write files; without it, they may not.

    Returns:
      A list of tensors and operations; None without `return_elements`.

    Raises:
      TypeError: `graph_def` is no GraphDef.
      ValueError: a name is not in it, or its nodes do not fit together.
      tf.errors.NotFoundError: it has an op that is not declared here.
      tf.errors.PermissionDeniedError: it has an op that writes or lists files, or, when it runs, one that reads a file.
      RuntimeError: no graph is being traced.

    >>> graph = tf.Graph()
    >>> with graph.as_default():
    ...     x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
    ...     y = tf.add(x, 1.0, name="y")
    >>> definition = graph.as_graph_def()
    >>> f = tf.function(lambda x: tf.import_graph_def(definition, {"x": x}, ["y:0"])[0])
    >>> f(tf.constant([1.0, 2.0])).numpy().tolist()
    [2.0, 3.0]
    """
    from millstream.execution import (
        graph_definition,
        reference_variable,  # noqa: F401  (variables that are no resources)
    )
    from millstream.graph.file_ops import allowed_files

    load_importers(graph_def)
    files = allowed_files((), allow_file_ops)
    return graph_definition.import_graph_def(graph_def, input_map, return_elements, name, producer_op_list, files)
