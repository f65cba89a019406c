"""Elements joined along a new first axis, and cut along it: batch, padded, ragged and sparse batches, unbatch, rebatch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, errors, nest
from millstream.base.shapes import TensorShape, as_shape
from millstream.base.specs import RaggedTensorSpec, SparseTensorSpec, TensorSpec
from millstream.base.trace_types import installed
from millstream.data.leaves import (
    Rows,
    batched_spec,
    leaf_specs,
    row_count,
    row_spec,
    shape_of,
    stack,
    stack_ragged,
)
from millstream.data.methods import DatasetMethods, whole
from millstream.data.native import NativeReader, following, handle_of, is_stackable
from millstream.data.sources import SliceReader
from millstream.data.stage import (
    AUTOTUNE,
    CALLS,
    INFINITE,
    UNKNOWN,
    Counting,
    Element,
    Limit,
    Reader,
    Run,
    Stage,
    is_ordered,
    refused,
)
from millstream.execution.convert import to_tensor
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.static_value import shape_from_tensor
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor, eager_constant

BATCH_SIZE = Limit(1, "Batch size must be greater than zero.")


class Batch(Stage):
    """`size` elements as one."""

    name = "Batch"
    limits = {"size": BATCH_SIZE, "calls": CALLS}

    def __init__(self, before: Stage, spec: Any, size: Any, drop: bool, values: dict[str, Any] | None = None) -> None:
        super().__init__(spec, [before], {"size": size, **(values or {})})
        self.drop = drop
        self.deterministic: bool | None = None

    def size(self, counts: list[int]) -> int:
        size, count = self.number("size"), counts[0]
        return count if count < 0 else count // size if self.drop else -(-count // size)

    def join(self, rows: list[Element]) -> Element:
        """Return elements as one."""
        specs = leaf_specs(self.input.spec)
        return tuple(
            [stack(s, column, i) for i, (s, column) in enumerate(zip(specs, zip(*rows, strict=True), strict=True))]
        )

    def reader(self, run: Run) -> Reader:
        return self._reader(self.input.reader(run), self.number("size"), run)

    def _reader(self, before: Reader, size: int, run: Run) -> Reader:
        if type(self) is not Batch or not is_stackable(self.input.spec):
            return BatchReader(self, before, size)
        handle, calls = handle_of(before, self.input.spec), self.number("calls") if "calls" in self.values else 1
        if calls == 1:
            made = runtime.read_batches(handle, [size], bool(self.drop), self.name)
        else:
            tuned, ordered = calls == AUTOTUNE, is_ordered(self.deterministic, run)
            made = runtime.read_batches_by_threads(
                handle, size, bool(self.drop), self.name, max(calls, 0), tuned, ordered, run.budget
            )
        return NativeReader(made, self.spec, [before])


class BatchReader(Counting, Reader):
    """Reads batches."""

    progress = "index"

    def __init__(self, stage: Batch, before: Reader, size: int) -> None:
        self.stage, self.before, self.batch, self.index = stage, before, size, 0

    def __next__(self) -> Element:
        rows = self.before.read(self.batch)
        if not rows or (self.stage.drop and len(rows) < self.batch):
            raise StopIteration
        try:
            found = self.stage.join(rows)
        except errors.OpError as error:
            raise self.stage.failed(error, self.index) from error
        finally:
            self.index += 1
        return found


class PaddedBatch(Batch):
    """`size` elements as one, each padded to a common shape."""

    name = "PaddedBatch"

    def __init__(self, before: Stage, spec: Any, size: Any, drop: bool, shapes: list[Any], values: list[Any]) -> None:
        super().__init__(before, spec, size, drop, {"shapes": shapes, "values": values})

    def _reader(self, before: Reader, size: int, run: Run) -> Reader:
        shapes = [np.asarray(s.numpy()).tolist() for s in self.values["shapes"]]
        handle = runtime.read_padded_batches(
            handle_of(before, self.input.spec), size, bool(self.drop), shapes, self.values["values"], self.name
        )
        return NativeReader(handle, self.spec, [before])


class RaggedBatch(Batch):
    """`size` elements as one; tensors whose shapes are not known become ragged."""

    name = "RaggedBatch"

    def _reader(self, before: Reader, size: int, run: Run) -> Reader:
        if not is_stackable(self.input.spec):
            return BatchReader(self, before, size)
        specs: list[Any] = [s if isinstance(s, RaggedTensorSpec) else None for s in leaf_specs(self.spec)]
        ragged = [0 if s is None else s.ragged_rank for s in specs]
        splits = [(dtypes.int64 if s is None else s.row_splits_dtype).as_datatype_enum for s in specs]
        handle = runtime.read_ragged_batches(
            handle_of(before, self.input.spec), size, bool(self.drop), ragged, splits, self.name
        )
        return NativeReader(handle, self.spec, [before])

    def join(self, rows: list[Element]) -> Element:
        found = []
        for i, (spec, out, column) in enumerate(
            zip(leaf_specs(self.input.spec), leaf_specs(self.spec), zip(*rows, strict=True), strict=True)
        ):
            if type(spec) is TensorSpec and isinstance(out, RaggedTensorSpec):
                found.append(_ragged_of_tensors(out, column))
            elif isinstance(spec, RaggedTensorSpec):
                found.append(stack_ragged(spec, column))
            else:
                found.append(stack(spec, column, i))
        return tuple(found)


def _ragged_of_tensors(spec: RaggedTensorSpec, column: Sequence[Any]) -> Any:
    """Return tensors of one rank as a ragged tensor with `spec.ragged_rank` ragged axes."""
    ragged, splits = spec.ragged_rank, spec.row_splits_dtype
    shapes = [t._shape for t in column]
    nested = []
    for axis in range(ragged):
        rows = [n for s in shapes for n in [s[axis]] * int(np.prod(s[:axis], dtype=np.int64))]
        nested.append(eager_constant(np.concatenate([[0], np.cumsum(rows)]), splits))
    inner = shapes[0][ragged:]
    flat = [t._array().reshape(int(np.prod(s[:ragged])), *inner) for t, s in zip(column, shapes, strict=True)]
    values = eager_constant(np.concatenate(flat), column[0].dtype)
    return installed("RaggedTensor").from_nested_row_splits(values, nested, validate=False)


class SparseBatch(Batch):
    """`size` tensors as one sparse tensor whose rows have a common shape."""

    name = "DenseToSparseBatch"

    def join(self, rows: list[Element]) -> Element:
        column = [r[0] for r in rows]
        rank = len(column[0]._shape)
        given = self.values["row_shape"]
        row_shape = np.asarray(given.numpy() if isinstance(given, EagerTensor) else given, np.int64)
        largest = np.max([t._shape for t in column], axis=0) if rank else np.zeros(0, np.int64)
        if len(row_shape) != rank:
            raise refused(f"Dense to sparse batch: an element has rank {rank}, row_shape has {len(row_shape)} sizes.")
        if np.any((row_shape >= 0) & (row_shape < largest)):
            raise errors.DataLossError(
                None,
                None,
                f"larger than the row shape of a sparse batch: row_shape {row_shape.tolist()}, {largest.tolist()} needed.",
            )
        places = [
            np.concatenate(
                [np.full([t._count, 1], i, np.int64), np.argwhere(np.ones(t._shape, bool)).reshape(t._count, rank)],
                axis=1,
            )
            for i, t in enumerate(column)
        ]
        values = np.concatenate([t._array().ravel() for t in column])
        shape = np.concatenate([[len(column)], np.where(row_shape < 0, largest, row_shape)]).astype(np.int64)
        return (SparseTensor(np.concatenate(places), eager_constant(values, column[0].dtype), shape),)


class Unbatch(Stage):
    """The rows of each element."""

    name = "Unbatch"

    def __init__(self, before: Stage) -> None:
        super().__init__(nest.map_structure(row_spec, before.spec), [before])

    def size(self, counts: list[int]) -> int:
        leads = {shape_of(s)[0] for s in leaf_specs(self.input.spec) if shape_of(s).rank} - {None}
        if counts[0] < 0 or len(leads) != 1:
            return INFINITE if counts[0] == INFINITE else UNKNOWN
        return counts[0] * int(leads.pop())  # type: ignore[arg-type]

    def reader(self, run: Run) -> Reader:
        if is_stackable(self.input.spec):
            return following(runtime.read_unbatched, self, run, self.name)
        return _UnbatchReader(self, self.input.reader(run))


class _UnbatchReader(Reader):
    def __init__(self, stage: Unbatch, before: Reader) -> None:
        self.stage, self.before, self.index = stage, before, -1
        self.specs = leaf_specs(stage.input.spec)
        self.element: Element | None = None
        self.rows: SliceReader | None = None

    def _open(self, element: Element) -> None:
        counts = {row_count(s, leaf) for s, leaf in zip(self.specs, element, strict=True)} - {None}
        if len(counts) > 1:
            error = refused(
                "Input element must have the same batch size in each component; got "
                + " and ".join(map(str, counts))
                + "."
            )
            raise self.stage.failed(error, self.index)
        self.element = element
        count = counts.pop()
        assert count is not None
        self.rows = SliceReader([Rows(s, leaf) for s, leaf in zip(self.specs, element, strict=True)], count)

    def __next__(self) -> Element:
        while True:
            if self.rows is not None:
                try:
                    return self.rows.__next__()
                except StopIteration:
                    self.rows = self.element = None
            element = self.before.__next__()
            self.index += 1
            self._open(element)

    def state(self) -> Any:
        held = None if self.element is None else list(self.element)
        return [self.before.state(), self.index, held, 0 if self.rows is None else self.rows.at]

    def restore(self, state: Any) -> None:
        self.before.restore(state[0])
        self.index = state[1]
        self.rows = self.element = None
        if state[2] is not None:
            self._open(tuple(state[2]))
            assert self.rows is not None
            self.rows.at = state[3]


class Rebatch(Stage):
    """The rows of batches in batches of other sizes, which take turns."""

    name = "Rebatch"
    limits = {"sizes": BATCH_SIZE}

    def __init__(self, before: Stage, spec: Any, sizes: list[Any], drop: bool) -> None:
        super().__init__(spec, [before], {"sizes": sizes})
        self.drop = drop

    def reader(self, run: Run) -> Reader:
        sizes = [self._number("sizes", s) for s in self.values["sizes"]]
        rows = Unbatch(self.input)
        before = rows.reader(run)
        if is_stackable(self.input.spec):
            handle = runtime.read_batches(handle_of(before, rows.spec), sizes, bool(self.drop), self.name)
            return NativeReader(handle, self.spec, [before])
        return _RebatchReader(self, before, sizes)


class _RebatchReader(Counting, Reader):
    progress = "turn"

    def __init__(self, stage: Rebatch, before: Reader, sizes: list[int]) -> None:
        self.stage, self.before, self.sizes, self.turn = stage, before, sizes, 0
        self.specs = leaf_specs(nest.map_structure(row_spec, stage.input.spec))

    def __next__(self) -> Element:
        size = self.sizes[self.turn % len(self.sizes)]
        self.turn += 1
        rows = self.before.read(size)
        if not rows or (self.stage.drop and len(rows) < size):
            raise StopIteration
        return tuple([stack(s, c, i) for i, (s, c) in enumerate(zip(self.specs, zip(*rows, strict=True), strict=True))])


def _lead(size: Any, drop: Any) -> int | None:
    return size if drop and isinstance(size, int) else None


class BatchingMethods(DatasetMethods):
    """The transformations of `tf.data.Dataset` that join and cut elements."""

    def batch(
        self,
        batch_size: Any,
        drop_remainder: Any = False,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Any:
        """Join `batch_size` elements along a new first axis.

        Args:
          batch_size: how many; the last batch may have fewer.
          drop_remainder: whether a last batch of fewer is left out. The first size is known then.
          num_parallel_calls: how many batches of tensors are joined at once, in threads; tf.data.AUTOTUNE chooses. None: one by
            one. Ragged and sparse elements are always joined one by one.
          deterministic: whether the order is kept when several are joined at once; None asks the dataset's options.

        Raises:
          tf.errors.InvalidArgumentError: `batch_size` is not above zero; while iterating, where shapes differ.

        >>> [b.tolist() for b in tf.data.Dataset.range(5).batch(2).as_numpy_iterator()]
        [[0, 1], [2, 3], [4]]
        """
        size = whole(batch_size, BATCH_SIZE)
        calls = None if num_parallel_calls is None else whole(num_parallel_calls, CALLS)
        drop = bool(drop_remainder)
        spec = nest.map_structure(lambda s: batched_spec(s, _lead(size, drop)), self._stage.spec)
        stage = Batch(self._stage, spec, size, drop, {} if calls is None else {"calls": calls})
        if calls is not None:
            stage.name, stage.deterministic = "ParallelBatch", deterministic
        return self._then(stage)

    def padded_batch(
        self,
        batch_size: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: Any = False,
        name: str | None = None,
    ) -> Any:
        """Join `batch_size` elements, each padded at its ends to a common shape.

        Args:
          batch_size: how many; the last batch may have fewer.
          padded_shapes: the structure of shapes to pad to; None in it (or -1): the largest in the batch. None: the elements' own.
          padding_values: the structure of scalars to pad with, or one for all; zeros and empty strings where None.
          drop_remainder: whether a last batch of fewer is left out.

        Raises:
          ValueError: a shape has another rank than its elements, or a padding value is no scalar.
          TypeError: a padding value has another element type, or an element is no tensor.

        >>> rows = tf.data.Dataset.range(1, 4).map(lambda n: tf.fill([n], n)).padded_batch(2)
        >>> [b.tolist() for b in rows.as_numpy_iterator()]
        [[[1, 0], [2, 2]], [[3, 3, 3]]]
        """
        size = whole(batch_size, BATCH_SIZE)
        spec = self._stage.spec
        specs: list[Any] = leaf_specs(spec)
        for s in specs:
            if type(s) is not TensorSpec:
                raise TypeError(
                    f"`padded_batch` is only supported for datasets that produce tensor elements but got {s}."
                )
        shapes = _padded_shapes(padded_shapes, spec)
        fills = _padding_values(padding_values, spec)
        drop = bool(drop_remainder)
        out = [
            TensorSpec(TensorShape([_lead(size, drop)]).concatenate(shape), s.dtype)
            for s, (_, shape) in zip(specs, shapes, strict=True)
        ]
        batched = nest.pack_sequence_as(spec, out)
        return self._then(PaddedBatch(self._stage, batched, size, drop, [t for t, _ in shapes], fills))

    def ragged_batch(
        self,
        batch_size: Any,
        drop_remainder: Any = False,
        row_splits_dtype: Any = dtypes.int64,
        name: str | None = None,
    ) -> Any:
        """Join `batch_size` elements; where their sizes may differ, as a ragged tensor.

        Args:
          batch_size: how many; the last batch may have fewer.
          drop_remainder: whether a last batch of fewer is left out.
          row_splits_dtype: the element type of the row splits, int64 or int32.

        >>> rows = tf.data.Dataset.range(1, 4).map(lambda n: tf.fill([n], n)).ragged_batch(3)
        >>> next(iter(rows)).to_list()
        [[1], [2, 2], [3, 3, 3]]
        """
        size, drop = whole(batch_size, BATCH_SIZE), bool(drop_remainder)
        lead = _lead(size, drop)

        def joined(spec: Any) -> Any:
            if type(spec) is TensorSpec and spec.shape.rank and not spec.shape.is_fully_defined():
                shape = [lead, *spec.shape.as_list()]
                ragged = max(i for i, n in enumerate(shape) if i and n is None)
                return RaggedTensorSpec(shape, spec.dtype, ragged, row_splits_dtype)
            if type(spec) is TensorSpec and spec.shape.rank is None:
                raise ValueError("ragged_batch needs elements of known rank; set it with map and tf.ensure_shape.")
            return batched_spec(spec, lead)

        return self._then(RaggedBatch(self._stage, nest.map_structure(joined, self._stage.spec), size, drop))

    def sparse_batch(self, batch_size: Any, row_shape: Any, name: str | None = None) -> Any:
        """Join `batch_size` tensors to one sparse tensor.

        Args:
          batch_size: how many; the last batch may have fewer.
          row_shape: the shape of each row of the result; None or -1: the largest in the batch.

        Raises:
          TypeError: elements are not single tensors.
          tf.errors.DataLossError: while iterating, where an element is larger than `row_shape`.

        >>> rows = tf.data.Dataset.range(1, 3).map(lambda n: tf.fill([n], n)).sparse_batch(2, [3])
        >>> tf.sparse.to_dense(next(iter(rows))).numpy().tolist()
        [[1, 0, 0], [2, 2, 0]]
        """
        spec = self._stage.spec
        if type(spec) is not TensorSpec:
            raise TypeError(f"`sparse_batch` requires that elements are single tensors, but they are of type {spec}.")
        shape = (
            as_shape(row_shape)
            if not isinstance(row_shape, (SymbolicTensor, EagerTensor))
            else shape_from_tensor(row_shape)
        )
        sizes = [-1 if n is None else n for n in shape.as_list()]
        out = SparseTensorSpec(TensorShape([None]).concatenate(shape), spec.dtype)
        size = whole(batch_size, BATCH_SIZE)
        return self._then(SparseBatch(self._stage, out, size, False, {"row_shape": to_tensor(sizes, dtypes.int64)}))

    def unbatch(self, name: str | None = None) -> Any:
        """Cut each element along its first axis.

        >>> rows = tf.data.Dataset.from_tensors([[1, 2], [3, 4]]).unbatch()
        >>> [r.tolist() for r in rows.as_numpy_iterator()]
        [[1, 2], [3, 4]]
        """
        return self._then(Unbatch(self._stage))

    def rebatch(self, batch_size: Any, drop_remainder: Any = False, name: str | None = None) -> Any:
        """Cut batches, and join the rows to batches of another size.

        Args:
          batch_size: how many rows; of several sizes each batch has the next.
          drop_remainder: whether a last batch of fewer is left out.

        Raises:
          ValueError: there is no size, or components have batches of different sizes.
          tf.errors.InvalidArgumentError: a size is not above zero.

        >>> batches = tf.data.Dataset.range(6).batch(2).rebatch(3)
        >>> [b.tolist() for b in batches.as_numpy_iterator()]
        [[0, 1, 2], [3, 4, 5]]
        """
        drop = bool(drop_remainder)
        many = isinstance(batch_size, (list, tuple)) or (not isinstance(batch_size, int) and np.ndim(batch_size) > 0)
        if many and (np.ndim(batch_size) > 1 or len(batch_size) == 0):
            raise ValueError(f"Invalid `batch_sizes`: {batch_size}. Give a whole number, or a vector of at least one.")
        sizes = [whole(s, BATCH_SIZE) for s in (list(np.asarray(batch_size)) if many else [batch_size])]
        rows = nest.map_structure(row_spec, self._stage.spec)
        lead = _rebatched_lead(self._stage.spec, sizes, drop)
        return self._then(Rebatch(self._stage, nest.map_structure(lambda s: batched_spec(s, lead), rows), sizes, drop))


def _rebatched_lead(spec: Any, sizes: list[Any], drop: bool) -> int | None:
    """Return the first size of all batches, where it is known: no batch is smaller."""
    size = sizes[0]
    if not isinstance(size, int) or any(s != size for s in sizes):
        return None
    if drop:
        return size
    leads = {shape_of(s)[0] for s in leaf_specs(spec) if shape_of(s).rank} - {None}
    if len(leads) > 1:
        raise ValueError(f"Invalid `input_dataset`: the batches of its components have {sorted(leads)} rows.")  # type: ignore[type-var]
    return size if leads and leads.pop() % size == 0 else None  # type: ignore[operator]


def _padded_shapes(given: Any, spec: Any) -> list[tuple[Any, TensorShape]]:
    specs: list[Any] = leaf_specs(spec)
    if given is None:
        for i, s in enumerate(specs):
            if s.shape.rank is None:
                raise ValueError(f"You must provide `padded_shapes` argument because component {i} has unknown rank.")
        flat: list[Any] = [s.shape for s in specs]
    else:
        flat = nest.flatten_up_to(spec, given) if nest.is_nested(spec) else [given]
    return [_padded_shape(shape, s) for shape, s in zip(flat, specs, strict=True)]


def _padded_shape(given: Any, spec: Any) -> tuple[Any, TensorShape]:
    if isinstance(given, (SymbolicTensor, EagerTensor)) or (
        isinstance(given, (list, tuple)) and any(isinstance(n, SymbolicTensor) for n in given)
    ):
        tensor = to_tensor(given, dtypes.int64)
        known = shape_from_tensor(tensor)
    else:
        known = as_shape(given)
        tensor = to_tensor([-1 if n is None else n for n in known.as_list()], dtypes.int64)
    if known.rank is not None and spec.shape.rank is not None:
        fits = known.rank == spec.shape.rank and all(
            a is None or b is None or a >= b for a, b in zip(known.as_list(), spec.shape.as_list(), strict=True)
        )
        if not fits:
            raise ValueError(
                f"The padded shape {known} is not compatible with the shape {spec.shape} of the corresponding input component."
            )
    return tensor, known


def _padding_values(given: Any, spec: Any) -> list[Any]:
    specs = leaf_specs(spec)
    if given is None:
        flat: list[Any] = [None] * len(specs)
    elif not nest.is_nested(given):
        flat = [given] * len(specs)
    else:
        flat = nest.flatten_up_to(spec, given)
    return [_padding_value(v, s) for v, s in zip(flat, specs, strict=True)]


def _padding_value(given: Any, spec: Any) -> Any:
    if given is None:
        return eager_constant("" if spec.dtype is dtypes.string else 0, spec.dtype)
    value = to_tensor(given)
    if value.shape.rank not in (None, 0):
        raise ValueError(f"Invalid `padding_values`. `padding_values` values should be scalars, but got {value.shape}.")
    if value.dtype is not spec.dtype:
        raise TypeError(
            f"Invalid `padding_values`. `padding_values` values type {value.dtype} does not match type {spec.dtype} of the "
            "corresponding input component."
        )
    return value
