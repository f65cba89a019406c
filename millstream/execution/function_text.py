"""Signatures of traced functions as text, in TensorFlow's form. Knows nothing of graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.base.shapes import TensorShape
from millstream.base.tensor_specs import TensorSpec


def type_text(value: Any) -> str:
    """Return an argument or result as its kind: `Literal[2]`, `List[…]`, a TensorSpec."""
    if isinstance(value, Mapping):
        return f"Dict[{', '.join(f'[{key!r}, {type_text(item)}]' for key, item in value.items())}]"
    if isinstance(value, (list, tuple)):
        kind = "List" if isinstance(value, list) else "Tuple"
        return f"{kind}[{', '.join(map(type_text, value))}]"
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return f"Literal[{value!r}]"
    return repr(value)


class SignatureText:
    """One signature: positional and keyword arguments by kind, the results, the tensors from outside."""

    def __init__(
        self, names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any], result: Any, captures: Sequence[Any]
    ) -> None:
        more = len(args) > len(names)
        kind = "POSITIONAL_ONLY" if more else "POSITIONAL_OR_KEYWORD"
        called = [*names, *(f"args_{i}" for i in range(len(args) - len(names)))]
        self.positional = [(name, kind, type_text(a)) for name, a in zip(called, args, strict=False)]
        self.keyword = [(name, "KEYWORD_ONLY", type_text(v)) for name, v in kwargs.items()]
        self.only = more
        self.result = type_text(result)
        self.captures = captures

    def short(self) -> str:
        """Return the signature in one line, as Python writes signatures."""
        parts = [f"{name}: {text}" for name, _, text in self.positional]
        if self.only:
            parts.append("/")
        if self.keyword:
            parts.append("*")
        parts += [f"{name}: {text}" for name, _, text in self.keyword]
        return f"({', '.join(parts)}) -> {self.result}"

    def long(self) -> str:
        """Return the signature in lines: what goes in, what comes out, what is taken from outside."""
        lines = ["Input Parameters:"]
        lines += [f"  {name} ({kind}): {text}" for name, kind, text in (*self.positional, *self.keyword)]
        lines += ["Output Type:", f"  {self.result}", "Captures:"]
        lines += [f"  {id(t)}: {TensorSpec(TensorShape(t.shape), t.dtype)!r}" for t in self.captures] or ["  None"]
        return "\n".join(lines)
