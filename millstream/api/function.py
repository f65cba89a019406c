"""tf.function, and what concerns graphs being traced: scopes, modes, calls of Python from graphs."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Union

import numpy as np

from millstream.api.public import public, publish
from millstream.base import dtypes, nest, trace_types
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution import context, function_types, host
from millstream.execution.checking import assert_true
from millstream.execution.func_graph import FuncGraph
from millstream.execution.function import Function, functions_run_eagerly, run_functions_eagerly
from millstream.execution.function_concrete import ConcreteFunction
from millstream.execution.tensor import Tensor, TensorType, eager_constant

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
publish("Graph", FuncGraph)
publish("compat.v1.Graph", FuncGraph)


@public("compat.v1.get_default_graph")
def get_default_graph() -> FuncGraph:
    """Return the graph being traced; RuntimeError where ops run at once."""
    graph = context.current_graph()
    if graph is None:
        raise RuntimeError(
            explain(
                "There is no default graph: ops run at once here. Trace a function, or use tf.Graph().as_default()."
            )
        )
    return graph


@public("executing_eagerly")
def executing_eagerly() -> bool:
    """Return whether ops run at once."""
    return context.executing_eagerly()


@public("inside_function")
def inside_function() -> bool:
    """Return whether a function is being traced."""
    return context.current_graph() is not None


@public("init_scope")
@contextmanager
def init_scope() -> Iterator[None]:
    """Leave all functions being traced: what is made inside is made at once, and lives on."""
    with context.init_scope():
        yield


class _Dependencies:
    """Does nothing: a program runs in the order in which it was written, so what went before is done."""

    def __enter__(self) -> _Dependencies:
        return self

    def __exit__(self, *_: Any) -> None:
        return None


@public("control_dependencies")
def control_dependencies(control_inputs: Any) -> _Dependencies:
    """Run what is inside after `control_inputs`, as the order of the program already says."""
    if callable(control_inputs):
        control_inputs()
    elif control_inputs is not None and not isinstance(control_inputs, Iterable):
        raise TypeError(explain(f"control_inputs must be a list of tensors and operations, got {control_inputs!r}."))
    return _Dependencies()


@public("group")
def group(*inputs: Any, **kwargs: Any) -> None:
    """Do nothing: what ran before is done."""
    if set(kwargs) - {"name"}:
        raise ValueError(explain(f"Unknown keyword arguments: {sorted(set(kwargs) - {'name'})}"))


@public("no_op")
def no_op(name: str | None = None) -> None:
    """Do nothing."""


@public("tuple")
def tuple_of(tensors: Any, control_inputs: Any = None, name: str | None = None) -> list[Any]:
    """Return the tensors: all of them are computed before anything after them."""
    return list(tensors)


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
def print_(*inputs: Any, **kwargs: Any) -> None:
    """Print values, tensors by their content, now or when the graph runs (to sys.stderr, unless output_stream says else)."""
    host.print_values(inputs, kwargs)


@public("debugging.Assert", "Assert")
def assert_(condition: Any, data: Any, summarize: int | None = None, name: str | None = None) -> None:
    """Stop with InvalidArgumentError, showing `data`, where `condition` does not hold."""
    assert_true(condition, data, summarize)


@public("timestamp", "compat.v1.timestamp")
def timestamp(name: str | None = None) -> Any:
    """Return the seconds since 1970 as a float64 scalar: of the call, or of each run of the function being traced.

    Args:
      name: accepted and not used.

    >>> tf.timestamp().dtype
    tf.float64
    """

    def read() -> list[Any]:
        return [eager_constant(time.time(), dtypes.float64)]

    return host.call_host("Timestamp", read, (), [Spec(dtypes.float64)])[0]
