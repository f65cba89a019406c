"""Declare the ops that make sequences or find places: Range, LinSpace, Where, Unique, Bitcast."""

from __future__ import annotations

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import (
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint16,
    uint32,
    uint64,
)
from millstream.base.sizes import is_known, maximum
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.types import COMPLEX, FLOATS, INTEGERS, NUMBERS, QUANTIZED
from millstream.program.primitives import searching
from millstream.program.primitives import shaping as s
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import ceil, compare, convert
from millstream.program.primitives.elementwise import maximum as maximum_of
from millstream.program.value import Value

Step = Types("Tidx", *FLOATS, int8, int16, int32, int64, uint16, uint32, uint64, default=int32)
LONGEST_KNOWN = 16


@op("Range", outputs="output")
def range_(start: Known[Tensor[Step]], limit: Known[Tensor[Step]], delta: Known[Tensor[Step]]) -> Tensor[Step]:
    """Return start, start + delta, … as long as below (above, for a negative delta) `limit`."""
    dtype = start.dtype
    for name, value in (("start", start), ("limit", limit), ("delta", delta)):
        if value.rank and value.shape != (1,):
            raise refuse("Range", f"{name} is {value.spec}", f"{name} must be a scalar")
    if dtype.is_integer:
        first, last, step = (s.contents(v)[0] for v in (start, limit, delta))
        if is_known(step) and step == 0:
            raise refuse("Range", "delta = 0", "give a delta that is not 0")
        if is_known(step):
            count = maximum((last - first + step - (1 if step > 0 else -1)) // step, 0)
        else:
            check(compare(delta, s.full(delta.shape, 0, dtype), "NE"), "Range: Requires delta != 0")
            count = maximum((last - first + step - 1) // step, 0)
        if all(is_known(n) for n in (first, last, step)) and count <= LONGEST_KNOWN and dtype in (int32, int64):
            # Axes are often given like this: their content decides shapes.
            return s.sizes(tuple(range(first, last, step)), dtype)
        steps = s.iota((count,), 0, dtype)
        begin = s.broadcast(start, (count,), ())
        return begin + steps * s.broadcast(delta, (count,), ())
    numbers = [s.literal(v) for v in (start, limit, delta)]
    if any(n is None for n in numbers):
        return _range_of_floats(start, limit, delta)
    a, _, d = (float(n) for n in numbers)  # type: ignore[arg-type]
    if d == 0:
        raise refuse("Range", "delta = 0", "give a delta that is not 0")
    # TensorFlow counts in the range's own type: rounding decides whether `limit` itself is reached.
    first, last, step = (n.astype(dtype.as_numpy_dtype).reshape(()) for n in numbers if n is not None)
    count = max(0, int(np.ceil((last - first) / step)))
    wide = convert(s.iota((count,), 0, int64), dtype if dtype in (float32, float64) else float32)
    scaled = wide * d + a
    return convert(scaled, dtype)


def _range_of_floats(start: Value, limit: Value, delta: Value) -> Value:
    """Return a range whose numbers, and so its length, are known only when the program runs."""
    dtype = start.dtype
    check(compare(delta, s.full(delta.shape, 0, dtype), "NE"), "Range: Requires delta != 0")
    start, limit, delta = (s.reshape(v, ()) for v in (start, limit, delta))
    steps = convert(ceil((limit - start) / delta), int64)
    count = s.contents(maximum_of(steps, s.constant(0, int64)))[0]
    wide = dtype if dtype in (float32, float64) else float32
    first, step = (s.broadcast(convert(v, wide), (count,), ()) for v in (start, delta))
    return convert(convert(s.iota((count,), 0, int64), wide) * step + first, dtype)


T = Types("T", bfloat16, float16, float32, float64)
Count = Types("Tidx", int32, int64, default=int32)


@op("LinSpace", outputs="output")
def linspace(start: Tensor[T], stop: Tensor[T], num: Known[Tensor[Count]]) -> Tensor[T]:
    """Return `num` numbers from start to stop in equal steps."""
    n = s.contents(num)[0]
    if is_known(n) and n <= 0:
        raise refuse("LinSpace", f"num = {n}", "give num > 0")
    steps = convert(s.iota((n,), 0, int64), start.dtype)
    gaps = maximum(n - 1, 1)
    step = (stop - start) / s.scalar_size(gaps, start.dtype)
    line = s.broadcast(start, (n,), ()) + steps * s.broadcast(step, (n,), ())
    from millstream.program.primitives.elementwise import select

    last = compare(s.iota((n,), 0, int64), s.broadcast(s.scalar_size(gaps, int64), (n,), ()), "EQ")
    return select(last, s.broadcast(stop, (n,), ()), line)


@op("Where", outputs="index")
def where(input: Tensor[Types("T", *NUMBERS, *QUANTIZED, dtypes.bool, default=dtypes.bool)]) -> Tensor[int64]:
    """Return the positions of what is not zero, one row each, in row-major order."""
    return searching.where(input)


where.no_gradient()
Any = Types("T")
Out = Types("out_idx", int32, int64, default=int32)


@op("Unique", outputs=("y", "idx"))
def unique(x: Tensor[Any], *, out_idx: Out = int32) -> tuple[Tensor[Any], Tensor["out_idx"]]:
    """Return the distinct elements of a vector in order of appearance, and where each element is among them."""
    values, index, _ = searching.unique(x, out_idx)
    return values, index


@op("UniqueWithCounts", outputs=("y", "idx", "count"))
def unique_with_counts(
    x: Tensor[Any], *, out_idx: Out = int32
) -> tuple[Tensor[Any], Tensor["out_idx"], Tensor["out_idx"]]:
    """Return the distinct elements of a vector, where each element is among them, and how often each occurs."""
    return searching.unique(x, out_idx)


unique.no_gradient()
unique_with_counts.no_gradient()
Castable = Types("T", *FLOATS, *INTEGERS, *COMPLEX, *QUANTIZED)
Target = Types("type", *FLOATS, *INTEGERS, *COMPLEX, *QUANTIZED)


@op("Bitcast", outputs="output")
def bitcast(input: Tensor[Castable], *, type: Target) -> Tensor["type"]:
    """Return the bytes of the input read as another element type."""
    return s.bitcast(input, type)


bitcast.no_gradient()
Sorted = Types("T", *FLOATS, *INTEGERS)
K = Types("Tk", int16, int32, int64, default=int32)
KIndex = Types("index_type", int16, int32, int64, default=int32)


@op("TopKV2", outputs=("values", "indices"))
def top_k(
    input: Tensor[Sorted], k: Known[Tensor[K]], *, sorted: bool = True, index_type: KIndex = int32
) -> tuple[Tensor[Sorted], Tensor["index_type"]]:
    """Return the k largest elements along the last axis and their places; of equal ones the lower place first."""
    count = s.contents(k)[0]
    if is_known(count) and count < 0:
        raise refuse("TopKV2", f"k = {count}", "Need k >= 0")
    if input.rank < 1:
        raise refuse("TopKV2", "a scalar", "input must have at least 1 dimension")
    if is_known(count) and is_known(input.shape[-1]) and count > input.shape[-1]:
        raise refuse(
            "TopKV2",
            f"k = {count} of {input.shape[-1]} elements",
            f"input must have at least k columns; give k <= {input.shape[-1]}",
        )
    return searching.top_k(input, count, sorted, index_type)


def _bound(sorted_inputs: Value, values: Value, right: bool, out_type: dtypes.DType) -> Value:
    return searching.search_sorted(sorted_inputs, values, right, out_type)


BoundOut = Types("out_type", int32, int64, default=int32)


@op("LowerBound", outputs="output")
def lower_bound(sorted_inputs: Tensor[Any], values: Tensor[Any], *, out_type: BoundOut = int32) -> Tensor["out_type"]:
    """Return, row by row, the first place where each value keeps the order."""
    return _bound(sorted_inputs, values, False, out_type)


@op("UpperBound", outputs="output")
def upper_bound(sorted_inputs: Tensor[Any], values: Tensor[Any], *, out_type: BoundOut = int32) -> Tensor["out_type"]:
    """Return, row by row, the last place where each value keeps the order."""
    return _bound(sorted_inputs, values, True, out_type)


lower_bound.no_gradient()
upper_bound.no_gradient()
range_.cases([((), (), ())], inputs=(2, 11, 3), dtypes=[int32, int64, float32, float64], gradient=False)
range_.cases([((), (), ())], inputs=(5, -4, -2), dtypes=[int32, float32], gradient=False)
linspace.cases([((), (), ())], inputs=(0.5, 2.0, 7), dtypes=[float32, float64])
where.cases([(3, 4), (5,), (0, 2)], dtypes=[dtypes.bool, int32, float32])
unique.cases([(8,)], dtypes=[int32, int64], inputs=([3, 1, 3, 2, 1, 1, 7, 3],))
unique_with_counts.cases([(8,)], dtypes=[int32, int64, float32], inputs=([3, 1, 3, 2, 1, 1, 7, 3],))
bitcast.cases([(3, 4)], attributes={"type": int32}, dtypes=[float32])
bitcast.cases([(3, 4)], attributes={"type": dtypes.uint8}, dtypes=[float32])
top_k.cases([((3, 7), ()), (("batch", 7), ())], inputs=(None, 3), dtypes=(*FLOATS, int32))
for _op in (lower_bound, upper_bound):
    _op.cases(
        [((2, 4), (2, 3))], inputs=([[1, 3, 3, 5], [0, 1, 2, 9]], [[3, 0, 9], [2, 1, 1]]), dtypes=[float32, int32]
    )
