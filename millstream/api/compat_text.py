"""tf.compat.as_text, as_bytes and their like: str and bytes turned into each other. Refuses everything else."""

from __future__ import annotations

import codecs
from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise LookupError(explain(f"unknown encoding: {name}; give one that Python knows, such as utf-8.")) from None


@public("compat.as_text", "compat.as_str", "compat.v1.compat.as_text", "compat.v1.compat.as_str")
def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Return str or bytes as str.

    Raises:
      TypeError: for anything else.

    >>> tf.compat.as_text(b"abc")
    'abc'
    """
    encoding = _encoding(encoding)
    if isinstance(bytes_or_text, str):
        return bytes_or_text
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text.decode(encoding)
    raise TypeError(explain(f"Expected binary or unicode string, got {bytes_or_text!r}"))


@public("compat.as_bytes", "compat.v1.compat.as_bytes")
def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """Return str, bytes or a bytearray as bytes.

    Raises:
      TypeError: for anything else.

    >>> tf.compat.as_bytes("abc")
    b'abc'
    """
    encoding = _encoding(encoding)
    if isinstance(bytes_or_text, str):
        return bytes_or_text.encode(encoding)
    if isinstance(bytes_or_text, (bytes, bytearray)):
        return bytes(bytes_or_text)
    raise TypeError(explain(f"Expected binary or unicode string, got {bytes_or_text!r}"))


@public("compat.as_str_any", "compat.v1.compat.as_str_any")
def as_str_any(value: Any, encoding: str = "utf-8") -> str:
    """Return bytes decoded, and anything else as `str` writes it.

    >>> tf.compat.as_str_any(3)
    '3'
    """
    return as_text(value, encoding) if isinstance(value, bytes) else str(value)
