"""Declare the ops that ask where an element stands among others."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.dtypes import float32, int32, int64
from millstream.ops.declaration import Tensor, Types, op
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import refuse
from millstream.program.primitives.indexing import one_hot
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import broadcast, full, spread

Target = Types("T", int32, int64, default=int32)


@op("InTopKV2", outputs="precision")
def in_top_k(predictions: Tensor[float32], targets: Tensor[Target], k: Tensor[Target]) -> Tensor[dtypes.bool]:
    """Return for each row whether fewer than k predictions are above the target's; never where one is not finite."""
    if predictions.rank != 2 or targets.rank != 1:
        raise refuse(
            "InTopKV2",
            f"{predictions.spec} and {targets.spec}",
            "give predictions [batch, classes] and targets [batch]",
        )
    hot = one_hot(targets, predictions.shape[1], -1, dtypes.bool)  # type: ignore[arg-type]
    wanted = reduce(e.select(hot, predictions, full(hot.shape, 0, float32)), "sum", (1,))
    above = e.compare(predictions, spread(wanted, like=predictions, axes=(1,)), "GT")
    count = reduce(e.convert(above, targets.dtype), "sum", (1,))
    known = e.bit_and(reduce(e.is_finite(predictions), "and", (1,)), reduce(hot, "or", (1,)))
    return e.bit_and(e.compare(count, broadcast(k, count.shape, ()), "LT"), known)


in_top_k.no_gradient()
in_top_k.cases([((4, 5), (4,), ())], inputs=(None, [0, 4, 2, 9], 2))
in_top_k.cases([((3, 2), (3,), ())], inputs=([[1, float("nan")], [1, 1], [0, 2]], [0, 1, 0], 1), dtypes=[int32])
