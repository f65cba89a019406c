"""tf.compat.v1.GraphKeys and the collections of a graph: lists by name that go with it. Where ops run at once, one such
graph per thread, in which nothing is computed, keeps them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from millstream.api.public import public
from millstream.execution.context import current_graph
from millstream.execution.graph import Graph


@public("compat.v1.GraphKeys")
class GraphKeys:
    """The names of the collections that the library itself uses."""

    GLOBAL_VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    SUMMARIES = "summaries"
    QUEUE_RUNNERS = "queue_runners"
    TABLE_INITIALIZERS = "table_initializer"
    ASSET_FILEPATHS = "asset_filepaths"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    REGULARIZATION_LOSSES = "regularization_losses"
    CONCATENATED_VARIABLES = "concatenated_variables"
    SAVERS = "savers"
    WEIGHTS = "weights"
    BIASES = "biases"
    ACTIVATIONS = "activations"
    UPDATE_OPS = "update_ops"
    LOSSES = "losses"
    SAVEABLE_OBJECTS = "saveable_objects"
    RESOURCES = "resources"
    LOCAL_RESOURCES = "local_resources"
    TRAINABLE_RESOURCE_VARIABLES = "trainable_resource_variables"
    INIT_OP = "init_op"
    LOCAL_INIT_OP = "local_init_op"
    READY_OP = "ready_op"
    READY_FOR_LOCAL_INIT_OP = "ready_for_local_init_op"
    SUMMARY_OP = "summary_op"
    GLOBAL_STEP = "global_step"
    EVAL_STEP = "eval_step"
    TRAIN_OP = "train_op"
    COND_CONTEXT = "cond_context"
    WHILE_CONTEXT = "while_context"
    VARIABLES = GLOBAL_VARIABLES
    _SUMMARY_COLLECTION = "_SUMMARY_V2"
    _STREAMING_MODEL_PORTS = "streaming_model_ports"
    _VARIABLE_COLLECTIONS = (
        GLOBAL_VARIABLES,
        LOCAL_VARIABLES,
        METRIC_VARIABLES,
        MODEL_VARIABLES,
        TRAINABLE_VARIABLES,
        MOVING_AVERAGE_VARIABLES,
        CONCATENATED_VARIABLES,
        TRAINABLE_RESOURCE_VARIABLES,
    )


class _AtOnce(threading.local):
    def __init__(self) -> None:
        self.graph: Graph | None = None


_at_once = _AtOnce()


def collecting_graph() -> Graph:
    """Return the graph whose collections are meant now: the current one, or the one that stands in where there is none."""
    graph = current_graph()
    if graph is not None:
        return graph  # type: ignore[no-any-return]
    if _at_once.graph is None:
        _at_once.graph = Graph("collections")
    return _at_once.graph


def outermost_graph() -> Graph:
    """Return the graph around all functions being traced: variables are found by name in it."""
    graph: Any = current_graph()
    while graph is not None and graph.building_function:
        graph = graph.outer
    if graph is not None:
        return graph  # type: ignore[no-any-return]
    if _at_once.graph is None:
        _at_once.graph = Graph("collections")
    return _at_once.graph


@contextmanager
def collecting_apart() -> Iterator[None]:
    """Where ops run at once, keep collections, scopes and variables by name that are made inside apart from all others."""
    before, _at_once.graph = _at_once.graph, None
    try:
        yield
    finally:
        _at_once.graph = before


def _graph_of(name: Any) -> Graph:
    """Return the graph that has a collection: those of variables are shared by the functions inside of a graph."""
    return outermost_graph() if name in GraphKeys._VARIABLE_COLLECTIONS else collecting_graph()


@public("compat.v1.add_to_collection")
def add_to_collection(name: Any, value: Any) -> None:
    """Add `value` to the collection `name` of the default graph."""
    _graph_of(name).add_to_collection(name, value)


@public("compat.v1.add_to_collections")
def add_to_collections(names: Any, value: Any) -> None:
    """Add `value` to each of some collections of the default graph, once even where one is named twice."""
    for name in dict.fromkeys([names] if isinstance(names, str) else names):
        add_to_collection(name, value)


@public("compat.v1.get_collection")
def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """Return a collection of the default graph as a new list.

    Args:
      key: its name, one of `tf.compat.v1.GraphKeys` for instance.
      scope: a pattern: only items that have a name that it matches from the start.
    """
    items = _graph_of(key).get_collection(key)
    if not scope:
        return items
    matches = re.compile(scope).match
    return [item for item in items if hasattr(item, "name") and matches(item.name)]


@public("compat.v1.get_collection_ref")
def get_collection_ref(key: Any) -> list[Any]:
    """Return a collection of the default graph: the list itself, to be changed."""
    return _graph_of(key).get_collection_ref(key)


@public("compat.v1.global_variables")
def global_variables(scope: str | None = None) -> list[Any]:
    """Return the variables that are part of the model's state, those of `scope` where it is given; none outside of graphs."""
    return get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


@public("compat.v1.all_variables")
def all_variables() -> list[Any]:
    """Return `tf.compat.v1.global_variables()`."""
    return global_variables()


@public("compat.v1.local_variables")
def local_variables(scope: str | None = None) -> list[Any]:
    """Return the variables of this process alone, such as counters of metrics; they are not saved."""
    return get_collection(GraphKeys.LOCAL_VARIABLES, scope)


@public("compat.v1.model_variables")
def model_variables(scope: str | None = None) -> list[Any]:
    """Return the variables in the collection MODEL_VARIABLES."""
    return get_collection(GraphKeys.MODEL_VARIABLES, scope)


@public("compat.v1.trainable_variables")
def trainable_variables(scope: str | None = None) -> list[Any]:
    """Return the variables that optimizers change."""
    return get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


@public("compat.v1.moving_average_variables")
def moving_average_variables(scope: str | None = None) -> list[Any]:
    """Return the variables whose moving averages are kept."""
    return get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


def unique(items: Iterable[Any]) -> list[Any]:
    """Return the items without those that came before, by identity."""
    seen: dict[int, Any] = {}
    for item in items:
        seen.setdefault(id(item), item)
    return list(seen.values())
