"""Attributes of ops as AttrValue messages and back, by what the declarations say of them. Refuses values of other kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

from millstream.base import tensor_proto
from millstream.base.dtypes import DType, as_dtype
from millstream.base.messages import message
from millstream.base.shapes import TensorShape
from millstream.base.sizes import Size
from millstream.ops.declaration import Op, Types
from millstream.program.primitives.core import refuse
from millstream.program.value import Program, Value

NAMES = {bool: "bool", int: "int", float: "float", str: "string", DType: "type", TensorShape: "shape", Program: "func"}


def kind_of(annotation: Any) -> str:
    """Return the kind of an attribute as files have it: `list(int)` of list[int], `string` of str and of Literal texts."""
    if isinstance(annotation, Types):
        return "type"
    arguments = get_args(annotation)
    if get_origin(annotation) in (tuple, list):
        return f"list({kind_of(arguments[0])})"
    if arguments and type(None) in arguments:
        # None stands for an unknown rank.
        return "shape"
    if arguments:
        return NAMES[type(arguments[0])]
    return NAMES[annotation]


def kinds_of(op: Op) -> dict[str, str]:
    """Return the kinds of all attributes of an op, with those that its inputs imply."""
    found = {name: kind_of(attribute.kind) for name, attribute in op.attributes.items()}
    for part in (*op.inputs, *op.results):
        count = getattr(part, "count", "")
        if count:
            found.setdefault(count, "int")
        if isinstance(part.element, Types):
            found.setdefault(part.element.name, "type")
        elif part.shape == "mixed":
            found.setdefault(part.element, "list(type)")
    return found


def implied(op: Op, inputs: tuple[Value, ...], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type attributes that the inputs of a node decide, by name."""
    found: dict[str, Any] = {}
    for parameter, given in zip(op.inputs, op.pack(inputs, attributes), strict=True):
        if isinstance(parameter.element, Types):
            first = given if parameter.shape == "one" else given[0] if given else None
            if first is not None:
                found.setdefault(parameter.element.name, first.dtype)
        elif isinstance(parameter.element, str) and parameter.shape != "mixed":
            first = given if parameter.shape == "one" else given[0] if given else None
            if first is not None:
                found.setdefault(parameter.element, first.dtype)
    return found


def shape_message(sizes: Any) -> Any:
    """Return a TensorShapeProto of sizes (None and -1 are open), None being an unknown rank."""
    made = message("TensorShapeProto")()
    if isinstance(sizes, TensorShape):
        sizes = None if sizes.rank is None else sizes.as_list()
    if sizes is None:
        made.unknown_rank = True
    else:
        for size in sizes:
            made.dim.add(size=_dimension(size))
    return made


def _dimension(size: Size | None) -> int:
    return size if isinstance(size, int) else -1


def shape_of(proto: Any) -> tuple[int, ...] | None:
    """Return the sizes of a TensorShapeProto, -1 where they are open; None for an unknown rank."""
    return None if proto.unknown_rank else tuple(int(d.size) for d in proto.dim)


def to_message(kind: str, value: Any, name_of: Callable[[Program], str]) -> Any:
    """Return the AttrValue of a value; functions are named by `name_of`."""
    made = message("AttrValue")()
    if not kind.startswith("list("):
        _set(made, kind, value, name_of)
        return made
    made.list.SetInParent()
    inner = kind[5:-1]
    for item in value or ():
        one = message("AttrValue")()
        _set(one, inner, item, name_of)
        field = _FIELDS[inner]
        target = getattr(made.list, field)
        if inner in ("shape", "tensor", "func"):
            target.add().CopyFrom(getattr(one, field))
        else:
            target.append(getattr(one, field))
    return made


_FIELDS = {
    "int": "i", "float": "f", "bool": "b", "string": "s", "type": "type", "shape": "shape", "tensor": "tensor",
    "func": "func",
}  # fmt: skip


def _set(made: Any, kind: str, value: Any, name_of: Callable[[Program], str]) -> None:
    if kind == "string":
        made.s = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    elif kind == "type":
        made.type = as_dtype(value).as_datatype_enum
    elif kind == "shape":
        made.shape.CopyFrom(shape_message(value))
    elif kind == "func":
        made.func.name = name_of(value)
    elif kind == "float":
        made.f = value
    elif kind == "bool":
        made.b = bool(value)
    else:
        # A size that is not known yet is open, as in shapes.
        made.i = value if isinstance(value, int) else -1


def of_message(kind: str, value: Any, program_of: Callable[[Any], Program]) -> Any:
    """Return the value of an AttrValue; functions are made by `program_of` from a NameAttrList."""
    if kind.startswith("list("):
        inner = kind[5:-1]
        return tuple(_plain(inner, item, program_of) for item in getattr(value.list, _FIELDS[inner]))
    given = value.WhichOneof("value")
    if given != _FIELDS[kind]:
        raise refuse("attribute", f"a value of the kind {given!r}", f"give {kind}")
    return _plain(kind, getattr(value, _FIELDS[kind]), program_of)


def _plain(kind: str, value: Any, program_of: Callable[[Any], Program]) -> Any:
    if kind == "string":
        return value.decode("utf-8", "surrogateescape")
    if kind == "type":
        return as_dtype(value)
    if kind == "shape":
        return shape_of(value)
    if kind == "func":
        return program_of(value)
    if kind == "tensor":
        return tensor_proto.of_proto(value)
    return value


def default_message(op: Op, name: str) -> Any:
    """Return the AttrValue that an attribute has where none is given; None where one must be."""
    attribute = op.attributes.get(name)
    if attribute is None or attribute.required:
        return None
    kind = kind_of(attribute.kind)
    if attribute.default is None and kind != "shape":
        return None
    return to_message(kind, attribute.default, lambda program: program.name)
