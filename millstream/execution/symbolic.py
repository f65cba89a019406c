"""Symbolic tensors: values of a graph being traced. They have no elements yet and say so."""

from __future__ import annotations

from typing import Any

from millstream.base import errors
from millstream.base.dtypes import DType
from millstream.base.shapes import TensorShape, from_spec_shape
from millstream.base.sizes import fresh_symbol, is_known
from millstream.execution.operation import Operation, consumers_of, operation_of, session_for
from millstream.execution.tensor import Tensor
from millstream.program.value import Value

_RESOLUTIONS = (
    "You can attempt the following resolutions to the problem: If you are running in Graph mode, use Eager execution mode or "
    "decorate this function with @tf.function. If you are using AutoGraph, you can try decorating this function with "
    "@tf.function. If that does not work, then you may be using an unsupported feature or your source code may not be visible "
    "to AutoGraph."
)


def not_allowed(what: str) -> errors.OperatorNotAllowedInGraphError:
    """Compose the error for Python's control flow on a tensor whose content is not known yet."""
    return errors.OperatorNotAllowedInGraphError(errors.explain(f"{what} is not allowed. {_RESOLUTIONS}"))


def out_of_scope(tensor: Any) -> Exception:
    """Compose the error for a tensor of a trace that is used where ops run at once."""
    made_at = tensor.made_at() if isinstance(tensor, SymbolicTensor) else ""
    return TypeError(
        errors.explain(
            f"{tensor!r} is out of scope: it belongs to a function that was traced before, {made_at}and has no elements "
            "here. Return it from the function, or keep it in a tf.Variable."
        )
    )


class SymbolicTensor(Tensor):
    """Stand for one value of a graph."""

    variable: Any = None
    """The variable that this handle, an argument of the trace, belongs to."""
    is_reference = False
    """Whether this refers to a variable of TensorFlow 1, which is read where the tensor is used."""

    def __init__(self, graph: Any, value: Value) -> None:
        self.graph = graph
        self.value_ = value

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.value_.spec.dtype

    @property
    def shape(self) -> TensorShape:
        """The sizes of the axes, as far as they are known."""
        return from_spec_shape(self.value_.spec.shape)

    @property
    def value(self) -> Value:
        """The value in the graph's program."""
        return self.value_

    @property
    def op(self) -> Operation:
        """The operation that makes this tensor."""
        return operation_of(self)

    @property
    def value_index(self) -> int:
        """Which output of its operation this is."""
        return self.value_.index

    @property
    def name(self) -> str:
        """The name of the operation, and which output this is."""
        return f"{self.op.name}:{self.value_.index}"

    @property
    def device(self) -> str:
        """The device that was asked for; empty where none was."""
        return self.op.device

    def made_at(self) -> str:
        """Where the user's code made this, as part of a sentence; empty where that is not known."""
        node = self.value_.node
        return f"was made at {errors.with_text(node.source)}, " if node is not None and node.source else ""

    def consumers(self) -> list[Operation]:
        """Return the operations that take this tensor."""
        return consumers_of(self)

    def set_shape(self, shape: Any) -> None:
        """Say more of the shape than is known here; what follows is inferred from it."""
        merged = self.shape.merge_with(shape)
        if merged.rank is None:
            return
        spec = self.value_.spec
        sizes = spec.shape
        if sizes is None:
            sizes = tuple(fresh_symbol("n") for _ in range(merged.rank))
        known = tuple(
            old if new is None or is_known(old) else new for old, new in zip(sizes, merged.as_list(), strict=True)
        )
        if known != spec.shape:
            self.value_.spec = spec.with_shape(known)

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Return what this is in a session: this one, or the default one."""
        return session_for(self.graph, session, "evaluate tensor using `eval()`", "eval").run(self, feed_dict)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise NotImplementedError(
            errors.explain(
                f"Cannot convert a symbolic tf.Tensor ({self.name}) to a numpy array. This error may indicate that you're trying "
                "to pass a Tensor to a NumPy call, which is not supported."
            )
        )

    def __bool__(self) -> bool:
        raise not_allowed("Using a symbolic `tf.Tensor` as a Python `bool`")

    def __len__(self) -> int:
        raise TypeError(
            errors.explain(
                f"len is not well defined for a symbolic Tensor ({self.name}). Please call `x.shape` rather than `len(x)` for "
                "shape information."
            )
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> SymbolicTensor:
        memo[id(self)] = self
        return self

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self.shape} dtype={self.dtype.name}>"

    def __str__(self) -> str:
        shape = "" if self.shape.rank is None else f", shape={self.shape}"
        return f'Tensor("{self.name}"{shape if shape else ", shape=<unknown>"}, dtype={self.dtype.name})'

    def __format__(self, specification: str) -> str:
        return format(str(self), specification)
