"""Turns `break`, `continue` and `return` into flags and guards, so that blocks run straight through.

Where all paths of a branch jump away, the statements after it move into the other branch, which keeps most staged
branches alike. Refuses jumps out of `finally`, which would have to swallow an exception.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from millstream.execution.autograph.trees import (
    ConversionError,
    Place,
    assign,
    call,
    constant,
    load,
    operator,
    place_of,
)

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Which flags a block may have set, and whether it always jumps away."""

    flags: frozenset[str] = _NONE
    always: bool = False


@dataclass(frozen=True, slots=True)
class _LoopFlags:
    broken: str
    skipped: str


class JumpLowering:
    """Lowers the jumps of one function; functions inside it are left for their own turn."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.generated: set[str] = set()
        self.return_flag = ""
        self.return_value = ""
        self.first_return: Place | None = None
        self._always: dict[int, bool] = {}

    def fresh(self, base: str) -> str:
        """Return a name that the user's function does not use."""
        name, number = base, 0
        while name in self.taken:
            number += 1
            name = f"{base}{number}" if base.endswith("_") else f"{base}_{number}"
        self.taken.add(name)
        self.generated.add(name)
        return name

    def lower(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Return the body without jumps; a single `return` at the very end stays."""
        returns = list(_returns_in(body))
        if not returns or (len(returns) == 1 and returns[0] is body[-1]):
            return self._block(body, None)[0]
        self.return_flag = self.fresh("do_return")
        gives_value = any(not _is_none(node.value) for node in returns)
        self.return_value = self.fresh("retval_") if gives_value else ""
        inner, outcome = self._block(body, None)
        at = place_of(body[0])
        before: list[ast.stmt] = [assign(self.return_flag, constant(False, at), at)]
        if _is_docstring(body[0]):
            before = [inner.pop(0), *before]
        if not gives_value:
            return [*before, *inner]
        before.append(assign(self.return_value, operator("missing", at), at))
        at = self.first_return or place_of(returns[0])
        flag = constant(True, at) if outcome.always else load(self.return_flag, at)
        result = call("function_result", [flag, load(self.return_value, at)], at)
        return [*before, *inner, ast.Return(result, **at)]

    def _block(self, body: list[ast.stmt], loop: _LoopFlags | None) -> tuple[list[ast.stmt], _Outcome]:
        done: list[ast.stmt] = []
        flags = _NONE
        for index, node in enumerate(body):
            rest = body[index + 1 :]
            moved = False
            if rest and isinstance(node, ast.If):
                in_body, in_orelse = self._always_jumps(node.body), self._always_jumps(node.orelse)
                if in_body and not in_orelse:
                    node, moved = ast.If(node.test, node.body, [*node.orelse, *rest], **place_of(node)), True
                elif in_orelse and not in_body:
                    node, moved = ast.If(node.test, [*node.body, *rest], node.orelse, **place_of(node)), True
            lowered, outcome = self._statement(node, loop)
            done += lowered
            flags |= outcome.flags
            if moved or (outcome.always and not isinstance(node, (ast.With, ast.Match))):
                return done, _Outcome(flags, outcome.always)
            if outcome.flags and rest:
                at = place_of(rest[0])
                inside, after = self._block(rest, loop)
                done.append(ast.If(_none_of(sorted(outcome.flags), at), inside, [], **at))
                return done, _Outcome(flags | after.flags, outcome.always or after.always)
            if outcome.always:
                return done, _Outcome(flags, True)
        return done, _Outcome(flags)

    def _statement(self, node: ast.stmt, loop: _LoopFlags | None) -> tuple[list[ast.stmt], _Outcome]:
        match node:
            case ast.Return():
                return self._return(node)
            case ast.Break() | ast.Continue():
                assert loop is not None
                at = place_of(node)
                flag = loop.broken if isinstance(node, ast.Break) else loop.skipped
                return [assign(flag, constant(True, at), at)], _Outcome(frozenset((flag,)), True)
            case ast.If():
                body, first = self._block(node.body, loop)
                orelse, second = self._block(node.orelse, loop)
                outcome = _Outcome(first.flags | second.flags, first.always and second.always)
                lowered_if = ast.If(node.test, body, orelse, **place_of(node))
                if self.return_flag in outcome.flags and self.first_return is None:
                    self.first_return = place_of(node)
                return [lowered_if], outcome
            case ast.While() | ast.For():
                return self._loop(node, loop)
            case ast.With():
                body, outcome = self._block(node.body, loop)
                return [ast.With(node.items, body, node.type_comment, **place_of(node))], outcome
            case ast.Try() | ast.TryStar():
                return self._try(node, loop)
            case ast.Match():
                return self._match(node, loop)
            case _:
                return [node], _Outcome()

    def _return(self, node: ast.Return) -> tuple[list[ast.stmt], _Outcome]:
        if not self.return_flag:
            return [node], _Outcome(_NONE, True)
        at = place_of(node)
        done: list[ast.stmt] = []
        if self.return_value:
            done.append(assign(self.return_value, node.value or constant(None, at), at))
        done.append(assign(self.return_flag, constant(True, at), at))
        return done, _Outcome(frozenset((self.return_flag,)), True)

    def _loop(self, node: ast.While | ast.For, outer: _LoopFlags | None) -> tuple[list[ast.stmt], _Outcome]:
        at = place_of(node)
        if isinstance(node, ast.While) and any(isinstance(part, ast.NamedExpr) for part in ast.walk(node.test)):
            # The test sets variables that the body reads, so it becomes a part of the body.
            if node.orelse:
                raise ConversionError("else after a while whose test uses := is not supported; test a flag instead")
            leave = ast.If(ast.UnaryOp(ast.Not(), node.test, **at), [ast.Break(**at)], [], **at)
            node = ast.While(constant(True, at), [leave, *node.body], [], **at)
        flags = _LoopFlags(self.fresh("break_"), self.fresh("continue_"))
        body, inside = self._block(node.body, flags)
        leaving = sorted(inside.flags - {flags.skipped})
        before: list[ast.stmt] = []
        if flags.skipped in inside.flags:
            body.insert(0, assign(flags.skipped, constant(False, at), at))
        if flags.broken in inside.flags:
            before.append(assign(flags.broken, constant(False, at), at))
        lowered: ast.While | ast.For
        if isinstance(node, ast.While):
            lowered = ast.While(node.test, body, [], **at)
        else:
            lowered = ast.For(node.target, node.iter, body, [], node.type_comment, **at)
        lowered.jump_flags = leaving  # type: ignore[union-attr]
        after: list[ast.stmt] = []
        outcome = _Outcome(inside.flags - {flags.broken, flags.skipped})
        if node.orelse:
            after, last = self._block(node.orelse, outer)
            if leaving:
                place = place_of(node.orelse[0])
                after = [ast.If(_none_of(leaving, place), after, [], **place)]
                last = _Outcome(last.flags)
            outcome = _Outcome(outcome.flags | last.flags, last.always)
        elif isinstance(node, ast.While) and _is_true(node.test) and flags.broken not in inside.flags:
            outcome = _Outcome(outcome.flags, True)
        return [*before, lowered, *after], outcome

    def _try(self, node: ast.Try | ast.TryStar, loop: _LoopFlags | None) -> tuple[list[ast.stmt], _Outcome]:
        body, inside = self._block(node.body, loop)
        flags, always = inside.flags, inside.always
        handlers = []
        caught_always = True
        for handler in node.handlers:
            lowered, outcome = self._block(handler.body, loop)
            place = place_of(handler)
            # The jump did not happen after all: an error came while it was on its way.
            undone = [assign(flag, constant(False, place), place) for flag in sorted(inside.flags)]
            handlers.append(ast.ExceptHandler(handler.type, handler.name, [*undone, *lowered], **place))
            flags |= outcome.flags
            caught_always = caught_always and outcome.always
        orelse, last = self._block(node.orelse, loop)
        flags |= last.flags
        if orelse and inside.flags:
            place = place_of(node.orelse[0])
            orelse = [ast.If(_none_of(sorted(inside.flags), place), orelse, [], **place)]
        finalbody, final = self._block(node.finalbody, loop)
        if final.flags:
            raise ConversionError(
                "break, continue and return inside finally are not supported; move them after the try"
            )
        kind = type(node)
        made = kind(body, handlers, orelse, finalbody, **place_of(node))
        return [made], _Outcome(flags, (always or last.always) and caught_always)

    def _match(self, node: ast.Match, loop: _LoopFlags | None) -> tuple[list[ast.stmt], _Outcome]:
        cases, flags, always = [], _NONE, True
        for case in node.cases:
            body, outcome = self._block(case.body, loop)
            cases.append(ast.match_case(case.pattern, case.guard, body))
            flags |= outcome.flags
            always = always and outcome.always
        last = node.cases[-1]
        catches_all = last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
        return [ast.Match(node.subject, cases, **place_of(node))], _Outcome(flags, always and catches_all)

    def _always_jumps(self, body: list[ast.stmt]) -> bool:
        return any(self._jumps(node) for node in body)

    def _jumps(self, node: ast.stmt) -> bool:
        """Whether control surely leaves here. A `with` never counts: it may swallow what its body raises."""
        key = id(node)
        found = self._always.get(key)
        if found is None:
            match node:
                case ast.Return() | ast.Break() | ast.Continue():
                    found = True
                case ast.If():
                    found = self._always_jumps(node.body) and self._always_jumps(node.orelse)
                case ast.Try() if node.handlers:
                    found = self._always_jumps([*node.body, *node.orelse])
                    found = found and all(self._always_jumps(handler.body) for handler in node.handlers)
                case _:
                    found = False
            self._always[key] = found
        return found


def _returns_in(body: list[ast.stmt]) -> list[ast.Return]:
    found: list[ast.Return] = []
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return):
            found.append(node)
        elif isinstance(
            node, (ast.If, ast.While, ast.For, ast.With, ast.Try, ast.TryStar, ast.ExceptHandler, ast.Match)
        ):
            waiting.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr))
        elif isinstance(node, ast.match_case):
            waiting.extend(node.body)
    return found


def _none_of(flags: list[str], at: Place) -> ast.expr:
    any_set: ast.expr = load(flags[0], at)
    if len(flags) > 1:
        any_set = ast.BoolOp(ast.Or(), [load(flag, at) for flag in flags], **at)
    return ast.UnaryOp(ast.Not(), any_set, **at)


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
