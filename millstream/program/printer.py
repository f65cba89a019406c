"""Print programs as text, one node a line. The parser is in `parser`."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base.dtypes import DType
from millstream.base.spec import Spec
from millstream.program.value import Program, Value


def to_text(program: Program, indent: str = "") -> str:
    """Return `program` as text."""
    names: dict[Value, str] = {}

    def name(value: Value) -> str:
        return names.setdefault(value, f"%{len(names)}")

    head = ", ".join(f"{name(v)}: {v.spec}" for v in program.inputs)
    lines = [f"{indent}program {program.name}({head}) {{"]
    for node in program.nodes:
        inputs = ", ".join(name(v) for v in node.inputs)
        attributes = ", ".join(f"{k}={_attribute(v, indent)}" for k, v in node.attributes.items())
        outputs = ", ".join(f"{name(v)}: {v.spec}" for v in node.outputs)
        source = f"  # {node.source}" if node.source else ""
        equals = " = " if outputs else ""
        lines.append(f"{indent}  {outputs}{equals}{node.definition.name}({inputs}) {{{attributes}}}{source}")
    lines.append(f"{indent}  return {', '.join(name(v) for v in program.outputs)}")
    lines.append(f"{indent}}}")
    return "\n".join(lines)


def _attribute(value: Any, indent: str) -> str:
    if isinstance(value, Program):
        return to_text(value, indent + "    ").lstrip()
    if isinstance(value, np.ndarray):
        if value.size > 8:
            return f"array({value.dtype}{list(value.shape)} …)"
        return f"array({value.dtype} {value.tolist()})"
    if isinstance(value, DType):
        return value.name
    if isinstance(value, Spec):
        return str(value)
    if isinstance(value, tuple):
        inner = ", ".join(_attribute(v, indent) for v in value)
        return f"({inner}{',' if len(value) == 1 else ''})"
    return repr(value)
