"""Checks of conditions: raised at once, or made part of the graph being traced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.symbolic import SymbolicTensor
from millstream.ops import control as ops


def assert_true(condition: Any, data: Sequence[Any], summarize: int | None = None) -> Any:
    """Stop with InvalidArgumentError, showing `data`, where `condition` does not hold; in the graph of a session, an operation."""
    condition = to_tensor(condition, dtypes.bool)
    if current_graph() is None or not isinstance(condition, SymbolicTensor):
        if np.all(condition.numpy()):
            return nothing()
        if current_graph() is None:
            parts = [_summary(d, 3 if summarize is None else summarize) for d in data]
            raise errors.InvalidArgumentError(
                None, None, errors.explain(f"Expected '{condition!s}' to be true. Summarized data: " + "\n".join(parts))
            )
    return apply(ops.assert_, condition, [to_tensor(d) for d in data], summarize=3 if summarize is None else summarize)


def nothing() -> Any:
    """Return an operation that does nothing, in the graph of a session or a branch there; None elsewhere."""
    graph = current_graph()
    return apply(ops.no_op) if graph is not None and graph.gives_operations else None


def _summary(value: Any, summarize: int) -> str:
    tensor = to_tensor(value)
    flat = np.ravel(np.asarray(tensor.numpy(), object))
    if 0 <= summarize < flat.size:
        return ", ".join(str(v) for v in flat[:summarize]) + ", ..."
    return ", ".join(str(v) for v in flat)
