"""Datasets as values: their spec, and the ticket by which one goes through a traced function. A ticket dies with its dataset."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape, as_shape
from millstream.base.specs import TensorSpec, TypeSpec
from millstream.base.trace_types import install, installed
from millstream.data.stage import Reader, Run, Stage
from millstream.execution.convert import to_tensor
from millstream.execution.symbolic import SymbolicTensor

_tickets = itertools.count(1)
_datasets: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def ticket_of(dataset: Any) -> Any:
    """Return the int64 scalar that stands for a dataset in a traced function."""
    if dataset._ticket is None:
        number = next(_tickets)
        _datasets[number] = dataset
        dataset._ticket = to_tensor(number, dtypes.int64)
    return dataset._ticket


def dataset_of(ticket: Any) -> Any:
    """Return the dataset of a ticket."""
    found = _datasets.get(int(ticket.numpy()))
    if found is None:
        raise ReferenceError("A dataset was used after it was gone; keep it in a variable while its elements are read.")
    return found


class Held(Stage):
    """A dataset that is an argument of a function being traced."""

    name = "Argument"

    def __init__(self, spec: Any, ticket: Any) -> None:
        super().__init__(spec, values={"ticket": ticket})

    def bound(self, known: dict[int, Any]) -> Stage:
        ticket = known.get(id(self.values["ticket"]))
        return self if ticket is None else dataset_of(ticket)._stage  # type: ignore[no-any-return]

    def reader(self, run: Run) -> Reader:
        return dataset_of(self.values["ticket"])._stage.reader(run)  # type: ignore[no-any-return]


class DatasetSpec(TypeSpec):
    """The type of a dataset whose elements are of `element_spec`.

    >>> tf.data.DatasetSpec(tf.TensorSpec([], tf.int64)).element_spec
    TensorSpec(shape=(), dtype=tf.int64, name=None)
    """

    __slots__ = ["_dataset_shape", "_element_spec"]

    def __init__(self, element_spec: Any, dataset_shape: Any = ()) -> None:
        self._element_spec = element_spec
        self._dataset_shape: TensorShape = as_shape(dataset_shape)

    @property
    def value_type(self) -> Any:
        """The class Dataset."""
        return installed("Dataset")

    @property
    def element_spec(self) -> Any:
        """The structure of specs of the elements."""
        return self._element_spec

    def _serialize(self) -> tuple[Any, ...]:
        return (self._element_spec, self._dataset_shape)

    @property
    def _component_specs(self) -> Any:
        return TensorSpec([], dtypes.int64)

    def _to_components(self, value: Any) -> Any:
        if any(isinstance(t, SymbolicTensor) for t in value._stage.symbolic()):
            raise NotImplementedError(
                explain(
                    "A dataset made inside of a traced function out of its tensors cannot leave it; return the tensors, and make "
                    "the dataset outside."
                )
            )
        return ticket_of(value)

    def _from_components(self, components: Any) -> Any:
        ticket = components[0] if isinstance(components, Sequence) else components
        return installed("dataset_from_stage")(Held(self._element_spec, ticket))

    @classmethod
    def from_value(cls, value: Any) -> DatasetSpec:
        """Return the spec of a dataset."""
        return cls(value.element_spec)


def publish_class(kind: type, make: Any) -> None:
    """Say which class datasets are of, and how one is made of a stage."""
    install("Dataset", kind)
    install("dataset_from_stage", make)
