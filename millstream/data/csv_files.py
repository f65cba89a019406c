"""make_csv_dataset: batches of CSV rows as columns by name, whose names and types are read from the files."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.files import open_for_reading
from millstream.data.dataset import Dataset
from millstream.data.options import Options
from millstream.data.readers import CsvDataset
from millstream.data.stage import AUTOTUNE
from millstream.execution.tensor import eager_constant


def _is_integer(text: str, limits: Any) -> bool:
    try:
        return bool(limits.min <= int(text) <= limits.max)
    except ValueError:
        return False


def _is_float(text: str, kind: Any) -> bool:
    try:
        with np.errstate(over="ignore"):
            return bool(kind(text) < np.inf)
    except ValueError:
        return False


_TYPES: tuple[tuple[Any, Callable[[str], bool]], ...] = (
    (dtypes.int32, lambda text: _is_integer(text, np.iinfo(np.int32))),
    (dtypes.int64, lambda text: _is_integer(text, np.iinfo(np.int64))),
    (dtypes.float32, lambda text: _is_float(text, np.float32)),
    (dtypes.float64, lambda text: _is_float(text, np.float64)),
    (dtypes.string, lambda text: True),
)
"""Element types from the narrowest on, and whether a text is of each."""


class _Files:
    """The CSV files, and how they are written."""

    def __init__(self, names: list[str], delimiter: str, quotes: bool, compression: str, encoding: str) -> None:
        self.names, self.compression, self.encoding = names, compression, encoding
        self.style: dict[str, Any] = {
            "delimiter": delimiter,
            "quoting": csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
        }

    def rows(self, name: str) -> Iterator[list[str]]:
        """Go through the rows of one file."""
        file = open_for_reading(name, self.compression)
        try:
            yield from csv.reader(io.StringIO(file.read().decode(self.encoding), newline=""), **self.style)
        finally:
            file.close()

    def column_names(self) -> list[str]:
        """Return the first row, which all files share."""
        found: list[str] | None = None
        for name in self.names:
            first = next(self.rows(name), None)
            if first is None:
                raise ValueError(f"Failed when reading the header line of {name}. Is it an empty file?")
            if found is not None and first != found:
                raise ValueError(
                    "All input CSV files should have the same column names in the header row. File "
                    f"{name} has different column names."
                )
            found = first
        assert found is not None
        return found

    def defaults(self, count: int, header: bool, missing: str, most: int | None, picked: Sequence[int]) -> list[Any]:
        """Return a default of the narrowest type that holds the first rows, for each column."""
        kinds: list[int | None] = [None] * len(picked)
        seen = 0
        for name in self.names:
            for number, row in enumerate(self.rows(name)):
                if number == 0 and header:
                    continue
                if most is not None and seen >= most:
                    break
                if len(row) != count:
                    raise ValueError(
                        f"Problem inferring types: CSV row {number + 1} has {len(row)} number of fields. Expected: {count}."
                    )
                seen += 1
                for i, column in enumerate(picked):
                    if row[column] not in ("", missing):
                        fits = next(
                            k for k, (_, test) in enumerate(_TYPES) if test(row[column]) and k >= (kinds[i] or 0)
                        )
                        kinds[i] = fits
        chosen = [dtypes.string if k is None else _TYPES[k][0] for k in kinds]
        return [eager_constant("" if t is dtypes.string else 0, t) for t in chosen]


@public("data.experimental.make_csv_dataset")
def make_csv_dataset(
    file_pattern: Any,
    batch_size: Any,
    column_names: Any = None,
    column_defaults: Any = None,
    label_name: str | None = None,
    select_columns: Any = None,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    header: bool = True,
    num_epochs: int | None = None,
    shuffle: bool = True,
    shuffle_buffer_size: int = 10000,
    shuffle_seed: Any = None,
    prefetch_buffer_size: Any = None,
    num_parallel_reads: int | None = None,
    sloppy: bool = False,
    num_rows_for_inference: int | None = 100,
    compression_type: str | None = None,
    ignore_errors: bool = False,
    encoding: str = "utf-8",
) -> Any:
    """Return a dataset of batches of CSV rows: ordered dicts of columns, with the label's column beside where it is named.

    Args:
      file_pattern: a pattern of file names, or several.
      batch_size: how many rows a batch has.
      column_names: the names of all columns; those of the first rows where None.
      column_defaults: for each column that is read a default, or an element type where fields must be there; by the first rows
        where None.
      label_name: the column that comes beside the others.
      select_columns: the names or numbers of the columns that are read.
      field_delim: what stands between fields.
      use_quote_delim: whether quotation marks hold fields together.
      na_value: another text for a missing field.
      header: whether files begin with a row of names.
      num_epochs: how often the files are gone through; without end where None.
      shuffle: whether files and rows come in random order.
      shuffle_buffer_size: how many rows are held for it.
      shuffle_seed: a whole number that decides the order.
      prefetch_buffer_size: how many batches are made ahead; 2 where None.
      num_parallel_reads: how many files are read at once; 1 where None.
      sloppy: whether the order of rows of several files is free.
      num_rows_for_inference: how many rows decide the element types; all where None.
      compression_type: "", "GZIP" or "ZLIB".
      ignore_errors: whether rows that cannot be read are left out.
      encoding: of the files.

    Raises:
      ValueError: no file matches, names come twice, or an argument names a column that is not there.

    >>> path = os.path.join(tempfile.mkdtemp(), "rows.csv")
    >>> _ = open(path, "w").write("a,b\\n1,x\\n2,y\\n")
    >>> batches = tf.data.experimental.make_csv_dataset(path, 2, label_name="b", num_epochs=1, shuffle=False)
    >>> features, labels = next(iter(batches))
    >>> features["a"].numpy().tolist(), labels.numpy().tolist()
    ([1, 2], [b'x', b'y'])
    """
    names = _file_names(file_pattern)
    files = _Files(names, field_delim, use_quote_delim, compression_type or "", encoding)
    if column_names is None:
        if not header:
            raise ValueError("Expected `column_names` or `header` arguments. Neither is provided.")
        column_names = files.column_names()
    if len(column_names) != len(set(column_names)):
        twice = {n for n in column_names if list(column_names).count(n) > 1}
        raise ValueError(f"Either `column_names` argument or CSV header row contains duplicate column names: {twice}.")
    picked = None if select_columns is None else _numbers(select_columns, list(column_names))
    defaults = column_defaults
    if defaults is None:
        read = range(len(column_names)) if picked is None else picked
        defaults = files.defaults(len(column_names), header, na_value, num_rows_for_inference, read)
    if picked is not None and len(defaults) != len(picked):
        raise ValueError(
            "If specified, `column_defaults` and `select_columns` must have same length: "
            f"`column_defaults` has length {len(defaults)}, `select_columns` has length {len(picked)}."
        )
    kept = list(column_names) if picked is None else [column_names[i] for i in picked]
    if label_name is not None and label_name not in kept:
        raise ValueError(f"`label_name` provided must be one of the columns: {kept}. Received: {label_name}.")

    def rows_of(name: Any) -> Any:
        found: Any = CsvDataset(
            name,
            defaults,
            compression_type,
            header=header,
            field_delim=field_delim,
            use_quote_delim=use_quote_delim,
            na_value=na_value,
            select_cols=picked,
        )
        return found.ignore_errors() if ignore_errors else found

    def by_name(*columns: Any) -> Any:
        features = OrderedDict(zip(kept, columns, strict=True))
        return features if label_name is None else (features, features.pop(label_name))

    dataset: Any = Dataset.from_tensor_slices(names)
    if shuffle:
        dataset = dataset.shuffle(len(names), shuffle_seed)
    cycle = 1 if num_parallel_reads is None else num_parallel_reads
    dataset = dataset.interleave(rows_of, cycle_length=cycle, num_parallel_calls=cycle)
    if sloppy:
        options = Options()
        options.deterministic = False
        dataset = dataset.with_options(options)
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer_size, shuffle_seed)
    if num_epochs != 1:
        dataset = dataset.repeat(num_epochs)
    dataset = dataset.batch(batch_size, drop_remainder=num_epochs is None).map(by_name)
    return dataset.prefetch(AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size)


def _file_names(patterns: Any) -> list[str]:
    flat = [patterns] if isinstance(patterns, (str, bytes, os.PathLike)) else list(patterns)
    if not flat:
        raise ValueError("Argument `file_pattern` should not be empty.")
    found = sorted(name for p in flat for name in glob.glob(os.fsdecode(p)))
    if not found:
        raise ValueError(f"No files match `file_pattern` {patterns}.")
    return found


def _numbers(columns: Sequence[Any], names: list[str]) -> list[int]:
    found = []
    for column in columns:
        if isinstance(column, int) and not 0 <= column < len(names):
            raise ValueError(
                f"Column index {column} specified in `select_columns` should be > 0  and <= {len(names)}, which is the number "
                "of columns."
            )
        if not isinstance(column, int) and column not in names:
            raise ValueError(f"Column {column} specified in `select_columns` must be of one of the columns: {names}.")
        found.append(column if isinstance(column, int) else names.index(column))
    if len(set(found)) != len(found):
        raise ValueError(f"The `select_columns` argument contains duplicate columns: {columns}.")
    return sorted(found)
