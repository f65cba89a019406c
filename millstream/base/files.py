"""Files that are read, taken out of their compression, and errors of the operating system as TensorFlow reports them."""

from __future__ import annotations

import errno
import glob as patterns
import gzip
import os
import re
import zlib
from typing import IO, Any

from millstream.base import errors

_CLASSES: dict[Any, tuple[int, ...]] = {
    errors.InvalidArgumentError: (errno.EINVAL, errno.ENAMETOOLONG, errno.E2BIG, errno.EFAULT, errno.EILSEQ, errno.ESPIPE),
    errors.NotFoundError: (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ESRCH),
    errors.AlreadyExistsError: (errno.EEXIST,),
    errors.PermissionDeniedError: (errno.EPERM, errno.EACCES, errno.EROFS),
    errors.FailedPreconditionError: (
        errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EBADF, errno.EBUSY, errno.EPIPE, errno.ETXTBSY,
    ),
    errors.ResourceExhaustedError: (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.EMLINK, errno.ENFILE, errno.ENOMEM),
    errors.OutOfRangeError: (errno.EFBIG, errno.EOVERFLOW, errno.ERANGE),
    errors.UnimplementedError: (errno.ENOSYS, errno.ENOTSUP, errno.EXDEV),
    errors.UnavailableError: (errno.EAGAIN, errno.EINTR, errno.ENOLCK),
    errors.AbortedError: (errno.EDEADLK, errno.ESTALE),
    errors.DeadlineExceededError: (errno.ETIMEDOUT,),
}  # fmt: skip
_CLASS_OF = {number: made for made, numbers in _CLASSES.items() for number in numbers}

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9.]*)://")


def of_system(error: OSError, path: str) -> errors.OpError:
    """Return the error by which TensorFlow reports that the operating system refused something with `path`.

    >>> of_system(FileNotFoundError(2, "…"), "/x").message
    '/x; No such file or directory'
    """
    number = error.errno or 0
    return _CLASS_OF.get(number, errors.UnknownError)(None, None, f"{path}; {os.strerror(number)}")


def local_path(path: Any) -> str:
    """Return a path of this machine as text; UnimplementedError for other file systems."""
    text = os.fsdecode(path)
    found = _SCHEME.match(text)
    if found is None:
        return text
    if found[1] != "file":
        raise errors.UnimplementedError(
            None,
            None,
            f"File system scheme '{found[1]}' not implemented (file: '{text}'); copy it to this machine and give its path.",
        )
    return text[len("file://") :]


def matching(pattern: str) -> list[str]:
    """Return the paths that match one pattern, sorted."""
    parts = pattern.replace("[^", "[!").split("/")
    # `**` is two stars here: no pattern goes down into directories of directories.
    plain = "/".join(re.sub(r"\*+", "*", part) for part in parts)
    return sorted(patterns.glob(plain, include_hidden=True))


def open_for_reading(path: str, compression: str) -> IO[bytes]:
    """Return a file of bytes, taken out of its compression: "", GZIP or ZLIB."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed by its reader
    except OSError as error:
        raise of_system(error, path) from None
    if compression == "GZIP":
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    return _ZlibFile(file) if compression == "ZLIB" else file  # type: ignore[return-value]


class _ZlibFile:
    """Reads a file of zlib's format."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.ready = file, b""
        self.decoder = zlib.decompressobj()

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self.ready) < size:
            block = self.file.read(1 << 16)
            self.ready += self.decoder.decompress(block) if block else self.decoder.flush()
            if not block:
                break
        if size < 0:
            size = len(self.ready)
        found, self.ready = self.ready[:size], self.ready[size:]
        return found

    def close(self) -> None:
        self.file.close()
