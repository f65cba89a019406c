"""What is known of a tensor's content before anything runs: tf.get_static_value, and shapes out of shape tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.autodiff.split import acts
from millstream.base.shapes import TensorShape
from millstream.execution.context import init_scope
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply_flat
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor
from millstream.program.value import Node

DEEPEST_FOLDED = 32
"""Conditions that are known stand close to what makes them known: a search ends after so many nodes in a row."""


def static_value(tensor: Any, partial: bool = False) -> Any:
    """Return the content as a NumPy value, None where it is not known; with `partial`, None for unknown elements."""
    if isinstance(tensor, EagerTensor):
        return tensor.numpy() if tensor.dtype.is_numpy_compatible else None
    if not isinstance(tensor, SymbolicTensor):
        return None if hasattr(tensor, "__tf_tensor__") else tensor
    node = tensor.value.node
    if node is not None and node.definition.name == "constant":
        return node.attributes["value"]
    if node is not None and node.definition.name == "Const":
        return node.attributes["value"]
    known = tensor.value.spec.value
    if known is None:
        outside = next((t for t, v in tensor.graph.captures.values() if v is tensor.value), None)
        return static_value(outside, partial) if isinstance(outside, SymbolicTensor) else None
    sizes = known if isinstance(known, tuple) else (known,)
    plain = [n if isinstance(n, int) else None for n in sizes]
    if None in plain:
        return np.array(plain, object) if partial else None
    array = np.asarray(plain, tensor.dtype.as_numpy_dtype)
    return array if isinstance(known, tuple) else array.reshape(())[()]


def shape_from_tensor(tensor: Any) -> TensorShape:
    """Return the shape that a shape tensor holds, as far as it is known; -1 means unknown."""
    if isinstance(tensor, SymbolicTensor):
        known = tensor.value.spec.value
        if isinstance(known, tuple):
            return TensorShape([n if isinstance(n, int) and n != -1 else None for n in known])
        sizes = _known_elements(tensor, DEEPEST_FOLDED)
        return TensorShape(None if sizes is None else [None if n == -1 else n for n in sizes])
    sizes = np.asarray(tensor).tolist()
    return TensorShape([None if n == -1 else n for n in sizes])


def _known_elements(tensor: SymbolicTensor, depth: int) -> list[int | None] | None:
    """Return the elements of a row of integers, None for those that are not known, through what puts rows together."""
    known = static_value(tensor, partial=True)
    if known is not None:
        return np.asarray(known, object).reshape(-1).tolist()
    count = tensor.shape.as_list()[0] if tensor.shape.rank == 1 else None
    unknown: list[int | None] | None = None if count is None else [None] * count
    node = tensor.value.node
    if node is None or depth == 0 or count is None:
        return unknown
    name = node.definition.name
    if name not in ("Cast", "Pack", "ConcatV2", "StridedSlice"):
        return unknown
    inputs = [tensor.graph.tensor(value) for value in node.inputs]
    if name == "StridedSlice":
        return _sliced_elements(node, inputs, depth) or unknown
    rows = inputs[:-1] if name == "ConcatV2" else inputs
    parts = [[static_value(row)] if row.shape.rank == 0 else _known_elements(row, depth - 1) for row in rows]
    found = [None if n is None else int(n) for part in parts if part is not None for n in part]
    return found if len(found) == count else unknown


def _sliced_elements(node: Node, inputs: list[SymbolicTensor], depth: int) -> list[int | None] | None:
    """Return the elements that a slice of a row, with known ends, keeps."""
    masks = node.attributes
    row = _known_elements(inputs[0], depth - 1)
    ends = [static_value(end) for end in inputs[1:]]
    if row is None or any(end is None for end in ends):
        return None
    if masks["shrink_axis_mask"] or masks["new_axis_mask"] or masks["ellipsis_mask"] or len(ends[0]) != 1:
        return None
    begin = None if masks["begin_mask"] else int(ends[0][0])
    end = None if masks["end_mask"] else int(ends[1][0])
    return row[begin : end : int(ends[2][0])]


def folded(tensor: Any) -> Any:
    """Return the content as a NumPy value, computed from known contents where ops without effects make it; None if unknown."""
    return _folded(tensor, {}, DEEPEST_FOLDED)


def _folded(tensor: Any, seen: dict[Any, Any], depth: int) -> Any:
    found = static_value(tensor)
    if found is not None or not isinstance(tensor, SymbolicTensor) or tensor.value.node is None or depth == 0:
        return found
    if tensor.value not in seen:
        seen[tensor.value] = _computed(tensor, tensor.value.node, seen, depth - 1)
    return seen[tensor.value]


def _computed(tensor: SymbolicTensor, node: Node, seen: dict[Any, Any], depth: int) -> Any:
    if acts(node) or len(node.outputs) != 1 or not node.inputs or not tensor.value.spec.is_static:
        return None
    known = []
    for value in node.inputs:
        content = _folded(tensor.graph.tensor(value), seen, depth)
        if content is None:
            return None
        known.append(content)
    with init_scope():
        given = [to_tensor(k, v.spec.dtype) for k, v in zip(known, node.inputs, strict=True)]
        return apply_flat(node.definition, given, dict(node.attributes)).numpy()
