"""State the primitives of hash tables. They are resources: the order of these in a program is the order in which they happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive
from millstream.program.value import Value, emit

NEW = primitive(
    "table_new",
    lambda *reserved, key, value, shape, filled_once: Spec(dtypes.resource, (), None, Spec(value, shape)),
    effects=True,
)


def new(reserved: Sequence[Value], *, key: DType, value: DType, shape: tuple[int, ...], filled_once: bool) -> Value:
    """Return a table of values of a shape; `reserved` are keys (the empty, the deleted one) that nobody may use."""
    return emit(NEW, *reserved, key=key, value=value, shape=shape, filled_once=filled_once)[0]


def _find_infer(table: Spec, keys: Spec, default: Spec) -> Spec:
    """Values of a table that is not known are as the default is."""
    held = table.handle if table.handle is not None else default
    return Spec(default.dtype, (*known_shape(keys), *known_shape(held)))


FIND = primitive("table_find", _find_infer, reverse=lambda *_: (None, None, None), effects=True)


def find(table: Value, keys: Value, default: Value) -> Value:
    """Return the values of keys; for keys that are not there the default, one value or one for each key."""
    return emit(FIND, table, keys, default)[0]


INSERT = primitive("table_insert", lambda table, keys, values, clear: (), effects=True)


def insert(table: Value, keys: Value, values: Value, clear: bool) -> None:
    """Add or replace values of keys; with `clear` all others go."""
    emit(INSERT, table, keys, values, clear=clear)


REMOVE = primitive("table_remove", lambda table, keys: (), effects=True)


def remove(table: Value, keys: Value) -> None:
    """Remove keys that are there."""
    emit(REMOVE, table, keys)


SIZE = primitive("table_size", lambda table: Spec(dtypes.int64, ()), effects=True)


def size(table: Value) -> Value:
    """Return the number of keys."""
    return emit(SIZE, table)[0]


def _export_infer(table: Spec, key: DType, value: DType) -> tuple[Spec, Spec]:
    n = fresh_symbol("n")
    shape = None if table.handle is None else (n, *known_shape(table.handle))
    return Spec(key, (n,)), Spec(value, shape)


EXPORT = primitive("table_export", _export_infer, effects=True, outputs=2)


def export(table: Value, key: DType, value: DType) -> tuple[Value, Value]:
    """Return all keys and their values."""
    keys, values = emit(EXPORT, table, key=key, value=value)
    return keys, values


READ = primitive("table_read", lambda table, file, delimiter, **_: (), effects=True)


def read_file(table: Value, file: Value, delimiter: Value, **options: Any) -> None:
    """Fill a table from lines of a file; options: key, value (columns), count of lines or -1, offset of line numbers."""
    emit(READ, table, file, delimiter, **options)
