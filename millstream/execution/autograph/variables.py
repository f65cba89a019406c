"""What each statement reads and writes, and which variables are still wanted after it. Changes no tree.

It reads trees whose jumps are gone (`jumps.py`), so that going backwards through the blocks is the whole analysis.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Names = frozenset[str]
NOTHING: Names = frozenset()
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Loop = ast.For | ast.While
# The attribute under which a node keeps what it does.
_KEPT = "_facts"


@dataclass(slots=True)
class Facts:
    """What a piece of code does with the variables of the function it stands in."""

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    # Written only perhaps: by `:=` in a part of an expression that may be skipped, by an exception handler.
    may_write: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)
    # Attributes and items written, by their text: `self.x`, `d['k']`.
    composites: dict[str, ast.Attribute | ast.Subscript] = field(default_factory=dict)
    declared_global: set[str] = field(default_factory=set)
    declared_nonlocal: set[str] = field(default_factory=set)
    # What functions defined inside read, under the name they are bound to, and what they write by `nonlocal`.
    captures: dict[str, set[str]] = field(default_factory=dict)
    inner_writes: dict[str, set[str]] = field(default_factory=dict)
    # Read by a function that is kept in some other way than under one name.
    escaping: set[str] = field(default_factory=set)
    # Names read in another way than by being called or handed to a call.
    kept: set[str] = field(default_factory=set)

    def include(self, other: Facts) -> None:
        """Add what another piece of code does."""
        for name in (
            "reads",
            "writes",
            "may_write",
            "deletes",
            "declared_global",
            "declared_nonlocal",
            "escaping",
            "kept",
        ):
            added = getattr(other, name)
            if added:
                getattr(self, name).update(added)
        if other.composites:
            self.composites.update(other.composites)
        for name, reads in other.captures.items():
            self.captures.setdefault(name, set()).update(reads)
        for name, writes in other.inner_writes.items():
            self.inner_writes.setdefault(name, set()).update(writes)

    def modified(self) -> set[str]:
        """Every variable that may have another value afterwards."""
        changed = self.writes | self.may_write | self.deletes
        for name, written in self.inner_writes.items():
            if name in self.reads or name == "":
                changed |= written
        return changed


def facts_of(*nodes: ast.AST) -> Facts:
    """Return what the code under the nodes does. It is kept with each node, so rewriting a node later changes nothing."""
    if len(nodes) == 1:
        return _facts(nodes[0])
    merged = Facts()
    for node in nodes:
        merged.include(_facts(node))
    return merged


def _facts(node: ast.AST) -> Facts:
    found: Facts | None = node.__dict__.get(_KEPT)
    if found is None:
        found = Facts()
        _collect(node, found, False)
        setattr(node, _KEPT, found)
    return found


def _collect(node: ast.AST, facts: Facts, called: bool) -> None:
    kind = type(node)
    if kind is ast.Name:
        assert isinstance(node, ast.Name)
        context = type(node.ctx)
        if context is ast.Load:
            facts.reads.add(node.id)
            if not called:
                facts.kept.add(node.id)
        elif context is ast.Store:
            facts.writes.add(node.id)
        else:
            facts.deletes.add(node.id)
        return
    if kind is ast.Attribute and type(node.ctx) is ast.Load:  # type: ignore[attr-defined]
        _collect(node.value, facts, called)  # type: ignore[attr-defined]
        return
    handler = _COLLECTORS.get(kind)
    if handler is not None:
        handler(node, facts)
    elif kind not in _LEAVES:
        _collect_children(node, facts)


def _collect_children(node: ast.AST, facts: Facts) -> None:
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            for part in value:
                if isinstance(part, ast.stmt):
                    facts.include(_facts(part))
                elif isinstance(part, ast.AST):
                    _collect(part, facts, False)
        elif isinstance(value, ast.AST):
            _collect(value, facts, False)


def _collect_call(node: ast.Call, facts: Facts) -> None:
    _collect(node.func, facts, True)
    for argument in node.args:
        _collect_argument(argument, facts)
    for keyword in node.keywords:
        _collect_argument(keyword.value, facts)


def _collect_target(node: ast.Attribute | ast.Subscript, facts: Facts) -> None:
    if type(node.ctx) is not ast.Load and composite_supports(node) is not None:
        facts.composites[ast.unparse(node)] = node
    _collect_children(node, facts)


def _collect_augmented(node: ast.AugAssign, facts: Facts) -> None:
    if isinstance(node.target, ast.Name):
        facts.reads.add(node.target.id)
    _collect_children(node, facts)


def _collect_assign(node: ast.Assign, facts: Facts) -> None:
    target = node.targets[0]
    if isinstance(node.value, ast.Lambda) and len(node.targets) == 1 and isinstance(target, ast.Name):
        _collect_function(node.value, facts, target.id, False)
    else:
        _collect_children(node, facts)


def _collect_annotated(node: ast.AnnAssign, facts: Facts) -> None:
    if node.value is not None:
        _collect_children(node, facts)


def _collect_walrus(node: ast.NamedExpr, facts: Facts) -> None:
    facts.may_write.add(node.target.id)
    _collect(node.value, facts, False)


def _collect_definition(node: FunctionNode, facts: Facts) -> None:
    _collect_function(node, facts, getattr(node, "name", ""), False)


def _collect_import(node: ast.Import | ast.ImportFrom, facts: Facts) -> None:
    facts.writes.update((alias.asname or alias.name.partition(".")[0]) for alias in node.names)


def _collect_captured_name(node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar, facts: Facts) -> None:
    if node.name:
        facts.may_write.add(node.name)
    _collect_children(node, facts)


def _collect_mapping_pattern(node: ast.MatchMapping, facts: Facts) -> None:
    if node.rest:
        facts.may_write.add(node.rest)
    _collect_children(node, facts)


def _collect_loop(node: Loop, facts: Facts) -> None:
    facts.reads.update(guards_of(node))
    _collect_children(node, facts)


def _collect_argument(argument: ast.expr, facts: Facts) -> None:
    """A name handed to a call, or a lambda written there, is taken to be used by that call and not kept."""
    if isinstance(argument, ast.Starred):
        argument = argument.value
    if isinstance(argument, ast.Lambda):
        _collect_function(argument, facts, "", True)
    else:
        _collect(argument, facts, isinstance(argument, ast.Name))


def composite_supports(node: ast.expr) -> set[str] | None:
    """The variables that name an attribute or item (`a.b[i].c`: a and i), or None where it is not so simple."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Attribute):
        return composite_supports(node.value)
    if isinstance(node, ast.Subscript):
        base = composite_supports(node.value)
        key = node.slice
        if isinstance(key, ast.UnaryOp) and isinstance(key.op, ast.USub):
            key = key.operand
        if base is None or isinstance(key, ast.Slice):
            return None
        if isinstance(key, ast.Constant):
            return base
        if isinstance(key, ast.Name):
            return base | {key.id}
    return None


def _collect_function(node: FunctionNode, facts: Facts, name: str, transient: bool) -> None:
    inner = inner_facts(node)
    if not isinstance(node, ast.Lambda):
        for decorator in node.decorator_list:
            _collect(decorator, facts, True)
        for returned in [node.returns] if node.returns is not None else []:
            _collect(returned, facts, False)
        if node.decorator_list:
            facts.escaping |= inner.reads
    for default in (*node.args.defaults, *node.args.kw_defaults):
        if default is not None:
            _collect(default, facts, False)
    if name:
        facts.writes.add(name)
        facts.captures.setdefault(name, set()).update(inner.reads)
        facts.inner_writes.setdefault(name, set()).update(inner.writes)
        return
    facts.reads |= inner.reads
    facts.inner_writes.setdefault("", set()).update(inner.writes)
    if not transient:
        facts.escaping |= inner.reads


def inner_facts(node: FunctionNode) -> Facts:
    """What a function defined inside another reads and writes of the outer one's variables."""
    inside = facts_of(*(node.body if isinstance(node.body, list) else [node.body]))
    bound = parameters_of(node.args) | (inside.modified() - inside.declared_nonlocal - inside.declared_global)
    bound |= inside.declared_global
    reads = inside.reads | inside.declared_nonlocal
    for captured in inside.captures.values():
        reads |= captured
    writes = inside.declared_nonlocal & inside.modified()
    for written in inside.inner_writes.values():
        writes |= written - bound
    return Facts(reads=(reads | inside.escaping) - bound, writes=writes)


def parameters_of(arguments: ast.arguments) -> set[str]:
    """The names of a function's parameters."""
    names = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    names.update(a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None)
    return names


def _collect_class(node: ast.ClassDef, facts: Facts) -> None:
    for outside in (*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)):
        _collect(outside, facts, False)
    inside = facts_of(*node.body)
    reads = set(inside.reads)
    for captured in inside.captures.values():
        reads |= captured
    reads |= inside.escaping
    facts.reads |= reads
    facts.escaping |= reads
    facts.writes.add(node.name)


def _collect_comprehension(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, facts: Facts) -> None:
    _collect(node.generators[0].iter, facts, False)
    inside = Facts()
    for index, generator in enumerate(node.generators):
        _collect(generator.target, inside, False)
        if index:
            _collect(generator.iter, inside, False)
        for condition in generator.ifs:
            _collect(condition, inside, False)
    for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
        _collect(part, inside, False)
    bound = inside.writes
    facts.reads |= inside.reads - bound
    facts.kept |= inside.kept - bound
    facts.escaping |= inside.escaping - bound
    facts.may_write |= inside.may_write
    for name, written in inside.inner_writes.items():
        facts.inner_writes.setdefault(name, set()).update(written)


def guards_of(node: ast.AST) -> list[str]:
    """The jump flags that end a loop, set by `jumps.py`."""
    guards: list[str] = getattr(node, "jump_flags", [])
    return guards


_LEAVES = frozenset({ast.Constant, ast.Pass, ast.Break, ast.Continue, ast.Load, ast.Store, ast.Del})
_COLLECTORS: dict[type, Callable[[Any, Facts], None]] = {
    ast.Call: _collect_call,
    ast.Attribute: _collect_target,
    ast.Subscript: _collect_target,
    ast.AugAssign: _collect_augmented,
    ast.Assign: _collect_assign,
    ast.AnnAssign: _collect_annotated,
    ast.NamedExpr: _collect_walrus,
    ast.FunctionDef: _collect_definition,
    ast.AsyncFunctionDef: _collect_definition,
    ast.Lambda: _collect_definition,
    ast.ClassDef: _collect_class,
    ast.ListComp: _collect_comprehension,
    ast.SetComp: _collect_comprehension,
    ast.DictComp: _collect_comprehension,
    ast.GeneratorExp: _collect_comprehension,
    ast.Global: lambda node, facts: facts.declared_global.update(node.names),
    ast.Nonlocal: lambda node, facts: facts.declared_nonlocal.update(node.names),
    ast.Import: _collect_import,
    ast.ImportFrom: _collect_import,
    ast.ExceptHandler: _collect_captured_name,
    ast.MatchAs: _collect_captured_name,
    ast.MatchStar: _collect_captured_name,
    ast.MatchMapping: _collect_mapping_pattern,
    ast.While: _collect_loop,
    ast.For: _collect_loop,
}


@dataclass(slots=True)
class Liveness:
    """For each `if`, `while` and `for`: what is wanted after it, and at the head of its branches or iterations."""

    after: dict[int, Names] = field(default_factory=dict)
    head: dict[int, Names] = field(default_factory=dict)


class _Backwards:
    def __init__(self, whole: Facts, live_at_exit: Names) -> None:
        self.result = Liveness()
        self.captures = {name: frozenset(reads) for name, reads in whole.captures.items() if reads}
        always = set(whole.escaping)
        for name in list(self.captures):
            if name in whole.kept:
                always |= self.captures.pop(name)
        self.always = frozenset(always)
        self.exit = live_at_exit | self.always

    def widen(self, live: Names) -> Names:
        live |= self.always
        if self.captures:
            before = None
            while before != live:
                before = live
                for name, reads in self.captures.items():
                    if name in live:
                        live |= reads
        return live

    def block(self, statements: list[ast.stmt], live: Names, on_error: Names) -> Names:
        for statement in reversed(statements):
            live = self.widen(self.statement(statement, live, on_error) | on_error)
        return live

    def reads(self, node: ast.AST) -> Names:
        return frozenset(facts_of(node).reads)

    def statement(self, node: ast.stmt, live: Names, on_error: Names) -> Names:
        match node:
            case ast.If():
                self.result.after[id(node)] = live
                head = self.block(node.body, live, on_error) | self.block(node.orelse, live, on_error)
                self.result.head[id(node)] = head
                return head | self.reads(node.test)
            case ast.While():
                self.result.after[id(node)] = live
                head = live | self.reads(node.test) | frozenset(guards_of(node)) | on_error
                while True:
                    again = head | self.block(node.body, self.widen(head), on_error)
                    if again == head:
                        break
                    head = again
                self.result.head[id(node)] = head
                return head
            case ast.For():
                self.result.after[id(node)] = live
                target = facts_of(node.target)
                head = live | frozenset(guards_of(node)) | on_error
                while True:
                    body = self.block(node.body, self.widen(head), on_error)
                    again = head | ((body - target.writes) | target.reads)
                    if again == head:
                        break
                    head = again
                self.result.head[id(node)] = head
                return head | self.reads(node.iter)
            case ast.With():
                live = self.block(node.body, live, on_error)
                for item in reversed(node.items):
                    done = facts_of(item)
                    live = (live - done.writes) | done.reads
                return live
            case ast.Try() | ast.TryStar():
                live = self.block(node.finalbody, live, on_error)
                # An error inside goes on to the handlers, or through `finally` to whoever waits outside.
                outside = self.block(node.finalbody, on_error, on_error) | live if node.finalbody else on_error
                handlers: Names = NOTHING
                for handler in node.handlers:
                    caught = self.block(handler.body, live, outside)
                    caught -= {handler.name} if handler.name else NOTHING
                    handlers |= caught | (self.reads(handler.type) if handler.type else NOTHING)
                orelse = self.block(node.orelse, live, outside)
                return self.block(node.body, orelse, handlers | outside) | handlers
            case ast.Match():
                before = live
                for case in node.cases:
                    inside = self.block(case.body, live, on_error)
                    inside |= self.reads(case.guard) if case.guard else NOTHING
                    before |= inside | self.reads(case.pattern)
                return before | self.reads(node.subject)
            case ast.Return():
                return self.reads(node) | self.exit
            case ast.Raise():
                return self.reads(node) | on_error
            case _:
                done = facts_of(node)
                return (live - done.writes - done.deletes) | done.reads


def find_liveness(body: list[ast.stmt], whole: Facts, live_at_exit: Names) -> Liveness:
    """Return which variables are wanted after each statement of a function that can be staged."""
    analysis = _Backwards(whole, live_at_exit)
    analysis.block(body, analysis.exit, NOTHING)
    return analysis.result
