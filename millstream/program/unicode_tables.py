"""What Unicode says of characters, as arrays for programs: cases (of this Python), scripts, encodings of one byte."""

from __future__ import annotations

import codecs
import functools
import unicodedata
from pathlib import Path

import numpy as np

from millstream.base.errors import InvalidArgumentError, UnimplementedError
from millstream.program.primitives.unicode import BY_TABLE, UTF8, UTF16, UTF16_LOW, UTF32, UTF32_LOW

_LAST = 0x110000
_UNICODE = {
    "utf8": UTF8,
    "utf16": UTF16,
    "utf16be": UTF16,
    "utf16le": UTF16_LOW,
    "utf32": UTF32,
    "utf32be": UTF32,
    "utf32le": UTF32_LOW,
}


@functools.cache
def case_tables(upper: bool) -> tuple[np.ndarray, ...]:
    """Return codes whose case changes, where their targets start, the targets, and cased and case-ignorable codes, int32."""
    turn = str.upper if upper else str.lower
    changed = [(c, turn(chr(c))) for c in range(_LAST) if turn(chr(c)) != chr(c) and not 0xD800 <= c < 0xE000]
    starts = np.cumsum([0, *(len(text) for _, text in changed)])
    targets = [ord(c) for _, text in changed for c in text]
    cased: list[int] = []
    ignorable: list[int] = []
    if not upper:
        for c in range(_LAST):
            category = unicodedata.category(chr(c))
            if category in ("Mn", "Me", "Cf", "Lm", "Sk") or chr(c) in "'.:^`·’\u2019\u2027\ufe13\ufe52\ufe55":
                ignorable.append(c)
            elif category in ("Lu", "Ll", "Lt"):
                cased.append(c)
    found = ([c for c, _ in changed], starts, targets, cased, ignorable)
    return tuple(np.asarray(part, np.int32) for part in found)


@functools.cache
def script_table() -> tuple[np.ndarray, np.ndarray]:
    """Return the first code point of each range of one script, and ICU's number of the script, int32."""
    lines = (Path(__file__).parent / "unicode_scripts.txt").read_text().splitlines()[1:]
    pairs = [line.split() for line in lines]
    return np.array([int(a, 16) for a, _ in pairs], np.int32), np.array([int(b) for _, b in pairs], np.int32)


@functools.cache
def encoding_of(name: str) -> tuple[int, np.ndarray]:
    """Return the number of an encoding and its table of 256 code points, empty for those of Unicode.

    Raises:
      InvalidArgumentError: for a name that is no encoding.
      UnimplementedError: for encodings of several bytes a character, besides Unicode's.
    """
    plain = "".join(c for c in name.lower() if c.isalnum())
    if plain in _UNICODE:
        return _UNICODE[plain], np.zeros(0, np.int32)
    try:
        codec = codecs.lookup(name.replace(" ", "-")).name
    except LookupError:
        raise InvalidArgumentError(
            None, None, f"Could not create converter for input encoding: {name}; give a name such as UTF-8."
        ) from None
    table = np.full(256, -1, np.int32)
    for byte in range(256):
        try:
            text = bytes([byte]).decode(codec)
        except UnicodeDecodeError:
            text = chr(byte) if codec.startswith("cp125") else ""
        if text:
            table[byte] = ord(text[0])
    # An encoding of one byte a character gives each pair of bytes as two characters.
    if any(len(bytes([a, b]).decode(codec, "replace")) != 2 for a in range(256) for b in (0x41, 0xA1)):
        raise UnimplementedError(
            None, None, f"Encoding {name} has characters of several bytes; convert the text to UTF-8 first."
        )
    return BY_TABLE, table
