"""Declare the forms of Unique that take an axis."""

from __future__ import annotations

from millstream.base.dtypes import int32, int64
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.program.primitives.core import refuse
from millstream.program.primitives.searching import unique
from millstream.program.primitives.shaping import contents
from millstream.program.value import Value

Any = Types("T")
Axis = Types("Taxis", int32, int64, default=int64)
Out = Types("out_idx", int32, int64, default=int32)


def _along(x: Value, axis: Value, what: str) -> None:
    axes = contents(axis)
    if len(axes) > 1:
        raise refuse(what, f"axis of {len(axes)} elements", "axis does not support more than 1 element")
    if x.rank != 1:
        raise refuse(what, f"rank {x.rank}", "give a vector: distinct rows along an axis are not supported")


@op("UniqueV2", outputs=("y", "idx"))
def unique_v2(
    x: Tensor[Any], axis: Known[Tensor[Axis]], *, out_idx: Out = int32
) -> tuple[Tensor[Any], Tensor["out_idx"]]:
    """Return the distinct elements of a vector, and where each element is among them."""
    _along(x, axis, "UniqueV2")
    values, index, _ = unique(x, out_idx)
    return values, index


@op("UniqueWithCountsV2", outputs=("y", "idx", "count"))
def unique_with_counts_v2(
    x: Tensor[Any], axis: Known[Tensor[Axis]], *, out_idx: Out = int32
) -> tuple[Tensor[Any], Tensor["out_idx"], Tensor["out_idx"]]:
    """Return the distinct elements of a vector, where each element is among them, and how often each occurs."""
    _along(x, axis, "UniqueWithCountsV2")
    return unique(x, out_idx)


for _op in (unique_v2, unique_with_counts_v2):
    _op.no_gradient()
    _op.cases([((8,), (1,))], dtypes=[int32, int64], inputs=([3, 1, 3, 2, 1, 1, 7, 3], [0]))
