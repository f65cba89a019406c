"""tf.debugging.enable_check_numerics: each op's results are looked at for NaN and infinity, eagerly and in functions traced meanwhile.

Ops that only move or choose elements are left out: what they give was there before.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import errors
from millstream.execution import dispatch, tape
from millstream.execution.dispatch import Definition
from millstream.ops.special_math import check_numerics

_SAFE = frozenset(
    """
    Concat ConcatV2 ExpandDims Fill Gather GatherV2 Identity IdentityN Maximum Minimum Pack Reshape Slice Squeeze Stack
    StridedSlice StridedSliceGrad TensorListConcatV2 TensorListGather TensorListGetItem TensorListPopBack TensorListStack
    Transpose Unpack ReadVariableOp CheckNumerics Assert
    """.split()  # noqa: SIM905 - a list of words
)
_STATISTICS = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))
"""Of these only the first result is looked at: the others may be anything."""


class _State(threading.local):
    def __init__(self) -> None:
        self.watch: _Watch | None = None
        self.path_length: int | None = 50


_state = _State()


def _looked_at(definition: Definition, outputs: Sequence[Any]) -> list[int]:
    if definition.name in _SAFE:
        return []
    found = [i for i, t in enumerate(outputs) if t.dtype.is_floating and t.dtype.size > 1]
    return found[:1] if definition.name in _STATISTICS else found


def _head(definition: Definition, i: int, count: int, where: str, tensor: Any) -> str:
    return (
        f'!!! Detected Infinity or NaN in output {i} of {where} op "{definition.name}" (# of outputs: {count}) !!!\n'
        f"  dtype: {tensor.dtype}\n  shape: {tensor.shape}\n"
    )


def _inputs(inputs: Sequence[Any]) -> str:
    if len(inputs) == 1:
        return f"  Input tensor: {inputs[0]}\n"
    return f"  Input tensors ({len(inputs)}):\n" + "".join(f"         {i}: {t}\n" for i, t in enumerate(inputs))


def _place() -> str:
    line = errors.user_line()
    limit = _state.path_length
    path, colon, rest = line.rpartition(":")
    short = f"...{path[-limit:]}" if limit is not None and len(path) > limit else path
    return f"  Made at: {short}{colon}{rest}\n"


class _Watch(tape.Tape):
    """Is told of every eager call, as a tape is; follows nothing."""

    def __init__(self) -> None:
        super().__init__(watch_variables=False)

    def wants(self, tensor: Any) -> bool:
        """Return False: it needs no gradients."""
        return False

    def record(self, item: tape.Record) -> None:
        """Raise where a result is not finite."""
        for i in _looked_at(item.definition, item.outputs):
            tensor = item.outputs[i]
            array = np.asarray(tensor._array(), np.float64)
            if np.isfinite(array).all():
                continue
            lines = [
                f"  # of {name} elements: {count}\n"
                for name, count in (
                    ("-Inf", int(np.isneginf(array).sum())),
                    ("+Inf", int(np.isposinf(array).sum())),
                    ("NaN", int(np.isnan(array).sum())),
                )
                if count
            ]
            head = _head(item.definition, i, len(item.outputs), "eagerly-executing", tensor)
            text = f"\n{head}{''.join(lines)}{_inputs(item.inputs)}{_place()}"
            raise errors.InvalidArgumentError(None, None, text)


def _in_graph(graph: Any, definition: Definition, inputs: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
    """Return the results of a new node, checked when the graph runs."""
    if _state.watch is None:
        return outputs
    checked = list(outputs)
    for i in _looked_at(definition, outputs):
        head = _head(definition, i, len(outputs), "graph", outputs[i])
        message = f'\n{head}{_inputs(inputs)}  Graph name: "{graph.name}"\n{_place()}'
        checked[i] = graph.create(check_numerics, [outputs[i]], {"message": message})[0]
    return checked


def enable(path_length_limit: int | None) -> None:
    """Look at the results of all ops that this thread runs or traces from now on."""
    _state.path_length = path_length_limit
    if _state.watch is None:
        _state.watch = _Watch()
        tape.push(_state.watch)
    if _in_graph not in dispatch.inspectors:
        dispatch.inspectors.append(_in_graph)


def disable() -> None:
    """Look at results no more."""
    if _state.watch is not None:
        tape.pop(_state.watch)
        _state.watch = None
