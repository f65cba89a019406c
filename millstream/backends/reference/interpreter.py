"""Run a program of primitives in NumPy, node by node. Refuses ops that were not expanded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from millstream.base import errors
from millstream.base.sizes import Expression, Size, Symbol, substitute
from millstream.base.spec import Spec
from millstream.compiler.expand import expand
from millstream.program.learned_sizes import substitute_attribute
from millstream.program.primitives.core import Primitive
from millstream.program.value import Node, Program, Value


class Variable:
    """What a resource input of the interpreter is."""

    def __init__(self, value: np.ndarray | None) -> None:
        self.value = value


def interpret(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """Run `program` on NumPy arrays (and `Variable`s for handles); return NumPy arrays."""
    specs = [_spec(v.spec, x) for v, x in zip(program.inputs, inputs, strict=True)]
    expanded = expand(program, specs, lambda node: False)
    return _run(expanded, inputs, {})


def _spec(spec: Spec, given: Any) -> Spec:
    if isinstance(given, Variable):
        held = None if given.value is None else Spec(spec.handle.dtype, given.value.shape)  # type: ignore[union-attr]
        return Spec(spec.dtype, (), None, held or spec.handle)
    return Spec(spec.dtype, np.shape(given), spec.value) if isinstance(given, np.ndarray) else spec


def _run(program: Program, inputs: Sequence[Any], outer: Mapping[Symbol, int]) -> list[Any]:
    place: dict[Value, Any] = {}
    sizes: dict[Symbol, Size] = dict(outer)
    for value, given in zip(program.inputs, inputs, strict=True):
        place[value] = given
        _learn(value.spec, given, sizes)
    for node in program.nodes:
        results = _run_node(node, [place[v] for v in node.inputs], sizes)
        for value, result in zip(node.outputs, results, strict=True):
            place[value] = result
            _learn(value.spec, result, sizes)
    return [place[v] for v in program.outputs]


def _learn(spec: Spec, array: Any, sizes: dict[Symbol, Size]) -> None:
    if not isinstance(array, np.ndarray) or spec.shape is None:
        return
    if len(spec.shape) != array.ndim:
        raise errors.InternalError(None, None, f"A value of shape {array.shape} came where {spec} was said.")
    for said, found in zip(spec.shape, array.shape, strict=True):
        if isinstance(said, Symbol):
            sizes.setdefault(said, found)
        known = substitute(said, sizes) if isinstance(said, Expression) else said  # type: ignore[arg-type]
        if isinstance(known, int) and known != found:
            raise errors.InternalError(None, None, f"A value of shape {array.shape} came where {spec} was said.")


def _run_node(node: Node, arguments: list[Any], sizes: dict[Symbol, Size]) -> Sequence[Any]:
    definition = node.definition
    if not isinstance(definition, Primitive):
        raise errors.UnimplementedError(None, None, f"{definition.name} was not expanded to primitives.")
    attributes = {k: substitute_attribute(v, sizes) for k, v in node.attributes.items()}
    special = _SPECIAL.get(definition.name)
    if special is not None:
        return special(node, arguments, attributes, sizes)
    if definition.meaning is None:
        raise errors.UnimplementedError(None, None, f"The reference back end has no meaning for {definition.name}.")
    answer = definition.meaning(*arguments, **attributes)
    if len(node.outputs) == 1 and not isinstance(answer, tuple):
        return (np.asarray(answer) if not isinstance(answer, list) else answer,)
    return tuple(answer)


def _read(node: Node, arguments: list[Any], attributes: Any, sizes: Any) -> Sequence[Any]:
    if arguments[0].value is None:
        raise errors.FailedPreconditionError(None, None, "The variable has not been initialised; assign to it first.")
    return (arguments[0].value,)


def _write(node: Node, arguments: list[Any], attributes: Any, sizes: Any) -> Sequence[Any]:
    arguments[0].value = arguments[1]
    return ()


def _bind(node: Node, arguments: list[Any], attributes: Any, sizes: dict[Symbol, Size]) -> Sequence[Any]:
    for symbol, n in zip(node.attributes["symbols"], np.ravel(arguments[0]).tolist(), strict=True):
        sizes[symbol] = n
    return ()


def _branch(node: Node, arguments: list[Any], attributes: Any, sizes: dict[Symbol, Size]) -> Sequence[Any]:
    programs, index = node.attributes["programs"], int(arguments[0])
    chosen = programs[index] if 0 <= index < len(programs) else programs[-1]
    return _run(chosen, arguments[1:], sizes)  # type: ignore[arg-type]


def _loop(node: Node, arguments: list[Any], attributes: Any, sizes: dict[Symbol, Size]) -> Sequence[Any]:
    carried = node.attributes["carried"]
    values, invariant = list(arguments[:carried]), arguments[carried:]
    while bool(_run(node.attributes["condition"], [*values, *invariant], sizes)[0]):  # type: ignore[arg-type]
        values = _run(node.attributes["body"], [*values, *invariant], sizes)  # type: ignore[arg-type]
    return values


def _check(node: Node, arguments: list[Any], attributes: Any, sizes: Any) -> Sequence[Any]:
    if not bool(arguments[0]):
        raise getattr(errors, node.attributes["error"])(None, None, node.attributes["message"])
    return ()


def _call(node: Node, arguments: list[Any], attributes: Any, sizes: Any) -> Sequence[Any]:
    return _run(node.attributes["program"], arguments, sizes)


_SPECIAL = {
    "read": _read,
    "write": _write,
    "is_set": lambda node, arguments, attributes, sizes: (np.asarray(arguments[0].value is not None),),
    "bind_sizes": _bind,
    "branch": _branch,
    "loop": _loop,
    "check": _check,
    "call": _call,
    "host_function": lambda node, arguments, attributes, sizes: node.attributes["function"](*arguments),
}
