"""State the primitives that read records: rows of CSV, Example messages, raw bytes. Nothing flows back through them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, errors, examples
from millstream.base.dtypes import DType
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive
from millstream.program.primitives.strings import text_of
from millstream.program.value import Value, emit

_WHOLE = re.compile(rb"\s*[+-]?\d+\s*")
_REAL = re.compile(rb"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|infinity|nan)\s*", re.IGNORECASE)
_NAMES = {dtypes.float32: "float", dtypes.float64: "double"}


def _refused(reason: str) -> errors.InvalidArgumentError:
    return errors.InvalidArgumentError(None, None, reason)


# Rows of CSV.


def _fields_of(text: bytes, delimiter: bytes, quotes: bool) -> list[bytes]:
    """Return the fields of one row; none of an empty one."""
    fields: list[bytes] = []
    at = 0
    while at < len(text):
        if quotes and text[at : at + 1] == b'"':
            field, at = _quoted(text, at + 1, delimiter)
            fields.append(field)
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            field = text[at:end]
            if b"\n" in field or b"\r" in field or (quotes and b'"' in field):
                raise _refused("Unquoted fields cannot have quotes/CRLFs inside")
            fields.append(field)
            at = end
        if at < len(text):
            at += 1
            if at == len(text):
                fields.append(b"")
    return fields


def _quoted(text: bytes, at: int, delimiter: bytes) -> tuple[bytes, int]:
    """Return a field behind its first quotation mark, and where it ends."""
    parts = []
    while True:
        end = text.find(b'"', at)
        if end < 0:
            raise _refused("Quoted field has to end with quote followed by delim or end")
        parts.append(text[at:end])
        after = text[end + 1 : end + 2]
        if after in (b"", delimiter):
            return b"".join(parts), end + 1
        if after != b'"':
            raise _refused("Quote inside a string has to be escaped by another quote")
        parts.append(b'"')
        at = end + 2


def _chosen(fields: list[bytes], columns: Sequence[int], count: int, record: int) -> list[bytes]:
    found = [fields[c] for c in columns if c < len(fields)] if columns else fields
    if len(found) != count:
        raise _refused(f"Expect {count} fields but have {len(found)} in record {record}")
    return found


def _field_value(text: bytes, dtype: DType, fallback: list[Any], missing: bytes, field: int, record: int) -> Any:
    if text in (b"", missing):
        if not fallback:
            raise _refused(f"Field {field} is required but missing in record {record}!")
        return fallback[0]
    if dtype is dtypes.string:
        return text
    if dtype.is_integer:
        number = int(text) if _WHOLE.fullmatch(text) else None
        if number is not None and dtype.min <= number <= dtype.max:
            return number
    elif _REAL.fullmatch(text):
        with np.errstate(over="ignore"):
            return dtype.as_numpy_dtype(text.strip())
    name = _NAMES.get(dtype, dtype.name)
    raise _refused(f"Field {field} in record {record} is not a valid {name}: {text.decode(errors='replace')}")


def _csv_meaning(
    records: np.ndarray,
    *defaults: np.ndarray,
    types: tuple[DType, ...],
    delimiter: bytes,
    quotes: bool,
    missing: bytes,
    columns: tuple[int, ...],
) -> tuple[np.ndarray, ...]:
    rows = [
        _chosen(_fields_of(text_of(text), delimiter, quotes), columns, len(types), i)
        for i, text in enumerate(records.ravel().tolist())
    ]
    made = []
    for i, (dtype, default) in enumerate(zip(types, defaults, strict=True)):
        column = np.empty(len(rows), dtype.as_numpy_dtype)
        for j, row in enumerate(rows):
            column[j] = _field_value(row[i], dtype, default.ravel().tolist(), missing, i, j)
        made.append(column.reshape(records.shape))
    return tuple(made)


CSV = primitive(
    "text_csv",
    lambda records, *defaults, types, **_: tuple(Spec(t, known_shape(records)) for t in types),
    _csv_meaning,
    lambda dys, ys, records, *defaults, **_: (None,) * (1 + len(defaults)),
)


def csv(
    records: Value, defaults: Sequence[Value], *, delimiter: bytes, quotes: bool, missing: bytes, columns: Sequence[int]
) -> tuple[Value, ...]:
    """Return a column for each default (a scalar or a vector of one; a vector of none where fields must be there)."""
    types = tuple(d.dtype for d in defaults)
    return emit(
        CSV,
        records,
        *defaults,
        types=types,
        delimiter=delimiter,
        quotes=quotes,
        missing=missing,
        columns=tuple(columns),
    )


# Messages.


def _examples_infer(
    serialized: Spec,
    names: Spec,
    *defaults: Spec,
    dense: tuple[tuple[bytes, tuple[int, ...]], ...],
    sparse: tuple[tuple[bytes, DType], ...],
) -> tuple[Spec, ...]:
    rows = known_shape(serialized)[0]
    found = [Spec(d.dtype, (rows, math.prod(shape))) for d, (_, shape) in zip(defaults, dense, strict=True)]
    for _, dtype in sparse:
        count = fresh_symbol("values")
        found += [Spec(dtypes.int64, (count, 2)), Spec(dtype, (count,)), Spec(dtypes.int64, (2,))]
    return tuple(found)


def _examples_meaning(
    serialized: np.ndarray, names: np.ndarray, *defaults: np.ndarray, dense: Any, sparse: Any
) -> tuple[np.ndarray, ...]:
    named = [text_of(n) for n in names.tolist()]
    parsed = examples.rows_of([text_of(s) for s in serialized.tolist()], named, "Example")
    rows = [examples.Row(e.features.feature, examples.name_of(named, i), i) for i, e in enumerate(parsed)]
    made: list[np.ndarray] = []
    for (key, shape), default in zip(dense, defaults, strict=True):
        dtype = dtypes.string if default.dtype == object else dtypes.as_dtype(default.dtype)
        fallback = default if default.size == math.prod(shape) else None
        made.append(examples.dense(rows, key.decode(), dtype, shape, fallback).reshape(len(rows), math.prod(shape)))
    for key, dtype in sparse:
        made.extend(examples.sparse(examples.lists(rows, key.decode(), dtype), dtype))
    return tuple(made)


EXAMPLES = primitive(
    "text_examples",
    _examples_infer,
    _examples_meaning,
    lambda dys, ys, serialized, names, *defaults, **_: (None,) * (2 + len(defaults)),
)


def read_examples(
    serialized: Value,
    names: Value,
    defaults: Sequence[Value],
    dense: Sequence[tuple[bytes, tuple[int, ...]]],
    sparse: Sequence[tuple[bytes, DType]],
) -> tuple[Value, ...]:
    """Return features of Example messages.

    For each dense feature (key, shape) with its flat default, of another size where it must be there: values [rows, elements].
    For each sparse feature (key, element type): places [values, 2], values, and the sizes of the matrix.
    """
    return emit(EXAMPLES, serialized, names, *defaults, dense=tuple(dense), sparse=tuple(sparse))


# Raw bytes.


def _raw_infer(x: Spec, *, dtype: DType, little: bool, length: int) -> Spec:
    size = dtype.size
    return Spec(dtype, (*known_shape(x), fresh_symbol("numbers") if length < 0 else length // size))


def _raw_meaning(x: np.ndarray, *, dtype: DType, little: bool, length: int) -> np.ndarray:
    kind = np.dtype(dtype.as_numpy_dtype)
    strings = [text_of(s) for s in x.ravel().tolist()]
    if length >= 0:
        strings = [s[:length].ljust(length, b"\0") for s in strings]
    size = length if length >= 0 else len(strings[0]) if strings else 0
    for i, text in enumerate(strings):
        if len(text) != size:
            raise _refused(
                f"DecodeRaw requires input strings to all be the same size, but element {i} has size {len(text)} != {size}"
            )
    if size % kind.itemsize:
        raise _refused(
            f"Input to DecodeRaw has length {size} that is not a multiple of {kind.itemsize}, the size of {dtype.name}"
        )
    data = np.frombuffer(b"".join(strings), np.uint8)
    if not little:
        part = kind.itemsize // (2 if dtype.is_complex else 1)
        data = np.ascontiguousarray(data.reshape(-1, part)[:, ::-1])
    numbers = data.reshape(-1).view(kind) if data.size else np.empty(0, kind)
    return numbers.reshape(*x.shape, size // kind.itemsize)


RAW = primitive("text_raw", _raw_infer, _raw_meaning, lambda *_, **__: (None,))


def raw(x: Value, dtype: DType, *, little: bool, length: int = -1) -> Value:
    """Return the bytes of strings as numbers, along a new last axis; `length` bytes of each, or all."""
    return emit(RAW, x, dtype=dtype, little=little, length=length)[0]
