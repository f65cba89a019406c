"""What a ragged tensor is made of: values and row partitions, the ways to make one, and what it says of itself.

Conversions and indexing are in `ragged_tensor` and `ragged_slicing`. Refuses partitions that do not fit the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from millstream.base import dtypes
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.row_partition_spec import RowPartitionSpec
from millstream.base.shapes import TensorShape
from millstream.base.specs import RaggedTensorSpec
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.row_partition import RowPartition, integer, known, sized
from millstream.execution.tensor import EagerTensor, Tensor, eager_constant
from millstream.ops import row_partition as ops
from millstream.ops.registry import find

Self = TypeVar("Self", bound="RaggedStructure")


class _InnerValues:
    """How gradients flow through ragged tensors: to their innermost values (`__composite_gradient__`)."""

    def get_gradient_components(self, value: Any) -> Any:
        """Return what is differentiated."""
        return value.flat_values

    def replace_gradient_components(self, value: Any, component_grads: Any) -> Any:
        """Return the gradients of the innermost values in the rows of `value`."""
        return value.with_flat_values(component_grads)


class RaggedStructure(CompositeTensor):
    """Values, which may be ragged themselves, and the partition of them into rows."""

    __composite_gradient__ = _InnerValues()

    def __init__(self, values: Any, row_partition: Any, internal: bool = False) -> None:
        if internal is not True:
            raise ValueError(
                explain(
                    "RaggedTensor constructor is private; please use one of the factory methods instead (e.g., "
                    "RaggedTensor.from_row_lengths())"
                )
            )
        if not isinstance(row_partition, RowPartition):
            raise TypeError(explain(f"Argument `row_partition` must be a RowPartition. Received {row_partition}."))
        if isinstance(values, RaggedStructure) and values.row_splits.dtype is not row_partition.dtype:
            raise ValueError(
                explain(
                    f"row_splits.dtype={row_partition.dtype.name} and values.row_splits.dtype={values.row_splits.dtype.name} "
                    "differ: convert one with with_row_splits_dtype."
                )
            )
        self._values = values
        self._row_partition = row_partition

    @classmethod
    def _from_row_partition(cls: type[Self], values: Any, row_partition: Any, validate: bool = True) -> Self:
        """Return the values in rows as a partition has them."""
        if not isinstance(row_partition, RowPartition):
            raise TypeError(explain(f"Argument `row_partition` must be a RowPartition. Received {row_partition}."))
        if not isinstance(validate, bool):
            raise TypeError(explain(f"Argument `validate` must have type bool. Received {validate}."))
        values = ragged_values(values)
        count = row_partition.static_nvals
        if count is not None and values.shape.rank is not None:
            values.shape[:1].assert_is_compatible_with([count])
        if validate and not (count is not None and values.shape.as_list()[:1] == [count]):
            message = "Arguments to _from_row_partition do not form a valid RaggedTensor"
            apply(ops.CHECK_EQUAL, row_partition.nvals(), sized(values, row_partition.dtype), message=message)
        return cls(values, row_partition, internal=True)

    @classmethod
    def from_row_splits(
        cls: type[Self], values: Any, row_splits: Any, name: str | None = None, validate: bool = True
    ) -> Self:
        """Return rows values[row_splits[i]:row_splits[i + 1]].

        Args:
          values: [nvals, …], a tensor or ragged tensor.
          row_splits: [nrows + 1] integers, ascending from 0 to nvals.
          name: accepted and not used.
          validate: whether to check the splits.

        Raises:
          ValueError: where `row_splits` is empty.
          InvalidArgumentError: where `validate` finds splits that do not fit.

        >>> tf.RaggedTensor.from_row_splits([3, 1, 4, 1, 5], [0, 3, 3, 5])
        <tf.RaggedTensor [[3, 1, 4], [], [1, 5]]>
        """
        values = ragged_values(values)
        partition = RowPartition.from_row_splits(row_splits, validate, dtype_hint=_hint(values))
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_row_lengths(
        cls: type[Self], values: Any, row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> Self:
        """Return the values in rows of row_lengths[i].

        >>> tf.RaggedTensor.from_row_lengths([3, 1, 4], [2, 0, 1])
        <tf.RaggedTensor [[3, 1], [], [4]]>
        """
        values = ragged_values(values)
        partition = RowPartition.from_row_lengths(row_lengths, validate, dtype_hint=_hint(values))
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_row_starts(
        cls: type[Self], values: Any, row_starts: Any, name: str | None = None, validate: bool = True
    ) -> Self:
        """Return the values in rows of which row i begins at row_starts[i]."""
        values = ragged_values(values)
        hint = _hint(values)
        nvals = sized(
            values, (getattr(row_starts, "dtype", None) and as_dtype(row_starts.dtype)) or hint or dtypes.int64
        )
        partition = RowPartition.from_row_starts(row_starts, nvals, validate, dtype_hint=hint)
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_row_limits(
        cls: type[Self], values: Any, row_limits: Any, name: str | None = None, validate: bool = True
    ) -> Self:
        """Return the values in rows of which row i ends before value row_limits[i]."""
        values = ragged_values(values)
        partition = RowPartition.from_row_limits(row_limits, validate, dtype_hint=_hint(values))
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_value_rowids(
        cls: type[Self],
        values: Any,
        value_rowids: Any,
        nrows: Any = None,
        name: str | None = None,
        validate: bool = True,
    ) -> Self:
        """Return the values in rows, value i in row value_rowids[i].

        Args:
          values: [nvals, …].
          value_rowids: [nvals] integers, ascending.
          nrows: the number of rows; one more than the last row number without it.
          name: accepted and not used.
          validate: whether to check them.

        >>> tf.RaggedTensor.from_value_rowids([3, 1, 4], [0, 0, 2], nrows=4)
        <tf.RaggedTensor [[3, 1], [], [4], []]>
        """
        values = ragged_values(values)
        partition = RowPartition.from_value_rowids(value_rowids, nrows, validate, dtype_hint=_hint(values))
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def from_uniform_row_length(
        cls: type[Self],
        values: Any,
        uniform_row_length: Any,
        nrows: Any = None,
        validate: bool = True,
        name: str | None = None,
    ) -> Self:
        """Return the values in rows of one length.

        >>> tf.RaggedTensor.from_uniform_row_length([1, 2, 3, 4], 2).shape
        TensorShape([2, 2])
        """
        values = ragged_values(values)
        given = next((as_dtype(n.dtype) for n in (uniform_row_length, nrows) if hasattr(n, "dtype")), None)
        wanted = _hint(values) or given or dtypes.int64
        partition = RowPartition.from_uniform_row_length(
            uniform_row_length, sized(values, wanted), nrows, validate, dtype=wanted
        )
        return cls._from_row_partition(values, partition, validate)

    @classmethod
    def _nested(cls, flat_values: Any, make: Callable[..., Any], name: str, parts: Any, validate: bool) -> Any:
        if isinstance(parts, Tensor):
            raise TypeError(explain(f"Argument `{name}` must be a list of Tensors. Received {parts}."))
        result = ragged_values(flat_values)
        for part in reversed(list(parts)):
            result = make(result, part, validate=validate)
        return result

    @classmethod
    def from_nested_row_splits(
        cls, flat_values: Any, nested_row_splits: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Return values partitioned by a list of row splits, the outermost first; the values themselves for none."""
        return cls._nested(flat_values, cls.from_row_splits, "nested_row_splits", nested_row_splits, validate)

    @classmethod
    def from_nested_row_lengths(
        cls, flat_values: Any, nested_row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> Any:
        """Return values partitioned by a list of row lengths, the outermost first; the values themselves for none."""
        return cls._nested(flat_values, cls.from_row_lengths, "nested_row_lengths", nested_row_lengths, validate)

    @classmethod
    def from_nested_value_rowids(
        cls,
        flat_values: Any,
        nested_value_rowids: Any,
        nested_nrows: Any = None,
        name: str | None = None,
        validate: bool = True,
    ) -> Any:
        """Return values partitioned by a list of row numbers, the outermost first; the values themselves for none."""
        if isinstance(nested_value_rowids, Tensor):
            raise TypeError(
                explain(f"Argument `nested_value_rowids` must be a list of Tensors. Received {nested_value_rowids}.")
            )
        if isinstance(nested_nrows, Tensor):
            raise TypeError(explain(f"Argument `nested_nrows` must be a list of Tensors. Received {nested_nrows}."))
        counts = [None] * len(nested_value_rowids) if nested_nrows is None else nested_nrows
        if len(counts) != len(nested_value_rowids):
            raise ValueError(
                explain(
                    "Argument `nested_nrows` must have the same length as argument `nested_value_rowids`. len(nested_nrows) = "
                    f"{len(counts)} vs. len(nested_values_rowids) = {len(nested_value_rowids)}."
                )
            )
        result = ragged_values(flat_values)
        for rowids, count in zip(reversed(nested_value_rowids), reversed(counts), strict=True):
            result = cls.from_value_rowids(result, rowids, count, validate=validate)
        return result

    @classmethod
    def _from_nested_row_partitions(
        cls,
        flat_values: Any,
        nested_row_partitions: Sequence[RowPartition],
        name: str | None = None,
        validate: bool = True,
    ) -> Any:
        """Return values in rows as a list of partitions has them, the outermost first."""
        result = ragged_values(flat_values)
        for partition in reversed(nested_row_partitions):
            result = cls._from_row_partition(result, partition, validate)
        return result

    @property
    def dtype(self) -> DType:
        """The element type of the values."""
        return self._values.dtype  # type: ignore[no-any-return]

    @property
    def shape(self) -> TensorShape:
        """The shape, None for ragged axes: [nrows, row length, …]."""
        outer = [self._row_partition.static_nrows, self._row_partition.static_uniform_row_length]
        inner = self._values.shape
        return TensorShape(None) if inner.rank is None else TensorShape([*outer, *inner.as_list()[1:]])

    def get_shape(self) -> TensorShape:
        """Return the shape, None for ragged axes."""
        return self.shape

    @property
    def ragged_rank(self) -> int:
        """How many times values are partitioned."""
        return 1 + (self._values.ragged_rank if isinstance(self._values, RaggedStructure) else 0)

    @property
    def values(self) -> Any:
        """All rows, one after the other: a tensor or a ragged tensor of one ragged axis less."""
        return self._values

    @property
    def flat_values(self) -> Any:
        """The innermost values, a tensor."""
        values = self._values
        while isinstance(values, RaggedStructure):
            values = values._values
        return values

    @property
    def _nested_row_partitions(self) -> tuple[RowPartition, ...]:
        partitions = [self._row_partition]
        values = self._values
        while isinstance(values, RaggedStructure):
            partitions.append(values._row_partition)
            values = values._values
        return tuple(partitions)

    @property
    def row_splits(self) -> Any:
        """Where each row begins, and the end: [nrows + 1]."""
        return self._row_partition.row_splits()

    @property
    def nested_row_splits(self) -> tuple[Any, ...]:
        """The row splits of all ragged axes, the outermost first."""
        return tuple(partition.row_splits() for partition in self._nested_row_partitions)

    @property
    def uniform_row_length(self) -> Any:
        """The length of all rows as a scalar, None where rows may differ."""
        return self._row_partition.uniform_row_length()

    def value_rowids(self, name: str | None = None) -> Any:
        """Return the row of each value: [nvals]."""
        return self._row_partition.value_rowids()

    def nested_value_rowids(self, name: str | None = None) -> tuple[Any, ...]:
        """Return the row of each value for all ragged axes, the outermost first."""
        return tuple(partition.value_rowids() for partition in self._nested_row_partitions)

    def nrows(self, out_type: Any = None, name: str | None = None) -> Any:
        """Return the number of rows."""
        wanted = self._row_partition.dtype if out_type is None else as_dtype(out_type)
        return integer(self._row_partition.nrows(), wanted)

    def row_starts(self, name: str | None = None) -> Any:
        """Return where each row begins: [nrows]."""
        return self._row_partition.row_starts()

    def row_limits(self, name: str | None = None) -> Any:
        """Return where each row ends: [nrows]."""
        return self._row_partition.row_limits()

    def row_lengths(self, axis: int = 1, name: str | None = None) -> Any:
        """Return the lengths of the rows of `axis`: [nrows] for axis 1, ragged for the axes inside.

        >>> tf.ragged.constant([[[1, 2], [3]], [], [[]]]).row_lengths(axis=2)
        <tf.RaggedTensor [[2, 1], [], [0]]>
        """
        if axis == 0:
            return self._row_partition.nrows()
        if axis == 1:
            return self._row_partition.row_lengths()
        axis = positive_axis(axis, self.shape.rank, "axis", "rank(self)")
        if axis == 0:
            return self.nrows()
        if axis == 1:
            return self.row_lengths()
        values = self._values
        if isinstance(values, RaggedStructure):
            return self.with_values(values.row_lengths(axis - 1))
        sizes = apply(find("Shape"), values, out_type=self._row_partition.dtype)
        return self.with_values(apply(find("Fill"), sizes[: axis - 1], sizes[axis - 1]))

    def nested_row_lengths(self, name: str | None = None) -> tuple[Any, ...]:
        """Return the row lengths of all ragged axes, the outermost first."""
        return tuple(partition.row_lengths() for partition in self._nested_row_partitions)

    def bounding_shape(self, axis: Any = None, name: str | None = None, out_type: Any = None) -> Any:
        """Return the smallest dense shape that holds all rows, or its sizes along `axis`."""
        wanted = self._row_partition.dtype if out_type is None else as_dtype(out_type)
        zero = eager_constant(np.asarray([0]), self._row_partition.dtype)
        bounds = [_as_vector(self.nrows())]
        for lengths in self.nested_row_lengths():
            # A row of length 0 more: there may be no rows.
            padded = apply(find("ConcatV2"), [zero, lengths], _axis(0))
            bounds.append(_as_vector(apply(find("Max"), padded, _axis(0), keep_dims=False)))
        inner = apply(find("Shape"), self.flat_values, out_type=self._row_partition.dtype)
        whole = integer(apply(find("ConcatV2"), [*bounds, inner[1:]], _axis(0)), wanted)
        if axis is None:
            return whole
        rank = self.shape.rank
        if isinstance(axis, (int, np.integer)):
            return whole[positive_axis(int(axis), rank, "axis", "rank(self)")]
        places = [positive_axis(int(a), rank, "axis", "rank(self)") for a in axis]
        return apply(find("GatherV2"), whole, to_tensor(places, dtypes.int32), _axis(0), batch_dims=0)

    def with_values(self: Self, new_values: Any) -> Self:
        """Return the same rows of other values, as many as before."""
        values = ragged_values(new_values)
        self._values.shape[:1].assert_is_compatible_with(values.shape[:1])
        return type(self)(values, self._row_partition, internal=True)

    def with_flat_values(self: Self, new_values: Any) -> Self:
        """Return the same rows of other innermost values."""
        if isinstance(self._values, RaggedStructure):
            return self.with_values(self._values.with_flat_values(new_values))
        values = ragged_values(new_values)
        return self.with_values(values)

    def with_row_splits_dtype(self: Self, dtype: Any) -> Self:
        """Return the same ragged tensor with row splits of int32 or int64."""
        wanted = as_dtype(dtype)
        if wanted not in (dtypes.int32, dtypes.int64):
            raise ValueError(explain(f"Argument `row_splits` dtype must be int32 or int64. Received {wanted!r}."))
        if wanted is self._row_partition.dtype:
            return self
        values = self._values
        if isinstance(values, RaggedStructure):
            values = values.with_row_splits_dtype(wanted)
        return type(self)(values, self._row_partition.with_dtype(wanted), internal=True)

    def merge_dims(self, outer_axis: int, inner_axis: int) -> Any:
        """Return the tensor with the axes from outer_axis to inner_axis made one.

        >>> tf.ragged.constant([[[1, 2], [3]], [], [[]]]).merge_dims(1, 2)
        <tf.RaggedTensor [[1, 2, 3], [], []]>
        """
        rank = self.shape.rank
        outer = positive_axis(outer_axis, rank, "outer_axis", "rank(self)")
        inner = positive_axis(inner_axis, rank, "inner_axis", "rank(self)")
        if not outer <= inner:
            raise ValueError(
                explain(f"Expected outer_axis ({outer_axis}) to be less than or equal to inner_axis ({inner_axis}).")
            )
        return merge_dims(self, outer, inner)

    def _set_shape(self, shape: Any) -> None:
        """Say what is known of the shape: sizes of uniform axes, and of the axes of the innermost values."""
        shape = TensorShape(shape)
        if shape.rank is None:
            return
        sizes = shape.as_list()
        count = sizes[0]
        if count is not None:
            self.row_splits.set_shape([count + 1])
        length = sizes[1]
        if length is not None and not self._row_partition.is_uniform():
            spec = RowPartitionSpec(None, None, length, self._row_partition.dtype)
            self._row_partition = self._row_partition._merge_with_spec(spec)
        inner = count * length if count is not None and length is not None else None
        if isinstance(self._values, RaggedStructure):
            self._values._set_shape([inner, *sizes[2:]])
        else:
            self._values.set_shape([inner, *sizes[2:]])

    @property
    def _type_spec(self) -> RaggedTensorSpec:
        return RaggedTensorSpec.from_value(self)  # type: ignore[no-any-return]

    def _shape_invariant_to_type_spec(self, shape: Any) -> RaggedTensorSpec:
        return RaggedTensorSpec(shape, self.dtype, self.ragged_rank, self.row_splits.dtype)

    def consumers(self) -> list[Any]:
        """Return the operations that take parts of this."""
        return self._consumers()

    def _is_eager(self) -> bool:
        return all(isinstance(t, EagerTensor) for t in (self.flat_values, *self.nested_row_splits))


def splits_dtype_of(*values: Any) -> DType | None:
    """Return the one element type that the row splits of ragged values have; None without ragged ones."""
    kinds = {v.row_splits.dtype for v in values if isinstance(v, RaggedStructure)}
    if len(kinds) > 1:
        raise ValueError(
            explain(
                "Input RaggedTensors have mismatched row_splits dtypes: int32 and int64.",
                fix="Convert one of them with RaggedTensor.with_row_splits_dtype().",
            )
        )
    return kinds.pop() if kinds else None


def ragged_values(values: Any) -> Any:
    """Return values as a tensor, ragged ones as they are."""
    if isinstance(values, RaggedStructure):
        return values
    tensor = to_tensor(values)
    tensor.shape.with_rank_at_least(1)
    return tensor


def _hint(values: Any) -> DType | None:
    """Return the element type that the row splits inside have."""
    return values.row_splits.dtype if isinstance(values, RaggedStructure) else None


def _axis(axis: int) -> Any:
    return eager_constant(np.asarray(axis), dtypes.int32)


def _as_vector(scalar: Any) -> Any:
    return apply(find("Reshape"), scalar, eager_constant(np.asarray([1]), dtypes.int32))


def positive_axis(axis: int, rank: int | None, name: str, rank_name: str) -> int:
    """Return an axis counted from the front. Refuses what is out of range."""
    if not isinstance(axis, int):
        raise TypeError(explain(f"{name} must be an int; got {type(axis).__name__}"))
    if rank is None:
        if axis < 0:
            raise ValueError(explain(f"{name}={axis} may only be negative if {rank_name} is statically known."))
        return axis
    if not -rank <= axis < rank:
        raise ValueError(explain(f"{name}={axis} out of bounds: expected {-rank}<={name}<{rank}"))
    return axis if axis >= 0 else axis + rank


def merge_dims(value: Any, outer: int, inner: int) -> Any:
    """Return a tensor or ragged tensor with the axes from `outer` to `inner`, counted from the front, made one."""
    if outer == inner:
        return value
    if not isinstance(value, RaggedStructure):
        shape = value.shape
        if (
            shape.rank is not None
            and sum(n is None for n in shape.as_list()) <= 1
            and shape[outer : inner + 1].is_fully_defined()
        ):
            sizes = [-1 if n is None else n for n in shape.as_list()]
            merged = shape[outer : inner + 1].num_elements()
            target = to_tensor([*sizes[:outer], merged, *sizes[inner + 1 :]], dtypes.int64)
        else:
            sizes_ = apply(find("Shape"), value, out_type=dtypes.int64)
            # A product, not -1: other axes may be of size 0.
            merged = apply(find("Prod"), sizes_[outer : inner + 1], to_tensor([0], dtypes.int32), keep_dims=True)
            target = apply(find("ConcatV2"), [sizes_[:outer], merged, sizes_[inner + 1 :]], _axis(0))
        return apply(find("Reshape"), value, target)
    if outer > 1:
        return value.with_values(merge_dims(value.values, outer - 1, inner - 1))
    if outer == 0:
        return merge_dims(value.values, 0, inner - 1)
    # The rows of rows become rows: as many values as the inner rows together have.
    values, partition = value.values, value._row_partition
    for _ in range(outer, inner):
        partition, values = _joined(partition, values)
    return type(value)(values, partition, internal=True)


def _joined(partition: RowPartition, values: Any) -> tuple[RowPartition, Any]:
    """Return the partition of the values of `values` that its rows, partitioned, make."""
    if isinstance(values, RaggedStructure):
        inner = values._row_partition
        splits = apply(find("GatherV2"), inner.row_splits(), partition.row_splits(), _axis(0), batch_dims=0)
        lengths = known(partition.uniform_row_length()), known(inner.uniform_row_length())
        made = RowPartition.from_row_splits(splits, validate=False)
        if lengths[0] is not None and lengths[1] is not None:
            made = made._merge_with_spec(RowPartitionSpec(None, None, lengths[0] * lengths[1], partition.dtype))
        return made, values.values
    size = apply(find("Shape"), values, out_type=partition.dtype)[1]
    made = RowPartition.from_row_splits(apply(find("Mul"), partition.row_splits(), size), validate=False)
    return made, merge_dims(values, 0, 1)
