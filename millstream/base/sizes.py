"""Sizes that may be unknown until a program runs: ints, or canonical expressions over named symbols.

Plain ints stay plain ints. Equal expressions are one object. Refuses to order or to test the truth of what is unknown;
ask `provably_*` instead, or use `minimum`, `maximum` and `select_nonnegative`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from millstream.base.size_algebra import (
    EQUAL,
    FLOOR_DIVIDE,
    MAXIMUM,
    MINIMUM,
    MODULO,
    OPERATIONS,
    PRINTED,
    SELECT_NONNEGATIVE,
    Expression,
    Operation,
    Size,
    Sum,
    Symbol,
    bounds,
    ceil_divide,
    equal,
    floor_divide,
    maximum,
    minimum,
    modulo,
    select_nonnegative,
)

__all__ = [
    "EQUAL",
    "FLOOR_DIVIDE",
    "MAXIMUM",
    "MINIMUM",
    "MODULO",
    "OPERATIONS",
    "PRINTED",
    "SELECT_NONNEGATIVE",
    "Expression",
    "Operation",
    "Size",
    "Sum",
    "Symbol",
    "bounds",
    "ceil_divide",
    "equal",
    "evaluate",
    "floor_divide",
    "fresh_symbol",
    "is_known",
    "maximum",
    "minimum",
    "modulo",
    "product",
    "provably_at_least",
    "provably_different",
    "provably_equal",
    "select_nonnegative",
    "substitute",
    "symbols",
]


def is_known(size: Size) -> bool:
    """Whether a size is an int."""
    return not isinstance(size, Expression)


def product(sizes: Iterable[Size]) -> Size:
    """The product of all sizes; 1 of none."""
    result: Size = 1
    for size in sizes:
        result = result * size
    return result


def symbols(size: Size) -> frozenset[Symbol]:
    """All symbols that a size depends on."""
    if isinstance(size, Symbol):
        return frozenset((size,))
    if isinstance(size, Operation):
        return symbols(size.left) | symbols(size.right)
    if isinstance(size, Sum):
        return frozenset().union(*(symbols(atom) for atoms, _ in size.terms() for atom in atoms))
    return frozenset()


def substitute(size: Size, values: Mapping[Symbol, Size] | Mapping[Symbol, int]) -> Size:
    """The size with symbols replaced."""
    if not isinstance(size, Expression):
        return size
    if isinstance(size, Symbol):
        return values.get(size, size)
    if isinstance(size, Operation):
        left, right = substitute(size.left, values), substitute(size.right, values)
        if left is size.left and right is size.right:
            return size
        return OPERATIONS[size.kind](left, right)
    result: Size = 0
    for atoms, factor in size.terms():
        term: Size = factor
        for atom in atoms:
            term = term * substitute(atom, values)
        result = result + term
    return result


def evaluate(size: Size, values: Mapping[Symbol, int] | None = None) -> int:
    """The int that a size is, given its symbols. Refuses a size whose symbols are not all given."""
    result = substitute(size, values or {})
    if isinstance(result, Expression):
        missing = ", ".join(sorted(symbol.name for symbol in symbols(result)))
        raise ValueError(f"The size {size} depends on {missing}, which has no value here. Give values for all symbols.")
    return result


def provably_equal(left: Size, right: Size) -> bool:
    """Whether two sizes are equal whatever their symbols are. False means not proved."""
    if left is right or left == right:
        return True
    if not isinstance(left, Expression) and not isinstance(right, Expression):
        return False
    return bool(_without_modulo(left - right) == 0)


def _without_modulo(size: Size) -> Size:
    if not isinstance(size, Expression):
        return size
    result: Size = 0
    for atoms, factor in size.terms():
        term: Size = factor
        for atom in atoms:
            if isinstance(atom, Operation) and atom.kind == MODULO and isinstance(atom.right, int):
                term = term * (atom.left - atom.right * floor_divide(atom.left, atom.right))
            else:
                term = term * atom
        result = result + term
    return result


def provably_different(left: Size, right: Size) -> bool:
    """Whether two sizes differ whatever their symbols are. False means not proved."""
    low, high = bounds(left - right)
    return (low is not None and low > 0) or (high is not None and high < 0)


def may_be_equal(left: Sequence[Size], right: Sequence[Size]) -> bool:
    """Whether two shapes can be the same, as far as their sizes are known."""
    return len(left) == len(right) and not any(
        is_known(a) and is_known(b) and a != b for a, b in zip(left, right, strict=True)
    )


def provably_at_least(left: Size, right: Size) -> bool:
    """Whether `left >= right` whatever their symbols are. False means not proved."""
    low = bounds(left - right)[0]
    return low is not None and low >= 0


_fresh = itertools.count()


def fresh_symbol(prefix: str = "size", lower: int = 0, upper: int | None = None) -> Symbol:
    """A symbol that nobody has, named `prefix_0`, `prefix_1` and so on."""
    return Symbol(f"{prefix}_{next(_fresh)}", lower, upper)
