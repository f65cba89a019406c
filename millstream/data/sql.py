"""tf.data.experimental.SqlDataset: the rows of a query of a SQLite database. Other databases are refused."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np

from millstream.api.public import public
from millstream.base import dtypes, errors, nest
from millstream.base.dtypes import DType, as_dtype
from millstream.base.specs import TensorSpec
from millstream.data.dataset import Dataset
from millstream.data.leaves import leaf_specs
from millstream.data.stage import Element, Reader, Run, Stage, refused
from millstream.execution.convert import to_tensor
from millstream.execution.tensor import eager_constant

_TYPES = (
    dtypes.string, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64, dtypes.uint8, dtypes.uint16, dtypes.bool,
    dtypes.float64,
)  # fmt: skip
_NUMBER = re.compile(rb"\s*[+-]?\d+")
_REAL = re.compile(rb"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?)")


class Query(Stage):
    """The rows of a query."""

    name = "Sql"

    def __init__(self, spec: Any, source: Any, query: Any) -> None:
        super().__init__(spec, values={"source": source, "query": query})

    def reader(self, run: Run) -> Reader:
        return _QueryReader(self, _text(self.values["source"]), _text(self.values["query"]))


def _text(value: Any) -> str:
    found = value if isinstance(value, (str, bytes, os.PathLike)) else value.numpy()
    return os.fsdecode(found)


class _QueryReader(Reader):
    def __init__(self, stage: Query, source: str, query: str) -> None:
        self.stage, self.source, self.query, self.index = stage, source, query, 0
        self.types: list[Any] = [getattr(s, "dtype", None) for s in leaf_specs(stage.spec)]
        self.rows: Iterator[Any] | None = None

    def __next__(self) -> Element:
        try:
            if self.rows is None:
                self.rows = self._opened()
            row = next(self.rows)
        except (sqlite3.Error, sqlite3.Warning) as error:
            failure = errors.UnknownError(None, None, f"Prepare() failed: {error}: {self.query}")
            raise self.stage.failed(failure, self.index) from error
        self.index += 1
        return tuple([_value(cell, dtype) for cell, dtype in zip(row, self.types, strict=True)])

    def _opened(self) -> Iterator[Any]:
        # Threads that read ahead go on with what another one opened; they take turns.
        connection = sqlite3.connect(self.source, check_same_thread=False)
        connection.text_factory = bytes
        cursor = connection.execute(self.query)
        columns = len(cursor.description or ())
        if columns != len(self.types):
            connection.close()
            raise self.stage.failed(
                refused(
                    f"The number of columns in query ({columns}) must match the number of elements in output_types "
                    f"({len(self.types)})."
                ),
                self.index,
            )
        return cursor

    def state(self) -> Any:
        return self.index

    def restore(self, state: Any) -> None:
        self.rows, self.index = None, 0
        for _ in range(state):
            next(self)


def _value(cell: Any, dtype: DType) -> Any:
    """Return a cell as SQLite converts it: nothing is 0 or no text, text counts by the number it begins with."""
    if dtype is dtypes.string:
        text = cell if isinstance(cell, bytes) else b"" if cell is None else str(cell).encode()
        return eager_constant(text, dtype)
    if dtype is dtypes.float64:
        return eager_constant(np.float64(_number(cell, _REAL)), dtype)
    number = int(_number(cell, _NUMBER))
    if dtype is dtypes.bool:
        return eager_constant(np.bool_(number != 0), dtype)
    return eager_constant(np.asarray(number, np.int64).astype(dtype.as_numpy_dtype), dtype)


def _number(cell: Any, form: re.Pattern[bytes]) -> Any:
    if isinstance(cell, bytes):
        found = form.match(cell)
        cell = float(found.group()) if found and form is _REAL else int(found.group()) if found else 0
    return cell or 0


@public("data.experimental.SqlDataset", "compat.v1.data.experimental.SqlDataset")
class SqlDataset(Dataset):
    """The rows of a query of a SQLite database, as scalars.

    Args:
      driver_name: "sqlite".
      data_source_name: the name of the file.
      query: a query that gives rows.
      output_types: for each column its element type: string, int8 to int64, uint8, uint16, bool or float64.

    Raises:
      tf.errors.InvalidArgumentError: for another database or type; while iterating, for another number of columns.
      tf.errors.UnknownError: while iterating, where SQLite refuses the query.

    >>> path = os.path.join(tempfile.mkdtemp(), "people")
    >>> import sqlite3
    >>> with sqlite3.connect(path) as people:
    ...     _ = people.executescript("create table t (name text, age integer); insert into t values ('Ann', 9)")
    >>> rows = tf.data.experimental.SqlDataset("sqlite", path, "select name, age from t", (tf.string, tf.int32))
    >>> list(rows.as_numpy_iterator())
    [(b'Ann', 9)]
    """

    def __init__(self, driver_name: Any, data_source_name: Any, query: Any, output_types: Any) -> None:
        driver = _text(driver_name if isinstance(driver_name, str) else to_tensor(driver_name))
        if driver != "sqlite":
            raise refused(
                f"The database type, {driver}, is not supported by SqlDataset. The set of supported databases is: {{'sqlite'}}."
            )
        types = nest.map_structure(as_dtype, output_types)
        if any(t not in _TYPES for t in nest.flatten(types)):
            allowed = ", ".join(t.name for t in _TYPES)
            raise refused(f"Each element of `output_types_` must be one of: {allowed}.")
        super().__init__(Query(nest.map_structure(lambda t: TensorSpec([], t), types), data_source_name, query))
