"""Read what comes behind a product or a convolution that its kernel does itself: bias, sum, activation, order of the axes.

As in TensorFlow, whose traced functions use the same library, a relu done by the kernel may give 0 where the sum is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from millstream.base import dtypes
from millstream.compiler.simplify import scalar_of
from millstream.program.primitives.shaping import BROADCAST, CONSTANT, SLICE
from millstream.program.value import Node, Value

_RELU, _RELU6, _TANH, _LOGISTIC = 1, 2, 3, 4
_FLOATS = (dtypes.float32, dtypes.float64)


@dataclass
class Tail:
    """What a kernel does to its result before it stores it."""

    output: Value
    bias: Value | None = None
    addend: Value | None = None
    activation: int = 0
    permutation: tuple[int, ...] | None = None


def read_tail(node: Node, tail: Sequence[Node]) -> Tail | None:
    """Return what `tail` does to the result of `node`; None where the kernel cannot do it."""
    found = Tail(node.outputs[0])
    if node.definition.name not in ("dot", "convolution") or found.output.dtype not in _FLOATS:
        return None
    for step in tail:
        if not _add_step(found, node, step):
            return None
        found.output = step.outputs[0]
    return found


def _add_step(found: Tail, node: Node, step: Node) -> bool:
    name, value = step.definition.name, found.output
    if name == "transpose":
        if node.definition.name != "dot":
            return False
        if found.addend is not None:
            return False
        order = step.attributes["permutation"]
        before = found.permutation
        found.permutation = order if before is None else tuple(before[i] for i in order)
        return True
    if name in ("tanh", "logistic"):
        before_it, found.activation = found.activation, _TANH if name == "tanh" else _LOGISTIC
        return before_it == 0
    if len(step.inputs) != 2 or (step.inputs[0] is value) == (step.inputs[1] is value):
        return False
    other = step.inputs[1] if step.inputs[0] is value else step.inputs[0]
    if name == "maximum" and scalar_of(other) == 0:
        before_it, found.activation = found.activation, _RELU
        return before_it == 0
    if name == "minimum" and scalar_of(other) == 6:
        before_it, found.activation = found.activation, _RELU6
        return before_it == _RELU
    if name == "add" and not found.activation and found.permutation is None:
        bias = _bias(node, value, other)
        if bias is not None and found.bias is None:
            found.bias = bias
            return True
        if found.addend is None and _is_addend(node, other):
            found.addend = other
            return True
    return False


def _is_addend(node: Node, other: Value) -> bool:
    """Return whether a product can add the whole of `other`: it lies in memory as the result does."""
    made_by = other.node
    lies_elsewhere = made_by is not None and made_by.definition in (BROADCAST, CONSTANT, SLICE)
    return node.definition.name == "dot" and other.spec.is_static and not lies_elsewhere


def _bias(node: Node, value: Value, other: Value) -> Value | None:
    """Return the vector that `other` repeats along the last axis of `value`."""
    made_by = other.node
    if made_by is None or made_by.definition is not BROADCAST or made_by.attributes["axes"] != (value.rank - 1,):
        return None
    vector = made_by.inputs[0]
    if vector.shape[0] != value.shape[-1]:
        return None
    if node.definition.name == "dot":
        y = node.inputs[1]
        if y.rank - len(node.attributes["contract"][1]) - len(node.attributes["batch"][1]) != 1:
            return None
    return vector
