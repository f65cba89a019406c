"""tf.io.gfile: files and directories of this machine, as paths or `file://` addresses. Other file systems are refused by name."""

from __future__ import annotations

import errno
import os
import shutil
import stat as modes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream.api.public import public
from millstream.base import errors
from millstream.base.files import local_path, matching, of_system

_MODES = ("r", "w", "a", "r+", "w+", "a+")


def _system(path: str, act: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return act(*arguments)
    except OSError as error:
        raise of_system(error, path) from None


def _bytes(content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray)):
        return bytes(content)
    raise TypeError(f"Expected binary or unicode string, got {content!r}")


@public("io.gfile.GFile")
class GFile:
    """A file. It is opened when it is first read or written; what is written replaces what was there, except when appending.

    Args:
      name: its path.
      mode: "r", "w", "a", "r+", "w+" or "a+"; with "b" for bytes instead of text in UTF-8.

    Raises:
      tf.errors.InvalidArgumentError: for other modes.
      tf.errors.NotFoundError, tf.errors.PermissionDeniedError: when it is first used.

    >>> path = os.path.join(tempfile.mkdtemp(), "words")
    >>> with tf.io.gfile.GFile(path, "w") as f:
    ...     f.write("one\\ntwo\\n")
    >>> tf.io.gfile.GFile(path).readlines()
    ['one\\n', 'two\\n']
    """

    def __init__(self, name: Any, mode: str = "r") -> None:
        self._name, self._mode = name, mode
        self._binary = "b" in mode
        plain = mode.replace("b", "")
        if plain not in _MODES:
            raise errors.InvalidArgumentError(
                None, None, "mode is not 'r' or 'w' or 'a' or 'r+' or 'w+' or 'a+': " + repr(mode)
            )
        self._may_read = plain not in ("w", "a")
        self._may_write = plain != "r"
        self._appends = plain[0] == "a"
        self._source: Any = None
        self._target: Any = None

    @property
    def name(self) -> Any:
        """The path that was given."""
        return self._name

    @property
    def mode(self) -> str:
        """The mode that was given."""
        return self._mode

    def _open(self, how: str) -> Any:
        path = local_path(self._name)
        return _system(path, open, path, how)

    def _reading(self) -> Any:
        if self._source is None:
            if not self._may_read:
                raise errors.PermissionDeniedError(None, None, "File isn't open for reading")
            self._source = self._open("rb")
        return self._source

    def _writing(self) -> Any:
        if self._target is None:
            if not self._may_write:
                raise errors.PermissionDeniedError(None, None, "File isn't open for writing")
            self._target = self._open("ab" if self._appends else "wb")
        return self._target

    def _given(self, content: bytes) -> Any:
        return content if self._binary else content.decode()

    def size(self) -> int:
        """Return how many bytes the file has."""
        return stat(self._name).length

    def write(self, file_content: Any) -> None:
        """Write text or bytes at the end of what was written."""
        self._writing().write(_bytes(file_content))

    def read(self, n: int = -1) -> Any:
        """Return the next `n` bytes, all that follow for -1."""
        return self._given(self._reading().read(n))

    def readline(self) -> Any:
        """Return the next line with its end, nothing at the end of the file."""
        return self._given(self._reading().readline())

    def readlines(self) -> list[Any]:
        """Return the lines that follow."""
        return list(self)

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Go to a place for reading: counted from the beginning (0), from here (1), or from the end (2)."""
        source = self._reading()
        if offset is None and position is None:
            raise TypeError("seek(): offset argument required")
        if offset is not None and position is not None:
            raise TypeError("seek(): offset and position may not be set simultaneously.")
        place = int(position if offset is None else offset)  # type: ignore[arg-type]
        if whence not in (0, 1, 2):
            raise errors.InvalidArgumentError(
                None, None, f"Invalid whence argument: {whence}. Valid values are 0, 1, or 2."
            )
        place += (0, source.tell(), self.size())[whence] if whence else 0
        if place < 0:
            raise errors.InvalidArgumentError(None, None, f"Seeking to a negative position: {place}")
        source.seek(place)

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place where reading goes on; that of writing for files that are only written."""
        return int((self._reading() if self._may_read else self._writing()).tell())

    def flush(self) -> None:
        """Send what was written to the file."""
        if self._target is not None:
            self._target.flush()

    def close(self) -> None:
        """Finish writing. The file is opened again when it is used again."""
        source, target = self._source, self._target
        self._source = self._target = None
        for file in (source, target):
            if file is not None:
                file.close()

    def __enter__(self) -> GFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def __del__(self) -> None:
        if hasattr(self, "_target"):
            self.close()


@public("io.gfile.exists")
def exists(path: Any) -> bool:
    """Return whether there is a file or directory at a path."""
    return os.path.exists(local_path(path))


@public("io.gfile.isdir")
def isdir(path: Any) -> bool:
    """Return whether there is a directory at a path."""
    return os.path.isdir(local_path(path))


@public("io.gfile.mkdir")
def mkdir(path: Any) -> None:
    """Make a directory. One that is there already is left as it is.

    Raises:
      tf.errors.NotFoundError: the directory around it is missing.
    """
    text = local_path(path)
    if not os.path.isdir(text):
        _system(text, os.mkdir, text)


@public("io.gfile.makedirs")
def makedirs(path: Any) -> None:
    """Make a directory and those around it, as far as they are missing.

    Raises:
      tf.errors.FailedPreconditionError: a file stands in the way.
    """
    text = local_path(path)
    for there in (Path(text), *Path(text).parents):
        if there.exists():
            if not there.is_dir():
                raise errors.FailedPreconditionError(None, None, f"{there} is not a directory")
            break
    _system(text, lambda: os.makedirs(text, exist_ok=True))


@public("io.gfile.listdir")
def listdir(path: Any) -> list[str]:
    """Return the names of the files and directories in a directory, in no order.

    Raises:
      tf.errors.NotFoundError: there is no such directory.
    """
    text = local_path(path)
    if not os.path.isdir(text):
        raise errors.NotFoundError(None, None, f"Could not find directory {text}")
    return _system(text, os.listdir, text)  # type: ignore[no-any-return]


@public("io.gfile.copy")
def copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Copy a file.

    Args:
      src: its path.
      dst: the path of the copy.
      overwrite: whether a file that is there is replaced.

    Raises:
      tf.errors.AlreadyExistsError: there is one, and `overwrite` is false.
      tf.errors.NotFoundError: `src`, or the directory of `dst`, is missing.
    """
    source, target = local_path(src), local_path(dst)
    _refuse_existing(target, overwrite)
    if os.path.isdir(source):
        raise of_system(OSError(errno.EINVAL, ""), target)
    for path, how in ((source, os.R_OK), (os.path.dirname(os.path.abspath(target)), os.W_OK)):
        if not os.access(path, how):
            _system(path if path == source else target, open, path if path == source else target, "rb")
    _system(target, shutil.copyfile, source, target)


def _refuse_existing(path: str, overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise errors.AlreadyExistsError(None, None, f"file already exists: {path}")


@public("io.gfile.rename")
def rename(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Give a file or directory another path.

    Args:
      src: the path that it has.
      dst: the path that it gets.
      overwrite: whether a file that is there is replaced.

    Raises:
      tf.errors.AlreadyExistsError: there is one, and `overwrite` is false.
      tf.errors.NotFoundError: `src` is missing.
    """
    source, target = local_path(src), local_path(dst)
    _refuse_existing(target, overwrite)
    _system(source, os.replace, source, target)


@public("io.gfile.remove")
def remove(path: Any) -> None:
    """Remove a file.

    Raises:
      tf.errors.NotFoundError: there is none.
      tf.errors.FailedPreconditionError: it is a directory.
    """
    text = local_path(path)
    _system(text, os.unlink, text)


@public("io.gfile.rmtree")
def rmtree(path: Any) -> None:
    """Remove a directory with all that is in it, or a file.

    Raises:
      tf.errors.NotFoundError: there is none.
    """
    text = local_path(path)
    if not os.path.lexists(text):
        raise errors.NotFoundError(None, None, f"{text} not found")
    if os.path.isdir(text) and not os.path.islink(text):
        _system(text, shutil.rmtree, text)
    else:
        remove(text)


@public("io.gfile.glob")
def glob(pattern: Any) -> list[str]:
    """Return the paths that match patterns.

    Args:
      pattern: one, or several: `*` stands for any characters of a name, `?` for one, `[a-c]` for one of these, `[!a]` or `[^a]`
        for one that is none of these.
    """
    given = [pattern] if isinstance(pattern, (str, bytes, os.PathLike)) else list(pattern)
    return [path for each in given for path in matching(local_path(each))]


@public("io.gfile.walk")
def walk(
    top: Any, topdown: bool = True, onerror: Callable[[Any], None] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Go through a directory and all below it.

    Args:
      top: its path.
      topdown: whether a directory comes before those in it.
      onerror: is called with the error where a directory cannot be listed, which is then left out.

    Yields:
      A directory's path, the names of the directories in it, and those of the files.
    """
    path = os.path.join(local_path(top), "") if local_path(top).endswith("/") else local_path(top)
    try:
        names = sorted(listdir(path))
    except errors.NotFoundError as error:
        if onerror is not None:
            onerror(error)
        return
    folders = [n for n in names if os.path.isdir(os.path.join(path, n))]
    here = (path, folders, [n for n in names if n not in folders])
    if topdown:
        yield here
    for name in folders:
        yield from walk(os.path.join(path, name), topdown, onerror)
    if not topdown:
        yield here


@dataclass(frozen=True, slots=True)
class FileStatistics:
    """Size, time of the last change, and whether it is a directory."""

    length: int
    mtime_nsec: int
    is_directory: bool


@public("io.gfile.stat")
def stat(path: Any) -> FileStatistics:
    """Return size (`length`), time of the last change (`mtime_nsec`) and `is_directory` of what is at a path.

    Raises:
      tf.errors.NotFoundError: there is nothing.
    """
    text = local_path(path)
    found = _system(text, os.stat, text)
    return FileStatistics(found.st_size, found.st_mtime_ns, modes.S_ISDIR(found.st_mode))


@public("io.gfile.join")
def join(path: Any, *paths: Any) -> Any:
    """Put the parts of a path together; a part that begins with a slash starts afresh."""
    return os.path.join(path, *paths)


@public("io.gfile.get_registered_schemes")
def get_registered_schemes() -> list[str]:
    """Return what paths may begin with: nothing, or `file://`."""
    return ["", "file"]
