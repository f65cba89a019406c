"""tf.raw_ops that write and read checkpoints by the names of tensors: SaveV2, RestoreV2, MergeV2Checkpoints and their kin.

In a traced function they write and read whenever it runs; what is read must then be there while it is traced, as the ranks
of its tensors are those of the file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.host import call_on_host
from millstream.execution.static_value import static_value
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.bundle_writer import BundleWriter
from millstream.saving.checkpoint.state import delete_files
from millstream.saving.checkpoint.values import Value, part_of
from millstream.saving.checkpoint.writing import text_of, write_values
from millstream.saving.version_1_checkpoint import open_checkpoint


def _texts(given: Any) -> list[str]:
    """Return a vector of texts that is known now."""
    known = static_value(given)
    if known is None:
        raise NotImplementedError(explain("The names of tensors in checkpoints must be constants."))
    return [text_of(text) for text in np.asarray(known, object).reshape(-1).tolist()]


def _as_long(what: str, given: Sequence[Any], names: Sequence[str]) -> None:
    if len(given) != len(names):
        raise errors.InvalidArgumentError(
            None, None, f"There are {len(names)} tensor_names and {len(given)} {what}; give one for each."
        )


@public("raw_ops.SaveV2")
def SaveV2(*, prefix: Any, tensor_names: Any, shape_and_slices: Any, tensors: Any, name: str | None = None) -> None:
    """Write tensors under names as one checkpoint.

    Args:
      prefix: where to, without endings.
      tensor_names: a name for each tensor.
      shape_and_slices: for each tensor an empty text, or the part of a larger one that it is, such as "10 2 0,5:-".
      tensors: what to write.
      name: accepted and not used.

    Raises:
      tf.errors.InvalidArgumentError: there are not as many names as tensors, or a part is none of its tensor.
    """
    names, parts = _texts(tensor_names), _texts(shape_and_slices)
    given = [to_tensor(t) for t in tensors]
    _as_long("shape_and_slices", parts, names)
    _as_long("tensors", given, names)

    def write(path: Any, *values: Any) -> list[Any]:
        triples = zip(names, parts, values, strict=True)
        write_values(text_of(path), [Value(key, part, tensor) for key, part, tensor in triples])
        return []

    call_on_host("SaveV2", write, [to_tensor(prefix, dtypes.string), *given])


@public("raw_ops.RestoreV2")
def RestoreV2(
    *, prefix: Any, tensor_names: Any, shape_and_slices: Any, dtypes: Any, name: str | None = None
) -> list[Any]:
    """Return tensors of a checkpoint, or parts of them.

    Args:
      prefix: the path of the checkpoint, without endings.
      tensor_names: the names of the tensors.
      shape_and_slices: for each an empty text, or the part that is wanted, such as "10 2 0,5:-".
      dtypes: their element types.
      name: accepted and not used.

    Raises:
      tf.errors.NotFoundError: there is no such checkpoint, or no tensor of a name.
      tf.errors.InvalidArgumentError: a tensor has another element type, or no such part.
      tf.errors.DataLossError: the checkpoint is damaged.
    """
    names, parts = _texts(tensor_names), _texts(shape_and_slices)
    kinds = [as_dtype(d) for d in dtypes]
    _as_long("shape_and_slices", parts, names)
    _as_long("dtypes", kinds, names)
    path = to_tensor(prefix)

    def read(given: Any) -> list[Any]:
        reader = open_checkpoint(text_of(given))
        for key, kind in zip(names, kinds, strict=True):
            have = reader.entry(key).dtype
            if have is not kind:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"tensor_name = {key}; expected dtype {kind.name} does not equal original dtype {have.name}",
                )
        return [reader.tensor(key, part_of(part)) for key, part in zip(names, parts, strict=True)]

    if current_graph() is None:
        return read(path)
    known = static_value(path)
    if known is None:
        raise NotImplementedError(
            explain(
                "RestoreV2 in a traced function needs a constant prefix: the ranks of tensors are those of the file."
            )
        )
    specs = [Spec(t.dtype, tuple(t.shape.as_list())) for t in read(np.asarray(known, object))]
    return call_on_host("RestoreV2", read, [path], specs)


@public("raw_ops.MergeV2Checkpoints")
def MergeV2Checkpoints(
    *,
    checkpoint_prefixes: Any,
    destination_prefix: Any,
    delete_old_dirs: bool = True,
    allow_missing_files: bool = False,
    name: str | None = None,
) -> None:
    """Write the tensors of several checkpoints as one, and delete those.

    Args:
      checkpoint_prefixes: the paths of the checkpoints.
      destination_prefix: where to.
      delete_old_dirs: whether their folders are deleted too, where nothing else is in them.
      allow_missing_files: whether checkpoints that are not there are passed over.
      name: accepted and not used.

    Raises:
      tf.errors.NotFoundError: a checkpoint is not there.
      tf.errors.InvalidArgumentError: two of them have a tensor of one name.
    """

    def merge(given: Any, destination: Any) -> list[Any]:
        paths = [text_of(p) for p in given.numpy().reshape(-1).tolist()]
        readers = []
        for path in paths:
            try:
                readers.append(BundleReader(path))
            except errors.NotFoundError:
                if not allow_missing_files:
                    raise
        if not readers:
            raise errors.InvalidArgumentError(None, None, f"There is nothing to merge under {paths}.")
        with BundleWriter(text_of(destination), len(readers)) as writer:
            for number, reader in enumerate(readers):
                _copy(reader, writer, number)
        for path in paths:
            delete_files(path)
            if delete_old_dirs:
                with suppress(OSError):
                    os.rmdir(os.path.dirname(path))
        return []

    inputs = [to_tensor(checkpoint_prefixes, dtypes.string), to_tensor(destination_prefix, dtypes.string)]
    call_on_host("MergeV2Checkpoints", merge, inputs)


def _copy(reader: BundleReader, writer: BundleWriter, shard: int) -> None:
    for key in reader.names:
        entry = reader.entry(key)
        for part in entry.parts or (None,):
            writer.add(key, reader.tensor(key, part), part, shard)


@public("raw_ops.ShardedFilename")
def ShardedFilename(*, basename: Any, shard: Any, num_shards: Any, name: str | None = None) -> Any:
    """Return the name of one of several files: `basename-00001-of-00003`.

    Args:
      basename: how it begins.
      shard: which one.
      num_shards: how many there are.
      name: accepted and not used.
    """

    def join(base: Any, number: Any, count: Any) -> list[Any]:
        return [to_tensor(f"{text_of(base)}-{int(number):05d}-of-{int(count):05d}")]

    inputs = [to_tensor(basename, dtypes.string), to_tensor(shard, dtypes.int32), to_tensor(num_shards, dtypes.int32)]
    return call_on_host("ShardedFilename", join, inputs, [Spec(dtypes.string, ())])[0]


@public("raw_ops.ShardedFilespec")
def ShardedFilespec(*, basename: Any, num_shards: Any, name: str | None = None) -> Any:
    """Return the pattern of the names of several files: `basename-?????-of-00003`.

    Args:
      basename: how they begin.
      num_shards: how many there are.
      name: accepted and not used.
    """

    def join(base: Any, count: Any) -> list[Any]:
        return [to_tensor(f"{text_of(base)}-?????-of-{int(count):05d}")]

    inputs = [to_tensor(basename, dtypes.string), to_tensor(num_shards, dtypes.int32)]
    return call_on_host("ShardedFilespec", join, inputs, [Spec(dtypes.string, ())])[0]


@public("raw_ops.RestoreSlice")
def RestoreSlice(
    *,
    file_pattern: Any,
    tensor_name: Any,
    shape_and_slice: Any,
    dt: Any,
    preferred_shard: int = -1,
    name: str | None = None,
) -> Any:
    """Return a part of a tensor of a checkpoint; see RestoreV2."""
    found = RestoreV2(prefix=file_pattern, tensor_names=[tensor_name], shape_and_slices=[shape_and_slice], dtypes=[dt])
    return found[0]


@public("raw_ops.Restore")
def Restore(*, file_pattern: Any, tensor_name: Any, dt: Any, preferred_shard: int = -1, name: str | None = None) -> Any:
    """Return a tensor of a checkpoint; see RestoreV2."""
    return RestoreV2(prefix=file_pattern, tensor_names=[tensor_name], shape_and_slices=[""], dtypes=[dt])[0]
