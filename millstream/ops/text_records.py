"""Declare the ops that read records: rows of CSV and raw bytes. Example messages: `ops/examples.py`."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.dtypes import float16, float32, float64, int8, int16, int32, int64, string, uint8, uint16
from millstream.ops.declaration import Known, Tensor, TensorList, Types, op
from millstream.program.primitives import text_records as t
from millstream.program.primitives.core import refuse
from millstream.program.primitives.shaping import contents

_NUMBERS = (float16, float32, float64, int32, uint16, uint8, int16, int8, int64)
Raw = Types("out_type", *_NUMBERS, dtypes.complex64, dtypes.complex128, dtypes.bool, dtypes.bfloat16)
Padded = Types("out_type", *_NUMBERS, dtypes.bfloat16)


@op("DecodeCSV", outputs="output")
def decode_csv(
    records: Tensor[string],
    record_defaults: TensorList["OUT_TYPE", float32, float64, int32, int64, string],
    *,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: tuple[int, ...] = (),
) -> TensorList["OUT_TYPE"]:
    """Return the columns of rows of text."""
    return t.csv(
        records,
        record_defaults,
        delimiter=field_delim.encode(),
        quotes=use_quote_delim,
        missing=na_value.encode(),
        columns=select_cols,
    )


@op("DecodeRaw", outputs="output")
def decode_raw(bytes: Tensor[string], *, out_type: Raw, little_endian: bool = True) -> Tensor["out_type"]:
    """Return the bytes of strings of one length as numbers."""
    return t.raw(bytes, out_type, little=little_endian)


@op("DecodePaddedRaw", outputs="output")
def decode_padded_raw(
    input_bytes: Tensor[string], fixed_length: Known[Tensor[int32]], *, out_type: Padded, little_endian: bool = True
) -> Tensor["out_type"]:
    """Return the first bytes of strings as numbers; zeros stand for those that are missing."""
    length = contents(fixed_length)[0]
    if not isinstance(length, int):
        raise refuse("DecodePaddedRaw", "a fixed_length that is not known when traced", "give a number")
    if length <= 0 or length % out_type.size:
        rule = "greater than zero" if length <= 0 else f"a multiple of the size of out_type ({out_type.size})"
        raise refuse("DecodePaddedRaw", f"fixed_length ({length})", f"it must be {rule}")
    return t.raw(input_bytes, out_type, little=little_endian, length=length)


BYTES = [b"\x00\x01" * 8, b"\x01\x00\x00\x01" * 4]

for _type in (int32, int64, float32, float64):
    decode_csv.cases(
        [((3,), (), (1,), (0,))],
        inputs=([b"1,3,2", b',"4",-3', b"7,,10"], 5, [6], []),
        attributes={"*": _type},
        gradient=False,
    )
decode_csv.cases(
    [((2, 1), ())],
    inputs=([[b'"a ""b""";-'], [b"x;y"]], b"none"),
    attributes={"*": string, "field_delim": ";", "na_value": "-", "select_cols": (1,)},
)
decode_raw.cases([(2,)], inputs=(BYTES,)).cases([()], inputs=(BYTES[0],), attributes={"little_endian": False})
decode_padded_raw.cases([((2,), ())], inputs=([b"\x00\x01\x01", b""], 8))
