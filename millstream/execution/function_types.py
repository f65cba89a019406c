"""tf.types.experimental.FunctionType and its like: signatures of traced functions whose annotations are kinds of arguments."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from millstream.base.trace_types import TraceType
from millstream.execution.function_text import type_text


class _Kind:
    """An annotation that is shown as TensorFlow shows kinds of arguments."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return type_text(self.value)


class Parameter(inspect.Parameter):
    """A parameter whose `type_constraint` is the kind of argument that it takes."""

    @property
    def type_constraint(self) -> Any:
        """The spec or value that an argument must be of."""
        return getattr(self.annotation, "value", None)

    @property
    def optional(self) -> bool:
        """Whether there is a default."""
        return self.default is not self.empty


class FunctionType(inspect.Signature):
    """The signature of a traced function."""

    @classmethod
    def of(cls, names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> FunctionType:
        """Return the signature of arguments and a result that are given by their specs."""
        more = len(args) > len(names)
        kind = Parameter.POSITIONAL_ONLY if more else Parameter.POSITIONAL_OR_KEYWORD
        called = [*names, *(f"args_{i}" for i in range(len(args) - len(names)))]
        parameters = [Parameter(n, kind, annotation=_Kind(a)) for n, a in zip(called, args, strict=False)]
        parameters += [Parameter(n, Parameter.KEYWORD_ONLY, annotation=_Kind(v)) for n, v in kwargs.items()]
        return cls(parameters, return_annotation=_Kind(result))

    @property
    def output(self) -> Any:
        """The specs of the result, in its structure."""
        return getattr(self.return_annotation, "value", None)


class Callable(metaclass=abc.ABCMeta):
    """What can be called as a traced function: `tf.function`'s results and their traces."""

    @property
    @abc.abstractmethod
    def function_type(self) -> FunctionType:
        """The signature."""

    @abc.abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


class AtomicFunction(Callable):
    """One graph of flat tensors. Millstream's traces are ConcreteFunctions; nothing else is one of these."""


@runtime_checkable
class SupportsTracingProtocol(Protocol):
    """A class whose objects say by what kind traces tell them apart."""

    def __tf_tracing_type__(self, context: Any) -> TraceType: ...
