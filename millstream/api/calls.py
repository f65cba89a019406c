"""Make public functions out of ops: the common forms of one and two operands, so that a table is enough. Publishes nothing."""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from millstream import _runtime as runtime
from millstream.api.public import public
from millstream.execution.dispatch import apply, attributes_key, handle_of
from millstream.ops.declaration import Op
from millstream.ops.registry import find

execute = runtime.execute


@functools.cache
def results_of(op: Op) -> Any:
    """Return the class of an op's results, which TensorFlow names after the op."""
    return namedtuple(op.name, op.output_names)  # type: ignore[misc]


def named(op: Op, *inputs: Any, **attributes: Any) -> Any:
    """Apply an op of several results, and name them."""
    return results_of(op)(*apply(op, *inputs, **attributes))


def prepared(name: str, **attributes: Any) -> tuple[Op, Any, Any, dict[str, Any]]:
    """Return an op, its plan cache, the key of the attributes there, and the attributes with defaults filled in."""
    op: Op = find(name)
    complete = op.complete(attributes)
    return op, handle_of(op), attributes_key(op, complete) if complete else None, complete


def call_of(name: str, **attributes: Any) -> Callable[..., Any]:
    """Return a function of tensors that applies the op `name`: eager ones with one look-up, all else by `apply`."""
    op, handle, key, complete = prepared(name, **attributes)

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
    # The look-up is written out in each: a call more would cost as much as a guard does.
    op, handle, key, complete = prepared(op_name)
    function: Callable[..., Any]
    if parameter == "x":

        def function(x: Any, name: str | None = None) -> Any:
            result = execute(handle, key, x)
            return apply(op, x, **complete) if result is NotImplemented else result

    elif parameter == "features":

        def function(features: Any, name: str | None = None) -> Any:
            result = execute(handle, key, features)
            return apply(op, features, **complete) if result is NotImplemented else result

    elif parameter == "t":

        def function(t: Any, name: str | None = None) -> Any:
            result = execute(handle, key, t)
            return apply(op, t, **complete) if result is NotImplemented else result

    else:

        def function(input: Any, name: str | None = None) -> Any:
            result = execute(handle, key, input)
            return apply(op, input, **complete) if result is NotImplemented else result

    _publish(function, tuple(names.split()), doc)
    return function


def binary(names: str, op_name: str, doc: str, **attributes: Any) -> Callable[..., Any]:
    """Publish function(x, y, name=None) under the names, which spaces part."""
    op, handle, key, complete = prepared(op_name, **attributes)

    def function(x: Any, y: Any, name: str | None = None) -> Any:
        result = execute(handle, key, x, y)
        return apply(op, x, y, **complete) if result is NotImplemented else result

    _publish(function, tuple(names.split()), doc)
    return function
