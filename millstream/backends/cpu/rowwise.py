"""Keep softmax and cross entropy whole: one kernel over the rows instead of chains and reductions."""

from __future__ import annotations

from millstream.backends.cpu.emitters import claims, simple
from millstream.base import dtypes
from millstream.program.value import Node

_FLOATS = (dtypes.float32, dtypes.float64, dtypes.float16, dtypes.bfloat16)


def _has_rows(node: Node) -> bool:
    spec = node.inputs[0].spec
    return spec.dtype in _FLOATS and spec.shape is not None and len(spec.shape) > 0


def _has_rows_of_labels(node: Node) -> bool:
    return _has_rows(node) and node.inputs[0].spec.shape == node.inputs[1].spec.shape


for _op, _kernel, _claim in (
    ("Softmax", "softmax", _has_rows),
    ("LogSoftmax", "log_softmax", _has_rows),
    ("SoftmaxCrossEntropyWithLogits", "softmax_cross_entropy", _has_rows_of_labels),
    ("SparseSoftmaxCrossEntropyWithLogits", "sparse_softmax_cross_entropy", _has_rows),
):
    claims(_op)(_claim)
    simple(_op, _kernel)
simple("softmax_gradient")
simple("log_softmax_gradient")
