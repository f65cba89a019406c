"""Reads every import of the package by syntax, and names arrows that point upward and circles among modules.

Imports inside functions, under TYPE_CHECKING and by `importlib.import_module("literal")` count like any other.
Refused here: running any of the code that is read.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

COLUMN = ("base", "program", "ops", "graph", "autodiff", "compiler", "backends", "execution", "api")
"""Rooms that stand on each other, lowest first."""

BESIDE = (
    "data",
    "saving",
    "distribution",
    "estimator",
    "quantization",
    "summary",
    "debugging",
    "profiling",
    "version_1",
)
"""Rooms that stand beside each other on `api`; none of them imports another."""

BRIDGE = "bridge"
"""Re-exports for code that asks for another package's names; stands above everything else."""

RUNTIME = "_runtime"
"""The compiled binding: stands below every room."""

NAME_OF_THE_OTHER = "tensorflow"


@dataclass(frozen=True)
class Import:
    """One import statement: who, whom, and the line."""

    source: str
    target: str
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.source} imports {self.target}"


def is_test(path: Path) -> bool:
    """Tests beside the code, and what records their data, may look around freely; nothing may import them."""
    return path.name.endswith("_test.py") or path.name == "conftest.py" or "testdata" in path.parts


def modules_below(root: Path) -> dict[str, Path]:
    """Every module of the package at `root` by its dotted name, tests left out."""
    modules: dict[str, Path] = {}
    for path in sorted(root.rglob("*.py")):
        if is_test(path):
            continue
        parts = [root.name, *path.relative_to(root).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        modules[".".join(parts)] = path
    return modules


def imports_of(module: str, path: Path, modules: dict[str, Path]) -> Iterator[Import]:
    """All imports of modules of the same package in one file, wherever in the file they stand."""
    package = module.split(".")[0]
    inside = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def known(name: str) -> str:
        while name not in modules and "." in name and not is_room(name):
            name = name.rpartition(".")[0]
        return name

    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        if not isinstance(node, (ast.Import, ast.ImportFrom, ast.Call)):
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                anchor = inside.split(".")
                anchor = anchor[: len(anchor) - (node.level - 1)]
                start = ".".join([*anchor, node.module] if node.module else anchor)
            names = [f"{start}.{alias.name}" for alias in node.names]
        elif called_name(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                names = [first.value]
        for name in names:
            if name.split(".")[1:2] == [RUNTIME]:
                continue
            if name == package or name.startswith(package + "."):
                target = known(name)
                if target != module:
                    yield Import(module, target, path, node.lineno)


def called_name(call: ast.Call) -> str:
    """The last part of what a call calls: `import_module` for `importlib.import_module(...)`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def all_imports(root: Path) -> list[Import]:
    modules = modules_below(root)
    return [arrow for module, path in modules.items() for arrow in imports_of(module, path, modules)]


def room_of(module: str) -> str:
    """`ops` for `millstream.ops.math`; an empty text for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def is_room(module: str) -> bool:
    """`millstream.ops` is a room even where it has no `__init__.py`."""
    return module.count(".") == 1 and room_of(module) in (*COLUMN, *BESIDE, BRIDGE)


def complaint(arrow: Import) -> str | None:
    """Why an arrow is refused, or nothing."""
    above, below = room_of(arrow.source), room_of(arrow.target)
    if above == below:
        return None
    if above not in COLUMN and above not in BESIDE:
        return None  # the package's own front (`__init__`, `__main__`) and the bridge stand on top
    if below not in COLUMN and below not in BESIDE:
        return f"{arrow}: the front of the package stands above room '{above}'; import the room that defines the name"
    if above in BESIDE:
        if below in BESIDE:
            return f"{arrow}: '{above}' and '{below}' stand beside each other; move what both need to a lower room"
        return None
    if below in BESIDE or COLUMN.index(below) > COLUMN.index(above):
        return f"{arrow}: '{below}' stands above '{above}'; hand the thing in as an argument or move it down"
    return None


def circles(arrows: Iterable[Import]) -> list[list[str]]:
    """Groups of modules that reach each other (Tarjan), each sorted; modules of one only are left out."""
    graph: dict[str, set[str]] = {}
    for arrow in arrows:
        graph.setdefault(arrow.source, set()).add(arrow.target)
        graph.setdefault(arrow.target, set())
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for target in sorted(graph[module]):
            if target not in order:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], order[target])
        if lowest[module] == order[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(graph):
        if module not in order:
            visit(module)
    return found


def other_name_uses(path: Path) -> list[int]:
    """Lines on which the other package's name stands in code or in a text that is no docstring.

    `name::Type` is allowed: error texts that users search for quote the other's C++ names. So is `name/serving/`: files
    name the methods of signatures so.
    """
    text = path.read_text()
    documentation = docstring_lines(ast.parse(text))
    lines: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (tokenize.NAME, tokenize.STRING) or token.start[0] in documentation:
            continue
        text = token.string.replace(NAME_OF_THE_OTHER + "::", "").replace(NAME_OF_THE_OTHER + "/serving/", "")
        if has_word(text, NAME_OF_THE_OTHER):
            lines.append(token.start[0])
    return lines


def has_word(text: str, word: str) -> bool:
    """Whether `word` stands in `text` with no letter, digit or underscore beside it."""
    at = text.find(word)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(word) : at + len(word) + 1]
        if not (before.isalnum() or before == "_" or after.isalnum() or after == "_"):
            return True
        at = text.find(word, at + 1)
    return False


def docstring_lines(tree: ast.Module) -> set[int]:
    """Lines of texts that stand alone as statements: docstrings and notes under constants."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines
