"""What may be fetched and fed: structures of tensors, operations, names, composite tensors, and what users register."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.ragged_value import RaggedTensorValue
from millstream.execution.sparse_tensor import SparseTensor, SparseTensorValue
from millstream.execution.tensor import EagerTensor, Tensor

Build = Callable[[Sequence[Any]], Any]
"""Makes what a fetch gives of the results for what it stands for."""

_expansions: list[tuple[Any, Any, Any, Any]] = []
"""What users registered: type, fetch function, feed function, feed function for partial runs."""


def register_expansion(
    tensor_type: Any, fetch_function: Any, feed_function: Any = None, feed_function_for_partial_run: Any = None
) -> None:
    """Say what objects of a type stand for in fetches and feeds."""
    for known, *_ in _expansions:
        if issubclass(tensor_type, known):
            raise ValueError(f"{tensor_type} has already been registered so ignore it.")
    _expansions.insert(0, (tensor_type, fetch_function, feed_function, feed_function_for_partial_run))


class Fetches:
    """A structure of fetches, taken apart: `elements` of the graph, each once, and how results are put together."""

    def __init__(self, graph: Any, fetches: Any) -> None:
        self.graph = graph
        self.elements: list[Any] = []
        self._places: dict[int, int] = {}
        self.build = self._opened(fetches)

    def _place(self, element: Any) -> int:
        place = self._places.get(id(element))
        if place is None:
            place = self._places[id(element)] = len(self.elements)
            self.elements.append(element)
        return place

    def _opened(self, fetch: Any) -> Build:
        if fetch is None:
            raise TypeError(f'Argument `fetch` = {fetch} has invalid type "{type(fetch).__name__}". Cannot be None')
        if isinstance(fetch, (list, tuple)):
            return self._sequence(fetch)
        if isinstance(fetch, Mapping):
            keys, parts = list(fetch), [self._opened(v) for v in fetch.values()]
            kind = type(fetch)

            def build_mapping(results: Sequence[Any]) -> Any:
                made = {k: part(results) for k, part in zip(keys, parts, strict=True)}
                return made if kind is dict else _mapping_like(fetch, made)

            return build_mapping
        if hasattr(type(fetch), "__attrs_attrs__"):
            names = [a.name for a in type(fetch).__attrs_attrs__]
            inner = [self._opened(getattr(fetch, n)) for n in names]
            return lambda results: type(fetch)(**{n: p(results) for n, p in zip(names, inner, strict=True)})
        return self._element(fetch)

    def _sequence(self, fetch: Any) -> Build:
        parts = [self._opened(v) for v in fetch]
        if hasattr(fetch, "_fields"):
            return lambda results: type(fetch)(*(part(results) for part in parts))
        kind = list if isinstance(fetch, list) else tuple
        return lambda results: kind(part(results) for part in parts)

    def _element(self, fetch: Any) -> Build:
        expansion = _expansion_of(fetch)
        if expansion is not None:
            parts, contract = expansion
        else:
            parts, contract = [fetch], _first
        # Parts of composite tensors, and what is known before anything runs, may be constants that no node stands for yet.
        parts = [self.graph.hidden_constant(p) if isinstance(p, EagerTensor) else p for p in parts]
        places = [self._place(self._as_element(p, fetch)) for p in parts]
        if contract is _first:
            (place,) = places
            return lambda results: results[place]
        return lambda results: contract([results[i] for i in places])

    def _as_element(self, item: Any, fetch: Any) -> Any:
        try:
            return self.graph.as_graph_element(item, allow_tensor=True, allow_operation=True)
        except TypeError as error:
            raise TypeError(
                explain(
                    f'Argument `fetch` = {fetch} has invalid type "{type(fetch).__name__}" must be a string or Tensor. ({error})'
                )
            ) from None
        except (ValueError, KeyError) as error:
            text = error.args[0] if error.args else error
            raise ValueError(
                explain(f"Argument `fetch` = {fetch} cannot be interpreted as a Tensor. ({text})")
            ) from None


def _first(values: Sequence[Any]) -> Any:
    return values[0]


def _mapping_like(fetch: Any, made: dict[Any, Any]) -> Any:
    if hasattr(fetch, "default_factory"):
        found = type(fetch)(fetch.default_factory)
        found.update(made)
        return found
    try:
        return type(fetch)(made)
    except TypeError:
        return made


def _expansion_of(fetch: Any) -> tuple[list[Any], Callable[[list[Any]], Any]] | None:
    """Return the parts that a fetch stands for and how their results are put together; None for one element."""
    for kind, function, *_ in _expansions:
        if isinstance(fetch, kind):
            parts, contract = function(fetch)
            return list(parts), contract
    if isinstance(fetch, Tensor):
        return None
    if isinstance(fetch, SparseTensor):
        return [fetch.indices, fetch.values, fetch.dense_shape], lambda parts: SparseTensorValue(*parts)
    if isinstance(fetch, IndexedSlices):
        sizes = fetch.dense_shape
        parts = [fetch.values, fetch.indices, *([] if sizes is None else [sizes])]
        return parts, lambda found: IndexedSlicesValue(*found, *([None] if len(found) == 2 else []))
    if isinstance(fetch, RaggedTensor):
        splits = list(fetch.nested_row_splits)
        return [fetch.flat_values, *splits], lambda found: RaggedTensorValue.nested(found[0], found[1:])
    if isinstance(fetch, CompositeTensor) and not hasattr(fetch, "_as_graph_element"):
        flat = nest.flatten(fetch, expand_composites=True)
        if len(flat) != 1 or flat[0] is not fetch:
            return flat, lambda found: nest.pack_sequence_as(fetch, found, expand_composites=True)
    return None


IndexedSlicesValue = namedtuple("IndexedSlicesValue", ["values", "indices", "dense_shape"])
"""IndexedSlices of NumPy arrays."""


def feeds_of(key: Any, value: Any) -> list[tuple[Any, Any]]:
    """Return what a feed stands for: elements of the graph with their values."""
    for kind, _, function, _ in _expansions:
        if isinstance(key, kind):
            if function is None:
                raise TypeError(f"Feeding objects of {kind} was not registered: give a feed_function.")
            return list(function(key, value))
    if isinstance(key, Tensor):
        return [(key, value)]
    if isinstance(key, SparseTensor):
        return list(zip((key.indices, key.values, key.dense_shape), value, strict=True))
    if isinstance(key, IndexedSlices):
        parts = [key.values, key.indices, *([] if key.dense_shape is None else [key.dense_shape])]
        return list(zip(parts, value, strict=False))
    if isinstance(key, RaggedTensor):
        splits = list(zip(key.nested_row_splits, value.nested_row_splits, strict=True))
        return [(key.flat_values, value.flat_values), *splits]
    return [(key, value)]


def flat_feeds(feed_dict: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """Return feeds; keys that are sequences of keys go with sequences of values."""
    found: list[tuple[Any, Any]] = []
    for key, value in feed_dict.items():
        if isinstance(key, (list, tuple)):
            keys, values = nest.flatten(key), nest.flatten(value)
            if len(keys) != len(values):
                raise ValueError(
                    f"Could not flatten dictionary. Key had {len(keys)} elements, but value had {len(values)} elements. Key: "
                    f"{keys}, value: {values}."
                )
            found += zip(keys, values, strict=True)
        else:
            found.append((key, value))
    return found
