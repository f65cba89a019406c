"""Let convolutions pad their input themselves, and their gradients leave out what was padded. Only where zeros are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.base.sizes import Size, is_known
from millstream.program.primitives.shaping import CONSTANT, PAD
from millstream.program.primitives.windows import (
    CONVOLUTION_INPUT_GRADIENT,
    convolution,
    input_gradient,
    weight_gradient,
)
from millstream.program.value import Node, Value


def simplify_convolution(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...] | None:
    """Convolve what is behind zeros added around the places; None where there are none."""
    x, w = inputs
    wider = _padded(x.node, w.shape, attributes)
    return None if wider is None else (convolution(x.node.inputs[0], w, **wider),)  # type: ignore[union-attr]


def simplify_weight_gradient(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...] | None:
    """Read what is behind zeros added around the places; None where there are none."""
    x, dz = inputs
    wider = _padded(x.node, attributes["shape"], attributes)
    return None if wider is None else (weight_gradient(x.node.inputs[0], dz, **wider),)  # type: ignore[union-attr]


def simplify_cut_of_input_gradient(inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...] | None:
    """Compute only what is left of the gradient of a padded input; None for any other padding."""
    node = inputs[0].node
    low, high = ([-n for n in attributes[side]] for side in ("low", "high"))
    if node is None or node.definition is not CONVOLUTION_INPUT_GRADIENT or any(attributes["interior"]):
        return None
    wider = _widened(node.attributes, node.inputs[0].shape, low, high)
    if wider is None:
        return None
    shape = [n - a - b for n, a, b in zip(inputs[0].shape, low, high, strict=True)]
    w, dz = node.inputs
    return (input_gradient(w, dz, **{**wider, "shape": tuple(shape)}),)


def _padded(node: Node | None, window: Sequence[Size], attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the attributes of a convolution that also does the padding `node`; None where it cannot."""
    if node is None or node.definition is not PAD or any(node.attributes["interior"]):
        return None
    fill = node.inputs[1].node
    if fill is None or fill.definition is not CONSTANT or fill.attributes["value"] != 0:
        return None
    return _widened(attributes, window, node.attributes["low"], node.attributes["high"])


def _widened(
    attributes: Mapping[str, Any], window: Sequence[Size], low: Sequence[Size], high: Sequence[Size]
) -> dict[str, Any] | None:
    """Return the attributes with more padding, less than the window on each side; None where that does not fit."""
    if not all(map(is_known, (*low, *high))) or any(d != 1 for d in attributes["input_dilation"]):
        return None
    if any((low[0], low[-1], high[0], high[-1])):
        return None
    wider = {**attributes}
    for side, more in (("low", low[1:-1]), ("high", high[1:-1])):
        wider[side] = tuple(a + b for a, b in zip(attributes[side], more, strict=True))
        for own, extra, k, d in zip(attributes[side], more, window, attributes["kernel_dilation"], strict=False):
            if not is_known(own) or not is_known(k) or own < 0 or extra < 0 or own + extra > (k - 1) * d:
                return None
    return wider
