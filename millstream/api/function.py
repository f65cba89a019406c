"""tf.function, and what concerns graphs being traced: scopes, modes, calls of Python from graphs."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Union

import numpy as np

from millstream.api.public import public, publish
from millstream.base import nest, trace_types
from millstream.base.errors import explain
from millstream.execution import context, function_types, host
from millstream.execution.checking import assert_true, nothing
from millstream.execution.dispatch import apply, new_operation
from millstream.execution.function import Function, functions_run_eagerly, run_functions_eagerly
from millstream.execution.function_concrete import ConcreteFunction
from millstream.execution.graph import Graph
from millstream.execution.name_scope import NameScope, absolute, current_scope
from millstream.execution.operation import Operation
from millstream.execution.tensor import Tensor, TensorType
from millstream.ops.registry import find

publish("types.experimental.TraceType", trace_types.TraceType)
publish("types.experimental.PolymorphicFunction", Function)
publish("types.experimental.GenericFunction", Function)
publish("types.experimental.ConcreteFunction", ConcreteFunction)
for _name in ("AtomicFunction", "Callable", "FunctionType", "SupportsTracingProtocol"):
    publish(f"types.experimental.{_name}", getattr(function_types, _name))
publish(
    "types.experimental.TensorLike",
    Union[Tensor, TensorType, int, float, bool, str, bytes, complex, tuple, list, np.ndarray, np.generic],  # noqa: UP007
)


@public("function")
def function(
    func: Callable[..., Any] | None = None,
    input_signature: Any = None,
    autograph: bool = True,
    jit_compile: bool | None = None,
    reduce_retracing: bool = False,
    experimental_implements: str | None = None,
    experimental_autograph_options: Any = None,
    experimental_attributes: dict[str, Any] | None = None,
    experimental_relax_shapes: bool | None = None,
    experimental_compile: bool | None = None,
    experimental_follow_type_hints: bool | None = None,
) -> Any:
    """Return `func` as a function that runs as one compiled program; without `func`, a decorator.

    Args:
      func: the Python function.
      input_signature: specs that all arguments are cast to, so that there is one trace only.
      autograph: whether Python's control flow on tensors becomes part of the program.
      jit_compile: a hint; functions are always compiled.
      reduce_retracing: leave sizes open as soon as they vary, instead of after some traces.
      experimental_implements: the name of a known function that this one implements.
      experimental_autograph_options: features of tf.autograph.experimental.Feature.
      experimental_attributes: names and values kept with the function.
      experimental_relax_shapes: an older name of reduce_retracing.
      experimental_compile: an older name of jit_compile.
      experimental_follow_type_hints: no longer has a meaning.
    """
    options = {
        "implements": experimental_implements,
        "autograph_options": experimental_autograph_options,
        "attributes": experimental_attributes,
    }

    if func is not None and not callable(func):
        raise TypeError(explain(f"{type(func).__name__!r} object is not callable: tf.function takes a function."))

    def decorate(inner: Callable[..., Any]) -> Function:
        return Function(
            inner,
            getattr(inner, "__name__", None),
            input_signature,
            autograph,
            experimental_compile if jit_compile is None else jit_compile,
            bool(reduce_retracing or experimental_relax_shapes),
            options,
        )

    return decorate if func is None else decorate(func)


publish("config.run_functions_eagerly", run_functions_eagerly)
publish("config.functions_run_eagerly", functions_run_eagerly)
publish("config.experimental_run_functions_eagerly", run_functions_eagerly)
publish("config.experimental_functions_run_eagerly", functions_run_eagerly)
publish("Graph", Graph)
publish("compat.v1.Graph", Graph)


@public("compat.v1.get_default_graph")
def get_default_graph() -> Any:
    """Return the graph that ops go to; where they run at once, this thread's graph, which is empty."""
    graph = context.current_graph()
    return _empty_graph() if graph is None else graph


class _Empty(threading.local):
    graph: Graph | None = None


_empty = _Empty()


def _empty_graph() -> Graph:
    if _empty.graph is None:
        _empty.graph = Graph()
    return _empty.graph


@public("executing_eagerly")
def executing_eagerly() -> bool:
    """Return whether ops run at once."""
    return context.executing_eagerly()


@public("inside_function")
def inside_function() -> bool:
    """Return whether a function is being traced."""
    graph = context.current_graph()
    return graph is not None and graph.building_function


@public("init_scope")
@contextmanager
def init_scope() -> Iterator[None]:
    """Leave all functions being traced: what is made inside is made at once, and lives on."""
    with context.init_scope():
        yield


@public("control_dependencies")
def control_dependencies(control_inputs: Any) -> Any:
    """Run what is inside after `control_inputs`: in a function, and outside of graphs, that is so already.

    Raises:
      TypeError: `control_inputs` is no list.
    """
    graph = context.current_graph()
    if graph is None or graph.building_function:
        if callable(control_inputs):
            control_inputs()
        elif control_inputs is not None and not isinstance(control_inputs, Iterable):
            raise TypeError(
                explain(f"control_inputs must be a list of tensors and operations, got {control_inputs!r}.")
            )
        if graph is not None:
            return graph.control_dependencies(control_inputs)
        return contextlib.nullcontext()
    return graph.control_dependencies(control_inputs)


publish("compat.v1.control_dependencies", control_dependencies)


@public("group", "compat.v1.group")
def group(*inputs: Any, **kwargs: Any) -> Any:
    """Return an operation that waits for all inputs; in a function, and outside of graphs, what ran before is done: None."""
    name = kwargs.pop("name", None)
    if kwargs:
        raise ValueError(explain(f"Unknown keyword arguments: {sorted(kwargs)}"))
    graph = context.current_graph()
    if graph is None or not graph.gives_operations:
        return None
    waited = []
    for item in nest.flatten(list(inputs), expand_composites=True):
        if item is None:
            continue
        if not isinstance(item, (Tensor, Operation)) and not hasattr(item, "_as_graph_element"):
            raise TypeError(
                f"'inputs' should be zero or more (nested) Tensors. Received '{item}' with type '{type(item)}'."
            )
        waited.append(item)
    if name and name.endswith("/"):
        # The name of a scope, as it is.
        with graph.control_dependencies(waited):
            graph.create(find("NoOp"), [], {}, label=name.removesuffix("/"))
            return new_operation()
    with graph.control_dependencies(waited), absolute(f"{current_scope()}{name or 'group_deps'}/"):
        return graph.run_named(find("NoOp"), [])


@public("no_op", "compat.v1.no_op")
def no_op(name: str | None = None) -> Any:
    """Return an operation that does nothing; None in a function and outside of graphs."""
    return nothing()


@public("tuple")
def tuple_of(tensors: Any, control_inputs: Any = None, name: str | None = None) -> list[Any]:
    """Return the tensors: all of them are computed before anything after them."""
    graph = context.current_graph()
    if graph is None or graph.building_function:
        return list(tensors)
    waited = [*(t for t in tensors if t is not None), *(control_inputs or ())]
    if not waited:
        raise ValueError(explain(f"`tensors` must contain at least one Tensor. Received: {tensors}."))
    with NameScope(name or "tuple"):
        gate = group(*waited)
        with graph.control_dependencies([gate]):
            return [t if t is None or isinstance(t, Operation) else _gated(t) for t in tensors]


def _gated(tensor: Any) -> Any:
    return nest.map_structure(lambda t: apply(find("Identity"), t), tensor, expand_composites=True)


@public("py_function")
def py_function(func: Any = None, inp: Any = None, Tout: Any = None, name: str | None = None) -> Any:
    """Call a Python function on eager tensors, now or when the graph runs; gradients flow through it.

    Without `func`, return a decorator: the function then takes its tensors when it is called.
    """
    if func is None:
        return lambda inner: functools.wraps(inner)(lambda *args: py_function(inner, args, Tout))
    return host.call_python(func, nest.flatten(inp), Tout, numpy=False)


@public("numpy_function")
def numpy_function(
    func: Any = None, inp: Any = None, Tout: Any = None, stateful: bool = True, name: str | None = None
) -> Any:
    """Call a Python function on NumPy arrays, now or when the graph runs; no gradients flow through it.

    Without `func`, return a decorator: the function then takes its tensors when it is called.
    """
    if func is None:
        return lambda inner: functools.wraps(inner)(lambda *args: numpy_function(inner, args, Tout))
    return host.call_python(func, nest.flatten(inp), Tout, numpy=True)


@public("print")
def print_(*inputs: Any, **kwargs: Any) -> Any:
    """Print values, tensors by their content, now or when the graph runs (to sys.stderr, unless output_stream says else).

    In the graph of a session it is an operation that prints when it is run.
    """
    return host.print_values(inputs, kwargs)


@public("debugging.Assert", "Assert")
def assert_(condition: Any, data: Any, summarize: int | None = None, name: str | None = None) -> Any:
    """Stop with InvalidArgumentError, showing `data`, where `condition` does not hold; an operation in a session's graph."""
    return assert_true(condition, data, summarize)


@public("timestamp", "compat.v1.timestamp")
def timestamp(name: str | None = None) -> Any:
    """Return the seconds since 1970 as a float64 scalar: of the call, or of each run of the function being traced.

    Args:
      name: accepted and not used.

    >>> tf.timestamp().dtype
    tf.float64
    """
    return apply(find("Timestamp"))
