"""tf.io: tensors, numbers and messages as strings: serialized tensors, raw bytes, base64, compressed bytes, JSON."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.dtypes import DType, as_dtype
from millstream.base.messages import message, read
from millstream.base.spec import Spec
from millstream.base.tensor_proto import of_proto, to_proto
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.host import call_on_host
from millstream.execution.specs import spec_of
from millstream.execution.tensor import eager_constant
from millstream.ops import text_records as ops
from millstream.ops.declaration import runtime_name

_RAW = (
    "float16", "float64", "float32", "int32", "uint16", "uint8", "int16", "int8", "int64", "complex64", "complex128", "bool",
    "bfloat16",
)  # fmt: skip
_BASE64 = re.compile(rb"[A-Za-z0-9_-]*={0,2}")


def refused(reason: str) -> errors.InvalidArgumentError:
    """Return the error of something that cannot be read."""
    return errors.InvalidArgumentError(None, None, reason)


def proto_of(tensor: Any) -> bytes:
    """Return an eager tensor as the bytes of a TensorProto."""
    content = tensor._strings() if tensor.dtype is dtypes.string else tensor._array()
    return to_proto(content, tensor.dtype, tensor._shape).SerializeToString()  # type: ignore[no-any-return]


def each_string(op: str, change: Callable[[bytes], bytes], given: Any) -> Any:
    """Return a tensor of strings with each element changed, now or when the graph runs."""
    texts = to_tensor(given, dtypes.string)

    def call(found: Any) -> list[Any]:
        return [runtime.from_strings([change(s) for s in found._strings()], found._shape)]

    return call_on_host(op, call, [texts], [Spec(dtypes.string, spec_of(texts).shape)])[0]


@public("io.serialize_tensor", "compat.v1.io.serialize_tensor", "compat.v1.serialize_tensor")
def serialize_tensor(tensor: Any, name: str | None = None) -> Any:
    """Return a tensor as the bytes of a `TensorProto` message.

    Args:
      tensor: of any element type but resource and variant, of any shape.

    Returns:
      A scalar string.

    >>> tf.io.parse_tensor(tf.io.serialize_tensor([1, 2]), tf.int32).numpy()
    array([1, 2], dtype=int32)
    """
    value = to_tensor(tensor)
    if value.dtype in (dtypes.resource, dtypes.variant):
        raise refused(errors.explain(f"A tensor of {value.dtype.name} cannot be serialized."))

    def call(found: Any) -> list[Any]:
        return [runtime.from_strings([proto_of(found)], ())]

    return call_on_host("SerializeTensor", call, [value], [Spec(dtypes.string, ())])[0]


def read_proto(text: bytes, dtype: DType) -> Any:
    """Return the tensor that the bytes of a TensorProto hold, which must be of an element type."""
    proto = read("TensorProto", text)
    if proto is None:
        shown = base64.b64encode(text[:64]).decode()
        raise refused(f"Could not parse `serialized` as TensorProto, base64: {shown}")
    array, found = of_proto(proto)
    if found is not dtype:
        raise refused(f"Type mismatch between parsed tensor ({runtime_name(found)}) and dtype ({runtime_name(dtype)})")
    return eager_constant(array, dtype)


@public("io.parse_tensor", "compat.v1.io.parse_tensor", "compat.v1.parse_tensor")
def parse_tensor(serialized: Any, out_type: Any, name: str | None = None) -> Any:
    """Return the tensor that a `TensorProto` message holds. In a graph, its rank must be said by `set_shape` before it is used.

    Args:
      serialized: a scalar string.
      out_type: the element type that it must have.

    Returns:
      A tensor of that type.

    Raises:
      tf.errors.InvalidArgumentError: when it runs: the bytes are no such message, or of another type.
    """
    text, dtype = to_tensor(serialized, dtypes.string), as_dtype(out_type)
    if text.shape.rank not in (0, None):
        raise refused(errors.explain(f"Expected `serialized` to be a scalar, got shape: {text.shape}"))

    def call(found: Any) -> list[Any]:
        return [read_proto(found.numpy(), dtype)]

    return call_on_host("ParseTensor", call, [text], [Spec(dtype, None)])[0]


@public("io.decode_raw")
def decode_raw(
    input_bytes: Any, out_type: Any, little_endian: bool = True, fixed_length: Any = None, name: str | None = None
) -> Any:
    """Return the bytes of strings as numbers.

    Args:
      input_bytes: strings, all of one length unless `fixed_length` is given.
      out_type: a type of numbers, or bool.
      little_endian: whether the lowest byte of a number comes first.
      fixed_length: how many bytes of each string are read; zeros stand for those that are missing.

    Returns:
      A tensor with one more axis than `input_bytes`, for the numbers of one string.

    Raises:
      tf.errors.InvalidArgumentError: the lengths differ, or are no number of elements.

    >>> tf.io.decode_raw(["ab", "cd"], tf.uint8).numpy().tolist()
    [[97, 98], [99, 100]]
    """
    texts, dtype = to_tensor(input_bytes, dtypes.string), as_dtype(out_type)
    if dtype.name not in _RAW:
        raise refused(errors.explain(f"out_type {dtype.name} is not in the list of allowed values: {', '.join(_RAW)}"))
    kind, length = np.dtype(dtype.as_numpy_dtype), None if fixed_length is None else int(fixed_length)
    if length is not None and (length <= 0 or length % kind.itemsize):
        rule = "greater than zero" if length <= 0 else f"a multiple of the size of out_type ({kind.itemsize})"
        raise refused(errors.explain(f"fixed_length ({length}) must be {rule}."))

    if length is None:
        return apply(ops.decode_raw, texts, out_type=dtype, little_endian=little_endian)
    if dtype.is_complex or dtype is dtypes.bool:
        raise refused(errors.explain(f"out_type {dtype.name} is not read with fixed_length;", "leave fixed_length out"))
    return apply(
        ops.decode_padded_raw, texts, to_tensor(length, dtypes.int32), out_type=dtype, little_endian=little_endian
    )


@public("io.encode_base64", "compat.v1.encode_base64", "compat.v1.io.encode_base64")
def encode_base64(input: Any, pad: bool = False, name: str | None = None) -> Any:
    """Return strings in base64, in its form for web addresses.

    Args:
      input: strings of any shape.
      pad: whether `=` fills the last group of four up.

    >>> tf.io.encode_base64("a", pad=True).numpy()
    b'YQ=='
    """

    def change(text: bytes) -> bytes:
        coded = base64.urlsafe_b64encode(text)
        return coded if pad else coded.rstrip(b"=")

    return each_string("EncodeBase64", change, input)


@public("io.decode_base64", "compat.v1.decode_base64", "compat.v1.io.decode_base64")
def decode_base64(input: Any, name: str | None = None) -> Any:
    """Return what strings in base64 (in its form for web addresses, filled up by `=` or not) say.

    Args:
      input: strings of any shape.

    Raises:
      tf.errors.InvalidArgumentError: when it runs: a string is not in base64.
    """

    def change(text: bytes) -> bytes:
        plain = text.rstrip(b"=")
        if len(text) % 4 == 1 or len(plain) % 4 == 1:
            raise refused("Base64 string length cannot be 1 modulo 4.")
        if _BASE64.fullmatch(text) is None or (plain != text and len(text) % 4):
            raise refused("Invalid character found in base64.")
        return base64.urlsafe_b64decode(plain + b"=" * (-len(plain) % 4))

    return each_string("DecodeBase64", change, input)


@public("io.decode_compressed", "compat.v1.decode_compressed", "compat.v1.io.decode_compressed")
def decode_compressed(bytes: Any, compression_type: str = "", name: str | None = None) -> Any:
    """Return strings taken out of their compression.

    Args:
      bytes: strings of any shape.
      compression_type: "" for none, "ZLIB" or "GZIP".

    Raises:
      tf.errors.InvalidArgumentError: for other compressions.
      tf.errors.DataLossError: when it runs: a string is not compressed so.

    >>> import zlib
    >>> tf.io.decode_compressed(zlib.compress(b"abc"), "ZLIB").numpy()
    b'abc'
    """
    if compression_type == "ZSTD":
        raise errors.UnimplementedError(
            None, None, errors.explain("ZSTD is not supported: compress by ZLIB or GZIP, or decompress it in Python.")
        )
    if compression_type not in ("", "NONE", "ZLIB", "GZIP"):
        raise refused(errors.explain("Only ZLIB, ZSTD, GZIP or NONE are supported compressions"))

    def change(text: Any) -> Any:
        try:
            if compression_type == "ZLIB":
                return zlib.decompress(text)
            return gzip.decompress(text) if compression_type == "GZIP" else text
        except (zlib.error, OSError, EOFError) as error:
            raise errors.DataLossError(None, None, f"inflate() failed with error: {error}") from None

    return each_string("DecodeCompressed", change, bytes)


@public("io.decode_json_example", "compat.v1.decode_json_example", "compat.v1.io.decode_json_example")
def decode_json_example(json_examples: Any, name: str | None = None) -> Any:
    """Return `Example` messages that are written in JSON as bytes.

    Args:
      json_examples: strings of any shape.

    Raises:
      tf.errors.InvalidArgumentError: when it runs: a string is not JSON, or no such message.
    """

    def change(text: bytes) -> bytes:
        from google.protobuf import json_format

        try:
            made = json_format.Parse(text, message("Example")())
        except (json_format.ParseError, UnicodeDecodeError) as error:
            raise refused(f"Error while parsing JSON: {error}") from None
        return made.SerializeToString(deterministic=True)  # type: ignore[no-any-return]

    return each_string("DecodeJSONExample", change, json_examples)
