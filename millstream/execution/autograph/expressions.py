"""Rewrites expressions: calls, `and`/`or`/`not`, ternaries and comparison chains. Leaves `:=` and `await` as they are."""

from __future__ import annotations

import ast
from collections.abc import Callable

from millstream.execution.autograph import trees
from millstream.execution.autograph.options import Feature, Options
from millstream.execution.autograph.trees import LOAD, Place, call, constant, load, place_of

# These look at the frame that calls them, so nothing may stand between.
_LOOK_AT_FRAME = frozenset({"locals", "globals", "vars", "dir", "eval", "exec", "breakpoint", "super"})
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}


class ExpressionRewriter:
    """Rewrites the expressions of one function in place."""

    def __init__(
        self,
        undefined: set[str],
        options: Options,
        first_parameter: str,
        inner_function: Callable[[ast.FunctionDef | ast.Lambda], None],
    ) -> None:
        self.undefined = undefined
        self.options = options
        self.first_parameter = first_parameter
        self.inner_function = inner_function

    def visit(self, node: ast.expr) -> ast.expr:
        """Return what stands for the expression."""
        kind = type(node)
        if kind is ast.Constant:
            return node
        match node:
            case ast.Name():
                if node.id in self.undefined and type(node.ctx) is ast.Load:
                    at = place_of(node)
                    return call("ld", [node], at)
                return node
            case ast.Call():
                return self.call(node)
            case ast.BoolOp() if not _binds(node):
                at = place_of(node)
                name = "and_" if isinstance(node.op, ast.And) else "or_"
                return call(name, [trees.thunk(self.visit(value), place_of(value)) for value in node.values], at)
            case ast.UnaryOp(op=ast.Not()):
                return call("not_", [self.visit(node.operand)], place_of(node))
            case ast.IfExp() if not _binds(node):
                at = place_of(node)
                text = constant(ast.unparse(node.test), at)
                body, orelse = (trees.thunk(self.visit(part), place_of(part)) for part in (node.body, node.orelse))
                return call("if_exp", [self.visit(node.test), body, orelse, text], at)
            case ast.Compare():
                return self.compare(node)
            case ast.Lambda():
                self.inner_function(node)
                return node
            case _:
                self.visit_children(node)
                return node

    def visit_children(self, node: ast.AST) -> None:
        """Rewrite the expressions directly under a node."""
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.expr):
                setattr(node, name, self.visit(value))
            elif isinstance(value, list):
                for index, part in enumerate(value):
                    if isinstance(part, ast.expr):
                        value[index] = self.visit(part)
                    elif isinstance(part, (ast.comprehension, ast.keyword)):
                        self.visit_children(part)

    def call(self, node: ast.Call) -> ast.expr:
        at = place_of(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "super" and not node.args and not node.keywords and self.first_parameter:
            # Without arguments super() looks at its frame, which may be a block's.
            node.args = [load("__class__", at), load(self.first_parameter, at)]
            return node
        if name in _LOOK_AT_FRAME or _is_own(node.func):
            self.visit_children(node)
            return node
        arguments: ast.expr = ast.Tuple([self.visit(argument) for argument in node.args], LOAD, **at)
        made = [self.visit(node.func), arguments]
        if node.keywords:
            words = [ast.keyword(word.arg, self.visit(word.value), **at) for word in node.keywords]
            made.append(ast.Call(trees.operator("keywords", at), [], words, **at))
        return call("converted_call", made, at)

    def compare(self, node: ast.Compare) -> ast.expr:
        at = place_of(node)
        if len(node.ops) > 1 and not _binds(node):
            arguments: list[ast.expr] = [self.visit(node.left)]
            for operation, right in zip(node.ops, node.comparators):
                arguments.append(constant(_COMPARISONS[type(operation)], at))
                arguments.append(trees.thunk(self.visit(right), place_of(right)))
            return call("compare_chain", arguments, at)
        self.visit_children(node)
        if len(node.ops) == 1 and self.options.uses(Feature.EQUALITY_OPERATORS):
            name = {ast.Eq: "eq", ast.NotEq: "not_eq"}.get(type(node.ops[0]))
            if name:
                return call(name, [node.left, node.comparators[0]], at)
        return node

    def no_flag(self, flags: list[str], at: Place) -> ast.expr:
        """The test that no jump has happened."""
        if len(flags) == 1:
            return call("not_", [load(flags[0], at)], at)
        return call("not_", [call("or_", [trees.thunk(load(flag, at), at) for flag in flags], at)], at)

    def reload(self, node: ast.expr, at: Place) -> ast.expr:
        """A fresh reading of a variable, attribute or item that the user's code writes."""
        match node:
            case ast.Name():
                fresh = load(node.id, at)
                return call("ld", [fresh], at) if node.id in self.undefined else fresh
            case ast.Attribute():
                return ast.Attribute(self.reload(node.value, at), node.attr, LOAD, **at)
            case ast.Subscript():
                return ast.Subscript(self.reload(node.value, at), self.reload(node.slice, at), LOAD, **at)
            case ast.UnaryOp():
                return ast.UnaryOp(node.op, self.reload(node.operand, at), **at)
            case ast.Constant():
                return constant(node.value, at)
            case _:
                raise trees.ConversionError(f"{ast.unparse(node)} cannot be kept through control flow")


def _binds(node: ast.AST) -> bool:
    """Whether an expression assigns or waits, which a lambda around it would change."""
    return any(isinstance(part, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)) for part in ast.walk(node))


def _is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == trees.RUNTIME
