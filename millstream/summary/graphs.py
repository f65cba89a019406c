"""Graphs as summaries: `graph` writes one that is given, the trace functions those of the functions called in between."""

from __future__ import annotations

import logging
import threading
from typing import Any

from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.messages import message
from millstream.execution import function
from millstream.execution.context import current_graph
from millstream.execution.func_graph import FuncGraph
from millstream.execution.graph import Graph
from millstream.execution.tensor import eager_constant
from millstream.summary.events import event
from millstream.summary.writers import default_writer, should_record_summaries, step_tensor, summary_scope, write

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_traced: list[FuncGraph] | None = None


@public("summary.graph")
def graph(graph_data: Any) -> Any:
    """Write a graph, for TensorBoard's page of graphs.

    Args:
      graph_data: a graph, that of a concrete function for instance, or a `GraphDef` message.

    Returns:
      A scalar tensor of bool: whether something was written.

    Raises:
      ValueError: called while tracing, or with something else.

    >>> f = tf.function(lambda x: x * 2.0)
    >>> with tf.summary.create_file_writer(tempfile.mkdtemp()).as_default():
    ...     print(tf.summary.graph(f.get_concrete_function(tf.TensorSpec([2])).graph).numpy())
    True
    """
    if current_graph() is not None:
        raise ValueError(errors.explain("graph() cannot be invoked inside a graph context."))
    writer = default_writer()
    if writer is None or not bool(should_record_summaries().numpy()):
        return eager_constant(False, dtypes.bool)
    if isinstance(graph_data, Graph):
        content = definition_of(graph_data).SerializeToString()
    elif hasattr(graph_data, "SerializeToString"):
        content = graph_data.SerializeToString()
    else:
        raise ValueError(
            errors.explain(
                "Argument 'graph_data' is not tf.Graph or tf.compat.v1.GraphDef. Received "
                f"graph_data={graph_data} of type {type(graph_data).__name__}."
            )
        )
    writer.write("WriteGraphSummary", lambda: event(graph_def=content), [])
    return eager_constant(True, dtypes.bool)


def definition_of(graph_data: Graph) -> Any:
    """Return the nodes of a graph as a GraphDef message: names, ops, inputs, element types and shapes of what they give."""
    made = message("GraphDef")()
    made.versions.producer = 1
    for operation in graph_data.get_operations():
        node = made.node.add(name=operation.name, op=operation.type)
        for tensor in operation.inputs:
            name, _, index = tensor.name.partition(":")
            node.input.append(name if index in ("", "0") else tensor.name)
        outputs = operation.outputs
        if outputs:
            node.attr["dtype"].type = outputs[0].dtype.as_datatype_enum
        for tensor in outputs:
            shape = node.attr["_output_shapes"].list.shape.add()
            if tensor.shape.rank is None:
                shape.unknown_rank = True
            else:
                for size in tensor.shape:
                    shape.dim.add(size=-1 if size is None else size)
    return made


@public("summary.trace_on")
def trace_on(graph: bool = True, profiler: bool = False, profiler_outdir: Any = None) -> None:
    """Collect the graphs of the `tf.function`s called from now on, until `trace_export` or `trace_off`.

    Args:
      graph: whether graphs are collected.
      profiler: only False; `tf.profiler` has its own functions.
      profiler_outdir: not used without a profiler.

    Raises:
      tf.errors.UnimplementedError: `profiler` is true.
    """
    global _traced
    if current_graph() is not None:
        _log.warning("Cannot enable trace inside a tf.function.")
        return
    if profiler:
        raise errors.UnimplementedError(
            None, None, "trace_on(profiler=True) is not supported: collect graphs alone with trace_on(graph=True)."
        )
    with _lock:
        if _traced is not None:
            _log.warning("Trace already enabled")
            return
        _traced = []
        if graph:
            function.collect_graphs(_traced)


@public("summary.trace_export")
def trace_export(name: str, step: Any = None, profiler_outdir: Any = None) -> None:
    """Write the graphs collected since `trace_on` to the default writer, and stop collecting.

    Args:
      name: the summary's name.
      step: a scalar that int64 can hold; None for the default step.
      profiler_outdir: not used.

    Raises:
      ValueError: `trace_on` was not called, or there is a writer but no step.
    """
    if step is not None:
        step_tensor(step)
    if current_graph() is not None:
        _log.warning("Cannot export trace inside a tf.function.")
        return
    with _lock:
        found = _traced
    if found is None:
        raise ValueError("Must enable trace before export through tf.summary.trace_on.")
    made = message("RunMetadata")()
    for each in found:
        definition = definition_of(each)
        functions = made.function_graphs.add()
        functions.pre_optimization_graph.CopyFrom(definition)
        functions.partition_graphs.add().CopyFrom(definition)
        made.partition_graphs.add().CopyFrom(definition)
    metadata = message("SummaryMetadata")(plugin_data={"plugin_name": "graph_run_metadata_graph", "content": b"1"})
    with summary_scope(name, "graph_run_metadata_graph_summary") as (tag, _):
        write(tag, eager_constant(made.SerializeToString(), dtypes.string), step, metadata)
    trace_off()


@public("summary.trace_off")
def trace_off() -> None:
    """Stop collecting graphs, and forget those collected."""
    global _traced
    with _lock:
        _traced = None
        function.collect_graphs(None)
