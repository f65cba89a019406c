"""Make public functions out of ops: the common forms of one and two operands, so that a table is enough. Publishes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream import _runtime as runtime
from millstream.api.public import public
from millstream.execution.dispatch import apply, attributes_key, handle_of
from millstream.ops.declaration import Op
from millstream.ops.registry import find

execute = runtime.execute


def call_of(name: str, **attributes: Any) -> Callable[..., Any]:
    """Return a function of tensors that applies the op `name`: eager ones with one look-up, all else by `apply`."""
    op: Op = find(name)
    complete = op.complete(attributes)
    handle, key = handle_of(op), attributes_key(op, complete) if complete else None

    def call(*tensors: Any) -> Any:
        result = execute(handle, key, *tensors)
        return apply(op, *tensors, **complete) if result is NotImplemented else result

    return call


def _publish(function: Callable[..., Any], names: tuple[str, ...], doc: str) -> None:
    leaf = names[0].rpartition(".")[2]
    function.__name__ = function.__qualname__ = leaf
    function.__doc__ = doc
    public(*names)(function)


def unary(names: str, op_name: str, doc: str, parameter: str = "x") -> Callable[..., Any]:
    """Publish function(x, name=None) under the names, which spaces part; `parameter` is what TensorFlow calls x."""
    call = call_of(op_name)
    function: Callable[..., Any]
    if parameter == "x":

        def function(x: Any, name: str | None = None) -> Any:
            return call(x)
    elif parameter == "features":

        def function(features: Any, name: str | None = None) -> Any:
            return call(features)
    elif parameter == "t":

        def function(t: Any, name: str | None = None) -> Any:
            return call(t)
    else:

        def function(input: Any, name: str | None = None) -> Any:
            return call(input)

    _publish(function, tuple(names.split()), doc)
    return function


def binary(names: str, op_name: str, doc: str, **attributes: Any) -> Callable[..., Any]:
    """Publish function(x, y, name=None) under the names, which spaces part."""
    call = call_of(op_name, **attributes)

    def function(x: Any, y: Any, name: str | None = None) -> Any:
        return call(x, y)

    _publish(function, tuple(names.split()), doc)
    return function
