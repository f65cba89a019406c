"""tf.experimental.DynamicRaggedShape: the shape of a ragged tensor, row by row. Refuses sizes of axes that are not uniform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.row_partition_spec import RowPartitionSpec
from millstream.base.shapes import TensorShape
from millstream.base.tensor_specs import TensorSpec
from millstream.base.type_specs import TypeSpec, register_type_spec
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_structure import RaggedStructure, positive_axis
from millstream.execution.row_partition import RowPartition, integer, known
from millstream.execution.static_value import shape_from_tensor, static_value
from millstream.execution.tensor import EagerTensor, eager_constant
from millstream.ops import row_partition as ops
from millstream.ops.registry import find


@register_type_spec("tf.DynamicRaggedShape.Spec")
class DynamicRaggedShapeSpec(TypeSpec):
    """The type of the shape of a ragged tensor: the specs of its partitions and what is known of the shape of its values."""

    __slots__ = ("_dtype", "_row_partitions", "_static_inner_shape")

    _row_partitions: tuple[RowPartitionSpec, ...]
    _static_inner_shape: TensorShape
    _dtype: DType

    def __init__(self, row_partitions: Sequence[RowPartitionSpec], static_inner_shape: Any, dtype: Any) -> None:
        self._row_partitions = tuple(row_partitions)
        self._static_inner_shape = TensorShape(static_inner_shape)
        self._dtype = as_dtype(dtype)

    @property
    def dtype(self) -> DType:
        """The element type of the sizes."""
        return self._dtype

    @property
    def num_row_partitions(self) -> int:
        """How many axes are partitioned."""
        return len(self._row_partitions)

    @property
    def value_type(self) -> Any:
        """The class DynamicRaggedShape."""
        return DynamicRaggedShape

    @classmethod
    def from_value(cls, value: Any) -> DynamicRaggedShapeSpec:
        """The spec of a shape."""
        specs = [partition._type_spec for partition in value.row_partitions]
        if specs and value.static_inner_shape.rank:
            count = value.static_inner_shape.as_list()[0]
            last = specs[-1]
            specs[-1] = RowPartitionSpec(last.nrows, count, last.uniform_row_length, last.dtype)
        return cls(specs, value.static_inner_shape, value.dtype)

    def _serialize(self) -> Any:
        return self._row_partitions, self._static_inner_shape, self._dtype

    @property
    def _component_specs(self) -> Any:
        inner = TensorSpec([self._static_inner_shape.rank], self._dtype)
        return {"inner_shape": inner, "row_partitions": self._row_partitions}

    def _to_components(self, value: Any) -> Any:
        return {"inner_shape": value.inner_shape, "row_partitions": value.row_partitions}

    def _from_components(self, components: Any) -> Any:
        return DynamicRaggedShape(
            components["row_partitions"],
            components["inner_shape"],
            self._dtype,
            static_inner_shape=self._static_inner_shape,
        )

    def __repr__(self) -> str:
        return (
            f"DynamicRaggedShape.Spec(row_partitions={self._row_partitions!r}, "
            f"static_inner_shape={self._static_inner_shape!r}, dtype={self._dtype!r})"
        )


class DynamicRaggedShape(CompositeTensor):
    """The shape of a ragged tensor: row partitions, the outermost first, and the shape of the values in them.

    Args:
      row_partitions: of the axes that are partitioned.
      inner_shape: the shape of the flat values, a vector.
      dtype: int32 or int64.
      validate: whether to check that the partitions fit.
      static_inner_shape: what is known of `inner_shape`.

    >>> tf.shape(tf.ragged.constant([[1, 2], [3]]))
    <DynamicRaggedShape lengths=[2, (2, 1)] num_row_partitions=1>
    """

    Spec = DynamicRaggedShapeSpec

    def __init__(
        self,
        row_partitions: Sequence[RowPartition],
        inner_shape: Any,
        dtype: Any = None,
        validate: bool = False,
        static_inner_shape: Any = None,
    ) -> None:
        if not all(isinstance(p, RowPartition) for p in row_partitions):
            raise TypeError(explain(f"row_partitions must be RowPartitions. Received {row_partitions}."))
        kinds = {p.dtype for p in row_partitions}
        given = getattr(inner_shape, "dtype", None)
        if dtype is None:
            dtype = kinds.pop() if len(kinds) == 1 else dtypes.int64 if kinds or given is None else as_dtype(given)
        wanted = as_dtype(dtype)
        if wanted not in (dtypes.int32, dtypes.int64):
            raise ValueError(explain("dtype must be int32 or int64"))
        self._row_partitions = tuple(p.with_dtype(wanted) for p in row_partitions)
        self._inner_shape = integer(to_tensor(inner_shape, None, wanted), wanted)
        self._inner_shape.shape.assert_has_rank(1)
        self._static = shape_from_tensor(self._inner_shape)
        if static_inner_shape is not None:
            self._static = self._static.merge_with(static_inner_shape)
        if validate and self._row_partitions:
            for outer, inner in zip(self._row_partitions, self._row_partitions[1:], strict=False):
                apply(
                    ops.CHECK_EQUAL,
                    outer.nvals(),
                    inner.nrows(),
                    message="RowPartitions in DynamicRaggedShape do not match",
                )
            apply(
                ops.CHECK_EQUAL,
                self._row_partitions[-1].nvals(),
                self._inner_shape[0],
                message="Last row partition does not match inner_shape.",
            )

    @classmethod
    def from_tensor(cls, t: Any, dtype: Any = None) -> DynamicRaggedShape:
        """Return the shape of a tensor or ragged tensor."""
        if not isinstance(t, RaggedStructure):
            tensor = to_tensor(t)
            wanted = dtypes.int64 if dtype is None else as_dtype(dtype)
            sizes = apply(find("Shape"), tensor, out_type=wanted)
            return cls((), sizes, wanted, static_inner_shape=tensor.shape)
        wanted = t.row_splits.dtype if dtype is None else as_dtype(dtype)
        flat = t.flat_values
        sizes = apply(find("Shape"), flat, out_type=wanted)
        return cls(t._nested_row_partitions, sizes, wanted, static_inner_shape=flat.shape)

    @classmethod
    def from_row_partitions(cls, row_partitions: Sequence[RowPartition], dtype: Any = None) -> DynamicRaggedShape:
        """Return the shape of a ragged tensor with these partitions of scalars."""
        if not row_partitions:
            raise ValueError(explain("row_partitions cannot be empty"))
        count = row_partitions[-1].nvals()
        return cls(row_partitions, apply(find("Reshape"), count, to_tensor([1], dtypes.int32)), dtype)

    @classmethod
    def from_lengths(
        cls, lengths: Sequence[Any], num_row_partitions: int | None = None, dtype: Any = dtypes.int64
    ) -> DynamicRaggedShape:
        """Return the shape with these sizes of axes: a number for a uniform axis, a list of the lengths for a ragged one.

        >>> tf.experimental.DynamicRaggedShape.from_lengths([2, (1, 2), 5])
        <DynamicRaggedShape lengths=[2, (1, 2), 5] num_row_partitions=1>
        """
        ragged = [i for i, n in enumerate(lengths) if not isinstance(n, (int, np.integer))]
        needed = ragged[-1] if ragged else 0
        if ragged and ragged[0] == 0:
            raise ValueError(explain("The outermost axis must be uniform."))
        count = needed if num_row_partitions is None else num_row_partitions
        if count < needed or (count and count >= len(lengths)):
            raise ValueError(explain(f"num_row_partitions={count} does not fit the lengths {list(lengths)}."))
        if not lengths:
            return cls((), eager_constant(np.zeros(0, np.int64), as_dtype(dtype)), dtype)
        rows = int(lengths[0])
        partitions = []
        for size in lengths[1 : count + 1]:
            if isinstance(size, (int, np.integer)):
                partitions.append(RowPartition.from_uniform_row_length(int(size), None, rows, dtype=dtype))
                rows *= int(size)
                continue
            if len(size) != rows:
                raise ValueError(explain("Shape not consistent."))
            partitions.append(RowPartition.from_row_lengths(np.asarray(size, np.int64), dtype=dtype))
            rows = int(np.sum(size))
        return cls(partitions, [rows, *(int(n) for n in lengths[count + 1 :])], dtype)

    @property
    def dtype(self) -> DType:
        """The element type of the sizes."""
        return self._inner_shape.dtype  # type: ignore[no-any-return]

    @property
    def row_partitions(self) -> tuple[RowPartition, ...]:
        """The partitions, the outermost first."""
        return self._row_partitions

    @property
    def num_row_partitions(self) -> int:
        """How many axes are partitioned."""
        return len(self._row_partitions)

    @property
    def inner_shape(self) -> Any:
        """The shape of the flat values."""
        return self._inner_shape

    @property
    def static_inner_shape(self) -> TensorShape:
        """What is known of the shape of the flat values."""
        return self._static

    @property
    def inner_rank(self) -> int | None:
        """How many axes the flat values have."""
        return self._static.rank

    @property
    def rank(self) -> int | None:
        """How many axes there are."""
        return None if self._static.rank is None else len(self._row_partitions) + self._static.rank

    def is_uniform(self, axis: int) -> bool:
        """Return whether all rows of an axis are said to be of one length."""
        if not isinstance(axis, int):
            raise TypeError(explain("axis must be an integer"))
        if axis < 0:
            raise IndexError(explain("Negative axis values are not supported"))
        if self.rank is not None and axis >= self.rank:
            raise IndexError(explain(f"Expected axis={axis} < rank={self.rank}"))
        return not 0 < axis <= len(self._row_partitions) or self._row_partitions[axis - 1].is_uniform()

    def _dimension(self, index: int) -> Any:
        if index == 0 and self._row_partitions:
            return self._row_partitions[0].nrows()
        if index == 0:
            return self._inner_shape[0]
        if index <= len(self._row_partitions):
            length = self._row_partitions[index - 1].uniform_row_length()
            if length is None:
                raise ValueError(explain(f"Index {index} is not uniform"))
            return length
        return self._inner_shape[index - len(self._row_partitions)]

    def __getitem__(self, index: Any) -> Any:
        """Return the size of a uniform axis, or the shape of the outer axes for a slice."""
        if isinstance(index, slice):
            return self._sliced(index)
        if not isinstance(index, (int, np.integer)):
            raise TypeError(explain("Argument is not an int or a slice"))
        if self.rank is None and index < 0:
            raise ValueError(explain("Rank must be known to use __getitem__ with a negative index."))
        place = int(index)
        if self.rank is not None:
            if place >= self.rank:
                raise IndexError(explain(f"Index is too big: {place}>={self.rank}"))
            if place < -self.rank:
                raise IndexError(explain(f"Index is too small: {place}<-{self.rank}"))
            place %= self.rank
        return self._dimension(place)

    def _sliced(self, key: slice) -> DynamicRaggedShape:
        if key.step not in (None, 1):
            raise IndexError(explain("Cannot stride through a shape"))
        if self.rank is None:
            raise ValueError(explain("Rank must be known to slice a shape."))
        begin, end, _ = key.indices(self.rank)
        end = max(begin, end)
        count = len(self._row_partitions)
        if begin == 0 and end <= count and end > 0:
            outer = self._row_partitions[: end - 1]
            rows = self._row_partitions[end - 1].nrows()
            return DynamicRaggedShape(outer, apply(find("Reshape"), rows, to_tensor([1], dtypes.int32)), self.dtype)
        if begin == 0 and end > count:
            return DynamicRaggedShape(self._row_partitions, self._inner_shape[: end - count], self.dtype)
        if begin == end:
            return DynamicRaggedShape((), self._inner_shape[:0], self.dtype)
        if count:
            raise ValueError(explain("All relevant dimensions must be uniform"))
        return DynamicRaggedShape((), self._inner_shape[begin:end], self.dtype)

    def static_lengths(self, ragged_lengths: bool = True) -> Any:
        """Return the sizes of the axes as far as they are known: numbers, tuples of lengths for ragged axes, None."""
        if self.rank is None:
            return [*self._outer_lengths(ragged_lengths), ...]
        return [*self._outer_lengths(ragged_lengths), *self._static.as_list()[1 if self._row_partitions else 0 :]]

    def _outer_lengths(self, ragged_lengths: bool) -> list[Any]:
        result: list[Any] = []
        for i, partition in enumerate(self._row_partitions):
            if i == 0:
                result.append(partition.static_nrows)
            length = known(partition.uniform_row_length())
            if length is not None:
                result.append(length)
                continue
            found = static_value(partition.row_lengths()) if ragged_lengths and not partition.is_uniform() else None
            result.append(None if found is None else tuple(found.tolist()))
        return result

    def with_dtype(self, dtype: Any) -> DynamicRaggedShape:
        """Return the same shape with sizes of int32 or int64."""
        return DynamicRaggedShape(self._row_partitions, self._inner_shape, dtype, static_inner_shape=self._static)

    def _num_elements(self) -> Any:
        return apply(find("Prod"), self._inner_shape, to_tensor([0], dtypes.int32), keep_dims=False)

    def _num_slices_in_dimension(self, axis: int) -> Any:
        axis = positive_axis(axis, self.rank, "axis", "rank")
        if axis == 0:
            return self._dimension(0)
        if axis <= len(self._row_partitions):
            return self._row_partitions[axis - 1].nvals()
        sizes = self._inner_shape[: axis - len(self._row_partitions) + 1]
        return apply(find("Prod"), sizes, to_tensor([0], dtypes.int32), keep_dims=False)

    def _to_tensor_shape(self) -> TensorShape:
        """Return what is known of the shape, None for ragged axes."""
        if self.rank is None:
            return TensorShape(None)
        return TensorShape([n if isinstance(n, int) else None for n in self.static_lengths(ragged_lengths=False)])

    @property
    def _type_spec(self) -> DynamicRaggedShapeSpec:
        return DynamicRaggedShapeSpec.from_value(self)

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, DynamicRaggedShape):
            return False
        if self.num_row_partitions != other.num_row_partitions or self.inner_rank != other.inner_rank:
            return False
        same = apply(find("All"), self._inner_shape == other.inner_shape, to_tensor([0], dtypes.int32), keep_dims=False)
        for a, b in zip(self._row_partitions, other.row_partitions, strict=True):
            if a.static_nrows != b.static_nrows:
                return False
            equal = apply(find("All"), a.row_splits() == b.row_splits(), to_tensor([0], dtypes.int32), keep_dims=False)
            same = apply(find("LogicalAnd"), same, equal)
        return same

    def __ne__(self, other: object) -> Any:
        same = self == other
        return not same if isinstance(same, bool) else apply(find("LogicalNot"), same)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if not all(
            isinstance(t, EagerTensor) for t in (self._inner_shape, *(p.row_splits() for p in self._row_partitions))
        ):
            return f"<DynamicRaggedShape row_partitions={self._row_partitions!r} inner_shape={self._inner_shape!r}>"
        sizes = ", ".join(str(n) for n in self.static_lengths())
        return f"<DynamicRaggedShape lengths=[{sizes}] num_row_partitions={self.num_row_partitions}>"
