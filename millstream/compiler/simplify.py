"""Rewrite a node, before it is made, into something simpler that gives the same numbers. Never changes a rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from millstream.compiler import passes
from millstream.compiler.paddings import (
    simplify_convolution,
    simplify_cut_of_input_gradient,
    simplify_weight_gradient,
)
from millstream.compiler.products import simplify_dot, simplify_sum_of_products
from millstream.program.primitives.elementwise import (
    ADD,
    CONVERT,
    DIVIDE,
    MAXIMUM,
    MINIMUM,
    MULTIPLY,
    NEGATE,
    SELECT,
    SUBTRACT,
    maximum,
    minimum,
)
from millstream.program.primitives.linear import DOT
from millstream.program.primitives.reduction import REDUCE, reduce
from millstream.program.primitives.shaping import (
    BROADCAST,
    CONSTANT,
    PAD,
    RESHAPE,
    STOP_GRADIENT,
    TRANSPOSE,
    broadcast,
    reshape,
    transpose,
)
from millstream.program.primitives.windows import CONVOLUTION, CONVOLUTION_WEIGHT_GRADIENT
from millstream.program.value import Definition, Value

Answer = tuple[Value, ...] | None


def scalar_of(value: Value) -> Any:
    """Return the number that every element of `value` is; None where it is not one repeated constant."""
    node = value.node
    while node is not None and node.definition is BROADCAST:
        node = node.inputs[0].node
    if node is None or node.definition is not CONSTANT:
        return None
    array = node.attributes["value"]
    return array.reshape(-1)[0] if array.size == 1 and array.dtype != object else None


def _add(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    x, y = inputs
    # x + 0 is x except for x = -0.0, which integers do not have.
    if x.dtype.is_integer:
        if scalar_of(y) == 0:
            return (x,)
        if scalar_of(x) == 0:
            return (y,)
    return None


def _subtract(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    x, y = inputs
    zero = scalar_of(y)
    return (x,) if zero is not None and zero == 0 and not np.signbit(_real(zero)) else None


def _real(number: Any) -> Any:
    return np.real(number).astype(np.float64)


def _multiply(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    x, y = inputs
    if scalar_of(y) == 1:
        return (x,)
    return (y,) if scalar_of(x) == 1 else None


def _divide(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    return (inputs[0],) if scalar_of(inputs[1]) == 1 else None


def _negate(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    node = inputs[0].node
    return (node.inputs[0],) if node is not None and node.definition is NEGATE else None


def _select(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    condition, x, y = inputs
    if x is y:
        return (x,)
    chosen = scalar_of(condition)
    return None if chosen is None else ((x,) if chosen else (y,))


def _convert(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    return (inputs[0],) if inputs[0].dtype == attributes["dtype"] else None


def _reshape(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    x, shape = inputs[0], attributes["shape"]
    if x.spec.shape == shape:
        return (x,)
    node = x.node
    if node is not None and node.definition is RESHAPE:
        return (reshape(node.inputs[0], shape),)
    if node is not None and node.definition is BROADCAST and not node.inputs[0].shape:
        return (broadcast(node.inputs[0], shape, ()),)
    return None


def _transpose(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    x, permutation = inputs[0], attributes["permutation"]
    if permutation == tuple(range(len(permutation))):
        return (x,)
    node = x.node
    if node is not None and node.definition is TRANSPOSE:
        inner = node.attributes["permutation"]
        return (transpose(node.inputs[0], [inner[i] for i in permutation]),)
    if node is not None and node.definition is BROADCAST and not node.inputs[0].shape:
        return (broadcast(node.inputs[0], [x.shape[i] for i in permutation], ()),)
    moved = [i for i in permutation if x.shape[i] != 1]
    if moved == sorted(moved):
        return (reshape(x, [x.shape[i] for i in permutation]),)
    return None


def _broadcast(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    x, shape, axes = inputs[0], attributes["shape"], attributes["axes"]
    if x.spec.shape == shape and axes == tuple(range(len(shape))):
        return (x,)
    node = x.node
    if node is not None and node.definition is BROADCAST:
        inner = node.attributes["axes"]
        if all(n == 1 or n == shape[axes[i]] for i, n in enumerate(x.shape)):
            return (broadcast(node.inputs[0], shape, [axes[i] for i in inner]),)
    return None


def _reduce(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    """A reduction over axes of one element changes the shape only; a sum of products is a product."""
    x, axes = inputs[0], attributes["axes"]
    if x.spec.shape is None or not any(x.shape[i] == 1 for i in axes):
        return simplify_sum_of_products(inputs, attributes)
    kept = [i for i in range(x.rank) if i not in axes or x.shape[i] != 1]
    rest = [place for place, i in enumerate(kept) if i in axes]
    return (reduce(reshape(x, [x.shape[i] for i in kept]), attributes["kind"], rest),)


def _bounded(bound: Callable[[Value, Value], Value]) -> Callable[[Sequence[Value], Mapping[str, Any]], Answer]:
    """Return the rule for a bound that is one number: it is taken before the value has another shape, in the chain that makes it."""

    def rule(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
        for x, limit in (tuple(inputs), tuple(inputs)[::-1]):
            number = None if limit.node is None or limit.node.definition is not BROADCAST else limit.node.inputs[0]
            if x.node is None or x.node.definition is not RESHAPE or number is None or number.shape:
                continue
            inner = x.node.inputs[0]
            if inner.node is None or inner.node.definition not in _CHAINED or not inner.spec.is_static:
                continue
            return (reshape(bound(inner, broadcast(number, inner.shape, ())), x.shape),)
        return None

    return rule


def _stop_gradient(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    return (inputs[0],)


_CHAINED = frozenset({ADD, SUBTRACT, MULTIPLY, DIVIDE, MAXIMUM, MINIMUM, SELECT})

RULES: dict[Definition, Callable[[Sequence[Value], Mapping[str, Any]], Answer]] = {
    ADD: _add,
    SUBTRACT: _subtract,
    MULTIPLY: _multiply,
    DIVIDE: _divide,
    NEGATE: _negate,
    SELECT: _select,
    CONVERT: _convert,
    RESHAPE: _reshape,
    TRANSPOSE: _transpose,
    BROADCAST: _broadcast,
    REDUCE: _reduce,
    MAXIMUM: _bounded(maximum),
    MINIMUM: _bounded(minimum),
    STOP_GRADIENT: _stop_gradient,
    DOT: simplify_dot,
    CONVOLUTION: simplify_convolution,
    CONVOLUTION_WEIGHT_GRADIENT: simplify_weight_gradient,
    PAD: simplify_cut_of_input_gradient,
}


def simplify(definition: Definition, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> Answer:
    """Return what the node would give, made simpler; None where it is simple already."""
    rule = RULES.get(definition)
    # Backward passes are made by now: no kernel is there to stop a gradient.
    if rule is None or not (definition is STOP_GRADIENT or passes.is_on("simplify")):
        return None
    return rule(inputs, attributes)
