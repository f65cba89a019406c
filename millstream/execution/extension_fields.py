"""Fields of extension types: which annotations are allowed, and how values are checked and converted to them.

Refuses annotations that say nothing about immutability, such as `list`, and values of other kinds, with TypeError.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final

from millstream.base import dtypes
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain, without_line
from millstream.base.immutable_dict import ImmutableDict
from millstream.base.shapes import TensorShape, as_shape
from millstream.base.type_specs import TypeSpec
from millstream.execution.convert import to_tensor
from millstream.execution.tensor import Tensor

RESERVED: Final = frozenset(
    (
        "self", "Spec", "_type_spec", "_shape_invariant_to_type_spec", "_consumers", "value_type", "is_compatible_with",
        "most_specific_compatible_type", "_with_tensor_ranks_only", "_to_components", "_from_components",
        "_component_specs", "_to_tensor_list", "_from_tensor_list", "_from_compatible_tensor_list", "_flat_tensor_specs",
        "_serialize", "_deserialize", "_to_legacy_output_types", "_to_legacy_output_shapes",
        "_to_legacy_output_classes", "_keras_mask",
    )
)  # fmt: skip
"""Names that fields may not have: they are the type's own."""

_PLAIN: Final = (int, float, bool, str, bytes, type(None))


class _NoDefault:
    def __repr__(self) -> str:
        return "ExtensionTypeField.NO_DEFAULT"


NO_DEFAULT: Final = _NoDefault()

VALUE, SPEC, DEFAULT = "value", "spec", "default"
"""What is converted: a value's field, a spec's field, or the default of one."""


class Field(typing.NamedTuple):
    """Name, annotation and default of one field."""

    name: str
    value_type: Any
    default: Any = NO_DEFAULT


def is_reserved(name: str) -> bool:
    """Return whether no field may have this name."""
    return name in RESERVED or name.lower().startswith("_tf_extension_type")


def make_field(name: str, value_type: Any, default: Any = NO_DEFAULT) -> Field:
    """Return a field.

    Raises:
      TypeError: where its annotation is not supported, or the default does not fit it.
    """
    try:
        check_annotation(value_type, allow_forward_references=True)
    except TypeError as error:
        raise TypeError(explain(f"In field {name!r}: {without_line(error)}.")) from None
    if default is not NO_DEFAULT:
        default = convert(default, value_type, (f"default value for {name}",), DEFAULT)
    return Field(name, value_type, default)


def _is_tuple(annotation: Any) -> bool:
    return typing.get_origin(annotation) is tuple


def is_union(annotation: Any) -> bool:
    """Return whether this is `Union[…]` or `a | b`."""
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _is_mapping(annotation: Any) -> bool:
    return typing.get_origin(annotation) is Mapping


def _is_composite(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, CompositeTensor)


def check_annotation(annotation: Any, in_key: bool = False, allow_forward_references: bool = False) -> None:
    """Raise TypeError where an annotation says what fields cannot hold."""
    if isinstance(annotation, (str, typing.ForwardRef)):
        if not allow_forward_references:
            raise TypeError(explain(f"Unresolved forward reference {annotation!r}"))
        return
    if annotation is None or annotation in _PLAIN or annotation is dtypes.DType:
        return
    arguments = typing.get_args(annotation)
    if annotation in (Tensor, TensorShape) or _is_composite(annotation):
        if in_key:
            raise TypeError(
                explain(f"Mapping had a key {annotation.__name__!r} with type {type(annotation).__name__!r}")
            )
    elif _is_tuple(annotation) or is_union(annotation):
        for argument in arguments:
            if argument is not Ellipsis:
                check_annotation(argument, in_key, allow_forward_references)
    elif _is_mapping(annotation):
        check_annotation(arguments[0], True, allow_forward_references)
        check_annotation(arguments[1], in_key, allow_forward_references)
    else:
        name = annotation.__name__ if isinstance(annotation, type) and not arguments else annotation
        raise TypeError(
            explain(
                f"Unsupported type annotation {name!r}.",
                fix="Fields are numbers, texts, bools, None, tuples, mappings, tensors, composite tensors, shapes and dtypes.",
            )
        )


def convert_fields(fields: Sequence[Field], values: dict[str, Any], context: str) -> None:
    """Check and convert the values of all fields, in place.

    Raises:
      ValueError: where there are values without a field or fields without a value.
      TypeError: where a value is not of its field's type.
    """
    names = {field.name for field in fields}
    if extra := set(values) - names:
        raise ValueError(explain(f"Got unexpected fields: {extra}"))
    if missing := names - set(values):
        raise ValueError(explain(f"Missing required fields: {missing}"))
    values.update(
        {field.name: convert(values[field.name], field.value_type, (field.name,), context) for field in fields}
    )


def _refusal(path: tuple[str, ...], expected: str, value: Any) -> TypeError:
    return TypeError(explain(f"{''.join(path)}: expected {expected}, got {type(value).__name__!r}"))


def convert(value: Any, annotation: Any, path: tuple[str, ...], context: str) -> Any:
    """Return the value as its annotation has it; TypeError where it is something else."""
    if annotation is None:
        annotation = type(None)
    if annotation is Tensor:
        return _convert_tensor(value, path, context)
    if _is_composite(annotation):
        return _convert_composite(value, annotation, path, context)
    if annotation is TensorShape or annotation is dtypes.DType:
        try:
            return as_shape(value) if annotation is TensorShape else dtypes.as_dtype(value)
        except TypeError:
            raise _refusal(path, f"'tf.{annotation.__name__}'", value) from None
    if annotation in _PLAIN:
        if not isinstance(value, annotation):
            raise _refusal(path, repr(annotation.__name__), value)
        return value
    if _is_tuple(annotation):
        return _convert_tuple(value, annotation, path, context)
    if _is_mapping(annotation):
        return _convert_mapping(value, annotation, path, context)
    if is_union(annotation):
        for option in typing.get_args(annotation):
            try:
                return convert(value, option, path, context)
            except TypeError:
                continue
        raise _refusal(path, repr(annotation), value)
    raise TypeError(explain(f"{''.join(path)}: Unsupported type annotation {annotation!r}"))


def _convert_tensor(value: Any, path: tuple[str, ...], context: str) -> Any:
    if context == SPEC:
        if not (isinstance(value, TypeSpec) and value.value_type is Tensor):
            raise _refusal(path, "a TensorSpec", value)
        return value
    if isinstance(value, Tensor) or context == DEFAULT:
        return value
    try:
        return to_tensor(value)
    except (ValueError, TypeError):
        raise _refusal(path, "a Tensor", value) from None


def _convert_composite(value: Any, annotation: Any, path: tuple[str, ...], context: str) -> Any:
    if context == SPEC:
        if not (isinstance(value, TypeSpec) and isinstance(value.value_type, type)) or not issubclass(
            value.value_type, annotation
        ):
            raise _refusal(path, f"a TypeSpec for {annotation.__name__!r}", value)
        return value
    if not isinstance(value, annotation):
        raise _refusal(path, repr(annotation.__name__), value)
    return value


def _convert_tuple(value: Any, annotation: Any, path: tuple[str, ...], context: str) -> tuple[Any, ...]:
    if not isinstance(value, Sequence):
        raise _refusal(path, "tuple", value)
    kinds = typing.get_args(annotation)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    elif len(value) != len(kinds):
        raise _refusal(path, f"tuple with length {len(kinds)}", value)
    pairs = zip(value, kinds, strict=True)
    return tuple(convert(v, kind, (*path, f"[{i}]"), context) for i, (v, kind) in enumerate(pairs))


def _convert_mapping(value: Any, annotation: Any, path: tuple[str, ...], context: str) -> ImmutableDict:
    if not isinstance(value, Mapping):
        raise _refusal(path, "mapping", value)
    key_kind, value_kind = typing.get_args(annotation)
    return ImmutableDict(
        (
            convert(k, key_kind, (*path, "[<key>]"), context),
            convert(v, value_kind, (*path, f"[{k!r}]"), context),
        )
        for k, v in value.items()
    )
