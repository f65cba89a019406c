"""Declare the ops that touch files. In loaded graphs they run where that is allowed only: `graph/file_ops.py`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import string
from millstream.base.files import local_path, matching, of_system
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.ops.declaration import Tensor, op
from millstream.program.primitives.control import host_function
from millstream.program.primitives.core import known_shape, refuse
from millstream.program.value import Value

_TEXT = Spec(dtypes.string, ())


def _scalar(what: str, name: str, value: Value) -> Value:
    if known_shape(value.spec):
        raise refuse(what, f"{name} tensor must be scalar, but had shape: {list(value.shape)}", "give one text")
    return value


def _read(name: Any) -> Sequence[Any]:
    path = local_path(name.item())
    try:
        with open(path, "rb") as file:
            return [np.asarray(file.read(), object)]
    except OSError as error:
        raise of_system(error, path) from None


def _write(name: Any, contents: Any) -> Sequence[Any]:
    path = local_path(name.item())
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "wb") as file:
            file.write(contents.item())
    except OSError as error:
        raise of_system(error, path) from None
    return []


def _match(pattern: Any) -> Sequence[Any]:
    found = sorted(os.fsencode(p) for text in pattern.ravel().tolist() for p in matching(local_path(text)))
    made = np.empty(len(found), object)
    made[:] = found
    return [made]


@op("ReadFile", outputs="contents", effects=True)
def read_file(filename: Tensor[string]) -> Tensor[string]:
    """Return all that a file holds."""
    return host_function(_read, [_scalar("ReadFile", "Input filename", filename)], [_TEXT])[0]


read_file.no_gradient()


@op("WriteFile", outputs=(), stateful=True)
def write_file(filename: Tensor[string], contents: Tensor[string]) -> None:
    """Write a file, in place of one that is there. Missing directories are made."""
    host_function(
        _write,
        [_scalar("WriteFile", "Input filename", filename), _scalar("WriteFile", "Contents", contents)],
        [],
    )


@op("MatchingFiles", outputs="filenames", effects=True)
def matching_files(pattern: Tensor[string]) -> Tensor[string]:
    """Return the paths that match patterns, sorted; a path that matches two of them comes twice."""
    if len(known_shape(pattern.spec)) > 1:
        raise refuse(
            "MatchingFiles",
            f"Input patterns tensor must be scalar or vector, but had shape: {list(pattern.shape)}",
            "give one pattern or a vector",
        )
    return host_function(_match, [pattern], [Spec(dtypes.string, (fresh_symbol("files"),))])[0]


matching_files.no_gradient()
