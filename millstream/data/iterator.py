"""Iterators over datasets: in Python, and as arguments of traced functions, where get_next calls back to the host."""

from __future__ import annotations

from collections.abc import Iterator as PythonIterator
from collections.abc import Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes, errors, nest
from millstream.base.composite import CompositeTensor
from millstream.base.shapes import to_spec_shape
from millstream.base.spec import Spec
from millstream.base.specs import TensorSpec, TypeSpec
from millstream.data.optional import Optional, flat_specs, zeros_of
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.program.primitives.control import HOST_CALL


class IteratorSpec(TypeSpec):
    """The type of an iterator over elements of `element_spec`."""

    __slots__ = ["_element_spec"]

    def __init__(self, element_spec: Any) -> None:
        self._element_spec = element_spec

    @property
    def value_type(self) -> type:
        return OwnedIterator

    def _serialize(self) -> tuple[Any, ...]:
        return (self._element_spec,)

    @property
    def _component_specs(self) -> Any:
        return [TensorSpec([], dtypes.resource)]

    def _with_tensor_ranks_only(self) -> IteratorSpec:
        # Its component is a handle: sizes of elements are part of what a function is traced for.
        return self

    def _to_components(self, value: Any) -> list[Any]:
        return [value._resource]

    def _from_components(self, components: Sequence[Any]) -> OwnedIterator:
        return OwnedIterator(None, self._element_spec, components[0])

    @classmethod
    def from_value(cls, value: OwnedIterator) -> IteratorSpec:
        """Return the spec of an iterator."""
        return cls(value.element_spec)


class Iterator:
    """What tf.data.Iterator names: the base of iterators over datasets."""


class OwnedIterator(CompositeTensor, Iterator):
    """An iterator over one dataset."""

    def __init__(self, elements: PythonIterator[Any] | None, element_spec: Any, resource: Any = None) -> None:
        self._elements = elements
        self._element_spec = element_spec
        self._resource = runtime.make_host(self._next_flat) if resource is None else resource
        if resource is None:
            # Functions whose first act is to take an element take it before they run, so that its sizes are known.
            self._resource.next_flat = self._next_flat

    @property
    def _type_spec(self) -> IteratorSpec:
        return IteratorSpec(self._element_spec)

    @property
    def element_spec(self) -> Any:
        """The structure of type specs of the elements."""
        return self._element_spec

    def _next_flat(self, *optional: Any) -> tuple[Any, ...]:
        """Return the tensors of the next element; with an input, whether there is one before them."""
        assert self._elements is not None
        element = next(self._elements, _END)
        if element is _END and optional:
            return to_tensor(False), *(zeros_of(s) for s in flat_specs(self._element_spec))
        if element is _END:
            raise errors.OutOfRangeError(None, None, errors.explain("End of sequence"))
        tensors = [t for t in nest.flatten(element, expand_composites=True) if t is not None]
        return (to_tensor(True), *tensors) if optional else tuple(tensors)

    def __iter__(self) -> OwnedIterator:
        return self

    def __next__(self) -> Any:
        if current_graph() is not None:
            return self.get_next()
        assert self._elements is not None
        return next(self._elements)

    def next(self) -> Any:
        """Return the next element; StopIteration at the end."""
        return next(self)

    def get_next(self, name: str | None = None) -> Any:
        """Return the next element; OutOfRangeError at the end."""
        graph = current_graph()
        if graph is None:
            assert self._elements is not None
            element = next(self._elements, _END)
            if element is _END:
                raise errors.OutOfRangeError(None, None, errors.explain("End of sequence"))
            return element
        tensors = graph.create(HOST_CALL, [self._resource], {"outputs": self._outputs()})
        return nest.pack_sequence_as(self._element_spec, list(tensors), expand_composites=True)

    def _outputs(self) -> tuple[Spec, ...]:
        return tuple(Spec(s.dtype, to_spec_shape(s.shape, "n")) for s in flat_specs(self._element_spec))

    def get_next_as_optional(self, name: str | None = None) -> Optional:
        """Return the next element as an Optional, empty at the end."""
        graph = current_graph()
        if graph is None:
            has, *tensors = self._next_flat(True)
        else:
            outputs = (Spec(dtypes.bool, ()), *self._outputs())
            has, *tensors = graph.create(HOST_CALL, [self._resource, to_tensor(True)], {"outputs": outputs})
        return Optional(has, tensors, self._element_spec)


_END = object()
