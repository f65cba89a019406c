"""tf.RaggedTensor: a tensor with rows of lengths of their own, turned into dense and sparse tensors, lists and text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.trace_types import install
from millstream.execution.checking import assert_true
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.ragged_slicing import get_item, row_at
from millstream.execution.ragged_structure import RaggedStructure, merge_dims
from millstream.execution.row_partition import RowPartition, integer
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops import ragged as ops
from millstream.ops.registry import find


class RaggedTensor(RaggedStructure):
    """A tensor whose rows have lengths of their own.

    It holds all rows one after the other in `values`, and where each begins in `row_splits`. Rows of rows are values that
    are ragged themselves. Make one with `tf.ragged.constant` or one of the `from_…` methods.

    >>> rows = tf.ragged.constant([[3, 1, 4], [], [5]])
    >>> rows.row_lengths().numpy().tolist()
    [3, 0, 1]
    >>> (rows + 1).to_tensor().numpy().tolist()
    [[4, 2, 5], [0, 0, 0], [6, 0, 0]]
    """

    __array_priority__ = 100

    def __getitem__(self, key: Any) -> Any:
        """Return the rows, or parts of rows, at a key: integers and slices on any axis, `...` and tf.newaxis.

        An integer may not be asked of a ragged axis: some rows may not have it.

        >>> tf.ragged.constant([[3, 1, 4], [], [5]])[:, :2]
        <tf.RaggedTensor [[3, 1], [], [5]]>
        """
        return get_item(self, key)

    def __iter__(self) -> Any:
        if not self._is_eager():
            raise TypeError(explain("Cannot iterate over a symbolic RaggedTensor; use tf.map_fn."))
        return (self[i] for i in range(int(self.nrows())))

    def _row_reader(self) -> Callable[[Any], Any]:
        """Return a function that gives row i: what tf.map_fn asks for."""
        return lambda i: row_at(self, i)

    @classmethod
    def from_tensor(
        cls,
        tensor: Any,
        lengths: Any = None,
        padding: Any = None,
        ragged_rank: int = 1,
        name: str | None = None,
        row_splits_dtype: Any = dtypes.int64,
    ) -> Any:
        """Return a dense tensor as a ragged one, whole or without what stands at the ends of rows.

        Args:
          tensor: of rank above `ragged_rank`.
          lengths: how much to keep of each row, or a list of such, one for each ragged axis.
          padding: what to drop from the ends of rows; of the shape of one value.
          ragged_rank: how many axes become ragged.
          name: accepted and not used.
          row_splits_dtype: int32 or int64.

        Raises:
          ValueError: for both lengths and padding, or a rank that is too small.

        >>> tf.RaggedTensor.from_tensor([[5, 7, 0], [0, 3, 0], [6, 0, 0]], padding=0)
        <tf.RaggedTensor [[5, 7], [0, 3], [6]]>
        """
        dtype = _splits_dtype(row_splits_dtype)
        if lengths is not None and padding is not None:
            raise ValueError(explain("Specify argument `lengths` or `padding`, but not both."))
        if not isinstance(ragged_rank, int):
            raise TypeError(explain(f"Argument `ragged_rank` must be an int. Received {ragged_rank}."))
        if ragged_rank <= 0:
            raise ValueError(explain(f"Argument `ragged_rank` must be greater than 0. Received {ragged_rank}."))
        tensor = to_tensor(tensor)
        if tensor.shape.rank is not None and tensor.shape.rank < 2:
            raise ValueError(
                explain(
                    "The rank of a RaggedTensor must be greater than 1, i.e., a list of scalars won't have ragged dimensions. "
                    f"Received argument `tensor` with rank {tensor.shape.rank}."
                )
            )
        tensor.shape.with_rank_at_least(ragged_rank + 1)
        nested = lengths if isinstance(lengths, (list, tuple)) and lengths and _is_nested(lengths[0]) else None
        if nested is not None:
            return cls._from_nested_lengths(tensor, nested, dtype)
        if ragged_rank > 1:
            return cls._from_deep_tensor(tensor, lengths, padding, ragged_rank, dtype)
        if padding is not None:
            lengths = _lengths_before(tensor, to_tensor(padding, tensor.dtype), dtype)
        rest = merge_dims(tensor, 0, 1)
        if lengths is None:
            sizes = apply(find("Shape"), tensor, out_type=dtype)
            static = tensor.shape.as_list()
            rows, width = (n if k is None else k for n, k in zip((sizes[0], sizes[1]), static, strict=False))
            return cls._from_row_partition(
                rest, RowPartition.from_uniform_row_length(width, None, rows, dtype=dtype), validate=False
            )
        counts = integer(to_tensor(lengths, None, dtype), dtype)
        counts.shape.assert_has_rank(1)
        shape = tensor.shape
        if shape.as_list()[0] is not None and counts.shape.as_list()[0] is not None:
            TensorShape([shape.as_list()[0], shape.as_list()[1]]).assert_is_compatible_with(
                [counts.shape.as_list()[0], shape.as_list()[1]]
            )
        width = apply(find("Shape"), tensor, out_type=dtype)[1]
        zero = eager_constant(np.asarray(0), dtype)
        counts = apply(find("Maximum"), apply(find("Minimum"), counts, width), zero)
        kept = apply(find("Less"), _steps(width, dtype), apply(find("ExpandDims"), counts, _axis(1)))
        places = apply(find("Reshape"), apply(find("Where"), apply(find("Reshape"), kept, _minus_one())), _minus_one())
        return cls.from_row_lengths(_gather(rest, places), counts, validate=False)

    @classmethod
    def _from_nested_lengths(cls, tensor: Any, lengths: Sequence[Any], dtype: DType) -> Any:
        """Cut each axis to lengths of its own."""
        result = cls.from_tensor(tensor, lengths[0], row_splits_dtype=dtype)
        if len(lengths) == 1:
            return result
        return result.with_values(cls.from_tensor(result.values, list(lengths[1:]), row_splits_dtype=dtype))

    @classmethod
    def _from_deep_tensor(cls, tensor: Any, lengths: Any, padding: Any, ragged_rank: int, dtype: DType) -> Any:
        """Make the outer axes rows of one length; cut the innermost ragged one."""
        if lengths is not None:
            raise ValueError(
                explain(
                    f"If `lengths` is a single tensor, then ragged_rank must be 1. Received ragged_rank = {ragged_rank}; "
                    "give a list of lengths."
                )
            )
        inner = merge_dims(tensor, 0, ragged_rank - 1)
        result = cls.from_tensor(inner, None, padding, row_splits_dtype=dtype)
        sizes = apply(find("Shape"), tensor, out_type=dtype)
        static = tensor.shape.as_list()
        for axis in range(ragged_rank - 1, 0, -1):
            width = sizes[axis] if static[axis] is None else static[axis]
            before = sizes[:axis]
            known = tensor.shape[:axis].num_elements()
            rows = (
                apply(find("Prod"), before, to_tensor([0], dtypes.int32), keep_dims=False) if known is None else known
            )
            partition = RowPartition.from_uniform_row_length(width, None, rows, dtype=dtype)
            result = cls._from_row_partition(result, partition, validate=False)
        return result

    def to_tensor(self, default_value: Any = None, name: str | None = None, shape: Any = None) -> Any:
        """Return a dense tensor with `default_value` behind the ends of rows.

        Args:
          default_value: a value to fill with, 0 (or "" or False) without it.
          name: accepted and not used.
          shape: the sizes of the result, None for what is needed; rows that are longer are cut.

        Raises:
          InvalidArgumentError: where `shape` or `default_value` does not fit.

        >>> tf.ragged.constant([[1, 2], [3]]).to_tensor(-1).numpy().tolist()
        [[1, 2], [3, -1]]
        """
        dtype = self.row_splits.dtype
        fill = _zero_of(self.dtype) if default_value is None else to_tensor(default_value, self.dtype)
        kinds = ("ROW_SPLITS",) * self.ragged_rank
        result = apply(
            ops.ragged_to_tensor,
            _shape_of(shape, self.shape, dtype),
            self.flat_values,
            fill,
            list(self.nested_row_splits),
            row_partition_types=kinds,
        )
        if shape is not None and not isinstance(shape, Tensor):
            result.set_shape(TensorShape(shape))
        return result

    @classmethod
    def from_sparse(cls, st_input: Any, name: str | None = None, row_splits_dtype: Any = dtypes.int64) -> Any:
        """Return a sparse matrix, whose rows are filled from their fronts on, as a ragged tensor.

        Raises:
          TypeError: for what is no SparseTensor.
          ValueError: for a rank that is not 2.
          InvalidArgumentError: where elements are missing in a row.
        """
        dtype = _splits_dtype(row_splits_dtype)
        if not isinstance(st_input, SparseTensor):
            raise TypeError(explain(f"Argument `st_input` must be of type SparseTensor. Received {st_input}."))
        rank = st_input.dense_shape.shape.as_list()[0]
        if rank != 2:
            raise ValueError(explain(f"rank(st_input) must be 2. Received rank {rank}."))
        rows = integer(st_input.indices[:, 0], dtype)
        count = st_input.shape.as_list()[0]
        nrows = integer(st_input.dense_shape[0], dtype) if count is None else count
        partition = RowPartition.from_value_rowids(rows, nrows, validate=False, dtype=dtype)
        offsets = integer(partition.offsets_in_rows(), dtypes.int64)
        same = apply(find("Equal"), offsets, st_input.indices[:, 1])
        # Rows out of order have no places of their own in a ragged tensor.
        ordered = apply(find("GreaterEqual"), rows[1:], rows[:-1])
        same = apply(find("ConcatV2"), [same, ordered], to_tensor(0, dtypes.int32))
        right = apply(find("All"), same, to_tensor([0], dtypes.int32), keep_dims=False)
        assert_true(right, ["SparseTensor is not right-ragged", "SparseTensor.indices =", st_input.indices])
        return cls._from_row_partition(st_input.values, partition, validate=False)

    def to_sparse(self, name: str | None = None) -> SparseTensor:
        """Return a sparse tensor with the same elements.

        >>> tf.ragged.constant([[1, 2], [], [3]]).to_sparse().indices.numpy().tolist()
        [[0, 0], [0, 1], [2, 0]]
        """
        parts = apply(ops.ragged_to_sparse, list(self.nested_row_splits), self.flat_values)
        return SparseTensor(*parts)

    def numpy(self) -> Any:
        """Return an array; of arrays where rows differ in length.

        Raises:
          ValueError: while tracing, as nothing has content then.
        """
        if not self._is_eager():
            raise ValueError(explain("RaggedTensor.numpy() is only supported in eager mode."))
        values, splits = self.values.numpy(), self.row_splits.numpy()
        rows = [values[start:limit] for start, limit in pairwise(splits)]
        if not rows:
            return np.zeros((0, *values.shape[1:]), values.dtype) if values.dtype != object else np.array([], object)
        if all(len(row) == len(rows[0]) for row in rows):
            return np.array(rows)
        # Not np.array(rows, object): that would open rows whose inner sizes agree.
        result = np.empty(len(rows), object)
        result[:] = rows
        return result

    def to_list(self) -> list[Any]:
        """Return nested lists of Python values."""
        if not self._is_eager():
            raise ValueError(explain("to_list can only be used in eager mode."))
        values = self.values.to_list() if isinstance(self.values, RaggedTensor) else self.values.numpy().tolist()
        splits = self.row_splits.numpy().tolist()
        return [values[start:limit] for start, limit in pairwise(splits)]

    def _eager_value(self) -> Any:
        return self.numpy()

    def __repr__(self) -> str:
        if self._is_eager():
            return f"<tf.RaggedTensor {_text_of(self.numpy())}>"
        return f"tf.RaggedTensor(values={self.values}, row_splits={self.row_splits})"

    @classmethod
    def _from_components(cls, components: Sequence[Any]) -> Any:
        """Return the ragged tensor of flat values and row splits; a tensor for values alone."""
        result = components[0]
        for splits in reversed(components[1:]):
            result = cls(result, RowPartition.from_row_splits(splits, validate=False), internal=True)
        return result


def _text_of(element: Any) -> str:
    if not isinstance(element, np.ndarray):
        return str(element) if isinstance(element, np.generic) else repr(element)
    if not element.size:
        return repr(element.tolist())
    return np.array2string(element, separator=", ", formatter={"all": _text_of})  # type: ignore[arg-type]


def _is_nested(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        or getattr(getattr(value, "shape", None), "rank", 0) == 1
        or (isinstance(value, np.ndarray) and value.ndim == 1)
    )


def _splits_dtype(dtype: Any) -> DType:
    wanted = as_dtype(dtype)
    if wanted not in (dtypes.int32, dtypes.int64):
        raise ValueError(explain(f"Argument `row_splits` dtype must be int32 or int64. Received {wanted!r}."))
    return wanted


def _axis(axis: int) -> Any:
    return eager_constant(np.asarray(axis), dtypes.int32)


def _minus_one() -> Any:
    return eager_constant(np.asarray([-1]), dtypes.int32)


def _gather(values: Any, places: Any) -> Any:
    return apply(find("GatherV2"), values, places, _axis(0), batch_dims=0)


def _steps(count: Any, dtype: DType) -> Any:
    zero, one = (eager_constant(np.asarray(n), dtype) for n in (0, 1))
    return apply(find("Range"), zero, count, one)


def _zero_of(dtype: DType) -> Any:
    return eager_constant("" if dtype is dtypes.string else 0, dtype)


def _shape_of(shape: Any, own: TensorShape, dtype: DType) -> Any:
    """Return a shape as RaggedTensorToTensor takes it: -1 for what is needed, also where `own` knows more."""
    if isinstance(shape, Tensor):
        return shape if shape.dtype in (dtypes.int32, dtypes.int64) else integer(shape, dtype)
    if shape is None or TensorShape(shape).rank is None:
        if own.rank is None:
            return eager_constant(np.asarray(-1), dtype)
        sizes = own.as_list()
        # What is known of uniform axes stays known of the result.
        return eager_constant(np.asarray([-1 if n is None else n for n in sizes]), dtype)
    sizes = TensorShape(shape).as_list()
    return eager_constant(np.asarray([-1 if n is None else n for n in sizes], np.int64), dtype)


def _lengths_before(tensor: Any, padding: Any, dtype: DType) -> Any:
    """Return for each row how much stands before the padding at its end."""
    padding.shape.assert_is_compatible_with(tensor.shape[2:])
    differs = apply(find("NotEqual"), tensor, padding)
    rank = tensor.shape.rank
    if rank > 2:
        differs = apply(find("Any"), differs, to_tensor(list(range(2, rank)), dtypes.int32), keep_dims=False)
    width = apply(find("Shape"), tensor, out_type=dtype)[1]
    one = eager_constant(np.asarray(1), dtype)
    ends = apply(find("AddV2"), _steps(width, dtype), one)
    marked = apply(find("Mul"), apply(find("Cast"), differs, DstT=dtype), ends)
    zeros = apply(find("Max"), marked, _axis(1), keep_dims=False)
    # The largest of no elements is the lowest number.
    return apply(find("Maximum"), zeros, eager_constant(np.asarray(0), dtype))


install("RaggedTensor", RaggedTensor)
install("ragged_from_components", RaggedTensor._from_components)
