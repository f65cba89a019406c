"""Print programs as text, one node a line, so that `parser` reads them again. Large constants are named by a hash of their content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from millstream.base.dtypes import DType, as_dtype
from millstream.base.sizes import Expression, Symbol, symbols
from millstream.base.spec import Spec
from millstream.program.value import Program, Value

LARGEST_PRINTED = 64
"""Constants of up to this many elements are printed in full."""


def to_text(program: Program, indent: str = "", constants: dict[str, np.ndarray] | None = None) -> str:
    """Return `program` as text. Large constants are put into `constants`, if given, by their hashes, for `parse`."""
    return _Printer(constants).program(program, indent)


def content_hash(array: np.ndarray) -> str:
    """Return what a large constant is called: a hash of its element type, shape and bytes."""
    import hashlib  # it loads OpenSSL, which few programs need

    data = repr(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(f"{dtype_name(array)}{array.shape}".encode() + data).hexdigest()[:24]


def dtype_name(array: np.ndarray) -> str:
    """Return the name of an array's element type; arrays of objects hold strings."""
    return "string" if array.dtype == object else as_dtype(array.dtype).name


class _Printer:
    def __init__(self, constants: dict[str, np.ndarray] | None) -> None:
        self.constants = constants
        self.declared: set[Symbol] = set()

    def program(self, program: Program, indent: str) -> str:
        names: dict[Value, str] = {}

        def name(value: Value) -> str:
            return names.setdefault(value, f"%{len(names)}")

        head = ", ".join(f"{name(v)}: {v.spec}" for v in program.inputs)
        lines = [f"{indent}program {_word(program.name)}({head}) {{"]
        for symbol in sorted(set(_symbols_of(program)) - self.declared, key=str):
            self.declared.add(symbol)
            if symbol.lower or symbol.upper is not None:
                lines.append(f"{indent}  size {symbol} {symbol.lower} {symbol.upper}")
        for node in program.nodes:
            inputs = ", ".join(name(v) for v in node.inputs)
            attributes = ", ".join(f"{k}={self.attribute(v, indent)}" for k, v in node.attributes.items())
            outputs = ", ".join(f"{name(v)}: {v.spec}" for v in node.outputs)
            source = f"  # {node.source}" if node.source else ""
            equals = " = " if outputs else ""
            lines.append(f"{indent}  {outputs}{equals}{_word(node.definition.name)}({inputs}) {{{attributes}}}{source}")
        lines.append(f"{indent}  return {', '.join(name(v) for v in program.outputs)}")
        lines.append(f"{indent}}}")
        return "\n".join(lines)

    def attribute(self, value: Any, indent: str) -> str:
        if isinstance(value, Program):
            return self.program(value, indent + "    ").lstrip()
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, np.generic):
            return repr(value.item())
        if isinstance(value, DType):
            return value.name
        if isinstance(value, Expression):
            return f"<{value}>"
        if isinstance(value, Spec):
            return f"spec {value}"
        if isinstance(value, (tuple, list)):
            inner = ", ".join(self.attribute(v, indent) for v in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
        return repr(value)

    def array(self, value: np.ndarray) -> str:
        head = f"array {dtype_name(value)}[{', '.join(map(str, value.shape))}]"
        if value.size > LARGEST_PRINTED:
            name = content_hash(value)
            if self.constants is not None:
                self.constants[name] = value
            return f"{head} sha256:{name}"
        flat = np.ascontiguousarray(value).reshape(-1)
        if flat.dtype.kind == "c":
            flat = flat.view(flat.real.dtype)
        return f"{head} [{', '.join(repr(v) for v in flat.tolist())}]"


def _word(name: str) -> str:
    return name if name.isidentifier() else repr(name)


def _symbols_of(program: Program) -> Iterator[Symbol]:
    for value in (*program.inputs, *(v for n in program.nodes for v in n.outputs)):
        yield from value.spec.symbols()
    for node in program.nodes:
        yield from _symbols_in(node.attributes.values())


def _symbols_in(attributes: Iterable[Any]) -> Iterator[Symbol]:
    for value in attributes:
        if isinstance(value, Expression):
            yield from symbols(value)
        elif isinstance(value, Spec):
            yield from value.symbols()
        elif isinstance(value, (tuple, list)):
            yield from _symbols_in(value)
