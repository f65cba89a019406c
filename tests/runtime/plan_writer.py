"""Writes small plan files by hand, for the runtime's own tests. Independent of the compiler."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

FLOAT32, INT32, STRING, INT64, BOOL, RESOURCE, VARIANT = 1, 3, 7, 9, 10, 20, 21
ARENA, CONSTANT, INPUT, HEAP, ALIAS = range(5)
NUMPY = {FLOAT32: np.float32, INT32: np.int32, INT64: np.int64, BOOL: np.bool_}


class Instruction(NamedTuple):
    kernel: str
    inputs: list[int]
    outputs: list[int]
    attributes: tuple[int, ...]
    patches: tuple[tuple[int, int], ...]
    source: int
    releases: tuple[int, ...]


@dataclass
class FunctionWriter:
    plan: PlanWriter
    name: str
    symbols: int = 0
    arena: int = 0
    expressions: list[tuple[int, int, int]] = field(default_factory=list)
    values: list[tuple[int, tuple[int, ...], int, int, int]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    bindings: list[tuple[int, int, int]] = field(default_factory=list)

    def value(self, dtype: int, dims: tuple[int, ...], storage: int, location: int = 0, flags: int = 0) -> int:
        self.values.append((dtype, dims, storage, location, flags))
        return len(self.values) - 1

    def input(self, dtype: int, dims: tuple[int, ...] = ()) -> int:
        self.inputs.append(self.value(dtype, dims, INPUT, len(self.inputs)))
        return self.inputs[-1]

    def heap(self, dtype: int, dims: tuple[int, ...] = (), flags: int = 0) -> int:
        return self.value(dtype, dims, HEAP, 0, flags)

    def constant(self, array: np.ndarray) -> int:
        dtype = next(number for number, kind in NUMPY.items() if array.dtype == kind)
        return self.value(dtype, array.shape, CONSTANT, self.plan.constant(dtype, array.shape, array.tobytes()))

    def expression(self, opcode: int, a: int, b: int = 0) -> int:
        """Adds an expression and returns the size operand that names it."""
        self.expressions.append((opcode, a, b))
        return -len(self.expressions)

    def run(
        self,
        kernel: str,
        inputs: list[int],
        outputs: list[int],
        attributes: tuple[int, ...] = (),
        patches: tuple[tuple[int, int], ...] = (),
        source: int = -1,
        releases: tuple[int, ...] = (),
    ) -> None:
        self.instructions.append(Instruction(kernel, inputs, outputs, attributes, patches, source, releases))


class PlanWriter:
    def __init__(self) -> None:
        self.functions: list[FunctionWriter] = []
        self.blob = bytearray()
        self.constants: list[tuple[int, tuple[int, ...], int, int]] = []
        self.sources: list[str] = []
        self.kernels: list[str] = []
        self.signatures: list[tuple[str, int, list[str], list[str], list[tuple[int, int]]]] = []
        self.states: list[tuple[str, int, tuple[int, ...], int]] = []

    def function(self, name: str, symbols: int = 0) -> FunctionWriter:
        self.functions.append(FunctionWriter(self, name, symbols))
        return self.functions[-1]

    def constant(self, dtype: int, dims: tuple[int, ...], data: bytes) -> int:
        self.blob += bytes(-len(self.blob) % 64)
        self.constants.append((dtype, dims, len(self.blob), len(data)))
        self.blob += data
        return len(self.constants) - 1

    def text(self, text: str) -> tuple[int, int]:
        data = text.encode()
        at = len(self.blob)
        self.blob += data
        return at, len(data)

    def bytes(self) -> bytes:
        words: list[int] = [0] * 16
        words[0] = 16

        def put(items: list[int]) -> int:
            at = len(words)
            words.extend(items)
            return at

        def put_list(at: int, records: list[list[int]]) -> None:
            words[at : at + 2] = [put([word for record in records for word in record]), len(records)]

        kernels = list(self.kernels)
        for function in self.functions:
            kernels += [item.kernel for item in function.instructions]
        kernels = list(dict.fromkeys(kernels))
        records = []
        for function in self.functions:
            values = [
                [dtype, len(dims), put(list(dims)), storage, location, flags]
                for dtype, dims, storage, location, flags in function.values
            ]
            instructions = []
            for kernel, inputs, outputs, attributes, patches, source, releases in function.instructions:
                flat = [word for pair in patches for word in pair]
                instructions.append(
                    [kernels.index(kernel), put(list(inputs)), len(inputs), put(list(outputs)), len(outputs)]
                    + [put(list(attributes)), len(attributes), put(flat), len(patches), source]
                    + [put(list(releases)), len(releases)]
                )
            record = [*self.text(function.name), function.symbols] + [0] * 17
            parts: list[Sequence[Sequence[int]]] = [
                function.expressions,
                values,
                [[i] for i in function.inputs],
                [[i] for i in function.outputs],
                instructions,
            ]
            for at, part in zip((3, 5, 7, 9, 11), parts, strict=True):
                record[at] = put([word for item in part for word in item])
                record[at + 1] = len(part)
            record[13] = function.arena
            record[14] = put([word for item in function.bindings for word in item])
            record[15] = len(function.bindings)
            records.append(record)
        put_list(1, [list(self.text(name)) for name in kernels])
        put_list(3, records)
        put_list(5, [[dtype, len(dims), put(list(dims)), at, size] for dtype, dims, at, size in self.constants])
        signatures = []
        for name, index, input_names, output_names, states in self.signatures:
            record = [*self.text(name), index]
            for names in (input_names, output_names):
                record += [put([word for text in names for word in self.text(text)]), len(names)]
            record += [put([word for pair in states for word in pair]), len(states), 0]
            signatures.append(record)
        put_list(7, signatures)
        put_list(9, [list(self.text(source)) for source in self.sources])
        put_list(
            11,
            [
                [*self.text(name), dtype, len(dims), put(list(dims)), constant, 0, 0]
                for name, dtype, dims, constant in self.states
            ],
        )
        body = struct.pack(f"<{len(words)}q", *words)
        blob_offset = (64 + len(body) + 63) // 64 * 64
        blob = bytes(self.blob)
        header = b"MILLPLAN" + struct.pack(
            "<IIQQQQQQ",
            1,
            0x01020304,
            blob_offset + len(blob),
            64,
            len(words),
            blob_offset,
            len(blob),
            zlib.crc32(body),
        )
        return header + body + bytes(blob_offset - 64 - len(body)) + blob
