"""Hash tables filled from datasets: tf.data.experimental.DatasetInitializer, table_from_dataset, index_table_from_dataset."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from millstream.api import lookup
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.specs import TensorSpec
from millstream.data.dataset import Dataset
from millstream.execution.tensor import eager_constant


class HasherSpec(NamedTuple):
    """How words that are in no vocabulary are put into buckets."""

    hasher: str
    key: Any


FAST_HASH = HasherSpec("fasthash", None)


def _pair_of(dataset: Any) -> tuple[TensorSpec, TensorSpec]:
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(isinstance(s, TensorSpec) for s in spec):
        raise ValueError(
            explain(f"Each element of a dataset that fills a table must be a pair of scalars (key, value). Got {spec}.")
        )
    if not all(s.shape.is_compatible_with([]) for s in spec):
        raise ValueError(explain(f"Keys and values of a table must be scalars. Got {spec}."))
    if spec[0].dtype not in (dtypes.int64, dtypes.string):
        raise TypeError(explain(f"Keys of a table must be int64 or string, got {spec[0].dtype!r}."))
    return spec


@public("data.experimental.DatasetInitializer", "compat.v1.data.experimental.DatasetInitializer")
class DatasetInitializer(lookup.TableInitializerBase):
    """Fills a table with the pairs (key, value) of a dataset.

    Raises:
      ValueError: the elements of `dataset` are no pairs of scalars.

    >>> pairs = tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(["a", "b"]), tf.data.Dataset.range(2))
    >>> table = tf.lookup.StaticHashTable(tf.data.experimental.DatasetInitializer(pairs), default_value=-1)
    >>> table.lookup(tf.constant(["b", "z"])).numpy().tolist()
    [1, -1]
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        keys, values = _pair_of(dataset)
        super().__init__(keys.dtype, values.dtype)

    def initialize(self, table: Any) -> None:
        """Fill the table.

        Raises:
          tf.errors.InvalidArgumentError: for two values of one key.
        """
        self._check(table)
        pairs = list(self.dataset.as_numpy_iterator())
        keys, values = (
            eager_constant(np.array([p[i] for p in pairs], t.as_numpy_dtype), t)
            for i, t in enumerate((self.key_dtype, self.value_dtype))
        )
        lookup.KeyValueTensorInitializer(keys, values).initialize(table)


def _default_of(dtype: Any) -> Any:
    if dtype.is_integer:
        return -1
    if dtype is dtypes.string:
        return ""
    raise ValueError(explain(f"Give a `default_value` for values of {dtype!r}."))


@public("data.experimental.table_from_dataset")
def table_from_dataset(
    dataset: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: Any = None,
    hasher_spec: HasherSpec = FAST_HASH,
    key_dtype: Any = dtypes.string,
    name: str | None = None,
) -> Any:
    """Return a table of the pairs (key, value) of a dataset.

    Args:
      dataset: its elements are pairs of scalars.
      num_oov_buckets: how many numbers there are for other keys, by their hash.
      vocab_size: how many pairs are taken; None: all.
      default_value: the value of other keys, without buckets: -1 or "" where None.
      hasher_spec: "fasthash".
      key_dtype: the element type of the keys that are looked up.
      name: the table's name.

    Raises:
      ValueError: the dataset is missing or has other elements, or a number is below its least.
      TypeError: the keys are of another type.

    >>> pairs = tf.data.Dataset.from_tensor_slices((["a", "b"], [5, 6]))
    >>> tf.data.experimental.table_from_dataset(pairs).lookup(tf.constant(["b", "c"])).numpy().tolist()
    [6, -1]
    """
    if not isinstance(dataset, Dataset):
        raise ValueError(explain(f"`dataset` must be a tf.data.Dataset, got {dataset}."))
    keys, values = _pair_of(dataset)
    if num_oov_buckets < 0:
        raise ValueError(explain(f"`num_oov_buckets` must be greater than or equal to 0, got {num_oov_buckets}."))
    if vocab_size is not None and vocab_size < 1:
        raise ValueError(explain(f"`vocab_size` must be greater than 0, got {vocab_size}."))
    if as_dtype(key_dtype) is not keys.dtype and not (as_dtype(key_dtype).is_integer and keys.dtype.is_integer):
        raise TypeError(explain(f"The keys of the dataset are {keys.dtype!r}, `key_dtype` is {key_dtype!r}."))
    if hasher_spec.hasher != "fasthash":
        raise ValueError(explain(f"hasher_spec is {hasher_spec};", 'only "fasthash" is there'))
    initializer = DatasetInitializer(dataset if vocab_size is None else dataset.take(vocab_size))
    if num_oov_buckets:
        return lookup.StaticVocabularyTable(initializer, num_oov_buckets, as_dtype(key_dtype), name)
    missing = _default_of(values.dtype) if default_value is None else default_value
    return lookup.StaticHashTable(initializer, missing, name)


@public("data.experimental.index_table_from_dataset", "compat.v1.data.experimental.index_table_from_dataset")
def index_table_from_dataset(
    dataset: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: Any = -1,
    hasher_spec: HasherSpec = FAST_HASH,
    key_dtype: Any = dtypes.string,
    name: str | None = None,
) -> Any:
    """Return a table from the elements of a dataset to their numbers, from 0 on; see `table_from_dataset`.

    >>> words = tf.data.Dataset.from_tensor_slices(["emerson", "lake"])
    >>> tf.data.experimental.index_table_from_dataset(words).lookup(tf.constant(["lake", "king"])).numpy().tolist()
    [1, -1]
    """
    if not isinstance(dataset, Dataset):
        raise ValueError(explain(f"`dataset` must be a tf.data.Dataset, got {dataset}."))
    pairs = dataset.enumerate().map(lambda number, key: (key, number))
    return table_from_dataset(pairs, num_oov_buckets, vocab_size, default_value, hasher_spec, key_dtype, name)
