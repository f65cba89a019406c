"""tf.GradientTape, tf.gradients, tf.custom_gradient and forward-mode differentiation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

from millstream.api.public import public, publish
from millstream.base import nest
from millstream.base.errors import explain
from millstream.execution import custom_gradient as customs
from millstream.execution.context import current_graph, tracing
from millstream.execution.forward_accumulator import ForwardAccumulator
from millstream.execution.gradient_tape import GradientTape, UnconnectedGradients, graph_gradients
from millstream.execution.name_scope import NameScope
from millstream.execution.symbolic import SymbolicTensor

publish("GradientTape", GradientTape)
publish("autodiff.GradientTape", GradientTape)
publish("autodiff.ForwardAccumulator", ForwardAccumulator)
publish("UnconnectedGradients", UnconnectedGradients)


@public("AggregationMethod")
class AggregationMethod:
    """How gradients of several uses are added; a hint without effect."""

    ADD_N = 0
    DEFAULT = ADD_N
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


@public("gradients")
def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    gate_gradients: bool = False,
    aggregation_method: Any = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = UnconnectedGradients.NONE,
) -> list[Any]:
    """Return the gradients of the sum of `ys` with respect to each of `xs`, inside a function being traced."""
    graph = current_graph()
    if graph is None:
        raise RuntimeError(
            explain("tf.gradients is not supported when eager execution is enabled. Use tf.GradientTape instead.")
        )
    flat_ys, flat_xs = nest.flatten(ys), nest.flatten(xs)
    home = _home(graph, [*flat_ys, *flat_xs])
    with (
        tracing(home),
        NameScope(name or "gradients"),
        nullcontext() if home.building_function else home.adding_gradients(),
    ):
        return graph_gradients(flat_ys, flat_xs, grad_ys, stop_gradients, unconnected_gradients)


def _home(graph: Any, tensors: list[Any]) -> Any:
    """Return the graph where tensors are differentiated: in a branch, the one around it, where all of them are outside."""
    while graph.gives_operations and graph.building_function:
        if any(isinstance(t, SymbolicTensor) and t.graph is graph for t in tensors):
            break
        graph = graph.outer
    return graph


@public("compat.v1.gradients")
def gradients_v1(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: Any = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = UnconnectedGradients.NONE,
) -> list[Any]:
    """Return the gradients of the sum of `ys` with respect to each of `xs`, in a graph.

    Args:
      ys: tensors.
      xs: tensors and variables.
      grad_ys: what flows back from each of `ys`, ones where it is None.
      name: the scope of the operations.
      colocate_gradients_with_ops: a hint: all is on one device.
      gate_gradients: a hint: gradients of one operation come together anyway.
      aggregation_method: a hint: sums are fused.
      stop_gradients: tensors that nothing flows back through.
      unconnected_gradients: what the gradient is where nothing depends on an x: None, or zeros.

    Raises:
      RuntimeError: ops run at once; use `tf.GradientTape`.
    """
    return gradients(ys, xs, grad_ys, name, gate_gradients, aggregation_method, stop_gradients, unconnected_gradients)


@public("compat.v1.hessians")
def hessians_v1(
    ys: Any,
    xs: Any,
    name: str = "hessians",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: Any = None,
) -> list[Any]:
    """Return the matrix of second derivatives of the sum of `ys` for each of `xs`, in a graph."""
    return hessians(ys, xs, gate_gradients, aggregation_method, name)


publish("compat.v1.AggregationMethod", AggregationMethod)


def _gradient_of(y: Any, x: Any, dy: Any) -> list[Any]:
    return gradients([y], [x], [dy])


@public("hessians")
def hessians(
    ys: Any, xs: Any, gate_gradients: bool = False, aggregation_method: Any = None, name: str = "hessians"
) -> list[Any]:
    """Return the matrix of second derivatives of the sum of `ys` for each of `xs`, inside a function being traced."""
    from millstream.execution.jacobian import jacobian

    found = []
    for x in nest.flatten(xs):
        (first,) = gradients(ys, [x])
        found += jacobian(partial(_gradient_of, first, x), first, [x])
    return found


@public("custom_gradient")
def custom_gradient(f: Callable[..., Any] | None = None) -> Any:
    """Decorate a function that returns (result, gradient function) with its own gradient.

    Args:
      f: takes tensors; the gradient function takes the gradients of the results (and `variables=`, where `f` uses
        variables) and gives those of the arguments (and those of the variables).
    """
    return (lambda f: customs.custom_gradient(f)) if f is None else customs.custom_gradient(f)


@public("recompute_grad")
def recompute_grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` as a function that keeps nothing for its gradient, but runs again for it."""
    return customs.recompute_grad(f)


@public("grad_pass_through")
def grad_pass_through(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return `f` as a function whose gradient is that of the identity."""
    return customs.grad_pass_through(f)
