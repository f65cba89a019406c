"""State what flows back through softmax and log_softmax along the last axis: each one kernel instead of a chain."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive
from millstream.program.primitives.elementwise import exp
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import spread
from millstream.program.value import Value, emit


def _wide(function: Any) -> Any:
    def meaning(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
        narrow = dy.dtype.itemsize == 2
        a, b = (dy.astype(np.float32), y.astype(np.float32)) if narrow else (dy, y)
        with np.errstate(all="ignore"):
            return np.asarray(function(a, b)).astype(dy.dtype)

    return meaning


def _total(x: Value) -> Value:
    last = (x.rank - 1,)
    return spread(reduce(x, "sum", last), like=x, axes=last)


def _softmax_reverse(g: Value, dx: Value, dy: Value, y: Value) -> tuple[Value, Value]:
    return softmax_gradient(g, y), g * (dy - _total(dy * y)) - dy * _total(g * y)


def _log_reverse(g: Value, dx: Value, dy: Value, y: Value) -> tuple[Value, Value]:
    p = exp(y)
    return g - _total(g * p), -(g * p) * _total(dy)


def _infer(dy: Spec, y: Spec) -> Spec:
    return Spec(y.dtype, known_shape(y))


SOFTMAX_GRADIENT = primitive(
    "softmax_gradient", _infer, _wide(lambda dy, y: (dy - np.sum(dy * y, -1, keepdims=True)) * y), _softmax_reverse
)
LOG_SOFTMAX_GRADIENT = primitive(
    "log_softmax_gradient", _infer, _wide(lambda dy, y: dy - np.exp(y) * np.sum(dy, -1, keepdims=True)), _log_reverse
)


def softmax_gradient(dy: Value, y: Value) -> Value:
    """Return (dy - sum(dy * y)) * y, the sum along the last axis."""
    return emit(SOFTMAX_GRADIENT, dy, y)[0]


def log_softmax_gradient(dy: Value, y: Value) -> Value:
    """Return dy - exp(y) * sum(dy), the sum along the last axis."""
    return emit(LOG_SOFTMAX_GRADIENT, dy, y)[0]
