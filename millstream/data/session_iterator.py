"""Iterators of graphs that sessions run: each session has its own readers, begun by an operation or at the first element."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes, errors, nest
from millstream.data.iterator import OwnedIterator, Source
from millstream.data.leaves import relaxed
from millstream.data.options import Options
from millstream.data.stage import Stage
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, tracing
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import new_operation
from millstream.execution.name_scope import scoped
from millstream.execution.session_step import Step
from millstream.execution.stopping import running_session
from millstream.program.primitives.control import HOST_CALL

_numbers = itertools.count()
_iterators: weakref.WeakValueDictionary[str, SessionIterator] = weakref.WeakValueDictionary()
"""The iterators that there are, by the texts that stand for them."""


def in_session_graph() -> bool:
    """Return whether ops go to a graph that sessions run."""
    graph = current_graph()
    return graph is not None and not graph.building_function


def _begin(stage: Stage, options: Options, symbolic: list[Any], tensors: Any) -> Source:
    with tracing(None), tapes.fresh():
        known = {id(s): t for s, t in zip(symbolic, tensors, strict=True)}
        return Source(stage.bound(known) if symbolic else stage, options)


class SessionIterator(OwnedIterator):
    """An iterator of a graph. `get_next` gives tensors; `initializer`, where there is one, begins anew when it is run."""

    def __init__(self, element_spec: Any, key: str | None = None) -> None:
        self._key = f"iterator_{next(_numbers)}" if key is None else key
        self._once: Callable[[Any], Source] | None = None
        self.initializer: Any = None
        _iterators[self._key] = self
        super().__init__(None, element_spec, runtime.make_host(self._draw))

    def _draw(self, *optional: Any) -> tuple[Any, ...]:
        return self._source_here(self._key).next_flat(*optional)

    def _source_here(self, key: str) -> Source:
        session = running_session()
        if session is None:
            raise errors.FailedPreconditionError(None, None, "An iterator of a graph gives elements in sessions alone.")
        iterator = _iterators.get(key)
        once = None if iterator is None else iterator._once
        made = session.object_of(("iterator", key), lambda: None if once is None else once(session))
        if made is None:
            raise errors.FailedPreconditionError(
                None,
                None,
                errors.explain(
                    "GetNext() failed because the iterator has not been initialized. Ensure that you have run the initializer "
                    "operation for this iterator before getting the next element."
                ),
            )
        return made  # type: ignore[no-any-return]

    def begin_once(self, stage: Stage, options: Options) -> None:
        """Begin in each session when the first element is asked for."""
        symbolic = list(stage.symbolic())

        def once(session: Any) -> Source:
            given = Step(session, [t.value for t in symbolic], (), ()).run(()) if symbolic else ()
            return _begin(stage, options, symbolic, given)

        self._once = once

    def begin_by_operation(self, stage: Stage, options: Options, name: str = "MakeIterator") -> Any:
        """Return an operation that begins with the elements of a dataset."""
        symbolic = list(stage.symbolic())

        def begin(*tensors: Any) -> tuple[Any, ...]:
            running_session().set_object(("iterator", self._key), _begin(stage, options, symbolic, tensors))
            return ()

        graph = current_graph()
        assert graph is not None
        label = graph.own_name(scoped(name))
        graph.create(HOST_CALL, [runtime.make_host(begin), *symbolic], {"outputs": ()}, label)
        return new_operation()

    def make_initializer(self, dataset: Any, name: str | None = None) -> Any:
        """Return an operation that begins with the elements of a dataset.

        Raises:
          TypeError: its elements are of other types or shapes.
        """
        if relaxed(self._element_spec, dataset.element_spec) != self._element_spec:
            raise TypeError(
                errors.explain(f"Expected a dataset of {self._element_spec}, its elements are {dataset.element_spec}.")
            )
        return self.begin_by_operation(dataset._stage, dataset._options, name or "make_initializer")

    def get_next(self, name: str | None = None) -> Any:
        """Return the next element as tensors, another one in each run; tf.errors.OutOfRangeError at the end."""
        graph = current_graph()
        if graph is None:
            raise RuntimeError(errors.explain("This iterator belongs to a graph; ask for elements in it."))
        label = None if graph.building_function else graph.own_name(scoped(name or "IteratorGetNext"))
        tensors = graph.create(HOST_CALL, self._given(), {"outputs": self._outputs()}, label)
        return nest.pack_sequence_as(self._element_spec, list(tensors), expand_composites=True)

    def _given(self) -> list[Any]:
        return [self._resource]

    def string_handle(self, name: str | None = None) -> Any:
        """Return a text that stands for this iterator: `Iterator.from_string_handle` takes it."""
        from millstream.api.public import root

        return root().constant(self._key, name=name or "IteratorToStringHandle")


class NamedIterator(SessionIterator):
    """Whichever iterator of the session a text stands for."""

    def __init__(self, handle: Any, element_spec: Any) -> None:
        super().__init__(element_spec)
        self._text = to_tensor(handle, dtypes.string)

    def _draw(self, *given: Any) -> tuple[Any, ...]:
        text, *optional = given
        return self._source_here(text.numpy().decode()).next_flat(*optional)

    def _given(self) -> list[Any]:
        return [self._resource, self._text]


def one_shot(dataset: Any) -> SessionIterator:
    """Return an iterator that begins in each session when its first element is asked for."""
    made = SessionIterator(dataset.element_spec)
    made.begin_once(dataset._stage, dataset._options)
    return made


def initializable(dataset: Any, shared_name: str | None = None) -> SessionIterator:
    """Return an iterator that begins when its initializer is run."""
    made = SessionIterator(dataset.element_spec, shared_name or None)
    made.initializer = made.begin_by_operation(dataset._stage, dataset._options)
    return made
