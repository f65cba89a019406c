"""State the primitives that take strings apart: comparing, measuring, cutting, splitting, reading numbers. Nothing flows back.

What is made of strings (fingerprints, digits, joined strings) is in `text`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, fresh_symbol
from millstream.base.spec import Spec
from millstream.program.primitives.core import Primitive, known_shape, primitive, refuse
from millstream.program.primitives.elementwise import merged_shape
from millstream.program.value import Value, emit


def text_of(item: Any) -> bytes:
    """Return an element of a string array as bytes."""
    return item if isinstance(item, bytes) else str(item).encode()


def each(function: Callable[..., Any], *arrays: np.ndarray, kind: Any = object) -> np.ndarray:
    """Return function(strings or numbers at one place …) for all places."""
    rows = [[text_of(v) if a.dtype == object else v for v in a.ravel().tolist()] for a in arrays]
    found = np.empty(arrays[0].size, kind)
    for i, items in enumerate(zip(*rows, strict=True)):
        found[i] = function(*items)
    return found.reshape(arrays[0].shape)


def _no_flow(*_: Any, **__: Any) -> tuple[None, ...]:
    return (None, None, None, None, None)


def _strings(name: str, x: Spec) -> tuple[Size, ...]:
    if x.dtype != dtypes.string:
        raise refuse(name, str(x), "give strings")
    return known_shape(x)


def _one_by_one(name: str, result: DType | None, function: Callable[..., Any], *, inputs: int = 1) -> Primitive:
    """State a primitive whose result at a place depends on the operands there, and on attributes."""

    def infer(*xs: Spec, **attributes: Any) -> Spec:
        _strings(name, xs[0])
        return Spec(result or attributes["dtype"], merged_shape(name, xs))

    def meaning(*xs: np.ndarray, **attributes: Any) -> np.ndarray:
        dtype = result or attributes["dtype"]
        kind = object if dtype == dtypes.string else dtype.as_numpy_dtype
        return each(lambda *items: function(*items, **attributes), *xs, kind=kind)

    return primitive(name, infer, meaning, lambda *_, **__: (None,) * inputs)


def space_at_ends_cut(text: bytes) -> bytes:
    """Return a string without white space at its ends."""
    return text.strip(b" \t\n\v\f\r")


def _characters(text: bytes) -> list[bytes]:
    """Return the characters: each byte that continues none, with those behind it that do."""
    parts: list[bytes] = []
    for i in range(len(text)):
        if parts and text[i] & 0xC0 == 0x80:
            parts[-1] += text[i : i + 1]
        else:
            parts.append(text[i : i + 1])
    return parts


def _cut(text: bytes, position: int, length: int, characters: bool) -> bytes:
    units = _characters(text) if characters else [text[i : i + 1] for i in range(len(text))]
    if not -len(units) <= position <= len(units):
        raise errors.InvalidArgumentError(None, None, f"pos {position} out of range for string {text!r}")
    rest = units[position:] if position < 0 or units else units
    return b"".join(rest if length < 0 else rest[:length])


def _number(text: bytes, dtype: DType) -> Any:
    try:
        word = space_at_ends_cut(text).decode()
        if "_" in word or "(" in word:
            raise ValueError(word)
        if dtype.is_floating:
            return float.fromhex(word) if "x" in word.lower() else float(word)
        number = int(word)
        if not dtype.min <= number <= dtype.max:
            raise ValueError(word)
        return number
    except ValueError:
        raise errors.InvalidArgumentError(
            None, None, f"StringToNumberOp could not correctly convert string: {text!r}"
        ) from None


COMPARE = _one_by_one("text_compare", dtypes.bool, lambda x, y, differs: (x != y) == differs, inputs=2)
LENGTH = _one_by_one(
    "text_length", dtypes.int32, lambda x, characters: sum(not characters or b & 0xC0 != 0x80 for b in x)
)
STRIP = _one_by_one("text_strip", dtypes.string, space_at_ends_cut)
CASE = _one_by_one("text_case", dtypes.string, lambda x, upper: x.upper() if upper else x.lower())
CUT = _one_by_one("text_cut", dtypes.string, _cut, inputs=3)
TO_NUMBER = _one_by_one("text_to_number", None, _number)


def compare(x: Value, y: Value, *, differs: bool) -> Value:
    """Return whether strings are equal, or differ."""
    return emit(COMPARE, x, y, differs=differs)[0]


def length(x: Value, characters: bool) -> Value:
    """Return the number of bytes, or of characters of UTF-8, int32."""
    return emit(LENGTH, x, characters=characters)[0]


def strip(x: Value) -> Value:
    """Return the strings without white space at their ends."""
    return emit(STRIP, x)[0]


def case(x: Value, upper: bool) -> Value:
    """Return the strings in capital, or small, ASCII letters."""
    return emit(CASE, x, upper=upper)[0]


def cut(x: Value, position: Value, count: Value, characters: bool) -> Value:
    """Return `count` bytes or characters of each string, from a position on that may count from the end."""
    return emit(CUT, x, position, count, characters=characters)[0]


def to_number(x: Value, dtype: DType) -> Value:
    """Return the numbers that the strings spell."""
    return emit(TO_NUMBER, x, dtype=dtype)[0]


MASK = 0xFFFFFFFFFFFFFFFF


def _turned(x: int, by: int) -> int:
    return (x << by | x >> (64 - by)) & MASK


def _sip_rounds(v: list[int], count: int) -> None:
    for _ in range(count):
        v[0], v[2] = v[0] + v[1] & MASK, v[2] + v[3] & MASK
        v[1], v[3] = _turned(v[1], 13) ^ v[0], _turned(v[3], 16) ^ v[2]
        v[0] = _turned(v[0], 32)
        v[2], v[0] = v[2] + v[1] & MASK, v[0] + v[3] & MASK
        v[1], v[3] = _turned(v[1], 17) ^ v[2], _turned(v[3], 21) ^ v[0]
        v[2] = _turned(v[2], 32)


def _sip(text: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4."""
    first, second = (k & MASK for k in key)
    v = [
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    ]
    padded = text + bytes(7 - len(text) % 8) + bytes([len(text) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        _sip_rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _sip_rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _murmur(text: bytes) -> int:
    """MurmurHash64A of seed 0xDECAFCAFFE."""
    factor = 0xC6A4A7935BD1E995
    h = 0xDECAFCAFFE ^ len(text) * factor & MASK
    whole = len(text) // 8 * 8
    for (word,) in struct.iter_unpack("<Q", text[:whole]):
        k = word * factor & MASK
        k = (k ^ k >> 47) * factor & MASK
        h = (h ^ k) * factor & MASK
    if whole < len(text):
        h = (h ^ int.from_bytes(text[whole:], "little")) * factor & MASK
    h = (h ^ h >> 47) * factor & MASK
    return h ^ h >> 47


KEYED_HASH = _one_by_one("text_keyed_hash", dtypes.uint64, _sip)
OLDER_HASH = _one_by_one("text_older_hash", dtypes.uint64, _murmur)


def keyed_hash(x: Value, key: tuple[int, int]) -> Value:
    """Return SipHash-2-4 of each string, uint64."""
    return emit(KEYED_HASH, x, key=key)[0]


def older_hash(x: Value) -> Value:
    """Return MurmurHash64A of each string, uint64."""
    return emit(OLDER_HASH, x)[0]


FIXED, SCIENTIFIC, SHORTEST = range(3)


def _of_number(value: Any, fill: bytes, form: int, precision: int, width: int, dtype: DType) -> bytes:
    flags = "%" + fill.decode() + (str(width) if width >= 0 else "")
    if dtype == dtypes.bool:
        return b"true" if value else b"false"
    if dtype == dtypes.string:
        return value.ljust(max(width, 0)) if fill == b"-" else value.rjust(max(width, 0))  # type: ignore[no-any-return]
    if dtype.is_integer:
        return (
            f"%{fill.decode().strip('+ ') if dtype.is_unsigned else fill.decode()}{flags[1 + len(fill) :]}d" % value
        ).encode()
    whole = flags + (f".{precision}" if precision >= 0 else "") + "feg"[form]
    return whole.encode() % value


def _of_number_meaning(
    x: np.ndarray, fill: np.ndarray, form: int, precision: int, width: int, dtype: DType
) -> np.ndarray:
    flag = text_of(fill.item())

    def word(value: Any) -> bytes:
        if not dtype.is_complex:
            return _of_number(value, flag, form, precision, width, dtype)
        parts = [_of_number(v, flag, form, precision, width, dtypes.float64) for v in (value.real, value.imag)]
        return b"(" + b",".join(parts) + b")"

    return each(word, x)


OF_NUMBER = primitive(
    "text_of_number",
    lambda x, fill, **_: Spec(dtypes.string, known_shape(x)),
    _of_number_meaning,
    lambda *_, **__: (None, None),
)


def of_number(x: Value, fill: Value, *, form: int, precision: int, width: int) -> Value:
    """Return each number (bool, complex number, string) as printf writes it."""
    return emit(OF_NUMBER, x, fill, form=form, precision=precision, width=width, dtype=x.dtype)[0]


def _join_rows_infer(x: Spec, separator: Spec) -> Spec:
    return Spec(dtypes.string, _strings("text_join_rows", x)[:1])


JOIN_ROWS = primitive(
    "text_join_rows",
    _join_rows_infer,
    lambda x, separator: each(
        lambda i: text_of(separator.item()).join(text_of(v) for v in x[i].tolist()), np.arange(x.shape[0])
    ),
    lambda *_, **__: (None, None),
)


def join_rows(x: Value, separator: Value) -> Value:
    """Return the strings of each row of a matrix, with the separator between them."""
    return emit(JOIN_ROWS, x, separator)[0]


def _join_segments_meaning(x: np.ndarray, ids: np.ndarray, separator: np.ndarray, count: int) -> np.ndarray:
    rows: list[list[np.ndarray]] = [[] for _ in range(count)]
    for row, k in zip(x, ids.tolist(), strict=True):
        if not 0 <= k < count:
            raise errors.InvalidArgumentError(None, None, f"segment_ids are not allowed to exceed num_segments: {k}")
        rows[k].append(row)
    found = np.empty((count, x.shape[1]), object)
    for k, members in enumerate(rows):
        for j in range(x.shape[1]):
            found[k, j] = text_of(separator.item()).join(text_of(row[j]) for row in members)
    return found


JOIN_SEGMENTS = primitive(
    "text_join_segments",
    lambda x, ids, separator, count: Spec(dtypes.string, (count, _strings("text_join_segments", x)[1])),
    _join_segments_meaning,
    lambda *_, **__: (None, None, None),
)


def join_segments(x: Value, ids: Value, separator: Value, count: Size) -> Value:
    """Return, for each of `count` ids, the strings of its rows of a matrix, column by column, with the separator between."""
    return emit(JOIN_SEGMENTS, x, ids, separator, count=count)[0]


AT_SEPARATOR, AT_BYTES, AT_BYTES_DROPPING_EMPTY = range(3)


def _split_infer(x: Spec, separator: Spec, how: int, most: int) -> tuple[Spec, Spec, Spec]:
    if len(_strings("text_split", x)) != 1 or known_shape(separator):
        raise refuse("text_split", f"{x} and {separator}", "give a vector and a scalar")
    n = fresh_symbol("n")
    return Spec(dtypes.int64, (n, 2)), Spec(dtypes.string, (n,)), Spec(dtypes.int64, (2,))


def _parts(text: bytes, separator: bytes, how: int, most: int) -> Sequence[bytes]:
    if how == AT_SEPARATOR:
        return text.split(separator, max(most, -1)) if separator else _words(text, most)
    if not separator:
        return [text[i : i + 1] for i in range(len(text))]
    found, last = [], 0
    for i, byte in enumerate(text):
        if byte in separator:
            found.append(text[last:i])
            last = i + 1
    found += [text[last:]] if text else []
    return [part for part in found if part] if how == AT_BYTES_DROPPING_EMPTY else found


def _words(text: bytes, most: int) -> list[bytes]:
    """Return the parts between white space; after the last cut the rest is a part, even where it is empty."""
    if most == 0:
        return [text]
    found, rest = [], text.lstrip()
    while rest:
        word = rest.split(None, 1)[0]
        found.append(word)
        rest = rest[len(word) :].lstrip()
        if len(found) == most:
            return [*found, rest]
    return found


def _split_meaning(x: np.ndarray, separator: np.ndarray, how: int, most: int) -> tuple[np.ndarray, ...]:
    rows = [_parts(text_of(v), text_of(separator.item()), how, most) for v in x.tolist()]
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    values = np.empty(len(places), object)
    values[:] = [part for row in rows for part in row]
    widest = max((len(row) for row in rows), default=0)
    return np.array(places, np.int64).reshape(-1, 2), values, np.array([len(rows), widest], np.int64)


SPLIT = primitive("text_split", _split_infer, _split_meaning, lambda *_, **__: (None, None), outputs=3)


def split(x: Value, separator: Value, how: int, most: int = -1) -> tuple[Value, Value, Value]:
    """Return the places (row, part) of the parts of strings, the parts, and the sizes of the matrix that they fill."""
    places, parts, shape = emit(SPLIT, x, separator, how=how, most=most)
    return places, parts, shape


def _ngrams_meaning(
    x: np.ndarray,
    splits: np.ndarray,
    separator: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    widths: tuple[int, ...],
    padding: int,
    keep_short: bool,
) -> tuple[np.ndarray, np.ndarray]:
    ends, grams = [0], []
    first, last, between = (text_of(v.item()) for v in (left, right, separator))
    for begin, end in zip(splits[:-1].tolist(), splits[1:].tolist(), strict=True):
        row = [text_of(v) for v in x[begin:end].tolist()]
        found = []
        for width in widths:
            more = width - 1 if padding < 0 else min(padding, width - 1)
            padded = [first] * more + row + [last] * more
            found += [between.join(padded[i : i + width]) for i in range(len(padded) - width + 1)]
        if not found and keep_short and row:
            more = max(padding, 0)
            found = [between.join([first] * more + row + [last] * more)]
        grams += found
        ends.append(len(grams))
    result = np.empty(len(grams), object)
    result[:] = grams
    return result, np.array(ends[: splits.size], splits.dtype)


NGRAMS = primitive(
    "text_ngrams",
    lambda x, splits, *_, **__: (Spec(dtypes.string, (fresh_symbol("n"),)), Spec(splits.dtype, known_shape(splits))),
    _ngrams_meaning,
    _no_flow,
    outputs=2,
)


def ngrams(
    x: Value, splits: Value, texts: tuple[Value, Value, Value], widths: tuple[int, ...], padding: int, keep_short: bool
) -> tuple[Value, Value]:
    """Return runs of neighbours in rows, joined, and where the rows begin in them; texts: separator, left and right padding."""
    found = emit(NGRAMS, x, splits, *texts, widths=widths, padding=padding, keep_short=keep_short)
    return found[0], found[1]
