"""Element types, equal to TensorFlow's `tf.DType` in names, numbers and texts. Refuses unknown types with TypeError."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from millstream.base.errors import explain
from millstream.base.trace_types import TraceType, installed

# `bool` is the element type in this file.
Truth: TypeAlias = builtins.bool

_REF_OFFSET: Final = 100

# name: (TensorFlow's DataType number, bytes of one element or None, kind)
_TYPES: Final[dict[str, tuple[int, int | None, str]]] = {
    "float32": (1, 4, "floating"),
    "float64": (2, 8, "floating"),
    "int32": (3, 4, "signed"),
    "uint8": (4, 1, "unsigned"),
    "int16": (5, 2, "signed"),
    "int8": (6, 1, "signed"),
    "string": (7, None, "string"),
    "complex64": (8, 8, "complex"),
    "int64": (9, 8, "signed"),
    "bool": (10, 1, "bool"),
    "qint8": (11, 1, "quantized"),
    "quint8": (12, 1, "quantized"),
    "qint32": (13, 4, "quantized"),
    "bfloat16": (14, 2, "floating"),
    "qint16": (15, 2, "quantized"),
    "quint16": (16, 2, "quantized"),
    "uint16": (17, 2, "unsigned"),
    "complex128": (18, 16, "complex"),
    "float16": (19, 2, "floating"),
    "resource": (20, None, "handle"),
    "variant": (21, None, "handle"),
    "uint32": (22, 4, "unsigned"),
    "uint64": (23, 8, "unsigned"),
    "float8_e5m2": (24, 1, "floating"),
    "float8_e4m3fn": (25, 1, "floating"),
    "float8_e4m3fnuz": (26, 1, "floating"),
    "float8_e4m3b11fnuz": (27, 1, "floating"),
    "float8_e5m2fnuz": (28, 1, "floating"),
    "int4": (29, 1, "signed"),
    "uint4": (30, 1, "unsigned"),
    "int2": (31, 1, "signed"),
    "uint2": (32, 1, "unsigned"),
    "float4_e2m1fn": (33, 1, "floating"),
}

# Types that NumPy has only through ml_dtypes, which is imported when first asked for.
_EXTENDED: Final = frozenset(
    [name for name in _TYPES if name.startswith(("float8", "float4"))] + ["bfloat16", "int4", "uint4", "int2", "uint2"]
)
# TensorFlow counts these neither as numbers nor as having limits.
_NARROW: Final = _EXTENDED - {"bfloat16"}

_QUANTIZED_NUMPY: Final[dict[str, Any]] = {
    "qint8": np.dtype([("qint8", np.int8)]),
    "quint8": np.dtype([("quint8", np.uint8)]),
    "qint16": np.dtype([("qint16", np.int16)]),
    "quint16": np.dtype([("quint16", np.uint16)]),
    "qint32": np.dtype([("qint32", np.int32)]),
}
_STRING_NUMPY: Final = object


_OF_NUMBER: Final[dict[int, DType]] = {}


class DType(TraceType):
    """The type of a tensor's elements. One object exists per type, so `is` and `==` agree."""

    __slots__ = (
        "_bytes",
        "_kind",
        "_numpy",
        "_ref",
        "as_datatype_enum",
        "is_bool",
        "is_complex",
        "is_floating",
        "is_integer",
        "is_numeric",
        "is_quantized",
        "is_unsigned",
        "name",
    )

    name: str
    as_datatype_enum: int

    _bytes: int | None
    _kind: str
    _numpy: Any
    _ref: Truth
    is_bool: Truth
    is_complex: Truth
    is_floating: Truth
    is_integer: Truth
    is_numeric: Truth
    is_quantized: Truth
    is_unsigned: Truth

    def __new__(cls, type_enum: int, handle_data: Any = None) -> DType:
        del handle_data
        made = _OF_NUMBER.get(type_enum)
        if made is None:
            made = _OF_NUMBER[type_enum] = super().__new__(cls)
            made._fill(type_enum)
        return made

    def _fill(self, type_enum: int) -> None:
        ref = type_enum > _REF_OFFSET
        base = _NAME_OF_NUMBER.get(type_enum - _REF_OFFSET if ref else type_enum)
        if base is None:
            raise TypeError(explain(f"Could not cast {type_enum} to tensorflow::DataType"))
        _, self._bytes, kind = _TYPES[base]
        self._kind = kind
        self._ref = ref
        self._numpy = None
        self.name = base + "_ref" if ref else base
        self.as_datatype_enum = type_enum
        self.is_bool = kind == "bool"
        self.is_complex = kind == "complex"
        self.is_floating = kind == "floating"
        self.is_integer = kind in ("signed", "unsigned")
        self.is_quantized = kind == "quantized"
        self.is_unsigned = kind == "unsigned"
        self.is_numeric = kind in ("floating", "signed", "unsigned", "complex", "quantized") and base not in _NARROW

    @property
    def _is_ref_dtype(self) -> Truth:
        return self._ref

    @property
    def _as_ref(self) -> DType:
        return self if self._ref else _OF_NUMBER[self.as_datatype_enum + _REF_OFFSET]

    @property
    def base_dtype(self) -> DType:
        """This type without the reference mark of version 1."""
        return _OF_NUMBER[self.as_datatype_enum - _REF_OFFSET] if self._ref else self

    @property
    def real_dtype(self) -> DType:
        """The type of the real part: itself, unless complex."""
        if self._kind == "complex":
            return float32 if self._bytes == 8 else float64
        return self

    @property
    def as_numpy_dtype(self) -> Any:
        """The NumPy type, `numpy.float32` for `float32`. Strings and handles are objects."""
        found = self._numpy
        if found is None:
            found = self._numpy = _find_numpy(self.base_dtype.name)
        return found

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The same as a `numpy.dtype`."""
        found: np.dtype[Any] = np.dtype(self.as_numpy_dtype)
        return found

    @property
    def stored(self) -> np.dtype[Any]:
        """The NumPy type in which elements lie: that of plain integers for quantised types."""
        found = self.numpy_dtype
        return found[0] if self.is_quantized else found

    @property
    def is_numpy_compatible(self) -> Truth:
        return self._kind != "handle"

    @property
    def size(self) -> int:
        """Bytes of one element; 0 for types that have no fixed size, as TensorFlow says."""
        return 0 if self._bytes is None else self._bytes

    @property
    def min(self) -> Any:
        """The lowest value. Refuses types without order."""
        return self._extreme("min", "minimum")

    @property
    def max(self) -> Any:
        """The highest value. Refuses types without order."""
        return self._extreme("max", "maximum")

    def _extreme(self, which: str, word: str) -> Any:
        if self.is_quantized or self.base_dtype in (bool, string, complex64, complex128):
            kind = "quantized type" if self.is_quantized else "type"
            raise TypeError(explain(f"Cannot find {word} value of {self} with {kind} {self.base_dtype}."))
        numpy_type = self.as_numpy_dtype
        if self.base_dtype.name in _EXTENDED:
            import ml_dtypes

            info = ml_dtypes.finfo if self.is_floating else ml_dtypes.iinfo
            return getattr(info(numpy_type), which)
        if self.is_floating:
            return getattr(np.finfo(numpy_type), which)
        if self.is_integer:
            return getattr(np.iinfo(numpy_type), which)
        raise TypeError(explain(f"Cannot find {word} value of {self}."))

    @property
    def limits(self) -> tuple[Any, Any]:
        """The range of an image of this type: (0, 1) for floats, (0, highest) for integers."""
        return self._limits(clip_negative=True)

    def _limits(self, clip_negative: Any = True) -> tuple[Any, Any]:
        base = self.base_dtype
        if base not in _IMAGE_LIMITS:
            raise ValueError(explain(f"{self} does not have defined limits."))
        low, high = _IMAGE_LIMITS[base]
        return (0 if clip_negative else low), high

    def is_compatible_with(self, other: Any) -> Any:
        """Whether a tensor of `other` may stand where this type is asked for: only the reference mark may differ."""
        other = as_dtype(other)
        return self.as_datatype_enum in (other.as_datatype_enum, other.base_dtype.as_datatype_enum)

    def is_subtype_of(self, other: Any) -> Any:
        """As a trace type: whether this type is `other`."""
        return self == other

    def most_specific_common_supertype(self, others: Sequence[Any]) -> DType | None:
        """As a trace type: itself if all `others` are equal to it, else None."""
        return self if all(self == other for other in others) else None

    @classmethod
    def experimental_type_proto(cls) -> Any:
        """The proto class that stands for element types."""
        return installed("SerializedDType")

    @classmethod
    def experimental_from_proto(cls, proto: Any) -> DType:
        """The element type in a proto."""
        return as_dtype(proto.datatype)

    def experimental_as_proto(self) -> Any:
        """This type as a proto."""
        return installed("SerializedDType")(datatype=self.as_datatype_enum)

    def __eq__(self, other: object) -> Any:
        if self is other:
            return True
        if other is None or isinstance(other, DType):
            return False
        try:
            return as_dtype(other) is self
        except TypeError:
            return False

    def __ne__(self, other: object) -> Any:
        return not self.__eq__(other)

    # One object per type, so the identity is the fastest stable hash.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "tf." + self.name

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"

    def __int__(self) -> int:
        return self.as_datatype_enum

    def __reduce__(self) -> Any:
        return as_dtype, (self.name,)


def _find_numpy(name: str) -> Any:
    if name in _EXTENDED:
        import ml_dtypes

        return getattr(ml_dtypes, name)
    if name in _QUANTIZED_NUMPY:
        return _QUANTIZED_NUMPY[name]
    if name in ("string", "resource", "variant"):
        return _STRING_NUMPY
    return np.bool_ if name == "bool" else getattr(np, name)


_NAME_OF_NUMBER: Final = {number: name for name, (number, _, _) in _TYPES.items()}
for _number in _NAME_OF_NUMBER:
    DType(_number)
    DType(_number + _REF_OFFSET)

float32 = _OF_NUMBER[1]
float64 = double = _OF_NUMBER[2]
int32 = _OF_NUMBER[3]
uint8 = _OF_NUMBER[4]
int16 = _OF_NUMBER[5]
int8 = _OF_NUMBER[6]
string = _OF_NUMBER[7]
complex64 = _OF_NUMBER[8]
int64 = _OF_NUMBER[9]
bool = _OF_NUMBER[10]
qint8 = _OF_NUMBER[11]
quint8 = _OF_NUMBER[12]
qint32 = _OF_NUMBER[13]
bfloat16 = _OF_NUMBER[14]
qint16 = _OF_NUMBER[15]
quint16 = _OF_NUMBER[16]
uint16 = _OF_NUMBER[17]
complex128 = _OF_NUMBER[18]
float16 = half = _OF_NUMBER[19]
resource = _OF_NUMBER[20]
variant = _OF_NUMBER[21]
uint32 = _OF_NUMBER[22]
uint64 = _OF_NUMBER[23]
float8_e5m2 = _OF_NUMBER[24]
float8_e4m3fn = _OF_NUMBER[25]
float8_e4m3fnuz = _OF_NUMBER[26]
float8_e4m3b11fnuz = _OF_NUMBER[27]
float8_e5m2fnuz = _OF_NUMBER[28]
int4 = _OF_NUMBER[29]
uint4 = _OF_NUMBER[30]
int2 = _OF_NUMBER[31]
uint2 = _OF_NUMBER[32]
float4_e2m1fn = _OF_NUMBER[33]

ALL: Final[tuple[DType, ...]] = tuple(_OF_NUMBER[number] for number in sorted(_NAME_OF_NUMBER))

_IMAGE_LIMITS: Final[dict[DType, tuple[Any, Any]]] = {
    bool: (False, True),
    uint8: (0, 2**8 - 1),
    uint16: (0, 2**16 - 1),
    uint32: (0, 2**32 - 1),
    uint64: (0, 2**64 - 1),
    int8: (-(2**7), 2**7 - 1),
    int16: (-(2**15), 2**15 - 1),
    int32: (-(2**31), 2**31 - 1),
    int64: (-(2**63), 2**63 - 1),
    float32: (-1, 1),
    float64: (-1, 1),
}

_FIXED_WIDTH: Final = {
    "i": {1: int8, 2: int16, 4: int32, 8: int64},
    "u": {1: uint8, 2: uint16, 4: uint32, 8: uint64},
}
_OF_NUMPY: Final[dict[Any, DType]] = {
    **{_find_numpy(dtype.name): dtype for dtype in ALL if dtype.name not in _EXTENDED and dtype.name in np.__dict__},
    np.bool_: bool,
    np.object_: string,
    np.bytes_: string,
    np.str_: string,
    # `long` and `long long` are one size on 64-bit systems, and NumPy has a class for each.
    **{
        kind: _FIXED_WIDTH[np.dtype(kind).kind][np.dtype(kind).itemsize]
        for kind in (np.intc, np.uintc, np.int_, np.uint, np.longlong, np.ulonglong)
    },
}

_OF_ANYTHING: Final[dict[Any, DType]] = {
    **{dtype.name: dtype for dtype in _OF_NUMBER.values()},
    **_OF_NUMBER,
    **_OF_NUMPY,
    "half": float16,
    "float": float32,
    "double": float64,
    "half_ref": float16._as_ref,
    "float_ref": float32._as_ref,
    "double_ref": float64._as_ref,
    float: float32,
    builtins.bool: bool,
    object: string,
}


def __getattr__(name: str) -> DType:
    """The reference types of version 1, such as `float32_ref`."""
    if name.endswith("_ref") and name in _OF_ANYTHING:
        return _OF_ANYTHING[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _learn_extended() -> None:
    for name in _EXTENDED:
        dtype = _OF_ANYTHING[name]
        _OF_NUMPY[dtype.as_numpy_dtype] = dtype
        _OF_ANYTHING[dtype.as_numpy_dtype] = dtype


def as_dtype(type_value: Any) -> DType:
    """The DType that a DType, name, number, NumPy type or Python type stands for."""
    if type_value.__class__ is DType:
        return type_value
    try:
        return _OF_ANYTHING[type_value]
    except (KeyError, TypeError):
        pass
    numpy_type = type_value if isinstance(type_value, np.dtype) else None
    if numpy_type is None:
        numpy_type = getattr(type_value, "dtype", None)
    for attempt in range(2):
        if isinstance(numpy_type, np.dtype):
            for name, quantized in _QUANTIZED_NUMPY.items():
                if numpy_type == quantized:
                    return _OF_ANYTHING[name]
            found = _OF_NUMPY.get(numpy_type.type)
        else:
            found = _OF_NUMPY.get(type_value) if isinstance(type_value, type) else None
        if found is not None:
            return found
        if attempt == 0:
            _learn_extended()
    raise TypeError(explain(f"Cannot convert the argument `type_value`: {type_value!r} to a TensorFlow DType."))
