"""Elements kept: prefetch in a thread, cache in memory or in a file. Nothing is kept beyond what is asked for, or the budget."""

from __future__ import annotations

import os
from typing import Any

from millstream import _runtime as runtime
from millstream.base import errors
from millstream.base.files import of_system
from millstream.data.methods import DatasetMethods, whole
from millstream.data.native import NativeReader, Turns, TurnsReader, following, handle_of
from millstream.data.stage import AUTOTUNE, Limit, Reader, Run, Stage
from millstream.data.storage import PartialFile, element_reader, refuse_handles
from millstream.execution.symbolic import SymbolicTensor

AUTOTUNED_BUFFER = 1
"""How many elements are made ahead at first where the number is tuned."""


class Prefetch(Stage):
    """Elements made ahead in a thread."""

    name = "Prefetch"
    limits = {"buffer": Limit(0, "buffer_size must be >= 0 or set buffer_size to be -1 for auto-tuning", AUTOTUNE)}

    def __init__(self, before: Stage, buffer: Any) -> None:
        super().__init__(before.spec, [before], {"buffer": buffer})

    def size(self, counts: list[int]) -> int:
        return counts[0]

    def reader(self, run: Run) -> Reader:
        size = self.number("buffer")
        if size == 0:
            return self.input.reader(run)
        tuned = size == AUTOTUNE
        return following(runtime.read_ahead, self, run, AUTOTUNED_BUFFER if tuned else size, tuned, run.budget)


class Cache(Stage):
    """Elements kept when they are first made."""

    name = "Cache"

    def __init__(self, before: Stage, filename: Any) -> None:
        super().__init__(before.spec, [before], {"filename": filename})
        self.store = runtime.make_cache()  # all iterators share it

    def size(self, counts: list[int]) -> int:
        return counts[0]

    def reader(self, run: Run) -> Reader:
        path = _text(self.values["filename"])
        if not path:
            before = TurnsReader(_CacheInput(self, run), self.spec)
            return NativeReader(runtime.read_cached(before.handle, self.store), self.spec, [before])
        if os.path.exists(path + CACHE_ENDING):
            return element_reader(path + CACHE_ENDING, self.spec, self.name)
        refuse_handles(self.spec)
        return _WritingReader(_CacheFile(path), self, self.input.reader(run))


CACHE_ENDING = ".elements"


def _text(value: Any) -> str:
    if isinstance(value, (str, bytes, os.PathLike)):
        return os.fsdecode(value)
    found = value.numpy()
    return found.decode() if isinstance(found, bytes) else str(found)


class _CacheInput(Turns):
    """The reader before a cache; none where the elements are there."""

    def __init__(self, stage: Cache, run: Run) -> None:
        super().__init__(None if stage.store.is_whole() else stage.input.reader(run), stage.spec)
        self.stage, self.run = stage, run

    def following(self, empty: bool) -> Reader | None:
        return None

    def position(self) -> Any:
        return 0

    def move(self, position: Any, more: bool) -> None:
        self.now = self.stage.input.reader(self.run) if more else None


class _CacheFile:
    """The file of a cache while one iterator writes it: nobody else may."""

    def __init__(self, path: str) -> None:
        lock = path + ".lockfile"
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise errors.AlreadyExistsError(
                None,
                None,
                f"There appears to be a concurrent caching iterator running: {lock} exists. If you are sure that none is "
                "running, delete it.",
            ) from None
        except OSError as error:
            raise of_system(error, lock) from None
        self.lock: str | None = lock
        self.file = PartialFile(path + CACHE_ENDING)

    def __call__(self, data: bytes, is_last: bool) -> None:
        """Write what comes next."""
        try:
            self.file.write(data)
            if is_last:
                self.file.close()
        except errors.OpError:
            self.discard()
            raise
        if is_last:
            self._unlock()

    def _unlock(self) -> None:
        if self.lock is not None:
            os.unlink(self.lock)
            self.lock = None

    def discard(self) -> None:
        """Leave nothing behind of a file that is not whole."""
        if self.lock is not None:
            if hasattr(self, "file"):
                self.file.discard()
            self._unlock()

    def __del__(self) -> None:
        if hasattr(self, "lock"):
            self.discard()


class _WritingReader(NativeReader):
    """Writes elements to a file while they are made. A restored one does not: the first elements are not there to be written."""

    def __init__(self, file: _CacheFile, stage: Cache, before: Reader) -> None:
        super().__init__(runtime.read_written(handle_of(before, stage.spec), file), stage.spec, [before])
        self.file = file

    def restore(self, state: Any) -> None:
        self.file.discard()
        super().restore(state)


class BufferingMethods(DatasetMethods):
    """The transformations of `tf.data.Dataset` that keep elements."""

    def prefetch(self, buffer_size: Any, name: str | None = None) -> Any:
        """Make up to `buffer_size` elements ahead, in a thread; tf.data.AUTOTUNE begins with 1, and
        doubles while reader and thread wait for one another in turn and memory allows (`options().autotune.ram_budget`).

        Random seeds are drawn when the iterator is made, so what comes does not depend on the thread.

        Raises:
          tf.errors.InvalidArgumentError: `buffer_size` is below -1.

        >>> list(tf.data.Dataset.range(3).prefetch(2).as_numpy_iterator())
        [0, 1, 2]
        """
        size = whole(AUTOTUNE if buffer_size is None else buffer_size, Prefetch.limits["buffer"])
        return self._then(Prefetch(self._stage, size))

    def cache(self, filename: Any = "", name: str | None = None) -> Any:
        """Keep the elements of the first whole iteration: in memory, or in a file.

        Args:
          filename: where; the empty string is memory. The file has the ending `.elements`, and is read by Millstream only.

        Raises:
          tf.errors.AlreadyExistsError: while iterating, where another iterator is writing the file.

        >>> list(tf.data.Dataset.range(3).map(lambda x: x * x).cache().as_numpy_iterator())
        [0, 1, 4]
        """
        given = filename if isinstance(filename, (str, SymbolicTensor)) else os.fsdecode(filename)
        return self._then(Cache(self._stage, given))
