"""tf.compat.v1's readers: what takes names of files out of a queue, and gives the records of one file after the other."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

from millstream.api.public import public, publish, root
from millstream.api.refusal import refusing_class
from millstream.base import dtypes, errors
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution.context import executing_eagerly
from millstream.execution.tensor import eager_constant
from millstream.version_1.sessions.in_python import Kept

tf: Any = root()

Record = tuple[bytes, bytes]
"""A key, as a rule the file's name and the place in it, and the record."""

_TEXT, _NUMBER = Spec(dtypes.string, ()), Spec(dtypes.int64, ())


class _Reading:
    """What one reader reads in one session. Where each file is one record, it is never within a file."""

    def __init__(self, records_of: Callable[[bytes], Iterator[Record]], one_each: bool) -> None:
        self.records_of, self.one_each = records_of, one_each
        self.begin()

    def begin(self) -> None:
        self.records: Iterator[Record] | None = None
        self.produced = self.completed = 0

    def next(self, queue: Any, may_wait: bool = True) -> Record | None:
        """Return the next record, of the next file where one is at its end; None where that may not be waited for."""
        while True:
            if self.records is None:
                if not may_wait:
                    return None
                self.records = self.records_of(queue.take_now()[0].numpy())
            found = next(self.records, None)
            if found is None or self.one_each:
                self.records = None
                self.completed += 1
            if found is not None:
                self.produced += 1
                return found


@public("compat.v1.ReaderBase")
class ReaderBase:
    """What all readers are.

    Args:
      reader_ref: what gives the records of a file by its name: a function that makes an iterator of keys and records.
      supports_serialize: whether its state can be written down: each file is one record.

    Raises:
      RuntimeError: ops run at once.
    """

    def __init__(self, reader_ref: Any, supports_serialize: bool = False) -> None:
        if executing_eagerly():
            raise RuntimeError(
                explain(
                    "Readers are not supported when eager execution is enabled. Instead, please use tf.data to get data into "
                    "your model."
                )
            )
        self._reader_ref, self._supports_serialize = reader_ref, supports_serialize
        self._kept = Kept(f"{type(self).__name__}V2", lambda: _Reading(reader_ref, supports_serialize))

    @property
    def reader_ref(self) -> Any:
        """What gives the records of a file."""
        return self._reader_ref

    @property
    def supports_serialize(self) -> bool:
        """Whether its state can be written down."""
        return self._supports_serialize

    def read(self, queue: Any, name: str | None = None) -> tuple[Any, Any]:
        """Return the key and the text of the next record, in each run another one.

        Args:
          queue: a queue of names of files; it is waited for when a file is at its end.
          name: accepted and not used.

        Raises:
          tf.errors.OutOfRangeError: the queue is closed and empty.
        """

        def read(reading: _Reading) -> list[Any]:
            found = reading.next(queue)
            assert found is not None
            return [eager_constant(part, dtypes.string) for part in found]

        key, value = self._kept.call("ReaderReadV2", read, (), (_TEXT, _TEXT))
        return key, value

    def read_up_to(self, queue: Any, num_records: Any, name: str | None = None) -> tuple[Any, Any]:
        """Return the keys and texts of the next records: at most `num_records`, fewer where a file ends."""

        def read(reading: _Reading, most: Any) -> list[Any]:
            found: list[Record] = []
            while len(found) < int(most) and (record := reading.next(queue, not found)) is not None:
                found.append(record)
            return [tf.constant([record[i] for record in found], dtypes.string, [len(found)]) for i in (0, 1)]

        count = tf.convert_to_tensor(num_records, dtypes.int64)
        keys, values = self._kept.call("ReaderReadUpToV2", read, [count], (Spec(dtypes.string, None),) * 2)
        for tensor in (keys, values):
            tensor.set_shape([None])
        return keys, values

    def num_records_produced(self, name: str | None = None) -> Any:
        """Return how many records were read."""
        return self._number("ReaderNumRecordsProducedV2", lambda reading: reading.produced)

    def num_work_units_completed(self, name: str | None = None) -> Any:
        """Return how many files are at their end."""
        return self._number("ReaderNumWorkUnitsCompletedV2", lambda reading: reading.completed)

    def _number(self, op: str, count: Callable[[_Reading], int]) -> Any:
        return self._kept.call(op, lambda reading: [eager_constant(count(reading), dtypes.int64)], (), (_NUMBER,))[0]

    def reset(self, name: str | None = None) -> Any:
        """Return an operation that forgets what was read: the next file comes next."""
        return self._kept.run("ReaderResetV2", _Reading.begin)

    def serialize_state(self, name: str | None = None) -> Any:
        """Return the state as a text; tf.errors.UnimplementedError where it cannot be written down."""

        def write(reading: _Reading) -> list[Any]:
            self._check_state()
            if reading.records is not None:
                raise errors.UnimplementedError(
                    None, None, explain("A reader that is within a file cannot be written down.")
                )
            return [eager_constant(f"{reading.produced} {reading.completed}".encode(), dtypes.string)]

        return self._kept.call("ReaderSerializeStateV2", write, (), (_TEXT,))[0]

    def restore_state(self, state: Any, name: str | None = None) -> Any:
        """Return an operation that takes over a state that `serialize_state` gave."""

        def take_over(reading: _Reading, text: Any) -> None:
            self._check_state()
            reading.begin()
            try:
                reading.produced, reading.completed = map(int, text.numpy().split())
            except ValueError:
                raise errors.InvalidArgumentError(
                    None, None, explain(f"This is no state of a reader: {text.numpy()!r}.")
                ) from None

        return self._kept.run("ReaderRestoreStateV2", take_over, tf.convert_to_tensor(state, dtypes.string))

    def _check_state(self) -> None:
        if not self._supports_serialize:
            raise errors.UnimplementedError(
                None, None, explain(f"The state of a {type(self).__name__} cannot be written down.")
            )


def _opened(path: bytes) -> Any:
    return tf.io.gfile.GFile(path.decode(errors="surrogateescape"), "rb")


@public("compat.v1.TextLineReader")
class TextLineReader(ReaderBase):
    """Gives the lines of files, without what ends them; keys are `file:number`, from 1.

    Args:
      skip_header_lines: how many lines of each file are left out.
      name: accepted and not used.
    """

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None) -> None:
        left_out = skip_header_lines or 0

        def lines(path: bytes) -> Iterator[Record]:
            with _opened(path) as file:
                number = 0
                while line := file.readline():
                    number += 1
                    if number > left_out:
                        yield path + b":%d" % number, line.removesuffix(b"\n").replace(b"\r", b"")

        super().__init__(lines)


@public("compat.v1.WholeFileReader")
class WholeFileReader(ReaderBase):
    """Gives the contents of whole files; keys are their names."""

    def __init__(self, name: str | None = None) -> None:
        def whole(path: bytes) -> Iterator[Record]:
            with _opened(path) as file:
                yield path, file.read()

        super().__init__(whole, supports_serialize=True)


@public("compat.v1.IdentityReader")
class IdentityReader(ReaderBase):
    """Gives the names themselves, as keys and as records."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(lambda path: iter([(path, path)]), supports_serialize=True)


@public("compat.v1.TFRecordReader")
class TFRecordReader(ReaderBase):
    """Gives the records of TFRecord files; keys are `file:offset`.

    Args:
      name: accepted and not used.
      options: TFRecordOptions, which say how files are compressed.
    """

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        def records(path: bytes) -> Iterator[Record]:
            offset = 0
            for record in tf.compat.v1.io.tf_record_iterator(path.decode(errors="surrogateescape"), options):
                yield path + b":%d" % offset, record
                # A length, its sum, the record, its sum.
                offset += 16 + len(record)

        super().__init__(records)


@public("compat.v1.FixedLengthRecordReader")
class FixedLengthRecordReader(ReaderBase):
    """Gives pieces of `record_bytes` bytes of files; keys are `file:number`, from 0.

    Args:
      record_bytes: the length of a record.
      header_bytes: what is left out at the beginning of a file.
      footer_bytes: what is left out at its end.
      hop_bytes: how far each record begins behind the one before; `record_bytes` without it.
      name: accepted and not used.
      encoding: "ZLIB" where files are compressed.
    """

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: str | None = None,
        encoding: str | None = None,
    ) -> None:
        if encoding not in (None, "", "ZLIB"):
            raise ValueError(explain(f"encoding={encoding!r}: give 'ZLIB' or nothing."))
        hop = hop_bytes or record_bytes

        def pieces(path: bytes) -> Iterator[Record]:
            with _opened(path) as file:
                data = zlib.decompress(file.read()) if encoding == "ZLIB" else file.read()
            end = len(data) - (footer_bytes or 0) - record_bytes
            for number, start in enumerate(range(header_bytes or 0, end + 1, hop)):
                yield path + b":%d" % number, data[start : start + record_bytes]

        super().__init__(pieces)


publish(
    "compat.v1.LMDBReader",
    refusing_class(
        "compat.v1.LMDBReader", "LMDB's library is not part of this package", "write the records as TFRecords"
    ),
)
