"""Leaves of elements by their specs: taken apart, stacked, cut in rows. Datasets and optionals cannot be stacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, nest
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.specs import BatchableTypeSpec, RaggedTensorSpec, SparseTensorSpec, TensorSpec, TypeSpec
from millstream.base.trace_types import installed
from millstream.data.optional import NoneTensorSpec, spec_of_element
from millstream.data.stage import Element, refused
from millstream.execution.convert import to_tensor
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.tensor import EagerTensor, Tensor, eager_constant, eager_from_array

_STRING = dtypes.string.as_datatype_enum


def lists_as_tensors(value: Any) -> Any:
    """Return a structure in which lists are tensors, as tf.data has it."""
    if isinstance(value, list):
        return to_tensor(value)
    if isinstance(value, tuple):
        items = [lists_as_tensors(v) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, dict):
        return type(value)((k, lists_as_tensors(v)) for k, v in value.items())
    return value


def normalized(value: Any) -> Any:
    """Return a structure of tensors, composite tensors and None from what a user gave."""
    return nest.map_structure(_leaf, lists_as_tensors(value))


def _leaf(value: Any) -> Any:
    if value is None or (isinstance(value, CompositeTensor) and not hasattr(value, "_handle")):
        return value
    if hasattr(value, "traced_flow") or isinstance(value, Tensor):
        return value
    if type(value).__name__ == "SparseTensorValue":
        return SparseTensor.from_value(value)
    return to_tensor(value)


def leaf_specs(spec: Any) -> list[TypeSpec]:
    """Return the specs of the leaves."""
    return nest.flatten(spec)  # type: ignore[no-any-return]


def is_plain(spec: Any) -> bool:
    """Whether all leaves are tensors."""
    return all(type(s) is TensorSpec for s in leaf_specs(spec))


def packer(spec: Any) -> Callable[[Element], Any]:
    """Return the function that puts leaves into the structure of a spec."""
    if not nest.is_nested(spec):
        return lambda leaves: leaves[0]
    if type(spec) is tuple and not any(nest.is_nested(s) for s in spec):
        return lambda leaves: leaves
    return lambda leaves: nest.pack_sequence_as(spec, list(leaves))


def spec_of(value: Any) -> Any:
    """Return the structure of specs of a structure of tensors."""
    return spec_of_element(value)


# Components: the tensors that leaves are made of.


def components(spec: TypeSpec, leaf: Any) -> list[Any]:
    """Return the tensors of a leaf."""
    if type(spec) is TensorSpec:
        return [leaf]
    return nest.flatten(spec._to_components(leaf), expand_composites=True)  # type: ignore[no-any-return]


def component_specs(spec: TypeSpec) -> list[TensorSpec]:
    """Return the specs of a leaf's tensors."""
    if type(spec) is TensorSpec:
        return [spec]
    return nest.flatten(spec._component_specs, expand_composites=True)  # type: ignore[no-any-return]


def leaves_of(specs: Sequence[TypeSpec], tensors: Sequence[Any]) -> list[Any]:
    """Return the leaves that are made of these tensors."""
    if all(type(s) is TensorSpec for s in specs):
        return list(tensors)
    at, result = 0, []
    for spec in specs:
        if type(spec) is TensorSpec:
            result.append(tensors[at])
            at += 1
            continue
        count = len(component_specs(spec))
        parts = list(tensors[at : at + count])
        packed = nest.pack_sequence_as(spec._component_specs, parts, expand_composites=True)
        result.append(spec._from_components(packed))
        at += count
    return result


# Stacks.


def batched_spec(spec: TypeSpec, lead: int | None, what: str = "batch") -> TypeSpec:
    """Return the spec of `lead` leaves stacked."""
    if type(spec) is TensorSpec:
        return TensorSpec(None if spec.shape.rank is None else [lead, *spec.shape.as_list()], spec.dtype)
    if isinstance(spec, NoneTensorSpec):
        return spec
    if hasattr(spec, "_batch"):
        return spec._batch(lead)  # type: ignore[no-any-return]
    raise TypeError(
        explain(f"Unable to batch components of spec {spec}; {what} takes tensors, ragged and sparse tensors.")
    )


def row_spec(spec: TypeSpec) -> TypeSpec:
    """Return the spec of one row of a leaf."""
    if type(spec) is TensorSpec:
        if spec.shape.rank == 0:
            raise ValueError(explain("Unbatching a tensor is only supported for rank >= 1"))
        return TensorSpec(spec.shape[1:], spec.dtype)
    if isinstance(spec, NoneTensorSpec):
        return spec
    if hasattr(spec, "_unbatch"):
        return spec._unbatch()  # type: ignore[no-any-return]
    raise TypeError(explain(f"Elements of spec {spec} have no rows; give tensors, ragged or sparse tensors."))


def stack(spec: TypeSpec, column: Sequence[Any], index: int = 0) -> Any:
    """Return leaves of equal shape stacked along a new first axis; `index` is the number of the component."""
    first = column[0]
    if type(spec) is TensorSpec:
        return stack_tensors(column, index)
    if isinstance(spec, NoneTensorSpec):
        return None
    if isinstance(spec, SparseTensorSpec):
        return _stack_sparse(column, index)
    if isinstance(spec, RaggedTensorSpec):
        return stack_ragged(spec, column)
    if _is_encoded(spec):
        return _stack_encoded(spec, column, index)
    raise TypeError(explain(f"Unable to batch components of type {type(first).__name__}."))


def _stack_encoded(spec: Any, column: Sequence[Any], index: int) -> Any:
    whole = spec._batch(len(column))
    rows = [[part for _, part in _encoded(spec, leaf)] for leaf in column]
    wanted = whole.__batch_encoder__.encoding_specs(whole)
    parts = zip(leaf_specs(spec.__batch_encoder__.encoding_specs(spec)), zip(*rows, strict=True), strict=True)
    stacked = [stack(s, part, index) for s, part in parts]
    return whole.__batch_encoder__.decode(whole, nest.pack_sequence_as(wanted, stacked))


def stack_tensors(column: Sequence[Any], index: int = 0) -> EagerTensor:
    """Return tensors of equal shape as one."""
    first = column[0]
    shape = first._shape
    for i, tensor in enumerate(column):
        if tensor._shape != shape:
            raise refused(
                f"Cannot batch tensors with different shapes in component {index}. First element had shape "
                f"{_brackets(shape)} and element {i} had shape {_brackets(tensor._shape)}."
            )
    if first._dtype == _STRING:
        flat = [s for t in column for s in t._strings()]
        return runtime.from_strings(flat, (len(column), *shape))  # type: ignore[no-any-return]
    arrays = [t._array() for t in column]
    joined = np.array(arrays) if shape == () else np.stack(arrays)
    return eager_from_array(joined, first.dtype)


def _brackets(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _stack_sparse(column: Sequence[Any], index: int) -> SparseTensor:
    shapes = [s.dense_shape.numpy() for s in column]
    for i, shape in enumerate(shapes):
        if len(shape) != len(shapes[0]):
            raise refused(f"Cannot batch sparse tensors with different ranks in component {index}, element {i}.")
    indices = np.concatenate([np.insert(s.indices.numpy(), 0, i, axis=1) for i, s in enumerate(column)])
    values = np.concatenate([s.values._array() for s in column])
    dense = np.concatenate([[len(column)], np.max(shapes, axis=0)]).astype(np.int64)
    return SparseTensor(indices, eager_constant(values, column[0].dtype), dense)


def stack_ragged(spec: RaggedTensorSpec, column: Sequence[Any]) -> Any:
    """Return ragged tensors, or tensors whose spec says that they have no ragged axis yet, as one ragged tensor."""
    parts: list[Any] = [r.nested_row_splits if hasattr(r, "nested_row_splits") else () for r in column]
    flat = [r.flat_values if hasattr(r, "flat_values") else r for r in column]
    values = _concatenated(flat)
    rank = len(parts[0])
    splits_type = spec.row_splits_dtype
    lengths = [len(p[0]) - 1 if rank else int(f.shape[0]) for p, f in zip(parts, flat, strict=True)]
    nested = [eager_constant(np.concatenate([[0], np.cumsum(lengths)]), splits_type)]
    for axis in range(rank):
        rows = np.concatenate([np.diff(p[axis].numpy()) for p in parts])
        nested.append(eager_constant(np.concatenate([[0], np.cumsum(rows)]), splits_type))
    return installed("RaggedTensor").from_nested_row_splits(values, nested, validate=False)


def _concatenated(column: Sequence[Any]) -> EagerTensor:
    first = column[0]
    if first._dtype == _STRING:
        flat = [s for t in column for s in t._strings()]
        return runtime.from_strings(flat, (sum(t._shape[0] for t in column), *first._shape[1:]))  # type: ignore[no-any-return]
    return eager_from_array(np.concatenate([t._array() for t in column]), first.dtype)


# Rows.


def row_count(spec: TypeSpec, leaf: Any) -> int | None:
    """Return how many rows a leaf has; None where it has any number."""
    if isinstance(spec, NoneTensorSpec):
        return None
    if isinstance(spec, SparseTensorSpec):
        return int(leaf.dense_shape.numpy()[0])
    if isinstance(spec, RaggedTensorSpec):
        return int(leaf.nrows().numpy())
    if _is_encoded(spec):
        return row_count(*_encoded(spec, leaf, 1)[0])
    if not leaf._shape:
        raise ValueError(explain("Unbatching a tensor is only supported for rank >= 1"))
    return leaf._shape[0]  # type: ignore[no-any-return]


def _is_encoded(spec: TypeSpec) -> bool:
    """Whether only the batch encoder of a type says what its rows are: of extension types."""
    return isinstance(spec, BatchableTypeSpec) and not isinstance(spec, TensorSpec)


def _encoded(spec: Any, leaf: Any, rank: int = 0) -> list[tuple[Any, Any]]:
    """Return the specs and values that a leaf's encoder takes it apart in."""
    encoder = spec.__batch_encoder__
    return list(
        zip(leaf_specs(encoder.encoding_specs(spec)), nest.flatten(encoder.encode(spec, leaf, rank)), strict=True)
    )


def _encoded_rows(spec: Any, leaf: Any) -> list[Rows]:
    return [Rows(s, part) for s, part in _encoded(spec, leaf, 1)]


class Rows:
    """The rows of a leaf, by number."""

    def __init__(self, spec: TypeSpec, leaf: Any) -> None:
        self.spec, self.leaf = spec, leaf
        self.kind = (
            "none" if isinstance(spec, NoneTensorSpec) else "ragged" if isinstance(spec, RaggedTensorSpec) else ""
        )
        self.dtype: Any = getattr(leaf, "dtype", None)
        if isinstance(spec, SparseTensorSpec):
            self.kind = "sparse"
            self.indices = leaf.indices.numpy()
            self.starts = np.searchsorted(self.indices[:, 0], np.arange(int(leaf.dense_shape.numpy()[0]) + 1))
            self.inner_shape = leaf.dense_shape.numpy()[1:]
            self.values = leaf.values._array()
        elif not self.kind and _is_encoded(spec):
            self.kind = "encoded"
            self.parts = _encoded_rows(spec, leaf)
            self.row_spec: Any = row_spec(spec)
        elif not self.kind:
            self.array = leaf._array()
            self.string = leaf._dtype == _STRING

    def __getitem__(self, index: int) -> Any:
        if not self.kind:
            row = self.array[index]
            return eager_constant(row, self.dtype) if self.string else eager_from_array(np.asarray(row), self.dtype)
        if self.kind == "none":
            return None
        if self.kind == "ragged":
            return self.leaf[index]
        if self.kind == "encoded":
            encoder = self.row_spec.__batch_encoder__
            row = [part[index] for part in self.parts]
            return encoder.decode(self.row_spec, nest.pack_sequence_as(encoder.encoding_specs(self.row_spec), row))
        low, high = self.starts[index], self.starts[index + 1]
        return SparseTensor(
            self.indices[low:high, 1:], eager_constant(self.values[low:high], self.dtype), self.inner_shape
        )

    def gather(self, indices: Any) -> Any:
        """Return the rows at an array of numbers, stacked; only of tensors."""
        if self.string:
            return eager_constant(self.array[indices], self.dtype)
        return eager_from_array(self.array[indices], self.dtype)


def relaxed(first: Any, second: Any) -> Any:
    """Return the most specific spec that covers both; None where there is none."""
    try:
        nest.assert_same_structure(first, second)
    except (TypeError, ValueError):
        return None
    found = nest.map_structure(lambda a, b: a.most_specific_common_supertype([b]), first, second)
    return None if any(f is None for f in nest.flatten(found)) else found


def shape_of(spec: TypeSpec) -> TensorShape:
    """Return the shape of a leaf."""
    return getattr(spec, "shape", TensorShape(None))
