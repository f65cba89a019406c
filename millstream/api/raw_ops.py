"""tf.raw_ops: every declared op under its own name, its inputs and attributes given by name. Refuses positional arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from millstream.api.calls import results_of
from millstream.api.public import publish
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.execution.dispatch import apply
from millstream.execution.function_concrete import ConcreteFunction
from millstream.ops.declaration import Op, Types
from millstream.ops.registry import all_ops

_OWN = frozenset(("XlaDynamicUpdateSlice",))
"""Ops that TensorFlow's raw_ops do not have."""

_REDUCTION = {"reduction_indices": "axis"}
_RENAMED: dict[str, dict[str, str]] = {
    **dict.fromkeys(("Sum", "Prod", "Max", "Min", "All", "Any", "Mean", "EuclideanNorm"), _REDUCTION),
    "ExpandDims": {"dim": "axis"},
    "Select": {"t": "x", "e": "y"},
    "Split": {"split_dim": "axis"},
    "SplitV": {"split_dim": "axis"},
    "Squeeze": {"squeeze_dims": "axis"},
    "Where": {"input": "condition"},
}
"""What TensorFlow's Python functions call inputs and attributes that the op calls otherwise."""


def _attribute(op: Op, name: str, value: Any) -> Any:
    kind = op.attributes[name].kind
    if isinstance(kind, Types) and not isinstance(value, DType):
        return as_dtype(value)
    if isinstance(value, ConcreteFunction):
        return value.graph.program
    if isinstance(value, (list, tuple)):
        return tuple(_attribute(op, name, v) if isinstance(v, (list, ConcreteFunction)) else v for v in value)
    return value


def _implied(op: Op) -> set[str]:
    """Return the attributes that the inputs say: element types and counts."""
    names = {i.count for i in op.inputs if i.count}
    for i in op.inputs:
        names.add(i.element.name if isinstance(i.element, Types) else i.element if isinstance(i.element, str) else "")
    return names - {""}


def signature_of(op: Op) -> inspect.Signature:
    """Return the signature of an op's function: inputs, then attributes without defaults, then those with."""
    empty, only = inspect.Parameter.empty, inspect.Parameter.KEYWORD_ONLY
    implied = _implied(op)
    renamed = _RENAMED.get(op.name, {})
    attributes = [a for a in op.attributes.values() if a.name not in implied]
    names = [i.name for i in op.inputs] + [a.name for a in attributes if a.required]
    parameters = [inspect.Parameter(renamed.get(name, name), only) for name in names]
    for attribute in attributes:
        if attribute.default is not empty:
            default = list(attribute.default) if isinstance(attribute.default, tuple) else attribute.default
            parameters.append(inspect.Parameter(renamed.get(attribute.name, attribute.name), only, default=default))
    return inspect.Signature([*parameters, inspect.Parameter("name", only, default=None)])


def _raw(op: Op) -> Callable[..., Any]:
    signature = signature_of(op)
    known = signature.parameters
    required = [p.name for p in known.values() if p.default is p.empty]
    own_names = {given: name for name, given in _RENAMED.get(op.name, {}).items()}
    inputs = [i.name for i in op.inputs]
    single = all(r.shape == "one" for r in op.results)
    named: Any = results_of(op) if len(op.results) > 1 and single else None

    def function(*args: Any, **arguments: Any) -> Any:
        if args:
            raise TypeError(
                explain(
                    f"{op.name} only takes keyword args (possible keys: {list(known)}). Please pass these args as kwargs instead."
                )
            )
        unknown = [name for name in arguments if name not in known]
        if unknown:
            raise TypeError(explain(f"{op.name}() got an unexpected keyword argument {unknown[0]!r}."))
        missing = [name for name in required if name not in arguments]
        if missing:
            raise TypeError(
                explain(
                    f"{op.name}() missing {len(missing)} required positional argument{'s' if len(missing) > 1 else ''}: "
                    f"{' and '.join(map(repr, missing))}."
                )
            )
        given = {own_names.get(name, name): value for name, value in arguments.items() if name != "name"}
        tensors = [given.pop(name) for name in inputs]
        results = apply(op, *tensors, **{name: _attribute(op, name, value) for name, value in given.items()})
        return results if named is None else named(*results)

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = op.__doc__
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


for _name, _op in all_ops().items():
    if _name.isidentifier() and _name not in _OWN:
        publish(f"raw_ops.{_name}", _raw(_op))
