"""Read the words of a plan file and say them as text. Refuses files that are no plans; the runtime checks the rest of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from millstream.base import errors
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain

MAGIC = b"MILLPLAN"
_STORAGE = ("arena", "constant", "input", "heap", "alias")
_OPERATORS = {1: "+", 2: "-", 3: "*", 4: "//", 5: "%", 9: "=="}
_FUNCTIONS = {6: "min", 7: "max", 8: "select_nonnegative"}
_SHOWN_ATTRIBUTES = 12


class PlanText:
    """A plan that the runtime has checked, in words; `device.checked` gives it of a file."""

    def __init__(self, data: bytes) -> None:
        if data[:8] != MAGIC:
            raise errors.DataLossError(None, None, explain("This is no plan: it does not begin with MILLPLAN."))
        _, _, self.size, words_at, count, self._blob_at, self.blob_bytes, _ = struct.unpack_from("<IIQQQQQQ", data, 8)
        self._words = np.frombuffer(data, "<i8", count, words_at).tolist()
        self._data = data
        words = self._words
        self.kernels = [self._text(at) for at in self._records(1, 2)]
        self.sources = [self._text(at) for at in self._records(9, 2)]
        self.functions = [_Function(self, at) for at in self._records(3, 20)]
        self.constants = [
            (_kind(words[at]), self._list(words[at + 2], words[at + 1]), words[at + 4]) for at in self._records(5, 5)
        ]

    def _records(self, word: int, width: int) -> list[int]:
        first, count = self._words[word], self._words[word + 1]
        return [first + width * i for i in range(count)]

    def _list(self, first: int, count: int) -> list[int]:
        return self._words[first : first + count]

    def _text(self, at: int) -> str:
        start = self._blob_at + self._words[at]
        return self._data[start : start + self._words[at + 1]].decode(errors="replace")

    def _texts(self, at: int) -> list[str]:
        return [self._text(self._words[at] + 2 * i) for i in range(self._words[at + 1])]

    def signatures(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """Give the name of each signature, what it takes and what it gives."""
        for at in self._records(7, 10):
            function = self.functions[self._words[at + 2]]
            inputs, outputs = self._texts(at + 3), self._texts(at + 5)
            pairs = self._list(self._words[at + 7], 2 * self._words[at + 8])
            bound = set(pairs[::2])
            given = [v for i, v in enumerate(function.inputs) if i not in bound]
            yield (
                self._text(at),
                [f"{n}: {function.spec(v)}" for n, v in zip(inputs, given, strict=True)],
                [f"{n}: {function.spec(v)}" for n, v in zip(outputs, function.outputs, strict=True)],
            )

    def states(self) -> Iterator[str]:
        """Describe each variable and table that travels with the plan."""
        for at in self._records(11, 8):
            words = self._words
            shape = self._list(words[at + 4], words[at + 3])
            made = f", made by {self.functions[words[at + 6] - 1].name}" if words[at + 6] else ""
            yield f"{self._text(at)}: {_kind(words[at + 2])}{shape}{made}"

    def summary(self) -> str:
        """Return what the plan offers and how large its parts are."""
        lines = [f"plan, {self.size} bytes: {len(self.functions)} functions, {len(self.kernels)} kernels"]
        held = sum(size for _, _, size in self.constants)
        lines.append(f"constants: {len(self.constants)}, {held} bytes")
        for name, inputs, outputs in self.signatures():
            lines.append(f"signature {name}({', '.join(inputs)}) -> {', '.join(outputs)}")
        lines += [f"state {text}" for text in self.states()]
        return "\n".join(lines)

    def text(self) -> str:
        """Return the functions, one line an instruction."""
        return "\n".join([self.summary(), *(f.text() for f in self.functions)])


class _Function:
    def __init__(self, plan: PlanText, at: int) -> None:
        self.plan, self.words = plan, plan._words
        self.at = at
        self.name = plan._text(at)
        self.inputs = plan._list(self.words[at + 7], self.words[at + 8])
        self.outputs = plan._list(self.words[at + 9], self.words[at + 10])
        self.arena_bytes = self.words[at + 13]

    def size(self, operand: int) -> str:
        """Return a size operand as text."""
        if operand >= 0:
            return str(operand)
        code, a, b = self.plan._list(self.words[self.at + 3] + 3 * (-operand - 1), 3)
        if code == 0:
            return f"s{a}"
        if code in _FUNCTIONS:
            return f"{_FUNCTIONS[code]}({self.size(a)}, {self.size(b)})"
        return f"({self.size(a)} {_OPERATORS[code]} {self.size(b)})"

    def spec(self, value: int) -> str:
        """Return element type and sizes of a value."""
        kind, rank, dims = self.plan._list(self.words[self.at + 5] + 6 * value, 3)
        return f"{_kind(kind)}[{', '.join(self.size(n) for n in self.plan._list(dims, rank))}]"

    def text(self) -> str:
        """Return the values and instructions."""
        lines = [f"function {self.name}, arena {self.arena_bytes} bytes"]
        for i in range(self.words[self.at + 6]):
            storage, location = self.plan._list(self.words[self.at + 5] + 6 * i + 3, 2)
            lines.append(f"  %{i}: {self.spec(i)} {_STORAGE[storage]} {location}")
        for i in range(self.words[self.at + 12]):
            lines.append(f"  {self._instruction(self.words[self.at + 11] + 12 * i)}")
        lines.append(f"  return {_values(self.outputs)}")
        return "\n".join(lines)

    def _instruction(self, at: int) -> str:
        kernel, i_at, i_count, o_at, o_count, a_at, a_count, p_at, p_count, source = self.plan._list(at, 10)
        attributes = [str(n) for n in self.plan._list(a_at, a_count)]
        pairs = self.plan._list(p_at, 2 * p_count)
        for place, operand in zip(pairs[::2], pairs[1::2], strict=True):
            attributes[place] = self.size(operand)
        if len(attributes) > _SHOWN_ATTRIBUTES:
            attributes = [*attributes[:_SHOWN_ATTRIBUTES], f"… {len(attributes)} words"]
        outputs = _values(self.plan._list(o_at, o_count))
        said = f"{outputs} = " if outputs else ""
        where = f"  # {self.plan.sources[source]}" if source >= 0 else ""
        name = self.plan.kernels[kernel]
        return f"{said}{name}({_values(self.plan._list(i_at, i_count))}) [{', '.join(attributes)}]{where}"


def _values(ids: list[int]) -> str:
    return ", ".join(f"%{i}" if i >= 0 else "none" for i in ids)


def _kind(number: int) -> Any:
    return as_dtype(number).name
