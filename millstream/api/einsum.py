"""tf.einsum: reads the equation, and contracts many tensors two by two, the smallest result first."""

from __future__ import annotations

import re
from typing import Any

from millstream.api.array import together
from millstream.api.public import public
from millstream.base.errors import explain
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor
from millstream.ops.registry import find

_TERM = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
_EQUATION = re.compile(rf"{_TERM}(,{_TERM})*->{_TERM}")


def _completed(equation: str) -> str:
    """Return the equation with its right side: without one, the labels that occur once, in order."""
    equation = equation.replace(" ", "")
    if "->" in equation:
        return equation
    letters = equation.replace(".", "").replace(",", "")
    once = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return f"{equation}->{'...' if '...' in equation else ''}{once}"


@public("einsum", "linalg.einsum")
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Any:
    """Return the sum of products that the equation names: "ij,jk->ik" is the product of matrices."""
    unknown = set(kwargs) - {"name", "optimize"}
    if unknown:
        raise TypeError(
            explain(f"Invalid keyword arguments for einsum: {', '.join(sorted(unknown))}. Expected: name, optimize.")
        )
    if not inputs:
        raise ValueError(explain("einsum needs at least one tensor."))
    tensors: list[Any] = together(inputs)
    full = _completed(equation)
    if not _EQUATION.fullmatch(full):
        raise ValueError(
            explain(f"Subscripts have incorrect format: {equation!r}; use letters, ',', '...' and one '->'.")
        )
    left, _, right = full.partition("->")
    for label in right.replace(".", ""):
        if label not in left:
            raise ValueError(
                explain(
                    f"Output subscripts contain the label {label} not present in the input subscripts of {equation!r}."
                )
            )
    terms = left.split(",")
    if len(terms) != len(tensors):
        raise ValueError(explain(f"Got {len(tensors)} inputs for equation {equation!r}, which names {len(terms)}."))
    op = find("Einsum")
    while len(tensors) > 2:
        i, j = _next_pair(terms, tensors, right)
        kept = set(right).union(*(t for k, t in enumerate(terms) if k not in (i, j)))
        hidden = "..." if "..." in terms[i] + terms[j] else ""
        result = hidden + "".join(c for c in dict.fromkeys(terms[i] + terms[j]) if c in kept and c != ".")
        tensor = apply(op, [tensors[i], tensors[j]], equation=f"{terms[i]},{terms[j]}->{result}")
        terms = [t for k, t in enumerate(terms) if k not in (i, j)] + [result]
        tensors = [t for k, t in enumerate(tensors) if k not in (i, j)] + [tensor]
    return apply(op, tensors, equation=f"{','.join(terms)}->{right}")


def _next_pair(terms: list[str], tensors: list[Tensor], right: str) -> tuple[int, int]:
    """Return the two tensors whose product has the fewest elements more than themselves."""
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, tensors, strict=True):
        if "..." not in term and tensor.shape.rank is not None:
            sizes.update((c, n or 32) for c, n in zip(term, tensor.shape.as_list(), strict=False))

    def count(labels: set[str]) -> int:
        total = 1
        for c in labels:
            total *= sizes.get(c, 32)
        return total

    best: tuple[int, int, int] | None = None
    for i in range(len(terms)):
        for j in range(i + 1, len(terms)):
            kept = set(right).union(*(t for k, t in enumerate(terms) if k not in (i, j)))
            cost = count((set(terms[i]) | set(terms[j])) & kept - {"."}) - count(set(terms[i])) - count(set(terms[j]))
            if best is None or cost < best[0]:
                best = cost, i, j
    assert best is not None
    return best[1], best[2]
