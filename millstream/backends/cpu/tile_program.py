"""Builds tile programs: the attribute words of the runtime's kernels `fused` and `fused_reduce` (runtime/kernels/fused.h).

Element types are TensorFlow's DataType numbers. Sizes are ints, or any other object: then the word is 0 and `patches`
says where the object's value must be put when the program runs. Refuses unknown steps, never types: the runtime checks these.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

# Numbers and operand counts of runtime/kernels/fused_ops.h; tile_program_test.py compares the two.
OPS: Final[dict[str, tuple[int, int]]] = {
    "constant": (0, 0),
    "iota": (1, 0),
    "convert": (2, 1),
    "bitcast": (3, 1),
    "select": (4, 3),
    "negate": (10, 1),
    "abs": (11, 1),
    "sign": (12, 1),
    "exp": (13, 1),
    "expm1": (14, 1),
    "log": (15, 1),
    "log1p": (16, 1),
    "sqrt": (17, 1),
    "rsqrt": (18, 1),
    "cbrt": (19, 1),
    "sin": (20, 1),
    "cos": (21, 1),
    "tan": (22, 1),
    "asin": (23, 1),
    "acos": (24, 1),
    "atan": (25, 1),
    "sinh": (26, 1),
    "cosh": (27, 1),
    "tanh": (28, 1),
    "asinh": (29, 1),
    "acosh": (30, 1),
    "atanh": (31, 1),
    "logistic": (32, 1),
    "erf": (33, 1),
    "erfc": (34, 1),
    "erf_inv": (35, 1),
    "lgamma": (36, 1),
    "digamma": (37, 1),
    "floor": (38, 1),
    "ceil": (39, 1),
    "round_even": (40, 1),
    "is_finite": (41, 1),
    "is_nan": (42, 1),
    "is_inf": (43, 1),
    "logical_not": (44, 1),
    "popcnt": (45, 1),
    "real": (46, 1),
    "imag": (47, 1),
    "conj": (48, 1),
    "bessel_i0e": (49, 1),
    "bessel_i1e": (50, 1),
    "add": (60, 2),
    "subtract": (61, 2),
    "multiply": (62, 2),
    "divide": (63, 2),
    "remainder": (64, 2),
    "power": (65, 2),
    "maximum": (66, 2),
    "minimum": (67, 2),
    "atan2": (68, 2),
    "next_after": (69, 2),
    "bit_and": (70, 2),
    "bit_or": (71, 2),
    "bit_xor": (72, 2),
    "shift_left": (73, 2),
    "shift_right": (74, 2),
    "igamma": (75, 2),
    "igammac": (76, 2),
    "zeta": (77, 2),
    "polygamma": (78, 2),
    "igamma_gradient": (86, 2),
    "random_gamma_gradient": (87, 2),
    "bessel_j0": (88, 1),
    "bessel_j1": (89, 1),
    "bessel_y0": (90, 1),
    "bessel_y1": (91, 1),
    "bessel_k0": (92, 1),
    "bessel_k0e": (93, 1),
    "bessel_k1": (94, 1),
    "bessel_k1e": (95, 1),
    "dawsn": (96, 1),
    "expint": (97, 1),
    "fresnel_cos": (98, 1),
    "fresnel_sin": (99, 1),
    "spence": (100, 1),
    "betainc": (101, 3),
    "complex": (79, 2),
    "compare_eq": (80, 2),
    "compare_ne": (81, 2),
    "compare_lt": (82, 2),
    "compare_le": (83, 2),
    "compare_gt": (84, 2),
    "compare_ge": (85, 2),
}

KINDS: Final[dict[str, int]] = {"store": 0, "sum": 1, "product": 2, "max": 3, "min": 4, "and": 5, "or": 6}

BOOLEAN: Final = 10
FORMAT: Final = 1
MOST_RANK: Final = 12
# How a Python number becomes an element's bytes; 8-bit floats must come as bytes.
_FORMATS: Final[dict[int, str]] = {
    1: "<f", 2: "<d", 3: "<i", 4: "<B", 5: "<h", 6: "<b", 9: "<q", 10: "<?", 17: "<H", 19: "<e", 22: "<I", 23: "<Q",
    29: "<b", 30: "<B",
}  # fmt: skip

Size = Any  # an int, or what `patches` hands back


class Register:
    """A value of a tile program: an input, or the result of a step."""

    __slots__ = ("dtype", "index", "is_input")

    def __init__(self, index: int, dtype: int, is_input: bool) -> None:
        self.index = index
        self.dtype = dtype
        self.is_input = is_input


def element_words(dtype: int, value: bool | int | float | complex | bytes) -> tuple[int, int]:
    """The low and high 64 bits of one element's bytes, as signed words.

    `value` may be the element's bytes themselves (little-endian), which every element type takes.
    """
    if isinstance(value, bytes):
        data = value
    elif dtype == 14:  # bfloat16: the upper half of a float32, rounded to nearest even
        (bits,) = struct.unpack("<I", struct.pack("<f", value))
        nan = (bits & 0x7FFFFFFF) > 0x7F800000
        data = struct.pack("<H", (bits >> 16) | 0x40 if nan else ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF)
    elif dtype in (8, 18):
        number = complex(value)
        data = struct.pack("<ff" if dtype == 8 else "<dd", number.real, number.imag)
    elif dtype in _FORMATS:
        data = struct.pack(_FORMATS[dtype], value)
    else:
        raise ValueError(f"A constant of element type {dtype} must be given as bytes, given {value!r}.")
    if len(data) > 16:
        raise ValueError(f"An element has at most 16 bytes, given {len(data)}.")
    low, high = struct.unpack("<qq", data.ljust(16, b"\0"))
    return low, high


class TileProgram:
    """One fused instruction, stated step by step over an iteration space `dims`.

    `reduced=(begin, end)`: iteration dimensions begin..end-1 are those over which outputs of a kind other than
    "store" are reduced; the kernel is then `fused_reduce`, else `fused` (`kernel`).
    """

    def __init__(self, dims: Sequence[Size], reduced: tuple[int, int] | None = None) -> None:
        if len(dims) > MOST_RANK:
            raise ValueError(f"A tile program has at most {MOST_RANK} dimensions, given {len(dims)}.")
        if reduced is not None and not 0 <= reduced[0] <= reduced[1] <= len(dims):
            raise ValueError(f"`reduced` must lie in 0..{len(dims)}, given {reduced}.")
        self._dims = list(dims)
        self._reduced = reduced
        self._inputs: list[tuple[int, Size, list[Size]]] = []
        self._steps: list[tuple[int, int, tuple[Register | int, ...]]] = []
        self._outputs: list[tuple[Register, int]] = []

    @property
    def kernel(self) -> str:
        return "fused" if self._reduced is None else "fused_reduce"

    def input(self, dtype: int, strides: Sequence[Size], offset: Size = 0) -> Register:
        """The next input: element strides along each iteration dimension (0 broadcasts), from element `offset` on."""
        if len(strides) != len(self._dims):
            raise ValueError(f"An input needs {len(self._dims)} strides, one per dimension, given {len(strides)}.")
        self._inputs.append((dtype, offset, list(strides)))
        return Register(len(self._inputs) - 1, dtype, True)

    def constant(self, dtype: int, value: bool | int | float | complex | bytes) -> Register:
        low, high = element_words(dtype, value)
        return self._step("constant", dtype, low, high)

    def iota(self, axis: int, dtype: int) -> Register:
        """The coordinate along iteration dimension `axis`."""
        return self._step("iota", dtype, axis)

    def apply(self, op: str, dtype: int, *operands: Register) -> Register:
        """A step by its name in fused_ops.h; `dtype` is the element type of its result."""
        if op not in OPS or op in ("constant", "iota"):
            raise ValueError(f"There is no step {op!r}; see runtime/kernels/fused_ops.h.")
        if len(operands) != OPS[op][1]:
            raise ValueError(f"{op} takes {OPS[op][1]} operands, given {len(operands)}.")
        return self._step(op, dtype, *operands)

    def convert(self, dtype: int, operand: Register) -> Register:
        return operand if operand.dtype == dtype else self._step("convert", dtype, operand)

    def select(self, condition: Register, x: Register, y: Register) -> Register:
        return self._step("select", x.dtype, condition, x, y)

    def compare(self, direction: str, x: Register, y: Register) -> Register:
        """`direction`: EQ NE LT LE GT GE."""
        return self.apply(f"compare_{direction.lower()}", BOOLEAN, x, y)

    def output(self, register: Register, dtype: int | None = None, kind: str = "store") -> None:
        """The next output: dense in iteration order ("store"), or reduced: sum product max min and or."""
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {', '.join(KINDS)}, given {kind!r}.")
        if kind != "store" and self._reduced is None:
            raise ValueError(f"An output of kind {kind!r} needs `reduced` dimensions.")
        if dtype is not None:
            register = self.convert(dtype, register)
        self._outputs.append((register, KINDS[kind]))

    def operands(self) -> list[Size]:
        """The attribute words, with sizes that are not ints in their places."""
        """The attribute words, sizes that are not ints among them."""
        begin, end = self._reduced or (0, 0)
        counts = (len(self._inputs), len(self._steps), len(self._outputs))
        words: list[Size] = [FORMAT, len(self._dims), *counts, begin, end - begin, 0, *self._dims]
        for dtype, offset, strides in self._inputs:
            words += [dtype, offset, *strides]
        for number, dtype, operands in self._steps:
            values = [self._value(operand) for operand in operands]
            words += [number, dtype, *values, *([0] * (3 - len(values)))]
        for register, kind in self._outputs:
            words += [self._value(register), register.dtype, kind]
        return words

    def words(self) -> list[int]:
        """The attribute words."""
        return [size if isinstance(size, int) else 0 for size in self.operands()]

    def patches(self) -> list[tuple[int, Size]]:
        """Where sizes that are not ints belong: (position in the words, size)."""
        return [(at, size) for at, size in enumerate(self.operands()) if not isinstance(size, int)]

    def _step(self, op: str, dtype: int, *operands: Register | int) -> Register:
        self._steps.append((OPS[op][0], dtype, operands))
        return Register(len(self._steps) - 1, dtype, False)

    def _value(self, operand: Register | int) -> int:
        if isinstance(operand, int):
            return operand
        return operand.index if operand.is_input else operand.index + len(self._inputs)
