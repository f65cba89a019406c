"""Datasets of files: lines, TFRecords, records of fixed length, CSV. Compressed by GZIP or ZLIB, or not; sums are checked."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, errors
from millstream.base.files import open_for_reading
from millstream.base.specs import TensorSpec
from millstream.data.dataset import Dataset
from millstream.data.methods import whole
from millstream.data.native import following
from millstream.data.sources import SourceMethods
from millstream.data.stage import AUTOTUNE, Element, Reader, Run, Stage, refused
from millstream.execution.convert import to_tensor
from millstream.execution.tensor import eager_constant

COMPRESSIONS = ("", "GZIP", "ZLIB")
BLOCK_BYTES = 1 << 18
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
        """Open a file; what comes gives one block after the other, and nothing at the end."""
        path = os.fsdecode(name)
        file = open_for_reading(path, self.compression)

        def read() -> bytes:
            try:
                block = file.read(BLOCK_BYTES)
            except (OSError, EOFError) as error:
                raise errors.DataLossError(None, None, f"{path}: {error}") from error
            if not block:
                file.close()
            return block

        return read

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

    def __init__(self, names: Stage, compression: str, length: Any, header: Any, footer: Any) -> None:
        super().__init__(names, _STRING_SCALAR, compression)
        self.values = {"length": length, "header": header, "footer": footer}


class _RecordsReader(Reader):
    def __init__(self, stage: CsvRecords, names: Reader) -> None:
        self.stage, self.names = stage, names
        self.path, self.count, self.index = "", 0, -1
        self.records: Iterator[Element | errors.OpError] | None = None

    def _open(self, path: str) -> None:
        self.path, self.count = path, 0
        file = open_for_reading(path, self.stage.compression)
        self.records = self.stage.records(_Buffered(file), path)  # type: ignore[arg-type]

    def __next__(self) -> Element:
        while True:
            if self.records is not None:
                try:
                    found = next(self.records)
                    self.count += 1
                    self.index += 1
                except StopIteration:
                    self.records = None
                    continue
                except errors.OpError as error:
                    self.records = None
                    raise self.stage.failed(error, self.index + 1) from error
                except (OSError, EOFError) as error:
                    self.records = None
                    wrapped = errors.DataLossError(None, None, f"{self.path}: {error}")
                    raise self.stage.failed(wrapped, self.index + 1) from error
                if isinstance(found, errors.OpError):
                    raise self.stage.failed(found, self.index)
                return found
            name = self.names.__next__()[0].numpy()
            self._open(os.fsdecode(name))

    def state(self) -> Any:
        return [self.names.state(), self.path if self.records is not None else None, self.count, self.index]

    def restore(self, state: Any) -> None:
        self.names.restore(state[0])
        self.records, self.index = None, state[3]
        if state[1] is not None:
            self._open(state[1])
            assert self.records is not None
            for _ in range(state[2]):
                next(self.records)
            self.count = state[2]


class _Buffered:
    """A file that is read in blocks."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.ready, self.at = file, b"", 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            found = self.ready[self.at :] + self.file.read()
            self.ready, self.at = b"", 0
            return found
        while len(self.ready) - self.at < size:
            block = self.file.read(max(1 << 18, size))
            if not block:
                break
            self.ready, self.at = self.ready[self.at :] + block, 0
        found = self.ready[self.at : self.at + size]
        self.at += len(found)
        return found

    def lines(self) -> Iterator[bytes]:
        left = self.ready[self.at :]
        while block := self.file.read(1 << 18):
            *whole_lines, left = (left + block).split(b"\n")
            yield from whole_lines
        if left:
            yield left

    def __del__(self) -> None:
        self.file.close()


class CsvRecords(Records):
    """Rows of CSV files, each column with its type and default."""

    name = "CSV"

    def __init__(self, names: Stage, spec: Any, compression: str, defaults: list[Any], **settings: Any) -> None:
        super().__init__(names, spec, compression)
        self.values = {"defaults": [d for d in defaults if d is not None]}
        self.required = [d is None for d in defaults]
        self.settings = settings

    def reader(self, run: Run) -> Reader:
        return _RecordsReader(self, self.input.reader(run))

    def records(self, file: Any, path: str) -> Iterator[Element | errors.OpError]:
        settings = self.settings
        text = io.StringIO(file.read().decode("utf-8", "surrogateescape"), newline="")
        quoting: Any = csv.QUOTE_MINIMAL if settings["use_quote_delim"] else csv.QUOTE_NONE
        rows = csv.reader(text, delimiter=settings["field_delim"], quoting=quoting)
        picked, given = settings["select_cols"], iter(self.values["defaults"])
        defaults = [None if r else next(given) for r in self.required]
        for number, row in enumerate(rows):
            if number == 0 and settings["header"]:
                continue
            try:
                yield self._record(row or [""], picked, defaults, f"record {number} of {path}")
            except errors.InvalidArgumentError as error:
                yield error

    def _record(self, row: list[str], picked: list[int] | None, defaults: list[Any], where: str) -> Element:
        if picked is None and len(row) != len(self.spec):
            raise refused(f"Expect {len(self.spec)} fields but have {len(row)} in {where}.")
        if picked and picked[-1] >= len(row):
            raise refused(f"Expect more than {picked[-1]} fields but have {len(row)} in {where}.")
        fields = row if picked is None else [row[i] for i in picked]
        return tuple(
            self._value(s, field, default, i)
            for i, (s, field, default) in enumerate(zip(self.spec, fields, defaults, strict=True))
        )

    def _value(self, spec: Any, field: str, default: Any, index: int) -> Any:
        if field in ("", self.settings["na_value"]):
            if default is None:
                raise refused(f"Field {index} is required but missing in record!")
            return default
        if spec.dtype is dtypes.string:
            return eager_constant(field.encode("utf-8", "surrogateescape"), spec.dtype)
        try:
            number = int(field.strip()) if spec.dtype.is_integer else float(field.strip())
            return eager_constant(np.asarray(number, spec.dtype.as_numpy_dtype), spec.dtype)
        except (ValueError, OverflowError):
            raise refused(f"Field {index} in record is not a valid {spec.dtype.name}: {field}") from None


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
        length, header, footer = whole(record_bytes), whole(header_bytes or 0), whole(footer_bytes or 0)
        if isinstance(length, int) and length <= 0:
            raise refused("record_bytes must be positive.")
        super().__init__(lambda names: FixedLength(names, how, length, header, footer), filenames, num_parallel_reads)


class CsvDataset(Dataset):
    """The rows of CSV files, as tuples of scalars.

    Args:
      filenames: a name, names, or a dataset of names.
      record_defaults: for each column a default, or an element type where the field must be there.
      compression_type: "", "GZIP" or "ZLIB".
      buffer_size: taken; files are read whole.
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
