"""tf.io: whole files as strings, and the paths that match patterns. Eagerly at once, in graphs when they run."""

from __future__ import annotations

import os
from typing import Any

from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.files import local_path
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.variable import Variable
from millstream.ops import files


@public("io.read_file")
def read_file(filename: Any, name: str | None = None) -> Any:
    """Return all that a file holds.

    Args:
      filename: a scalar string.

    Returns:
      A scalar string.

    Raises:
      tf.errors.NotFoundError, tf.errors.PermissionDeniedError: when it runs.

    >>> path = os.path.join(tempfile.mkdtemp(), "x")
    >>> tf.io.write_file(path, "abc")
    >>> tf.io.read_file(path).numpy()
    b'abc'
    """
    return apply(files.read_file, to_tensor(filename, dtypes.string))


@public("io.write_file")
def write_file(filename: Any, contents: Any, name: str | None = None) -> Any:
    """Write a file, in place of one that is there. Missing directories are made.

    Args:
      filename: a scalar string.
      contents: a scalar string.

    Raises:
      tf.errors.PermissionDeniedError, tf.errors.FailedPreconditionError: when it runs.
    """
    return apply(files.write_file, to_tensor(filename, dtypes.string), to_tensor(contents, dtypes.string))


@public("io.matching_files")
def matching_files(pattern: Any, name: str | None = None) -> Any:
    """Return the paths that match patterns, sorted; a path that matches two of them comes twice.

    Args:
      pattern: a scalar, or a vector of strings; see `tf.io.gfile.glob`.

    Returns:
      A vector of strings.
    """
    return apply(files.matching_files, to_tensor(pattern, dtypes.string))


@public("io.match_filenames_once")
def match_filenames_once(pattern: Any, name: str | None = None) -> Any:
    """Return the paths that match patterns now, as a variable."""
    return Variable(matching_files(pattern), trainable=False, validate_shape=False, name=name)


@public("io.write_graph")
def write_graph(graph_or_graph_def: Any, logdir: Any, name: str, as_text: bool = True) -> str:
    """Write a graph's definition to a file.

    Args:
      graph_or_graph_def: a graph that has `as_graph_def`, or a GraphDef message.
      logdir: the directory; made where it is missing.
      name: the file's name in it.
      as_text: whether it is written as text.

    Returns:
      The path.
    """
    made = graph_or_graph_def.as_graph_def() if hasattr(graph_or_graph_def, "as_graph_def") else graph_or_graph_def
    if not hasattr(made, "SerializeToString"):
        raise TypeError(f"graph_or_graph_def must be a graph or a GraphDef message, not {type(made).__name__}.")
    path = os.path.join(local_path(logdir), name)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "wb") as file:
        file.write(str(made).encode() if as_text else made.SerializeToString(deterministic=True))
    return path
