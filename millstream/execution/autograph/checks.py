"""Checks on variables that pass through staged branches and loops. Each error names the variable and what to change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from millstream.execution.autograph.staging import engine
from millstream.execution.autograph.undefined import Missing, Undefined


def can_be_staged(value: Any) -> bool:
    """Whether a variable's value can live in a graph: each leaf is a tensor or would become one."""
    if value is None or isinstance(value, Undefined):
        return False
    staging = engine()
    return all(leaf is None or staging.describe(leaf) is not None for leaf in staging.flatten(value))


def match_branches(names: Sequence[str], first: Sequence[Any], second: Sequence[Any], shared: dict[int, Any]) -> None:
    """Compare what two branches leave behind; a plain object that both leave is noted in `shared` by its position."""
    for index, (name, body, orelse) in enumerate(zip(names, first, second)):
        if body is orelse and (isinstance(body, bool) or not can_be_staged(body)):
            shared[index] = body
            continue
        if isinstance(body, Undefined) and isinstance(orelse, Undefined):
            shared[index] = body
            continue
        _refuse_unusable(name, body, orelse)
        if isinstance(body, Missing) or isinstance(orelse, Missing):
            continue
        _match_structure(name, body, orelse)
        staging = engine()
        for one, other in zip(staging.flatten(body), staging.flatten(orelse)):
            left, right = staging.describe(one), staging.describe(other)
            if left is not None and right is not None and left.dtype != right.dtype:
                raise TypeError(
                    f"'{name}' has dtype {_dtype(left)} in the main branch, but dtype {_dtype(right)} in the else branch"
                )


def _refuse_unusable(name: str, body: Any, orelse: Any) -> None:
    for value, branch in ((body, "main"), (orelse, "else")):
        if isinstance(value, Missing):
            continue
        if isinstance(value, Undefined):
            raise ValueError(f"'{name}' must also be initialized in the {branch} branch")
    for value, branch in ((body, "main"), (orelse, "else")):
        if value is None:
            raise ValueError(f"'{name}' is None at the end of the {branch} branch.")
    for value, branch in ((body, "main"), (orelse, "else")):
        if not isinstance(value, Missing) and not can_be_staged(value):
            raise TypeError(
                f"'{name}' is of type {type(value).__name__} at the end of the {branch} branch. A variable that a tensor "
                "decides must hold a tensor, a number, or a structure of them; or the same object in both branches."
            )


def _match_structure(name: str, body: Any, orelse: Any) -> None:
    try:
        engine().assert_same_structure(body, orelse)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"'{name}' must have the same nested structure in the main and else branches:\n\n{error}"
        ) from None


def refuse_in_loop(name: str, before: Any, after: Any) -> NoReturn:
    """Raise for a variable that a staged loop changes though a graph cannot hold it."""
    if isinstance(after, Undefined):
        raise ValueError(f"'{name}' must be defined before the loop.")
    if before is None:
        if after is None or can_be_staged(after):
            raise ValueError(f"'{name}' is not allowed to be None before the loop")
        before = after
    kind = type(after if can_be_staged(before) else before).__name__
    raise TypeError(
        f"'{name}' is of type {kind} and changes in a loop that a tensor controls. Such a variable must hold a tensor, a "
        "number, or a structure of them."
    )


def match_iterations(
    names: Sequence[str], before: Sequence[Any], after: Sequence[Any], invariants: Sequence[Any] | None
) -> None:
    """Compare the variables of a staged loop before and after one iteration."""
    staging = engine()
    for index, (name, start, end) in enumerate(zip(names, before, after)):
        if isinstance(end, Undefined):
            raise ValueError(f"'{name}' must be defined after one iteration of the loop; it was deleted there.")
        if end is None:
            raise ValueError(f"'{name}' is not allowed to be None after one iteration of the loop.")
        try:
            staging.assert_same_structure(start, end)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"'{name}' does not have the same nested structure after one iteration.\n\n{error}"
            ) from None
        for one, other in zip(staging.flatten(start), staging.flatten(end)):
            left, right = staging.describe(one), staging.describe(other)
            if left is None:
                continue
            if right is None:
                refuse_in_loop(name, one, other)
            if left.dtype != right.dtype:
                raise TypeError(
                    f"'{name}' has dtype {_dtype(left)} before the loop, but dtype {_dtype(right)} after one iteration"
                )
            if (invariants is None or invariants[index] is None) and not _may_hold(left.shape, right.shape):
                raise ValueError(
                    f"'{name}' has shape {_shape(left.shape)} before the loop, but shape {_shape(right.shape)} after one "
                    "iteration. Use tf.autograph.experimental.set_loop_options to set shape invariants."
                )


def _may_hold(declared: Sequence[Any] | None, given: Sequence[Any] | None) -> bool:
    """Whether a loop variable of one shape can take a value of another; sizes only known at run time are let through."""
    if declared is None:
        return True
    if given is None or len(declared) != len(given):
        return False
    return all(have == want for have, want in zip(given, declared) if isinstance(have, int) and isinstance(want, int))


def _dtype(described: Any) -> str:
    return str(getattr(described.dtype, "name", described.dtype))


def _shape(shape: Sequence[Any] | None) -> str:
    if shape is None:
        return "<unknown>"
    return str(tuple(size if isinstance(size, int) else None for size in shape))
