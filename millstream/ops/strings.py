"""Declare the ops that compare, measure, cut, split, join and hash strings. Bytes and characters of UTF-8; case in `unicode`."""

from __future__ import annotations

from typing import Any, Literal

from millstream.base import dtypes, errors
from millstream.base.dtypes import int32, int64, string
from millstream.base.sizes import is_known, product
from millstream.ops.declaration import Known, Tensor, TensorList, Tensors, Types, op
from millstream.ops.types import COMPLEX, REALS
from millstream.program.primitives import strings as s
from millstream.program.primitives import text as t
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import REMAINDER, convert, scalar_like
from millstream.program.primitives.shaping import (
    broadcast,
    broadcast_together,
    constant,
    contents,
    reshape,
    transpose,
)
from millstream.program.primitives.text_format import format_
from millstream.program.value import UnknownRank, Value, emit

Offset = Types("T", int32, int64)
Ids = Types("Tindices", int32, int64)
Count = Types("Tnumsegments", int32, int64, default=int32)
Splits = Types("Tsplits", int32, int64, default=int64)
Parsed = Types(
    "out_type", dtypes.float32, dtypes.float64, int32, int64, dtypes.uint32, dtypes.uint64, default=dtypes.float32
)
Printed = Types("T", *REALS, *COMPLEX, dtypes.bool, dtypes.variant, string)

WORDS = [b"", b" two  words ", b"Stra\xc3\x9fe", b"a", b"\x00\xff", b"x" * 70]


def text(content: Any) -> Value:
    """Return an attribute of text as a scalar."""
    return constant(content if isinstance(content, bytes) else str(content).encode(), string)


@op("StringJoin", outputs="output")
def string_join(inputs: Tensors[string, "N"], *, separator: str = "") -> Tensor[string]:
    """Return the strings of each place, with the separator between them; scalars stand at every place."""
    if not inputs:
        return text("")
    shaped = [x for x in inputs if x.rank != 0]
    for x in shaped[1:]:
        if x.rank != shaped[0].rank or any(
            is_known(m) and is_known(n) and m != n for m, n in zip(x.shape, shaped[0].shape, strict=True)
        ):
            raise refuse(
                "StringJoin",
                f"Input shapes do not match: {list(shaped[0].shape)} vs. {list(x.shape)}",
                "give scalars, or tensors of one shape",
            )
    if shaped:
        like = shaped[0].shape
        inputs = [broadcast(x, like, ()) if x.rank == 0 else x for x in inputs]
    return t.join(list(inputs), text(separator))


def _join_axes(x: Value, indices: Value) -> list[int]:
    """Return the axes in the order in which they are named."""
    found = []
    for axis in contents(indices):
        if not is_known(axis):
            raise UnknownRank("ReduceJoin: the axes are known only when the program runs.")
        if not -x.rank <= axis < x.rank:
            raise errors.OutOfRangeError(
                None,
                None,
                f"Invalid reduction dimension {axis} for input with {x.rank} dimension(s); give axes in "
                f"[{-x.rank}, {x.rank}).",
            )
        found.append(axis % x.rank)
    for axis in found:
        if found.count(axis) > 1:
            raise refuse("ReduceJoin", f"Duplicate reduction dimension {axis}", "name each axis once")
    return found


@op("ReduceJoin", outputs="output")
def reduce_join(
    inputs: Tensor[string], reduction_indices: Known[Tensor[int32]], *, keep_dims: bool = False, separator: str = ""
) -> Tensor[string]:
    """Return the strings along the axes joined, along one axis after the other as they are named."""
    axes = _join_axes(inputs, reduction_indices)
    kept = [i for i in range(inputs.rank) if i not in axes]
    rest = [inputs.shape[i] for i in kept]
    # What is joined last lies furthest apart.
    matrix = reshape(
        transpose(inputs, [*kept, *reversed(axes)]), [product(rest), product([inputs.shape[i] for i in axes])]
    )
    shape = [1 if i in axes else n for i, n in enumerate(inputs.shape)] if keep_dims else rest
    return reshape(s.join_rows(matrix, text(separator)), shape)


@op("UnsortedSegmentJoin", outputs="output")
def unsorted_segment_join(
    inputs: Tensor[string], segment_ids: Tensor[Ids], num_segments: Known[Tensor[Count]], *, separator: str = ""
) -> Tensor[string]:
    """Return the strings of each segment joined, in their order; an empty segment gives the empty string."""
    (count,) = contents(num_segments)
    shape, lead = inputs.shape, segment_ids.rank
    if lead > inputs.rank or any(
        is_known(m) and is_known(n) and m != n for m, n in zip(shape, segment_ids.shape, strict=False)
    ):
        raise refuse(
            "UnsortedSegmentJoin",
            f"segment_ids of shape {list(segment_ids.shape)} for inputs of shape {list(shape)}",
            "the shape of segment_ids must begin the shape of inputs",
        )
    if is_known(count) and count < 0:
        raise refuse("UnsortedSegmentJoin", f"num_segments = {count}", "Number of segments must be non-negative")
    rows = product(segment_ids.shape)
    matrix = reshape(inputs, [rows, product(shape[lead:])])
    joined = s.join_segments(matrix, reshape(segment_ids, [rows]), text(separator), count)
    return reshape(joined, [count, *shape[lead:]])


@op("StringLength", outputs="output")
def string_length(input: Tensor[string], *, unit: Literal["BYTE", "UTF8_CHAR"] = "BYTE") -> Tensor[int32]:
    """Return the number of bytes, or of characters of UTF-8."""
    return s.length(input, unit != "BYTE")


@op("StringStrip", outputs="output")
def string_strip(input: Tensor[string]) -> Tensor[string]:
    """Return the strings without white space at their ends."""
    return s.strip(input)


@op("Substr", outputs="output")
def substr(
    input: Tensor[string],
    pos: Tensor[Offset],
    len: Tensor[Offset],
    *,
    unit: Literal["BYTE", "UTF8_CHAR"] = "BYTE",
) -> Tensor[string]:
    """Return `len` bytes or characters from `pos` on, which may count from the end; with broadcasting."""
    if pos.rank != len.rank or any(
        is_known(m) and is_known(n) and m != n for m, n in zip(pos.shape, len.shape, strict=True)
    ):
        raise refuse(
            "Substr",
            f"pos and len should have the same shape, got: {list(pos.shape)} vs. {list(len.shape)}",
            "give two tensors of one shape",
        )
    text_, position, count = broadcast_together(input, pos, len, what="Substr")
    return s.cut(text_, position, count, unit != "BYTE")


@op("StringSplitV2", outputs=("indices", "values", "shape"))
def string_split_v2(
    input: Tensor[string], sep: Tensor[string], *, maxsplit: int = -1
) -> tuple[Tensor[int64], Tensor[string], Tensor[int64]]:
    """Return the parts between separators (white space where `sep` is empty) as a sparse matrix."""
    if input.rank != 1 or sep.rank != 0:
        raise refuse("StringSplitV2", f"{input.spec} and sep {sep.spec}", "input must be a vector, sep a scalar")
    return s.split(input, sep, s.AT_SEPARATOR, maxsplit)


@op("StringSplit", outputs=("indices", "values", "shape"))
def string_split(
    input: Tensor[string], delimiter: Tensor[string], *, skip_empty: bool = True
) -> tuple[Tensor[int64], Tensor[string], Tensor[int64]]:
    """Return the parts between bytes of `delimiter` (each byte where it is empty) as a sparse matrix."""
    if input.rank != 1 or delimiter.rank != 0:
        raise refuse("StringSplit", f"{input.spec} and {delimiter.spec}", "input must be a vector, delimiter a scalar")
    return s.split(input, delimiter, s.AT_BYTES_DROPPING_EMPTY if skip_empty else s.AT_BYTES)


@op("StringNGrams", outputs=("ngrams", "ngrams_splits"))
def string_ngrams(
    data: Tensor[string],
    data_splits: Tensor[Splits],
    *,
    separator: str,
    ngram_widths: tuple[int, ...],
    left_pad: str,
    right_pad: str,
    pad_width: int,
    preserve_short_sequences: bool,
) -> tuple[Tensor[string], Tensor[Splits]]:
    """Return runs of neighbours in ragged rows, joined: all of the first width, then all of the next."""
    texts = text(separator), text(left_pad), text(right_pad)
    return s.ngrams(data, data_splits, texts, tuple(ngram_widths), pad_width, preserve_short_sequences)


def _bucket(hashed: Value, count: int, what: str) -> Value:
    if count < 1:
        raise refuse(what, f"num_buckets = {count}", "give at least 1")
    return convert(emit(REMAINDER, hashed, scalar_like(hashed, count))[0], int64)


@op("StringToHashBucketFast", outputs="output")
def string_to_hash_bucket_fast(input: Tensor[string], *, num_buckets: int) -> Tensor[int64]:
    """Return FarmHash's Fingerprint64 of each string modulo the number of buckets."""
    return _bucket(t.fingerprint(input), num_buckets, "StringToHashBucketFast")


@op("StringToHashBucketStrong", outputs="output")
def string_to_hash_bucket_strong(input: Tensor[string], *, num_buckets: int, key: tuple[int, ...]) -> Tensor[int64]:
    """Return SipHash of each string under a key of two numbers, modulo the number of buckets."""
    if len(key) != 2:
        raise refuse("StringToHashBucketStrong", f"a key of {len(key)}", "Key must have 2 elements")
    return _bucket(s.keyed_hash(input, (key[0], key[1])), num_buckets, "StringToHashBucketStrong")


@op("StringToHashBucket", outputs="output")
def string_to_hash_bucket(string_tensor: Tensor[string], *, num_buckets: int) -> Tensor[int64]:
    """Return the hash that TensorFlow used at first, of each string, modulo the number of buckets."""
    return _bucket(s.older_hash(string_tensor), num_buckets, "StringToHashBucket")


@op("StringToNumber", outputs="output")
def string_to_number(string_tensor: Tensor[string], *, out_type: Parsed = dtypes.float32) -> Tensor["out_type"]:
    """Return the numbers that the strings spell."""
    return s.to_number(string_tensor, out_type)


@op("AsString", outputs="output")
def as_string(
    input: Tensor[Printed],
    *,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
) -> Tensor[string]:
    """Return each element as printf writes it."""
    dtype = input.dtype
    if dtype == dtypes.variant:
        raise refuse("AsString", "a variant", "give numbers, bools or strings")
    whole = not (dtype.is_floating or dtype.is_complex or dtype == string)
    if whole and (scientific or shortest):
        raise refuse(
            "AsString",
            f"scientific or shortest for {dtype.name}",
            "scientific and shortest format not supported for this type",
        )
    if whole and precision >= 0:
        raise refuse("AsString", f"precision={precision} for {dtype.name}", "precision not supported for this type")
    if scientific and shortest:
        raise refuse("AsString", "scientific and shortest", "Cannot select both scientific and shortest notation")
    if len(fill) > 1:
        raise refuse("AsString", f"fill={fill!r}", "Fill string must be one or fewer characters")
    form = s.SCIENTIFIC if scientific else s.SHORTEST if shortest else s.FIXED
    return s.of_number(input, text(fill), form=form, precision=precision, width=width)


@op("StringFormat", outputs="output")
def string_format(
    inputs: TensorList["T"], *, template: str = "%s", placeholder: str = "%s", summarize: int = 3
) -> Tensor[string]:
    """Return the template with each placeholder replaced by the next tensor, with `summarize` elements at the ends of axes."""
    given = str(template).count(str(placeholder))
    if given != len(inputs):
        raise refuse(
            "StringFormat",
            f"{given} placeholders and {len(inputs)} inputs",
            "num placeholders in template and num inputs must match",
        )
    return format_(text(template), text(placeholder), inputs, summarize)


for _op in (string_length, string_strip):
    _op.cases([(6,)], inputs=(WORDS,)).cases([((),)], inputs=(b" ab\n",))
string_length.cases([(6,)], inputs=(WORDS,), attributes={"unit": "UTF8_CHAR"})
string_join.cases([((2,), (2,))], inputs=([b"a", b""], [b"bc", b"d"]), attributes={"separator": ", "})
string_join.cases([((), (2,))], inputs=(b"a", [b"bc", b""]))
reduce_join.cases([((2, 2), (2,))], inputs=([[b"a", b"b"], [b"c", b"d"]], [1, 0]), attributes={"separator": "-"})
reduce_join.cases([((2, 2), (1,))], inputs=([[b"a", b"b"], [b"c", b"d"]], [0]), attributes={"keep_dims": True})
unsorted_segment_join.cases([((3, 2), (3,), ())], inputs=([[b"a", b"b"], [b"c", b"d"], [b"e", b""]], [2, 0, 2], 4))
substr.cases([((3,), (), ())], inputs=([b"hello", b"ab", b"\xc3\xa9te"], 1, 2))
substr.cases(
    [((3,), (3,), (3,))],
    inputs=([b"hello", b"", b"\xc3\xa9te"], [-2, 0, 1], [9, 1, 1]),
    attributes={"unit": "UTF8_CHAR"},
)
string_split_v2.cases([((6,), ())], inputs=([b"a b  c ", b"", b" x", b"d", b"  ", b"e f g"], b""))
string_split_v2.cases(
    [((6,), ())], inputs=([b"a b  c ", b"", b" x y", b"d", b"  ", b"e "], b""), attributes={"maxsplit": 1}
)
string_split_v2.cases([((3,), ())], inputs=([b"a,b,,c", b"", b","], b","), attributes={"maxsplit": 2})
string_split.cases([((3,), ())], inputs=([b"a;b,c", b"", b","], b",;"), attributes={"skip_empty": False})
string_split.cases([((3,), ())], inputs=([b"a;b,c", b"", b","], b",;")).cases([((2,), ())], inputs=([b"ab", b""], b""))
_NGRAMS = {"separator": " ", "left_pad": "L", "right_pad": "R", "ngram_widths": (2, 3)}
for _padding, _short in ((0, False), (1, True), (-1, True)):
    string_ngrams.cases(
        [((4,), (4,))],
        inputs=([b"a", b"b", b"c", b"d"], [0, 3, 3, 4]),
        attributes={**_NGRAMS, "pad_width": _padding, "preserve_short_sequences": _short},
    )
for _op in (string_to_hash_bucket_fast, string_to_hash_bucket):
    _op.cases([(6,)], inputs=(WORDS,), attributes={"num_buckets": 1000})
string_to_hash_bucket_strong.cases([(6,)], inputs=(WORDS,), attributes={"num_buckets": 2**62, "key": (-1, 2**62)})
string_to_number.cases([(4,)], inputs=([b"1", b" 20 ", b"+3", b"0"],))
string_to_number.cases([(4,)], inputs=([b"-1.5e3", b"inf", b"nan", b".5"],), dtypes=[dtypes.float32, dtypes.float64])
as_string.cases([(3,)], dtypes=[*REALS, *COMPLEX, dtypes.bool, string]).cases([()], dtypes=[int32])
as_string.cases(
    [(3,)],
    dtypes=[dtypes.float32, dtypes.complex64],
    attributes={"precision": 2, "scientific": True, "width": 12, "fill": "0"},
)
as_string.cases([(3,)], dtypes=[dtypes.float64], attributes={"shortest": True, "width": 9, "fill": "-"})
string_format.cases([((2, 7),)], attributes={"*": dtypes.float32, "template": "a %s", "summarize": 2})
string_format.cases([((2,), ())], inputs=([b'x"y', b"\xff\n"], b"z"), attributes={"*": string, "template": "%s, %s."})
string_format.cases([((2, 2, 3),)], attributes={"*": dtypes.int8, "summarize": -1})

for _op in (
    string_join,
    reduce_join,
    unsorted_segment_join,
    string_length,
    string_strip,
    substr,
    string_split_v2,
    string_split,
    string_ngrams,
    string_to_hash_bucket_fast,
    string_to_hash_bucket_strong,
    string_to_hash_bucket,
    string_to_number,
    as_string,
    string_format,
):
    _op.no_gradient()
