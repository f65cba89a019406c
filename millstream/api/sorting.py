"""tf.sort, tf.argsort, tf.math.top_k and searching in sorted rows."""

from __future__ import annotations

from typing import Any, NamedTuple

from millstream.api import array, reduction
from millstream.api.math import subtract
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.by_rank import takes_any_rank
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops.registry import find


@public("math.top_k", "nn.top_k")
def top_k(input: Any, k: Any = 1, sorted: bool = True, index_type: Any = dtypes.int32, name: str | None = None) -> Any:
    """Return the k largest elements along the last axis and their places."""
    count = k if isinstance(k, Tensor) else to_tensor(k, dtypes.int32)
    values, indices = apply(find("TopKV2"), to_tensor(input), count, sorted=sorted, index_type=as_dtype(index_type))
    return TopKV2(values, indices)


class TopKV2(NamedTuple):
    """What top_k returns."""

    values: Any
    indices: Any


def _turned(values: Any, axis: int, rank: int) -> Any:
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return array.transpose(values, order)


def _negated(values: Any) -> Any:
    """Return numbers in the opposite order."""
    if values.dtype.is_unsigned or (values.dtype.is_integer and not values.dtype.is_unsigned):
        # -x overflows for the lowest number, the bits turned over do not.
        return apply(find("Invert"), values)
    return apply(find("Neg"), values)


def _checked_order(axis: Any, direction: str) -> int:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(
            explain(f"Argument `direction` should be one of 'ASCENDING' or 'DESCENDING'. Received: {direction}")
        )
    return int(axis)


def _sorted_places(values: Any, axis: int, direction: str) -> tuple[Any, Any]:
    """Return sorted values and their places along an axis."""
    rank = values.shape.rank
    if not -rank <= axis < rank:
        raise ValueError(
            explain(
                f"Argument `axis` = {axis} out of range for a tensor of rank {rank}: choose one in [{-rank}, {rank})."
            )
        )
    axis %= rank
    last = axis == rank - 1
    rows = values if last else _turned(values, axis, rank)
    if direction == "ASCENDING":
        rows = _negated(rows)
    count = rows.shape[-1]
    k = eager_constant(count, dtypes.int32) if count is not None else array.shape(rows)[-1]
    found, places = apply(find("TopKV2"), rows, k, sorted=True, index_type=dtypes.int32)
    if direction == "ASCENDING":
        found = _negated(found)
    return (found, places) if last else (_turned(found, axis, rank), _turned(places, axis, rank))


@takes_any_rank("tf.sort")
def _sorted(values: Any, axis: int, direction: str) -> Any:
    return _sorted_places(values, axis, direction)[0]


@takes_any_rank("tf.argsort", dtype=lambda _: dtypes.int32)
def _places(values: Any, axis: int, direction: str) -> Any:
    return _sorted_places(values, axis, direction)[1]


@public("sort")
def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None) -> Any:
    """Return the elements sorted along an axis."""
    return _sorted(to_tensor(values), _checked_order(axis, direction), direction)


@public("argsort")
def argsort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Any:
    """Return the places that sort the elements along an axis; equal ones keep their order."""
    return _places(to_tensor(values), _checked_order(axis, direction), direction)


@public("searchsorted")
def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = dtypes.int32, name: str | None = None
) -> Any:
    """Return, row by row, where each value is to be put in to keep the order."""
    if side not in ("left", "right"):
        raise ValueError(explain(f"Argument `side` must be either 'right' or 'left'. Saw: {side}."))
    rows = to_tensor(sorted_sequence)
    wanted = to_tensor(values, None, rows.dtype)
    places = apply(
        find("UpperBound" if side == "right" else "LowerBound"),
        _as_rows(rows),
        _as_rows(wanted),
        out_type=as_dtype(out_type),
    )
    return array.reshape(places, array.shape(wanted))


def _as_rows(x: Any) -> Any:
    """Return a matrix of the rows; -1 would not do where they are empty."""
    if x.shape.rank == 2:
        return x
    sizes = array.shape(x)
    return array.reshape(x, array.stack([reduction.reduce_prod(sizes[:-1]), sizes[-1]]))


@public("math.in_top_k", "nn.in_top_k")
def in_top_k(targets: Any, predictions: Any, k: Any, name: str | None = None) -> Any:
    """Return for each row whether the prediction of its target is among the k largest."""
    targets = to_tensor(targets, None, dtypes.int32)
    return apply(find("InTopKV2"), predictions, targets, to_tensor(k, targets.dtype))


@public("compat.v1.math.in_top_k", "compat.v1.nn.in_top_k")
def in_top_k_v1(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Any:
    """Return for each row whether the prediction of its target is among the k largest."""
    return in_top_k(targets, predictions, k)


@public("math.is_non_decreasing")
def is_non_decreasing(x: Any, name: str | None = None) -> Any:
    """Return whether no element is smaller than the one before it."""
    return _steps(x, "LessEqual")


@public("math.is_strictly_increasing")
def is_strictly_increasing(x: Any, name: str | None = None) -> Any:
    """Return whether each element is larger than the one before it."""
    return _steps(x, "Less")


def _steps(x: Any, relation: str) -> Any:
    flat = array.reshape(x, [-1])
    steps = subtract(flat[1:], flat[:-1])
    holds = apply(find(relation), eager_constant(0, steps.dtype), steps)
    return apply(find("All"), holds, array.index_tensor([0]), keep_dims=False)
