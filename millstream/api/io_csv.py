"""tf.io.decode_csv: rows of text as columns of tensors."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api.io_codecs import refused
from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.dtypes import DType
from millstream.base.spec import Spec
from millstream.execution.convert import to_tensor
from millstream.execution.host import call_on_host
from millstream.execution.specs import spec_of
from millstream.execution.tensor import eager_constant
from millstream.ops.declaration import runtime_name

_TYPES = (dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64, dtypes.string)
_WHOLE = re.compile(rb"\s*[+-]?\d+\s*")
_REAL = re.compile(rb"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|infinity|nan)\s*", re.IGNORECASE)


@public("io.decode_csv")
def decode_csv(
    records: Any,
    record_defaults: Sequence[Any],
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Sequence[int] | None = None,
    name: str | None = None,
) -> list[Any]:
    """Part rows of text into columns.

    Args:
      records: strings of any shape, a row each.
      record_defaults: for each column what stands for a missing field, of the column's type (float32, float64, int32, int64 or
        string): a scalar or a vector of one; a vector of none where the field must be there.
      field_delim: the character between fields.
      use_quote_delim: whether quotation marks hold fields together.
      na_value: another text for a missing field.
      select_cols: the numbers of the columns that are read, in order; None for all.

    Returns:
      A tensor of the shape of `records` for each column.

    Raises:
      ValueError: `select_cols` is not in order, or not as long as `record_defaults`.
      tf.errors.InvalidArgumentError: when it runs: a row has another number of fields, a field is missing or is no number.

    >>> [column.numpy().tolist() for column in tf.io.decode_csv(["1,a", "2,"], [[0], ["none"]])]
    [[1, 2], [b'a', b'none']]
    """
    defaults = [to_tensor(d) for d in record_defaults]
    if select_cols is not None:
        if any(a >= b for a, b in itertools.pairwise(select_cols)):
            raise ValueError(errors.explain("select_cols is not strictly increasing."))
        if any(c < 0 for c in select_cols):
            raise ValueError(errors.explain("select_cols contains negative values."))
        if len(select_cols) != len(defaults):
            raise ValueError(errors.explain("Length of select_cols and record_defaults do not match."))
    if len(field_delim) != 1:
        raise refused(errors.explain("field_delim should be only 1 char"))
    for i, default in enumerate(defaults):
        if default.dtype not in _TYPES:
            allowed = ", ".join(runtime_name(t) for t in _TYPES)
            raise refused(
                errors.explain(
                    f"Column {i} is of {default.dtype.name}, which is not in the list of allowed values: {allowed}"
                )
            )
        if default.shape.rank not in (0, 1, None) or (default.shape.num_elements() or 0) > 1:
            raise refused(
                errors.explain(
                    f"There should only be 1 default per field but field {i} has {default.shape.num_elements()}"
                )
            )
    texts = to_tensor(records, dtypes.string)
    columns = None if select_cols is None else [int(c) for c in select_cols]
    delimiter, missing = field_delim.encode(), na_value.encode()

    def call(found: Any, *given: Any) -> list[Any]:
        fallbacks = [list(d._strings()) if d.dtype is dtypes.string else d._array().ravel().tolist() for d in given]
        rows = [
            _chosen(fields_of(text, delimiter, use_quote_delim), columns, len(given), i)
            for i, text in enumerate(found._strings())
        ]
        made = []
        for i, (default, fallback) in enumerate(zip(given, fallbacks, strict=True)):
            column = np.empty(len(rows), default.dtype.as_numpy_dtype)
            for j, row in enumerate(rows):
                column[j] = _value(row[i], default.dtype, fallback, missing, i, j)
            made.append(eager_constant(column.reshape(found._shape), default.dtype))
        return made

    shape = spec_of(texts).shape
    if shape is None:
        raise ValueError(errors.explain("DecodeCSV: the rank of records must be known."))
    return call_on_host("DecodeCSV", call, [texts, *defaults], [Spec(d.dtype, shape) for d in defaults])


def _chosen(fields: list[bytes], columns: list[int] | None, count: int, record: int) -> list[bytes]:
    found = fields if columns is None else [fields[c] for c in columns if c < len(fields)]
    if len(found) != count:
        raise refused(f"Expect {count} fields but have {len(found)} in record {record}")
    return found


def _value(text: bytes, dtype: DType, fallback: list[Any], missing: bytes, field: int, record: int) -> Any:
    if text in (b"", missing):
        if not fallback:
            raise refused(f"Field {field} is required but missing in record {record}!")
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
    raise refused(
        f"Field {field} in record {record} is not a valid {runtime_name(dtype)}: {text.decode(errors='replace')}"
    )


def fields_of(text: bytes, delimiter: bytes, quotes: bool) -> list[bytes]:
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
                raise refused("Unquoted fields cannot have quotes/CRLFs inside")
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
            raise refused("Quoted field has to end with quote followed by delim or end")
        parts.append(text[at:end])
        after = text[end + 1 : end + 2]
        if after in (b"", delimiter):
            return b"".join(parts), end + 1
        if after != b'"':
            raise refused("Quote inside a string has to be escaped by another quote")
        parts.append(b'"')
        at = end + 2
