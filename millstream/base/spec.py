"""What is known of a tensor before it exists: element type, sizes, and the content of small integer tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.sizes import Expression, Size, Symbol, product, substitute, symbols

Shape: TypeAlias = tuple[Size, ...]
Value: TypeAlias = Size | tuple[Size, ...]

# Larger integer tensors are data, not sizes.
LONGEST_VALUE: Final = 64


class Spec:
    """Element type and shape of a tensor; immutable and hashable, since caches are keyed by it.

    `shape` is None where even the rank is unknown. `value` is the content of an integer tensor of rank 0 (a Size) or 1
    (a tuple), kept up to 64 elements. `handle` is the Spec of what a resource or variant holds.
    """

    __slots__ = ("_hash", "dtype", "handle", "shape", "value")

    dtype: DType
    shape: Shape | None
    value: Value | None
    handle: Spec | None
    _hash: int

    def __init__(
        self,
        dtype: DType,
        shape: Iterable[Size] | None = (),
        value: Value | None = None,
        handle: Spec | None = None,
    ) -> None:
        if shape is not None and shape.__class__ is not tuple:
            shape = tuple(shape)
        if value is not None:
            if not dtype.is_integer:
                raise ValueError(explain(f"Only integer tensors may have a known content, not {dtype.name}."))
            count = len(value) if isinstance(value, tuple) else None
            if shape != (() if count is None else (count,)):
                raise ValueError(
                    explain(
                        f"A known content of {'one number' if count is None else f'{count} numbers'} "
                        f"does not fit the shape {shape}."
                    )
                )
            if count is not None and count > LONGEST_VALUE:
                value = None
        _set_dtype(self, dtype)
        _set_shape(self, shape)
        _set_value(self, value)
        _set_handle(self, handle)
        _set_hash(self, hash((dtype, shape, value, handle)))

    @property
    def rank(self) -> int | None:
        """Number of axes, None where unknown."""
        shape = self.shape
        return None if shape is None else len(shape)

    @property
    def count(self) -> Size | None:
        """Number of elements, None where the rank is unknown."""
        return None if self.shape is None else product(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every size is an int."""
        return self.shape is not None and not any(isinstance(size, Expression) for size in self.shape)

    def with_shape(self, shape: Iterable[Size] | None) -> Spec:
        """The same element type and handle with another shape; a known content is dropped."""
        return Spec(self.dtype, shape, None, self.handle)

    def with_dtype(self, dtype: DType) -> Spec:
        """The same shape with another element type; a known content stays where both are integers."""
        return Spec(dtype, self.shape, self.value if dtype.is_integer else None, self.handle)

    def with_value(self, value: Value | None) -> Spec:
        """The same with known content, or without any for None."""
        return Spec(self.dtype, self.shape, value, self.handle)

    def symbols(self) -> frozenset[Symbol]:
        """All symbols in shape, content and handle."""
        sizes = list(self.shape or ())
        if self.value is not None:
            sizes.extend(self.value if isinstance(self.value, tuple) else (self.value,))
        found = frozenset().union(*(symbols(size) for size in sizes))
        return found | self.handle.symbols() if self.handle is not None else found

    def substitute(self, values: Mapping[Symbol, Size]) -> Spec:
        """The same with symbols replaced everywhere."""
        shape = None if self.shape is None else tuple(substitute(size, values) for size in self.shape)
        value: Value | None = self.value
        if isinstance(value, tuple):
            value = tuple(substitute(size, values) for size in value)
        elif value is not None:
            value = substitute(value, values)
        return Spec(self.dtype, shape, value, self.handle.substitute(values) if self.handle is not None else None)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"A Spec cannot be changed: make another one instead of setting {name!r}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A Spec cannot be changed: {name!r} cannot be deleted.")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if other.__class__ is not Spec:
            return False
        assert isinstance(other, Spec)
        return (
            self._hash == other._hash
            and self.dtype is other.dtype
            and self.shape == other.shape
            and self.value == other.value
            and self.handle == other.handle
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> Any:
        return Spec, (self.dtype, self.shape, self.value, self.handle)

    def __str__(self) -> str:
        sizes = "..." if self.shape is None else ", ".join(str(size) for size in self.shape)
        text = f"{self.dtype.name}[{sizes}]"
        if self.value is not None:
            content = self.value if isinstance(self.value, tuple) else (self.value,)
            text += "{" + ", ".join(str(size) for size in content) + "}"
        return text if self.handle is None else f"{text}<{self.handle}>"

    __repr__ = __str__


# The slots' own setters, since `__setattr__` refuses.
_set_dtype = Spec.__dict__["dtype"].__set__
_set_shape = Spec.__dict__["shape"].__set__
_set_value = Spec.__dict__["value"].__set__
_set_handle = Spec.__dict__["handle"].__set__
_set_hash = Spec.__dict__["_hash"].__set__


def of(dtype: Any, *shape: Size) -> Spec:
    """Shorthand: `of("float32", batch, 10)`."""
    return Spec(as_dtype(dtype), shape)
