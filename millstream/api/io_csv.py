"""tf.io.decode_csv: rows of text as columns of tensors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from millstream.api.io_codecs import refused
from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops import text_records as ops
from millstream.ops.declaration import runtime_name

_TYPES = (dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64, dtypes.string)


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
    return list(
        apply(
            ops.decode_csv,
            to_tensor(records, dtypes.string),
            defaults,
            field_delim=field_delim,
            use_quote_delim=bool(use_quote_delim),
            na_value=na_value,
            select_cols=() if select_cols is None else tuple(int(c) for c in select_cols),
        )
    )
