"""tf.feature_column: columns that say how raw features become numbers, and what is to be parsed for them.

Refuses what the columns cannot be made of. `FeatureTransformationCache` and `StateManager` (feature_column_kinds.py) use them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from millstream.api.feature_column_categories import (
    CrossedColumn,
    HashedCategoricalColumn,
    IdentityCategoricalColumn,
    SequenceCategoricalColumn,
    VocabularyFileCategoricalColumn,
    VocabularyListCategoricalColumn,
    WeightedCategoricalColumn,
)
from millstream.api.feature_column_dense import (
    BucketizedColumn,
    EmbeddingColumn,
    IndicatorColumn,
    NumericColumn,
    SequenceNumericColumn,
)
from millstream.api.feature_column_kinds import CategoricalColumn, FeatureColumn
from millstream.api.public import public
from millstream.api.random import truncated_normal
from millstream.base import dtypes
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.execution.context import current_graph


def _check_key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(explain(f"key must be a string. Got: type {type(key)}. Given key: {key}."))
    return key


def _shape_of(shape: Any, key: str) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    for size in sizes:
        if not isinstance(size, (int, np.integer)):
            raise TypeError(explain(f"shape dimensions must be integer. shape: {shape}, key: {key}"))
        if size < 1:
            raise ValueError(explain(f"shape dimensions must be greater than 0. shape: {shape}, key: {key}"))
    return tuple(int(n) for n in sizes)


def _default_of(default: Any, shape: tuple[int, ...], dtype: DType, key: str) -> Any:
    """Return a default of a feature as nested tuples of its shape."""
    if default is None:
        return None
    array = np.asarray(default)
    fits = array.dtype.kind in "iub" or (dtype.is_floating and array.dtype.kind == "f")
    if not fits:
        raise TypeError(
            explain(
                f"default_value must be compatible with dtype. default_value: {default}, dtype: {dtype}, key: {key}"
            )
        )
    if array.ndim and array.shape != shape:
        raise ValueError(
            explain(
                f"The shape of default_value must be equal to given shape. default_value: {default}, shape: {shape}, key: {key}"
            )
        )
    whole = np.broadcast_to(array, shape).astype(dtype.as_numpy_dtype)
    return _tuples(whole.tolist())


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


@public("feature_column.numeric_column")
def numeric_column(
    key: str, shape: Any = (1,), default_value: Any = None, dtype: Any = dtypes.float32, normalizer_fn: Any = None
) -> NumericColumn:
    """Return a column of a feature's numbers.

    Args:
      key: the feature.
      shape: the shape of a row.
      default_value: what stands for rows without the feature: a number, or as many as the shape has.
      dtype: the type of the feature's elements, floating or integer.
      normalizer_fn: a function of the tensor, applied before all else.

    Raises:
      TypeError: where sizes are no integers, or the default does not fit the element type.
      ValueError: where the key is no text, sizes are below 1, or `dtype` is of no numbers.

    >>> tf.feature_column.numeric_column("price").parse_example_spec
    {'price': FixedLenFeature(shape=(1,), dtype=tf.float32, default_value=None)}
    """
    return NumericColumn(*_numeric(key, shape, default_value, dtype, normalizer_fn))


def _numeric(key: str, shape: Any, default: Any, dtype: Any, normalizer: Any) -> tuple[Any, ...]:
    _check_key(key)
    sizes, kind = _shape_of(shape, key), as_dtype(dtype)
    if not (kind.is_integer or kind.is_floating):
        raise ValueError(explain(f"dtype must be convertible to float. dtype: {kind}, key: {key}"))
    if normalizer is not None and not callable(normalizer):
        raise TypeError(explain(f"normalizer_fn must be a callable. Given: {normalizer}"))
    return key, sizes, _default_of(default, sizes, kind, key), kind, normalizer


@public("feature_column.sequence_numeric_column")
def sequence_numeric_column(
    key: str, shape: Any = (1,), default_value: float = 0.0, dtype: Any = dtypes.float32, normalizer_fn: Any = None
) -> SequenceNumericColumn:
    """Return a column of a feature's numbers in sequences.

    Args:
      key: the feature, a sparse tensor of numbers.
      shape: the shape of a step.
      default_value: what fills short sequences up.
      dtype: the type of the feature's elements, floating or integer.
      normalizer_fn: a function of the sparse tensor, applied before all else.

    Raises:
      TypeError: where sizes are no integers.
      ValueError: where sizes are below 1, or `dtype` is of no numbers.
    """
    key, sizes, _, kind, normalizer = _numeric(key, shape, None, dtype, normalizer_fn)
    return SequenceNumericColumn(key, sizes, default_value, kind, normalizer)


@public("feature_column.bucketized_column")
def bucketized_column(source_column: NumericColumn, boundaries: Any) -> BucketizedColumn:
    """Return a column of the buckets that another column's numbers are in.

    Args:
      source_column: a numeric column of one axis.
      boundaries: the borders of the buckets, rising; n of them make n + 1 buckets.

    Raises:
      ValueError: where the source is no numeric column of one axis, or the boundaries do not rise.

    >>> price = tf.feature_column.numeric_column("price")
    >>> tf.feature_column.bucketized_column(price, [0.0, 10.0]).variable_shape
    TensorShape([1, 3])
    """
    if not isinstance(source_column, NumericColumn):
        raise ValueError(
            explain(f"source_column must be a column generated with numeric_column(). Given: {source_column}")
        )
    if len(source_column.shape) > 1:
        raise ValueError(explain(f"source_column must be one-dimensional column. Given: {source_column}"))
    if not boundaries:
        raise ValueError(explain("boundaries must not be empty."))
    if not isinstance(boundaries, (list, tuple)) or any(a >= b for a, b in itertools.pairwise(boundaries)):
        raise ValueError(explain("boundaries must be a sorted list."))
    return BucketizedColumn(source_column, tuple(boundaries))


@public("feature_column.categorical_column_with_hash_bucket")
def categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = dtypes.string
) -> HashedCategoricalColumn:
    """Return a column of categories by the hash of a feature's values.

    Args:
      key: the feature: texts or integers; "" and -1 in dense tensors mean that there is none.
      hash_bucket_size: how many categories there are, more than 1.
      dtype: the type of the feature's elements.

    Raises:
      ValueError: where the size is none, or the type is neither of texts nor integers.
    """
    if hash_bucket_size is None:
        raise ValueError(explain(f"hash_bucket_size must be set. key: {key}"))
    if hash_bucket_size < 1:
        raise ValueError(
            explain(f"hash_bucket_size must be at least 1. hash_bucket_size: {hash_bucket_size}, key: {key}")
        )
    _check_key(key)
    return HashedCategoricalColumn(key, hash_bucket_size, _text_or_integer(dtype, f"column_name: {key}"))


def _text_or_integer(dtype: Any, where: str) -> DType:
    kind = as_dtype(dtype)
    if kind is not dtypes.string and not kind.is_integer:
        raise ValueError(explain(f"dtype must be string or integer. dtype: {kind}, {where}"))
    return kind


@public("feature_column.categorical_column_with_identity")
def categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> IdentityCategoricalColumn:
    """Return a column of categories that are a feature's values themselves.

    Args:
      key: the feature: integers in [0, num_buckets).
      num_buckets: how many categories there are.
      default_value: the category of values outside; they are refused without it.

    Raises:
      ValueError: where there are no buckets, or the default is none of them.
    """
    if num_buckets < 1:
        raise ValueError(explain(f"num_buckets {num_buckets} < 1, column_name {key}"))
    if default_value is not None and not 0 <= default_value < num_buckets:
        raise ValueError(explain(f"default_value {default_value} not in range [0, {num_buckets}), column_name {key}"))
    return IdentityCategoricalColumn(_check_key(key), num_buckets, default_value)


@public("feature_column.categorical_column_with_vocabulary_list")
def categorical_column_with_vocabulary_list(
    key: str, vocabulary_list: Any, dtype: Any = None, default_value: int = -1, num_oov_buckets: int = 0
) -> VocabularyListCategoricalColumn:
    """Return a column of categories that stand in a list.

    Args:
      key: the feature.
      vocabulary_list: the values, by the numbers of their categories.
      dtype: the type of the feature's elements, that of the list without it.
      default_value: the category of other values; -1 leaves them out.
      num_oov_buckets: how many categories more there are for other values, by their hash.

    Raises:
      ValueError: where the list is empty, holds a value twice or others than the type says, or there are both a default and
        more categories.
    """
    if vocabulary_list is None or len(vocabulary_list) < 1:
        raise ValueError(explain(f"vocabulary_list {vocabulary_list} must be non-empty, column_name: {key}"))
    if len(set(vocabulary_list)) != len(vocabulary_list):
        raise ValueError(explain(f"Duplicate keys in vocabulary_list {vocabulary_list}, column_name: {key}"))
    own = _text_or_integer(np.asarray(vocabulary_list).dtype, f"column_name: {key}")
    _check_oov(key, default_value, num_oov_buckets)
    kind = own if dtype is None else _text_or_integer(dtype, f"column_name: {key}")
    if own.is_integer != kind.is_integer:
        raise ValueError(explain(f"dtype {kind} and vocabulary dtype {own} do not match, column_name: {key}"))
    return VocabularyListCategoricalColumn(
        _check_key(key), tuple(vocabulary_list), kind, default_value, num_oov_buckets
    )


def _check_oov(key: str, default_value: int | None, num_oov_buckets: int) -> None:
    if num_oov_buckets and default_value not in (-1, None):
        raise ValueError(explain(f"Can't specify both num_oov_buckets and default_value in {key}."))
    if num_oov_buckets < 0:
        raise ValueError(explain(f"Invalid num_oov_buckets {num_oov_buckets} in {key}."))


@public("feature_column.categorical_column_with_vocabulary_file")
def categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: Any,
    vocabulary_size: int | None = None,
    dtype: Any = dtypes.string,
    default_value: int | None = None,
    num_oov_buckets: int = 0,
    file_format: str | None = None,
) -> VocabularyFileCategoricalColumn:
    """Return a column of categories that are the lines of a file.

    Args:
      key: the feature.
      vocabulary_file: the file, one value a line.
      vocabulary_size: how many lines count; all without it.
      dtype: the type of the feature's elements.
      default_value: the category of other values; without it they are left out.
      num_oov_buckets: how many categories more there are for other values, by their hash.
      file_format: None for text; other formats are refused.

    Raises:
      ValueError: where there is no file, it has fewer lines, or there are both a default and more categories.
    """
    if not vocabulary_file:
        raise ValueError(explain(f"Missing vocabulary_file in {key}."))
    if file_format not in (None, "text"):
        raise ValueError(explain(f"file_format {file_format!r} is not supported: give a file of text."))
    if vocabulary_size is None:
        with open(vocabulary_file, "rb") as file:
            vocabulary_size = sum(1 for _ in file)
    if vocabulary_size < 1:
        raise ValueError(explain(f"Invalid vocabulary_size in {key}."))
    _check_oov(key, default_value, num_oov_buckets)
    kind = _text_or_integer(dtype, f"column_name: {key}")
    default = -1 if default_value is None else default_value
    return VocabularyFileCategoricalColumn(
        _check_key(key), vocabulary_file, vocabulary_size, num_oov_buckets, kind, default, file_format
    )


@public("feature_column.weighted_categorical_column")
def weighted_categorical_column(
    categorical_column: Any, weight_feature_key: str, dtype: Any = dtypes.float32
) -> WeightedCategoricalColumn:
    """Return a column of another's categories, each with a weight from a feature.

    Args:
      categorical_column: the column of categories.
      weight_feature_key: the feature of weights, of the same form.
      dtype: the type of the weights.

    Raises:
      ValueError: where `dtype` is of no numbers.
    """
    kind = None if dtype is None else as_dtype(dtype)
    if kind is None or not (kind.is_integer or kind.is_floating):
        raise ValueError(explain(f"dtype {dtype} is not convertible to float."))
    return WeightedCategoricalColumn(categorical_column, weight_feature_key, kind)


@public("feature_column.crossed_column")
def crossed_column(keys: Sequence[Any], hash_bucket_size: int, hash_key: int | None = None) -> CrossedColumn:
    """Return a column of categories by the hash of values of several features taken together.

    Args:
      keys: names of features of texts, and columns of categories, but hashed ones.
      hash_bucket_size: how many categories there are, more than 0.
      hash_key: a number that other hashes come from.

    Raises:
      ValueError: where there are fewer than two keys, or one of another kind.
    """
    if not hash_bucket_size or hash_bucket_size < 1:
        raise ValueError(explain(f"hash_bucket_size must be > 1. hash_bucket_size: {hash_bucket_size}"))
    if not keys or len(keys) < 2:
        raise ValueError(explain(f"keys must be a list with length > 1. Given: {keys}"))
    for key in keys:
        if not isinstance(key, (str, CategoricalColumn)):
            raise ValueError(
                explain(
                    f"Unsupported key type. All keys must be either string, or categorical column except HashedCategoricalColumn. Given: {key}"
                )
            )
        if isinstance(key, HashedCategoricalColumn):
            raise ValueError(
                explain(
                    f"categorical_column_with_hash_bucket is not supported for crossing. Hashing before crossing will increase "
                    f"probability of collision. Instead, use the feature name as a string. Given: {key}"
                )
            )
    return CrossedColumn(tuple(keys), hash_bucket_size, hash_key)


@public("feature_column.indicator_column")
def indicator_column(categorical_column: Any) -> IndicatorColumn:
    """Return a dense column of how often each category stands in a row.

    Args:
      categorical_column: the column of categories.

    Raises:
      ValueError: where it is none.
    """
    check_categorical(categorical_column)
    return IndicatorColumn(categorical_column)


def check_categorical(column: Any) -> None:
    if not isinstance(column, CategoricalColumn):
        raise ValueError(explain(f"Unsupported input type. Input must be a CategoricalColumn. Given: {column}"))


def check_embedding(dimension: Any, initializer: Any, ckpt_to_load_from: Any, tensor_name_in_ckpt: Any) -> Any:
    """Return the initializer of a table of vectors."""
    if dimension is None or dimension < 1:
        raise ValueError(explain(f"Invalid dimension {dimension}."))
    if (ckpt_to_load_from is None) != (tensor_name_in_ckpt is None):
        raise ValueError(explain("Must specify both `ckpt_to_load_from` and `tensor_name_in_ckpt` or none of them."))
    if ckpt_to_load_from is not None:
        raise ValueError(
            explain("ckpt_to_load_from is not supported: restore the variable with tf.train.Checkpoint instead.")
        )
    if initializer is not None and not callable(initializer):
        raise ValueError(explain(f"initializer must be callable if specified. Given: {initializer}"))
    if initializer is None:
        deviation = 1 / math.sqrt(dimension)

        def normal(shape: Any, dtype: Any = dtypes.float32) -> Any:
            return truncated_normal(shape, 0.0, deviation, dtype)

        return normal
    return initializer


@public("feature_column.embedding_column")
def embedding_column(
    categorical_column: Any,
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    ckpt_to_load_from: Any = None,
    tensor_name_in_ckpt: Any = None,
    max_norm: Any = None,
    trainable: bool = True,
    use_safe_embedding_lookup: bool = True,
) -> EmbeddingColumn:
    """Return a dense column of learnt vectors, one for each category, combined in each row.

    Args:
      categorical_column: the column of categories.
      dimension: the length of a vector.
      combiner: "mean", "sqrtn" or "sum".
      initializer: what makes the table: called with its shape and element type; normally distributed numbers of the
        deviation 1 / sqrt(dimension) without it.
      ckpt_to_load_from, tensor_name_in_ckpt: refused: restore the table with tf.train.Checkpoint.
      max_norm: vectors that are longer are shortened to it.
      trainable: whether the table is learnt.
      use_safe_embedding_lookup: whether rows without a category are allowed.

    Raises:
      ValueError: where arguments do not fit.
    """
    found = check_embedding(dimension, initializer, ckpt_to_load_from, tensor_name_in_ckpt)
    check_categorical(categorical_column)
    return EmbeddingColumn(
        categorical_column, dimension, combiner, found, None, None, max_norm, trainable, use_safe_embedding_lookup
    )


@public("feature_column.shared_embeddings")
def shared_embeddings(
    categorical_columns: Sequence[Any],
    dimension: int,
    combiner: str = "mean",
    initializer: Any = None,
    shared_embedding_collection_name: str | None = None,
    ckpt_to_load_from: Any = None,
    tensor_name_in_ckpt: Any = None,
    max_norm: Any = None,
    trainable: bool = True,
    use_safe_embedding_lookup: bool = True,
) -> list[Any]:
    """Refuse, as TensorFlow does where ops run at once: columns that share a table need graphs of version 1.

    Args:
      categorical_columns: columns of categories.
      dimension, combiner, initializer, ckpt_to_load_from, tensor_name_in_ckpt, max_norm, trainable,
        use_safe_embedding_lookup: as `embedding_column` has them.
      shared_embedding_collection_name: the name of the table.

    Raises:
      RuntimeError: always. Look two features up in one `tf.keras.layers.Embedding` instead.
    """
    where = "while tracing" if current_graph() is not None else "when eager execution is enabled"
    raise RuntimeError(
        explain(
            f"shared_embeddings are not supported {where}.",
            fix="Look the features up in one tf.keras.layers.Embedding, or in one variable with tf.nn.embedding_lookup_sparse.",
        )
    )


@public("feature_column.sequence_categorical_column_with_identity")
def sequence_categorical_column_with_identity(
    key: str, num_buckets: int, default_value: int | None = None
) -> SequenceCategoricalColumn:
    """Return a column of sequences of categories that are a feature's values. See `categorical_column_with_identity`.

    Args:
      key, num_buckets, default_value: as there.
    """
    return SequenceCategoricalColumn(categorical_column_with_identity(key, num_buckets, default_value))


@public("feature_column.sequence_categorical_column_with_hash_bucket")
def sequence_categorical_column_with_hash_bucket(
    key: str, hash_bucket_size: int, dtype: Any = dtypes.string
) -> SequenceCategoricalColumn:
    """Return a column of sequences of categories by hash. See `categorical_column_with_hash_bucket`.

    Args:
      key, hash_bucket_size, dtype: as there.
    """
    return SequenceCategoricalColumn(categorical_column_with_hash_bucket(key, hash_bucket_size, dtype))


@public("feature_column.sequence_categorical_column_with_vocabulary_list")
def sequence_categorical_column_with_vocabulary_list(
    key: str, vocabulary_list: Any, dtype: Any = None, default_value: int = -1, num_oov_buckets: int = 0
) -> SequenceCategoricalColumn:
    """Return a column of sequences of categories of a list. See `categorical_column_with_vocabulary_list`.

    Args:
      key, vocabulary_list, dtype, default_value, num_oov_buckets: as there.
    """
    inner = categorical_column_with_vocabulary_list(key, vocabulary_list, dtype, default_value, num_oov_buckets)
    return SequenceCategoricalColumn(inner)


@public("feature_column.sequence_categorical_column_with_vocabulary_file")
def sequence_categorical_column_with_vocabulary_file(
    key: str,
    vocabulary_file: Any,
    vocabulary_size: int | None = None,
    num_oov_buckets: int = 0,
    default_value: int | None = None,
    dtype: Any = dtypes.string,
) -> SequenceCategoricalColumn:
    """Return a column of sequences of categories of a file. See `categorical_column_with_vocabulary_file`.

    Args:
      key, vocabulary_file, vocabulary_size, num_oov_buckets, default_value, dtype: as there.
    """
    inner = categorical_column_with_vocabulary_file(
        key, vocabulary_file, vocabulary_size, dtype, default_value, num_oov_buckets
    )
    return SequenceCategoricalColumn(inner)


@public("feature_column.make_parse_example_spec")
def make_parse_example_spec(feature_columns: Any) -> dict[str, Any]:
    """Return what `tf.io.parse_example` is to read for columns.

    Args:
      feature_columns: the columns.

    Raises:
      ValueError: where one is no column, or two want one feature to be read differently.

    >>> tf.feature_column.make_parse_example_spec([tf.feature_column.numeric_column("price")])
    {'price': FixedLenFeature(shape=(1,), dtype=tf.float32, default_value=None)}
    """
    found: dict[str, Any] = {}
    for column in feature_columns:
        if not isinstance(column, FeatureColumn):
            raise ValueError(explain(f"All feature_columns must be FeatureColumn instances. Given: {column}"))
        for key, value in column.parse_example_spec.items():
            if found.setdefault(key, value) != value:
                raise ValueError(
                    explain(
                        f"feature_columns contain different parse_spec for key {key}. Given {value} and {found[key]}"
                    )
                )
    return found
