"""Variables in parts: what divides them, and what acts as one variable for all parts. Refuses to divide more than one axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape

tf: Any = root()

Partitioner = Callable[..., list[int]]


class PartitionInfo:
    """Which part of a variable an initializer makes: the sizes of all, and where this part begins."""

    def __init__(self, full_shape: Sequence[int], var_offset: Sequence[int]) -> None:
        self.full_shape, self.var_offset = list(full_shape), list(var_offset)

    def single_offset(self, shape: Sequence[int]) -> int:
        """Return where the part begins on the one axis that is divided; 0 where none is."""
        axis = self.single_slice_dim(shape)
        return 0 if axis is None else self.var_offset[axis]

    def single_slice_dim(self, shape: Sequence[int]) -> int | None:
        """Return the one axis that is divided; None where none is."""
        if len(shape) != len(self.full_shape):
            raise ValueError(
                explain(
                    f"Expected equal length, but received shape={list(shape)} of length {len(shape)} while "
                    f"self.full_shape={self.full_shape} is of length {len(self.full_shape)}."
                )
            )
        divided = [i for i, (part, full) in enumerate(zip(shape, self.full_shape, strict=True)) if part != full]
        if len(divided) > 1:
            raise NotImplementedError(
                explain(f"Cannot use single_slice_dim() with shape={list(shape)} and full_shape={self.full_shape}.")
            )
        return divided[0] if divided else None


class PartitionedVariable:
    """Several variables that are the parts of one, along one axis. As a tensor it is all of them, one after the other."""

    def __init__(
        self, name: str, shape: Any, dtype: Any, variable_list: Sequence[Any], partitions: Sequence[int]
    ) -> None:
        self._name, self._shape, self._dtype = name, TensorShape(shape), dtype
        self._variables = sorted(variable_list, key=lambda v: v._save_slice_info.var_offset)
        self._partitions = list(partitions)

    @property
    def name(self) -> str:
        """The name of the whole, without `:0`."""
        return self._name

    @property
    def dtype(self) -> Any:
        """The element type of all parts."""
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        """The shape of the whole."""
        return self._shape

    def get_shape(self) -> TensorShape:
        """Return the shape of the whole."""
        return self._shape

    def __len__(self) -> int:
        return len(self._variables)

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(
            explain(
                "Partitioned variables are not iterated over; ask for their parts: list(variable._get_variable_list())."
            )
        )

    def _get_variable_list(self) -> list[Any]:
        return self._variables

    def _get_partitions(self) -> list[int]:
        return self._partitions

    @property
    def partition_axes(self) -> list[int]:
        """The axes that are divided; the first one where there is a single part."""
        return [i for i, count in enumerate(self._partitions) if count > 1] or [0]

    def as_tensor(self) -> Any:
        """Return all parts in one tensor."""
        (axis, *more) = self.partition_axes
        if more:
            raise NotImplementedError(
                explain(f"Cannot concatenate along more than one dimension: {self.partition_axes}.")
            )
        if len(self._variables) == 1:
            return tf.identity(self._variables[0], name=self._name)
        return tf.concat([v.value() for v in self._variables], axis, name=self._name)

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        if dtype is not None and not dtypes.as_dtype(dtype).is_compatible_with(self._dtype):
            raise ValueError(
                explain(
                    f"Incompatible type conversion requested to type '{dtypes.as_dtype(dtype).name}' for variable of type "
                    f"'{self._dtype.name}'"
                )
            )
        return self.as_tensor()

    def _each(self, method: str, value: Any, **options: Any) -> list[Any]:
        values = (
            value
            if isinstance(value, (list, tuple))
            else value._get_variable_list()
            if isinstance(value, PartitionedVariable)
            else tf.split(value, [v.shape[self.partition_axes[0]] for v in self._variables], self.partition_axes[0])
        )
        return [getattr(v, method)(part, **options) for v, part in zip(self._variables, values, strict=True)]

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Give the parts of `value`, a tensor or a list of parts, to the parts."""
        return self._each("assign", value, read_value=read_value)

    def assign_add(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Add the parts of `value` to the parts."""
        return self._each("assign_add", value, read_value=read_value)

    def assign_sub(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtract the parts of `value` from the parts."""
        return self._each("assign_sub", value, read_value=read_value)


def divisions(partitioner: Partitioner, shape: TensorShape, dtype: Any) -> list[int]:
    """Return in how many parts a partitioner divides each axis; ValueError where it gives no such list."""
    if not shape.is_fully_defined():
        raise ValueError(
            explain(f"Shape of a new partitioned variable must be fully defined, but instead was {shape}.")
        )
    found = partitioner(shape=shape, dtype=dtype)
    if not isinstance(found, Sequence):
        raise ValueError(explain(f"Partitioner must return a sequence, but saw: {found}"))
    if len(found) != shape.rank:
        raise ValueError(
            explain(
                f"Partitioner returned a partition list that does not match the Variable's rank: {found} vs. {shape}"
            )
        )
    if any(count < 1 for count in found):
        raise ValueError(explain(f"Partitioner returned zero partitions for some axes: {found}"))
    if sum(count > 1 for count in found) > 1:
        raise ValueError(
            explain(f"Can only slice a variable along one dimension: shape: {shape}, partitioning: {list(found)}")
        )
    return list(found)


def parts(shape: Sequence[int], counts: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Give where each part begins, and its sizes; the first parts are one larger where the axis does not divide evenly."""
    axis = next((i for i, count in enumerate(counts) if count > 1), 0)
    count = counts[axis]
    if count > shape[axis]:
        raise ValueError(
            explain(
                f"The number of slices {count} along axis {axis} exceeds its size {shape[axis]} in shape {list(shape)}."
            )
        )
    small, larger = divmod(shape[axis], count)
    offset = 0
    for i in range(count):
        size = small + (i < larger)
        yield (
            [offset if j == axis else 0 for j in range(len(shape))],
            [size if j == axis else n for j, n in enumerate(shape)],
        )
        offset += size


@public("compat.v1.fixed_size_partitioner")
def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Partitioner:
    """Return what divides one axis into `num_shards` parts, or fewer where it is shorter."""

    def partitioner(shape: Any, **unused: Any) -> list[int]:
        found = [1] * len(shape)
        found[axis] = min(num_shards, shape.dims[axis].value)
        return found

    return partitioner


@public("compat.v1.variable_axis_size_partitioner")
def variable_axis_size_partitioner(
    max_shard_bytes: int, axis: int = 0, bytes_per_string_element: int = 16, max_shards: int | None = None
) -> Partitioner:
    """Return what divides one axis so that no part has more than `max_shard_bytes`, nor more than `max_shards` are made.

    Raises:
      ValueError: an argument is not positive.
    """
    if max_shard_bytes < 1 or bytes_per_string_element < 1:
        raise ValueError(
            explain(
                "Both max_shard_bytes and bytes_per_string_element must be positive. Currently, "
                f"max_shard_bytes is {max_shard_bytes} andbytes_per_string_element is {bytes_per_string_element}"
            )
        )
    if max_shards and max_shards < 1:
        raise ValueError(explain("max_shards must be positive."))

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        _check_shape(shape, axis)
        size = bytes_per_string_element if dtype == dtypes.string else dtype.size
        found = [1] * shape.rank
        if shape.num_elements() * size <= max_shard_bytes:
            return found
        length = shape.dims[axis].value
        slice_bytes = shape.num_elements() // length * size
        count = -(-length // max(1, max_shard_bytes // slice_bytes))
        found[axis] = min(count, max_shards) if max_shards else count
        return found

    return partitioner


@public("compat.v1.min_max_variable_partitioner")
def min_max_variable_partitioner(
    max_partitions: int = 1, axis: int = 0, min_slice_size: int = 256 << 10, bytes_per_string_element: int = 16
) -> Partitioner:
    """Return what divides one axis into as many parts of at least `min_slice_size` bytes as there are, up to `max_partitions`."""

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        _check_shape(shape, axis)
        size = bytes_per_string_element if dtype == dtypes.string else dtype.size
        wanted = math.ceil(shape.num_elements() * size / min_slice_size)
        found = [1] * shape.rank
        found[axis] = max(1, min(shape.dims[axis].value, max_partitions, wanted))
        return found

    return partitioner


def _check_shape(shape: Any, axis: int) -> None:
    if axis >= len(shape):
        raise ValueError(explain(f"Cannot partition variable along axis {axis} when shape is only {shape}"))
    if not shape.is_fully_defined():
        raise ValueError(explain(f"Shape of a partitioned variable must be fully defined, but is {shape}."))
