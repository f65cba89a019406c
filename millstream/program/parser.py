"""Read programs that `printer` wrote. Refuses other text, naming the line; computes nothing and infers nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from millstream.base import size_text
from millstream.base.dtypes import DType, as_dtype
from millstream.base.sizes import Size, Symbol
from millstream.base.spec import Spec
from millstream.program.primitives.core import PRIMITIVES
from millstream.program.printer import content_hash
from millstream.program.value import Definition, Node, Program, Value

_SPACE: Final = re.compile(r"\s*")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_VALUE: Final = re.compile(r"%\d+")
_TEXT: Final = re.compile(r"b?('(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")")
_NUMBER: Final = re.compile(r"[-+]?(?:inf|nan|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)")
_SOURCE: Final = re.compile(r"[ \t]*# ([^\n]*)")
_HASH: Final = re.compile(r"sha256:([0-9a-f]+)")
_LITERALS: Final = {"None": None, "True": True, "False": False, "inf": float("inf"), "nan": float("nan")}


def parse(
    text: str,
    find: Callable[[str], Definition] = PRIMITIVES.__getitem__,
    constants: Mapping[str, np.ndarray] | None = None,
) -> Program:
    """Return the program that `to_text` printed.

    `find` gives the definition of a name (those of primitives, if not stated); `constants` the large arrays by their hashes.
    """
    reader = _Reader(text, find, constants or {})
    program = reader.program()
    reader.skip()
    if reader.at != len(text):
        raise reader.error("the end of the text")
    return program


class _Reader:
    def __init__(self, text: str, find: Callable[[str], Definition], constants: Mapping[str, np.ndarray]) -> None:
        self.text = text
        self.at = 0
        self.find = find
        self.constants = constants
        self.sizes: dict[str, Symbol] = {}
        for name, lower, upper in re.findall(r"^\s*size (\w+) (\d+) (\w+)$", text, re.MULTILINE):
            self.sizes[name] = Symbol(name, int(lower), None if upper == "None" else int(upper))

    def error(self, wanted: str) -> ValueError:
        line = self.text.count("\n", 0, self.at) + 1
        found = self.text[self.at : self.at + 30].split("\n")[0]
        return ValueError(f"Cannot read the program at line {line}: expected {wanted}, found {found!r}.")

    def skip(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]

    def take(self, literal: str) -> bool:
        self.skip()
        found = self.text.startswith(literal, self.at)
        self.at += len(literal) if found else 0
        return found

    def expect(self, literal: str) -> None:
        if not self.take(literal):
            raise self.error(repr(literal))

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.skip()
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def word(self) -> str:
        found = self.match(_WORD)
        if found is not None:
            return found.group()
        quoted = self.match(_TEXT)
        if quoted is None:
            raise self.error("a name")
        return str(ast.literal_eval(quoted.group()))

    def program(self) -> Program:
        self.expect("program")
        program = Program(self.word())
        values: dict[str, Value] = {}
        self.expect("(")
        while not self.take(")"):
            name, spec = self.declared()
            values[name] = program.input(spec)
            self.take(",")
        self.expect("{")
        while True:
            if self.match(re.compile(r"return\b(?!\()")):
                program.outputs = self.references(values, "}")
                return program
            if not self.match(re.compile(r"size \w+ \d+ \w+(?=\n)")):
                program.nodes.append(self.node(values))

    def declared(self) -> tuple[str, Spec]:
        name = self.match(_VALUE)
        if name is None:
            raise self.error("a value such as %0")
        self.expect(":")
        return name.group(), self.spec()

    def references(self, values: Mapping[str, Value], end: str) -> list[Value]:
        found = []
        while not self.take(end):
            name = self.match(_VALUE)
            if name is None or name.group() not in values:
                raise self.error("a value made before")
            found.append(values[name.group()])
            self.take(",")
        return found

    def node(self, values: dict[str, Value]) -> Node:
        names, specs = [], []
        self.skip()
        while self.text.startswith("%", self.at):
            name, spec = self.declared()
            names.append(name)
            specs.append(spec)
            self.take(",")
            self.skip()
        if names:
            self.expect("=")
        self.skip()
        start = self.at
        title = self.word()
        try:
            definition = self.find(title)
        except KeyError:
            self.at = start
            raise self.error("the name of a definition") from None
        self.expect("(")
        inputs = self.references(values, ")")
        attributes = {}
        self.expect("{")
        while not self.take("}"):
            key = self.word()
            self.expect("=")
            attributes[key] = self.attribute()
            self.take(",")
        source = _SOURCE.match(self.text, self.at)
        if source is not None:
            self.at = source.end()
        node = Node(definition, inputs, attributes, specs, source.group(1) if source is not None else None)
        values.update(zip(names, node.outputs, strict=True))
        return node

    def attribute(self) -> Any:
        if self.take("("):
            return tuple(self.items(")"))
        if self.take("["):
            return self.items("]")
        if self.take("<"):
            return self.size_until(">")
        text = self.match(_TEXT)
        if text is not None:
            return ast.literal_eval(text.group())
        number = self.match(_NUMBER)
        if number is not None:
            word = number.group()
            return int(word) if word.lstrip("+-").isdigit() else float(word)
        start = self.at
        word = self.word()
        if word in _LITERALS:
            return _LITERALS[word]
        if word == "program":
            self.at = start
            return self.program()
        if word == "spec":
            return self.spec()
        if word == "array":
            return self.array()
        return self.dtype(word)

    def items(self, end: str) -> list[Any]:
        found = []
        while not self.take(end):
            found.append(self.attribute())
            self.take(",")
        return found

    def dtype(self, word: str) -> DType:
        try:
            return as_dtype(word)
        except TypeError:
            raise self.error(f"an attribute, not {word!r}, before this") from None

    def array(self) -> np.ndarray:
        spec = self.spec()
        name = self.match(_HASH)
        if name is not None:
            found = self.constants.get(name.group(1))
            if found is None:
                raise ValueError(
                    f"The program needs the constant {name.group()} ({spec}), which the text does not hold: print it with "
                    "to_text(program, constants=kept) and give `kept` to parse."
                )
            if content_hash(found) != name.group(1):
                raise ValueError(f"The constant given as {name.group()} has another content.")
            return found
        self.expect("[")
        flat = self.items("]")
        if spec.dtype.name == "string":
            made = np.empty(len(flat), object)
            made[:] = flat
        elif spec.dtype.is_complex:
            made = np.array(flat, spec.dtype.real_dtype.as_numpy_dtype).view(spec.dtype.as_numpy_dtype)
        else:
            made = np.array(flat, spec.dtype.stored)
        return made.reshape(spec.shape)  # type: ignore[arg-type]

    def spec(self) -> Spec:
        dtype = self.dtype(self.word())
        self.expect("[")
        shape = None if self.take("...]") else self.size_list("]")
        value = None
        if self.text.startswith("{", self.at):
            self.at += 1
            sizes = self.size_list("}")
            value = sizes if shape else sizes[0]
        handle = None
        if self.text.startswith("<", self.at):
            self.at += 1
            handle = self.spec()
            self.expect(">")
        return Spec(dtype, shape, value, handle)

    def size_list(self, end: str) -> tuple[Size, ...]:
        sizes = []
        while not self.take(end):
            sizes.append(self.size_until(",", end))
            if self.text[self.at - 1] == end:
                break
        return tuple(sizes)

    def size_until(self, *ends: str) -> Size:
        """Read a size up to and over one of `ends` that lies outside its parentheses."""
        start, depth = self.at, 0
        for at in range(start, len(self.text)):
            letter = self.text[at]
            if letter in ends and not depth:
                self.at = at + 1
                return size_text.parse(self.text[start:at], self.sizes)
            depth += (letter == "(") - (letter == ")")
        raise self.error(" or ".join(map(repr, ends)))
