"""Rewrites a function's tree: branches and loops become calls of operators that can stage them. Runs nothing.

Blocks become functions inside the user's own function; the variables they change stay its variables, by `nonlocal`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from millstream.execution.autograph import expressions, trees, variables
from millstream.execution.autograph.jumps import JumpLowering
from millstream.execution.autograph.options import Feature, Options
from millstream.execution.autograph.trees import LOAD, STORE, Place, call, constant, load, place_of

# Names that only generated code uses; the conversion renames their code objects after the user's function.
PREFIX = "ag__"
_BLOCKS = (ast.If, ast.While, ast.For)


def is_generator(node: variables.FunctionNode) -> bool:
    """Whether a function yields or awaits: such a function is left as it is."""
    waiting: list[ast.AST] = list(node.body) if isinstance(node.body, list) else [node.body]
    while waiting:
        part = waiting.pop()
        if isinstance(part, (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)):
            return True
        if not isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(part))
    return False


def rewrite(node: ast.FunctionDef | ast.Lambda, options: Options, taken: set[str]) -> None:
    """Rewrite a definition in place. `taken` are the names used in it, which generated flags must not have."""
    _Rewriter(node, options, frozenset(), taken).rewrite()


class _Rewriter:
    """The rewriting of one function; each function inside it has its own."""

    def __init__(
        self, node: ast.FunctionDef | ast.Lambda, options: Options, undefined: frozenset[str], taken: set[str]
    ) -> None:
        self.node = node
        self.taken = taken
        self.options = options
        self.undefined = set(undefined)
        first = [*node.args.posonlyargs, *node.args.args]
        parameter = first[0].arg if first else ""
        self.expressions = expressions.ExpressionRewriter(self.undefined, options, parameter, self.inner_function)

    def inner_function(self, node: ast.FunctionDef | ast.Lambda) -> None:
        """Rewrite a function defined inside this one."""
        if not is_generator(node):
            _Rewriter(node, self.options, frozenset(self.undefined), self.taken).rewrite()

    def rewrite(self) -> None:
        node = self.node
        if isinstance(node, ast.Lambda):
            node.body = self.expressions.visit(node.body)
            return
        body = node.body
        if self.options.uses(Feature.LISTS):
            body = [_as_list_append(part) for part in body]
        parameters = variables.parameters_of(node.args)
        lowering = JumpLowering(self.taken)
        body = lowering.lower(body)
        self.generated = frozenset(lowering.generated)
        whole = variables.facts_of(*body)
        self.declared_global = whole.declared_global
        declared = self.declared_global | whole.declared_nonlocal
        self.may_be_unbound = whole.may_write | declared
        self.inner_writes = whole.inner_writes
        self.liveness = variables.find_liveness(body, whole, frozenset(declared))
        late = _assigned_late(body, set(parameters), set()) - declared
        if any(isinstance(part, _BLOCKS) for statement in body for part in ast.walk(statement)):
            late |= whole.deletes - declared
            self.deletes_to_undefined = True
        else:
            self.deletes_to_undefined = False
        self.undefined |= late - self.generated
        at = place_of(body[0])
        before: list[ast.stmt] = []
        rewritten = self.block(body)
        if ast.get_docstring(node, clean=False) is not None:
            before.append(rewritten.pop(0))
        before += self.declarations(declared, at)
        before += [
            trees.assign(name, call("Undefined", [constant(name, at)], at), at) for name in sorted(late - parameters)
        ]
        node.body = [*before, *rewritten] or [ast.Pass(**at)]

    def declarations(self, names: Iterable[str], at: Place) -> list[ast.stmt]:
        """The `global` and `nonlocal` statements that a generated block needs for the names it writes."""
        chosen = set(names)
        outer = sorted(chosen & self.declared_global)
        own = sorted(chosen - self.declared_global)
        found: list[ast.stmt] = []
        if outer:
            found.append(ast.Global(outer, **at))
        if own:
            found.append(ast.Nonlocal(own, **at))
        return found

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for node in body:
            done += self.statement(node)
        return done

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        visit = self.expressions.visit
        match node:
            case ast.If():
                return self.branch(node)
            case ast.While():
                return self.while_loop(node)
            case ast.For():
                return self.for_loop(node)
            case ast.FunctionDef():
                node.args.defaults = [visit(default) for default in node.args.defaults]
                if not _is_kept_out(node):
                    self.inner_function(node)
                return [node]
            case ast.AsyncFunctionDef() | ast.ClassDef() | ast.Import() | ast.ImportFrom():
                return [node]
            case ast.Global() | ast.Nonlocal():
                return [ast.Pass(**place_of(node))]
            case ast.AnnAssign():
                at = place_of(node)
                if node.value is None:
                    return [ast.Pass(**at)]
                return [ast.Assign([visit(node.target)], visit(node.value), **at)]
            case ast.AugAssign():
                at = place_of(node)
                before: list[ast.stmt] = []
                if isinstance(node.target, ast.Name) and node.target.id in self.undefined:
                    name = node.target.id
                    before = [trees.assign(name, call("ld", [load(name, at)], at), at)]
                self.expressions.visit_children(node)
                return [*before, node]
            case ast.Assert():
                at = place_of(node)
                message = trees.thunk(visit(node.msg), at) if node.msg is not None else constant(None, at)
                return [trees.statement(call("assert_stmt", [visit(node.test), message], at), at)]
            case ast.Delete():
                return self.delete(node)
            case ast.With():
                for item in node.items:
                    item.context_expr = visit(item.context_expr)
                    if item.optional_vars is not None:
                        item.optional_vars = visit(item.optional_vars)
                node.body = self.block(node.body)
                return [node]
            case ast.Try() | ast.TryStar():
                node.body = self.block(node.body)
                for handler in node.handlers:
                    handler.body = self.block(handler.body)
                node.orelse = self.block(node.orelse)
                node.finalbody = self.block(node.finalbody)
                return [node]
            case ast.Match():
                node.subject = visit(node.subject)
                for case in node.cases:
                    if case.guard is not None:
                        case.guard = visit(case.guard)
                    case.body = self.block(case.body)
                return [node]
            case _:
                self.expressions.visit_children(node)
                return [node]

    def delete(self, node: ast.Delete) -> list[ast.stmt]:
        at = place_of(node)
        done: list[ast.stmt] = []
        for target in node.targets:
            if isinstance(target, ast.Name) and self.deletes_to_undefined and target.id in self.undefined:
                name = target.id
                done.append(trees.assign(name, call("delete", [load(name, at), constant(name, at)], at), at))
            else:
                done.append(ast.Delete([self.expressions.visit(target)], **at))
        return done

    def branch(self, node: ast.If) -> list[ast.stmt]:
        at = place_of(node)
        body, orelse = variables.facts_of(*node.body), variables.facts_of(*node.orelse)
        modified = self.modified(body) | self.modified(orelse)
        after = self.liveness.after[id(node)]
        results = sorted(modified & after)
        kept = sorted((modified & self.liveness.head[id(node)]) - after)
        composites = _stable({**body.composites, **orelse.composites}, modified)
        test = self.expressions.visit(node.test)
        names = [*results, *composites, *kept]
        done = self.state(results, composites, kept, at)
        done.append(self.part("if_body", [], [], node.body, body, at))
        other: ast.expr = trees.operator("nothing", at)
        if node.orelse:
            done.append(self.part("else_body", [], [], node.orelse, orelse, at))
            other = load(PREFIX + "else_body", at)
        arguments = [test, load(PREFIX + "if_body", at), other, *self.state_arguments(names, at)]
        arguments.append(constant(len(results) + len(composites), at))
        done.append(trees.statement(call("if_stmt", arguments, at), at))
        return done

    def while_loop(self, node: ast.While) -> list[ast.stmt]:
        at = place_of(node)
        body = variables.facts_of(*node.body)
        options = self.take_options(node.body, at)
        modified = self.modified(body)
        names = sorted(modified & self.liveness.head[id(node)])
        composites = _stable(body.composites, modified)
        done = self.state(names, composites, [], at)
        done.append(self.test(node, at))
        done.append(self.part("loop_body", [], [], node.body, body, at))
        arguments: list[ast.expr] = [load(PREFIX + "loop_test", at), load(PREFIX + "loop_body", at)]
        arguments += [*self.state_arguments([*names, *composites], at), options]
        done.append(trees.statement(call("while_stmt", arguments, at), at))
        return done

    def test(self, node: ast.While, at: Place) -> ast.stmt:
        flags = variables.guards_of(node)
        test = self.expressions.visit(node.test)
        if flags:
            unbroken = self.expressions.no_flag(flags, at)
            if isinstance(node.test, ast.Constant) and node.test.value:
                test = unbroken
            else:
                test = call("and_", [trees.thunk(unbroken, at), trees.thunk(test, at)], at)
        return trees.function(PREFIX + "loop_test", [], [ast.Return(test, **at)], at)

    def for_loop(self, node: ast.For) -> list[ast.stmt]:
        at = place_of(node)
        target_text = ast.unparse(node.target)
        body = variables.facts_of(node.target, *node.body)
        options = self.take_options(node.body, at)
        modified = self.modified(body)
        names = sorted(modified & self.liveness.head[id(node)])
        composites = _stable(body.composites, modified)
        iterated = self.expressions.visit(node.iter)
        done = self.state(names, composites, [], at)
        flags = variables.guards_of(node)
        extra: ast.expr = constant(None, at)
        if flags:
            unbroken = ast.Return(self.expressions.no_flag(flags, at), **at)
            done.append(trees.function(PREFIX + "extra_test", [], [unbroken], at))
            extra = load(PREFIX + "extra_test", at)
        element = PREFIX + "element"
        first = ast.Assign([self.expressions.visit(node.target)], load(element, at), **at)
        done.append(self.part("loop_body", [element], [first], node.body, body, at))
        arguments = [iterated, extra, load(PREFIX + "loop_body", at)]
        arguments += [*self.state_arguments([*names, *composites], at), options, constant(target_text, at)]
        done.append(trees.statement(call("for_stmt", arguments, at), at))
        return done

    def modified(self, facts: variables.Facts) -> set[str]:
        """What a block changes, by itself or by calling a function defined around it that writes by `nonlocal`."""
        changed = facts.modified()
        for name, written in self.inner_writes.items():
            if name in facts.reads:
                changed |= written
        return changed

    def part(
        self,
        name: str,
        parameters: list[str],
        before: list[ast.stmt],
        body: list[ast.stmt],
        facts: variables.Facts,
        at: Place,
    ) -> ast.stmt:
        """A block as a function."""
        written = facts.writes | facts.may_write | facts.deletes
        inside: list[ast.stmt] = [*self.declarations(written, at), *before, *self.block(body)]
        return trees.function(PREFIX + name, parameters, inside or [ast.Pass(**at)], at)

    def state(
        self, first: list[str], composites: dict[str, ast.Attribute | ast.Subscript], last: list[str], at: Place
    ) -> list[ast.stmt]:
        """The two functions that read and write what a block changes."""
        if not first and not composites and not last:
            return []
        read: list[ast.expr] = [self.read(name, at) for name in first]
        for text, node in composites.items():
            value = self.expressions.reload(node, at)
            read.append(call("ldu", [trees.thunk(value, at), constant(text, at)], at))
        read += [self.read(name, at) for name in last]
        get_state = [ast.Return(ast.Tuple(read, LOAD, **at), **at)]
        held = {text: f"{PREFIX}{index}" for index, text in enumerate(composites)}
        targets: list[ast.expr] = [trees.store(name, at) for name in (*first, *held.values(), *last)]
        values = PREFIX + "values"
        set_state: list[ast.stmt] = self.declarations([*first, *last], at)
        set_state.append(ast.Assign([ast.Tuple(targets, STORE, **at)], load(values, at), **at))
        for text, node in composites.items():
            owner = self.expressions.reload(node.value, at)
            if isinstance(node, ast.Attribute):
                arguments = [owner, constant(node.attr, at), load(held[text], at)]
                set_state.append(trees.statement(call("write_attribute", arguments, at), at))
            else:
                arguments = [owner, self.expressions.reload(node.slice, at), load(held[text], at)]
                set_state.append(trees.statement(call("write_item", arguments, at), at))
        return [
            trees.function(PREFIX + "get_state", [], list(get_state), at),
            trees.function(PREFIX + "set_state", [values], set_state, at),
        ]

    def read(self, name: str, at: Place) -> ast.expr:
        if name in self.may_be_unbound:
            return call("ldu", [trees.thunk(load(name, at), at), constant(name, at)], at)
        return load(name, at)

    def state_arguments(self, names: list[str], at: Place) -> list[ast.expr]:
        if not names:
            return [trees.operator("no_state", at), trees.operator("nothing", at), trees.names_tuple([], at)]
        return [load(PREFIX + "get_state", at), load(PREFIX + "set_state", at), trees.names_tuple(names, at)]

    def take_options(self, body: list[ast.stmt], at: Place) -> ast.expr:
        """Take a call of set_loop_options out of a loop's body and return its arguments, to be made when staging."""
        for index, node in enumerate(body):
            if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
                continue
            made, target = node.value, node.value.func
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            if name != "set_loop_options":
                continue
            if not all(self.is_flag_reset(before) for before in body[:index]):
                raise trees.ConversionError("set_loop_options must be the first statement in the loop block")
            body[index] = ast.Pass(**place_of(node))
            order = ("parallel_iterations", "swap_memory", "maximum_iterations", "shape_invariants")
            pairs = [*zip(order, made.args), *((word.arg, word.value) for word in made.keywords)]
            keys: list[ast.expr | None] = [constant(key, at) for key, _ in pairs]
            return trees.thunk(ast.Dict(keys, [self.expressions.visit(value) for _, value in pairs], **at), at)
        return constant(None, at)

    def is_flag_reset(self, node: ast.stmt) -> bool:
        """Whether a statement is one that `jumps.py` put at the head of a loop's body."""
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            return False
        return node.targets[0].id in self.generated


def _stable(
    composites: dict[str, ast.Attribute | ast.Subscript], modified: set[str]
) -> dict[str, ast.Attribute | ast.Subscript]:
    """The attributes and items whose owner stays the same through the block."""
    return {
        text: node for text, node in composites.items() if not (variables.composite_supports(node) or set()) & modified
    }


def _assigned_late(body: list[ast.stmt], bound: set[str], late: set[str]) -> set[str]:
    """The variables that a block may be the first to assign: they begin as undefined. `bound` grows on the way."""
    for node in body:
        facts = variables.facts_of(node)
        if isinstance(node, _BLOCKS):
            late |= (facts.writes | facts.may_write | facts.deletes) - bound
        elif isinstance(node, ast.With):
            bound |= variables.facts_of(*node.items).writes
            _assigned_late(node.body, bound, late)
        elif isinstance(node, (ast.Try, ast.TryStar)):
            for block in (node.body, *(handler.body for handler in node.handlers), node.orelse):
                _assigned_late(block, set(bound), late)
            _assigned_late(node.finalbody, bound, late)
        elif isinstance(node, ast.Match):
            for case in node.cases:
                _assigned_late(case.body, set(bound) | variables.facts_of(case.pattern).may_write, late)
        else:
            bound |= facts.writes
    return late


def _is_kept_out(node: ast.FunctionDef) -> bool:
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if (target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")) == "do_not_convert":
            return True
    return False


def _as_list_append(node: ast.stmt) -> ast.stmt:
    """Turn `l.append(x)` into an assignment, so that what is appended travels with the loop (Feature.LISTS)."""
    for name, block in ast.iter_fields(node):
        if isinstance(block, list) and block and isinstance(block[0], (ast.stmt, ast.ExceptHandler)):
            setattr(node, name, [_as_list_append(part) for part in block])
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call) or len(node.value.args) != 1:
        return node
    target = node.value.func
    if not isinstance(target, ast.Attribute) or target.attr != "append" or not isinstance(target.value, ast.Name):
        return node
    at = place_of(node)
    name = target.value.id
    return trees.assign(name, call("list_append", [load(name, at), node.value.args[0]], at), at)
