"""tf.io: files of records (TFRecord), written one by one and read again."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, ClassVar

from millstream.api.public import public
from millstream.base import errors
from millstream.base.files import local_path, of_system, open_for_reading
from millstream.base.records import framed_record, read_records


@public("compat.v1.io.TFRecordCompressionType", "compat.v1.python_io.TFRecordCompressionType")
class TFRecordCompressionType:
    """Numbers of the compressions."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


@public("io.TFRecordOptions", "compat.v1.io.TFRecordOptions", "compat.v1.python_io.TFRecordOptions")
class TFRecordOptions:
    """How a file of records is compressed.

    Args:
      compression_type: "", "GZIP", "ZLIB", or None for none.
      flush_mode: taken; files are flushed by `flush` and `close`.
      input_buffer_size: taken; not used.
      output_buffer_size: taken; not used.
      window_bits: of zlib: 15 for None.
      compression_level: of zlib, 0 to 9: its default for None.
      compression_method: of zlib: deflate for None.
      mem_level: of zlib: 9 for None.
      compression_strategy: of zlib: its default for None.

    Raises:
      ValueError: for other compressions.
    """

    compression_type_map: ClassVar[dict[int, str]] = {0: "", 1: "ZLIB", 2: "GZIP"}

    def __init__(
        self,
        compression_type: Any = None,
        flush_mode: Any = None,
        input_buffer_size: Any = None,
        output_buffer_size: Any = None,
        window_bits: int | None = None,
        compression_level: int | None = None,
        compression_method: int | None = None,
        mem_level: int | None = None,
        compression_strategy: int | None = None,
    ) -> None:
        self.get_compression_type_string(compression_type)
        self.compression_type = compression_type
        self.flush_mode = flush_mode
        self.input_buffer_size = input_buffer_size
        self.output_buffer_size = output_buffer_size
        self.window_bits = window_bits
        self.compression_level = compression_level
        self.compression_method = compression_method
        self.mem_level = mem_level
        self.compression_strategy = compression_strategy

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """Return "", "GZIP" or "ZLIB" for options, a number, a text or None."""
        if not options:
            return ""
        if isinstance(options, TFRecordOptions):
            return cls.get_compression_type_string(options.compression_type)
        if isinstance(options, int) and options in cls.compression_type_map:
            return cls.compression_type_map[options]
        if options in cls.compression_type_map.values():
            return str(options)
        raise ValueError(f'Not a valid compression_type: "{options}"')

    def compressor(self) -> Any:
        """Return what compresses bytes, with `compress` and `flush`; None where nothing does."""
        kind = self.get_compression_type_string(self)
        if not kind:
            return None
        bits = 15 if self.window_bits is None else self.window_bits
        return zlib.compressobj(
            -1 if self.compression_level is None else self.compression_level,
            zlib.DEFLATED if self.compression_method is None else self.compression_method,
            bits + 16 if kind == "GZIP" and 0 < bits < 16 else bits,
            9 if self.mem_level is None else self.mem_level,
            0 if self.compression_strategy is None else self.compression_strategy,
        )


@public("io.TFRecordWriter", "compat.v1.io.TFRecordWriter", "compat.v1.python_io.TFRecordWriter")
class TFRecordWriter:
    """Writes records to a file.

    Args:
      path: its path; a file that is there is replaced.
      options: `TFRecordOptions`, or the name of a compression.

    Raises:
      ValueError: for other compressions.
      tf.errors.NotFoundError: the directory is missing.

    >>> path = os.path.join(tempfile.mkdtemp(), "records")
    >>> with tf.io.TFRecordWriter(path) as writer:
    ...     writer.write(b"one")
    >>> list(tf.data.TFRecordDataset(path).as_numpy_iterator())
    [b'one']
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        chosen = options if isinstance(options, TFRecordOptions) else TFRecordOptions(options)
        self._compressor = chosen.compressor()
        text = local_path(path)
        try:
            self._file: Any = open(text, "wb")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise of_system(error, text) from None

    def write(self, record: Any) -> None:
        """Add a record: bytes, or text in UTF-8."""
        if not isinstance(record, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"A record must be bytes, not {type(record).__name__}: serialize it first.")
        framed = framed_record(record.encode() if isinstance(record, str) else bytes(record))
        self._opened().write(framed if self._compressor is None else self._compressor.compress(framed))

    def flush(self) -> None:
        """Send what was written to the file."""
        file = self._opened()
        if self._compressor is not None:
            file.write(self._compressor.flush(zlib.Z_SYNC_FLUSH))
        file.flush()

    def close(self) -> None:
        """Finish the file."""
        file = self._opened()
        if self._compressor is not None:
            file.write(self._compressor.flush())
        file.close()
        self._file = None

    def _opened(self) -> Any:
        if self._file is None:
            raise errors.FailedPreconditionError(None, None, "Writer is closed.")
        return self._file

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()


@public("compat.v1.io.tf_record_iterator", "compat.v1.python_io.tf_record_iterator")
def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """Go through the records of a file.

    Raises:
      tf.errors.NotFoundError: there is no such file.
      tf.errors.DataLossError: a record is cut off, or a sum is wrong.
    """
    text = local_path(path)
    file = open_for_reading(text, TFRecordOptions.get_compression_type_string(options))
    try:
        yield from read_records(file, text)
    finally:
        file.close()
