"""Read checkpoints by the names of their tensors: tf.train.load_checkpoint, load_variable, list_variables."""

from __future__ import annotations

import os
from typing import Any

from millstream.api.public import public
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.base.messages import enumeration
from millstream.saving.checkpoint.state import latest_checkpoint
from millstream.saving.checkpoint.writing import text_of
from millstream.saving.version_1_checkpoint import open_checkpoint


class CheckpointReader:
    """The tensors of a checkpoint by name.

    Args:
      prefix: the path of the checkpoint, without endings.

    Raises:
      tf.errors.NotFoundError: there is none.
      tf.errors.DataLossError: it is damaged.
    """

    def __init__(self, prefix: Any) -> None:
        self._bundle = open_checkpoint(text_of(prefix))

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """Return the sizes of all tensors by name."""
        return {name: list(self._bundle.entry(name).shape) for name in self._bundle.names}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """Return the element types of all tensors by name."""
        return {name: self._bundle.entry(name).dtype for name in self._bundle.names}

    def has_tensor(self, tensor_str: Any) -> bool:
        """Return whether there is a tensor of a name."""
        return text_of(tensor_str) in self._bundle

    def get_tensor(self, tensor_str: Any) -> Any:
        """Return a tensor as a NumPy array, or as a scalar of NumPy; strings as bytes.

        Raises:
          tf.errors.NotFoundError: there is none of this name.
          tf.errors.DataLossError: it is damaged.
        """
        found = self._bundle.array(text_of(tensor_str))
        return found if found.shape else found[()]

    def debug_string(self) -> bytes:
        """Return the names, element types and sizes of all tensors, one in a line."""
        kinds = enumeration("DataType")
        found = [(name, self._bundle.entry(name)) for name in self._bundle.names]
        lines = [f"{name} ({kinds.Name(e.dtype.as_datatype_enum)}) {list(e.shape)}" for name, e in found]
        return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


@public("compat.v1.train.NewCheckpointReader")
def NewCheckpointReader(filepattern: Any) -> CheckpointReader:
    """Return what reads the checkpoint of a path.

    Args:
      filepattern: the path, without endings.

    Raises:
      tf.errors.NotFoundError: there is none.
    """
    return CheckpointReader(filepattern)


def checkpoint_path(given: Any) -> str | None:
    """Return the path of the checkpoint that a path or a folder means; None where a folder has none."""
    path = text_of(given)
    if os.path.isdir(path):
        return latest_checkpoint(path)
    if not path:
        raise ValueError(explain(f"Couldn't find 'checkpoint' file or checkpoints in given directory {path!r}"))
    return path


@public("train.load_checkpoint", "compat.v1.train.load_checkpoint")
def load_checkpoint(ckpt_dir_or_file: Any) -> CheckpointReader:
    """Return what reads a checkpoint by the names of its tensors: `get_tensor`, `has_tensor`, `get_variable_to_shape_map`.

    Args:
      ckpt_dir_or_file: the path of a checkpoint, or a folder, of which the latest one is meant.

    Raises:
      ValueError: the folder has none.
      tf.errors.NotFoundError: there is none of this path.

    >>> path = tf.train.Checkpoint(a=tf.Variable(1.0)).write(f"{tempfile.mkdtemp()}/one")
    >>> float(tf.train.load_checkpoint(path).get_tensor("a/.ATTRIBUTES/VARIABLE_VALUE"))
    1.0
    """
    path = checkpoint_path(ckpt_dir_or_file)
    if path is None:
        raise ValueError(
            explain(f"Couldn't find 'checkpoint' file or checkpoints in given directory {ckpt_dir_or_file}")
        )
    return CheckpointReader(path)


@public("train.load_variable", "compat.v1.train.load_variable")
def load_variable(ckpt_dir_or_file: Any, name: str) -> Any:
    """Return a tensor of a checkpoint as a NumPy array.

    Args:
      ckpt_dir_or_file: the path of a checkpoint, or a folder, of which the latest one is meant.
      name: the tensor's name; `:0` at its end is left out.

    Raises:
      tf.errors.NotFoundError: there is none of this name.
    """
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


@public("train.list_variables", "compat.v1.train.list_variables")
def list_variables(ckpt_dir_or_file: Any) -> list[tuple[str, list[int]]]:
    """Return the names and sizes of all tensors of a checkpoint, sorted.

    Args:
      ckpt_dir_or_file: the path of a checkpoint, or a folder, of which the latest one is meant.
    """
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())
