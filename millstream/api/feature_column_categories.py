"""Feature columns that give the numbers of categories: by hash, identity, vocabulary, cross, with weights, in sequences."""

from __future__ import annotations

from collections import namedtuple
from typing import Any, ClassVar

from millstream.api import array, debugging, lookup, strings
from millstream.api.feature_column_kinds import CategoricalColumn, FeatureColumn, IdWeightPair, parse_spec_of, to_sparse
from millstream.api.function import control_dependencies
from millstream.api.io_features import VarLenFeature
from millstream.api.sparse_cross import cross_hashed
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.ops.registry import find


def _cast(x: Any, dtype: Any) -> Any:
    return x if x.dtype is dtype else apply(find("Cast"), x, DstT=dtype)


class _ByKey(CategoricalColumn):
    """A column of one raw feature."""

    @property
    def name(self) -> str:
        """The feature's name."""
        return self.key  # type: ignore[attr-defined, no-any-return]

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The feature, of any length."""
        return {self.key: VarLenFeature(self.dtype)}  # type: ignore[attr-defined]

    def _check(self, found: Any, wanted: Any) -> None:
        if found.is_integer != wanted.is_integer:
            raise ValueError(
                explain(
                    f"Column dtype and SparseTensors dtype must be compatible. key: {self.name}, column dtype: {wanted}, tensor "
                    f"dtype: {found}"
                )
            )
        if found is not dtypes.string and not found.is_integer:
            raise ValueError(
                explain(f"SparseTensor dtype must be string or integer. key: {self.name}, dtype: {found}.")
            )

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the categories of all rows."""
        found = to_sparse(transformation_cache.get(self.name, state_manager))
        return SparseTensor(found.indices, self._numbers(found.values), found.dense_shape)

    def _numbers(self, values: Any) -> Any:
        raise NotImplementedError


class HashedCategoricalColumn(_ByKey, namedtuple("HashedCategoricalColumn", ("key", "hash_bucket_size", "dtype"))):
    """Categories by the hash of the value."""

    @property
    def num_buckets(self) -> int:
        """How many categories there are."""
        return self.hash_bucket_size  # type: ignore[no-any-return]

    def _numbers(self, values: Any) -> Any:
        self._check(values.dtype, self.dtype)
        texts = values if values.dtype is dtypes.string else strings.as_string(values)
        return strings.to_hash_bucket_fast(texts, self.hash_bucket_size)


class IdentityCategoricalColumn(
    _ByKey, namedtuple("IdentityCategoricalColumn", ("key", "number_buckets", "default_value"))
):
    """Categories that are the values themselves."""

    dtype = dtypes.int64

    @property
    def num_buckets(self) -> int:
        """How many categories there are."""
        return self.number_buckets  # type: ignore[no-any-return]

    def _numbers(self, values: Any) -> Any:
        if not values.dtype.is_integer:
            raise ValueError(explain(f"Invalid input, not integer. key: {self.key} dtype: {values.dtype}"))
        numbers = _cast(values, dtypes.int64)
        end, zero = to_tensor(self.number_buckets, dtypes.int64), to_tensor(0, dtypes.int64)
        if self.default_value is None:
            what = f"Bucket index for categorical column {self.key} must be in [0, {self.number_buckets})"
            checks = [
                getattr(debugging, name)(numbers, bound, what)
                for name, bound in (("assert_less", end), ("assert_greater_equal", zero))
            ]
            with control_dependencies([c for c in checks if c is not None]):
                return apply(find("Identity"), numbers)
        outside = apply(find("LogicalOr"), numbers < zero, numbers >= end)
        default = array.fill(array.shape(numbers), to_tensor(self.default_value, dtypes.int64))
        return apply(find("SelectV2"), outside, default, numbers)


class _Vocabulary(_ByKey):
    """A column whose categories stand in a list; others get numbers behind it, or one number."""

    _tables: ClassVar[dict[Any, Any]] = {}
    """One for all: equal columns share their table."""

    def _initializer(self) -> Any:
        raise NotImplementedError

    def _table(self) -> Any:
        graph: Any = current_graph()
        while graph is not None and graph.building_function:
            graph = graph.outer
        # A graph of sessions has tables of its own.
        tables = self._tables if graph is None else graph.__dict__.setdefault("vocabulary_tables", {})
        found = tables.get(self)
        if found is None:
            if self.num_oov_buckets:  # type: ignore[attr-defined]
                kind = None if self.dtype is dtypes.string else dtypes.int64  # type: ignore[attr-defined]
                found = lookup.StaticVocabularyTable(self._initializer(), self.num_oov_buckets, kind)  # type: ignore[attr-defined]
            else:
                found = lookup.StaticHashTable(self._initializer(), self.default_value)  # type: ignore[attr-defined]
            tables[self] = found
        return found

    def _numbers(self, values: Any) -> Any:
        self._check(values.dtype, self.dtype)  # type: ignore[attr-defined]
        keys = values if values.dtype is dtypes.string else _cast(values, dtypes.int64)
        return self._table().lookup(keys)


class VocabularyFileCategoricalColumn(
    _Vocabulary,
    namedtuple(
        "VocabularyFileCategoricalColumn",
        ("key", "vocabulary_file", "vocabulary_size", "num_oov_buckets", "dtype", "default_value", "file_format"),
    ),
):
    """Categories that are the lines of a file."""

    @property
    def num_buckets(self) -> int:
        """How many categories there are."""
        return self.vocabulary_size + self.num_oov_buckets  # type: ignore[no-any-return]

    def _initializer(self) -> Any:
        kind = dtypes.string if self.dtype is dtypes.string else dtypes.int64
        index = lookup.TextFileIndex
        return lookup.TextFileInitializer(
            self.vocabulary_file, kind, index.WHOLE_LINE, dtypes.int64, index.LINE_NUMBER, self.vocabulary_size
        )


class VocabularyListCategoricalColumn(
    _Vocabulary,
    namedtuple(
        "VocabularyListCategoricalColumn", ("key", "vocabulary_list", "dtype", "default_value", "num_oov_buckets")
    ),
):
    """Categories that stand in a list."""

    @property
    def num_buckets(self) -> int:
        """How many categories there are."""
        return len(self.vocabulary_list) + self.num_oov_buckets  # type: ignore[no-any-return]

    def _initializer(self) -> Any:
        kind = dtypes.string if self.dtype is dtypes.string else dtypes.int64
        numbers = list(range(len(self.vocabulary_list)))
        return lookup.KeyValueTensorInitializer(list(self.vocabulary_list), numbers, kind, dtypes.int64)


class WeightedCategoricalColumn(
    CategoricalColumn,
    namedtuple("WeightedCategoricalColumn", ("categorical_column", "weight_feature_key", "dtype")),
):
    """The categories of another column, each with a weight from a feature of its own."""

    @property
    def name(self) -> str:
        """The names of both."""
        return f"{self.categorical_column.name}_weighted_by_{self.weight_feature_key}"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """Both features."""
        spec = dict(self.categorical_column.parse_example_spec)
        if self.weight_feature_key in spec:
            raise ValueError(
                explain(
                    f"Parse config {spec} already exists for {self.weight_feature_key}: give weights a name of their own."
                )
            )
        return {**spec, self.weight_feature_key: VarLenFeature(self.dtype)}

    @property
    def num_buckets(self) -> int:
        """How many categories there are."""
        return self.categorical_column.num_buckets  # type: ignore[no-any-return]

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the categories and the weights of all rows."""
        weights = transformation_cache.get(self.weight_feature_key, state_manager)
        if self.dtype is not weights.dtype.base_dtype:
            raise ValueError(explain(f"Bad dtype, expected {self.dtype}, but got {weights.dtype}."))
        sparse = to_sparse(weights, 0)
        values = sparse.values if sparse.values.dtype.is_floating else _cast(sparse.values, dtypes.float32)
        return (
            transformation_cache.get(self.categorical_column, state_manager),
            SparseTensor(sparse.indices, values, sparse.dense_shape),
        )

    def get_sparse_tensors(self, transformation_cache: Any, state_manager: Any) -> IdWeightPair:
        """Return the categories of all rows as a sparse tensor, and their weights."""
        return IdWeightPair(*transformation_cache.get(self, state_manager))


class CrossedColumn(CategoricalColumn, namedtuple("CrossedColumn", ("keys", "hash_bucket_size", "hash_key"))):
    """Categories by the hash of values of several columns taken together."""

    @property
    def name(self) -> str:
        """The names of all, joined."""
        names = [key if isinstance(key, str) else key.name for key in self._leaves()]
        return "_X_".join(sorted(names))

    def _leaves(self) -> list[Any]:
        found: list[Any] = []
        for key in self.keys:
            found += key._leaves() if isinstance(key, CrossedColumn) else [key]
        return found

    @property
    def parents(self) -> list[Any]:
        """The columns and names of features that it is made of."""
        return list(self.keys)

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """All features."""
        return parse_spec_of(self.keys)

    @property
    def num_buckets(self) -> int:
        """How many categories there are."""
        return self.hash_bucket_size  # type: ignore[no-any-return]

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the categories of all rows."""
        parts = []
        for key in self._leaves():
            if isinstance(key, str):
                parts.append(transformation_cache.get(key, state_manager))
                continue
            ids, weights = key.get_sparse_tensors(transformation_cache, state_manager)
            if weights is not None:
                raise ValueError(
                    explain(
                        "crossed_column does not support weight_tensor, but the given column populates weight_tensor. Given "
                        f"column: {key.name}"
                    )
                )
            parts.append(ids)
        return cross_hashed(parts, self.hash_bucket_size, self.hash_key)


class SequenceCategoricalColumn(CategoricalColumn, namedtuple("SequenceCategoricalColumn", ("categorical_column",))):
    """The categories of another column in sequences: the second axis is time."""

    @property
    def name(self) -> str:
        """The column's name."""
        return self.categorical_column.name  # type: ignore[no-any-return]

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The feature."""
        return self.categorical_column.parse_example_spec  # type: ignore[no-any-return]

    @property
    def num_buckets(self) -> int:
        """How many categories there are."""
        return self.categorical_column.num_buckets  # type: ignore[no-any-return]

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the categories of all rows."""
        return self.categorical_column.transform_feature(transformation_cache, state_manager)

    def get_sparse_tensors(self, transformation_cache: Any, state_manager: Any) -> IdWeightPair:
        """Return the categories [batch, time, any number] and their weights."""
        pair = self.categorical_column.get_sparse_tensors(transformation_cache, state_manager)
        return IdWeightPair(
            _with_time(pair.id_tensor), None if pair.weight_tensor is None else _with_time(pair.weight_tensor)
        )


def _with_time(x: SparseTensor) -> Any:
    """Return [batch, time, …] with all axes behind time as one."""
    from millstream.api.sparse import reshape

    shape = x.dense_shape
    inner = apply(find("Prod"), shape[2:], to_tensor([0]), keep_dims=True)
    return reshape(x, array.concat([shape[:2], inner], 0))


def is_sequence(column: FeatureColumn) -> bool:
    """Return whether a column's categories stand in sequences."""
    return isinstance(column, SequenceCategoricalColumn)
