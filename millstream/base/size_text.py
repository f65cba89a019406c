"""Reads sizes that were printed: `parse(str(size))` is the same object. Refuses other text with where it stopped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from millstream.base.sizes import OPERATIONS, PRINTED, Size, Symbol, floor_divide, modulo

_TOKEN: Final = re.compile(r"\s*(?:(\d+)|([A-Za-z_]\w*)|(//|[-+*%(),]))")


def parse(text: str, known: Mapping[str, Symbol] | None = None) -> Size:
    """The size that `str(size)` printed. Names not in `known` become symbols from 0 without an upper bound."""
    tokens: list[str] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(
                f"Cannot read the size {text!r} at column {position + 1}: expected a number, name or operator."
            )
        tokens.append(match.group().strip())
        position = match.end()
    reader = _Reader(text, tokens, known or {})
    result = reader.sum()
    if reader.tokens:
        raise reader.error()
    return result


class _Reader:
    """Reads sums, products and atoms by recursive descent."""

    def __init__(self, text: str, tokens: list[str], known: Mapping[str, Symbol]) -> None:
        self.text = text
        self.tokens = tokens[::-1]
        self.known = known

    def error(self) -> ValueError:
        found = repr(self.tokens[-1]) if self.tokens else "the end"
        return ValueError(f"Cannot read the size {self.text!r}: did not expect {found}.")

    def take(self, *allowed: str) -> str:
        if self.tokens and self.tokens[-1] in allowed:
            return self.tokens.pop()
        return ""

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise self.error()

    def sum(self) -> Size:
        result = self.product()
        while mark := self.take("+", "-"):
            result = result + self.product() if mark == "+" else result - self.product()
        return result

    def product(self) -> Size:
        result = self.atom()
        while mark := self.take("*", "//", "%"):
            right = self.atom()
            result = (
                result * right
                if mark == "*"
                else (floor_divide(result, right) if mark == "//" else modulo(result, right))
            )
        return result

    def atom(self) -> Size:
        if self.take("-"):
            return -self.atom()
        if self.take("("):
            result = self.sum()
            self.expect(")")
            return result
        if not self.tokens or not (self.tokens[-1][0].isalnum() or self.tokens[-1][0] == "_"):
            raise self.error()
        word = self.tokens.pop()
        if word.isdigit():
            return int(word)
        kinds = {printed: kind for kind, printed in PRINTED.items()}
        if word in kinds and self.take("("):
            left = self.sum()
            self.expect(",")
            right = self.sum()
            self.expect(")")
            return OPERATIONS[kinds[word]](left, right)
        found = self.known.get(word)
        return Symbol(word) if found is None else found
