"""Declare the ops of hash tables: making, filling, finding, removing, counting, taking all."""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import DType, int64
from millstream.base.dtypes import resource as RESOURCE
from millstream.base.spec import Spec
from millstream.ops.declaration import Tensor, Types, op
from millstream.ops.strings import text
from millstream.program.primitives import lookup as t
from millstream.program.primitives.core import refuse
from millstream.program.value import UnknownRank, Value

Key = Types("key_dtype")
Held = Types("value_dtype")
Tin = Types("Tin")
Tout = Types("Tout")
Tkey = Types("Tkey")
Tval = Types("Tval")
Tkeys = Types("Tkeys")
Tvalues = Types("Tvalues")
Shape = tuple[int, ...] | None


def _own(shared_name: str, what: str) -> None:
    """Refuse sharing where there is no session: sessions make what nodes refer to by name themselves."""
    if shared_name:
        raise refuse(
            what, f"shared_name={shared_name!r}", "tables are not shared by name: hand the table itself around"
        )


def _sizes(shape: Shape, what: str) -> tuple[int, ...]:
    sizes = () if shape is None else tuple(-1 if n is None else int(n) for n in shape)
    if any(n < 0 for n in sizes):
        raise refuse(what, f"value_shape={list(sizes)}", "give all sizes of a value")
    return sizes


def _shared_spec(*reserved: Spec, value_dtype: DType, value_shape: Shape = (), **_: Any) -> Spec:
    """Return the spec of a handle without running the body: a node in a graph may name what it shares."""
    return Spec(RESOURCE, (), None, Spec(value_dtype, _sizes(value_shape, "a table")))


def _made(
    key: DType, value: DType, shape: Shape, what: str, reserved: tuple[Value, ...] = (), once: bool = False
) -> Value:
    return t.new(reserved, key=key, value=value, shape=_sizes(shape, what), filled_once=once)


@op("HashTableV2", outputs="table_handle", stateful=True)
def hash_table(
    *,
    container: str = "",
    shared_name: str = "",
    use_node_name_sharing: bool = False,
    key_dtype: Key,
    value_dtype: Held,
) -> Tensor[RESOURCE]:
    """Make a table that is filled once."""
    _own(shared_name, "HashTableV2")
    return _made(key_dtype, value_dtype, (), "HashTableV2", once=True)  # type: ignore[arg-type]


@op("AnonymousHashTable", outputs="table_handle", stateful=True)
def anonymous_hash_table(*, key_dtype: Key, value_dtype: Held) -> Tensor[RESOURCE]:
    """Make a table that is filled once."""
    return _made(key_dtype, value_dtype, (), "AnonymousHashTable", once=True)  # type: ignore[arg-type]


@op("MutableHashTableV2", outputs="table_handle", stateful=True)
def mutable_hash_table(
    *,
    container: str = "",
    shared_name: str = "",
    use_node_name_sharing: bool = False,
    key_dtype: Key,
    value_dtype: Held,
) -> Tensor[RESOURCE]:
    """Make a table of scalars that may change."""
    _own(shared_name, "MutableHashTableV2")
    return _made(key_dtype, value_dtype, (), "MutableHashTableV2")  # type: ignore[arg-type]


@op("AnonymousMutableHashTable", outputs="table_handle", stateful=True)
def anonymous_mutable_hash_table(*, key_dtype: Key, value_dtype: Held) -> Tensor[RESOURCE]:
    """Make a table of scalars that may change."""
    return _made(key_dtype, value_dtype, (), "AnonymousMutableHashTable")  # type: ignore[arg-type]


@op("MutableHashTableOfTensorsV2", outputs="table_handle", stateful=True)
def mutable_hash_table_of_tensors(
    *,
    container: str = "",
    shared_name: str = "",
    use_node_name_sharing: bool = False,
    key_dtype: Key,
    value_dtype: Held,
    value_shape: Shape = (),
) -> Tensor[RESOURCE]:
    """Make a table of tensors that may change."""
    _own(shared_name, "MutableHashTableOfTensorsV2")
    return _made(key_dtype, value_dtype, value_shape, "MutableHashTableOfTensorsV2")  # type: ignore[arg-type]


@op("AnonymousMutableHashTableOfTensors", outputs="table_handle", stateful=True)
def anonymous_mutable_hash_table_of_tensors(
    *, key_dtype: Key, value_dtype: Held, value_shape: Shape = ()
) -> Tensor[RESOURCE]:
    """Make a table of tensors that may change."""
    return _made(key_dtype, value_dtype, value_shape, "AnonymousMutableHashTableOfTensors")  # type: ignore[arg-type]


@op("MutableDenseHashTableV2", outputs="table_handle", stateful=True)
def mutable_dense_hash_table(
    empty_key: Tensor[Key],
    deleted_key: Tensor[Key],
    *,
    container: str = "",
    shared_name: str = "",
    use_node_name_sharing: bool = False,
    value_dtype: Held,
    value_shape: Shape = (),
    initial_num_buckets: int = 131072,
    max_load_factor: float = 0.8,
) -> Tensor[RESOURCE]:
    """Make a table of tensors that may change, in which two keys may not be used."""
    _own(shared_name, "MutableDenseHashTableV2")
    return _dense(empty_key, deleted_key, value_dtype, value_shape, initial_num_buckets, "MutableDenseHashTableV2")  # type: ignore[arg-type]


@op("AnonymousMutableDenseHashTable", outputs="table_handle", stateful=True)
def anonymous_mutable_dense_hash_table(
    empty_key: Tensor[Key],
    deleted_key: Tensor[Key],
    *,
    value_dtype: Held,
    value_shape: Shape = (),
    initial_num_buckets: int = 131072,
    max_load_factor: float = 0.8,
) -> Tensor[RESOURCE]:
    """Make a table of tensors that may change, in which two keys may not be used."""
    return _dense(
        empty_key, deleted_key, value_dtype, value_shape, initial_num_buckets, "AnonymousMutableDenseHashTable"
    )  # type: ignore[arg-type]


def _dense(empty: Value, deleted: Value, value: DType, shape: Shape, buckets: int, what: str) -> Value:
    if empty.rank or deleted.rank:
        raise refuse(what, f"keys of shape {list(empty.shape)}", "give scalar keys: vectors as keys are not supported")
    if buckets < 1 or buckets & (buckets - 1):
        raise refuse(what, f"initial_num_buckets={buckets}", "Number of buckets must be at least 4 and a power of 2")
    return _made(empty.dtype, value, shape, what, (empty, deleted))


for _made_by_name in (hash_table, mutable_hash_table, mutable_hash_table_of_tensors, mutable_dense_hash_table):
    _made_by_name.shape(_shared_spec)


@op("InitializeTableV2", outputs=(), stateful=True)
def initialize_table(table_handle: Tensor[RESOURCE], keys: Tensor[Tkey], values: Tensor[Tval]) -> None:
    """Fill a table that is filled once."""
    if keys.rank == values.rank and keys.shape != values.shape and keys.spec.is_static and values.spec.is_static:
        raise refuse(
            "InitializeTableV2",
            f"keys and values of shapes {list(keys.shape)} and {list(values.shape)}",
            "Keys and values must have the same size",
        )
    t.insert(table_handle, keys, values, False)


@op("InitializeTableFromTextFileV2", outputs=(), stateful=True)
def initialize_table_from_text_file(
    table_handle: Tensor[RESOURCE],
    filename: Tensor[dtypes.string],
    *,
    key_index: int,
    value_index: int,
    vocab_size: int = -1,
    delimiter: str = "\t",
    offset: int = 0,
) -> None:
    """Fill a table from the lines of a file: column numbers, -1 for the line's number, -2 for the whole line."""
    t.read_file(
        table_handle, filename, text(delimiter), key=key_index, value=value_index, count=vocab_size, offset=offset
    )


@op("LookupTableFindV2", outputs="values", stateful=True)
def lookup_table_find(table_handle: Tensor[RESOURCE], keys: Tensor[Tin], default_value: Tensor[Tout]) -> Tensor[Tout]:
    """Return the values of keys, the default for keys that are not there."""
    if keys.spec.shape is None:
        raise UnknownRank("LookupTableFindV2: the rank of keys is unknown here.")
    return t.find(table_handle, keys, default_value)


@op("LookupTableInsertV2", outputs=(), stateful=True)
def lookup_table_insert(table_handle: Tensor[RESOURCE], keys: Tensor[Tin], values: Tensor[Tout]) -> None:
    """Add or replace values of keys."""
    t.insert(table_handle, keys, values, False)


@op("LookupTableImportV2", outputs=(), stateful=True)
def lookup_table_import(table_handle: Tensor[RESOURCE], keys: Tensor[Tin], values: Tensor[Tout]) -> None:
    """Make a table hold these keys and values, and no others."""
    t.insert(table_handle, keys, values, True)


@op("LookupTableRemoveV2", outputs=(), stateful=True)
def lookup_table_remove(table_handle: Tensor[RESOURCE], keys: Tensor[Tin]) -> None:
    """Remove keys that are there."""
    t.remove(table_handle, keys)


@op("LookupTableSizeV2", outputs="size", stateful=True)
def lookup_table_size(table_handle: Tensor[RESOURCE]) -> Tensor[int64]:
    """Return the number of keys."""
    return t.size(table_handle)


@op("LookupTableExportV2", outputs=("keys", "values"), stateful=True)
def lookup_table_export(
    table_handle: Tensor[RESOURCE], *, Tkeys: Tkeys, Tvalues: Tvalues
) -> tuple[Tensor["Tkeys"], Tensor["Tvalues"]]:
    """Return all keys and their values."""
    return t.export(table_handle, Tkeys, Tvalues)  # type: ignore[arg-type]


for _op in (
    hash_table,
    anonymous_hash_table,
    mutable_hash_table,
    anonymous_mutable_hash_table,
    mutable_hash_table_of_tensors,
    anonymous_mutable_hash_table_of_tensors,
    mutable_dense_hash_table,
    anonymous_mutable_dense_hash_table,
    initialize_table,
    initialize_table_from_text_file,
    lookup_table_find,
    lookup_table_insert,
    lookup_table_import,
    lookup_table_remove,
    lookup_table_size,
    lookup_table_export,
):
    _op.no_gradient()
