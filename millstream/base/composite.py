"""The base of values made of several tensors (`tf.__internal__.CompositeTensor`): sparse, ragged, indexed slices, variables."""

from __future__ import annotations

import abc
from typing import Any

from millstream.base import nest
from millstream.base.errors import explain


class CompositeArgument(ValueError):
    """A composite tensor stands where a tensor is asked for. Public functions that have a rule for it answer all the same.

    What it says is composed when somebody asks: most of these are answered.
    """

    def __init__(self, value: Any, source: str = "") -> None:
        super().__init__(value, source)

    def __str__(self) -> str:
        value, source = self.args
        name = type(value).__name__
        return explain(
            f"A {name} was given where a tensor is asked for: {value!r}.",
            fix=f"Convert it first (tf.RaggedTensor.to_tensor, tf.sparse.to_dense), or give the {name}'s values.",
            source=source,
        )


class CompositeTensor(metaclass=abc.ABCMeta):
    """A value made of tensors. Its type spec takes it apart and puts it together."""

    # What `nest` does with it. Classes that are never opened, though they are composite, say "leaf": variables do.
    _nested_as = "composite"

    @property
    @abc.abstractmethod
    def _type_spec(self) -> Any:
        """The TypeSpec of this value."""

    def _shape_invariant_to_type_spec(self, shape: Any) -> Any:
        raise NotImplementedError(explain(f"{type(self).__name__}._shape_invariant_to_type_spec"))

    def _consumers(self) -> list[Any]:
        components = nest.flatten(self, expand_composites=True)
        symbolic = [component for component in components if getattr(component, "graph", None) is not None]
        return list(dict.fromkeys(consumer for component in symbolic for consumer in component.consumers()))

    def _apply_op(self, op: Any, arguments: Any, attributes: Any) -> Any:
        """Return what `op` gives where this is one of its arguments; NotImplemented where it takes only tensors."""
        return NotImplemented

    def __tf_tracing_type__(self, context: Any) -> Any:
        return self._type_spec.__tf_tracing_type__(context)

    def _convert_variables_to_tensors(self) -> Any:
        return self
