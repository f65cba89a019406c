"""Public type specs (`tf.TypeSpec`, `tf.TensorSpec` …): what a function's argument or a data set's element is.

A spec is compared, relaxed and taken apart here; the classes of the values themselves are made by execution, which
installs them under the names "Tensor" and so on. Refuses values that fit no spec with TensorFlow's texts.
"""

from __future__ import annotations

import abc
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.trace_types import TraceType, installed


class TypeSpec(TraceType):
    """The type of a value that tensors make up."""

    __slots__ = ("_cached_key",)

    _cached_key: Any

    # What `nest` does with it when it expands composites.
    _nested_as = "type_spec"

    @property
    @abc.abstractmethod
    def value_type(self) -> Any:
        """The class of values that this spec describes."""

    @abc.abstractmethod
    def _serialize(self) -> Any:
        """A nested tuple from which `_deserialize` makes the same spec."""

    @property
    @abc.abstractmethod
    def _component_specs(self) -> Any:
        """The specs of the components."""

    @abc.abstractmethod
    def _to_components(self, value: Any) -> Any:
        """The components of a value."""

    @abc.abstractmethod
    def _from_components(self, components: Any) -> Any:
        """The value that has these components."""

    @classmethod
    def _deserialize(cls, serialization: Any) -> Any:
        return cls(*serialization)

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """Whether the spec or value may be of this type."""
        if not isinstance(spec_or_value, TypeSpec):
            spec_or_value = type_spec_from_value(spec_or_value)
        return type(self) is type(spec_or_value) and _are_compatible(self._serialize(), spec_or_value._serialize())

    def is_subtype_of(self, other: Any) -> Any:
        """Whether every value of this type is of the type `other`."""
        if type(self) is not type(other):
            return False

        def below(left: Any, right: Any) -> bool:
            return bool(left.is_subtype_of(right) if isinstance(left, TraceType) else left == right)

        try:
            return all(nest.flatten(nest.map_structure(below, self._serialize(), other._serialize())))
        except (ValueError, TypeError):
            return False

    def most_specific_common_supertype(self, others: Sequence[Any]) -> Any:
        """The narrowest type that holds all values of this and the others; None where there is none."""
        if any(type(self) is not type(other) for other in others):
            return None
        failed = False

        def above(first: Any, *rest: Any) -> Any:
            nonlocal failed
            if isinstance(first, TraceType):
                found = first.most_specific_common_supertype(rest)
                failed = failed or found is None
                return found
            failed = failed or any(first != other for other in rest)
            return first

        try:
            made = nest.map_structure(above, self._serialize(), *(other._serialize() for other in others))
        except (ValueError, TypeError):
            return None
        return None if failed else self._deserialize(made)

    def most_specific_compatible_type(self, other: Any) -> Any:
        """The narrowest type that holds both; an error where there is none."""
        result = self.most_specific_common_supertype([other])
        if result is None:
            raise ValueError(explain(f"No TypeSpec is compatible with both {self} and {other}"))
        return result

    def placeholder_value(self, placeholder_context: Any) -> Any:
        """The value that stands for one of this type inside a trace."""
        if placeholder_context.unnest_only:
            return self
        parts = nest.map_structure(lambda spec: spec.placeholder_value(placeholder_context), self._component_specs)
        return self._from_components(parts)

    def to_tensors(self, value: Any) -> list[Any]:
        """The tensors in a value."""
        tensors: list[Any] = []
        nest.map_structure(
            lambda spec, part: tensors.extend(spec.to_tensors(part)), self._component_specs, self._to_components(value)
        )
        return tensors

    def from_tensors(self, tensors: Iterator[Any]) -> Any:
        """The value that has the next tensors."""
        return self._from_components(nest.map_structure(lambda spec: spec.from_tensors(tensors), self._component_specs))

    def flatten(self) -> list[Any]:
        """The specs of the tensors in a value."""
        return [flat for spec in nest.flatten(self._component_specs) for flat in spec.flatten()]

    def cast(self, value: Any, cast_context: Any) -> Any:
        """The value as one of this type; an error where it cannot be."""
        if cast_context.allow_specs and isinstance(value, TypeSpec):
            if not value.is_subtype_of(self):
                raise AssertionError(f"Can not cast {value!r} to {self!r}")
            return self
        changed = False

        def cast_part(spec: Any, part: Any) -> Any:
            nonlocal changed
            made = spec.cast(part, cast_context)
            changed = changed or made is not part
            return made

        parts = nest.map_structure(cast_part, self._component_specs, self._to_components(value))
        return self._from_components(parts) if changed else value

    def _with_tensor_ranks_only(self) -> Any:
        def relax(value: Any) -> Any:
            if isinstance(value, TypeSpec):
                return value._with_tensor_ranks_only()
            if isinstance(value, TensorShape) and value.rank is not None:
                return TensorShape([None] * value.rank)
            return value

        return self._deserialize(nest.map_structure(relax, self._serialize()))

    def _without_sizes_of_parts(self) -> Any:
        """The same type without the sizes that its tensors have themselves: traces are told apart by those."""
        return self

    def _without_tensor_names(self) -> Any:
        def rename(value: Any) -> Any:
            return value._without_tensor_names() if isinstance(value, TypeSpec) else value

        return self._deserialize(nest.map_structure(rename, self._serialize()))

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return nest.flatten(self._component_specs, expand_composites=True)

    def _to_tensor_list(self, value: Any) -> list[Any]:
        return nest.flatten(self._to_components(value), expand_composites=True)

    def _from_tensor_list(self, tensor_list: list[Any]) -> Any:
        expected = self._flat_tensor_specs
        name = self.value_type.__name__
        if len(tensor_list) != len(expected):
            raise ValueError(
                explain(
                    f"Cannot create a {name} from the tensor list because the TypeSpec expects {len(expected)} items, "
                    f"but the provided tensor list has {len(tensor_list)} items."
                )
            )
        for position, (tensor, spec) in enumerate(zip(tensor_list, expected)):
            if not type_spec_from_value(tensor).is_compatible_with(spec):
                raise ValueError(
                    explain(
                        f"Cannot create a {name} from the tensor list because item {position} ({tensor!r}) is incompatible "
                        f"with the expected TypeSpec {spec}."
                    )
                )
        return self._from_compatible_tensor_list(tensor_list)

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        return self._from_components(nest.pack_sequence_as(self._component_specs, tensor_list, expand_composites=True))

    def _to_legacy_output_types(self) -> Any:
        raise NotImplementedError(explain(f"{type(self).__name__}._to_legacy_output_types()"))

    def _to_legacy_output_shapes(self) -> Any:
        raise NotImplementedError(explain(f"{type(self).__name__}._to_legacy_output_shapes()"))

    def _to_legacy_output_classes(self) -> Any:
        return self.value_type

    def __tf_tracing_type__(self, context: Any) -> Any:
        return self

    @classmethod
    def experimental_type_proto(cls) -> Any:
        """The proto class that stands for type specs."""
        return installed("TypeSpecProto")

    @classmethod
    def experimental_from_proto(cls, proto: Any) -> Any:
        """The spec in a proto."""
        return installed("decode_type_spec")(proto)

    def experimental_as_proto(self) -> Any:
        """This spec as a proto."""
        return installed("encode_type_spec")(self)

    def _key(self) -> Any:
        try:
            return self._cached_key
        except AttributeError:
            self._cached_key = (type(self), _hashable(self, self._serialize()))
            return self._cached_key

    def __eq__(self, other: object) -> Any:
        return type(other) is type(self) and isinstance(other, TypeSpec) and self._key() == other._key()

    def __ne__(self, other: object) -> Any:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> Any:
        return type(self), self._serialize()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._serialize()!r}"


def _hashable(spec: TypeSpec, value: Any) -> Any:
    if value is None or isinstance(value, (int, float, str, bytes, np.generic, DType, TypeSpec, TensorShape)):
        return value
    if isinstance(value, dict):
        return tuple((_hashable(spec, key), _hashable(spec, value[key])) for key in sorted(value))
    if isinstance(value, tuple):
        return tuple(_hashable(spec, one) for one in value)
    if isinstance(value, list):
        return list, tuple(_hashable(spec, one) for one in value)
    if isinstance(value, np.ndarray):
        return np.ndarray, value.shape, value.dtype.str, value.tobytes()
    raise ValueError(
        explain(
            f"Cannot generate a hashable key for {spec} because the _serialize() method returned an unsupported value of "
            f"type {type(value)}"
        )
    )


def _are_compatible(left: Any, right: Any) -> bool:
    if isinstance(left, TypeSpec):
        return left.is_compatible_with(right)
    if nest.is_namedtuple(left) and nest.is_namedtuple(right):
        if not nest.same_namedtuples(left, right):
            return False
    elif type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(_are_compatible(x, y) for x, y in zip(left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_are_compatible(left[key], right[key]) for key in left)
    if isinstance(left, (TensorShape, DType)):
        return bool(left.is_compatible_with(right))
    return bool(left == right)


class TypeSpecBatchEncoder(metaclass=abc.ABCMeta):
    """How values of a type are batched, taken apart and put together in data sets."""

    @abc.abstractmethod
    def batch(self, spec: Any, batch_size: int | None) -> Any:
        """The spec of a batch."""

    @abc.abstractmethod
    def unbatch(self, spec: Any) -> Any:
        """The spec of one element of a batch."""

    @abc.abstractmethod
    def encode(self, spec: Any, value: Any, minimum_rank: int = 0) -> Any:
        """The value as structures of tensors of at least this rank."""

    @abc.abstractmethod
    def decode(self, spec: Any, encoded_value: Any) -> Any:
        """The value again."""

    @abc.abstractmethod
    def encoding_specs(self, spec: Any) -> Any:
        """The specs of what `encode` gives."""


class LegacyTypeSpecBatchEncoder(TypeSpecBatchEncoder):
    """Leaves everything to the methods of a BatchableTypeSpec."""

    def batch(self, spec: Any, batch_size: int | None) -> Any:
        """The spec of a batch."""
        return spec._batch(batch_size)

    def unbatch(self, spec: Any) -> Any:
        """The spec of one element of a batch."""
        return spec._unbatch()

    def encode(self, spec: Any, value: Any, minimum_rank: int = 0) -> Any:
        """The value as a list of tensors."""
        if minimum_rank == 0:
            return spec._to_tensor_list(value)
        if minimum_rank > 1:
            raise ValueError(explain(f"{type(spec).__name__}.encode does not support minimum_rank>1."))
        if not isinstance(spec, BatchableTypeSpec):
            raise ValueError(explain(f"{type(spec).__name__}.encode does not support minimum_rank>0."))
        return spec._to_batched_tensor_list(value)

    def decode(self, spec: Any, encoded_value: Any) -> Any:
        """The value again."""
        return spec._from_tensor_list(encoded_value)

    def encoding_specs(self, spec: Any) -> Any:
        """The specs of the list of tensors."""
        return spec._flat_tensor_specs


class BatchableTypeSpec(TypeSpec):
    """A type whose values can be stacked and unstacked."""

    __slots__ = ()

    __batch_encoder__ = LegacyTypeSpecBatchEncoder()

    @abc.abstractmethod
    def _batch(self, batch_size: int | None) -> Any:
        """The spec of `batch_size` values, stacked."""

    @abc.abstractmethod
    def _unbatch(self) -> Any:
        """The spec of one value of a stack."""

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return nest.flatten(
            nest.map_structure(lambda spec: get_batchable_flat_tensor_specs(spec, self), self._component_specs)
        )

    def _to_tensor_list(self, value: Any) -> list[Any]:
        parts = nest.map_structure(batchable_to_tensor_list, self._component_specs, self._to_components(value))
        return nest.flatten(parts)

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        def to_list(spec: Any, part: Any) -> list[Any]:
            if isinstance(spec, BatchableTypeSpec):
                return batchable_to_tensor_list(spec, part, minimum_rank=1)
            return list(spec._to_tensor_list(part))

        tensors = nest.flatten(nest.map_structure(to_list, self._component_specs, self._to_components(value)))
        if any(tensor.shape.ndims == 0 for tensor in tensors):
            raise ValueError(
                explain(
                    f"While converting {value} to a list of tensors for batching, found a scalar item which cannot be "
                    "batched."
                )
            )
        return tensors

    def _from_compatible_tensor_list(self, tensor_list: list[Any]) -> Any:
        flat = nest.map_structure(lambda spec: get_batchable_flat_tensor_specs(spec, self), self._component_specs)
        nested = nest.pack_sequence_as(flat, tensor_list)
        parts = nest.map_structure_up_to(
            self._component_specs, batchable_from_tensor_list, self._component_specs, nested
        )
        return self._from_components(parts)


def get_batchable_flat_tensor_specs(spec: Any, context_spec: Any = None) -> list[Any]:
    """The tensor specs of what a spec's encoder gives."""
    if getattr(spec, "_is_tensor_spec", False):
        return [spec]
    if hasattr(spec, "__batch_encoder__"):
        encoded = spec.__batch_encoder__.encoding_specs(spec)
        return nest.flatten(nest.map_structure(lambda one: get_batchable_flat_tensor_specs(one, context_spec), encoded))
    warnings.warn(
        f"Batchable type {context_spec} contains non-batchable field or component with type {spec}.", stacklevel=2
    )
    return list(spec._flat_tensor_specs)


def batchable_to_tensor_list(spec: Any, value: Any, minimum_rank: int = 0) -> list[Any]:
    """The tensors of an encoded value."""
    if getattr(spec, "_is_tensor_spec", False):
        return [value]
    if hasattr(spec, "__batch_encoder__"):
        encoder = spec.__batch_encoder__
        encoded = encoder.encode(spec, value, minimum_rank)
        return nest.flatten(
            nest.map_structure(
                lambda one, part: batchable_to_tensor_list(one, part, minimum_rank),
                encoder.encoding_specs(spec),
                encoded,
            )
        )
    return list(spec._to_tensor_list(value))


def batchable_from_tensor_list(spec: Any, tensor_list: list[Any]) -> Any:
    """The value that the tensors encode."""
    if getattr(spec, "_is_tensor_spec", False):
        (tensor,) = tensor_list
        return tensor
    if hasattr(spec, "__batch_encoder__"):
        encoded_specs = spec.__batch_encoder__.encoding_specs(spec)
        flat = nest.map_structure(get_batchable_flat_tensor_specs, encoded_specs)
        packed = nest.pack_sequence_as(flat, tensor_list)
        encoded = nest.map_structure_up_to(encoded_specs, batchable_from_tensor_list, encoded_specs, packed)
        return spec.__batch_encoder__.decode(spec, encoded)
    return spec._from_compatible_tensor_list(tensor_list)


_REGISTERED_NAME: Final = re.compile(r"^(\w+\.)+\w+$")
_name_of_spec: Final[dict[type, str]] = {}
_spec_of_name: Final[dict[str, type]] = {}


def register_type_spec(name: str) -> Callable[[Any], Any]:
    """A decorator that gives a TypeSpec class its name in saved files."""
    if not isinstance(name, str):
        raise TypeError(explain(f"Expected `name` to be a string; got {name!r}"))
    if not _REGISTERED_NAME.match(name):
        raise ValueError(
            explain(
                "Registered name must have the form '{project_name}.{type_name}' "
                f"(e.g. 'my_project.MyTypeSpec'); got {name!r}."
            )
        )

    def add(cls: Any) -> Any:
        _check_spec_class(cls)
        if cls in _name_of_spec:
            raise ValueError(
                explain(
                    f"Class {cls.__module__}.{cls.__name__} has already been registered with name {_name_of_spec[cls]}."
                )
            )
        if name in _spec_of_name:
            known = _spec_of_name[name]
            raise ValueError(
                explain(f"Name {name} has already been registered for class {known.__module__}.{known.__name__}.")
            )
        _name_of_spec[cls] = name
        _spec_of_name[name] = cls
        return cls

    return add


def _check_spec_class(cls: Any) -> None:
    if not (isinstance(cls, type) and issubclass(cls, TypeSpec)):
        raise TypeError(explain(f"Expected `cls` to be a TypeSpec; got {cls!r}"))


def get_type_spec_name(cls: Any) -> str:
    """The name that a TypeSpec class was registered with."""
    _check_spec_class(cls)
    if cls not in _name_of_spec:
        raise ValueError(explain(f"TypeSpec {cls.__module__}.{cls.__name__} has not been registered."))
    return _name_of_spec[cls]


def lookup_type_spec(name: str) -> Any:
    """The TypeSpec class that was registered with a name."""
    if not isinstance(name, str):
        raise TypeError(explain(f"Expected `name` to be a string; got {name!r}"))
    if name not in _spec_of_name:
        raise ValueError(explain(f"No TypeSpec has been registered with name {name!r}"))
    return _spec_of_name[name]


_converters: Final[list[tuple[type, Callable[[Any], Any], bool]]] = []


def register_type_spec_from_value_converter(
    type_object: type, converter_fn: Callable[[Any], Any], allow_subclass: bool = False
) -> None:
    """Say how the spec of values of a class is found."""
    _converters.append((type_object, converter_fn, allow_subclass))


def type_spec_from_value(value: Any) -> Any:
    """The spec of a value: of a tensor, a composite tensor, or whatever becomes a tensor."""
    found = _spec_of_value(value)
    if found is None:
        try:
            found = _spec_of_value(installed("convert_to_tensor")(value))
        except (ValueError, TypeError):
            found = None
    if found is None:
        raise TypeError(explain(f"Could not build a TypeSpec for {value} of unsupported type {type(value)}."))
    return found


def _spec_of_value(value: Any) -> Any:
    if isinstance(value, CompositeTensor):
        return value._type_spec
    if isinstance(value, list) and value:
        parts = [_spec_of_value(one) for one in value]
        if isinstance(parts[0], BatchableTypeSpec):
            merged = parts[0].most_specific_common_supertype(parts[1:])
            if merged is not None:
                return merged._batch(len(parts))
    for type_object, convert, allow_subclass in reversed(_converters):
        if type(value) is type_object or (allow_subclass and isinstance(value, type_object)):
            return convert(value)
    return None
