"""tf.lookup: tables from keys to values, filled once from tensors or files, or changed at will. Keys are scalars."""

from __future__ import annotations

from typing import Any

from millstream.api.lookup_saving import buckets_of, held_in
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.execution.autotrackable import AutoTrackable
from millstream.execution.context import current_graph, init_scope
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.lifting import lifted
from millstream.execution.ragged_structure import RaggedStructure
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor, eager_constant
from millstream.execution.trackable_resource import Asset, TrackableResource
from millstream.ops import lookup as ops
from millstream.ops import strings as string_ops
from millstream.ops.registry import find


def _at_once(value: Any, dtype: DType | None = None) -> Any:
    """Return a value as an eager tensor: tables live outside all graphs."""
    tensor = to_tensor(value, dtype)
    return lifted(tensor) if isinstance(tensor, SymbolicTensor) else tensor


def _each(function: Any, keys: Any) -> Any:
    """Return function(keys) for dense, sparse and ragged keys."""
    if isinstance(keys, SparseTensor):
        return SparseTensor(keys.indices, function(keys.values), keys.dense_shape)
    if isinstance(keys, RaggedStructure):
        return keys.with_flat_values(function(keys.flat_values))  # type: ignore[attr-defined]
    return function(keys)


def _check_key_type(keys: Any, wanted: DType) -> None:
    if as_dtype(keys.dtype) != wanted:
        raise TypeError(explain(f"Dtype of argument `keys` must be {wanted}, received: {keys.dtype}"))


def _as_keys(keys: Any, dtype: DType) -> Any:
    return keys if isinstance(keys, (Tensor, SparseTensor, RaggedStructure)) else to_tensor(keys, dtype)


@public("lookup.TextFileIndex", "compat.v1.lookup.TextFileIndex")
class TextFileIndex:
    """Which part of a line of a text file is meant: WHOLE_LINE, LINE_NUMBER, or the number of a column from 0 on."""

    WHOLE_LINE = -2
    LINE_NUMBER = -1


class TableInitializerBase(AutoTrackable):
    """What fills a table once."""

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype, self._value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)

    @property
    def key_dtype(self) -> DType:
        """The element type of the keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """The element type of the values."""
        return self._value_dtype

    def initialize(self, table: Any) -> Any:
        """Fill the table."""
        raise NotImplementedError(explain(f"{type(self).__name__} does not say how to fill a table."))

    def _check(self, table: Any) -> None:
        for name, wanted in (("key", self._key_dtype), ("value", self._value_dtype)):
            have = as_dtype(getattr(table, f"{name}_dtype"))
            if have != wanted:
                raise TypeError(explain(f"Invalid {name} dtype for table, expected {wanted} but got {have}."))


@public("lookup.KeyValueTensorInitializer", "compat.v1.lookup.KeyValueTensorInitializer")
class KeyValueTensorInitializer(TableInitializerBase):
    """Fills a table with keys and their values.

    Args:
      keys: a vector of keys, each once.
      values: as many values.
      key_dtype, value_dtype: the element types, those of the tensors without them.
      name: accepted and not used.

    >>> start = tf.lookup.KeyValueTensorInitializer(["a", "b"], [7, 11])
    >>> tf.lookup.StaticHashTable(start, default_value=-1).lookup(tf.constant(["b", "z"])).numpy().tolist()
    [11, -1]
    """

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ) -> None:
        with init_scope():
            self._keys = _at_once(keys, None if key_dtype is None else as_dtype(key_dtype))
            self._values = _at_once(values, None if value_dtype is None else as_dtype(value_dtype))
        super().__init__(self._keys.dtype, self._values.dtype)

    def initialize(self, table: Any) -> Any:
        """Fill the table; in the graph of a session, an operation that does.

        Raises:
          TypeError: where the element types are not those of the table.
          InvalidArgumentError: for two values of one key, or more of the ones than of the others.
        """
        self._check(table)
        return apply(ops.initialize_table, table.resource_handle, self._keys, self._values)


@public("lookup.TextFileInitializer", "compat.v1.lookup.TextFileInitializer")
class TextFileInitializer(TableInitializerBase):
    r"""Fills a table from the lines of a text file.

    Args:
      filename: a string or scalar tensor.
      key_dtype: the element type of the keys.
      key_index: which column they are in, or TextFileIndex.WHOLE_LINE or LINE_NUMBER.
      value_dtype: the element type of the values.
      value_index: which column they are in.
      vocab_size: how many lines to take, all without it.
      delimiter: what stands between columns.
      name: accepted and not used.
      value_index_offset: what is added to line numbers.

    Raises:
      ValueError: for a column below -2, or element types that do not go with whole lines and line numbers.
    """

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
        value_index_offset: int = 0,
    ) -> None:
        if not isinstance(filename, Tensor) and not filename:
            raise ValueError(explain("`filename` argument required for tf.lookup.TextFileInitializer"))
        super().__init__(key_dtype, value_dtype)
        for name_, index, dtype in (("key", key_index, self._key_dtype), ("value", value_index, self._value_dtype)):
            if index < -2:
                raise ValueError(explain(f"`{name_}_index` should be >= -2, received: {index}."))
            if index == TextFileIndex.LINE_NUMBER and dtype != dtypes.int64:
                raise ValueError(
                    explain(f"`{name_}_dtype` must be int64 if `{name_}_index` is {index}, received: {dtype}")
                )
            if (
                index == TextFileIndex.WHOLE_LINE
                and dtype != dtypes.string
                and (name_ == "value" or not dtype.is_integer)
            ):
                raise ValueError(
                    explain(f"`{name_}_dtype` must be string if `{name_}_index` is {index}, received: {dtype}")
                )
        if vocab_size is not None and vocab_size <= 0:
            raise ValueError(explain(f"`vocab_size` should be > 0, received: {vocab_size}"))
        with init_scope():
            self._file = Asset(_at_once(filename, dtypes.string))
        self._columns = (key_index, value_index)
        self._vocab_size, self._delimiter, self._offset = vocab_size, delimiter, value_index_offset

    def initialize(self, table: Any) -> Any:
        """Fill the table; in the graph of a session, an operation that does.

        Raises:
          TypeError: where the element types are not those of the table.
          NotFoundError: where there is no such file.
          InvalidArgumentError: for lines with too few columns, text that is no number, too few lines.
        """
        self._check(table)
        key, value = self._columns
        path, graph = self._file.asset_path, current_graph()
        if graph is not None and not graph.building_function:
            # What goes with a saved model of version 1.
            graph.add_to_collection("asset_filepaths", path)
        return apply(
            ops.initialize_table_from_text_file,
            table.resource_handle,
            path,
            key_index=key,
            value_index=value,
            vocab_size=-1 if self._vocab_size is None else self._vocab_size,
            delimiter=self._delimiter,
            offset=self._offset,
        )


class _Table(AutoTrackable, TrackableResource):
    """A table of the runtime, and what all kinds of tables do."""

    _key_dtype: DType
    _value_dtype: DType
    _resource_handle: Any
    _default_value: Any
    _name: str

    @property
    def key_dtype(self) -> DType:
        """The element type of the keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """The element type of the values."""
        return self._value_dtype

    @property
    def name(self) -> str:
        """The name of the table."""
        return self._name

    @property
    def resource_handle(self) -> Any:
        """The handle of the table in the runtime."""
        return self._resource_handle

    def __getitem__(self, keys: Any) -> Any:
        """Return the values of keys."""
        return self.lookup(keys)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """Return the values of keys, dense, sparse or ragged; the default value where a key is not there.

        Raises:
          TypeError: where the keys are not of the table's key type.
        """
        keys = _as_keys(keys, self._key_dtype)
        _check_key_type(keys, self._key_dtype)
        return _each(lambda flat: apply(ops.lookup_table_find, self._resource_handle, flat, self._default_value), keys)

    def size(self, name: str | None = None) -> Any:
        """Return the number of keys, int64."""
        return apply(ops.lookup_table_size, self._resource_handle)

    def export(self, name: str | None = None) -> tuple[Any, Any]:
        """Return all keys and their values, in the order in which the keys came."""
        types = {"Tkeys": self._key_dtype, "Tvalues": self._value_dtype}
        keys, values = apply(ops.lookup_table_export, self._resource_handle, **types)
        return keys, values


@public("lookup.StaticHashTable")
class StaticHashTable(_Table):
    """A table that is filled once, when it is made.

    Args:
      initializer: what fills it, such as tf.lookup.KeyValueTensorInitializer.
      default_value: the value of keys that are not there.
      name: the table's name.
      experimental_is_anonymous: accepted and not used: all tables are without shared names.

    >>> start = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), tf.constant([7, 11]))
    >>> table = tf.lookup.StaticHashTable(start, default_value=-1)
    >>> int(table[tf.constant("a")]), int(table.size())
    (7, 2)
    """

    def __init__(
        self, initializer: Any, default_value: Any, name: str | None = None, experimental_is_anonymous: bool = False
    ) -> None:
        self._initializer = initializer
        self._key_dtype, self._value_dtype = as_dtype(initializer.key_dtype), as_dtype(initializer.value_dtype)
        self._name = name or "hash_table"
        with init_scope():
            self._default_value = _at_once(default_value, self._value_dtype)
            self._default_value.shape.assert_has_rank(0)
            self._resource_handle = self._create_resource()
            self._init_op = self._initialize()
            if self._init_op is not None:
                self._init_op.graph.add_to_collection("table_initializer", self._init_op)

    def _create_resource(self) -> Any:
        return apply(ops.hash_table, key_dtype=self._key_dtype, value_dtype=self._value_dtype)

    def _initialize(self) -> Any:
        return self._initializer.initialize(self)

    @property
    def default_value(self) -> Any:
        """The value of keys that are not there."""
        return self._default_value


@public("compat.v1.lookup.StaticHashTable")
class _StaticHashTableV1(StaticHashTable):
    """A table that is filled once, when it is made."""

    @property
    def initializer(self) -> Any:
        """What fills the table: nothing is left to do."""
        return self._init_op


@public("lookup.StaticVocabularyTable")
class StaticVocabularyTable(AutoTrackable):
    """Numbers of words: those of a vocabulary, and for all other words one of a few numbers behind them, by their hash.

    Args:
      initializer: fills the vocabulary, with int64 values from 0 on; None for none.
      num_oov_buckets: how many numbers there are for other words, at least 1.
      lookup_key_dtype: the element type of the keys, with an initializer of strings also integers.
      name: the table's name.
      experimental_is_anonymous: accepted and not used.

    Raises:
      ValueError: for no buckets.
      TypeError: for element types that do not go together.

    >>> start = tf.lookup.KeyValueTensorInitializer(["emerson", "lake"], tf.constant([0, 1], tf.int64))
    >>> table = tf.lookup.StaticVocabularyTable(start, num_oov_buckets=1)
    >>> table.lookup(tf.constant(["lake", "king"])).numpy().tolist()
    [1, 2]
    """

    def __init__(
        self,
        initializer: Any,
        num_oov_buckets: int,
        lookup_key_dtype: Any = None,
        name: str | None = None,
        experimental_is_anonymous: bool = False,
    ) -> None:
        if initializer is None and num_oov_buckets <= 0:
            raise ValueError(explain("`num_oov_buckets` must be > 0 if no `initializer` is supplied."))
        if initializer is not None:
            if num_oov_buckets <= 0:
                raise ValueError(
                    explain(f"`num_oov_buckets` must be > 0; use tf.lookup.StaticHashTable. Got {num_oov_buckets}.")
                )
            if initializer.key_dtype not in (dtypes.int64, dtypes.string):
                raise TypeError(
                    explain(f"Invalid `key_dtype`, expected int64 or string but got {initializer.key_dtype}.")
                )
            lookup_key_dtype = initializer.key_dtype if lookup_key_dtype is None else as_dtype(lookup_key_dtype)
            if initializer.key_dtype.is_integer != lookup_key_dtype.is_integer and not lookup_key_dtype.is_integer:
                raise TypeError(explain(f"Invalid `key_dtype`, expected integer but got {lookup_key_dtype}."))
            if initializer.value_dtype != dtypes.int64:
                raise TypeError(
                    explain(f"Invalid `value_dtype`, expected {dtypes.int64} but got {initializer.value_dtype}.")
                )
        self._table = None if initializer is None else StaticHashTable(initializer, -1)
        self._key_dtype = dtypes.string if lookup_key_dtype is None else as_dtype(lookup_key_dtype)
        self._num_oov_buckets = num_oov_buckets
        self._name = name or "hash_table"

    @property
    def key_dtype(self) -> DType:
        """The element type of the keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """The element type of the numbers: int64."""
        return dtypes.int64

    @property
    def name(self) -> str:
        """The name of the table."""
        return self._name

    @property
    def resource_handle(self) -> Any:
        """The handle of the vocabulary in the runtime; None without a vocabulary."""
        return None if self._table is None else self._table.resource_handle

    def size(self, name: str | None = None) -> Any:
        """Return how many numbers there are: words and buckets, int64."""
        buckets = to_tensor(self._num_oov_buckets, dtypes.int64)
        return buckets if self._table is None else self._table.size() + buckets

    def __getitem__(self, keys: Any) -> Any:
        """Return the numbers of keys."""
        return self.lookup(keys)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """Return the numbers of keys, dense, sparse or ragged.

        Raises:
          TypeError: where the keys are not of the table's key type.
        """
        keys = _as_keys(keys, self._key_dtype)
        _check_key_type(keys, self._key_dtype)
        return _each(self._numbers, keys)

    def _numbers(self, keys: Any) -> Any:
        table = self._table
        known = keys
        if table is not None and table.key_dtype != keys.dtype:
            known = apply(find("Cast"), keys, DstT=table.key_dtype)
        words = keys if keys.dtype == dtypes.string else apply(string_ops.as_string, keys)
        buckets = apply(string_ops.string_to_hash_bucket_fast, words, num_buckets=self._num_oov_buckets)
        if table is None:
            return buckets
        numbers = table.lookup(known)
        there = apply(find("NotEqual"), numbers, table.default_value)
        return apply(find("SelectV2"), there, numbers, buckets + table.size())


@public("compat.v1.lookup.StaticVocabularyTable")
class _StaticVocabularyTableV1(StaticVocabularyTable):
    """Numbers of words: those of a vocabulary, and others by their hash."""

    @property
    def initializer(self) -> Any:
        """What fills the vocabulary: nothing is left to do."""
        return None


class _Changing(_Table):
    """What tables that may change do."""

    _saved_name = "table"

    def _initialize(self) -> None:
        """Fill a new table of this kind with what this one holds now."""
        with init_scope():
            keys, values = self.export()
        apply(ops.lookup_table_import, self._resource_handle, keys, values)

    def _serialize_to_tensors(self) -> dict[str, Any]:
        keys, values = self.export()
        return {"-keys": keys, "-values": values}

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> None:
        apply(ops.lookup_table_import, self._resource_handle, restored_tensors["-keys"], restored_tensors["-values"])

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Any:
        """Add keys with their values, or replace the values.

        Raises:
          TypeError: where the element types are not the table's.
          InvalidArgumentError: where there are not as many values as keys.
        """
        keys = to_tensor(keys, self._key_dtype)
        _check_key_type(keys, self._key_dtype)
        return apply(ops.lookup_table_insert, self._resource_handle, keys, to_tensor(values, self._value_dtype))

    def remove(self, keys: Any, name: str | None = None) -> Any:
        """Remove keys; those that are not there are passed over.

        Raises:
          TypeError: where the keys are not of the table's key type.
        """
        if not isinstance(keys, Tensor):
            keys = to_tensor(keys, self._key_dtype)
        _check_key_type(keys, self._key_dtype)
        return apply(ops.lookup_table_remove, self._resource_handle, keys)


@public("lookup.experimental.MutableHashTable", "compat.v1.lookup.experimental.MutableHashTable")
class MutableHashTable(_Changing):
    """A table that may change.

    Args:
      key_dtype, value_dtype: the element types.
      default_value: the value of keys that are not there; its shape is that of all values.
      name: the table's name.
      checkpoint: accepted and not used: checkpoints of an object that holds the table hold what is in it.
      experimental_is_anonymous: accepted and not used.

    >>> table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, default_value=-1)
    >>> table.insert(["a", "b"], [1, 2])
    >>> table.lookup(["b", "z"]).numpy().tolist()
    [2, -1]
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: str = "MutableHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ) -> None:
        self._key_dtype, self._value_dtype, self._name = as_dtype(key_dtype), as_dtype(value_dtype), name
        with init_scope():
            self._default_value = _at_once(default_value, self._value_dtype)
            self._resource_handle = self._create_resource()

    def _create_resource(self) -> Any:
        types = {"key_dtype": self._key_dtype, "value_dtype": self._value_dtype}
        shape = tuple(self._default_value.shape.as_list())
        if not shape:
            return apply(ops.mutable_hash_table, **types)
        return apply(ops.mutable_hash_table_of_tensors, **types, value_shape=shape)

    def lookup(  # type: ignore[override]
        self, keys: Any, dynamic_default_values: Any = None, name: str | None = None
    ) -> Any:
        """Return the values of keys, dense, sparse or ragged.

        Args:
          keys: of the table's key type.
          dynamic_default_values: a value for each key, for those that are not there, in place of the default.
          name: accepted and not used.

        Raises:
          TypeError: where the keys are not of the table's key type.
        """
        if dynamic_default_values is None:
            return super().lookup(keys)
        keys = _as_keys(keys, self._key_dtype)
        _check_key_type(keys, self._key_dtype)
        defaults = to_tensor(dynamic_default_values, self._value_dtype)
        return _each(lambda flat: apply(ops.lookup_table_find, self._resource_handle, flat, defaults), keys)


@public("lookup.experimental.DenseHashTable", "compat.v1.lookup.experimental.DenseHashTable")
class DenseHashTable(_Changing):
    """A table that may change, in which two keys mean "empty" and "deleted" and may not be used.

    Args:
      key_dtype, value_dtype: the element types.
      default_value: the value of keys that are not there; its shape is that of all values.
      empty_key, deleted_key: two different scalars that are never looked up.
      initial_num_buckets: a power of 2; the table grows as needed.
      name: the table's name.
      checkpoint: accepted and not used: checkpoints of an object that holds the table hold what is in it.
      experimental_is_anonymous: accepted and not used.

    Raises:
      InvalidArgumentError: for keys that are not scalars, which Millstream does not support.

    >>> table = tf.lookup.experimental.DenseHashTable(
    ...     tf.int64, tf.string, default_value="none", empty_key=-1, deleted_key=-2)
    >>> table.insert([1, 2], ["one", "two"])
    >>> table.lookup(tf.constant([2, 3], tf.int64)).numpy().tolist()
    [b'two', b'none']
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        empty_key: Any,
        deleted_key: Any,
        initial_num_buckets: int | None = None,
        name: str = "MutableDenseHashTable",
        checkpoint: bool = True,
        experimental_is_anonymous: bool = False,
    ) -> None:
        self._key_dtype, self._value_dtype, self._name = as_dtype(key_dtype), as_dtype(value_dtype), name
        with init_scope():
            self._default_value = _at_once(default_value, self._value_dtype)
            self._reserved = (_at_once(empty_key, self._key_dtype), _at_once(deleted_key, self._key_dtype))
            self._buckets = 131072 if initial_num_buckets is None else initial_num_buckets
            self._resource_handle = self._create_resource()

    def _create_resource(self) -> Any:
        return apply(
            ops.mutable_dense_hash_table,
            *self._reserved,
            value_dtype=self._value_dtype,
            value_shape=tuple(self._default_value.shape.as_list()),
            initial_num_buckets=self._buckets,
        )

    def _serialize_to_tensors(self) -> dict[str, Any]:
        keys, values = self.export()
        empty = self._reserved[0].numpy()
        return buckets_of(keys.numpy(), values.numpy(), empty, self._key_dtype, self._value_dtype, self._buckets)

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> None:
        reserved = tuple(key.numpy() for key in self._reserved)
        keys, values = held_in(restored_tensors, reserved, tuple(self._default_value.shape.as_list()))
        types = (eager_constant(keys, self._key_dtype), eager_constant(values, self._value_dtype))
        apply(ops.lookup_table_import, self._resource_handle, *types)

    def insert_or_assign(self, keys: Any, values: Any, name: str | None = None) -> Any:
        """Add keys with their values, or replace the values; see `insert`."""
        return self.insert(keys, values)

    def erase(self, keys: Any, name: str | None = None) -> Any:
        """Remove keys; see `remove`."""
        return self.remove(keys)
