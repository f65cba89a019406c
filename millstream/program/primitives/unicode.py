"""State the primitives between strings and code points. Encodings: those of Unicode, and any of one byte a character."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.dtypes import DType
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.strings import each, text_of
from millstream.program.value import Value, emit

UTF8, UTF16, UTF32, UTF16_LOW, UTF32_LOW, BY_TABLE = range(6)
STRICT, REPLACE, LEAVE_OUT = range(3)

_CODECS = {UTF8: "utf-8", UTF16: "utf-16-be", UTF32: "utf-32-be", UTF16_LOW: "utf-16-le", UTF32_LOW: "utf-32-le"}


def _characters(text: bytes, table: np.ndarray, encoding: int) -> Iterator[tuple[int, int]]:
    """Yield the code points (-1 for what is not valid) and where they begin."""
    if encoding == BY_TABLE:
        yield from ((int(table[byte]), i) for i, byte in enumerate(text))
        return
    at, width = 0, {UTF8: 1, UTF16: 2, UTF32: 4, UTF16_LOW: 2, UTF32_LOW: 4}[encoding]
    while at < len(text):
        rest = text[at:]
        try:
            good, bad = rest.decode(_CODECS[encoding]), 0
        except UnicodeDecodeError as error:
            good, bad = rest[: error.start].decode(_CODECS[encoding]), max(error.end - error.start, 1)
        for character in good:
            yield ord(character), at
            at += len(character.encode(_CODECS[encoding]))
        if bad:
            yield -1, at
            at += bad if width == 1 else min(max(bad, width), len(text) - at)


def _decoded(
    text: bytes, table: np.ndarray, encoding: int, on_error: int, replacement: int, control: bool
) -> Iterator[tuple[int, int]]:
    for code, at in _characters(text, table, encoding):
        if code < 0 and on_error == STRICT:
            raise errors.InvalidArgumentError(None, None, "Invalid formatting on input string")
        if code >= 0 and not (control and code < 32):
            yield code, at
        elif on_error != LEAVE_OUT:
            yield replacement, at


def _decode_meaning(
    x: np.ndarray, table: np.ndarray, splits: DType, **options: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [list(_decoded(text_of(v), table, **options)) for v in x.tolist()]
    flat = np.array([pair for row in rows for pair in row], np.int64).reshape(-1, 2)
    ends = np.cumsum([0, *map(len, rows)]).astype(splits.as_numpy_dtype)
    return ends, flat[:, 0].astype(np.int32), flat[:, 1]


def _decode_infer(x: Spec, table: Spec, splits: DType, **_: Any) -> tuple[Spec, Spec, Spec]:
    shape, n = known_shape(x), fresh_symbol("n")
    if len(shape) != 1 or x.dtype != dtypes.string:
        raise refuse("text_decode", str(x), "give a vector of strings")
    return Spec(splits, (shape[0] + 1,)), Spec(dtypes.int32, (n,)), Spec(dtypes.int64, (n,))


DECODE = primitive("text_decode", _decode_infer, _decode_meaning, lambda *_, **__: (None, None), outputs=3)


def decode(
    x: Value, table: Value, *, splits: DType, encoding: int, on_error: int, replacement: int, control: bool
) -> tuple[Value, Value, Value]:
    """Return where the rows of code points of a vector of strings begin, the code points, and the first byte of each."""
    found = emit(
        DECODE, x, table, splits=splits, encoding=encoding, on_error=on_error, replacement=replacement, control=control
    )
    return found[0], found[1], found[2]


def _encoded(codes: list[int], encoding: int, on_error: int, replacement: int) -> bytes:
    found = []
    for code in codes:
        if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            if on_error == STRICT:
                raise errors.InvalidArgumentError(
                    None, None, "Code point is out of range for Unicode, or is a surrogate"
                )
            if on_error == LEAVE_OUT:
                continue
            code = replacement
        found.append(chr(code))
    return "".join(found).encode(_CODECS[encoding])


def _encode_infer(codes: Spec, splits: Spec, **_: Any) -> Spec:
    if len(known_shape(codes)) != 1 or len(known_shape(splits)) != 1:
        raise refuse("text_encode", f"{codes} and {splits}", "give two vectors")
    return Spec(dtypes.string, (known_shape(splits)[0] - 1,))


ENCODE = primitive(
    "text_encode",
    _encode_infer,
    lambda codes, splits, **options: each(
        lambda begin, end: _encoded(codes[begin:end].tolist(), **options), splits[:-1], splits[1:]
    ),
    lambda *_, **__: (None, None),
)


def encode(codes: Value, splits: Value, *, encoding: int, on_error: int, replacement: int) -> Value:
    """Return the rows of code points as strings."""
    return emit(ENCODE, codes, splits, encoding=encoding, on_error=on_error, replacement=replacement)[0]


def _transcode_meaning(x: np.ndarray, table: np.ndarray, target: int, **options: Any) -> np.ndarray:
    return each(lambda v: _encoded([c for c, _ in _decoded(v, table, **options)], target, REPLACE, 0xFFFD), x)


TRANSCODE = primitive(
    "text_transcode",
    lambda x, table, **_: Spec(dtypes.string, known_shape(x)),
    _transcode_meaning,
    lambda *_, **__: (None, None),
)


def transcode(
    x: Value, table: Value, *, encoding: int, on_error: int, replacement: int, control: bool, target: int
) -> Value:
    """Return strings of one encoding in another."""
    options = {"encoding": encoding, "on_error": on_error, "replacement": replacement, "control": control}
    return emit(TRANSCODE, x, table, target=target, **options)[0]


UNICODE_CASE = primitive(
    "text_unicode_case",
    lambda x, *tables, final_sigma: Spec(dtypes.string, known_shape(x)),
    lambda x, *tables, final_sigma: each(
        lambda v: (str.lower if final_sigma else str.upper)(v.decode(errors="replace")).encode(), x
    ),
    lambda *_, **__: (None,) * 6,
)


def unicode_case(x: Value, tables: tuple[Value, Value, Value, Value, Value], final_sigma: bool) -> Value:
    """Return strings of UTF-8 with characters replaced; tables: codes, starts, targets, cased and ignorable characters."""
    return emit(UNICODE_CASE, x, *tables, final_sigma=final_sigma)[0]
