"""Feature columns that give dense numbers: numeric ones, buckets, indicators and embeddings of categories."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.feature_column_categories import is_sequence
from millstream.api.feature_column_kinds import CategoricalColumn, DenseColumn, IdWeightPair, TensorSequenceLengthPair
from millstream.api.io_features import FixedLenFeature, VarLenFeature
from millstream.api.nn_embedding import embedding_lookup_sparse, safe_embedding_lookup_sparse
from millstream.api.sparse import to_dense
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.sparse_tensor import SparseTensor
from millstream.ops.registry import find


def _cast(x: Any, dtype: Any) -> Any:
    return x if x.dtype is dtype else apply(find("Cast"), x, DstT=dtype)


def _refuse_sequences(column: Any, inner: Any) -> None:
    if is_sequence(inner):
        raise ValueError(
            explain(
                f"In {type(column).__name__}: {column.name}. categorical_column must not be of type SequenceCategoricalColumn. "
                f"Given (type SequenceCategoricalColumn): {inner}"
            )
        )


def _require_sequences(column: Any, inner: Any) -> None:
    if not is_sequence(inner):
        raise ValueError(
            explain(
                f"In {type(column).__name__}: {column.name}. categorical_column must be of type SequenceCategoricalColumn to use "
                f"SequenceFeatures. Given (type {type(inner).__name__}): {inner}"
            )
        )


def lengths_of(x: SparseTensor, elements: int = 1) -> Any:
    """Return how many steps each row [batch, time, …] has."""
    rows, columns = x.indices[:, 0], x.indices[:, 1]
    last = apply(find("UnsortedSegmentMax"), columns, rows, _cast(x.dense_shape[0], dtypes.int32))
    one, zero = to_tensor(1, dtypes.int64), to_tensor(0, dtypes.int64)
    steps = apply(find("Maximum"), last, to_tensor(-1, dtypes.int64)) + one
    size = to_tensor(elements, dtypes.int64)
    return apply(find("Maximum"), (steps + size - one) // size, zero)


class NumericColumn(
    DenseColumn, namedtuple("NumericColumn", ("key", "shape", "default_value", "dtype", "normalizer_fn"))
):
    """The numbers of a feature."""

    @property
    def name(self) -> str:
        """The feature's name."""
        return self.key  # type: ignore[no-any-return]

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The feature, of its shape."""
        return {self.key: FixedLenFeature(self.shape, self.dtype, self.default_value)}

    @property
    def variable_shape(self) -> TensorShape:
        """The shape of one row."""
        return TensorShape(self.shape)

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the numbers of all rows as float32, normalised."""
        found = transformation_cache.get(self.key, state_manager)
        if isinstance(found, SparseTensor):
            raise ValueError(
                explain(
                    "The corresponding Tensor of numerical column must be a Tensor. SparseTensor is not supported. key: "
                    f"{self.key}"
                )
            )
        if self.normalizer_fn is not None:
            found = self.normalizer_fn(found)
        return _cast(to_tensor(found), dtypes.float32)

    def get_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the numbers of all rows."""
        return transformation_cache.get(self, state_manager)

    def get_config(self) -> dict[str, Any]:
        """Return its fields; a normaliser stands by itself."""
        return {**super().get_config(), "normalizer_fn": self.normalizer_fn}


class BucketizedColumn(DenseColumn, CategoricalColumn, namedtuple("BucketizedColumn", ("source_column", "boundaries"))):
    """Between which boundaries the numbers of another column are."""

    @property
    def name(self) -> str:
        """The source's name, and what is done to it."""
        return f"{self.source_column.name}_bucketized"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The source's features."""
        return self.source_column.parse_example_spec  # type: ignore[no-any-return]

    @property
    def variable_shape(self) -> TensorShape:
        """The shape of one row."""
        return TensorShape((*self.source_column.shape, len(self.boundaries) + 1))

    @property
    def num_buckets(self) -> int:
        """How many categories there are: buckets of each of the source's numbers."""
        return (len(self.boundaries) + 1) * int(self.source_column.shape[0])

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the numbers of the buckets."""
        source = transformation_cache.get(self.source_column, state_manager)
        return apply(find("Bucketize"), source, boundaries=tuple(float(b) for b in self.boundaries))

    def get_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return one for the bucket of each number, zero for the others."""
        from millstream.api.picking import one_hot

        return one_hot(transformation_cache.get(self, state_manager), len(self.boundaries) + 1, 1.0, 0.0)

    def get_sparse_tensors(self, transformation_cache: Any, state_manager: Any) -> IdWeightPair:
        """Return the buckets as categories: those of each of the source's numbers are numbered on."""
        found = transformation_cache.get(self, state_manager)
        size = int(self.source_column.shape[0])
        batch = array.shape(found, dtypes.int64)[0]
        rows = apply(find("Range"), to_tensor(0, dtypes.int64), batch, to_tensor(1, dtypes.int64))
        first = array.reshape(array.tile(array.expand_dims(rows, 1), [1, size]), [-1])
        second = array.tile(to_tensor(np.arange(size), dtypes.int64), array.expand_dims(batch, 0))
        numbers = _cast(array.reshape(found, [-1]), dtypes.int64) + (len(self.boundaries) + 1) * second
        shape = array.stack([batch, to_tensor(size, dtypes.int64)])
        return IdWeightPair(SparseTensor(array.stack([first, second], 1), numbers, shape), None)


class IndicatorColumn(DenseColumn, namedtuple("IndicatorColumn", ("categorical_column",))):
    """How often each category stands in a row, or the sum of its weights."""

    @property
    def name(self) -> str:
        """The source's name, and what is done to it."""
        return f"{self.categorical_column.name}_indicator"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The source's features."""
        return self.categorical_column.parse_example_spec  # type: ignore[no-any-return]

    @property
    def variable_shape(self) -> TensorShape:
        """The shape of one row."""
        return TensorShape([1, self.categorical_column.num_buckets])

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the counts of all categories."""
        pair = self._pair(transformation_cache, state_manager)
        ids, weights = pair
        count = self.categorical_column.num_buckets
        values = to_tensor(1.0) if weights is None else weights.values
        if weights is None:
            values = array.fill(array.shape(ids.values), values)
        known = apply(find("GreaterEqual"), ids.values, to_tensor(0, ids.values.dtype))
        values = apply(find("SelectV2"), known, values, to_tensor(0.0))
        numbers = apply(find("Maximum"), _cast(ids.values, dtypes.int64), to_tensor(0, dtypes.int64))
        places = array.concat([ids.indices[:, :-1], array.expand_dims(numbers, 1)], 1)
        shape = array.concat([ids.dense_shape[:-1], [count]], 0)
        dense = apply(find("ScatterNd"), places, values, shape)
        rank = ids.shape.rank
        if rank is not None:
            dense.set_shape([None] * (rank - 1) + [count])
        return dense

    def _pair(self, transformation_cache: Any, state_manager: Any) -> IdWeightPair:
        return self.categorical_column.get_sparse_tensors(transformation_cache, state_manager)  # type: ignore[no-any-return]

    def get_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the counts of all rows."""
        _refuse_sequences(self, self.categorical_column)
        return transformation_cache.get(self, state_manager)

    def get_sequence_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> TensorSequenceLengthPair:
        """Return the counts of all steps, and the lengths of the sequences."""
        _require_sequences(self, self.categorical_column)
        ids = self._pair(transformation_cache, state_manager).id_tensor
        return TensorSequenceLengthPair(transformation_cache.get(self, state_manager), lengths_of(ids))


class EmbeddingColumn(
    DenseColumn,
    namedtuple(
        "EmbeddingColumn",
        (
            "categorical_column", "dimension", "combiner", "initializer", "ckpt_to_load_from", "tensor_name_in_ckpt",
            "max_norm", "trainable", "use_safe_embedding_lookup",
        ),
    ),
):  # fmt: skip
    """A learnt vector for each category; those of a row are combined."""

    @property
    def name(self) -> str:
        """The source's name, and what is done to it."""
        return f"{self.categorical_column.name}_embedding"

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The source's features."""
        return self.categorical_column.parse_example_spec  # type: ignore[no-any-return]

    @property
    def variable_shape(self) -> TensorShape:
        """The shape of one row."""
        return TensorShape([self.dimension])

    def create_state(self, state_manager: Any) -> None:
        """Make the table of vectors, "embedding_weights"."""
        shape = (self.categorical_column.num_buckets, self.dimension)
        state_manager.create_variable(
            self, name="embedding_weights", shape=shape, dtype=dtypes.float32, trainable=self.trainable,
            use_resource=True, initializer=self.initializer,
        )  # fmt: skip

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the source's categories."""
        return transformation_cache.get(self.categorical_column, state_manager)

    def _looked_up(self, pair: IdWeightPair, state_manager: Any) -> Any:
        table = state_manager.get_variable(self, name="embedding_weights")
        look_up = safe_embedding_lookup_sparse if self.use_safe_embedding_lookup else embedding_lookup_sparse
        return look_up(table, pair.id_tensor, pair.weight_tensor, combiner=self.combiner, max_norm=self.max_norm)

    def get_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the combined vectors of all rows."""
        _refuse_sequences(self, self.categorical_column)
        return self._looked_up(
            self.categorical_column.get_sparse_tensors(transformation_cache, state_manager), state_manager
        )

    def get_sequence_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> TensorSequenceLengthPair:
        """Return the combined vectors of all steps, and the lengths of the sequences."""
        _require_sequences(self, self.categorical_column)
        pair = self.categorical_column.get_sparse_tensors(transformation_cache, state_manager)
        return TensorSequenceLengthPair(self._looked_up(pair, state_manager), lengths_of(pair.id_tensor))

    def get_config(self) -> dict[str, Any]:
        """Return its fields; an initializer stands by itself."""
        return {**super().get_config(), "initializer": self.initializer}


class SequenceNumericColumn(
    DenseColumn, namedtuple("SequenceNumericColumn", ("key", "shape", "default_value", "dtype", "normalizer_fn"))
):
    """The numbers of a feature in sequences."""

    @property
    def name(self) -> str:
        """The feature's name."""
        return self.key  # type: ignore[no-any-return]

    @property
    def parse_example_spec(self) -> dict[str, Any]:
        """The feature, of any length."""
        return {self.key: VarLenFeature(self.dtype)}

    @property
    def variable_shape(self) -> TensorShape:
        """The shape of one step."""
        return TensorShape(self.shape)

    def transform_feature(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Return the numbers as a sparse tensor, normalised."""
        found = transformation_cache.get(self.key, state_manager)
        return found if self.normalizer_fn is None else self.normalizer_fn(found)

    def get_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> Any:
        """Refuse: the numbers stand in sequences."""
        raise ValueError(explain(f"{self.name} is a sequence: use get_sequence_dense_tensor."))

    def get_sequence_dense_tensor(self, transformation_cache: Any, state_manager: Any) -> TensorSequenceLengthPair:
        """Return the numbers [batch, time, …] of all steps, and the lengths of the sequences."""
        sparse = transformation_cache.get(self, state_manager)
        dense = to_dense(sparse, self.default_value)
        shape = array.concat([array.shape(dense)[:1], [-1], list(self.shape)], 0)
        whole = array.reshape(dense, shape)
        elements = int(np.prod(self.shape)) if sparse.shape.rank == 2 else 1
        return TensorSequenceLengthPair(whole, lengths_of(sparse, elements))

    def get_config(self) -> dict[str, Any]:
        """Return its fields; a normaliser stands by itself."""
        return {**super().get_config(), "normalizer_fn": self.normalizer_fn}
