"""Put a whole file or folder in its place at once: whoever looks sees the old one or the new one."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from millstream.saving import constants

_HERE = -100
_EXCHANGE = 2


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees a part of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def replaced_folder(folder: str) -> Iterator[Path]:
    """Give a new folder to write to; it takes the place of `folder` when all went well, and is removed when not.

    Files of the old folder that the new one does not have are kept.
    """
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}"
    new.mkdir()
    try:
        yield new
        _sync(new)
        if target.exists():
            _take_over(target, new)
            _exchange(new, target)
        else:
            os.rename(new, target)
    finally:
        if new.exists():
            shutil.rmtree(new)


def _take_over(old: Path, new: Path) -> None:
    """Copy what stands beside the parts of a saved model."""
    ours = {path.name for path in new.iterdir()} | {
        constants.FILENAME_PB,
        constants.FILENAME_PBTXT,
        constants.PLAN_FILENAME,
    }
    for path in old.iterdir():
        if path.name in ours:
            continue
        if path.is_dir():
            shutil.copytree(path, new / path.name, symlinks=True)
        else:
            shutil.copy2(path, new / path.name, follow_symlinks=False)


def _exchange(new: Path, target: Path) -> None:
    """Exchange two folders in one step where the system can; else in two."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is not None and call(_HERE, os.fsencode(new), _HERE, os.fsencode(target), _EXCHANGE) == 0:
        return
    aside = new.with_name(f"{new.name}.old")
    os.rename(target, aside)
    os.rename(new, target)
    shutil.rmtree(aside)


def _sync(folder: Path) -> None:
    """Bring all files of a folder onto the disk."""
    for root, _, files in os.walk(folder):
        for name in files:
            handle = os.open(os.path.join(root, name), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
