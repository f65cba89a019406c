"""tf.debugging: checks of ranks and sizes. What is known while tracing is checked at once, the rest when the graph runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.execution.checking import assert_true, nothing
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.static_value import static_value
from millstream.execution.tensor import EagerTensor
from millstream.ops.registry import find

_KINDS = {"must have rank": "Equal", "must have rank at least": "GreaterEqual", "must have rank in": "Equal"}


def _head(message: str | None, sign: str = "\n") -> str:
    return f"{message}{sign}" if message else ""


def _named(x: Any) -> str:
    return "" if isinstance(x, (EagerTensor, SparseTensor)) else f" {x.name}"


def _rank_tensor(rank: Any) -> Any:
    """Return a rank that is checked for; ValueError and TypeError where it is no integer scalar."""
    tensor = to_tensor(rank)
    if tensor.dtype not in (dtypes.int32, dtypes.int64):
        raise TypeError(errors.explain(f"Rank must be an integer, got {rank}."))
    if tensor.shape.rank not in (0, None):
        raise ValueError(errors.explain("Rank must be a scalar."))
    return apply(find("Cast"), tensor, DstT=dtypes.int32)


def _check(x: Any, ranks: Sequence[Any], words: str, message: str | None) -> Any:
    """Stop where the rank of x has the relation to none of `ranks` that the words say."""
    x = x if isinstance(x, SparseTensor) else to_tensor(x)
    wanted = [_rank_tensor(r) for r in ranks]
    known = [static_value(r) for r in wanted]
    found = x.shape.rank
    text = f"{_head(message)}Tensor{_named(x)} {words}"
    if found is not None and all(k is not None for k in known):
        numbers = [int(k) for k in known]
        fits = found >= numbers[0] if words.endswith("least") else found in numbers
        if not fits:
            shown = str(tuple(numbers)) if words.endswith("in") else str(numbers[0])
            raise ValueError(errors.explain(f"{text} {shown}.  Received rank {found}, shape {x.shape}"))
        return nothing()
    rank = array.rank(x)
    holds = [apply(find(_KINDS[words]), rank, r) for r in wanted]
    any_holds = holds[0]
    for more in holds[1:]:
        any_holds = apply(find("LogicalOr"), any_holds, more)
    return assert_true(any_holds, [text, *wanted, "Received shape: ", array.shape(x)])


@public("debugging.assert_rank", "assert_rank")
def assert_rank(x: Any, rank: Any, message: str | None = None, name: str | None = None) -> Any:
    """Stop where x has another rank.

    Args:
      x: a tensor.
      rank: an integer, or an integer scalar.
      message: what the error begins with.
      name: of the operation.

    Raises:
      ValueError: the rank is known and is another.
      tf.errors.InvalidArgumentError: when the graph runs, likewise.
    """
    return _check(x, [rank], "must have rank", message)


@public("debugging.assert_rank_at_least")
def assert_rank_at_least(x: Any, rank: Any, message: str | None = None, name: str | None = None) -> Any:
    """Stop where x has a lower rank. See `tf.debugging.assert_rank`."""
    return _check(x, [rank], "must have rank at least", message)


@public("debugging.assert_rank_in")
def assert_rank_in(x: Any, ranks: Iterable[Any], message: str | None = None, name: str | None = None) -> Any:
    """Stop where x has none of the ranks. See `tf.debugging.assert_rank`."""
    return _check(x, list(ranks), "must have rank in", message)


@public("debugging.assert_scalar")
def assert_scalar(tensor: Any, message: str | None = None, name: str | None = None) -> None:
    """Raise ValueError where the tensor is not known to be a scalar."""
    tensor = to_tensor(tensor)
    if tensor.shape.rank != 0:
        where = f" for {tensor.name}" if _named(tensor) else ""
        raise ValueError(errors.explain(f"{_head(message)}Expected scalar shape{where}, saw shape: {tensor.shape}."))


class _Wanted:
    """The sizes that a tensor is to have, the last ones only where `inner`."""

    def __init__(self, x: Any, shape: Any, message: str | None) -> None:
        self.x = x if isinstance(x, SparseTensor) else to_tensor(x)
        if not hasattr(shape, "__iter__"):
            raise ValueError(
                errors.explain(
                    f"{_head(message)}Tensor{_named(self.x)}.  Specified shape must be an iterable.  Received specified shape: "
                    f"{shape}"
                )
            )
        sizes = tuple(shape)
        for i, size in enumerate(sizes):
            if (size is ... or size == "*") and i:
                raise ValueError(
                    errors.explain(
                        f"{_head(message)}Tensor{_named(self.x)} specified shape index {i}.  Symbol `...` or `*` for a variable "
                        "number of unspecified dimensions is only allowed as the first entry"
                    )
                )
        self.inner = bool(sizes) and (sizes[0] is ... or sizes[0] == "*")
        # A scalar counts as a vector of one element.
        self.sizes = (sizes[1:] if self.inner else sizes) or (1,)

    def check_rank(self, message: str | None) -> Any:
        """Stop where there are not as many axes; None where there is nothing to check."""
        rank = len(self.sizes)
        if self.inner:
            return None if rank == 1 else assert_rank_at_least(self.x, rank, message)
        return assert_rank_in(self.x, [0, 1], message) if rank == 1 else assert_rank(self.x, rank, message)

    def size(self, axis: int) -> Any:
        """Return how long an axis is: a number where that is known."""
        shape = self.x.shape
        if shape.rank == 0:
            return 1
        known = None if shape.rank is None else shape[axis]
        if known is not None:
            return known
        sizes = array.shape(self.x)
        if shape.rank is None:
            one = to_tensor([1], dtypes.int32)
            is_scalar = apply(find("Equal"), array.rank(self.x), to_tensor(0, dtypes.int32))
            # Of a scalar, the sizes are []: with a 1 in front there is one in any case.
            length = apply(find("Cast"), is_scalar, DstT=dtypes.int32)
            front = apply(find("Fill"), apply(find("Reshape"), length, one), to_tensor(1, dtypes.int32))
            sizes = array.concat([front, sizes], 0)
        return sizes[axis]


def _number(size: Any) -> int | None:
    """Return the number that a size is said by, as a text too; None for names."""
    try:
        return int(size)
    except (TypeError, ValueError):
        return None


@public("debugging.assert_shapes")
def assert_shapes(
    shapes: Any,
    data: Any = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """Stop where tensors have other sizes than given.

    Args:
      shapes: pairs of a tensor and its sizes, or a dictionary: numbers, None or "." for any, and names that stand for one
        size throughout. `...` or "*" in front leaves the outer axes open; None in the place of the sizes, all of them.
      data: what the error shows in the place of the tensor's sizes.
      summarize: how many elements of each it shows.
      message: what the error begins with.
      name: of the operation.

    Raises:
      ValueError: sizes that are known differ.
      tf.errors.InvalidArgumentError: when the graph runs, others do.

    >>> tf.debugging.assert_shapes([(tf.zeros([2, 3]), ("n", 3)), (tf.zeros([2]), ("n",))])
    """
    pairs = shapes.items() if isinstance(shapes, Mapping) else shapes
    every = [_Wanted(x, shape, message) for x, shape in pairs if shape is not None]
    checks = [w.check_rank(message) for w in every]
    first: dict[Any, tuple[Any, Any, int]] = {}
    for wanted in every:
        for i, size in enumerate(wanted.sizes):
            if size is None or (isinstance(size, str) and size == "."):
                continue
            axis = i - len(wanted.sizes) if wanted.inner else i
            number = _number(size)
            if number is None and size not in first:
                first[size] = wanted.size(axis), wanted.x, axis
                continue
            if number is not None:
                should, told = number, "Specified explicitly"
            else:
                should, by, at = first[size]
                told = f"Specified by tensor{_named(by)} dimension {at}"
            checks.append(_check_size(wanted, axis, should, f"{_head(message)}{told}", data, summarize))
    graph = current_graph()
    if graph is None or graph.building_function:
        return None
    with graph.control_dependencies([check for check in checks if check is not None]):
        return nothing()


def _check_size(wanted: _Wanted, axis: int, should: Any, told: str, data: Any, summarize: int | None) -> Any:
    found = wanted.size(axis)
    text = f"{told}.  Tensor{_named(wanted.x)} dimension {axis} must have size"
    if isinstance(found, (int, np.integer)) and isinstance(should, (int, np.integer)):
        if found != should:
            raise ValueError(errors.explain(f"{text} {should}.  Received size {found}, shape {wanted.x.shape}"))
        return None
    shown = [text, should, "Received shape: ", array.shape(wanted.x)] if data is None else data
    return assert_true(apply(find("Equal"), to_tensor(found), to_tensor(should, dtypes.int32)), shown, summarize)
