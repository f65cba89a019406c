"""Declare the ops on encodings, code points, scripts and cases of characters, and of regular expressions (RE2's syntax)."""

from __future__ import annotations

from typing import Literal

from millstream.base.dtypes import bool as boolean
from millstream.base.dtypes import int32, int64, string
from millstream.base.sizes import product
from millstream.ops.declaration import Tensor, Types, op
from millstream.ops.strings import text
from millstream.program.primitives import regex as r
from millstream.program.primitives import strings as s
from millstream.program.primitives import unicode as u
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import compare, scalar_like, select
from millstream.program.primitives.indexing import gather
from millstream.program.primitives.searching import search_sorted
from millstream.program.primitives.shaping import constant, reshape
from millstream.program.unicode_tables import case_tables, encoding_of, script_table
from millstream.program.value import Value

Splits = Types("Tsplits", int32, int64, default=int64)
Output = Literal["UTF-8", "UTF-16-BE", "UTF-32-BE"]
_ERRORS = {"strict": u.STRICT, "replace": u.REPLACE, "ignore": u.LEAVE_OUT}


def _replacement(code: int, what: str) -> int:
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise refuse(what, f"replacement_char={code}", "replacement_char out of unicode codepoint range")
    return code


def _decoded(
    x: Value, splits: Types, encoding: str, errors: str, replacement: int, control: bool, what: str
) -> tuple[Value, Value, Value]:
    number, table = encoding_of(encoding)
    return u.decode(
        reshape(x, [product(x.shape)]),
        constant(table, int32),
        splits=splits,  # type: ignore[arg-type]
        encoding=number,
        on_error=_ERRORS[errors],
        replacement=_replacement(replacement, what),
        control=control,
    )


@op("UnicodeDecode", outputs=("row_splits", "char_values"))
def unicode_decode(
    input: Tensor[string],
    *,
    input_encoding: str,
    errors: Literal["strict", "replace", "ignore"] = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    Tsplits: Splits = int64,
) -> tuple[Tensor["Tsplits"], Tensor[int32]]:
    """Return the code points of all strings, and where those of each begin."""
    options = (input_encoding, errors, replacement_char, replace_control_characters, "UnicodeDecode")
    return _decoded(input, Tsplits, *options)[:2]


@op("UnicodeDecodeWithOffsets", outputs=("row_splits", "char_values", "char_to_byte_starts"))
def unicode_decode_with_offsets(
    input: Tensor[string],
    *,
    input_encoding: str,
    errors: Literal["strict", "replace", "ignore"] = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    Tsplits: Splits = int64,
) -> tuple[Tensor["Tsplits"], Tensor[int32], Tensor[int64]]:
    """Return the code points of all strings, where those of each begin, and the first byte of each in its string."""
    options = (input_encoding, errors, replacement_char, replace_control_characters, "UnicodeDecodeWithOffsets")
    return _decoded(input, Tsplits, *options)


@op("UnicodeEncode", outputs="output")
def unicode_encode(
    input_values: Tensor[int32],
    input_splits: Tensor[Splits],
    *,
    errors: Literal["ignore", "replace", "strict"] = "replace",
    output_encoding: Output,
    replacement_char: int = 65533,
) -> Tensor[string]:
    """Return ragged rows of code points as strings."""
    return u.encode(
        input_values,
        input_splits,
        encoding=encoding_of(output_encoding)[0],
        on_error=_ERRORS[errors],
        replacement=_replacement(replacement_char, "UnicodeEncode"),
    )


@op("UnicodeTranscode", outputs="output")
def unicode_transcode(
    input: Tensor[string],
    *,
    input_encoding: str,
    output_encoding: Output,
    errors: Literal["strict", "replace", "ignore"] = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
) -> Tensor[string]:
    """Return strings of one encoding in another."""
    number, table = encoding_of(input_encoding)
    return u.transcode(
        input,
        constant(table, int32),
        encoding=number,
        on_error=_ERRORS[errors],
        replacement=_replacement(replacement_char, "UnicodeTranscode"),
        control=replace_control_characters,
        target=encoding_of(output_encoding)[0],
    )


@op("UnicodeScript", outputs="output")
def unicode_script(input: Tensor[int32]) -> Tensor[int32]:
    """Return ICU's number of the script of each code point; -1 for what is none."""
    starts, scripts = (constant(part, int32) for part in script_table())
    flat = reshape(input, [1, product(input.shape)])
    place = search_sorted(reshape(starts, [1, starts.shape[0]]), flat, True, int32) - scalar_like(flat, 1)
    zero = scalar_like(flat, 0)
    valid = compare(flat, scalar_like(flat, 0x10FFFF), "LE")
    found = gather(scripts, select(compare(place, zero, "LT"), zero, place), 0)
    found = select(compare(flat, zero, "LT"), scalar_like(flat, -1), found)
    return reshape(select(valid, found, scalar_like(flat, -1)), input.shape)


def _case(x: Value, encoding: str, upper: bool, what: str) -> Value:
    if encoding == "":
        return s.case(x, upper)
    if encoding != "utf-8":
        raise refuse(what, f"encoding={encoding!r}", "only utf-8 or '' (no encoding) is supported")
    codes, starts, targets, cased, ignorable = (constant(part, int32) for part in case_tables(upper))
    return u.unicode_case(x, (codes, starts, targets, cased, ignorable), not upper)


@op("StringLower", outputs="output")
def string_lower(input: Tensor[string], *, encoding: str = "") -> Tensor[string]:
    """Return strings in small letters: of ASCII, or of Unicode with encoding "utf-8"."""
    return _case(input, encoding, False, "StringLower")


@op("StringUpper", outputs="output")
def string_upper(input: Tensor[string], *, encoding: str = "") -> Tensor[string]:
    """Return strings in capital letters: of ASCII, or of Unicode with encoding "utf-8"."""
    return _case(input, encoding, True, "StringUpper")


def _scalar(x: Value, name: str, what: str) -> Value:
    if x.rank != 0:
        raise refuse(what, f"{name} of shape {list(x.shape)}", f"{name} must be scalar")
    return x


@op("RegexReplace", outputs="output")
def regex_replace(
    input: Tensor[string], pattern: Tensor[string], rewrite: Tensor[string], *, replace_global: bool = True
) -> Tensor[string]:
    r"""Return strings with all matches, or the first, rewritten; \1 to \9 in the rewrite are groups, \0 is the match."""
    what = "RegexReplace"
    return r.replace(input, _scalar(pattern, "pattern", what), _scalar(rewrite, "rewrite", what), replace_global)


@op("StaticRegexReplace", outputs="output")
def static_regex_replace(
    input: Tensor[string], *, pattern: str, rewrite: str, replace_global: bool = True
) -> Tensor[string]:
    """Return strings with all matches of a fixed pattern, or the first, rewritten."""
    return r.replace(input, text(pattern), text(rewrite), replace_global)


@op("RegexFullMatch", outputs="output")
def regex_full_match(input: Tensor[string], pattern: Tensor[string]) -> Tensor[boolean]:
    """Return whether each string matches the pattern as a whole."""
    return r.matches(input, _scalar(pattern, "pattern", "RegexFullMatch"))


@op("StaticRegexFullMatch", outputs="output")
def static_regex_full_match(input: Tensor[string], *, pattern: str) -> Tensor[boolean]:
    """Return whether each string matches a fixed pattern as a whole."""
    return r.matches(input, text(pattern))


_TEXT = [b"a\xc3\xa9\xf0\x9f\x98\x80", b"", b"\xe2\x82\xffa\x01", b"\xff"]
for _op in (unicode_decode, unicode_decode_with_offsets):
    _op.cases([(4,)], inputs=(_TEXT,), attributes={"input_encoding": "UTF-8"})
    _op.cases([(2, 2)], inputs=([_TEXT[:2], _TEXT[2:]],), attributes={"input_encoding": "latin1"})
    _op.cases([(4,)], inputs=(_TEXT,), attributes={"input_encoding": "UTF-8", "errors": "ignore", "Tsplits": int32})
    _op.cases([()], inputs=(b"\x00a\xd8=\xde\x00",), attributes={"input_encoding": "UTF-16-BE", "errors": "strict"})
for _to in ("UTF-8", "UTF-16-BE", "UTF-32-BE"):
    unicode_encode.cases(
        [((5,), (3,))], inputs=([97, 233, 0x1F600, -1, 0xD800], [0, 2, 5]), attributes={"output_encoding": _to}
    )
    unicode_transcode.cases([(4,)], inputs=(_TEXT,), attributes={"input_encoding": "UTF-8", "output_encoding": _to})
unicode_script.cases([(6,)], inputs=([97, 0x3B1, 0x1F600, -1, 0x110000, 0x4E00],)).cases([()], inputs=(65,))
for _op in (string_lower, string_upper):
    _op.cases([(3,)], inputs=(["aB\u00c9", "\u0391\u03a3 \u03a3", "\u00df\u0130"],), attributes={"encoding": "utf-8"})
    _op.cases([(2,)], inputs=([b"aBz[", b"\xc3\x89"],)).cases([()], inputs=(b"",))
_WORDS = [b"abc", b"", b"aabbc\n", b"x(y)z"]
regex_replace.cases([((4,), (), ())], inputs=(_WORDS, rb"(b)(b*)", rb"<\2\0\\>"))
regex_replace.cases([((4,), (), ())], inputs=(_WORDS, b"b*", b"-"), attributes={"replace_global": False})
static_regex_replace.cases([(4,)], inputs=(_WORDS,), attributes={"pattern": "b*", "rewrite": "-"})
static_regex_replace.cases([(4,)], inputs=(_WORDS,), attributes={"pattern": r"[^\w]|^a|c\b", "rewrite": ""})
regex_full_match.cases([((4,), ())], inputs=(_WORDS, b"[a-c]{1,3}"))
static_regex_full_match.cases([(4,)], inputs=(_WORDS,), attributes={"pattern": ".*(?:c|z)$"})

for _op in (
    unicode_decode,
    unicode_decode_with_offsets,
    unicode_encode,
    unicode_transcode,
    unicode_script,
    string_lower,
    string_upper,
    regex_replace,
    static_regex_replace,
    regex_full_match,
    static_regex_full_match,
):
    _op.no_gradient()
