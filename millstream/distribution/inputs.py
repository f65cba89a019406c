"""Datasets whose batches are divided among replicas, and their iterators. Refused: elements without an axis of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from millstream.api import array
from millstream.api.public import publish
from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.base.specs import TypeSpec, type_spec_from_value
from millstream.distribution.values import PerReplica
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.sparse_tensor import SparseTensor


def divided(dataset: Any, count: int) -> Any:
    """Return a dataset that has a PerReplica of the rows of each batch: equal parts, the last of which may have fewer.

    For one replica, these are the batches themselves.
    """
    if count == 1:
        return dataset

    def divide(*batch: Any) -> Any:
        element = batch[0] if len(batch) == 1 else batch
        return nest.map_structure(lambda rows: PerReplica(_parts(rows, count)), element)

    return dataset.map(divide).prefetch(1)


def _parts(rows: Any, count: int) -> list[Any]:
    if isinstance(rows, SparseTensor):
        return _sparse_parts(rows, count)
    share = -(-(rows.nrows() if isinstance(rows, RaggedTensor) else array.shape(rows)[0]) // count)
    return [rows[i * share : (i + 1) * share] for i in range(count)]


def _sparse_parts(rows: Any, count: int) -> list[Any]:
    from millstream.api import sparse

    share, rest = -(-rows.dense_shape[:1] // count), rows.dense_shape[1:]
    none = array.zeros_like(rest)
    size = array.concat([share, rest], 0)
    return [sparse.slice_(rows, array.concat([share * i, none], 0), size) for i in range(count)]


class DistributedDataset:
    """A dataset whose elements have a part for each replica."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    @property
    def element_spec(self) -> Any:
        """The structure of specs of the elements."""
        return self._dataset.element_spec

    @property
    def cardinality(self) -> Any:
        """The number of elements: -1 where infinite, -2 where unknown."""
        return self._dataset.cardinality()

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> DistributedIterator:
        return DistributedIterator(iter(self._dataset))

    shapes_may_vary = False

    def staged_loop(self, *arguments: Any) -> list[Any]:
        """Stage a Python `for` over this dataset."""
        return iter(self._dataset).staged_loop(*arguments)  # type: ignore[no-any-return]


class DistributedIterator(CompositeTensor):
    """An iterator over a DistributedDataset; traced functions take it."""

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator

    @property
    def _type_spec(self) -> DistributedIteratorSpec:
        return DistributedIteratorSpec(type_spec_from_value(self._iterator))

    @property
    def element_spec(self) -> Any:
        """The structure of specs of the elements."""
        return self._iterator.element_spec

    def get_next(self) -> Any:
        """Return the next element; OutOfRangeError at the end."""
        return self._iterator.get_next()

    def get_next_as_optional(self) -> Any:
        """Return the next element as an Optional, which is empty at the end."""
        return self._iterator.get_next_as_optional()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._iterator)

    shapes_may_vary = False

    def staged_loop(self, *arguments: Any) -> list[Any]:
        """Stage a Python `for` over this iterator."""
        return self._iterator.staged_loop(*arguments)  # type: ignore[no-any-return]


class DistributedIteratorSpec(TypeSpec):
    """The type of an iterator over a DistributedDataset."""

    __slots__ = ["_iterator_spec"]

    def __init__(self, iterator_spec: Any) -> None:
        self._iterator_spec = iterator_spec

    @property
    def value_type(self) -> type:
        """The class of iterators."""
        return DistributedIterator

    @property
    def element_spec(self) -> Any:
        """The structure of specs of the elements."""
        return self._iterator_spec.element_spec

    def _serialize(self) -> tuple[Any, ...]:
        return (self._iterator_spec,)

    @property
    def _component_specs(self) -> Any:
        return [self._iterator_spec]

    def _with_tensor_ranks_only(self) -> DistributedIteratorSpec:
        return self

    def _to_components(self, value: Any) -> list[Any]:
        return [value._iterator]

    def _from_components(self, components: Sequence[Any]) -> DistributedIterator:
        return DistributedIterator(components[0])


def from_function(dataset_fn: Callable[..., Any], context: Any, count: int) -> DistributedDataset:
    """Return a dataset that has, for each step, an element of `dataset_fn(context)` for each replica."""
    batches = dataset_fn(context)
    if count == 1:
        return DistributedDataset(batches)
    steps = batches.window(count)

    def gather(*parts: Any) -> Any:
        element = parts[0] if len(parts) == 1 else parts
        flat = [[_element(part, i) for i in range(count)] for part in nest.flatten(element)]
        return nest.pack_sequence_as(element, [PerReplica(values) for values in flat])

    return DistributedDataset(steps.map(gather))


def _element(part: Any, at: int) -> Any:
    """Return an element of a dataset of up to `count`; where it has none there, one without rows."""
    spec = part.element_spec
    none = array.zeros([0, *(n or 0 for n in spec.shape.as_list()[1:])], spec.dtype)
    return part.skip(at).take(1).reduce(none, lambda _, row: row)


publish("distribute.DistributedDataset", DistributedDataset)
publish("distribute.DistributedIterator", DistributedIterator)
