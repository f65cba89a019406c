"""tf.io: SequenceExample messages as tensors: features of the whole (context), and lists of features, one for each step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from millstream.api import io_features as kinds
from millstream.api.io_examples import (
    as_tensors,
    batch_size,
    default_of,
    plans_of,
    run_plans,
    shape_of,
    strings_of,
    type_of,
)
from millstream.api.public import public
from millstream.base import dtypes, errors, examples
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, fresh_symbol
from millstream.base.spec import Spec
from millstream.execution.convert import to_tensor
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.sparse_tensor import SparseTensor


def _steps(rows: Sequence[examples.Row], key: str, dtype: DType) -> list[list[Any]]:
    """Return the elements of each step of each row; None for steps that have none."""
    return [
        [examples.elements_of(f, row, key, dtype) for f in row.features[key].feature] if key in row.features else []
        for row in rows
    ]


class _DenseSteps:
    """Steps of one shape, filled up to the longest list; with how many there are."""

    def __init__(self, key: str, dtype: DType, feature: kinds.FixedLenSequenceFeature) -> None:
        self.key, self.dtype, self.shape = key, dtype, shape_of(key, feature)
        self.required = not feature.allow_missing
        filling = default_of(key, feature, dtype, ())
        self.filling = examples.zero_of(dtype) if filling is None else filling[()]

    def specs(self, count: Size | None) -> list[Spec]:
        before = () if count is None else (count,)
        return [Spec(self.dtype, (*before, fresh_symbol("steps"), *self.shape)), Spec(dtypes.int64, before)]

    def arrays(self, rows: Sequence[examples.Row], single: bool) -> list[tuple[Any, DType]]:
        stride = math.prod(self.shape)
        for row in rows:
            if self.required and self.key not in row.features:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"Name: {row.name}, Feature list '{self.key}' is required but could not be found.  Did you mean to "
                    "set allow_missing=True in its FixedLenSequenceFeature?",
                )
        found = _steps(rows, self.key, self.dtype)
        for row, steps in zip(rows, found, strict=True):
            for i, step in enumerate(steps):
                size = 0 if step is None else len(step)
                if size != stride:
                    raise row.refused(
                        self.key,
                        f"Step {i}: Number of values != expected.  Values size: {size} but output shape: {list(self.shape)}",
                    )
        longest = max((len(steps) for steps in found), default=0)
        made = np.empty((len(rows), longest, stride), self.dtype.as_numpy_dtype)
        made[...] = self.filling
        for i, steps in enumerate(found):
            for j, step in enumerate(steps):
                made[i, j] = step
        made = made.reshape(len(rows), longest, *self.shape)
        lengths = np.array([len(steps) for steps in found], np.int64)
        return [
            (made[0] if single else made, self.dtype),
            (lengths[0] if single else lengths, dtypes.int64),
        ]

    def built(self, tensors: Sequence[Any], single: bool) -> Any:
        return tuple(tensors)


class _SparseSteps:
    """A sparse tensor [examples, steps, elements]."""

    def __init__(self, key: str, dtype: DType) -> None:
        self.key, self.dtype = key, dtype

    def specs(self, count: Size | None) -> list[Spec]:
        axes = 2 + (count is not None)
        elements = fresh_symbol("elements")
        return [Spec(dtypes.int64, (elements, axes)), Spec(self.dtype, (elements,)), Spec(dtypes.int64, (axes,))]

    def arrays(self, rows: Sequence[examples.Row], single: bool) -> list[tuple[Any, DType]]:
        found = _steps(rows, self.key, self.dtype)
        indices, values, most = [np.empty((0, 3), np.int64)], [], 0
        for i, steps in enumerate(found):
            for j, step in enumerate(steps):
                if step is not None and len(step):
                    size = len(step)
                    indices.append(np.stack([np.full(size, i), np.full(size, j), np.arange(size)], axis=1))
                    values.append(step)
                    most = max(most, size)
        shape = np.array([len(rows), max((len(s) for s in found), default=0), most], np.int64)
        places = np.concatenate(indices)
        if single:
            places, shape = places[:, 1:], shape[1:]
        return [
            (places, dtypes.int64),
            (examples.joined(values, self.dtype), self.dtype),
            (shape, dtypes.int64),
        ]

    def built(self, tensors: Sequence[Any], single: bool) -> Any:
        return SparseTensor(*tensors)


class _RaggedSteps:
    """A ragged tensor [examples, steps, elements]."""

    def __init__(self, key: str, feature: kinds.RaggedFeature) -> None:
        if feature.partitions:
            raise errors.UnimplementedError(
                None,
                None,
                f"Feature list {key}: partitions of lists of features are not supported; part the ragged tensor afterwards.",
            )
        self.key, self.dtype, self.splits = feature.value_key or key, feature.dtype, feature.row_splits_dtype

    def specs(self, count: Size | None) -> list[Spec]:
        made = [Spec(self.dtype, (fresh_symbol("values"),)), Spec(self.splits, (fresh_symbol("splits"),))]
        return made if count is None else [*made, Spec(self.splits, (count + 1,))]

    def arrays(self, rows: Sequence[examples.Row], single: bool) -> list[tuple[Any, DType]]:
        found = _steps(rows, self.key, self.dtype)
        flat = [step for steps in found for step in steps]
        kind = self.splits.as_numpy_dtype
        values = examples.joined([step for step in flat if step is not None], self.dtype)
        inner = examples.splits_of([0 if step is None else len(step) for step in flat], kind)
        made = [(values, self.dtype), (inner, self.splits)]
        if not single:
            made.append((examples.splits_of([len(steps) for steps in found], kind), self.splits))
        return made

    def built(self, tensors: Sequence[Any], single: bool) -> Any:
        value = tensors[0]
        for splits in tensors[1:]:
            value = RaggedTensor.from_row_splits(value, splits, validate=False)
        return value


def _step_plan(key: str, feature: Any) -> Any:
    if isinstance(feature, kinds.RaggedFeature):
        return _RaggedSteps(key, feature)
    if isinstance(feature, kinds.VarLenFeature):
        return _SparseSteps(key, type_of(key, feature))
    if isinstance(feature, kinds.FixedLenSequenceFeature):
        return _DenseSteps(key, type_of(key, feature), feature)
    raise ValueError(f"Unsupported {type(feature).__name__} {feature} for key '{key}'")


_CONTEXT = ("VarLenFeature", "FixedLenFeature", "RaggedFeature")


def _parse(
    op: str, texts: Any, context_features: Any, sequence_features: Any, names: Any
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    if not context_features and not sequence_features:
        raise ValueError("Both context_features and sequence_features are None, but at least one should have values.")
    for key, feature in (context_features or {}).items():
        if type(feature).__name__ not in _CONTEXT:
            raise ValueError(f"Unsupported {type(feature).__name__} {feature} for key '{key}'")
    context = plans_of(context_features or {})
    steps = {key: _step_plan(key, sequence_features[key]) for key in sorted(sequence_features or {})}
    count = batch_size(op, texts)

    def read(found: Any, *named: Any) -> list[Any]:
        names = strings_of(named[0]) if named else []
        parsed = examples.rows_of(strings_of(found), names, "SequenceExample")
        named_rows = [(e, examples.name_of(names, i), i) for i, e in enumerate(parsed)]
        wholes = [examples.Row(e.context.feature, name, i) for e, name, i in named_rows]
        lists = [examples.Row(e.feature_lists.feature_list, name, i) for e, name, i in named_rows]
        single = count is None
        return as_tensors(
            [
                *(a for plan in context.values() for a in plan.arrays(wholes, single)),
                *(a for plan in steps.values() for a in plan.arrays(lists, single)),
            ]
        )

    plans = {**{(0, k): p for k, p in context.items()}, **{(1, k): p for k, p in steps.items()}}
    inputs = [texts] if names is None else [texts, to_tensor(names, dtypes.string)]
    built = run_plans(op, plans, count, inputs, read)
    lengths = {k: built[1, k][1] for k, p in steps.items() if isinstance(p, _DenseSteps)}
    sequences = {k: built[1, k][0] if k in lengths else built[1, k] for k in steps}
    return {k: built[0, k] for k in context}, sequences, lengths


@public("io.parse_sequence_example", "compat.v1.io.parse_sequence_example")
def parse_sequence_example(
    serialized: Any,
    context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None,
    example_names: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Read features of `SequenceExample` messages as tensors.

    Args:
      serialized: strings: one message, or a vector of them.
      context_features: what is read of the whole, by name: `FixedLenFeature`, `VarLenFeature` or `RaggedFeature`.
      sequence_features: what is read of the steps, by name: `FixedLenSequenceFeature`, `VarLenFeature` or `RaggedFeature`.
      example_names: strings of the shape of `serialized`, for error messages.

    Returns:
      Tensors of the whole by name; tensors of the steps by name, with an axis of steps behind that of the messages; and how
      many steps each dense one of these has, int64, by name.

    Raises:
      ValueError: for other features, or none.
      tf.errors.InvalidArgumentError: when it runs: a message is none, or lacks a feature, or has another type or size of it.
    """
    texts = to_tensor(to_tensor(serialized), dtypes.string)
    return _parse("ParseSequenceExampleV2", texts, context_features, sequence_features, example_names)


@public("io.parse_single_sequence_example", "compat.v1.io.parse_single_sequence_example")
def parse_single_sequence_example(
    serialized: Any,
    context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None,
    example_name: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read features of one `SequenceExample` message as tensors; see `tf.io.parse_sequence_example`.

    Args:
      serialized: a scalar string.
      context_features: what is read of the whole, by name.
      sequence_features: what is read of the steps, by name.
      example_name: a scalar string, for error messages.

    Returns:
      Tensors of the whole by name, and tensors of the steps by name, with an axis of steps.

    Raises:
      ValueError: for other features, none, or more than one message.
      tf.errors.InvalidArgumentError: when it runs: the message is none, or lacks a feature, or has another type or size of it.
    """
    texts = to_tensor(to_tensor(serialized), dtypes.string)
    if texts.shape.rank not in (0, None):
        raise ValueError(errors.explain("Input serialized must be a scalar"))
    return _parse("ParseSingleSequenceExample", texts, context_features, sequence_features, example_name)[:2]
