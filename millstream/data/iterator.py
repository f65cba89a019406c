"""Iterators over datasets: in Python, and as arguments of traced functions, where get_next calls back to the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes, errors, nest
from millstream.base.composite import CompositeTensor
from millstream.base.shapes import to_spec_shape
from millstream.base.spec import Spec
from millstream.base.specs import TensorSpec, TypeSpec
from millstream.data.leaves import components, is_plain, leaf_specs, packer
from millstream.data.optional import Optional, flat_specs, zeros_of
from millstream.data.options import Options
from millstream.data.stage import Element, Run, Stage
from millstream.data.staged import Place, calling_place, refuse_python_loop
from millstream.data.state import from_bytes, to_bytes
from millstream.execution.context import current_graph
from millstream.execution.control_flow import VARYING, cond, staged_loop
from millstream.execution.convert import to_tensor
from millstream.execution.trackable import Trackable
from millstream.program.primitives.control import HOST_CALL


class IteratorSpec(TypeSpec):
    """The type of an iterator over elements of `element_spec`."""

    __slots__ = ["_element_spec"]

    def __init__(self, element_spec: Any) -> None:
        self._element_spec = element_spec

    @property
    def value_type(self) -> type:
        """The class of iterators."""
        return OwnedIterator

    @property
    def element_spec(self) -> Any:
        """The structure of specs of the elements."""
        return self._element_spec

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


class Source:
    """The readers of one iterator, and what the host gives of them to traced functions. Knows no tensor of its own handle."""

    def __init__(self, stage: Stage, options: Options) -> None:
        self.spec = stage.spec
        self.specs = leaf_specs(stage.spec)
        self.plain = is_plain(stage.spec)
        self.run = Run(options)
        self.reader = stage.unshared().reader(self.run)

    def draw(self) -> Element:
        """Return the leaves of the next element."""
        return self.run.draw(self.reader)

    def next_flat(self, *optional: Any) -> tuple[Any, ...]:
        """Return the tensors of the next element; with an input, whether there is one before them."""
        try:
            element = self.run.draw(self.reader)
        except StopIteration:
            if optional:
                return to_tensor(False), *(zeros_of(s) for s in flat_specs(self.spec))
            raise errors.OutOfRangeError(None, None, "End of sequence") from None
        if not self.plain:
            element = tuple([c for s, leaf in zip(self.specs, element, strict=True) for c in components(s, leaf)])
        return (to_tensor(True), *element) if optional else element


class Iterator:
    """What tf.data.Iterator names: the base of iterators over datasets."""


class OwnedIterator(CompositeTensor, Trackable, Iterator):
    """An iterator over one dataset. It can be handed to traced functions, and saved (`save`) and restored (`restore`).

    >>> iterator = iter(tf.data.Dataset.range(3))
    >>> int(next(iterator)), int(iterator.get_next())
    (0, 1)
    """

    def __init__(self, source: Source | None, element_spec: Any, resource: Any = None) -> None:
        self._source = source
        self._element_spec = element_spec
        self._handle_or_none = resource
        self._pack = packer(element_spec) if source is not None else None
        self._begun_at: Place | None = None

    @classmethod
    def of(cls, stage: Stage, options: Options) -> OwnedIterator:
        """Return an iterator over the elements of a stage; inside of a trace, one that each call makes anew."""
        graph = current_graph()
        if graph is None:
            return cls(Source(stage, options), stage.spec)
        symbolic = stage.symbolic()

        def make(*tensors: Any) -> tuple[Any, ...]:
            known = {id(s): t for s, t in zip(symbolic, tensors, strict=True)}
            return (handle_of(Source(stage.bound(known), options)),)

        made = graph.create(HOST_CALL, [runtime.make_host(make), *symbolic], {"outputs": (Spec(dtypes.resource, ()),)})
        return cls(None, stage.spec, made[0])

    @property
    def _resource(self) -> Any:
        if self._handle_or_none is None:
            assert self._source is not None
            self._handle_or_none = handle_of(self._source)
        return self._handle_or_none

    @property
    def _type_spec(self) -> IteratorSpec:
        return IteratorSpec(self._element_spec)

    @property
    def element_spec(self) -> Any:
        """The structure of type specs of the elements."""
        return self._element_spec

    def __iter__(self) -> OwnedIterator:
        return self.begun_at(calling_place())

    def begun_at(self, place: Place) -> OwnedIterator:
        """Remember where a loop over this begins, while tracing; return this."""
        self._begun_at = place if current_graph() is not None else None
        return self

    def __next__(self) -> Any:
        if current_graph() is not None:
            refuse_python_loop(self._begun_at)
            return self.get_next()
        assert self._source is not None and self._pack is not None
        return self._pack(self._source.draw())

    def next(self) -> Any:
        """Return the next element; StopIteration at the end."""
        return next(self)

    def get_next(self, name: str | None = None) -> Any:
        """Return the next element.

        Raises:
          tf.errors.OutOfRangeError: there is none.
        """
        graph = current_graph()
        if graph is None:
            try:
                return next(self)
            except StopIteration:
                raise errors.OutOfRangeError(None, None, "End of sequence") from None
        tensors = graph.create(HOST_CALL, [self._resource], {"outputs": self._outputs()})
        return nest.pack_sequence_as(self._element_spec, list(tensors), expand_composites=True)

    def _outputs(self) -> tuple[Spec, ...]:
        return tuple(Spec(s.dtype, to_spec_shape(s.shape, "n")) for s in flat_specs(self._element_spec))

    def get_next_as_optional(self, name: str | None = None) -> Optional:
        """Return the next element as an Optional, empty at the end."""
        graph = current_graph()
        if graph is None:
            assert self._source is not None
            has, *tensors = self._source.next_flat(True)
        else:
            outputs = (Spec(dtypes.bool, ()), *self._outputs())
            has, *tensors = graph.create(HOST_CALL, [self._resource, to_tensor(True)], {"outputs": outputs})
        return Optional(has, tensors, self._element_spec)

    shapes_may_vary = False
    """Whether the variables of a staged loop may change their shapes unasked: over datasets only, as in TensorFlow."""

    def staged_loop(
        self,
        test: Callable[..., Any] | None,
        body: Callable[..., list[Any]],
        loop_vars: list[Any],
        varying: bool = False,
    ) -> list[Any]:
        """Stage a Python `for` over this iterator: `body(element, *values)` gives the next values, `test(*values)` says go on."""

        def go_on(more: Any, *values: Any) -> Any:
            return more if test is None else cond(more, lambda: test(*values), lambda: to_tensor(False))

        def turn(more: Any, *values: Any) -> list[Any]:
            coming = self.get_next_as_optional()
            found = coming.has_value()
            return [found, *cond(found, lambda: body(coming.get_value(), *values), lambda: list(values))]

        invariants = VARYING if varying else None
        result = staged_loop(go_on, turn, [to_tensor(True), *loop_vars], invariants, None, 10, "for_dataset")
        return list(result)[1:]

    def save(self) -> bytes:
        """Return where the iterator stands: `restore` of an iterator over the same pipeline goes on from there.

        Random orders go on as they would have; counters of random ops inside of functions begin anew.

        >>> dataset = tf.data.Dataset.range(9).shuffle(4, seed=1)
        >>> first, second = iter(dataset), iter(dataset)
        >>> _ = next(first)
        >>> second.restore(first.save())
        >>> [int(x) for x in first] == [int(x) for x in second]
        True
        """
        return to_bytes(self._own_source().reader.state())

    def restore(self, state: bytes) -> None:
        """Go on from where `save` was called; DataLossError where the bytes are no state."""
        self._own_source().reader.restore(from_bytes(state))

    def _own_source(self) -> Source:
        if self._source is None:
            raise errors.InvalidArgumentError(
                None, None, "An iterator is saved and restored outside of traced functions only."
            )
        return self._source

    _saved_name = "ITERATOR"

    def _serialize_to_tensors(self) -> dict[str, Any]:
        return {"_STATE": to_tensor(self.save())}

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> None:
        self.restore(restored_tensors["_STATE"].numpy())


def handle_of(source: Source) -> Any:
    """Return the handle by which plans draw elements."""
    handle = runtime.make_host(source.next_flat)
    # Functions whose first act is to take an element take it before they run, so that its sizes are known.
    handle.next_flat = source.next_flat
    return handle
