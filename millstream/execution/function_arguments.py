"""Take the arguments of a traced function apart: what a trace depends on, and the tensors that go in. Traces nothing."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, nest
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.sizes import Expression, Size, fresh_symbol
from millstream.base.spec import Spec
from millstream.base.tensor_specs import TensorSpec, VariableSpec
from millstream.base.trace_types import TraceType
from millstream.base.type_specs import TypeSpec
from millstream.execution.convert import to_tensor
from millstream.execution.specs import open_size, spec_of
from millstream.execution.tensor import EagerTensor, Tensor
from millstream.execution.variable import ResourceVariable, Variable

Dims = tuple[int, ...] | None
"""Sizes of a tensor argument: -1, -2 … number the open ones (equal numbers, equal sizes); None for an unknown rank."""


class Kind:
    """Element type and sizes of one tensor argument: traces are found by it."""

    __slots__ = ("dims", "dtype", "handle", "name")

    def __init__(self, dtype: DType, dims: Dims, handle: Spec | None = None, name: str | None = None) -> None:
        self.dtype = dtype
        self.dims = dims
        self.handle = handle
        self.name = name

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Kind)
            and self.dtype is other.dtype
            and self.dims == other.dims
            and self.handle == other.handle
        )

    def __hash__(self) -> int:
        return hash((self.dtype, self.dims, self.handle))

    @property
    def shape(self) -> TensorShape:
        """The public shape: open sizes are None."""
        return TensorShape(None if self.dims is None else [None if n < 0 else n for n in self.dims])

    def tensor_spec(self) -> TensorSpec:
        """The public spec."""
        return TensorSpec(self.shape, self.dtype, self.name)

    def __repr__(self) -> str:
        return f"{self.dtype.name}{list(self.shape.as_list()) if self.dims is not None else '<unknown>'}"


class _Object:
    """Stands in a key for an object that is compared by identity, as long as it lives."""

    __slots__ = ("__weakref__", "number", "reference")

    def __init__(self, value: Any) -> None:
        self.reference = weakref.ref(value)
        self.number = id(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Object):
            return False
        mine = self.reference()
        return mine is not None and mine is other.reference()

    def __hash__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"<{type(self.reference()).__name__} object {self.number:#x}>"


class Arguments:
    """One call's arguments: the key of their structure and Python values, and their tensors with kinds."""

    def __init__(self, structure: Any, names: Sequence[str] = ()) -> None:
        self.structure = structure
        self.tensors: list[Any] = []
        self.kinds: list[Kind] = []
        self.paths: list[str] = []
        self._open: dict[Any, int] = {}
        self.variables: dict[int, VariableSpec] = {}
        """The types of the variables, by the place of their handle among the tensors."""
        self.key: Hashable = self._read(structure, "")

    @property
    def full_key(self) -> Hashable:
        """What two calls that share a trace have in common."""
        return (self.key, *self.kinds)

    def _add(self, tensor: Any, kind: Kind, path: str) -> str:
        self.tensors.append(tensor)
        self.kinds.append(kind)
        self.paths.append(path)
        return "tensor"

    def _open_number(self, size: Any) -> int:
        return self._open.setdefault(size, -1 - len(self._open))

    def _tensor(self, tensor: Any, path: str) -> str:
        spec = spec_of(tensor)
        shape = spec.shape
        dims = None if shape is None else tuple(self._open_number(n) if isinstance(n, Expression) else n for n in shape)
        return self._add(tensor, Kind(spec.dtype, dims, spec.handle), path)

    def _spec(self, spec: TensorSpec, path: str) -> str:
        sizes = None if spec.shape.rank is None else spec.shape.as_list()
        dims = None if sizes is None else tuple(self._open_number(object()) if n is None else n for n in sizes)
        return self._add(spec, Kind(spec.dtype, dims, None, spec.name), path)

    def _variable(self, value: Any, path: str) -> Hashable:
        """Take a variable by its handle. One that is given twice has one number: the trace may rely on that."""
        same = [spec.alias_id for i, spec in self.variables.items() if self.tensors[i] is value.handle]
        alias = same[0] if same else len({spec.alias_id for spec in self.variables.values()})
        place = len(self.tensors)
        kind = value.__dict__.get("_kind")
        if kind is None:
            spec = spec_of(value.handle)
            kind = Kind(spec.dtype, (), spec.handle)
            if isinstance(value.handle, EagerTensor) and spec.handle is not None and spec.handle.is_static:
                # What a variable of known sizes is does not change.
                value.__dict__["_kind"] = kind
        self._add(value.handle, kind, path)
        self.variables[place] = VariableSpec(value.shape, value.dtype, value.trainable, alias)
        return ("variable", alias, value.trainable)

    def _variable_spec(self, spec: VariableSpec, path: str) -> Hashable:
        held = Spec(spec.dtype, _open_sizes(spec.shape))
        self.variables[len(self.tensors)] = spec
        self._add(spec, Kind(dtypes.resource, (), held), path)
        return ("variable", spec.alias_id, spec.trainable)

    def _read(self, value: Any, path: str) -> Hashable:
        if isinstance(value, EagerTensor) and value._dtype != 20:
            return self._add(value, Kind(value.dtype, value._shape), path)
        kind = value.__class__
        if value is None or kind in (int, float, bool, str, bytes, complex):
            return ("value", value)
        if isinstance(value, Tensor):
            return self._tensor(value, path)
        if kind is set:
            raise TypeError(
                explain(
                    f"Could not generate a generic TraceType for {value!r}: a set has no order. Give a list, tuple or dict."
                )
            )
        if kind is list or kind is tuple:
            return (kind, *(self._read(v, f"{path}[{i}]") for i, v in enumerate(value)))
        if isinstance(value, TypeSpec):
            return self._read_type_spec(value, path)
        if isinstance(value, Variable):
            return self._variable(value, path)
        handle = getattr(value, "_handle", None)
        if isinstance(handle, EagerTensor):
            return ("variable", handle._id)
        if isinstance(value, (np.ndarray, np.generic)):
            return self._tensor(to_tensor(value), path)
        if isinstance(value, CompositeTensor):
            return self._read_composite(value, value._type_spec._without_sizes_of_parts(), path)
        return self._read_other(value, path)

    def _read_type_spec(self, spec: Any, path: str) -> Hashable:
        if isinstance(spec, TensorSpec):
            return self._spec(spec, path)
        if isinstance(spec, VariableSpec):
            return self._variable_spec(spec, path)
        for part in nest.flatten(spec, expand_composites=True):
            if isinstance(part, TensorSpec):
                self._spec(part, path)
        return ("composite", spec)

    def _read_composite(self, value: Any, spec: Any, path: str) -> Hashable:
        for part in nest.flatten(value, expand_composites=True):
            if isinstance(part, Tensor):
                self._tensor(part, path)
            else:
                self._tensor(to_tensor(part), path)
        return ("composite", spec)

    def _read_other(self, value: Any, path: str) -> Hashable:
        if isinstance(value, Mapping):
            return (value.__class__, *((k, self._read(value[k], f"{path}[{k!r}]")) for k in _sorted(value)))
        if isinstance(value, (list, tuple)) or nest.is_attrs(value):
            parts = nest.flatten_up_to(_shallow(value), value) if nest.is_attrs(value) else value
            return (value.__class__, *(self._read(v, f"{path}[{i}]") for i, v in enumerate(parts)))
        trace_type = getattr(value, "__tf_tracing_type__", None)
        if trace_type is not None and not isinstance(value, type):
            found = trace_type(None)
            if isinstance(found, TraceType):
                for tensor in found.to_tensors(value):
                    self._tensor(tensor, path)
                return ("type", found)
        try:
            return _Object(value)
        except TypeError:
            pass
        try:
            hash(value)
        except TypeError:
            raise TypeError(
                explain(
                    f"{value!r} could not be used as an argument of a tf.function: it is neither a tensor, nor hashable, nor can "
                    "it be referred to weakly. Pass a tensor, or a hashable Python value."
                )
            ) from None
        return (value.__class__, value)

    def rebuild(self, tensors: Sequence[Any]) -> Any:
        """Return the structure with other tensors in place of its own."""
        return _rebuilt(self.structure, iter(tensors))

    def signature(self, kinds: Sequence[Kind]) -> Any:
        """Return the structure with specs of `kinds` in place of tensors and variables."""
        return _specs(self.structure, iter([self.variables.get(i) or k.tensor_spec() for i, k in enumerate(kinds)]))

    def without_variables(self, kinds: Sequence[Kind]) -> Arguments:
        """Return the same with specs for the variables: a trace lives longer than the arguments that it was made with."""
        if not self.variables:
            return self
        kept = copy.copy(self)
        kept.structure, kept.tensors = self.signature(kinds), []
        return kept


def _specs(value: Any, specs: Iterator[Any]) -> Any:
    """Return the structure of an argument with the next specs for its tensors and variables; a composite tensor is one spec."""
    if isinstance(value, (Tensor, np.ndarray, np.generic, TensorSpec, Variable, VariableSpec)):
        return next(specs)
    if isinstance(value, CompositeTensor):
        value = value._type_spec
    if isinstance(value, TypeSpec):
        for part in nest.flatten(value, expand_composites=True):
            if isinstance(part, TensorSpec):
                next(specs)
        return value
    if isinstance(value, Mapping):
        parts = {k: _specs(value[k], specs) for k in _sorted(value)}
        if value.__class__ is dict:
            return {k: parts[k] for k in value}
        return nest.sequence_like(value, [parts[k] for k in _sorted(value)])
    if isinstance(value, (list, tuple)):
        return nest.sequence_like(value, [_specs(v, specs) for v in value])
    return _rebuilt(value, specs)


def _sorted(mapping: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def _shallow(value: Any) -> Any:
    return nest.pack_sequence_as(value, [0] * len(nest.flatten(value)))


def _rebuilt(value: Any, tensors: Iterator[Any]) -> Any:
    if isinstance(value, (Tensor, np.ndarray, np.generic, TensorSpec)):
        return next(tensors)
    if isinstance(value, (Variable, VariableSpec)):
        return _variable_of(value, next(tensors))
    if value is None or isinstance(value, (int, float, bool, str, bytes, complex)):
        return value
    if isinstance(value, TypeSpec):
        count = sum(isinstance(p, TensorSpec) for p in nest.flatten(value, expand_composites=True))
        return nest.pack_sequence_as(value, [next(tensors) for _ in range(count)], expand_composites=True)
    if isinstance(getattr(value, "_handle", None), EagerTensor):
        return value
    if isinstance(value, CompositeTensor):
        count = len(nest.flatten(value, expand_composites=True))
        spec = value._type_spec._without_sizes_of_parts()
        return nest.pack_sequence_as(spec, [next(tensors) for _ in range(count)], expand_composites=True)
    if isinstance(value, Mapping):
        parts = {k: _rebuilt(value[k], tensors) for k in _sorted(value)}
        if value.__class__ is dict:
            return {k: parts[k] for k in value}
        return nest.sequence_like(value, [parts[k] for k in _sorted(value)])
    if isinstance(value, (list, tuple)):
        return nest.sequence_like(value, [_rebuilt(v, tensors) for v in value])
    if nest.is_attrs(value):
        return nest.sequence_like(value, [_rebuilt(v, tensors) for v in nest.flatten_up_to(_shallow(value), value)])
    trace_type = getattr(value, "__tf_tracing_type__", None)
    if trace_type is not None and not isinstance(value, type):
        found = trace_type(None)
        if isinstance(found, TraceType) and found.to_tensors(value):
            return found.from_tensors(tensors)
    return value


def _variable_of(value: Variable | VariableSpec, handle: Any) -> Any:
    """Return the variable, like `value`, that a handle stands for inside a trace; a spec as it is."""
    if isinstance(handle, VariableSpec):
        return handle
    if handle.variable is None:
        name = value._shared_name if isinstance(value, Variable) else None
        handle.variable = ResourceVariable(
            trainable=value.trainable, dtype=value.dtype, shape=value.shape, handle=handle, name=name
        )
        if isinstance(value, Variable):
            # Optimizers know a variable by it: another trace, and a call outside, must find what they keep for this one.
            handle.variable._unique_id = value._unique_id
    return handle.variable


def _open_sizes(shape: TensorShape) -> tuple[Size, ...] | None:
    if shape.rank is None:
        return None
    return tuple(open_size(i) if n is None else n for i, n in enumerate(shape.as_list()))


def placeholder_specs(kinds: Sequence[Kind]) -> list[Spec]:
    """Return the specs of a trace's inputs: open sizes become symbols, equal numbers the same one."""
    symbols: dict[int, Size] = {}
    specs = []
    for kind in kinds:
        if kind.dims is None:
            specs.append(Spec(kind.dtype, None, None, kind.handle))
            continue
        shape = tuple(n if n >= 0 else symbols.setdefault(n, fresh_symbol("n")) for n in kind.dims)
        specs.append(Spec(kind.dtype, shape, None, kind.handle))
    return specs


def accepts(traced: Sequence[Kind], given: Sequence[Kind]) -> bool:
    """Return whether a trace for the kinds `traced` serves a call with `given`."""
    bound: dict[int, int] = {}
    for a, b in zip(traced, given, strict=True):
        if a is b or (a == b and (a.dims is None or all(n >= 0 for n in a.dims))):
            continue
        if a.dtype is not b.dtype or not _holds(a, b):
            return False
        if a.dims is None:
            continue
        if b.dims is None or len(a.dims) != len(b.dims):
            return False
        for m, n in zip(a.dims, b.dims, strict=True):
            if (m >= 0 and m != n) or (m < 0 and bound.setdefault(m, n) != n):
                return False
    return True


def _holds(traced: Kind, given: Kind) -> bool:
    """Return whether what `given` refers to is of the kind that `traced` refers to; variables may have any open size."""
    a, b = traced.handle, given.handle
    if a is None or b is None or traced.dtype is not dtypes.resource or a.shape is None or b.shape is None:
        return a == b
    pairs = zip(a.shape, b.shape, strict=False)
    return (
        a.dtype is b.dtype
        and len(a.shape) == len(b.shape)
        and all(isinstance(m, Expression) or m == n for m, n in pairs)
    )


def _common_handle(a: Kind, b: Kind) -> Spec | None:
    """Return the narrowest spec of a variable that holds what either holds; None where there is none."""
    old, new = a.handle, b.handle
    if old is None or new is None or a.dtype is not dtypes.resource or old.dtype is not new.dtype:
        return None
    if old.shape is None or new.shape is None or len(old.shape) != len(new.shape):
        return None
    return old.with_shape(
        m if m == n else open_size(i) for i, (m, n) in enumerate(zip(old.shape, new.shape, strict=True))
    )


def relaxed(traced: Sequence[Kind], given: Sequence[Kind]) -> list[Kind] | None:
    """Return the narrowest kinds that serve both; None where element types differ."""
    numbers: dict[tuple[int, int], int] = {}
    result = []
    for a, b in zip(traced, given, strict=True):
        handle = a.handle if a.handle == b.handle else _common_handle(a, b)
        if a.dtype is not b.dtype or (handle is None and a.handle != b.handle):
            return None
        if a.dims is None or b.dims is None or len(a.dims) != len(b.dims):
            result.append(Kind(a.dtype, None, handle))
            continue
        pairs = zip(a.dims, b.dims, strict=True)
        dims = tuple(m if m == n >= 0 else numbers.setdefault((m, n), -1 - len(numbers)) for m, n in pairs)
        result.append(Kind(a.dtype, dims, handle, a.name if a.name == b.name else None))
    return result


def differences(traced: Sequence[Kind], given: Sequence[Kind], paths: Sequence[str]) -> list[str]:
    """Say which arguments differ, and how, for the report of a retrace."""
    found = []
    for a, b, path in zip(traced, given, paths, strict=True):
        if a.dtype is not b.dtype:
            found.append(f"{path}: element type {b.dtype.name} instead of {a.dtype.name}")
        elif not accepts([a], [b]):
            found.append(f"{path}: shape {b.shape} instead of {a.shape}")
    return found


def is_symbolic_dtype(dtype: DType) -> bool:
    """Return whether values of this element type are references."""
    return dtype in (dtypes.resource, dtypes.variant)
