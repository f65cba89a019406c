"""Graphs being traced, as objects: for shape inference on made-up inputs, as Keras does it."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, publish
from millstream.api.sparse import made
from millstream.base.dtypes import as_dtype, int64
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape, to_spec_shape
from millstream.base.spec import Spec
from millstream.execution.context import current_graph
from millstream.execution.func_graph import FuncGraph
from millstream.execution.sparse_tensor import SparseTensor

publish("__internal__.FuncGraph", FuncGraph)


@public("compat.v1.placeholder")
def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Any:
    """Add an input to the graph being traced; sizes that are None are known when it runs."""
    graph = current_graph()
    if graph is None:
        raise RuntimeError(explain("tf.placeholder() is not compatible with eager execution."))
    known = TensorShape(shape)
    return graph.placeholder(Spec(as_dtype(dtype), to_spec_shape(known)), name)


@public("compat.v1.sparse_placeholder")
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


@public("compat.v1.reset_default_graph")
def reset_default_graph() -> None:
    """Forget the default graph. There is none: a graph lives as long as the function traced into it."""
    if current_graph() is not None:
        raise AssertionError(
            "Do not use tf.reset_default_graph() to clear nested graphs: leave the traced function first."
        )
