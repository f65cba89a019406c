"""tf.experimental.RowPartition: how a list of values falls into rows. Refuses splits that are no int32 or int64 vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.row_partition_spec import RowPartitionSpec
from millstream.base.trace_types import install
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import static_value
from millstream.execution.tensor import EagerTensor, Tensor, eager_constant
from millstream.ops import row_partition as ops
from millstream.ops.registry import find

_INDICES = (dtypes.int32, dtypes.int64)


def integer(tensor: Any, dtype: DType) -> Any:
    """Return an integer tensor in another integer type."""
    return tensor if tensor.dtype is dtype else apply(find("Cast"), tensor, DstT=dtype)


def known(tensor: Any) -> int | None:
    """Return the content of a scalar, None where it is not known yet."""
    found = None if tensor is None else static_value(tensor)
    return None if found is None else int(found)


def row_count(values: Any, dtype: DType) -> Any:
    """Return the size of the first axis of a tensor or ragged tensor as a scalar."""
    nrows = getattr(values, "nrows", None)
    return apply(ops.ROW_COUNT, values, out_type=dtype) if nrows is None else nrows(dtype)


def sized(values: Any, dtype: DType) -> Any:
    """Return the same size as `row_count`, without an op where it is known."""
    count = values.shape.as_list()[0] if values.shape.rank else None
    return row_count(values, dtype) if count is None else eager_constant(np.asarray(count), dtype)


class RowPartition(CompositeTensor):
    """Tell how values fall into rows: made from splits, lengths, starts, limits, row numbers or one row length.

    Of these the row splits are always held; the others are kept where they were given, and computed where they are asked for.

    >>> partition = tf.experimental.RowPartition.from_row_lengths([2, 0, 1])
    >>> partition.value_rowids().numpy().tolist()
    [0, 0, 2]
    """

    def __init__(
        self,
        row_splits: Any,
        row_lengths: Any = None,
        value_rowids: Any = None,
        nrows: Any = None,
        uniform_row_length: Any = None,
        nvals: Any = None,
        internal: bool = False,
    ) -> None:
        if internal is not True:
            raise ValueError(
                explain(
                    "RowPartition constructor is private; please use one of the factory methods instead (e.g., "
                    "RowPartition.from_row_lengths())"
                )
            )
        row_splits.shape.assert_has_rank(1)
        self._row_splits = row_splits
        self._row_lengths = row_lengths
        self._value_rowids = value_rowids
        self._nrows = nrows
        self._uniform_row_length = uniform_row_length
        self._nvals = nvals

    @classmethod
    def _make(cls, row_splits: Any, **known: Any) -> RowPartition:
        return cls(row_splits, internal=True, **known)

    @classmethod
    def from_row_splits(
        cls, row_splits: Any, validate: bool = True, dtype: Any = None, dtype_hint: Any = None
    ) -> RowPartition:
        """Return the partition whose row i holds the values row_splits[i] up to row_splits[i + 1].

        Args:
          row_splits: [nrows + 1] integers, ascending from 0.
          validate: whether to check that.
          dtype: int32 or int64; that of `row_splits` without it.
          dtype_hint: what to choose for Python numbers.

        Raises:
          ValueError: where `row_splits` is empty or no vector.
        """
        _check_flag(validate)
        if isinstance(row_splits, (list, tuple)) and not row_splits:
            raise ValueError(explain("row_splits tensor may not be empty."))
        splits = _converted(row_splits, "row_splits", dtype, dtype_hint)
        splits.shape.assert_has_rank(1)
        if splits.shape.rank is not None and splits.shape.as_list() == [0]:
            raise ValueError(explain("row_splits tensor may not be empty."))
        if validate:
            message = "Arguments to from_row_splits do not form a valid RaggedTensor"
            apply(ops.CHECK_SPLITS, splits, message=message)
        return cls._make(splits)

    @classmethod
    def from_row_lengths(
        cls, row_lengths: Any, validate: bool = True, dtype: Any = None, dtype_hint: Any = None
    ) -> RowPartition:
        """Return the partition whose row i holds row_lengths[i] values."""
        _check_flag(validate)
        lengths = _converted(row_lengths, "row_lengths", dtype, dtype_hint)
        lengths.shape.assert_has_rank(1)
        splits = apply(ops.SPLITS_OF_LENGTHS, lengths)
        if validate:
            _check_ascending(splits, 0, "Arguments to from_row_lengths do not form a valid RowPartition.")
        return cls._make(splits, row_lengths=lengths)

    @classmethod
    def from_row_starts(
        cls, row_starts: Any, nvals: Any, validate: bool = True, dtype: Any = None, dtype_hint: Any = None
    ) -> RowPartition:
        """Return the partition of `nvals` values whose row i begins at row_starts[i]."""
        _check_flag(validate)
        starts = _converted(row_starts, "row_starts", dtype, dtype_hint)
        starts.shape.assert_has_rank(1)
        total = to_tensor(nvals, None, starts.dtype)
        splits = apply(find("ConcatV2"), [starts, _vector(integer(total, starts.dtype))], _zero(dtypes.int32))
        if validate:
            _check_ascending(splits, 0, "Arguments to from_row_starts do not form a valid RaggedTensor.", equal=True)
        return cls._make(splits, nvals=integer(total, starts.dtype))

    @classmethod
    def from_row_limits(
        cls, row_limits: Any, validate: bool = True, dtype: Any = None, dtype_hint: Any = None
    ) -> RowPartition:
        """Return the partition whose row i ends before value row_limits[i]."""
        _check_flag(validate)
        limits = _converted(row_limits, "row_limits", dtype, dtype_hint)
        limits.shape.assert_has_rank(1)
        if validate:
            _check_ascending(limits, 0, "Arguments to from_row_limits do not form a valid RaggedTensor.")
        splits = apply(find("ConcatV2"), [_vector(_zero(limits.dtype)), limits], _zero(dtypes.int32))
        return cls._make(splits)

    @classmethod
    def from_value_rowids(
        cls, value_rowids: Any, nrows: Any = None, validate: bool = True, dtype: Any = None, dtype_hint: Any = None
    ) -> RowPartition:
        """Return the partition in which value i is in row value_rowids[i].

        Args:
          value_rowids: [nvals] integers, ascending.
          nrows: the number of rows; one more than the last row number without it.
          validate: whether to check them.
          dtype: int32 or int64.
          dtype_hint: what to choose for Python numbers.

        Raises:
          ValueError: where `nrows` is negative or too small.
        """
        _check_flag(validate)
        rowids = _converted(value_rowids, "value_rowids", dtype, dtype_hint)
        rowids.shape.assert_has_rank(1)
        message = "Arguments to from_value_rowids do not form a valid RowPartition."
        given = nrows is not None
        if given:
            nrows = integer(to_tensor(nrows, None, rowids.dtype), rowids.dtype)
            _check_row_count(rowids, known(nrows))
            nrows.shape.assert_has_rank(0)
        else:
            nrows = _one_more_than_last(rowids)
        if validate:
            _check_ascending(rowids, 0, message)
            if given:
                apply(ops.CHECK_BELOW, rowids, nrows, message=message)
        splits = apply(ops.SPLITS_OF_ROW_IDS, rowids, nrows)
        return cls._make(splits, value_rowids=rowids, nrows=nrows)

    @classmethod
    def from_uniform_row_length(
        cls,
        uniform_row_length: Any,
        nvals: Any = None,
        nrows: Any = None,
        validate: bool = True,
        dtype: Any = None,
        dtype_hint: Any = None,
    ) -> RowPartition:
        """Return the partition in which all rows have one length; give how many values or rows there are, or both."""
        _check_flag(validate)
        if nvals is None and nrows is None:
            raise ValueError(explain("Either (or both) of nvals and nrows must be specified"))
        numbers = [uniform_row_length, nvals, nrows]
        wanted = as_dtype(dtype) if dtype is not None else _common_dtype(numbers, dtype_hint)
        length, total, rows = (None if n is None else integer(to_tensor(n, None, wanted), wanted) for n in numbers)
        assert length is not None
        if length.dtype not in _INDICES:
            raise ValueError(explain("uniform_row_length must have dtype int32 or int64"))
        length.shape.assert_has_rank(0)
        plain = known(length)
        if plain is not None and plain < 0:
            raise ValueError(explain("uniform_row_length must be >= 0."))
        if rows is None:
            assert total is not None
            rows = _quotient(total, length)
        if known(rows) is not None and known(rows) < 0:  # type: ignore[operator]
            raise ValueError(explain("nrows must be >= 0."))
        checked = total
        if total is None:
            total = apply(find("Mul"), rows, length)
        plain_rows, plain_total = known(rows), known(total)
        if plain is not None and plain_rows is not None and plain_total is not None:
            if plain_rows * plain != plain_total:
                raise ValueError(
                    explain(f"uniform_row_length={plain} times nrows={plain_rows} must equal nvals={plain_total}")
                )
        elif validate and checked is not None:
            product = apply(find("Mul"), rows, length)
            apply(ops.CHECK_EQUAL, product, total, message="uniform_row_length times nrows must equal nvals")
        one = eager_constant(np.asarray(1), wanted)
        places = apply(find("Range"), _zero(wanted), apply(find("AddV2"), rows, one), one)
        splits = apply(find("Mul"), places, length)
        return cls._make(splits, uniform_row_length=length, nrows=rows, nvals=total)

    @property
    def dtype(self) -> DType:
        """The element type of the splits."""
        return self._row_splits.dtype  # type: ignore[no-any-return]

    def row_splits(self) -> Any:
        """Return where each row begins, and the end: [nrows + 1]."""
        return self._row_splits

    def value_rowids(self) -> Any:
        """Return the row of each value: [nvals]."""
        return self._kept("_value_rowids", lambda: apply(ops.ROW_IDS, self._row_splits))

    def nvals(self) -> Any:
        """Return the number of values."""
        return self._row_splits[-1] if self._nvals is None else self._nvals

    def nrows(self) -> Any:
        """Return the number of rows."""
        if self._nrows is not None:
            return self._nrows
        count = self.static_nrows
        if count is not None:
            return eager_constant(np.asarray(count), self.dtype)
        one = eager_constant(np.asarray(1), self.dtype)
        return apply(find("Sub"), row_count(self._row_splits, self.dtype), one)

    def uniform_row_length(self) -> Any:
        """Return the length of all rows, None where they were not said to be of one length."""
        return self._uniform_row_length

    def row_starts(self) -> Any:
        """Return where each row begins: [nrows]."""
        return self._row_splits[:-1]

    def row_limits(self) -> Any:
        """Return where each row ends: [nrows]."""
        return self._row_splits[1:]

    def row_lengths(self) -> Any:
        """Return the length of each row: [nrows]."""
        return self._kept("_row_lengths", lambda: apply(ops.ROW_LENGTHS, self._row_splits))

    def offsets_in_rows(self) -> Any:
        """Return the place of each value in its row: [nvals]."""
        return apply(ops.ROW_OFFSETS, self._row_splits)

    def _kept(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return what is held under `name`; computed ones are kept if they belong to no graph."""
        found = getattr(self, name)
        if found is None:
            found = compute()
            if isinstance(found, EagerTensor) and not runtime.tracing():
                setattr(self, name, found)
        return found

    @property
    def static_nrows(self) -> int | None:
        """The number of rows, if it is known."""
        if self._row_splits.shape.rank is not None:
            size = self._row_splits.shape.as_list()[0]
            if size is not None:
                return size - 1  # type: ignore[no-any-return]
        return known(self._nrows)

    @property
    def static_nvals(self) -> int | None:
        """The number of values, if it was given and is known."""
        if self._nvals is not None:
            return known(self._nvals)
        rowids = self._value_rowids
        return None if rowids is None or rowids.shape.rank is None else rowids.shape.as_list()[0]

    @property
    def static_uniform_row_length(self) -> int | None:
        """The length of all rows, if they are of one length and it is known."""
        return known(self._uniform_row_length)

    def is_uniform(self) -> bool:
        """Return whether all rows were said to be of one length."""
        return self._uniform_row_length is not None

    def with_dtype(self, dtype: Any) -> RowPartition:
        """Return the same partition with splits of another element type."""
        wanted = as_dtype(dtype)
        if wanted not in _INDICES:
            raise ValueError(explain("dtype must be int32 or int64"))
        if wanted is self.dtype:
            return self
        held = {
            name: integer(tensor, wanted)
            for name in ("row_lengths", "value_rowids", "nrows", "uniform_row_length", "nvals")
            if (tensor := getattr(self, f"_{name}")) is not None
        }
        return self._make(integer(self._row_splits, wanted), **held)

    def _merge_with_spec(self, spec: RowPartitionSpec) -> RowPartition:
        """Return the partition with what a spec knows of it."""
        if spec.dtype is not self.dtype:
            raise ValueError(explain(f"RowPartition.dtype={self.dtype} and spec.dtype={spec.dtype} differ."))
        held = {
            name: eager_constant(np.asarray(number), self.dtype)
            for name in ("nrows", "nvals", "uniform_row_length")
            if (number := getattr(spec, name)) is not None and getattr(self, f"_{name}") is None
        }
        if not held:
            return self
        for name in ("row_lengths", "value_rowids", "nrows", "uniform_row_length", "nvals"):
            held.setdefault(name, getattr(self, f"_{name}"))
        return self._make(self._row_splits, **held)

    @property
    def _type_spec(self) -> RowPartitionSpec:
        return RowPartitionSpec.from_value(self)

    def __repr__(self) -> str:
        if self._uniform_row_length is not None:
            return (
                f"tf.RowPartition(nrows={_shown(self.nrows())}, uniform_row_length={_shown(self._uniform_row_length)})"
            )
        return f"tf.RowPartition(row_splits={_shown(self._row_splits)})"


def _shown(tensor: Any) -> str:
    return str(np.asarray(tensor.numpy())) if isinstance(tensor, EagerTensor) else str(tensor)


def _check_flag(validate: Any) -> None:
    if not isinstance(validate, bool):
        raise TypeError(explain(f"Argument `validate` must have type bool. Received {validate}."))


def _zero(dtype: DType) -> Any:
    return eager_constant(np.asarray(0), dtype)


def _vector(scalar: Any) -> Any:
    return apply(find("Reshape"), scalar, eager_constant(np.asarray([1]), dtypes.int32))


def _converted(partition: Any, name: str, dtype: Any, hint: Any) -> Any:
    """Return a vector of integers as a tensor: Python numbers become int64, or what the hint says."""
    if dtype is not None:
        tensor = integer(to_tensor(partition, None, as_dtype(dtype)), as_dtype(dtype))
    elif isinstance(partition, Tensor) or hasattr(partition, "dtype"):
        tensor = to_tensor(partition)
    else:
        tensor = to_tensor(partition, None, dtypes.int64 if hint is None else as_dtype(hint))
    if tensor.dtype not in _INDICES:
        raise ValueError(explain(f"{name} must have dtype int32 or int64"))
    return tensor


def _common_dtype(numbers: list[Any], hint: Any) -> DType:
    """Return the element type of the first tensor among numbers, that of the hint, or int64."""
    for number in numbers:
        found = getattr(number, "dtype", None)
        if found is not None:
            return as_dtype(found)
    return dtypes.int64 if hint is None else as_dtype(hint)


def _check_ascending(tensor: Any, first: int, message: str, equal: bool = False) -> None:
    start = eager_constant(np.asarray(first), tensor.dtype)
    apply(ops.CHECK_ASCENDING, tensor, start, equal=equal, message=message)


def _check_row_count(rowids: Any, count: int | None) -> None:
    """Refuse a known number of rows that is too small."""
    if count is None:
        return
    if count < 0:
        raise ValueError(explain(f"Expected nrows >= 0; got {count}"))
    numbers = static_value(rowids)
    if numbers is not None and len(numbers) and int(numbers[-1]) >= count:
        raise ValueError(
            explain(f"Expected nrows >= value_rowids[-1] + 1; got nrows={count}, value_rowids[-1]={int(numbers[-1])}")
        )


def _one_more_than_last(rowids: Any) -> Any:
    """Return the number of rows that row numbers need: none for no values."""
    none = eager_constant(np.asarray([-1]), rowids.dtype)
    last = apply(find("ConcatV2"), [none, rowids], _zero(dtypes.int32))[-1]
    return apply(find("AddV2"), last, eager_constant(np.asarray(1), rowids.dtype))


def _quotient(total: Any, length: Any) -> Any:
    """Return how many rows of a length there are among `total` values; none for length 0."""
    one = eager_constant(np.asarray(1), total.dtype)
    whole = apply(find("FloorDiv"), total, apply(find("Maximum"), length, one))
    positive = apply(find("Greater"), length, _zero(total.dtype))
    return apply(find("SelectV2"), positive, whole, _zero(total.dtype))


install("RowPartition", RowPartition)
