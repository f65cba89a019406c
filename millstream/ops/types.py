"""Type attributes that many ops share, and the short names bodies use."""

from __future__ import annotations

from millstream.base.dtypes import (
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    qint8,
    qint16,
    qint32,
    quint8,
    quint16,
    uint8,
    uint16,
    uint32,
    uint64,
)
from millstream.ops.declaration import Types

FLOATS = (bfloat16, float16, float32, float64)
COMPLEX = (complex64, complex128)
SIGNED = (int8, int16, int32, int64)
UNSIGNED = (uint8, uint16, uint32, uint64)
INTEGERS = (*SIGNED, *UNSIGNED)
REALS = (*FLOATS, *INTEGERS)
NUMBERS = (*REALS, *COMPLEX)
QUANTIZED = (qint8, quint8, qint16, quint16, qint32)

Index = Types("Tidx", int32, int64, default=int32)
