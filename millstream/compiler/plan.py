"""Write plans: the words and the blob of `schema/plan.md`. Decides nothing; storage is decided in `memory`."""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.errors import UnimplementedError
from millstream.base.sizes import Expression, Operation, Size, Sum, Symbol, evaluate
from millstream.base.spec import Spec
from millstream.program.primitives.shaping import CONSTANT as CONSTANT_PRIMITIVE
from millstream.program.value import Program, Value

ARENA, CONSTANT, INPUT, HEAP, ALIAS = range(5)
BINDING = 1
_OPCODES = {"floor_divide": 4, "modulo": 5, "minimum": 6, "maximum": 7, "select_nonnegative": 8, "equal": 9}
WITHOUT_BYTES = (dtypes.string, dtypes.resource, dtypes.variant)


@dataclass
class Slot:
    """One value of a plan: its spec and where its bytes are."""

    spec: Spec
    storage: int = ARENA
    location: int = 0
    flags: int = 0


@dataclass
class Instruction:
    """One kernel applied to slots; attributes may be sizes known only when it runs."""

    kernel: str
    inputs: list[int]
    outputs: list[int]
    attributes: list[Size]
    source: str | None = None
    releases: list[int] = field(default_factory=list)


class FunctionWriter:
    """Collect the slots and instructions of one function."""

    def __init__(self, module: ModuleWriter, name: str) -> None:
        self.module = module
        self.name = name
        self.slots: list[Slot] = []
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.instructions: list[Instruction] = []
        self.arena_bytes = 0
        self.places: dict[Value, int] = {}
        self.source: str | None = None
        self._constants: dict[int, int] = {}

    def slot(self, spec: Spec, storage: int = ARENA, location: int = 0, flags: int = 0) -> int:
        """Add a slot. Anything without a literal size, or without plain bytes, lives on the heap."""
        if storage == ARENA and (not spec.is_static or spec.dtype in WITHOUT_BYTES):
            storage = HEAP
        self.slots.append(Slot(spec, storage, location, flags))
        return len(self.slots) - 1

    def place(self, value: Value) -> int:
        """Return the slot of a value, making one on first sight."""
        place = self.places.get(value)
        if place is None:
            node = value.node
            if node is not None and node.definition is CONSTANT_PRIMITIVE:
                place = self.constant(node.attributes["value"], value.dtype)
            else:
                place = self.slot(value.spec)
            self.places[value] = place
        return place

    def constant(self, array_: np.ndarray, dtype: DType) -> int:
        """Return the slot of a constant."""
        index = self.module.constant(array_, dtype)
        if index not in self._constants:
            self._constants[index] = self.slot(Spec(dtype, array_.shape), CONSTANT, index)
        return self._constants[index]

    def alias(self, value: Value, of: int) -> int:
        """Make `value` share the bytes of slot `of`."""
        self.places[value] = self.slot(value.spec, ALIAS, of)
        return self.places[value]

    def root(self, slot: int) -> int:
        """Return the slot whose bytes `slot` shares."""
        while self.slots[slot].storage == ALIAS:
            slot = self.slots[slot].location
        return slot

    def instruction(
        self, kernel: str, inputs: Sequence[int], outputs: Sequence[int], attributes: Iterable[Size] = ()
    ) -> None:
        """Append an instruction."""
        self.instructions.append(Instruction(kernel, list(inputs), list(outputs), list(attributes), self.source))


def real_word(number: float) -> int:
    """Return the word that carries a double bit for bit."""
    return struct.unpack("<q", struct.pack("<d", number))[0]  # type: ignore[no-any-return]


class ModuleWriter:
    """Collect functions, constants and signatures, and write them as one file."""

    def __init__(self) -> None:
        self.functions: list[FunctionWriter] = []
        self.kernels: dict[str, int] = {}
        self.blob = bytearray()
        self.texts: dict[str, tuple[int, int]] = {}
        self.constants: list[tuple[int, tuple[int, ...], int, int]] = []
        self._constant_index: dict[Any, int] = {}
        self.sources: dict[str, int] = {}
        self.signatures: list[tuple[str, int, list[str], list[str], list[tuple[int, int]]]] = []
        self.states: list[tuple[str, DType, tuple[int, ...], int, int | None]] = []
        """Name, element type, shape, constant of the first value (-1: none), function that makes it where it is no variable."""
        self.compile_program: Callable[[Program], int] | None = None

    def constant(self, value: np.ndarray, dtype: DType) -> int:
        """Keep a constant once; return its index."""
        data = string_bytes(value) if dtype == dtypes.string else np.ascontiguousarray(value).tobytes()
        key = (dtype, value.shape, data)
        if key not in self._constant_index:
            offset = self._append(data, 64)
            self._constant_index[key] = len(self.constants)
            self.constants.append((dtype.as_datatype_enum, value.shape, offset, len(data)))
        return self._constant_index[key]

    def _append(self, data: bytes, alignment: int) -> int:
        self.blob.extend(bytes(-len(self.blob) % alignment))
        offset = len(self.blob)
        self.blob.extend(data)
        return offset

    def text(self, text: str) -> tuple[int, int]:
        """Keep a text once; return its offset and length."""
        if text not in self.texts:
            data = text.encode()
            self.texts[text] = (self._append(data, 1), len(data))
        return self.texts[text]

    def source(self, text: str | None) -> int:
        """Return the index of a user's line; -1 for none."""
        return -1 if text is None else self.sources.setdefault(text, len(self.sources))

    def bytes(self) -> bytes:
        """Return the file."""
        return _Encoder(self).encode()


def string_bytes(value: np.ndarray) -> bytes:
    """Return strings as the runtime holds them: count+1 offsets, then the bytes."""
    items = [v if isinstance(v, bytes) else str(v).encode() for v in value.ravel().tolist()]
    ends = np.concatenate([[0], np.cumsum([len(v) for v in items], dtype=np.int64)]).astype("<i8")
    return ends.tobytes() + b"".join(items)


class _Encoder:
    def __init__(self, module: ModuleWriter) -> None:
        self.module = module
        self.words = array("q", bytes(16 * 8))

    def add(self, words: Iterable[int]) -> tuple[int, int]:
        """Append words; return where they are and how many."""
        start = len(self.words)
        self.words.extend(words)
        return start, len(self.words) - start

    def encode(self) -> bytes:
        module, words = self.module, self.words
        functions: list[int] = []
        for function in module.functions:
            functions += _FunctionEncoder(self, function).record()
        record = [16]
        record += self._table(self._texts(list(module.kernels)), 2)
        record += self._table(functions, 20)
        constants: list[int] = []
        for dtype, shape, offset, size in module.constants:
            constants += [dtype, len(shape), self.add(shape)[0], offset, size]
        record += self._table(constants, 5)
        record += self._table(self._signatures(), 10)
        record += self._table(self._texts(list(module.sources)), 2)
        record += self._table(self._states(), 8)
        words[: len(record)] = array("q", record)
        return self._file()

    def _table(self, flat: list[int], width: int) -> list[int]:
        return [self.add(flat)[0], len(flat) // width]

    def _texts(self, texts: Sequence[str]) -> list[int]:
        return [word for text in texts for word in self.module.text(text)]

    def _signatures(self) -> list[int]:
        flat: list[int] = []
        for name, function, inputs, outputs, states in self.module.signatures:
            flat += [*self.module.text(name), function]
            flat += self._table(self._texts(inputs), 2) + self._table(self._texts(outputs), 2)
            flat += self._table([word for pair in states for word in pair], 2) + [0]
        return flat

    def _states(self) -> list[int]:
        flat: list[int] = []
        for name, dtype, shape, constant, maker in self.module.states:
            flat += [*self.module.text(name), dtype.as_datatype_enum, len(shape), self.add(shape)[0], constant]
            flat += [0 if maker is None else maker + 1, 0]
        return flat

    def _file(self) -> bytes:
        words = self.words.tobytes()
        blob = bytes(self.module.blob)
        words_offset = 64
        blob_offset = -(-(words_offset + len(words)) // 64) * 64
        total = blob_offset + len(blob)
        header = struct.pack(
            "<8sIIQQQQQQ",
            b"MILLPLAN",
            1,
            0x01020304,
            total,
            words_offset,
            len(self.words),
            blob_offset,
            len(blob),
            zlib.crc32(words),
        )
        return header + words + bytes(blob_offset - words_offset - len(words)) + blob


class _FunctionEncoder:
    def __init__(self, encoder: _Encoder, function: FunctionWriter) -> None:
        self.encoder = encoder
        self.function = function
        self.symbols: dict[Symbol, int] = {}
        self.expressions: list[int] = []
        self.known: dict[Size, int] = {}

    def operand(self, size: Size) -> int:
        """Return a size as an operand: a literal, or minus one minus its expression."""
        if not isinstance(size, Expression):
            return int(size)
        if size not in self.known:
            self.known[size] = self._expression(size)
        return self.known[size]

    def _append(self, opcode: int, a: int, b: int) -> int:
        self.expressions += [opcode, a, b]
        return -(len(self.expressions) // 3)

    def _expression(self, size: Expression) -> int:
        if isinstance(size, Symbol):
            return self._append(0, self.symbols.setdefault(size, len(self.symbols)), 0)
        if isinstance(size, Operation):
            return self._append(_OPCODES[size.kind], self.operand(size.left), self.operand(size.right))
        assert isinstance(size, Sum)
        total: int | None = None
        # Literals are never negative: subtract instead.
        for atoms, factor in sorted(size.terms(), key=lambda t: t[1] < 0):
            term = abs(factor)
            for atom in atoms:
                place = self.operand(atom)
                term = place if term == 1 else self._append(3, term, place)
            if total is None:
                total = term if factor > 0 else self._append(2, 0, term)
            else:
                total = self._append(1 if factor > 0 else 2, total, term)
        assert total is not None
        return total if total < 0 else self._append(1, total, 0)

    def record(self) -> list[int]:
        function, add, module = self.function, self.encoder.add, self.encoder.module
        bindings: list[int] = []
        for position, slot in enumerate(function.inputs):
            for axis, size in enumerate(function.slots[slot].spec.shape or ()):
                if isinstance(size, Symbol) and size not in self.symbols:
                    self.operand(size)
                    bindings += [self.symbols[size], position, axis]
        values: list[int] = []
        for held in function.slots:
            shape = held.spec.shape
            if shape is None:
                raise UnimplementedError(
                    None,
                    None,
                    f"A plan has no values of unknown rank: {held.spec} in {function.name}. Give the shape of the elements of a "
                    "TensorArray (element_shape), or state a shape with tf.ensure_shape.",
                )
            dims = add([self.operand(n) for n in shape])[0]
            values += [held.spec.dtype.as_datatype_enum, len(shape), dims, held.storage, held.location, held.flags]
        instructions: list[int] = []
        for item in function.instructions:
            instructions += self._instruction(item)
        record = [*module.text(function.name)]
        body = [len(self.symbols), add(self.expressions)[0], len(self.expressions) // 3]
        for flat, width in ((values, 6), (function.inputs, 1), (function.outputs, 1), (instructions, 12)):
            body += [add(flat)[0], len(flat) // width]
        body += [function.arena_bytes, add(bindings)[0], len(bindings) // 3, 0, 0, 0, 0]
        return record + body

    def _instruction(self, item: Instruction) -> list[int]:
        add, module = self.encoder.add, self.encoder.module
        kernel = module.kernels.setdefault(item.kernel, len(module.kernels))
        patches: list[int] = []
        attributes: list[int] = []
        for i, attribute in enumerate(item.attributes):
            if isinstance(attribute, Expression):
                if item.kernel == "bind_sizes":
                    self.operand(attribute)
                    attributes.append(self.symbols[attribute])  # type: ignore[index]
                    continue
                patches += [i, self.operand(attribute)]
                attributes.append(0)
            else:
                attributes.append(int(attribute))
        return [
            kernel,
            *add(item.inputs),
            *add(item.outputs),
            *add(attributes),
            add(patches)[0],
            len(patches) // 2,
            module.source(item.source),
            *add(item.releases),
        ]


def bytes_of(spec: Spec) -> int:
    """Return how many bytes a value takes; 0 of texts and handles, and where only running tells."""
    return evaluate(spec.count or 0) * spec.dtype.size if spec.is_static and spec.dtype not in WITHOUT_BYTES else 0
