"""Small makers of syntax nodes, each placed where the user's own code stands. Holds no rules of conversion."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from typing import Any

Place = dict[str, Any]
LOAD = ast.Load()
STORE = ast.Store()
# The name under which converted code reaches the operators; it is a closure cell, so no global is touched.
RUNTIME = "ag__"
_NO_TYPE_PARAMETERS: dict[str, Any] = {"type_params": []} if sys.version_info >= (3, 12) else {}


class ConversionError(Exception):
    """A function uses something that cannot be converted; it then runs as it is."""


def place_of(node: ast.expr | ast.stmt | ast.ExceptHandler) -> Place:
    """Where a node stands in the user's file."""
    return {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.end_lineno,
        "end_col_offset": node.end_col_offset,
    }


def load(name: str, at: Place) -> ast.Name:
    """A variable that is read."""
    return ast.Name(name, LOAD, **at)


def store(name: str, at: Place) -> ast.Name:
    """A variable that is written."""
    return ast.Name(name, STORE, **at)


def constant(value: Any, at: Place) -> ast.Constant:
    """A literal."""
    return ast.Constant(value, **at)


def operator(name: str, at: Place) -> ast.Attribute:
    """One of the operators of the run time."""
    return ast.Attribute(ast.Name(RUNTIME, LOAD, **at), name, LOAD, **at)


def call(name: str, arguments: Sequence[ast.expr], at: Place) -> ast.Call:
    """A call of one of the operators."""
    return ast.Call(operator(name, at), list(arguments), [], **at)


def statement(value: ast.expr, at: Place) -> ast.Expr:
    """An expression as a statement."""
    return ast.Expr(value, **at)


def assign(name: str, value: ast.expr, at: Place) -> ast.Assign:
    """A variable set to a value."""
    return ast.Assign([store(name, at)], value, **at)


def thunk(value: ast.expr, at: Place) -> ast.Lambda:
    """A lambda without parameters."""
    return ast.Lambda(ast.arguments([], [], None, [], [], None, []), value, **at)


def function(name: str, parameters: list[str], body: list[ast.stmt], at: Place) -> ast.FunctionDef:
    """A function definition."""
    arguments = ast.arguments([], [ast.arg(p, **at) for p in parameters], None, [], [], None, [])
    return ast.FunctionDef(name, arguments, body, [], **_NO_TYPE_PARAMETERS, **at)


def names_tuple(names: list[str], at: Place) -> ast.Tuple:
    """A tuple of names as text."""
    return ast.Tuple([constant(name, at) for name in names], LOAD, **at)
