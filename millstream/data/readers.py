"""Datasets of files: lines, TFRecords, records of fixed length, CSV. Compressed by GZIP or ZLIB, or not; sums are checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.specs import TensorSpec
from millstream.data.dataset import Dataset
from millstream.data.methods import whole
from millstream.data.native import following
from millstream.data.sources import SourceMethods
from millstream.data.stage import AUTOTUNE, Limit, Reader, Run, Stage, refused
from millstream.data.storage import opened_blocks
from millstream.execution.convert import to_tensor
from millstream.execution.tensor import eager_constant

COMPRESSIONS = ("", "GZIP", "ZLIB")
_STRING_SCALAR = TensorSpec([], dtypes.string)


class Records(Stage):
    """The records of files, one file after the other. Its input gives their names."""

    name = "Record"

    def __init__(self, names: Stage, spec: Any, compression: str) -> None:
        super().__init__(spec, [names])
        self.compression = compression

    kind: int
    """Which of the runtime's file kinds it is."""

    def blocks(self, name: bytes) -> Callable[[], bytes]:
        """Open a file, to be read block by block."""
        return opened_blocks(name, self.compression)

    def reader(self, run: Run) -> Reader:
        sizes = [self.number(n) if n in self.values else 0 for n in ("length", "header", "footer")]
        return following(runtime.read_files, self, run, self.blocks, self.kind, *sizes, self.name)


class TextLines(Records):
    """Lines, without their ends."""

    name = "TextLine"
    kind = 0


class TFRecords(Records):
    """Records with their length and sums before and behind."""

    name = "TFRecord"
    kind = 1


class FixedLength(Records):
    """Records of one length, between a header and a footer."""

    name = "FixedLengthRecord"
    kind = 2
    limits = {
        "length": Limit(1, "`record_bytes` must be > 0"),
        "header": Limit(0, "`header_bytes` must be >= 0"),
        "footer": Limit(0, "`footer_bytes` must be >= 0"),
    }

    def __init__(self, names: Stage, compression: str, length: Any, header: Any, footer: Any) -> None:
        super().__init__(names, _STRING_SCALAR, compression)
        self.values = {"length": length, "header": header, "footer": footer}


class CsvRecords(Records):
    """Rows of CSV files, each column with its type and default."""

    name = "CSV"

    def __init__(self, names: Stage, spec: Any, compression: str, defaults: list[Any], **settings: Any) -> None:
        super().__init__(names, spec, compression)
        self.values = {"defaults": [d for d in defaults if d is not None]}
        self.required = [d is None for d in defaults]
        self.settings = settings

    def reader(self, run: Run) -> Reader:
        given, settings = iter(self.values["defaults"]), self.settings
        # A vector of none stands for a field that must be there.
        defaults = [
            eager_constant(np.empty(0, s.dtype.as_numpy_dtype), s.dtype) if required else next(given)
            for s, required in zip(self.spec, self.required, strict=True)
        ]
        columns = settings["select_cols"] or []
        marks = settings["field_delim"], settings["use_quote_delim"], settings["header"], settings["na_value"]
        return following(runtime.read_csv, self, run, self.blocks, defaults, columns, *marks, self.name)


def _names(filenames: Any) -> Any:
    """Return a dataset of the names of files."""
    if isinstance(filenames, Dataset):
        spec = filenames.element_spec
        if not isinstance(spec, TensorSpec) or spec.dtype is not dtypes.string:
            raise TypeError(
                f"The `filenames` argument must contain `tf.string` elements. Got `{getattr(spec, 'dtype', spec)!r}` elements."
            )
        if spec.shape.rank not in (0, None):
            raise ValueError(
                f"The `filenames` argument must contain `tf.string` elements of shape [] (i.e. scalars), got {spec.shape}."
            )
        return filenames
    if isinstance(filenames, os.PathLike):
        filenames = os.fspath(filenames)
    if isinstance(filenames, (list, tuple)):
        filenames = [os.fspath(f) if isinstance(f, os.PathLike) else f for f in filenames]
    tensor = to_tensor(filenames)
    if tensor.dtype is not dtypes.string:
        raise TypeError(f"The `filenames` argument must contain `tf.string` elements. Got `{tensor.dtype!r}` elements.")
    if tensor.shape.rank == 0:
        return SourceMethods.from_tensors(tensor)
    return SourceMethods.from_tensor_slices(tensor if tensor.shape.rank == 1 else to_tensor(tensor.numpy().ravel()))


def _compression(given: Any) -> str:
    if given is None:
        return ""
    text = given if isinstance(given, str) else np.asarray(given).item()
    text = text.decode() if isinstance(text, bytes) else text
    if text not in COMPRESSIONS:
        raise refused(f"Unsupported compression_type: {text}; give one of {', '.join(map(repr, COMPRESSIONS))}.")
    return text


def _read_by(make: Any, names: Any, parallel: Any) -> Stage:
    if parallel is None:
        return make(names._stage)  # type: ignore[no-any-return]
    many = whole(parallel)
    cycle = 10 if many == AUTOTUNE else many
    read = names.interleave(
        lambda name: Dataset(make(SourceMethods.from_tensors(name)._stage)), cycle_length=cycle, num_parallel_calls=many
    )
    return read._stage  # type: ignore[no-any-return]


class _FileDataset(Dataset):
    def __init__(self, make: Any, filenames: Any, num_parallel_reads: Any) -> None:
        super().__init__(_read_by(make, _names(filenames), num_parallel_reads))


class TextLineDataset(_FileDataset):
    """The lines of text files, without their ends.

    Args:
      filenames: a name, names, or a dataset of names.
      compression_type: "", "GZIP" or "ZLIB".
      buffer_size: taken; files are read in blocks of 256 KiB.
      num_parallel_reads: how many files are read at once, in turns; None: one after the other.

    Raises:
      tf.errors.NotFoundError: while iterating, where a file is missing.

    >>> path = os.path.join(tempfile.mkdtemp(), "lines")
    >>> _ = open(path, "w").write("one\\ntwo\\n")
    >>> list(tf.data.TextLineDataset(path).as_numpy_iterator())
    [b'one', b'two']
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ) -> None:
        how = _compression(compression_type)
        super().__init__(lambda names: TextLines(names, _STRING_SCALAR, how), filenames, num_parallel_reads)


class TFRecordDataset(_FileDataset):
    """The records of TFRecord files. The sums of lengths and data are checked.

    Args:
      filenames: a name, names, or a dataset of names.
      compression_type: "", "GZIP" or "ZLIB".
      buffer_size: taken; files are read in blocks of 256 KiB.
      num_parallel_reads: how many files are read at once, in turns; None: one after the other.

    Raises:
      tf.errors.DataLossError: while iterating, where a record is cut off or a sum is wrong.
      tf.errors.NotFoundError: while iterating, where a file is missing.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ) -> None:
        how = _compression(compression_type)
        super().__init__(lambda names: TFRecords(names, _STRING_SCALAR, how), filenames, num_parallel_reads)


class FixedLengthRecordDataset(_FileDataset):
    """The records of files in which all have one length.

    Args:
      filenames: a name, names, or a dataset of names.
      record_bytes: the length.
      header_bytes: how many bytes at the beginning of a file are passed over.
      footer_bytes: how many bytes at its end are.
      buffer_size: taken; files are read whole.
      compression_type: "", "GZIP" or "ZLIB".
      num_parallel_reads: how many files are read at once, in turns; None: one after the other.

    Raises:
      tf.errors.InvalidArgumentError: while iterating, where a file has another size than a number of records.

    >>> path = os.path.join(tempfile.mkdtemp(), "records")
    >>> _ = open(path, "w").write("aabbcc")
    >>> list(tf.data.FixedLengthRecordDataset(path, 2).as_numpy_iterator())
    [b'aa', b'bb', b'cc']
    """

    def __init__(
        self,
        filenames: Any,
        record_bytes: Any,
        header_bytes: Any = None,
        footer_bytes: Any = None,
        buffer_size: Any = None,
        compression_type: Any = None,
        num_parallel_reads: Any = None,
        name: str | None = None,
    ) -> None:
        how = _compression(compression_type)
        given = {"length": record_bytes, "header": header_bytes, "footer": footer_bytes}
        length, header, footer = (whole(0 if v is None else v, FixedLength.limits[n]) for n, v in given.items())
        super().__init__(lambda names: FixedLength(names, how, length, header, footer), filenames, num_parallel_reads)


class CsvDataset(Dataset):
    """The rows of CSV files, as tuples of scalars.

    Args:
      filenames: a name, names, or a dataset of names.
      record_defaults: for each column a default, or an element type where the field must be there.
      compression_type: "", "GZIP" or "ZLIB".
      buffer_size: taken; files are read in blocks of 256 KiB.
      header: whether the first row of each file is passed over.
      field_delim: what stands between fields.
      use_quote_delim: whether quotation marks hold fields together.
      na_value: another text for a missing field.
      select_cols: the numbers of the columns that are read, in order.
      exclude_cols: the numbers of those that are not; not together with `select_cols`.

    Raises:
      ValueError: both `select_cols` and `exclude_cols` are given.
      tf.errors.InvalidArgumentError: while iterating, where a field is missing or is no number.

    >>> path = os.path.join(tempfile.mkdtemp(), "rows.csv")
    >>> _ = open(path, "w").write("1,a\\n,b\\n")
    >>> list(tf.data.experimental.CsvDataset(path, [5, tf.string]).as_numpy_iterator())
    [(1, b'a'), (5, b'b')]
    """

    def __init__(
        self,
        filenames: Any,
        record_defaults: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        header: bool = False,
        field_delim: str = ",",
        use_quote_delim: bool = True,
        na_value: str = "",
        select_cols: Any = None,
        exclude_cols: Any = None,
    ) -> None:
        if select_cols is not None and exclude_cols is not None:
            raise refused("Either select_cols or exclude_cols should be given, not both.")
        if len(field_delim.encode()) != 1:
            raise refused(f"field_delim should be only 1 char, given {field_delim!r}.")
        columns = [_column(d) for d in record_defaults]
        types, defaults = [t for t, _ in columns], [d for _, d in columns]
        picked = None if select_cols is None else [int(i) for i in select_cols]
        if exclude_cols is not None:
            left_out = {int(i) for i in exclude_cols}
            picked = [i for i in range(len(types) + len(left_out)) if i not in left_out]
        names = _names(filenames)
        spec = tuple(TensorSpec([], t) for t in types)
        super().__init__(
            CsvRecords(
                names._stage,
                spec,
                _compression(compression_type),
                defaults,
                header=bool(header),
                field_delim=field_delim,
                use_quote_delim=use_quote_delim,
                na_value=na_value,
                select_cols=picked,
            )
        )


def _column(given: Any) -> tuple[Any, Any]:
    """Return the element type of a column, and its default: None where its fields must be there."""
    if isinstance(given, (dtypes.DType, type)):
        return dtypes.as_dtype(given), None
    tensor = to_tensor(given)
    if tensor.shape.rank == 1 and tensor.shape[0] == 0:
        return tensor.dtype, None
    return tensor.dtype, tensor if tensor.shape.rank == 0 else eager_constant(tensor.numpy().ravel()[0], tensor.dtype)
