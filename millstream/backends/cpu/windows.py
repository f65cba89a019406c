"""Write the instructions of convolutions and of reductions over windows."""

from __future__ import annotations

from millstream.backends.cpu.emitters import emits, emits_with_tail
from millstream.backends.cpu.movement import with_words
from millstream.backends.cpu.tails import Tail
from millstream.base.sizes import Size
from millstream.base.spec import Spec
from millstream.compiler.plan import ALIAS, FunctionWriter
from millstream.program.value import Node, Value

_KINDS = {"sum": 0, "max": 1, "min": 2, "average": 3}


def _words(node: Node, groups: int, activation: int = 0) -> list[Size]:
    a = node.attributes
    return [groups, activation, 0, *a["strides"], *a["low"], *a["high"], *a["input_dilation"], *a["kernel_dilation"]]


def _is_depthwise(node: Node, weights: Value) -> bool:
    groups = node.attributes["groups"]
    return groups > 1 and weights.shape[-2] == 1 and weights.rank <= 4 and weights.spec.is_static


def _as_depthwise(slot: int, weights: Value, groups: int, writer: FunctionWriter) -> int:
    """View weights [spatial…, 1, C * M] as [spatial…, C, M]: the same bytes."""
    shape = (*weights.shape[:-2], groups, weights.shape[-1] // groups)
    return writer.slot(Spec(weights.dtype, shape), ALIAS, slot)


def _convolution(node: Node, writer: FunctionWriter) -> None:
    _convolution_with_tail(node, Tail(node.outputs[0]), writer)


@emits_with_tail("convolution")
def _convolution_with_tail(node: Node, tail: Tail, writer: FunctionWriter) -> None:
    x, w = node.inputs
    groups, out = node.attributes["groups"], writer.place(tail.output)
    bias = -1 if tail.bias is None else writer.place(tail.bias)
    if _is_depthwise(node, w):
        slots = [writer.place(x), _as_depthwise(writer.place(w), w, groups, writer), bias]
        writer.instruction("depthwise_convolution", slots, [out], _words(node, 1, tail.activation))
    else:
        slots = [writer.place(x), writer.place(w), bias]
        writer.instruction("convolution", slots, [out], _words(node, groups, tail.activation))


def _input_gradient(node: Node, writer: FunctionWriter) -> None:
    w, dz = node.inputs
    groups, out = node.attributes["groups"], writer.place(node.outputs[0])
    if _is_depthwise(node, w):
        slots = [_as_depthwise(writer.place(w), w, groups, writer), writer.place(dz)]
        writer.instruction("depthwise_convolution_input_gradient", slots, [out], _words(node, 1))
    else:
        slots = [writer.place(w), writer.place(dz)]
        writer.instruction("convolution_input_gradient", slots, [out], _words(node, groups))


def _weight_gradient(node: Node, writer: FunctionWriter) -> None:
    slots = [writer.place(v) for v in node.inputs]
    weights, groups = node.outputs[0], node.attributes["groups"]
    if _is_depthwise(node, weights):
        shape = (*weights.shape[:-2], groups, weights.shape[-1] // groups)
        view = writer.slot(Spec(weights.dtype, shape))
        writer.instruction("depthwise_convolution_weight_gradient", slots, [view], _words(node, 1))
        writer.alias(weights, view)
    else:
        writer.instruction("convolution_weight_gradient", slots, [writer.place(weights)], _words(node, groups))


emits("convolution")(_convolution)
emits("convolution_input_gradient")(_input_gradient)
emits("convolution_weight_gradient")(_weight_gradient)


def _window_words(node: Node) -> list[Size]:
    a = node.attributes
    return [*a["window"], *a["strides"], *a["low"], *a["high"]]


with_words("reduce_window", lambda n: [_KINDS[n.attributes["kind"]], *_window_words(n)])
with_words("pool_max_gradient", _window_words)
with_words("pool_sum_gradient", lambda n: [_KINDS[n.attributes["kind"]], *_window_words(n)], "pool_average_gradient")
