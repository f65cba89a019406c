"""tf.compat.v1.train's global step: the variable that counts training steps."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.context import current_graph, executing_eagerly
from millstream.execution.variable import VariableAggregation, is_resource_variable
from millstream.version_1.variables.keys import GraphKeys, collecting_graph, get_collection
from millstream.version_1.variables.scope import get_variable

tf: Any = root()


def _in_graph(graph: Any) -> Any:
    """Return what makes `graph` the default one."""
    return (collecting_graph() if graph is None else graph).as_default()


@public("compat.v1.train.global_step")
def global_step(sess: Any, global_step_tensor: Any) -> int:
    """Return the number that the global step holds in a session.

    Args:
      sess: the session; not used where ops run at once.
      global_step_tensor: the variable, or a tensor of it.
    """
    if executing_eagerly() and not hasattr(global_step_tensor, "graph"):
        return int(global_step_tensor.numpy())
    return int(sess.run(global_step_tensor))


@public("compat.v1.train.get_global_step")
def get_global_step(graph: Any = None) -> Any:
    """Return the global step of a graph; None where there is none.

    Raises:
      TypeError: what is called so is no integer variable, or there are several.
    """
    found = _of_graph(graph, GraphKeys.GLOBAL_STEP)
    if len(found) > 1:
        raise RuntimeError(explain(f"There are {len(found)} global steps; a graph has one."))
    if found:
        step = found[0]
    else:
        graph = current_graph() if graph is None else graph
        if graph is None:
            return None
        named = [v for v in _of_graph(graph, GraphKeys.GLOBAL_VARIABLES) if v.name == "global_step:0"]
        if not named:
            try:
                named = [graph.get_tensor_by_name("global_step:0")]
            except KeyError:
                return None
        step = named[0]
    assert_global_step(step)
    return step


def _of_graph(graph: Any, key: str) -> list[Any]:
    return get_collection(key) if graph is None else graph.get_collection(key)  # type: ignore[no-any-return]


@public("compat.v1.train.create_global_step")
def create_global_step(graph: Any = None) -> Any:
    """Return a new global step, an int64 variable of 0.

    Raises:
      ValueError: there is one already.
    """
    if get_global_step(graph) is not None:
        raise ValueError(explain('"global_step" already exists.'))
    options: dict[str, Any] = {
        "shape": [],
        "dtype": dtypes.int64,
        "initializer": tf.compat.v1.zeros_initializer(),
        "trainable": False,
        "aggregation": VariableAggregation.ONLY_FIRST_REPLICA,
        "collections": [GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
    }
    if executing_eagerly() and graph is None:
        return get_variable(GraphKeys.GLOBAL_STEP, **options)
    with _in_graph(graph):
        return get_variable(GraphKeys.GLOBAL_STEP, **options)


@public("compat.v1.train.get_or_create_global_step")
def get_or_create_global_step(graph: Any = None) -> Any:
    """Return the global step of a graph, which is made where there is none."""
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


@public("compat.v1.train.assert_global_step")
def assert_global_step(global_step_tensor: Any) -> None:
    """Refuse what can be no global step.

    Raises:
      TypeError: it is no tensor, or not of integers, or no scalar.
    """
    if not (isinstance(global_step_tensor, tf.Tensor) or is_resource_variable(global_step_tensor)):
        raise TypeError(explain(f'Existing "global_step" must be a Variable or Tensor: {global_step_tensor}.'))
    if not global_step_tensor.dtype.base_dtype.is_integer:
        raise TypeError(explain(f'Existing "global_step" does not have integer type: {global_step_tensor.dtype}'))
    if global_step_tensor.shape.rank not in (0, None):
        raise TypeError(explain(f'Existing "global_step" is not scalar: {global_step_tensor.shape}'))


def step_read(graph: Any = None) -> Any:
    """Return a tensor of the global step of a graph, always the same one; None where there is no global step."""
    graph = collecting_graph() if graph is None else graph
    found = graph.get_collection("global_step_read_op_cache")
    if found:
        return found[0]
    step = get_global_step(graph)
    if step is None:
        return None
    with graph.as_default(), tf.name_scope(""), tf.name_scope(f"{step.op.name}/"):
        # What was read where the variable was made comes before all steps: hooks count on the number before theirs.
        value = tf.identity(getattr(step, "_graph_element", step))
    graph.add_to_collection("global_step_read_op_cache", value)
    return value
