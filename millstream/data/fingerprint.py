"""A number for a pipeline: equal for equal stages, values and functions. Equal numbers do not prove equal elements."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, nest
from millstream.data.stage import Stage
from millstream.execution.tensor import EagerTensor, eager_from_array
from millstream.program.printer import to_text

_NAMES_AND_LINES = re.compile(r"'__inference_[^']*'|  # [^\n]*")
"""What differs between two traces of one function: the number in its name, and the user's lines."""


def digest_of(stage: Stage) -> bytes:
    """Return 8 bytes that name a pipeline."""
    digest = hashlib.blake2b(digest_size=8)
    _add(digest, stage)
    return digest.digest()


def _add(digest: Any, stage: Stage) -> None:
    digest.update(f"{stage.name}({stage.spec!r}".encode())
    for name, value in sorted(stage.values.items()):
        digest.update(name.encode())
        for leaf in nest.flatten(value):
            digest.update(runtime.pack_tensors([leaf]) if isinstance(leaf, EagerTensor) else repr(leaf).encode())
    for function in stage.functions:
        digest.update(_NAMES_AND_LINES.sub("", to_text(function.concrete.graph.program)).encode())
    for before in stage.inputs:
        _add(digest, before)
    digest.update(b")")


def fingerprint_of(stage: Stage) -> Any:
    """Return the number as a uint64 scalar."""
    return eager_from_array(np.frombuffer(digest_of(stage), np.uint64)[0], dtypes.uint64)
