"""The algebra of sizes: named symbols, canonical sums of products, and the operations that are neither.

`sizes.py` is the door to all of it. Expressions are hash-consed, so equal ones are one object and `==` is identity.
Refuses to order or to test the truth of what is unknown.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
import threading
from typing import Any, Final, NoReturn, TypeAlias
from weakref import WeakValueDictionary

_lock = threading.RLock()
_serials = itertools.count()
_interned: WeakValueDictionary[Any, Expression] = WeakValueDictionary()

FLOOR_DIVIDE: Final = "floor_divide"
MODULO: Final = "modulo"
MINIMUM: Final = "minimum"
MAXIMUM: Final = "maximum"
SELECT_NONNEGATIVE: Final = "select_nonnegative"
EQUAL: Final = "equal"


class Expression:
    """A size that is not an int: a Symbol, an Operation, or a Sum of products of these."""

    __slots__ = ("__weakref__", "_text", "serial")

    # NumPy integers leave arithmetic with an expression to the expression.
    __array_ufunc__: Final = None

    serial: int
    _text: str | None

    def terms(self) -> tuple[Term, ...]:
        """The canonical sum: pairs of a product (a sorted tuple of atoms, empty for the constant) and its factor."""
        raise NotImplementedError

    def __add__(self, other: Any) -> Size:
        return _sum(self, other, 1) if _is_size(other) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: Any) -> Size:
        return _sum(self, other, -1) if _is_size(other) else NotImplemented

    def __rsub__(self, other: Any) -> Size:
        return _sum(other, self, -1) if _is_size(other) else NotImplemented

    def __mul__(self, other: Any) -> Size:
        return _multiply(self, other) if _is_size(other) else NotImplemented

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Size:
        return floor_divide(self, other) if _is_size(other) else NotImplemented

    def __rfloordiv__(self, other: Any) -> Size:
        return floor_divide(other, self) if _is_size(other) else NotImplemented

    def __mod__(self, other: Any) -> Size:
        return modulo(self, other) if _is_size(other) else NotImplemented

    def __rmod__(self, other: Any) -> Size:
        return modulo(other, self) if _is_size(other) else NotImplemented

    def __neg__(self) -> Size:
        return _multiply(self, -1)

    def __pos__(self) -> Size:
        return self

    def _unordered(self, other: object) -> NoReturn:
        raise TypeError(
            f"The size {self} is not known before the program runs, so it cannot be ordered against {other}. "
            "Use minimum, maximum or select_nonnegative, or ask provably_at_least."
        )

    __lt__ = __le__ = __gt__ = __ge__ = _unordered

    def __bool__(self) -> bool:
        raise TypeError(
            f"The size {self} is not known before the program runs, so it is neither true nor false. "
            "Compare with `is None` or ask is_known first."
        )

    def __copy__(self) -> Expression:
        return self

    def __deepcopy__(self, memo: Any) -> Expression:
        return self

    def __str__(self) -> str:
        if self._text is None:
            self._text = self._print()
        return self._text

    __repr__ = __str__

    def _print(self) -> str:
        raise NotImplementedError


Size: TypeAlias = int | Expression
Product: TypeAlias = tuple[Expression, ...]
Term: TypeAlias = tuple[Product, int]


class Symbol(Expression):
    """A named size, bound when the program runs, within [lower, upper]."""

    __slots__ = ("lower", "name", "upper")

    name: str
    lower: int
    upper: int | None

    def __new__(cls, name: str, lower: int = 0, upper: int | None = None) -> Symbol:
        with _lock:
            found = _interned.get((name, lower, upper))
            if found is not None:
                assert isinstance(found, Symbol)
                return found
            if not name.isidentifier():
                raise ValueError(f"A size's name must be an identifier such as 'batch', not {name!r}.")
            if upper is not None and upper < lower:
                raise ValueError(f"Size {name!r} has an empty range: lower {lower} is above upper {upper}.")
            self = object.__new__(cls)
            self.name, self.lower, self.upper = name, lower, upper
            self.serial, self._text = next(_serials), name
            _interned[(name, lower, upper)] = self
            return self

    def terms(self) -> tuple[Term, ...]:
        return (((self,), 1),)

    def __reduce__(self) -> Any:
        return Symbol, (self.name, self.lower, self.upper)


class Operation(Expression):
    """An operation on two sizes that is no sum or product: `kind` is one of the names above."""

    __slots__ = ("kind", "left", "right")

    kind: str
    left: Size
    right: Size

    def terms(self) -> tuple[Term, ...]:
        return (((self,), 1),)

    def _print(self) -> str:
        if self.kind in (FLOOR_DIVIDE, MODULO):
            mark = "//" if self.kind == FLOOR_DIVIDE else "%"
            return f"({_wrap(self.left)}{mark}{_wrap(self.right)})"
        return f"{PRINTED[self.kind]}({self.left}, {self.right})"

    def __reduce__(self) -> Any:
        return _operation, (self.kind, self.left, self.right)


class Sum(Expression):
    """Two or more terms, or one with a factor or a product. Made by arithmetic only."""

    __slots__ = ("_terms",)

    _terms: tuple[Term, ...]

    def terms(self) -> tuple[Term, ...]:
        return self._terms

    def _print(self) -> str:
        # Higher products first, the constant last; by text, so that it does not depend on who was made first.
        parts = []
        for atoms, factor in self._terms:
            names = "*".join(sorted(str(atom) for atom in atoms))
            number = "" if atoms and abs(factor) == 1 else str(abs(factor))
            parts.append((-len(atoms), factor < 0, names, "*".join(filter(None, (number, names)))))
        parts.sort(key=lambda part: part[:3])
        # A negative leading term reads badly: put a positive one first where there is one.
        leading = next((part for part in parts if part[0] and not part[1]), parts[0])
        parts.remove(leading)
        parts.insert(0, leading)
        text = ("-" if parts[0][1] else "") + parts[0][3]
        return text + "".join(("-" if part[1] else "+") + part[3] for part in parts[1:])

    def __reduce__(self) -> Any:
        return _rebuild, (self._terms,)


PRINTED: Final = {MINIMUM: "min", MAXIMUM: "max", SELECT_NONNEGATIVE: "select_nonnegative", EQUAL: "equal"}


def _wrap(size: Size) -> str:
    return f"({size})" if isinstance(size, Sum) else str(size)


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, Expression)) or hasattr(value, "__index__")


def _terms(size: Any) -> tuple[Term, ...]:
    if isinstance(size, Expression):
        return size.terms()
    number = operator.index(size)
    return (((), number),) if number else ()


_serial_of: Final = operator.attrgetter("serial")


def _order(term: Term) -> tuple[int, ...]:
    return tuple(atom.serial for atom in term[0])


def _build(collected: dict[Product, int]) -> Size:
    return _intern(tuple(sorted(((atoms, factor) for atoms, factor in collected.items() if factor), key=_order)))


def _intern(terms: tuple[Term, ...]) -> Size:
    """The one size that has these terms, which are in order and not zero."""
    if len(terms) <= 1:
        if not terms:
            return 0
        atoms, factor = terms[0]
        if not atoms:
            return factor
        if factor == 1 and len(atoms) == 1:
            return atoms[0]
    found = _interned.get(terms)
    if found is None:
        with _lock:
            found = _interned.get(terms)
            if found is None:
                made = object.__new__(Sum)
                made._terms, made.serial, made._text = terms, next(_serials), None
                _interned[terms] = found = made
    return found


def _rebuild(terms: tuple[Term, ...]) -> Size:
    collected: dict[Product, int] = {}
    for atoms, factor in terms:
        atoms = tuple(sorted(atoms, key=_serial_of))
        collected[atoms] = collected.get(atoms, 0) + factor
    return _build(collected)


def _sum(left: Any, right: Any, sign: int) -> Size:
    if right.__class__ is int:
        if right == 0:
            return left  # type: ignore[no-any-return]
        # The constant comes first.
        terms = left.terms()
        constant = sign * right
        if not terms[0][0]:
            constant += terms[0][1]
            terms = terms[1:]
        return _intern((((), constant), *terms) if constant else terms)
    collected = dict(_terms(left))
    for atoms, factor in _terms(right):
        collected[atoms] = collected.get(atoms, 0) + sign * factor
    return _build(collected)


def _multiply(left: Any, right: Any) -> Size:
    if right.__class__ is int and isinstance(left, Expression):
        if right == 1:
            return left
        return _intern(tuple([(atoms, factor * right) for atoms, factor in left.terms()])) if right else 0
    collected: dict[Product, int] = {}
    for left_atoms, left_factor in _terms(left):
        for right_atoms, right_factor in _terms(right):
            atoms = left_atoms + right_atoms
            if left_atoms and right_atoms:
                atoms = tuple(sorted(atoms, key=_serial_of))
            collected[atoms] = collected.get(atoms, 0) + left_factor * right_factor
    return _build(collected)


def _operation(kind: str, left: Size, right: Size) -> Size:
    key = (kind, left, right)
    with _lock:
        found = _interned.get(key)
        if found is None:
            made = object.__new__(Operation)
            made.kind, made.left, made.right = kind, left, right
            made.serial, made._text = next(_serials), None
            _interned[key] = found = made
        return found


def floor_divide(left: Size, right: Size) -> Size:
    """`left // right`, rounded down; 0 where `right` is 0. A division that comes out even leaves no operation."""
    if isinstance(left, int) and isinstance(right, int):
        return left // right if right else 0
    if not isinstance(right, Expression):
        right = operator.index(right)
        if right == 0:
            return 0
        if right < 0:
            return floor_divide(_multiply(left, -1), -right)
        return _divide_by_int(left, right)
    if left.__class__ is int and left == 0:
        return 0
    exact = _divide_exactly(left, right)
    return exact if exact is not None else _operation(FLOOR_DIVIDE, left, right)


@functools.lru_cache(maxsize=4096)
def _divide_by_int(size: Size, divisor: int) -> Size:
    whole: dict[Product, int] = {}
    rest: dict[Product, int] = {}
    for atoms, factor in _terms(size):
        whole[atoms], rest[atoms] = divmod(factor, divisor)
    remainder = _build(rest)
    quotient = _build(whole)
    low, high = bounds(remainder)
    if low is not None and high is not None and low // divisor == high // divisor:
        return quotient + low // divisor
    common = math.gcd(divisor, *(factor for atoms, factor in rest.items() if atoms))
    if common > 1:
        return quotient + _divide_by_int(
            _build({atoms: factor // common for atoms, factor in rest.items()}), divisor // common
        )
    # (x // a + c) // b is (x + a*c) // (a*b).
    loose = [(atoms, factor) for atoms, factor in rest.items() if atoms and factor]
    if len(loose) == 1 and loose[0][1] == 1 and len(loose[0][0]) == 1:
        atom = loose[0][0][0]
        if isinstance(atom, Operation) and atom.kind == FLOOR_DIVIDE and isinstance(atom.right, int):
            return quotient + _divide_by_int(atom.left + atom.right * rest.get((), 0), atom.right * divisor)
    return quotient + _operation(FLOOR_DIVIDE, remainder, divisor)


def _divide_exactly(left: Size, right: Size) -> Size | None:
    """The quotient of two polynomials, or None if there is a remainder. Takes `right` as not zero."""
    divisor = max(_terms(right), key=lambda term: (len(term[0]), _order(term)))
    quotient: Size = 0
    for _ in range(16):
        if left.__class__ is int and left == 0:
            return quotient
        atoms, factor = max(_terms(left), key=lambda term: (len(term[0]), _order(term)))
        remaining = list(atoms)
        for atom in divisor[0]:
            if atom not in remaining:
                return None
            remaining.remove(atom)
        if factor % divisor[1]:
            return None
        step = _build({tuple(remaining): factor // divisor[1]})
        quotient = quotient + step
        left = left - step * right
    return None


def modulo(left: Size, right: Size) -> Size:
    """`left % right` with the sign of `right`; 0 where `right` is 0."""
    if isinstance(left, int) and isinstance(right, int):
        return left % right if right else 0
    if not isinstance(right, Expression):
        right = operator.index(right)
        if right in (0, 1, -1):
            return 0
        if right > 0:
            rest = _build({atoms: factor % right for atoms, factor in _terms(left)})
            low, high = bounds(rest)
            if low is not None and high is not None and low // right == high // right:
                return rest - low // right * right
            return _operation(MODULO, rest, right)
    elif _divide_exactly(left, right) is not None:
        return 0
    return _operation(MODULO, left, right)


def ceil_divide(left: Size, right: Size) -> Size:
    """`left / right`, rounded up, for a `right` above zero."""
    return floor_divide(left + (right - 1), right)


def minimum(left: Size, right: Size) -> Size:
    """The lower of two sizes."""
    if isinstance(left, int) and isinstance(right, int):
        return left if left <= right else right
    low, high = bounds(left - right)
    if high is not None and high <= 0:
        return left
    if low is not None and low >= 0:
        return right
    return _commutative(MINIMUM, left, right)


def maximum(left: Size, right: Size) -> Size:
    """The higher of two sizes."""
    if isinstance(left, int) and isinstance(right, int):
        return left if left >= right else right
    low, high = bounds(left - right)
    if high is not None and high <= 0:
        return right
    if low is not None and low >= 0:
        return left
    return _commutative(MAXIMUM, left, right)


def select_nonnegative(left: Size, right: Size) -> Size:
    """`left` where that is at least 0, else `right`: what -1 means in many of TensorFlow's attributes."""
    if left is right:
        return left
    low, high = bounds(left)
    if low is not None and low >= 0:
        return left
    if high is not None and high < 0:
        return right
    return _operation(SELECT_NONNEGATIVE, left, right)


def equal(left: Size, right: Size) -> Size:
    """1 where the sizes are equal, else 0."""
    low, high = bounds(left - right)
    if low == 0 and high == 0:
        return 1
    if (low is not None and low > 0) or (high is not None and high < 0):
        return 0
    return _commutative(EQUAL, left, right)


def _commutative(kind: str, left: Size, right: Size) -> Size:
    # Ints last, expressions by age: one order, so that equal operations are one object.
    if not isinstance(left, Expression) or (isinstance(right, Expression) and right.serial < left.serial):
        left, right = right, left
    return _operation(kind, left, right)


def bounds(size: Size) -> tuple[int | None, int | None]:
    """The lowest and highest value a size can have, None where there is no limit. Never too narrow."""
    if not isinstance(size, Expression):
        return size, size
    if isinstance(size, Symbol):
        return size.lower, size.upper
    if isinstance(size, Operation):
        return _operation_bounds(size)
    low: int | None = 0
    high: int | None = 0
    for atoms, factor in size.terms():
        term = (factor, factor) if not atoms else _product_bounds(atoms, factor)
        low = None if low is None or term[0] is None else low + term[0]
        high = None if high is None or term[1] is None else high + term[1]
    return low, high


def _product_bounds(atoms: Product, factor: int) -> tuple[int | None, int | None]:
    low: int | None = 1
    high: int | None = 1
    for atom in atoms:
        atom_low, atom_high = bounds(atom)
        if atom_low is None or atom_low < 0 or low is None:
            return None, None
        low = low * atom_low
        high = None if high is None or atom_high is None else high * atom_high
    if len(atoms) == 1:
        low, high = bounds(atoms[0])
    ends = (None if low is None else low * factor), (None if high is None else high * factor)
    return ends if factor > 0 else (ends[1], ends[0])


def _operation_bounds(operation: Operation) -> tuple[int | None, int | None]:
    kind, right = operation.kind, operation.right
    if kind == EQUAL:
        return 0, 1
    low, high = bounds(operation.left)
    if kind == MODULO:
        right_low, right_high = bounds(right)
        if right_low is not None and right_low >= 0:
            limits = [
                limit
                for limit in (
                    None if right_high is None else max(right_high - 1, 0),
                    high if low is not None and low >= 0 else None,
                )
                if limit is not None
            ]
            return 0, min(limits, default=None)
        return None, None
    if kind == FLOOR_DIVIDE:
        if isinstance(right, int) and right > 0:
            return (None if low is None else low // right), (None if high is None else high // right)
        right_low = bounds(right)[0]
        if low is not None and low >= 0 and right_low is not None and right_low >= 0:
            return 0, high
        return None, None
    right_low, right_high = bounds(right)
    if kind == SELECT_NONNEGATIVE:
        low = 0 if right_low is not None else None
        return (None if low is None or right_low is None else min(low, right_low)), (
            None if high is None or right_high is None else max(high, right_high)
        )
    lows = [limit for limit in (low, right_low) if limit is not None]
    highs = [limit for limit in (high, right_high) if limit is not None]
    if kind == MINIMUM:
        return (min(lows) if len(lows) == 2 else None), min(highs, default=None)
    return max(lows, default=None), (max(highs) if len(highs) == 2 else None)


OPERATIONS: Final = {
    FLOOR_DIVIDE: floor_divide,
    MODULO: modulo,
    MINIMUM: minimum,
    MAXIMUM: maximum,
    SELECT_NONNEGATIVE: select_nonnegative,
    EQUAL: equal,
}
