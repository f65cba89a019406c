"""What feature columns have in common: parse specs, the cache of transformed features, variables, sparse and dense results."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from millstream.api import array
from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.variable import Variable
from millstream.ops.registry import find


class IdWeightPair(NamedTuple):
    """The numbers of categories of each row, and their weights or None."""

    id_tensor: Any
    weight_tensor: Any


class TensorSequenceLengthPair(NamedTuple):
    """Dense values of sequences, and how long these are."""

    dense_tensor: Any
    sequence_length: Any


class StateManager:
    """Keeps the variables that columns learn."""

    def __init__(self, trainable: bool = True) -> None:
        self._trainable = trainable
        self.variables: dict[tuple[Any, str], Variable] = {}

    def create_variable(
        self,
        feature_column: Any,
        name: str,
        shape: Any,
        dtype: DType | None = None,
        trainable: bool = True,
        use_resource: bool = True,
        initializer: Any = None,
    ) -> Variable:
        """Make a column's variable, and return it."""
        if (feature_column, name) in self.variables:
            raise ValueError(explain(f"Variable already exists: {name} of {feature_column.name}."))
        kind = dtypes.float32 if dtype is None else dtype
        made = Variable(initializer(shape, kind), trainable=trainable and self._trainable, name=name)
        self.variables[feature_column, name] = made
        return made

    def get_variable(self, feature_column: Any, name: str) -> Variable:
        """Return a column's variable."""
        if (feature_column, name) not in self.variables:
            raise ValueError(
                explain("Variable does not exist.", fix=f"Call {type(feature_column).__name__}.create_state first.")
            )
        return self.variables[feature_column, name]


class FeatureTransformationCache:
    """The features of a batch by name, and what columns made of them: each is made once.

    Args:
      features: tensors and sparse tensors by name; tensors of one axis get a second of size 1.
    """

    def __init__(self, features: Mapping[Any, Any]) -> None:
        self._features = dict(features)
        self._made: dict[Any, Any] = {}

    def get(self, key: Any, state_manager: Any, training: bool | None = None) -> Any:
        """Return a raw feature by its name, or what a column makes of its features.

        Raises:
          ValueError: where there is no such feature.
          TypeError: where `key` is neither a name nor a column.
        """
        if key not in self._made:
            if isinstance(key, str):
                if key not in self._features:
                    raise ValueError(explain(f"Feature {key} is not in features dictionary."))
                self._made[key] = self._raw(key)
            elif isinstance(key, FeatureColumn):
                found = key.transform_feature(self, state_manager)
                if found is None:
                    raise ValueError(explain(f"Column {key.name} is not supported."))
                self._made[key] = found
            else:
                raise TypeError(explain(f'"key" must be either a "str" or "FeatureColumn". Provided: {key}.'))
        return self._made[key]

    def _raw(self, key: str) -> Any:
        feature = self._features[key]
        if isinstance(feature, SparseTensor) or (isinstance(feature, tuple) and len(feature) == 3):
            return feature if isinstance(feature, SparseTensor) else SparseTensor(*feature)
        if hasattr(feature, "to_sparse"):
            return feature.to_sparse()
        tensor = to_tensor(feature)
        if tensor.shape.rank is None:
            raise ValueError(explain(f"Feature (key: {key}) has no known rank; give it one with tf.ensure_shape."))
        if tensor.shape.rank == 0:
            raise ValueError(explain(f"Feature (key: {key}) cannot have rank 0. Given: {tensor}"))
        return array.expand_dims(tensor, -1) if tensor.shape.rank == 1 else tensor


class FeatureColumn(abc.ABC):
    """A way to make numbers for a model of raw features."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The column's name."""

    @property
    @abc.abstractmethod
    def parse_example_spec(self) -> dict[str, Any]:
        """What `tf.io.parse_example` is to read for it."""

    @abc.abstractmethod
    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return what it makes of the features in the cache."""

    @property
    def parents(self) -> list[Any]:
        """The columns and names of features that it is made of."""
        fields: tuple[Any, ...] = tuple(getattr(self, n) for n in self._fields)  # type: ignore[attr-defined]
        return [v for v in fields if isinstance(v, FeatureColumn)] or [fields[0]]

    def create_state(self, state_manager: Any) -> None:
        """Make the variables that it learns: none, unless a kind of column says so."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Return its fields, for `from_config`; columns stand as {"class_name": …, "config": …}."""
        return {n: _written(v) for n, v in zip(self._fields, self, strict=True)}  # type: ignore[attr-defined, call-overload]

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None, columns_by_name: Any = None) -> Any:
        """Return a column of what `get_config` gave."""
        return cls(**{n: _read(v, custom_objects or {}) for n, v in config.items()})

    @property
    def _is_v2_column(self) -> bool:
        return True

    def __lt__(self, other: Any) -> bool:
        return str(self) < str(other)

    def __gt__(self, other: Any) -> bool:
        return str(self) > str(other)


def _written(value: Any) -> Any:
    if isinstance(value, FeatureColumn):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if isinstance(value, DType):
        return value.name
    if isinstance(value, (list, tuple)):
        return tuple(_written(v) for v in value)
    return value


def _classes(base: type = FeatureColumn) -> dict[str, Any]:
    found = {base.__name__: base}
    inner: type
    for inner in base.__subclasses__():
        found |= _classes(inner)
    return found


def _read(value: Any, custom: Mapping[str, Any]) -> Any:
    if isinstance(value, dict) and set(value) == {"class_name", "config"}:
        return {**_classes(), **custom}[value["class_name"]].from_config(value["config"], custom)
    if isinstance(value, (list, tuple)):
        return tuple(_read(v, custom) for v in value)
    return value


class DenseColumn(FeatureColumn):
    """A column that gives a dense tensor [batch, …]."""

    @property
    @abc.abstractmethod
    def variable_shape(self) -> Any:
        """The shape of one row."""

    @abc.abstractmethod
    def get_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the numbers of all rows."""


class CategoricalColumn(FeatureColumn):
    """A column that gives the numbers of categories: any number for each row."""

    IdWeightPair: type = IdWeightPair

    @property
    @abc.abstractmethod
    def num_buckets(self) -> int:
        """How many categories there are."""

    def get_sparse_tensors(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the categories of all rows as a sparse tensor, and their weights."""
        return IdWeightPair(transformation_cache.get(self, state_manager), None)


def to_sparse(values: Any, ignored: Any = None) -> SparseTensor:
    """Return a dense tensor as a sparse one, without those elements that mean that there is nothing: "" and -1."""
    if isinstance(values, SparseTensor):
        return values
    tensor = to_tensor(values)
    if ignored is None:
        ignored = "" if tensor.dtype is dtypes.string else -1
    places = apply(find("Where"), apply(find("NotEqual"), tensor, to_tensor(ignored, tensor.dtype)))
    kept = apply(find("GatherNd"), tensor, places)
    return SparseTensor(places, kept, apply(find("Shape"), tensor, out_type=dtypes.int64))


def parse_spec_of(columns: Sequence[Any]) -> dict[str, Any]:
    """Return the parse specs of several columns and names of texts, joined."""
    from millstream.api.io_features import VarLenFeature

    found: dict[str, Any] = {}
    for column in columns:
        found |= {column: VarLenFeature(dtypes.string)} if isinstance(column, str) else column.parse_example_spec
    return found
