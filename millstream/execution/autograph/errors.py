"""Shows a user's error at the user's own lines: takes our frames out of tracebacks and adds a note. Wraps nothing."""

from __future__ import annotations

import linecache
import os
from collections.abc import Callable
from types import CodeType, TracebackType

_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_HEADER = "in user code:"


def _is_own(filename: str) -> bool:
    return filename.startswith(_OWN_FOLDER) and not filename.endswith("_test.py")


def show_user_code(error: BaseException, is_converted: Callable[[CodeType], bool]) -> None:
    """Take autograph's frames out of the error's traceback, and say once where in the user's code it came from."""
    entries: list[TracebackType] = []
    entry = error.__traceback__
    while entry is not None:
        if not _is_own(entry.tb_frame.f_code.co_filename):
            entries.append(entry)
        entry = entry.tb_next
    rebuilt: TracebackType | None = None
    for entry in reversed(entries):
        rebuilt = TracebackType(rebuilt, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    if rebuilt is not None:
        error.__traceback__ = rebuilt
    if any(note.startswith(_HEADER) for note in getattr(error, "__notes__", ())):
        return
    lines: list[str] = []
    last = ""
    for entry in entries:
        code = entry.tb_frame.f_code
        if not is_converted(code):
            continue
        where = f'    File "{code.co_filename}", line {entry.tb_lineno}, in {code.co_name}  *'
        if where == last:
            continue
        last = where
        lines.append(where)
        text = linecache.getline(code.co_filename, entry.tb_lineno).strip()
        if text:
            lines.append(f"        {text}")
    if lines:
        error.add_note("\n".join((_HEADER, "", *lines)))
