"""State `dot`, the contraction of two arrays. Factorisations are in `factorisation`, convolution in `windows`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from millstream.base.sizes import Size, is_known
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.elementwise import NARROW, conjugate
from millstream.program.primitives.shaping import transpose
from millstream.program.value import Value, emit

Axes = tuple[tuple[int, ...], tuple[int, ...]]


def _free(rank: int, contract: tuple[int, ...], batch: tuple[int, ...]) -> list[int]:
    return [i for i in range(rank) if i not in contract and i not in batch]


def _dot_infer(x: Spec, y: Spec, contract: Axes, batch: Axes) -> Spec:
    a, b = known_shape(x), known_shape(y)
    if x.dtype != y.dtype:
        raise refuse("dot", f"element types {x.dtype.name} and {y.dtype.name}", "give one element type")
    for i, j in (*zip(*contract, strict=True), *zip(*batch, strict=True)):
        if a[i] != b[j] and is_known(a[i]) and is_known(b[j]):
            raise refuse("dot", f"{x} and {y}: sizes {a[i]} and {b[j]}", "contracted and batch sizes must be equal")
    shape: list[Size] = [a[i] if is_known(a[i]) else b[j] for i, j in zip(*batch, strict=True)]
    shape += [a[i] for i in _free(len(a), contract[0], batch[0])]
    shape += [b[i] for i in _free(len(b), contract[1], batch[1])]
    return Spec(x.dtype, tuple(shape))


def _dot_meaning(x: np.ndarray, y: np.ndarray, contract: Axes, batch: Axes) -> np.ndarray:
    free_x, free_y = _free(x.ndim, contract[0], batch[0]), _free(y.ndim, contract[1], batch[1])
    shape = [x.shape[i] for i in batch[0]] + [x.shape[i] for i in free_x] + [y.shape[i] for i in free_y]
    size = [x.shape[i] for i in batch[0]]
    depth = int(np.prod([x.shape[i] for i in contract[0]], dtype=np.int64))
    from millstream.base.dtypes import as_dtype

    narrow = as_dtype(x.dtype) in NARROW
    a = np.transpose(x, [*batch[0], *free_x, *contract[0]]).reshape(*size, -1 if depth else _count(x, free_x), depth)
    b = np.transpose(y, [*batch[1], *contract[1], *free_y]).reshape(*size, depth, _count(y, free_y))
    if narrow:
        a, b = a.astype(np.float32), b.astype(np.float32)
    with np.errstate(all="ignore"):
        return np.matmul(a, b).reshape(shape).astype(x.dtype)


def _count(x: np.ndarray, axes: Sequence[int]) -> int:
    return int(np.prod([x.shape[i] for i in axes], dtype=np.int64))


def _dot_reverse(dz: Value, z: Value, x: Value, y: Value, contract: Axes, batch: Axes) -> tuple[Value, Value]:
    return _side(dz, x, y, contract, batch, left=True), _side(dz, y, x, contract[::-1], batch[::-1], left=False)


def _side(dz: Value, x: Value, y: Value, contract: Axes, batch: Axes, *, left: bool) -> Value:
    """Contract dz with y over y's free axes, then put x's axes back in order."""
    free_x, free_y = _free(x.rank, contract[0], batch[0]), _free(y.rank, contract[1], batch[1])
    batches = tuple(range(len(batch[0])))
    after = len(batches) + (len(free_x) if left else 0)
    over = tuple(range(after, after + len(free_y)))
    both = (over, tuple(free_y)), (batches, batch[1])
    if left:  # batch, free x, contracted axes in y's order
        dx = dot(dz, conjugate(y), *both)
        order = sorted(range(len(contract[1])), key=lambda k: contract[1][k])
        axes = [*batch[0], *free_x, *(contract[0][k] for k in order)]
    else:  # batch, contracted axes in y's order, free x
        dx = dot(conjugate(y), dz, both[0][::-1], both[1][::-1])
        order = sorted(range(len(contract[1])), key=lambda k: contract[1][k])
        axes = [*batch[0], *(contract[0][k] for k in order), *free_x]
    return transpose(dx, [axes.index(i) for i in range(x.rank)])


DOT = primitive("dot", _dot_infer, _dot_meaning, _dot_reverse)


def dot(
    x: Value,
    y: Value,
    contract: tuple[Sequence[int], Sequence[int]],
    batch: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Value:
    """Contract axes of `x` with axes of `y`; the result has the batch axes, then x's free ones, then y's."""
    pairs = (tuple(contract[0]), tuple(contract[1])), (tuple(batch[0]), tuple(batch[1]))
    return emit(DOT, x, y, contract=pairs[0], batch=pairs[1])[0]


def matmul(x: Value, y: Value, *, transpose_x: bool = False, transpose_y: bool = False) -> Value:
    """Multiply matrices on the last two axes; the leading axes of both are equal."""
    lead = tuple(range(x.rank - 2))
    row, column = x.rank - 2, x.rank - 1
    return dot(x, y, ((row if transpose_x else column,), (column if transpose_y else row,)), (lead, lead))
