"""The public `tf.TensorShape` and version 1's `Dimension`. Refuses what cannot be a size, with TensorFlow's texts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from millstream.base.errors import explain
from millstream.base.sizes import Expression, Size, fresh_symbol
from millstream.base.trace_types import TraceType, installed

Dims: TypeAlias = tuple[int | None, ...]

_version_2 = True


def enable_v2_tensorshape() -> None:
    """Let a shape's elements be ints and None."""
    global _version_2
    _version_2 = True


def disable_v2_tensorshape() -> None:
    """Let a shape's elements be `Dimension` objects, as in version 1."""
    global _version_2
    _version_2 = False


def is_v2_tensorshape() -> bool:
    """Return whether a shape's elements are ints and None."""
    return _version_2


def _called_from_here() -> bool:
    """Whether a method of a shape was called by code of this package, for which elements are always ints and None."""
    path = sys._getframe(2).f_code.co_filename
    return path.startswith(_PACKAGE) and not path.endswith("_test.py")


_PACKAGE = str(Path(__file__).parents[1])


def _read_size(value: Any) -> int | None:
    """The int or None that a value means as a size."""
    if value is None or isinstance(value, int):
        size = value
    elif isinstance(value, Dimension):
        return value._value
    elif isinstance(value, Expression):
        return None
    else:
        try:
            size = value.__index__()
        except AttributeError:
            raise TypeError(
                explain(
                    "Dimension value must be integer or None or have an __index__ method, "
                    f"got value '{value!r}' with type '{type(value)!r}'"
                )
            ) from None
    if size is not None and size < 0:
        raise ValueError(explain(f"Dimension {size} must be >= 0"))
    return size


class Dimension:
    """The size of one axis in version 1: an int, or None where unknown."""

    __slots__ = ("_value",)

    _value: int | None

    def __init__(self, value: Any) -> None:
        self._value = _read_size(value)

    @property
    def value(self) -> int | None:
        """The int, or None where unknown."""
        return self._value

    def is_compatible_with(self, other: Any) -> bool:
        """Whether both may be the same size."""
        other_value = _read_size(other)
        return self._value is None or other_value is None or self._value == other_value

    def assert_is_compatible_with(self, other: Any) -> None:
        """An error unless both may be the same size."""
        if not self.is_compatible_with(other):
            raise ValueError(explain(f"Dimensions {self} and {as_dimension(other)} are not compatible"))

    def merge_with(self, other: Any) -> Dimension:
        """The size that both are."""
        other = as_dimension(other)
        self.assert_is_compatible_with(other)
        return Dimension(other._value if self._value is None else self._value)

    def _combine(self, other: Any, operation: Any) -> Any:
        try:
            right = _read_size(other)
        except (TypeError, ValueError):
            return NotImplemented
        left = self._value
        return Dimension(None if left is None or right is None else operation(left, right))

    def __add__(self, other: Any) -> Any:
        return self._combine(other, lambda left, right: left + right)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._combine(other, lambda left, right: left - right)

    def __rsub__(self, other: Any) -> Any:
        return self._combine(other, lambda left, right: right - left)

    def __mul__(self, other: Any) -> Any:
        return self._combine(other, lambda left, right: left * right)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return self._combine(other, lambda left, right: left // right)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._combine(other, lambda left, right: right // left)

    def __mod__(self, other: Any) -> Any:
        return self._combine(as_dimension(other), lambda left, right: left % right)

    def __rmod__(self, other: Any) -> Any:
        return self._combine(as_dimension(other), lambda left, right: right % left)

    def __truediv__(self, other: Any) -> Any:
        raise TypeError(
            explain(
                f"unsupported operand type(s) for /: 'Dimension' and '{type(other).__name__}', please use // instead"
            )
        )

    def __rtruediv__(self, other: Any) -> Any:
        raise TypeError(
            explain(
                f"unsupported operand type(s) for /: '{type(other).__name__}' and 'Dimension', please use // instead"
            )
        )

    def _compare(self, other: Any, operation: Any) -> Any:
        right = _read_size(other)
        return None if self._value is None or right is None else operation(self._value, right)

    def __eq__(self, other: object) -> Any:
        try:
            return self._compare(other, lambda left, right: left == right)
        except (TypeError, ValueError):
            return NotImplemented

    def __ne__(self, other: object) -> Any:
        try:
            return self._compare(other, lambda left, right: left != right)
        except (TypeError, ValueError):
            return NotImplemented

    # Equality is neither true nor false for unknown sizes, so there is no hash that fits it.
    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, lambda left, right: left < right)

    def __le__(self, other: Any) -> Any:
        return self._compare(other, lambda left, right: left <= right)

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, lambda left, right: left > right)

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, lambda left, right: left >= right)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __int__(self) -> int:
        return self._value  # type: ignore[return-value]

    def __index__(self) -> int:
        return self._value  # type: ignore[return-value]

    def __repr__(self) -> str:
        return f"Dimension({self._value!r})"

    def __str__(self) -> str:
        return "?" if self._value is None else str(self._value)

    def __reduce__(self) -> Any:
        return Dimension, (self._value,)


def as_dimension(value: Any) -> Dimension:
    """The value as a Dimension."""
    return value if isinstance(value, Dimension) else Dimension(value)


def dimension_value(dimension: Any) -> Any:
    """The int or None in a Dimension; other values as they are."""
    return dimension._value if isinstance(dimension, Dimension) else dimension


def dimension_at_index(shape: Any, index: int) -> Dimension:
    """The Dimension of one axis, in either version."""
    if not isinstance(shape, TensorShape):
        raise TypeError(explain(f"`shape` must be a TensorShape, not {type(shape).__name__}."))
    return Dimension(None if shape._dims is None else shape._dims[index])


class TensorShape(TraceType):
    """The shape of a tensor as far as it is known: sizes are ints or None, and the rank may be unknown, too."""

    __slots__ = ("_dims",)

    _dims: Dims | None

    def __init__(self, dims: Any) -> None:
        if isinstance(dims, (tuple, list)):
            self._dims = tuple([_read_size(size) for size in dims])
        elif dims is None:
            self._dims = None
        elif isinstance(dims, TensorShape):
            self._dims = dims._dims
        elif hasattr(dims, "unknown_rank") and hasattr(dims, "dim"):
            self._dims = None if dims.unknown_rank else tuple(None if d.size == -1 else d.size for d in dims.dim)
        else:
            self._dims = _read_iterable(dims)

    @property
    def rank(self) -> int | None:
        """Number of axes, None where unknown."""
        dims = self._dims
        return None if dims is None else len(dims)

    @property
    def ndims(self) -> int | None:
        """Number of axes; the older name of `rank`."""
        return self.rank

    @property
    def dims(self) -> list[Dimension] | None:
        """The sizes as Dimension objects, None where the rank is unknown."""
        return None if self._dims is None else [Dimension(size) for size in self._dims]

    @property
    def _v2_behavior(self) -> bool:
        return _version_2

    def __len__(self) -> int:
        if self._dims is None:
            raise ValueError(explain("Cannot take the length of shape with unknown rank."))
        return len(self._dims)

    def __bool__(self) -> bool:
        return self._dims is not None

    def __iter__(self) -> Iterator[Any]:
        if self._dims is None:
            raise ValueError(explain("Cannot iterate over a shape with unknown rank."))
        return iter(self._dims if _version_2 or _called_from_here() else self.dims or ())

    def __getitem__(self, key: Any) -> Any:
        if self._dims is not None:
            if isinstance(key, slice):
                return TensorShape(self._dims[key])
            return self._dims[key] if _version_2 or _called_from_here() else Dimension(self._dims[key])
        if not isinstance(key, slice):
            return None if _version_2 or _called_from_here() else Dimension(None)
        if key.step is not None:
            raise ValueError(explain("Steps are not yet handled"))
        start = 0 if key.start is None else key.start
        if key.stop is None or start < 0 or key.stop < 0:
            return unknown_shape()
        return unknown_shape(rank=key.stop - start)

    def num_elements(self) -> int | None:
        """Number of elements, None where a size is unknown."""
        count = 1
        for size in (None,) if self._dims is None else self._dims:
            if size is None:
                return None
            count *= size
        return count

    def merge_with(self, other: Any) -> TensorShape:
        """The shape that both describe."""
        merged: TensorShape = as_shape(other)
        if self._dims is None:
            return merged
        if merged._dims is None:
            return self
        if not self.is_compatible_with(merged):
            raise ValueError(explain(f"Shapes {self} and {merged} are not compatible"))
        return TensorShape([right if left is None else left for left, right in zip(self._dims, merged._dims)])

    def concatenate(self, other: Any) -> TensorShape:
        """The axes of this shape and then those of the other; unknown where either rank is unknown."""
        other = as_shape(other)
        if self._dims is None or other._dims is None:
            return unknown_shape()
        return TensorShape(self._dims + other._dims)

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        left: TensorShape = as_shape(other)
        return left.concatenate(self)

    def __concat__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def assert_same_rank(self, other: Any) -> None:
        """An error unless both may have the same rank."""
        other = as_shape(other)
        if self.rank is not None and other.rank is not None and self.rank != other.rank:
            raise ValueError(explain(f"Shapes {self} and {other} must have the same rank"))

    def assert_has_rank(self, rank: int | None) -> None:
        """An error unless the rank may be `rank`."""
        if self.rank not in (None, rank):
            raise ValueError(explain(f"Shape {self} must have rank {rank}"))

    def with_rank(self, rank: int | None) -> TensorShape:
        """This shape with its rank known to be `rank`."""
        try:
            return self.merge_with(unknown_shape(rank=rank))
        except ValueError:
            raise ValueError(explain(f"Shape {self} must have rank {rank}")) from None

    def with_rank_at_least(self, rank: int) -> TensorShape:
        """This shape; an error where the rank is known to be lower."""
        if self.rank is not None and self.rank < rank:
            raise ValueError(explain(f"Shape {self} must have rank at least {rank}"))
        return self

    def with_rank_at_most(self, rank: int) -> TensorShape:
        """This shape; an error where the rank is known to be higher."""
        if self.rank is not None and self.rank > rank:
            raise ValueError(explain(f"Shape {self} must have rank at most {rank}"))
        return self

    def is_compatible_with(self, other: Any) -> bool:
        """Whether both may be the same shape."""
        other = as_shape(other)
        if self._dims is None or other._dims is None:
            return True
        return len(self._dims) == len(other._dims) and all(
            left is None or right is None or left == right for left, right in zip(self._dims, other._dims)
        )

    def assert_is_compatible_with(self, other: Any) -> None:
        """An error unless both may be the same shape."""
        if not self.is_compatible_with(other):
            raise ValueError(explain(f"Shapes {self} and {as_shape(other)} are incompatible"))

    def most_specific_compatible_shape(self, other: Any) -> TensorShape:
        """The narrowest shape that describes both."""
        other = as_shape(other)
        if self._dims is None or other._dims is None or len(self._dims) != len(other._dims):
            return unknown_shape()
        return TensorShape([left if left == right else None for left, right in zip(self._dims, other._dims)])

    def is_subtype_of(self, other: Any) -> bool:
        """Whether `other` describes everything that this shape does."""
        if not isinstance(other, TensorShape):
            return False
        if other._dims is None:
            return True
        if self._dims is None or len(self._dims) != len(other._dims):
            return False
        return all(right is None or left == right for left, right in zip(self._dims, other._dims))

    def most_specific_common_supertype(self, others: Sequence[Any]) -> TensorShape | None:
        """The narrowest shape that describes this and all `others`; None where one is no shape."""
        if any(not isinstance(other, TensorShape) for other in others):
            return None
        if self._dims is None or any(other.rank != self.rank for other in others):
            return unknown_shape()
        columns = zip(self._dims, *(other._dims for other in others))
        return TensorShape([column[0] if column.count(column[0]) == len(column) else None for column in columns])

    def is_fully_defined(self) -> bool:
        """Whether all sizes are known."""
        return self._dims is not None and None not in self._dims

    def assert_is_fully_defined(self) -> None:
        """An error unless all sizes are known."""
        if not self.is_fully_defined():
            raise ValueError(explain(f"Shape {self} is not fully defined"))

    def as_list(self) -> list[int | None]:
        """The sizes, None where unknown."""
        if self._dims is None:
            raise ValueError(explain("as_list() is not defined on an unknown TensorShape."))
        return list(self._dims)

    def as_proto(self) -> Any:
        """This shape as a TensorShapeProto."""
        proto = installed("TensorShapeProto")
        if self._dims is None:
            return proto(unknown_rank=True)
        return proto(dim=[proto.Dim(size=-1 if size is None else size) for size in self._dims])

    @classmethod
    def experimental_type_proto(cls) -> Any:
        """The proto class that stands for shapes."""
        return installed("TensorShapeProto")

    @classmethod
    def experimental_from_proto(cls, proto: Any) -> TensorShape:
        """The shape in a proto."""
        return TensorShape(proto)

    def experimental_as_proto(self) -> Any:
        """This shape as a proto."""
        return self.as_proto()

    def __eq__(self, other: object) -> Any:
        try:
            return self._dims == as_shape(other)._dims
        except TypeError:
            return NotImplemented

    def __hash__(self) -> int:
        return hash(self._dims)

    def __reduce__(self) -> Any:
        return TensorShape, (self._dims,)

    def __repr__(self) -> str:
        if not _version_2:
            return f"TensorShape({self.dims})"
        return "TensorShape(None)" if self._dims is None else f"TensorShape({list(self._dims)})"

    def __str__(self) -> str:
        if self._dims is None:
            return "<unknown>"
        sizes: Iterable[Any] = self._dims if _version_2 else self.dims or ()
        return f"({', '.join(map(str, sizes))}{',' if len(self._dims) == 1 else ''})"


def _read_iterable(dims: Any) -> Dims:
    try:
        sizes = iter(dims)
    except TypeError:
        return (_read_size(dims),)
    result = []
    for size in sizes:
        try:
            result.append(_read_size(size))
        except TypeError as error:
            raise TypeError(
                explain(
                    f"Failed to convert '{dims!r}' to a shape: '{size!r}'could not be converted to a dimension. "
                    "A shape should either be single dimension (e.g. 10), or an iterable of dimensions (e.g. [1, 10, None])."
                )
            ) from error
    return tuple(result)


def as_shape(shape: Any) -> TensorShape:
    """The value as a TensorShape."""
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


def unknown_shape(rank: int | None = None, **arguments: Any) -> TensorShape:
    """A shape of which only the rank is known, or nothing."""
    if rank is None and "ndims" in arguments:
        rank = arguments.pop("ndims")
    if arguments:
        raise TypeError(explain(f"Unknown argument: {arguments}"))
    return TensorShape(None if rank is None else [None] * rank)


def from_spec_shape(shape: tuple[Size, ...] | None) -> TensorShape:
    """The public shape of a spec: sizes that are not ints are None."""
    result: TensorShape = TensorShape.__new__(TensorShape)
    result._dims = None if shape is None else tuple([None if isinstance(size, Expression) else size for size in shape])
    return result


def to_spec_shape(shape: Any, prefix: str = "size") -> tuple[Size, ...] | None:
    """The sizes of a public shape, with a new symbol for each None."""
    dims = as_shape(shape)._dims
    if dims is None:
        return None
    return tuple(fresh_symbol(prefix) if size is None else size for size in dims)
