"""Where readers stand, as bytes: JSON in which tensors and bytes stand in base 64. Reading it runs nothing."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import errors
from millstream.base.trace_types import installed
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.tensor import EagerTensor

VERSION = 1


def to_bytes(state: Any) -> bytes:
    """Return a state of numbers, texts, bytes, tensors, and lists of them."""
    return json.dumps([VERSION, _encoded(state)]).encode()


def from_bytes(data: bytes) -> Any:
    """Return what `to_bytes` was given, tuples as lists."""
    try:
        version, state = json.loads(data)
    except (ValueError, TypeError):
        raise errors.DataLossError(
            None, None, "The state of an iterator is damaged: it is no JSON of two parts."
        ) from None
    if version != VERSION:
        raise errors.DataLossError(
            None, None, f"The state of an iterator has version {version}; this is version {VERSION}."
        )
    return _decoded(state)


def _encoded(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (list, tuple)):
        return [_encoded(v) for v in value]
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, EagerTensor):
        return {"tensor": base64.b64encode(runtime.pack_tensors([value])).decode()}
    if isinstance(value, SparseTensor):
        return {"sparse": [_encoded(p) for p in (value.indices, value.values, value.dense_shape)]}
    if hasattr(value, "nested_row_splits"):
        return {"ragged": [_encoded(value.flat_values), [_encoded(s) for s in value.nested_row_splits]]}
    raise errors.UnimplementedError(
        None,
        None,
        f"The state of an iterator that holds {type(value).__name__} cannot be saved; save the number of elements read.",
    )


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(v) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, rest),) = value.items()
    if kind == "bytes":
        return base64.b64decode(rest)
    if kind == "tensor":
        return runtime.unpack_tensors(base64.b64decode(rest))[0]
    parts = _decoded(rest)
    if kind == "sparse":
        return SparseTensor(*parts)
    return installed("RaggedTensor").from_nested_row_splits(parts[0], parts[1], validate=False)
