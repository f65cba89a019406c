"""tf.raw_ops: every op under its own name, its inputs and attributes given by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import publish
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.execution.dispatch import apply
from millstream.ops.declaration import Op, Types
from millstream.ops.registry import all_ops


def _attribute(op: Op, name: str, value: Any) -> Any:
    kind = op.attributes[name].kind
    if isinstance(kind, Types) and not isinstance(value, DType):
        return as_dtype(value)
    return tuple(value) if isinstance(value, list) else value


def _raw(op: Op) -> Callable[..., Any]:
    inputs = [i.name for i in op.inputs]
    implied = {i.element.name for i in op.inputs if isinstance(i.element, Types)} | {
        i.element for i in op.inputs if isinstance(i.element, str)
    }

    def function(**arguments: Any) -> Any:
        arguments.pop("name", None)
        missing = [n for n in inputs if n not in arguments]
        if missing:
            raise TypeError(
                explain(
                    f"{op.name}() missing required argument: {missing[0]!r}. Give its inputs by name: {', '.join(inputs)}."
                )
            )
        tensors = [arguments.pop(n) for n in inputs]
        unknown = [n for n in arguments if n not in op.attributes and n not in implied]
        if unknown:
            raise TypeError(explain(f"{op.name}() got an unexpected keyword argument {unknown[0]!r}."))
        return apply(op, *tensors, **{n: _attribute(op, n, v) for n, v in arguments.items() if n in op.attributes})

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.__doc__
    return function


for _name, _op in all_ops().items():
    if _name.isidentifier():
        publish(f"raw_ops.{_name}", _raw(_op))
