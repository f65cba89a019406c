"""tf.io.decode_proto and encode_proto: fields of protocol buffer messages as tensors, and back. Descriptors come as files or bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution.convert import to_tensor
from millstream.execution.host import call_host
from millstream.execution.tensor import eager_constant


def _refused(text: str) -> errors.InvalidArgumentError:
    return errors.InvalidArgumentError(None, None, explain(text))


def _message_class(message_type: str, source: str) -> Any:
    """Return the class of a message.

    Args:
      message_type: its full name.
      source: "local://" for the descriptors that Python's protobuf knows, "bytes://" and a FileDescriptorSet, or its file.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    pool = descriptor_pool.Default()
    if source and not source.startswith("local://"):
        content = source
        if source.startswith("bytes://"):
            data = content.removeprefix("bytes://").encode("latin-1")
        else:
            try:
                with open(source, "rb") as file:
                    data = file.read()
            except OSError as error:
                raise errors.NotFoundError(None, None, explain(f"{source}: {error}")) from None
        pool = descriptor_pool.DescriptorPool()
        for described in descriptor_pb2.FileDescriptorSet.FromString(data).file:
            pool.Add(described)  # type: ignore[attr-defined]
    try:
        found = pool.FindMessageTypeByName(message_type)
    except KeyError:
        raise _refused(
            f"No descriptor found for message type {message_type}; give a descriptor_source that has it."
        ) from None
    return message_factory.GetMessageClass(found)


def _field(cls: Any, name: str) -> Any:
    found = cls.DESCRIPTOR.fields_by_name.get(name)
    if found is None:
        raise _refused(f"Unknown field: {name} in message type {cls.DESCRIPTOR.full_name}")
    return found


_KINDS = {
    "float": (dtypes.float32, dtypes.float64),
    "double": (dtypes.float64, dtypes.float32),
    "integer": (dtypes.int32, dtypes.int64, dtypes.uint32, dtypes.uint64),
    "bool": (dtypes.bool,),
    "text": (dtypes.string,),
}


def _kind(field: Any) -> str:
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return "float" if field.type == field.TYPE_FLOAT else "double"
    if field.type == field.TYPE_BOOL:
        return "bool"
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES, field.TYPE_MESSAGE, field.TYPE_GROUP):
        return "text"
    return "integer"


def _check_type(field: Any, dtype: DType) -> None:
    allowed = _KINDS[_kind(field)]
    if dtype not in allowed:
        names = ", ".join(d.name for d in allowed)
        raise _refused(f"Unexpected output type for {field.full_name}: {dtype.name}; choose one of {names}.")


def _contents(message: Any, field: Any) -> list[Any]:
    """Return the values of a field, texts and messages as bytes."""
    value = getattr(message, field.name)
    if field.is_repeated:
        values = list(value)
    else:
        values = [value] if not field.has_presence or message.HasField(field.name) else []
        if not field.has_presence and value == field.default_value:
            values = []
    if field.type in (field.TYPE_MESSAGE, field.TYPE_GROUP):
        return [v.SerializeToString() for v in values]
    return [v.encode() if isinstance(v, str) else v for v in values]


@public("io.decode_proto", "compat.v1.io.decode_proto")
def decode_proto(
    bytes: Any,
    message_type: str,
    field_names: Sequence[str],
    output_types: Sequence[Any],
    descriptor_source: str = "local://",
    message_format: str = "binary",
    sanitize: bool = False,
    name: str | None = None,
) -> Any:
    """Return fields of messages as tensors.

    Args:
      bytes: strings of any shape, one message each.
      message_type: the full name of the message.
      field_names: the fields.
      output_types: an element type for each.
      descriptor_source: where the message is described: "local://" for what Python's protobuf knows, a file of a
        FileDescriptorSet, or "bytes://" and its bytes.
      message_format: "binary" or "text".
      sanitize: accepted and not used: what is parsed is always checked.
      name: accepted and not used.

    Returns:
      (sizes, values): int32 [..., number of fields], how many values each has, and a list of tensors [..., most values],
      filled up with zeros and empty strings.

    Raises:
      tf.errors.InvalidArgumentError: for unknown messages and fields, other types, and damaged messages.
      tf.errors.DataLossError: for a message that cannot be parsed.
    """
    cls = _message_class(message_type, descriptor_source)
    fields = [_field(cls, n) for n in field_names]
    types = [as_dtype(t) for t in output_types]
    if len(types) != len(fields):
        raise _refused(
            f"field_names and output_types attributes must have the same length: {len(fields)}, {len(types)}."
        )
    for field, dtype in zip(fields, types, strict=True):
        _check_type(field, dtype)
    if message_format not in ("binary", "text"):
        raise _refused(f"Unknown message_format: {message_format!r}; choose 'binary' or 'text'.")

    def parsed(text: Any) -> Any:
        from google.protobuf import message, text_format

        try:
            return cls.FromString(text) if message_format == "binary" else text_format.Parse(text, cls())
        except (message.DecodeError, text_format.ParseError) as error:
            raise errors.DataLossError(
                None, None, explain(f"Unable to parse {message_format} protobuf: {error}")
            ) from None

    def decode(texts: Any) -> list[Any]:
        array = np.asarray(texts.numpy(), object)
        messages = [parsed(t) for t in array.ravel()]
        found = [[_contents(m, f) for f in fields] for m in messages]
        sizes = np.array([[len(v) for v in row] for row in found], np.int32).reshape(*array.shape, len(fields))
        results = [eager_constant(sizes, dtypes.int32)]
        for i, dtype in enumerate(types):
            most = max((len(row[i]) for row in found), default=0)
            text = dtype is dtypes.string
            whole: Any = np.full((len(messages), most), b"" if text else 0, object if text else dtype.as_numpy_dtype)
            for at, row in enumerate(found):
                whole[at, : len(row[i])] = np.array(row[i], object) if text else row[i]
            results.append(eager_constant(whole.reshape(*array.shape, most), dtype))
        return results

    specs = [Spec(d, None) for d in (dtypes.int32, *types)]
    sizes, *values = call_host("DecodeProtoV2", decode, [to_tensor(bytes, dtypes.string)], specs)
    return sizes, values


@public("io.encode_proto", "compat.v1.io.encode_proto")
def encode_proto(
    sizes: Any,
    values: Sequence[Any],
    field_names: Sequence[str],
    message_type: str,
    descriptor_source: str = "local://",
    name: str | None = None,
) -> Any:
    """Return messages made of tensors, as strings. See `decode_proto`.

    Args:
      sizes: int32 [..., number of fields]: how many values each field of each message has.
      values: tensors [..., most values], one for each field.
      field_names: the fields.
      message_type: the full name of the message.
      descriptor_source: where the message is described.
      name: accepted and not used.

    Raises:
      tf.errors.InvalidArgumentError: for unknown messages and fields, and tensors that do not fit.
    """
    cls = _message_class(message_type, descriptor_source)
    fields = [_field(cls, n) for n in field_names]
    tensors = [to_tensor(v) for v in values]
    if len(tensors) != len(fields):
        raise _refused(f"Length of inputs list must match field_names: {len(tensors)}, {len(fields)}.")
    for field, tensor in zip(fields, tensors, strict=True):
        _check_type(field, tensor.dtype)

    def encode(counts: Any, *columns: Any) -> list[Any]:
        number = np.asarray(counts.numpy())
        shape = number.shape[:-1]
        if number.shape[-1] != len(fields):
            raise _refused(f"sizes.shape[-1] must be {len(fields)}, the number of fields, not {number.shape[-1]}.")
        rows = number.reshape(-1, len(fields))
        parts = [np.asarray(c.numpy()).reshape(len(rows), -1) for c in columns]
        made = np.empty(len(rows), object)
        for at, row in enumerate(rows):
            message = cls()
            for field, count, part in zip(fields, row, parts, strict=True):
                if count > part.shape[1]:
                    raise _refused(f"Size {count} of field {field.name} is larger than its tensor's {part.shape[1]}.")
                _fill(message, field, part[at, :count].tolist())
            made[at] = message.SerializeToString(deterministic=True)
        return [eager_constant(made.reshape(shape), dtypes.string)]

    return call_host("EncodeProto", encode, [to_tensor(sizes, dtypes.int32), *tensors], [Spec(dtypes.string, None)])[0]


def _fill(message: Any, field: Any, values: list[Any]) -> None:
    if field.type == field.TYPE_STRING:
        values = [v.decode() for v in values]
    if field.type in (field.TYPE_MESSAGE, field.TYPE_GROUP):
        for value in values:
            inner = getattr(message, field.name)
            (inner.add() if field.is_repeated else inner).MergeFromString(value)
    elif field.is_repeated:
        getattr(message, field.name).extend(values)
    elif values:
        setattr(message, field.name, values[-1])
