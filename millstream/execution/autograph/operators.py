"""What converted code calls: plain Python where values are known, the engine's staging where a tensor decides.

Refuses what a graph cannot hold: variables that only one branch defines, or that differ in type.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from millstream.execution.autograph import checks
from millstream.execution.autograph.staging import engine, is_symbolic
from millstream.execution.autograph.undefined import Missing, Undefined, missing

GetState = Callable[[], tuple[Any, ...]]
SetState = Callable[[tuple[Any, ...]], None]

PLAIN = frozenset({bool, int, float, str, type(None)})
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "is": operator.is_,
    "is not": operator.is_not,
    "in": lambda item, container: item in container,
    "not in": lambda item, container: item not in container,
}


def nothing(*_: Any) -> None:
    """An empty block."""


def no_state() -> tuple[Any, ...]:
    """The state of a block that changes no variable."""
    return ()


def if_stmt(
    cond: Any,
    body: Callable[[], None],
    orelse: Callable[[], None],
    get_state: GetState,
    set_state: SetState,
    symbol_names: tuple[str, ...],
    nouts: int,
) -> None:
    """Run one of two blocks, or stage both. The first `nouts` variables are wanted afterwards."""
    if type(cond) in PLAIN or not is_symbolic(cond):
        if cond:
            body()
        else:
            orelse()
        return
    before = get_state()
    names = symbol_names[:nouts]
    first: list[Any] = []

    def branch(block: Callable[[], None]) -> list[Any]:
        set_state(before)
        block()
        values = list(get_state()[:nouts])
        if any(value is True and name.startswith("do_return") for name, value in zip(names, values)):
            # Nothing after a return reads a variable, so what this branch did not set is not missed.
            values = [missing if isinstance(value, Undefined) else value for value in values]
        return values

    shared: dict[int, Any] = {}

    # An engine may trace a branch more than once; what counts is the last time.
    def true_fn() -> list[Any]:
        first[:] = branch(body)
        return _tensors_only(first)

    def false_fn() -> list[Any]:
        values = branch(orelse)
        shared.clear()
        checks.match_branches(names, first, values, shared)
        return _tensors_only(values)

    # A value that is one and the same plain object on both sides, such as None or a flag, stays outside of the graph.
    # Which values these are is known when both are traced, so both return them all and the results put them back.
    staged = engine().cond(cond, true_fn, false_fn)
    final = [shared.get(index, value) for index, value in enumerate(staged)]
    set_state((*final, *before[nouts:]))


def _tensors_only(values: list[Any]) -> list[Any]:
    """Values as the engine takes them: a variable that is undefined, or cannot be a tensor, is None there."""
    return [value if isinstance(value, Missing) or checks.can_be_staged(value) else None for value in values]


def if_exp(cond: Any, body: Callable[[], Any], orelse: Callable[[], Any], text: str) -> Any:
    """The conditional expression."""
    if type(cond) in PLAIN or not is_symbolic(cond):
        return body() if cond else orelse()
    first: list[Any] = []
    shared: dict[int, Any] = {}

    def true_fn() -> list[Any]:
        first[:] = [body()]
        return _tensors_only(first)

    def false_fn() -> list[Any]:
        values = [orelse()]
        shared.clear()
        checks.match_branches((text,), first, values, shared)
        return _tensors_only(values)

    staged = engine().cond(cond, true_fn, false_fn)
    return shared.get(0, staged[0])


def and_(*parts: Callable[[], Any]) -> Any:
    """The `and` of values made one after the other, as far as needed."""
    value = parts[0]()
    if len(parts) == 1:
        return value
    if type(value) not in PLAIN and is_symbolic(value):
        return if_exp(value, lambda: and_(*parts[1:]), lambda: value, "and")
    return and_(*parts[1:]) if value else value


def or_(*parts: Callable[[], Any]) -> Any:
    """The `or` of values made one after the other, as far as needed."""
    value = parts[0]()
    if len(parts) == 1:
        return value
    if type(value) not in PLAIN and is_symbolic(value):
        return if_exp(value, lambda: value, lambda: or_(*parts[1:]), "or")
    return value if value else or_(*parts[1:])


def not_(value: Any) -> Any:
    """The `not` of a value."""
    if type(value) not in PLAIN and is_symbolic(value):
        return engine().logical_not(value)
    return not value


def eq(first: Any, second: Any) -> Any:
    """Equality (Feature.EQUALITY_OPERATORS)."""
    if is_symbolic(first) or is_symbolic(second):
        return engine().equal(first, second)
    return first == second


def not_eq(first: Any, second: Any) -> Any:
    """Inequality (Feature.EQUALITY_OPERATORS)."""
    if is_symbolic(first) or is_symbolic(second):
        return engine().logical_not(engine().equal(first, second))
    return first != second


def compare_chain(first: Any, *rest: Any) -> Any:
    """A chain such as `a < b < c`, each operand made once; given as `a, "<", lambda: b, "<", lambda: c`."""
    operands: list[Any] = [first] * (len(rest) // 2 + 1)

    def link(index: int) -> Callable[[], Any]:
        def compare() -> Any:
            operands[index + 1] = rest[2 * index + 1]()
            return _COMPARE[rest[2 * index]](operands[index], operands[index + 1])

        return compare

    return and_(*(link(index) for index in range(len(rest) // 2)))


def assert_stmt(condition: Any, message: Callable[[], Any] | None) -> None:
    """The assert statement."""
    if not __debug__:
        return
    if is_symbolic(condition):
        engine().assert_(condition, message)
    elif not condition:
        raise AssertionError(message()) if message is not None else AssertionError


def function_result(returned: Any, value: Any) -> Any:
    """The result of a function that returns from inside blocks; `returned` is its flag."""
    if is_symbolic(returned):
        raise ValueError(
            "the else branch must also have a return statement. A function that returns a value where a tensor decides "
            "must return one on every path; add a return at its end."
        )
    if not returned or isinstance(value, Missing):
        return None
    return value


def delete(value: Any, name: str) -> Undefined:
    """What a variable holds after `del`."""
    if isinstance(value, Undefined):
        value.read()
    return Undefined(name)


def list_append(target: Any, value: Any) -> Any:
    """Append to a list, or write at the end of a TensorArray (Feature.LISTS); returns what the variable then holds."""
    if not hasattr(target, "append") and hasattr(target, "write") and hasattr(target, "size"):
        return target.write(target.size(), value)
    target.append(value)
    return target


def keywords(**words: Any) -> dict[str, Any]:
    """The keyword arguments of a call; a repeated one raises as it does in a call."""
    return words
