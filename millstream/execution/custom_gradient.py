"""tf.custom_gradient: functions that say their own gradient, eagerly on the tape and in graphs as one node."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream.autodiff.split import inline
from millstream.base import dtypes, nest
from millstream.base.errors import UnimplementedError, explain
from millstream.base.spec import Spec
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph
from millstream.execution.control_flow import Traced
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.gradient_tape import GradientTape, handle_of_source
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.specs import spec_of
from millstream.execution.staging_values import leaf_tensor, with_leaves
from millstream.ops.registry import find
from millstream.program.primitives.shaping import full
from millstream.program.slices import Adjoint, Slices, dense
from millstream.program.value import Definition, Node, Program, Value

HIGHEST_ORDER = 2
"""Gradient functions that are traced within gradient functions: what a graph can be differentiated by, so many times."""


class _Order(threading.local):
    value = 0


_order = _Order()


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose gradient is what `function` gives besides its results."""

    @functools.wraps(function)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        if current_graph() is None:
            return _eagerly(function, args, kwargs)
        return _in_graph(function, args, kwargs)

    return decorated


def _split_result(function: Any, result: Any) -> tuple[Any, Callable[..., Any]]:
    if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
        raise TypeError(
            explain(
                f"Function {function!r} decorated with tf.custom_gradient must return (result, gradient function), given {result!r}."
            )
        )
    return result


def _takes_variables(grad_fn: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(grad_fn).parameters
    except (TypeError, ValueError):
        return False
    return "variables" in parameters or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


def _check_variables(grad_fn: Callable[..., Any], variables: Sequence[Any]) -> None:
    if variables and not _takes_variables(grad_fn):
        raise TypeError(
            explain(
                "If using @custom_gradient with a function that uses variables, then grad_fn must accept a 'variables' keyword "
                f"argument. The variables are {[v.name for v in variables]}."
            )
        )


def _gradients(
    grad_fn: Callable[..., Any], dys: Sequence[Any], args: Sequence[Any], variables: Sequence[Any]
) -> list[Any]:
    """Call the gradient function; return one gradient or None for each argument, then for each variable."""
    if variables:
        answer = grad_fn(*dys, variables=list(variables))
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise ValueError(
                explain(
                    "grad_fn must return (gradients of the arguments, gradients of `variables`) where variables are used."
                )
            )
        for_args, for_variables = answer
        for_variables = list(for_variables) if isinstance(for_variables, (tuple, list)) else [for_variables]
        if len(for_variables) != len(variables):
            raise ValueError(explain("Must return gradient for each variable from @custom_gradient grad_fn."))
    else:
        for_args, for_variables = grad_fn(*dys), []
    flat = (
        list(nest.flatten(for_args))
        if not isinstance(for_args, (tuple, list))
        else [g for part in for_args for g in nest.flatten(part)]
    )
    if len(flat) != len(args):
        raise ValueError(
            explain(
                f"custom_gradient function expected to return {len(args)} gradients, but returned {len(flat)} instead."
            )
        )
    return [g if g is None or isinstance(g, IndexedSlices) else to_tensor(g) for g in (*flat, *for_variables)]


class _EagerCustom(Definition):
    """What a tape writes down for a call of such a function; `made` are the ids of its results inside of it."""

    effects = True

    def __init__(
        self,
        name: str,
        grad_fn: Callable[..., Any],
        args: Sequence[Any],
        variables: Sequence[Any],
        made: Sequence[int],
    ) -> None:
        self.name = name
        self.grad_fn = grad_fn
        self.args = args
        self.variables = variables
        self.made = made

    def backward(self, item: Any, given: tuple[int, ...], wanted: tuple[int, ...], dys: list[Any]) -> list[Any]:
        """Call the gradient function."""
        place = dict(zip(given, dys, strict=True))
        flows = []
        for i, output in enumerate(item.outputs):
            flow = place.get(i)
            flows.append(tapes.zeros_for(output) if flow is None else tapes.to_dense(flow))
        found = _gradients(self.grad_fn, flows, self.args, self.variables)
        return [found[i] for i in wanted]


def _eagerly(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    flat_args = nest.flatten(args, expand_composites=True)
    converted = [a if hasattr(a, "handle") or not _can_be_tensor(a) else leaf_tensor(a) for a in flat_args]
    args = nest.pack_sequence_as(args, converted, expand_composites=True)
    with tapes.only(tapes.Tape()) as inner:
        result, grad_fn = _split_result(function, function(*args, **kwargs))
    inputs = [handle_of_source(a) for a in converted if _can_be_tensor(a)]
    known = {t._id for t in inputs}
    variables = [v for number, v in inner.variables.items() if number not in known]
    _check_variables(grad_fn, variables)
    outputs = [leaf_tensor(r) for r in nest.flatten(result, expand_composites=True)]
    if tapes.recording():
        made = [t._id for t in outputs]
        outputs = [_another(t) for t in outputs]
        handles = [v.handle for v in variables]
        definition = _EagerCustom(getattr(function, "__name__", "custom"), grad_fn, inputs, variables, made)
        tapes.record(definition, None, (*inputs, *handles), tuple(outputs))
    return nest.pack_sequence_as(result, outputs, expand_composites=True)


def _can_be_tensor(value: Any) -> bool:
    return value is not None and (
        hasattr(value, "dtype") or isinstance(value, (int, float, complex, bool, str, bytes, list))
    )


def _another(tensor: Any) -> Any:
    """Return a tensor of the same content that tapes take for another one."""
    tapes.pause(1)
    try:
        return apply(find("Identity"), tensor)
    finally:
        tapes.pause(-1)


class GraphCustom(Definition):
    """Gives the first `count` inputs as they are; adjoints go through the program that the gradient function became."""

    effects = False
    passes = True

    def __init__(self, name: str, count: int, args: int, gradient: Program | None, layout: Sequence[Any]) -> None:
        self.name = f"{name}:custom_gradient"
        self.count = count
        self.args = args
        self.gradient_program = gradient
        self.layout = layout

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return tuple(inputs[: self.count])

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        return tuple(inputs[: self.count])

    def reverse_rule(
        self, node: Node, flows: Sequence[Adjoint | None], reached: set[Value], again: Any
    ) -> list[Adjoint | None]:
        """Emit the gradient function's program."""
        if self.gradient_program is None:
            raise UnimplementedError(
                None,
                None,
                explain(
                    f"{self.name}: in graphs, gradient functions that use further functions with own gradients are followed "
                    f"up to order {HIGHEST_ORDER}. Differentiate eagerly instead."
                ),
            )
        dys = [full(v.shape, 0, v.dtype) if f is None else dense(f) for f, v in zip(flows, node.outputs, strict=True)]
        found = inline(self.gradient_program, [*dys, *node.inputs[self.count + self.args :]])
        adjoints: list[Adjoint | None] = [None] * len(node.inputs)
        at = 0
        for i, (size, shape) in enumerate(self.layout):
            if size == 2:
                adjoints[self.count + i] = Slices(found[at], found[at + 1], shape)
            elif size == 1:
                adjoints[self.count + i] = found[at]
            at += size
        return adjoints


def _in_graph(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    graph = current_graph()
    assert graph is not None
    flat_args = nest.flatten(args, expand_composites=True)
    converted = [a if hasattr(a, "handle") or not _can_be_tensor(a) else leaf_tensor(a) for a in flat_args]
    args = nest.pack_sequence_as(args, converted, expand_composites=True)
    inputs = [handle_of_source(a) for a in converted if _can_be_tensor(a)]
    # An argument of its own, so that what flows to it elsewhere is not cut off.
    last = graph.program.nodes[-1] if graph.program.nodes else None
    result, grad_fn = _split_result(function, function(*args, **kwargs))
    start = next((i + 1 for i, n in enumerate(graph.program.nodes) if n is last), 0)
    variables = _variables_of(graph, graph.program.nodes[start:], inputs)
    _check_variables(grad_fn, variables)
    outputs = [leaf_tensor(r) for r in nest.flatten(result, expand_composites=True)]
    layout: list[Any] = []

    def gradient(*dys: Any) -> list[Any]:
        flat: list[Any] = []
        for found, source in zip(
            _gradients(grad_fn, dys, inputs, variables), (*inputs, *(v.handle for v in variables)), strict=True
        ):
            if isinstance(found, IndexedSlices):
                held = spec_of(source)
                held = held.handle if held.dtype is dtypes.resource and held.handle is not None else held
                layout.append((2, held.shape))
                flat += [found.values, found.indices]
            else:
                layout.append((0 if found is None else 1, None))
                flat += [] if found is None else [found]
        return flat

    captured, program = [], None
    if _order.value < HIGHEST_ORDER:
        specs = [graph.value_of(t).spec.with_value(None) for t in outputs]
        _order.value += 1
        try:
            traced = Traced(f"{getattr(function, '__name__', 'custom')}_gradient", gradient, specs, [*outputs])
        finally:
            _order.value -= 1
        captured = [t for t, _ in traced.captures]
        program = traced.program(captured)
    handles = [v.handle for v in variables]
    definition = GraphCustom(
        getattr(function, "__name__", "custom"), len(outputs), len(inputs) + len(handles), program, layout
    )
    made = graph.create(definition, [*outputs, *inputs, *handles, *captured], {})
    return with_leaves(result, made)


def _variables_of(graph: Any, nodes: Sequence[Node], inputs: Sequence[Any]) -> list[Any]:
    used = {v for n in nodes for v in n.inputs}
    known = {id(t) for t in inputs}
    found = []
    for handle, value in graph.handles():
        if value in used and id(handle) not in known:
            variable = tapes.trainable_variable(handle)
            if variable is not None:
                found.append(variable)
    return found


def recompute_grad(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that keeps nothing for its gradient, but runs again for it."""
    if not callable(function):
        raise TypeError(
            explain(f"{type(function).__name__!r} object is not callable: recompute_grad takes a function.")
        )

    @custom_gradient
    def recomputed(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)

        def gradient(*dys: Any, variables: Any = None) -> Any:
            sources = [a for a in nest.flatten(args, expand_composites=True) if _can_be_tensor(a)]
            with GradientTape() as tape:
                copies = [apply(find("Identity"), leaf_tensor(a)) for a in sources]
                tape.watch([c for c in copies if c.dtype.is_floating or c.dtype.is_complex])
                if variables:
                    tape.watch(variables)
                again = function(*nest.pack_sequence_as(args, copies, expand_composites=True), **kwargs)
            flat = list(nest.flatten(again))
            found = tape.gradient(flat, [*copies, *(variables or [])], output_gradients=list(dys))
            for_args = found[: len(sources)]
            return (for_args, found[len(sources) :]) if variables else for_args

        return result, gradient

    functools.update_wrapper(recomputed, function)
    return recomputed


def grad_pass_through(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose gradient is that of the identity."""

    @custom_gradient
    def passed(*args: Any, **kwargs: Any) -> Any:
        def gradient(*dys: Any, variables: Any = None) -> Any:
            found = dys[0] if len(dys) == 1 else list(dys)
            return (found, [None] * len(variables)) if variables else found

        return function(*args, **kwargs), gradient

    return passed
