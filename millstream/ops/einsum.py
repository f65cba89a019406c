"""Declare Einsum: sums of products named by labels, with ellipses, diagonals and labels that only broadcast."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.base import dtypes
from millstream.base.dtypes import float32, float64
from millstream.base.sizes import Size, is_known
from millstream.ops.declaration import Tensor, Tensors, Types, op
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.core import refuse
from millstream.program.primitives.linear import dot
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import broadcast, broadcast_sizes, full, iota, reshape, transpose
from millstream.program.value import Value

Any = Types("T")
Labels = tuple[str, ...]
NARROW = (dtypes.float16, dtypes.bfloat16)
"""Sums of products of these are kept in float32 by the product of matrices only."""


def read_labels(term: str, rank: int | None, equation: str) -> Labels:
    """Return one label for each axis; axes under an ellipsis are called ...1, ...2 from the last one on."""
    front, dots, back = term.partition("...")
    named = len(front) + len(back)
    if not (front + back).isalpha() and front + back:
        raise refuse("Einsum", f"the equation {equation!r}", "use letters and '...' only")
    if rank is not None and (named > rank or (not dots and named != rank)):
        raise refuse(
            "Einsum",
            f"a tensor of rank {rank} for {term!r} in {equation!r}",
            f"give rank {named}{' or more' if dots else ''}",
        )
    hidden = (rank - named) if rank is not None and dots else 0
    return (*front, *(f"...{i}" for i in range(hidden, 0, -1)), *back)


def _mask(x: Value, i: int, j: int) -> Value:
    return e.compare(iota(x.shape, i, dtypes.int64), iota(x.shape, j, dtypes.int64), "EQ")


def _diagonals(x: Value, labels: Labels) -> tuple[Value, Labels]:
    """Keep of axes with one label those elements whose indices are equal."""
    kept = list(labels)
    for label in dict.fromkeys(labels):
        while kept.count(label) > 1:
            i = kept.index(label)
            j = kept.index(label, i + 1)
            if is_known(x.shape[i]) and is_known(x.shape[j]) and x.shape[i] != x.shape[j]:
                raise refuse("Einsum", f"sizes {x.shape[i]} and {x.shape[j]} for label {label!r}", "give equal sizes")
            x = reduce(e.select(_mask(x, i, j), x, full(x.shape, 0, x.dtype)), "sum", (j,))
            del kept[j]
    return x, tuple(kept)


def _summed(x: Value, labels: Labels, wanted: set[str]) -> tuple[Value, Labels]:
    axes = [i for i, label in enumerate(labels) if label not in wanted]
    return (reduce(x, "sum", axes) if axes else x), tuple(label for label in labels if label in wanted)


def _without_ones(x: Value, labels: Labels, other: Value, others: Labels) -> tuple[Value, Labels]:
    """Drop axes of size 1 under an ellipsis that the other operand has at another size."""
    drop = [
        i
        for i, label in enumerate(labels)
        if label.startswith("...") and x.shape[i] == 1 and label in others and other.shape[others.index(label)] != 1
    ]
    if not drop:
        return x, labels
    kept = [i for i in range(x.rank) if i not in drop]
    return reshape(x, [x.shape[i] for i in kept]), tuple(labels[i] for i in kept)


def _pair(x: Value, a: Labels, y: Value, b: Labels, wanted: set[str]) -> tuple[Value, Labels]:
    (x, a), (y, b) = _summed(x, a, wanted | set(b)), _summed(y, b, wanted | set(a))
    x, a = _without_ones(x, a, y, b)
    y, b = _without_ones(y, b, x, a)
    both = [label for label in a if label in b]
    batch, over = [n for n in both if n in wanted], [n for n in both if n not in wanted]
    matrices = len(both) < len(a) or len(both) < len(b)
    same = all(x.shape[a.index(n)] == y.shape[b.index(n)] for n in both)
    if same and not (over and (matrices or x.dtype in NARROW)):
        return _elementwise(x, a, y, b, over)
    product = dot(
        x,
        y,
        ([a.index(n) for n in over], [b.index(n) for n in over]),
        ([a.index(n) for n in batch], [b.index(n) for n in batch]),
    )
    return product, (*batch, *(n for n in a if n not in both), *(n for n in b if n not in both))


def _elementwise(x: Value, a: Labels, y: Value, b: Labels, over: list[str]) -> tuple[Value, Labels]:
    """Return the product where nothing is summed, or all axes are shared: no work for matrices."""
    labels = (*a, *(n for n in b if n not in a))
    sizes = dict(zip((*b, *a), (*y.shape, *x.shape), strict=True))
    shape = [sizes[n] for n in labels]
    order = sorted(range(y.rank), key=lambda i: labels.index(b[i]))
    y = transpose(y, order) if order != list(range(y.rank)) else y
    both = broadcast(x, shape, range(x.rank)) * broadcast(y, shape, [labels.index(b[i]) for i in order])
    return _summed(both, labels, set(labels) - set(over))


def _placed(x: Value, labels: Labels, target: Labels) -> Value:
    """Bring the axes in the order of `target`; a label there twice puts the elements on a diagonal."""
    once = tuple(dict.fromkeys(target))
    order = [labels.index(label) for label in once]
    x = transpose(x, order) if order != list(range(len(order))) else x
    if len(once) == len(target):
        return x
    sizes: list[Size] = [x.shape[once.index(label)] for label in target]
    first = [target.index(label) for label in once]
    spread = broadcast(x, sizes, first)
    for j, label in enumerate(target):
        if target.index(label) != j:
            spread = e.select(_mask(spread, target.index(label), j), spread, full(spread.shape, 0, spread.dtype))
    return spread


def contract(values: Sequence[Value], equation: str) -> Value:
    """Return the sum of products that the equation names."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow or len(terms) != len(values):
        raise refuse(
            "Einsum",
            f"{len(values)} tensors for {equation!r}",
            "name the axes of each tensor and, after '->', of the result",
        )
    labels = [read_labels(term, v.rank, equation) for term, v in zip(terms, values, strict=True)]
    hidden = max((sum(n.startswith("...") for n in row) for row in labels), default=0)
    named = len(right.replace("...", ""))
    target = read_labels(right, named + hidden if "..." in right else named, equation)
    known = {n for row in labels for n in row}
    missing = [n for n in target if n not in known]
    if missing:
        raise refuse(
            "Einsum", f"the equation {equation!r}: {missing[0]!r} is on its right side only", "name it in an input"
        )
    parts = [_diagonals(v, row) for v, row in zip(values, labels, strict=True)]
    for label in known:
        size: Size = 1
        for value, row in parts:
            if label in row and label.startswith("..."):
                size = broadcast_sizes(size, value.shape[row.index(label)], "Einsum")
    x, row = parts[0]
    for k, (y, other) in enumerate(parts[1:], 1):
        later = {n for _, names in parts[k + 1 :] for n in names}
        x, row = _pair(x, row, y, other, set(target) | later)
    x, row = _summed(x, row, set(target))
    return _placed(x, row, target)


@op("Einsum", outputs="output")
def einsum(inputs: Tensors[Any, "N"], *, equation: str) -> Tensor[Any]:
    """Return the sum of products that the equation names: "ij,jk->ik" is the product of matrices."""
    return contract(inputs, equation)


for _equation, _shapes in (
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("abc,cde->abde", ((2, 3, 4), (4, 2, 3))),
    ("bhqk,bkhd->bqhd", ((2, 2, 3, 4), (2, 4, 2, 3))),
    ("...ij,...jk->...ik", ((2, 3, 4), (1, 4, 2))),
    ("ij,ij->", ((2, 3), (2, 3))),
    ("ij,k->kj", ((2, 3), (4,))),
    ("ii,ij->j", ((3, 3), (3, 2))),
    ("i,ij->ii", ((3,), (3, 2))),
):
    einsum.cases([_shapes], attributes={"equation": _equation}, dtypes=[float32, float64])
einsum.cases([((3, 3),)], attributes={"equation": "ii->i"}, dtypes=[float32, float64, dtypes.complex64])
einsum.cases([((2, 3),), (("batch", 3),)], attributes={"equation": "ij->ji"}, dtypes=[float32, float64, dtypes.int32])
einsum.cases([(("batch", 3, 4), (4, 2))], attributes={"equation": "abc,cd->abd"}, dtypes=[float32, float64])
