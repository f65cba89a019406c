"""tf.experimental.ExtensionType: classes of values made of tensors, declared by their annotated fields.

Refuses fields without annotation, values of other types, and changes after construction.
"""

from __future__ import annotations

import abc
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain
from millstream.base.immutable_dict import ImmutableDict
from millstream.base.shapes import TensorShape
from millstream.base.tensor_specs import TensorSpec
from millstream.base.type_specs import (
    BatchableTypeSpec,
    TypeSpec,
    TypeSpecBatchEncoder,
    batchable_from_tensor_list,
    batchable_to_tensor_list,
    get_batchable_flat_tensor_specs,
    register_type_spec,
)
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.extension_fields import (
    NO_DEFAULT,
    SPEC,
    VALUE,
    Field,
    convert_fields,
    is_reserved,
    make_field,
)
from millstream.execution.tensor import Tensor
from millstream.ops.registry import find

_IN_CONSTRUCTOR = "_tf_extension_type_in_constructor"
_CHANGEABLE = ("_keras_mask",)
"""What may be set at any time: Keras passes its masks so."""


def _made(cls: type, fields: Any) -> Any:
    """Return an object with these fields, past its constructor."""
    made: Any = object.__new__(cls)
    made.__dict__.update(fields)
    return made


class _Fields:
    """What values and specs of extension types share: their fields, which only a constructor sets."""

    def _tf_extension_type_convert_fields(self) -> None:
        raise NotImplementedError

    @classmethod
    def _tf_extension_type_fields(cls) -> tuple[Field, ...]:
        raise NotImplementedError

    @classmethod
    def _tf_extension_type_has_field(cls, name: str) -> bool:
        return any(name == field.name for field in cls._tf_extension_type_fields())

    def __validate__(self) -> None:
        """Raise where the fields do not go together; called after construction."""

    def _is_open(self, name: str) -> bool:
        return _IN_CONSTRUCTOR in self.__dict__ and self._tf_extension_type_has_field(name)

    def _refusal(self, name: str) -> AttributeError:
        kind = "ExtensionTypeSpec" if isinstance(self, TypeSpec) else "ExtensionType"
        return AttributeError(f"Cannot mutate attribute `{name}` outside the custom constructor of {kind}.")


class ExtensionTypeMetaclass(abc.ABCMeta):
    """Gives each extension type its constructor and its Spec."""

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        if not namespace.get("_tf_extension_type_do_not_transform_this_class", False):
            _check_class(cls)
            _add_constructor(cls, _built_constructor)
            _add_spec(cls)
        super().__init__(name, bases, namespace)


class ExtensionType(_Fields, CompositeTensor, metaclass=ExtensionTypeMetaclass):
    """The base of classes whose values are made of tensors and pass through TensorFlow's functions as one.

    A subclass annotates its fields: `int`, `float`, `str`, `bytes`, `bool`, `None`, `tf.Tensor`, composite tensors and
    extension types, `tf.TensorShape`, `tf.DType`, and unions, tuples and mappings of these. Values are checked and converted
    when they are made, `__validate__` is called then, and nothing can be changed afterwards. A nested class `Spec` may add to
    the type's TypeSpec.

    Raises TypeError where a value does not fit its annotation.

    >>> class MaskedTensor(tf.experimental.ExtensionType):
    ...     values: tf.Tensor
    ...     mask: tf.Tensor
    >>> MaskedTensor([1, 2], [True, False]).values.numpy()
    array([1, 2], dtype=int32)
    """

    _tf_extension_type_do_not_transform_this_class = True
    _tf_extension_type_cached_type_spec: Any = None
    Spec: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if type(self) is ExtensionType:
            raise AssertionError(
                explain("Cannot create an instance of ExtensionType because ExtensionType is an abstract base class.")
            )

    @classmethod
    def _tf_extension_type_fields(cls) -> tuple[Field, ...]:
        if "_tf_extension_type_cached_fields" in cls.__dict__:
            return cls._tf_extension_type_cached_fields  # type: ignore[attr-defined, no-any-return]
        resolved = True
        try:
            hints = typing.get_type_hints(cls)
        except (NameError, AttributeError):
            # A class named in quotes that is not there yet.
            resolved, hints = False, {}
            for base in reversed(cls.__mro__):
                hints.update(inspect.get_annotations(base))
        names = [n for n in hints if n not in ExtensionType.__annotations__]
        fields = tuple(make_field(n, hints[n], getattr(cls, n, NO_DEFAULT)) for n in names)
        if resolved:
            cls._tf_extension_type_cached_fields = fields  # type: ignore[attr-defined]
        return fields

    def _tf_extension_type_convert_fields(self) -> None:
        convert_fields(self._tf_extension_type_fields(), self.__dict__, VALUE)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _CHANGEABLE and not self._is_open(name):
            raise self._refusal(name)
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in _CHANGEABLE and not self._is_open(name):
            raise self._refusal(name)
        del self.__dict__[name]

    def __repr__(self) -> str:
        fields = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in self._tf_extension_type_fields())
        return f"{type(self).__qualname__}({fields})"

    def __eq__(self, other: object) -> Any:
        """Return whether both are of one type and all elements are equal: a bool where types differ, else a tensor."""
        if type(self) is not type(other) or self._type_spec != other._type_spec:  # type: ignore[attr-defined]
            return False
        pairs = [nest.flatten(one, expand_composites=True) for one in (self, other)]
        if len(pairs[0]) != len(pairs[1]):
            return False
        return functools.reduce(
            lambda a, b: apply(find("LogicalAnd"), a, b),
            [_all_equal(a, b) for a, b in zip(*pairs, strict=True)],
            to_tensor(True),
        )

    def __ne__(self, other: object) -> Any:
        equal = self == other
        return apply(find("LogicalNot"), equal) if isinstance(equal, Tensor) else not equal

    __hash__ = None  # type: ignore[assignment]

    @property
    def _type_spec(self) -> Any:
        if self._tf_extension_type_cached_type_spec is None:
            self.__dict__["_tf_extension_type_cached_type_spec"] = self.Spec.from_value(self)
        return self._tf_extension_type_cached_type_spec


def _all_equal(a: Any, b: Any) -> Any:
    """Return whether two tensors are of one shape with equal elements, as a tensor."""
    if not a.shape.is_compatible_with(b.shape):
        return to_tensor(False)
    shapes = [apply(find("Shape"), x) for x in (a, b)]
    if a.shape.is_fully_defined() and b.shape.is_fully_defined():
        return _all(apply(find("Equal"), a, b, incompatible_shape_error=False))
    # Tensors of other shapes are unequal, not an error: they are compared flat, cut to what both have.
    same_rank = a.shape.rank is not None and a.shape.rank == b.shape.rank
    same = _all(apply(find("Equal"), *shapes)) if same_rank else to_tensor(True)
    flat = [apply(find("Reshape"), x, to_tensor([-1])) for x in (a, b)]
    sizes = [apply(find("Size"), x) for x in flat]
    count = apply(find("Reshape"), apply(find("Minimum"), *sizes), to_tensor([1]))
    starts = [apply(find("Slice"), x, to_tensor([0]), count) for x in flat]
    counts = apply(find("Equal"), *sizes)
    parts = [same, counts, _all(apply(find("Equal"), *starts))]
    return functools.reduce(lambda p, q: apply(find("LogicalAnd"), p, q), parts)


def _all(x: Any) -> Any:
    return apply(find("All"), apply(find("Reshape"), x, to_tensor([-1])), to_tensor([0]), keep_dims=False)


def as_dict(value: ExtensionType) -> dict[str, Any]:
    """Return the fields of an extension type's value by name; nested ones stay as they are.

    Args:
      value: a value of an extension type.
    """
    return {field.name: getattr(value, field.name) for field in value._tf_extension_type_fields()}


class ExtensionTypeSpec(_Fields, TypeSpec):
    """The base of the Specs of extension types: the value's fields, specs in place of its tensors."""

    @classmethod
    def _tf_extension_type_fields(cls) -> tuple[Field, ...]:
        return cls.value_type._tf_extension_type_fields()  # type: ignore[attr-defined, no-any-return]

    def _tf_extension_type_convert_fields(self) -> None:
        convert_fields(self._tf_extension_type_fields(), self.__dict__, SPEC)

    @classmethod
    def from_value(cls, value: Any) -> Any:
        """Return the spec of a value of this type."""
        known = value.__dict__.get("_tf_extension_type_cached_type_spec")
        if known is not None:
            return known
        names = [field.name for field in cls._tf_extension_type_fields()]
        return _made(cls, nest.map_structure(_spec_of, {n: value.__dict__[n] for n in names}))

    def _field_values(self) -> dict[str, Any]:
        return {f.name: self.__dict__[f.name] for f in self._tf_extension_type_fields()}

    def _serialize(self) -> Any:
        return tuple((n, _with_mappings(v, dict)) for n, v in self._field_values().items())

    @classmethod
    def _deserialize(cls, serialization: Any) -> Any:
        return _made(cls, _with_mappings(serialization, ImmutableDict))

    def __reduce__(self) -> Any:
        return _deserialized, (self.value_type, self._serialize())

    def _to_components(self, value: Any) -> Any:
        fields = tuple(value.__dict__[name] for name in self._field_values())
        return tuple(x for x in nest.flatten(fields) if isinstance(x, (Tensor, CompositeTensor)))

    def _from_components(self, components: Any) -> Any:
        fields = self._field_values()
        parts = iter(components)
        flat = [next(parts) if isinstance(x, TypeSpec) else x for x in nest.flatten(tuple(fields.values()))]
        if list(parts):
            raise ValueError(
                explain(
                    "Cannot build an ExtensionType instance from components because more components are provided than the "
                    "number expected by the type spec."
                )
            )
        return _made(self.value_type, zip(fields, nest.pack_sequence_as(tuple(fields.values()), flat), strict=True))

    @property
    def _component_specs(self) -> Any:
        return tuple(x for x in nest.flatten(tuple(self._field_values().values())) if isinstance(x, TypeSpec))

    def _with_fields(self, change: Callable[[Any], Any]) -> Any:
        return _made(type(self), nest.map_structure(change, self._field_values()))

    def _without_sizes_of_parts(self) -> Any:
        def relax(part: Any) -> Any:
            if isinstance(part, TensorSpec):
                return TensorSpec(None, part.dtype)
            return part._without_sizes_of_parts() if isinstance(part, TypeSpec) else part

        return self._with_fields(relax)

    def _to_legacy_output_shapes(self) -> Any:
        shape = getattr(self, "shape", None)
        if shape is None:
            raise NotImplementedError(
                explain(
                    f"{type(self).__qualname__} has no property `shape`.", fix="Define one in the nested class Spec."
                )
            )
        return shape

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_cached_key":
            object.__setattr__(self, name, value)
        elif self._is_open(name):
            self.__dict__[name] = value
        else:
            raise self._refusal(name)

    def __delattr__(self, name: str) -> None:
        if not self._is_open(name):
            raise self._refusal(name)
        del self.__dict__[name]

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{k}={v!r}' for k, v in self._serialize())})"


def _deserialized(value_type: Any, serialization: Any) -> Any:
    return value_type.Spec._deserialize(serialization)


def _spec_of(value: Any) -> Any:
    if isinstance(value, Tensor):
        return TensorSpec(value.shape, value.dtype)
    return value._type_spec if hasattr(value, "_type_spec") else value


def _with_mappings(value: Any, kind: Any) -> Any:
    """Return nested tuples and mappings with all mappings of another class."""
    if isinstance(value, Mapping):
        return kind((k, _with_mappings(v, kind)) for k, v in value.items())
    return tuple(_with_mappings(v, kind) for v in value) if isinstance(value, tuple) else value


class ExtensionTypeBatchEncoder(TypeSpecBatchEncoder):
    """How values of an extension type are stacked: by stacking each of their tensors, unless a subclass says otherwise.

    A subclass is given to the type as `__batch_encoder__ = MyEncoder()`.
    """

    def batch(self, spec: Any, batch_size: int | None) -> Any:
        """Return the spec of `batch_size` stacked values."""

        def stacked(part: Any) -> Any:
            if isinstance(part, BatchableTypeSpec):
                return part.__batch_encoder__.batch(part, batch_size)
            return TensorShape([batch_size]).concatenate(part) if isinstance(part, TensorShape) else part

        return spec._with_fields(stacked)

    def unbatch(self, spec: Any) -> Any:
        """Return the spec of one of the stacked values."""

        def single(part: Any) -> Any:
            if isinstance(part, BatchableTypeSpec):
                return part.__batch_encoder__.unbatch(part)
            return part[1:] if isinstance(part, TensorShape) else part

        return spec._with_fields(single)

    def encode(self, spec: Any, value: Any, minimum_rank: int = 0) -> Any:
        """Return the value as tensors and composite tensors that can be stacked, of at least `minimum_rank` axes."""
        return spec._to_components(value)

    def decode(self, spec: Any, encoded_value: Any) -> Any:
        """Return the value that `encode` took apart."""
        return spec._from_components(encoded_value)

    def encoding_specs(self, spec: Any) -> Any:
        """Return the specs of what `encode` gives."""
        return spec._component_specs


class BatchableExtensionTypeSpec(ExtensionTypeSpec, BatchableTypeSpec):
    """The base of the Specs of extension types that can be stacked."""

    __batch_encoder__ = ExtensionTypeBatchEncoder()  # type: ignore[assignment]

    def _batch(self, batch_size: int | None) -> Any:
        return self.__batch_encoder__.batch(self, batch_size)

    def _unbatch(self) -> Any:
        return self.__batch_encoder__.unbatch(self)

    def _to_tensor_list(self, value: Any) -> list[Any]:
        return batchable_to_tensor_list(self, value)

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        return batchable_to_tensor_list(self, value, minimum_rank=1)

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        return batchable_from_tensor_list(self, tensor_list)

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return get_batchable_flat_tensor_specs(self)


class BatchableExtensionType(ExtensionType):
    """An extension type whose values can be stacked and unstacked: by tf.data, tf.map_fn and Keras.

    Each of its tensors is stacked, unless `__batch_encoder__` says otherwise.

    >>> class Vehicle(tf.experimental.BatchableExtensionType):
    ...     top_speed: tf.Tensor
    ...     mpg: tf.Tensor
    >>> batch = Vehicle([120, 150, 80], [30, 40, 12])
    >>> tf.map_fn(lambda v: v.top_speed * v.mpg, batch, fn_output_signature=tf.int32).numpy()
    array([3600, 6000,  960], dtype=int32)
    """

    _tf_extension_type_do_not_transform_this_class = True


def _check_class(cls: Any) -> None:
    """Raise ValueError where a class has fields that cannot be."""
    annotations = inspect.get_annotations(cls)
    invalid = f"The field annotations for {cls.__name__} are invalid."
    for name, value in cls.__dict__.items():
        if name != "Spec" and is_reserved(name):
            raise ValueError(explain(f"{invalid} Field '{name}' is reserved."))
        if name == "Spec":
            if not isinstance(value, type):
                raise ValueError(explain(f"{cls.__qualname__}.Spec must be a nested class; got {value}."))
            if value.__bases__ not in ((TypeSpec,), (object,)):
                raise ValueError(explain(f"{cls.__qualname__}.Spec must be directly subclassed from tf.TypeSpec."))
        elif not (
            name in annotations
            or callable(value)
            or name.startswith("_abc_")
            or (name.startswith("__") and name.endswith("__"))
            or isinstance(value, (property, classmethod, staticmethod))
        ):
            raise ValueError(explain(f"{invalid} Field {name} is missing a type annotation."))
    for name in annotations:
        if is_reserved(name):
            raise ValueError(explain(f"{invalid} Field '{name}' is reserved."))


def _add_constructor(cls: Any, build: Callable[[Any], Callable[..., None]]) -> None:
    own = cls.__dict__.get("__init__")
    cls.__init__ = build(cls) if own is None else _opened_constructor(own)


def _opened_constructor(own: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that lets the given one set fields, and checks them after it."""

    @functools.wraps(own)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        self.__dict__[_IN_CONSTRUCTOR] = True
        try:
            own(self, *args, **kwargs)
        finally:
            self.__dict__.pop(_IN_CONSTRUCTOR, None)
        self._tf_extension_type_convert_fields()
        self.__validate__()

    return construct


def _built_constructor(cls: Any) -> Callable[..., None]:
    """Return a constructor of all fields: after the first without default that follows one with, only by name."""
    parameters = []
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    seen_default = False
    for field in cls._tf_extension_type_fields():
        required = field.default is NO_DEFAULT
        if seen_default and required:
            kind = inspect.Parameter.KEYWORD_ONLY
        seen_default = seen_default or not required
        default = inspect.Parameter.empty if required else field.default
        parameters.append(inspect.Parameter(field.name, kind, default=default, annotation=field.value_type))
    return _filled(cls, parameters)


def _built_spec_constructor(cls: Any) -> Callable[..., None]:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return _filled(cls, [inspect.Parameter(f.name, kind) for f in cls._tf_extension_type_fields()])


def _filled(cls: Any, parameters: list[inspect.Parameter]) -> Callable[..., None]:
    signature = inspect.Signature(parameters)
    names = ", ".join(p.name for p in parameters)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(explain(f"{cls.__qualname__}({names}): {error}.")) from None
        bound.apply_defaults()
        self.__dict__.update(bound.arguments)
        self._tf_extension_type_convert_fields()
        self.__validate__()

    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = inspect.Signature([itself, *parameters])  # type: ignore[attr-defined]
    return __init__


def _add_spec(cls: Any) -> None:
    """Give an extension type its nested class Spec, with what its own Spec adds."""
    full = f"{cls.__qualname__}.Spec"
    content: dict[str, Any] = {"value_type": cls, "__module__": cls.__module__}
    own = cls.__dict__.get("Spec")
    for name, value in own.__dict__.items() if own is not None else ():
        if is_reserved(name):
            raise ValueError(explain(f"TypeSpec {full} uses reserved name '{name}'."))
        if cls._tf_extension_type_has_field(name):
            raise ValueError(
                explain(f"TypeSpec {full} defines a variable '{name}' which shadows a field in {cls.__qualname__}")
            )
        if name not in ("__module__", "__dict__", "__weakref__", "__abstractmethods__", "_abc_impl"):
            content[name] = value
    base: type = ExtensionTypeSpec
    if issubclass(cls, BatchableExtensionType):
        base = BatchableExtensionTypeSpec
        if hasattr(cls, "__batch_encoder__"):
            content.setdefault("__batch_encoder__", cls.__batch_encoder__)
    elif hasattr(cls, "__batch_encoder__") or "__batch_encoder__" in content:
        raise ValueError(explain("__batch_encoder__ should only be defined for BatchableExtensionType classes."))
    spec = type(base)(f"{cls.__name__}.Spec", (base,), content)
    spec.__qualname__ = full
    _add_constructor(spec, _built_spec_constructor)
    cls.Spec = spec
    if "__name__" in cls.__dict__:
        register_type_spec(f"{cls.__dict__['__name__']}.Spec")(spec)
