"""Protocol messages of `messages.proto`: classes of the protobuf library, made when first asked for, in a pool of their own.

Understood of a .proto file: messages and enums (nested too), oneof, map, repeated, scalar fields. Anything else raises.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("messages.proto")
_TOKEN = re.compile(r'-?\w+(?:\.\w+)*|"[^"]*"|[{}=;<>,]')
_COMMENT = re.compile(r"//[^\n]*")
_SCALARS = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "fixed32": 7, "bool": 8, "string": 9, "bytes": 12,
    "uint32": 13, "sint64": 18,
}  # fmt: skip
_MESSAGE, _ENUM, _REPEATED, _OPTIONAL = 11, 14, 3, 1


def message(name: str) -> Any:
    """Return the class of a message, nested ones as `Outer.Inner`.

    >>> message("Int64List")(value=[1, 300]).SerializeToString()
    b'\\n\\x03\\x01\\xac\\x02'
    """
    from google.protobuf import message_factory

    pool, package = _pool()
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


def read(kind: str, data: bytes) -> Any:
    """Return the message of a kind that bytes hold; None where they hold none."""
    from google.protobuf.message import DecodeError

    try:
        return message(kind).FromString(data)
    except DecodeError:
        return None


def enumeration(name: str) -> Any:
    """Return an enum: `enumeration("DataType").Value("DT_FLOAT")` is its number."""
    from google.protobuf.internal import enum_type_wrapper

    pool, package = _pool()
    return enum_type_wrapper.EnumTypeWrapper(pool.FindEnumTypeByName(f"{package}.{name}"))


@functools.cache
def _pool() -> tuple[Any, str]:
    # A pool of our own: another package in the process may have put the same names into the common one.
    from google.protobuf import descriptor_pool

    file = parsed(PATH.read_text(encoding="utf-8"), PATH.name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool, file.package


def parsed(text: str, name: str) -> Any:
    """Return a FileDescriptorProto of a .proto file's text."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    file = FileDescriptorProto(name=name)
    tokens = iter(_TOKEN.findall(_COMMENT.sub("", text)))
    for word in tokens:
        if word == "syntax":
            _take(tokens, "=")
            file.syntax = next(tokens).strip('"')
            _take(tokens, ";")
        elif word == "package":
            file.package = next(tokens)
            _take(tokens, ";")
        elif word == "message":
            _read_message(tokens, file.message_type.add())
        elif word == "enum":
            _read_enum(tokens, file.enum_type.add())
        else:
            raise ValueError(f"{name}: {word!r} is not understood; messages and enums are.")
    enums = set(_enum_names(file))
    for described in file.message_type:
        _settle_types(described, enums)
    return file


def _take(tokens: Iterator[str], wanted: str) -> None:
    found = next(tokens)
    if found != wanted:
        raise ValueError(f"{PATH.name}: {found!r} stands where {wanted!r} belongs.")


def _read_enum(tokens: Iterator[str], made: Any) -> None:
    made.name = next(tokens)
    _take(tokens, "{")
    for word in tokens:
        if word == "}":
            return
        _take(tokens, "=")
        made.value.add(name=word, number=int(next(tokens)))
        _take(tokens, ";")


def _read_message(tokens: Iterator[str], made: Any) -> None:
    made.name = next(tokens)
    _take(tokens, "{")
    for word in tokens:
        if word == "}":
            return
        if word == "message":
            _read_message(tokens, made.nested_type.add())
        elif word == "enum":
            _read_enum(tokens, made.enum_type.add())
        elif word == "oneof":
            made.oneof_decl.add(name=next(tokens))
            _take(tokens, "{")
            while (kind := next(tokens)) != "}":
                _read_field(tokens, made, kind).oneof_index = len(made.oneof_decl) - 1
        elif word == "map":
            _read_map(tokens, made)
        elif word == "repeated":
            _read_field(tokens, made, next(tokens)).label = _REPEATED
        else:
            _read_field(tokens, made, word)


def _read_field(tokens: Iterator[str], made: Any, kind: str) -> Any:
    field = made.field.add(name=next(tokens), label=_OPTIONAL)
    _take(tokens, "=")
    field.number = int(next(tokens))
    _take(tokens, ";")
    _set_kind(field, kind)
    return field


def _read_map(tokens: Iterator[str], made: Any) -> None:
    _take(tokens, "<")
    key = next(tokens)
    _take(tokens, ",")
    value = next(tokens)
    _take(tokens, ">")
    entry = made.nested_type.add()
    field = _read_field(tokens, made, "")
    # Readers and writers know a map by this name of its entries.
    entry.name = "".join(part.capitalize() for part in field.name.split("_")) + "Entry"
    field.label, field.type_name = _REPEATED, entry.name
    entry.options.map_entry = True
    for number, (name, kind) in enumerate((("key", key), ("value", value)), 1):
        _set_kind(entry.field.add(name=name, number=number, label=_OPTIONAL), kind)


def _set_kind(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type_name = kind


def _enum_names(holder: Any) -> Iterator[str]:
    yield from (e.name for e in holder.enum_type)
    for inner in holder.message_type if hasattr(holder, "message_type") else holder.nested_type:
        yield from _enum_names(inner)


def _settle_types(described: Any, enums: set[str]) -> None:
    """Say of each field whose type has a name whether that is an enum's or a message's."""
    for field in described.field:
        if field.type_name:
            field.type = _ENUM if field.type_name in enums else _MESSAGE
    for inner in described.nested_type:
        _settle_types(inner, enums)
