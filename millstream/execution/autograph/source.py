"""Finds the syntax tree of a function from its code object. Refuses code whose text cannot be read, or no longer fits."""

from __future__ import annotations

import ast
import copy
import inspect
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType

# The wrapper that lets an indented block be parsed as it stands: dedenting would alter multi-line strings.
_WRAPPER = "if 1:\n"
_WHOLE_FILES_KEPT = 4
_LAMBDA_LINES_TRIED = 8


class SourceError(Exception):
    """The definition of a function cannot be read."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A function's own tree with the file's line numbers, and the class whose name mangles its private names."""

    node: ast.FunctionDef | ast.Lambda
    filename: str
    class_name: str | None


_whole_files: dict[str, tuple[int, ast.Module]] = {}


def find_definition(function: FunctionType) -> Definition:
    """Return the definition of `function`, read from its file, its notebook cell or any loader that linecache knows."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        raise SourceError("source code is not available")
    if code.co_firstlineno > len(lines):
        raise SourceError(f"{code.co_filename} has changed since {code.co_name} was defined")
    node = _find_lambda(code, lines) if code.co_name == "<lambda>" else _find_function(code, lines)
    return Definition(node, code.co_filename, _class_around(code))


def _find_function(code: CodeType, lines: list[str]) -> ast.FunctionDef:
    first = code.co_firstlineno
    indent = _indent(lines[first - 1])
    end = max(_last_line(code), first)
    for _ in range(len(lines)):
        end = _end_of_block(lines, end, indent)
        tree = _parse(lines[first - 1 : end], first, indent > 0)
        if tree is not None:
            for node in tree:
                if isinstance(node, ast.FunctionDef) and _fits(node.name, node.args, code):
                    return node
        if end >= len(lines):
            break
        end += 1
    # A definition that shares its line with other statements (`if x: def f(): ...`) is only found in the whole file.
    for other in ast.walk(_whole_file(code.co_filename, lines)):
        if isinstance(other, ast.FunctionDef) and _fits(other.name, other.args, code) and _first_line(other) == first:
            return copy.deepcopy(other)
    raise SourceError(f"{code.co_filename} has changed since {code.co_name} was defined")


def _find_lambda(code: CodeType, lines: list[str]) -> ast.Lambda:
    first = code.co_firstlineno
    last = max(_last_line(code), first)
    indent = _indent(lines[first - 1])
    for end in range(last, min(last + _LAMBDA_LINES_TRIED, len(lines)) + 1):
        tree = _parse(lines[first - 1 : end], first, indent > 0)
        if tree is not None:
            found = _fitting_lambdas(code, tree)
            if found:
                return _one_of(found, code)
    # The tree of a whole file is kept for the next lambda, so this one is copied out of it.
    return copy.deepcopy(_one_of(_fitting_lambdas(code, [_whole_file(code.co_filename, lines)]), code))


def _fitting_lambdas(code: CodeType, roots: list[ast.AST]) -> list[ast.Lambda]:
    span = _span(code)
    found = []
    for root in roots:
        for node in ast.walk(root):
            if not isinstance(node, ast.Lambda) or node.lineno != code.co_firstlineno or not _fits("", node.args, code):
                continue
            body = node.body
            if span is None or (
                (body.lineno, body.col_offset) <= span[0] and span[1] <= (_end_line(body), _end_column(body))
            ):
                found.append(node)
    if span is not None and len(found) > 1:
        # A lambda inside a lambda: the inner one is the tightest.
        smallest = min(found, key=lambda node: _end_column(node.body) - node.body.col_offset)
        if all(_contains(other.body, smallest) or other is smallest for other in found):
            exact = [
                n
                for n in found
                if ((n.body.lineno, n.body.col_offset), (_end_line(n.body), _end_column(n.body))) == span
            ]
            return exact or [smallest]
    return found


def _one_of(found: list[ast.Lambda], code: CodeType) -> ast.Lambda:
    if not found:
        raise SourceError(f"no lambda of these arguments begins at line {code.co_firstlineno} of {code.co_filename}")
    if len(found) > 1:
        matches = "\n".join(f"Match {i}:\n{ast.unparse(node)}\n" for i, node in enumerate(found))
        raise SourceError(
            f"could not parse the source code of the lambda at {code.co_filename}:{code.co_firstlineno}: found multiple "
            "definitions with identical signatures at the location. This error may be avoided by defining each lambda "
            f"on a single line and with unique argument names. The matching definitions were:\n{matches}"
        )
    return found[0]


def _span(code: CodeType) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """From where to where the code's instructions come; None where Python runs without positions."""
    starts, ends = [], []
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None or column == end_column:
            continue
        starts.append((line, column))
        ends.append((end_line, end_column))
    return (min(starts), max(ends)) if starts else None


def _contains(outer: ast.AST, inner: ast.AST) -> bool:
    return any(node is inner for node in ast.walk(outer))


def _fits(name: str, arguments: ast.arguments, code: CodeType) -> bool:
    if name and name != code.co_name:
        return False
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names += [a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None]
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    if len(names) != count:
        return False
    # Private names are mangled in the code object only.
    return all(have == want or want.endswith(have) for have, want in zip(names, code.co_varnames))


def _parse(lines: list[str], first: int, indented: bool) -> list[ast.AST] | None:
    # Empty lines before the text put the file's own line numbers into the tree.
    before = "\n" * (first - 2) + _WRAPPER if indented and first > 1 else "\n" * (first - 1)
    try:
        tree = ast.parse(before + "".join(lines))
    except (SyntaxError, ValueError):
        return None
    body: list[ast.AST] = list(tree.body)
    if indented and body and isinstance(body[0], ast.If):
        body = [*body[0].body, *body[1:]]
    return body


def _whole_file(filename: str, lines: list[str]) -> ast.Module:
    key = hash(tuple(lines))
    kept = _whole_files.get(filename)
    if kept is not None and kept[0] == key:
        return kept[1]
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError) as error:
        raise SourceError(f"{filename} cannot be parsed: {error}") from None
    while len(_whole_files) >= _WHOLE_FILES_KEPT:
        _whole_files.pop(next(iter(_whole_files)))
    _whole_files[filename] = (key, tree)
    return tree


def _end_of_block(lines: list[str], at_least: int, indent: int) -> int:
    """The line after which the block may end: the next line with text that is not indented deeper, or the last line."""
    for index in range(at_least, len(lines)):
        text = lines[index].lstrip()
        if text and not text.startswith(("#", ")", "]", "}")) and _indent(lines[index]) <= indent:
            return index
    return len(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _last_line(code: CodeType) -> int:
    last = code.co_firstlineno
    for _, _, line in code.co_lines():
        if line is not None and line > last:
            last = line
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            last = max(last, _last_line(constant))
    return last


def _first_line(node: ast.FunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _end_line(node: ast.expr) -> int:
    return node.end_lineno if node.end_lineno is not None else node.lineno


def _end_column(node: ast.expr) -> int:
    return node.end_col_offset if node.end_col_offset is not None else node.col_offset


def _class_around(code: CodeType) -> str | None:
    """The innermost class around a definition, from its qualified name; a local function's own frames are skipped."""
    parts = code.co_qualname.split(".")[:-1]
    while parts:
        part = parts.pop()
        if part != "<locals>":
            return part
        if parts:
            parts.pop()
    return None


def mangle(name: str, class_name: str) -> str:
    """Return the name that `name` has inside `class_name`: private names carry the class."""
    owner = class_name.lstrip("_")
    if not owner or not name.startswith("__") or name.endswith("__") or "." in name:
        return name
    return f"_{owner}{name}"


def mangle_names(node: ast.AST, class_name: str) -> None:
    """Write private names of a definition out, since its new form is compiled outside its class."""
    for child in _own_nodes(node):
        match child:
            case ast.Name():
                child.id = mangle(child.id, class_name)
            case ast.Attribute():
                child.attr = mangle(child.attr, class_name)
            case ast.arg():
                child.arg = mangle(child.arg, class_name)
            case ast.Global() | ast.Nonlocal():
                child.names = [mangle(name, class_name) for name in child.names]
            case ast.FunctionDef() | ast.AsyncFunctionDef() if child is not node:
                child.name = mangle(child.name, class_name)
            case ast.ExceptHandler() if child.name:
                child.name = mangle(child.name, class_name)
            case ast.keyword() if child.arg:
                child.arg = mangle(child.arg, class_name)


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            for outside in (*child.bases, *child.keywords, *child.decorator_list):
                yield from _own_nodes(outside)
        else:
            yield from _own_nodes(child)
