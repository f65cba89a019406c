"""tf.io: Example and SequenceExample messages as tensors. Read in Python: at once, or when the graph runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from millstream.api import io_features as kinds
from millstream.api.public import public
from millstream.base import dtypes, errors, examples
from millstream.base.dtypes import DType, as_dtype
from millstream.base.shapes import TensorShape
from millstream.base.sizes import Size, fresh_symbol
from millstream.base.spec import Spec
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.host import call_on_host
from millstream.execution.ragged_tensor import RaggedTensor
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.specs import spec_of
from millstream.execution.static_value import static_value
from millstream.execution.tensor import eager_constant
from millstream.ops.examples import parse_example_v2


class _Plan(Protocol):
    """How one feature becomes a tensor: arrays read from rows, their specs, and what is made of them."""

    def specs(self, count: Size | None) -> list[Spec]: ...
    def arrays(self, rows: Sequence[examples.Row], single: bool) -> list[tuple[Any, DType]]: ...
    def built(self, tensors: Sequence[Any], single: bool) -> Any: ...


def _batched(count: Size | None, *shape: Size) -> tuple[Size, ...]:
    return shape if count is None else (count, *shape)


class _Dense:
    def __init__(self, key: str, dtype: DType, shape: Sequence[int], default: Any) -> None:
        self.key, self.dtype, self.shape, self.default = key, dtype, tuple(shape), default

    def specs(self, count: Size | None) -> list[Spec]:
        return [Spec(self.dtype, _batched(count, *self.shape))]

    def arrays(self, rows: Sequence[examples.Row], single: bool) -> list[tuple[Any, DType]]:
        found = examples.dense(rows, self.key, self.dtype, self.shape, self.default)
        return [(found[0] if single else found, self.dtype)]

    def built(self, tensors: Sequence[Any], single: bool) -> Any:
        return tensors[0]

    def default_tensor(self) -> Any:
        """Return the default; an empty vector where the feature must be there."""
        return eager_constant(np.empty(0, self.dtype.stored) if self.default is None else self.default, self.dtype)


class _Padded(_Dense):
    def specs(self, count: Size | None) -> list[Spec]:
        return [Spec(self.dtype, _batched(count, fresh_symbol("steps"), *self.shape))]

    def arrays(self, rows: Sequence[examples.Row], single: bool) -> list[tuple[Any, DType]]:
        found = examples.padded(rows, self.key, self.dtype, self.shape, self.default)
        return [(found[0] if single else found, self.dtype)]


class _Sparse:
    axes = 1

    def __init__(self, key: str, dtype: DType) -> None:
        self.key, self.dtype = key, dtype

    def specs(self, count: Size | None) -> list[Spec]:
        axes = self.axes + (count is not None)
        elements = fresh_symbol("elements")
        return [
            Spec(dtypes.int64, (elements, axes)),
            Spec(self.dtype, (elements,)),
            Spec(dtypes.int64, (axes,)),
        ]

    def found(self, rows: Sequence[examples.Row]) -> tuple[Any, Any, Any]:
        return examples.sparse(examples.lists(rows, self.key, self.dtype), self.dtype)

    def arrays(self, rows: Sequence[examples.Row], single: bool) -> list[tuple[Any, DType]]:
        indices, values, shape = self.found(rows)
        if single:
            indices, shape = indices[:, 1:], shape[1:]
        return [(indices, dtypes.int64), (values, self.dtype), (shape, dtypes.int64)]

    def built(self, tensors: Sequence[Any], single: bool) -> Any:
        return SparseTensor(*tensors)


class _Placed(_Sparse):
    def __init__(self, feature: kinds.SparseFeature, dtype: DType) -> None:
        super().__init__(feature.value_key, dtype)
        one = isinstance(feature.index_key, str)
        self.places = [feature.index_key] if one else list(feature.index_key)
        size = feature.size
        self.sizes = [int(s) for s in (size if isinstance(size, (list, tuple)) else [size])]
        if len(self.sizes) != len(self.places):
            raise ValueError("sp_ids and vocab_size have to have equal lengths.")
        self.axes, self.in_order = len(self.places), bool(feature.already_sorted)

    def found(self, rows: Sequence[examples.Row]) -> tuple[Any, Any, Any]:
        return examples.placed(rows, self.places, self.key, self.dtype, self.sizes, self.in_order)


class _Ragged:
    def __init__(self, key: str, feature: kinds.RaggedFeature) -> None:
        self.key = feature.value_key or key
        self.dtype, self.splits, self.validate = feature.dtype, feature.row_splits_dtype, feature.validate
        inner = list(feature.partitions)
        self.sizes: list[int] = []
        while inner and isinstance(inner[-1], kinds.UniformRowLength):
            self.sizes.insert(0, int(inner.pop().length))
        self.partitions = inner

    def specs(self, count: Size | None) -> list[Spec]:
        made = [Spec(self.dtype, (fresh_symbol("values"), *self.sizes))]
        ragged = sum(not isinstance(p, kinds.UniformRowLength) for p in self.partitions) + (count is not None)
        return made + [Spec(self.splits, (fresh_symbol("splits"),)) for _ in range(ragged)]

    def arrays(self, rows: Sequence[examples.Row], single: bool) -> list[tuple[Any, DType]]:
        found = examples.lists(rows, self.key, self.dtype)
        values = examples.joined(found, self.dtype)
        counts = [len(v) for v in found]
        stride = math.prod(self.sizes)
        if any(n % stride if stride else n for n in counts):
            raise errors.InvalidArgumentError(
                None, None, f"Key: {self.key}.  {counts} values cannot be parted into rows of {self.sizes}."
            )
        counts = [n // stride if stride else 0 for n in counts]
        values = values.reshape(-1 if stride else 0, *self.sizes)
        splits: list[Any] = []
        for part in reversed(self.partitions):
            if isinstance(part, kinds.UniformRowLength):
                counts = [n // part.length if part.length else 0 for n in counts]
                continue
            lengths_of = examples.row_lengths(type(part).__name__)
            numbers = examples.lists(rows, part.key, dtypes.int64)
            lengths = [lengths_of(n, c) for n, c in zip(numbers, counts, strict=True)]
            splits.insert(0, examples.joined(lengths, dtypes.int64))
            counts = [len(n) for n in lengths]
        if not single:
            splits.insert(0, np.array(counts, np.int64))
        kind = self.splits.as_numpy_dtype
        return [(values, self.dtype), *((examples.splits_of(s, kind), self.splits) for s in splits)]

    def built(self, tensors: Sequence[Any], single: bool) -> Any:
        value, splits = tensors[0], list(tensors[1:])
        for part in reversed(self.partitions):
            if isinstance(part, kinds.UniformRowLength):
                value = RaggedTensor.from_uniform_row_length(value, part.length, validate=self.validate)
            else:
                value = RaggedTensor.from_row_splits(value, splits.pop(), validate=self.validate)
        return value if single else RaggedTensor.from_row_splits(value, splits.pop(), validate=False)


def type_of(key: str, feature: Any) -> DType:
    """Return the element type of a feature; ValueError where it has none, InvalidArgumentError where it is not read."""
    if not feature.dtype:
        raise ValueError(f"Missing type for feature {key}. Received feature={feature}")
    dtype = as_dtype(feature.dtype)
    if dtype not in examples.KINDS:
        raise errors.InvalidArgumentError(
            None,
            None,
            errors.explain(
                f"Feature {key} is of {dtype.name}, which is not in the list of allowed values: float, int64, string"
            ),
        )
    return dtype


def shape_of(key: str, feature: Any) -> tuple[int, ...]:
    """Return the shape of a dense feature, which must be known."""
    if feature.shape is None:
        raise ValueError(f"Missing shape for feature {key}. Received feature={feature}.")
    given = TensorShape(feature.shape)
    if given.rank is not None and given.rank > 0 and given[0] is None:
        raise ValueError(
            f"First dimension of shape for feature {key} unknown. Consider using FixedLenSequenceFeature. "
            f"Received feature={feature}."
        )
    if not given.is_fully_defined():
        raise ValueError(f"All dimensions of shape for feature {key} need to be known but received {given}.")
    return tuple(int(size) for size in given.as_list() if size is not None)


def default_of(key: str, feature: Any, dtype: DType, shape: Sequence[int]) -> Any:
    """Return a feature's default as an array of the shape, None where it has none."""
    if feature.default_value is None:
        return None
    found = static_value(to_tensor(feature.default_value, dtype))
    if found is None:
        raise ValueError(f"The default value of feature {key} must be known when the example is parsed or traced.")
    array = np.asarray(found, dtype.as_numpy_dtype)
    if array.size != math.prod(shape):
        raise errors.InvalidArgumentError(
            None, None, f"The default value of feature {key} has {array.size} elements; its shape is {tuple(shape)}."
        )
    return array.reshape(shape)


def _plan(key: str, feature: Any) -> _Plan:
    if isinstance(feature, kinds.RaggedFeature):
        return _Ragged(key, feature)
    if isinstance(feature, kinds.VarLenFeature):
        return _Sparse(key, type_of(key, feature))
    if isinstance(feature, kinds.SparseFeature):
        return _Placed(feature, type_of(key, feature))
    if isinstance(feature, kinds.FixedLenFeature):
        dtype, shape = type_of(key, feature), shape_of(key, feature)
        return _Dense(key, dtype, shape, default_of(key, feature, dtype, shape))
    if isinstance(feature, kinds.FixedLenSequenceFeature):
        dtype, shape = type_of(key, feature), shape_of(key, feature)
        if not feature.allow_missing:
            raise ValueError("Unsupported: FixedLenSequenceFeature requires allow_missing to be True.")
        filling = default_of(key, feature, dtype, ())
        return _Padded(key, dtype, shape, examples.zero_of(dtype) if filling is None else filling[()])
    raise ValueError(f"Unsupported {type(feature).__name__} {feature} for key '{key}'")


def plans_of(features: Mapping[str, Any]) -> dict[str, _Plan]:
    """Return how each feature is read."""
    return {key: _plan(key, features[key]) for key in sorted(features)}


def batch_size(op: str, serialized: Any) -> Size | None:
    """Return how many examples there are, None for a single one."""
    shape = spec_of(serialized).shape
    if shape is None:
        raise ValueError(
            errors.explain(f"{op}: the rank of serialized must be known; give it a shape by tf.ensure_shape.")
        )
    if len(shape) > 1:
        raise errors.InvalidArgumentError(
            None, None, errors.explain(f"Expected serialized to be a scalar or vector, got shape: {serialized.shape}")
        )
    return shape[0] if shape else None


def as_tensors(arrays: Sequence[tuple[Any, DType]]) -> list[Any]:
    """Return arrays as eager tensors."""
    return [eager_constant(array, dtype) for array, dtype in arrays]


def strings_of(tensor: Any) -> list[bytes]:
    """Return the elements of an eager tensor of strings."""
    return list(tensor._strings())


@public("io.parse_example")
def parse_example(serialized: Any, features: Any, example_names: Any = None, name: str | None = None) -> Any:
    """Read features of `Example` messages as tensors.

    Args:
      serialized: strings: one message, or a vector of them.
      features: what is read, by name: `FixedLenFeature`, `FixedLenSequenceFeature`, `VarLenFeature`, `SparseFeature` or
        `RaggedFeature`.
      example_names: strings of the shape of `serialized`, for error messages.

    Returns:
      Tensors, sparse and ragged tensors by name.

    Raises:
      ValueError: for other features, or none.
      tf.errors.InvalidArgumentError: when it runs: a message is none, or lacks a feature, or has another type or size of it.

    >>> example = tf.train.Example(features=tf.train.Features(feature={
    ...     "x": tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))}))
    >>> tf.io.parse_example([example.SerializeToString()], {"x": tf.io.FixedLenFeature([2], tf.int64)})["x"].numpy()
    array([[1, 2]])
    """
    if not features:
        raise ValueError(f"Argument `features` cannot be None or falsy. Got {features}")
    plans = plans_of(features)
    texts = to_tensor(to_tensor(serialized), dtypes.string)
    count = batch_size("ParseExample", texts)
    names = [] if example_names is None else [to_tensor(example_names, dtypes.string)]

    direct = {k: p for k, p in plans.items() if _is_direct(p, count is None)}
    others = {k: p for k, p in plans.items() if k not in direct}
    made = _read_directly(direct, count, texts, names) if direct else {}

    def read(found: Any, *named: Any) -> list[Any]:
        names = strings_of(named[0]) if named else []
        parsed = examples.rows_of(strings_of(found), names, "Example")
        rows = [examples.Row(e.features.feature, examples.name_of(names, i), i) for i, e in enumerate(parsed)]
        return as_tensors([a for plan in others.values() for a in plan.arrays(rows, count is None)])

    if others:
        made |= run_plans("ParseExampleV2", others, count, [texts, *names], read)
    return {key: made[key] for key in plans}


def _is_direct(plan: _Plan, single: bool) -> bool:
    """Whether the runtime reads a feature."""
    if isinstance(plan, _Ragged):
        return not (single or plan.partitions or plan.sizes)
    return type(plan) in (_Dense, _Sparse)


def _keys(plans: Sequence[_Dense | _Sparse | _Ragged]) -> Any:
    return eager_constant(np.array([plan.key.encode() for plan in plans], object), dtypes.string)


def _read_directly(plans: Mapping[Any, _Plan], count: Size | None, texts: Any, names: Sequence[Any]) -> dict[Any, Any]:
    """Return what plans of features make that the runtime reads."""
    dense = [p for p in plans.values() if isinstance(p, _Dense)]
    sparse = [p for p in plans.values() if isinstance(p, _Sparse)]
    ragged = [p for p in plans.values() if isinstance(p, _Ragged)]
    none = eager_constant(np.empty(0, object), dtypes.string)
    read = apply(
        parse_example_v2,
        texts,
        names[0] if names else none,
        _keys(sparse),
        _keys(dense),
        _keys(ragged),
        [p.default_tensor() for p in dense],
        num_sparse=len(sparse),
        sparse_types=tuple(p.dtype for p in sparse),
        ragged_value_types=tuple(p.dtype for p in ragged),
        ragged_split_types=tuple(p.splits for p in ragged),
        dense_shapes=tuple(p.shape for p in dense),
    )
    # Places of all sparse features come first, then values, then sizes; dense ones; values of ragged ones, then splits.
    parts = iter(read)
    columns = list(zip(*([next(parts) for _ in sparse] for _ in range(3)), strict=True))
    numbers = [(next(parts),) for _ in dense]
    rows = list(zip(*([next(parts) for _ in ragged] for _ in range(2)), strict=True))
    in_order: list[_Plan] = [*sparse, *dense, *ragged]
    made = {id(p): p.built(t, count is None) for p, t in zip(in_order, [*columns, *numbers, *rows], strict=True)}
    return {key: made[id(plan)] for key, plan in plans.items()}


def run_plans(op: str, plans: Mapping[Any, _Plan], count: Size | None, inputs: list[Any], read: Any) -> dict[Any, Any]:
    """Call `read` for the tensors of all plans, and build what they make of them."""
    specs = [plan.specs(count) for plan in plans.values()]
    tensors = iter(call_on_host(op, read, inputs, [s for each in specs for s in each]))
    return {
        key: plan.built([next(tensors) for _ in each], count is None)
        for (key, plan), each in zip(plans.items(), specs, strict=True)
    }


@public("io.parse_single_example")
def parse_single_example(serialized: Any, features: Any, example_names: Any = None, name: str | None = None) -> Any:
    """Read features of one `Example` message as tensors; see `tf.io.parse_example`.

    Args:
      serialized: a scalar string.
      features: what is read, by name.
      example_names: a scalar string, for error messages.

    Returns:
      Tensors by name, without an axis of examples: dense features in their shape, the others as vectors.

    Raises:
      ValueError: for other features, none, or more than one message.
      tf.errors.InvalidArgumentError: when it runs: the message is none, or lacks a feature, or has another type or size of it.
    """
    if not features:
        raise ValueError("Invalid argument: no features were given; name at least one.")
    texts = to_tensor(serialized, dtypes.string)
    if texts.shape.rank not in (0, None):
        raise ValueError(errors.explain("Input serialized must be a scalar"))
    return parse_example(texts, features, example_names, name)
