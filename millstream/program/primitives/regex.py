"""State the primitives of regular expressions, in RE2's syntax. What they mean here is Python's `re` where both agree."""

from __future__ import annotations

import re

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.primitives.strings import each, text_of
from millstream.program.value import Value, emit


def _compiled(pattern: np.ndarray) -> re.Pattern[str]:
    text = _decoded(text_of(pattern.item()))
    try:
        return re.compile(text.replace("\\z", "\\Z"), re.ASCII)
    except re.error as error:
        raise errors.InvalidArgumentError(None, None, f"Invalid pattern: {text}, error: {error}") from None


def _decoded(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


def _infer(name: str, result: dtypes.DType, *operands: Spec) -> Spec:
    if any(x.dtype != dtypes.string for x in operands) or any(known_shape(x) for x in operands[1:]):
        raise refuse(name, ", ".join(map(str, operands)), "give strings, and scalars for the pattern and the rewrite")
    return Spec(result, known_shape(operands[0]))


def _matches_meaning(x: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    expression = _compiled(pattern)
    return each(lambda text: expression.fullmatch(_decoded(text)) is not None, x, kind=np.bool_)


def _rewritten(template: str, match: re.Match[str]) -> str:
    return re.sub(r"\\(\\|\d)", lambda part: "\\" if part[1] == "\\" else match[int(part[1])] or "", template)


def _replace_meaning(x: np.ndarray, pattern: np.ndarray, rewrite: np.ndarray, every: bool) -> np.ndarray:
    expression, template = _compiled(pattern), _decoded(text_of(rewrite.item()))
    if any(int(k) > expression.groups for k in re.findall(r"\\(?:\\|(\d))", template) if k):
        return x

    def one(text: bytes) -> bytes:
        given, found, copied, at, last = _decoded(text), "", 0, 0, -1
        while at <= len(given):
            match = expression.search(given, at)
            if match is None:
                break
            begin, end = match.span()
            if begin == end == last:
                at, last = at + 1, -1
                continue
            found += given[copied:begin] + _rewritten(template, match)
            at = copied = last = end
            if not every:
                break
        return (found + given[copied:]).encode(errors="surrogateescape")

    return each(one, x)


MATCHES = primitive(
    "text_matches", lambda *xs: _infer("text_matches", dtypes.bool, *xs), _matches_meaning, lambda *_: (None, None)
)
REPLACE = primitive(
    "text_replace",
    lambda *xs, every: _infer("text_replace", dtypes.string, *xs),
    _replace_meaning,
    lambda *_, **__: (None, None, None),
)


def matches(x: Value, pattern: Value) -> Value:
    """Return whether each string matches the pattern as a whole."""
    return emit(MATCHES, x, pattern)[0]


def replace(x: Value, pattern: Value, rewrite: Value, every: bool) -> Value:
    """Return the strings with all matches, or the first, rewritten."""
    return emit(REPLACE, x, pattern, rewrite, every=every)[0]
