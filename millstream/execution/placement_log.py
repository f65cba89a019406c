"""tf.debugging.set_log_device_placement: one line to stderr for each op, with the device that it is placed on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

from millstream.execution import dispatch, tape
from millstream.execution.dispatch import Definition
from millstream.execution.tensor import CPU_NAME


class _State(threading.local):
    def __init__(self) -> None:
        self.log: _Log | None = None


_state = _State()


def _write(definition: Definition, how: str) -> None:
    print(f"{how} op {definition.name} in device {CPU_NAME}", file=sys.stderr)


class _Log(tape.Tape):
    """Is told of every eager call, as a tape is; follows nothing."""

    def __init__(self) -> None:
        super().__init__(watch_variables=False)

    def wants(self, tensor: Any) -> bool:
        """Return False: it needs no gradients."""
        return False

    def record(self, item: tape.Record) -> None:
        """Write the line of a call."""
        _write(item.definition, "Executing")


def _in_graph(graph: Any, definition: Definition, inputs: Sequence[Any], outputs: Sequence[Any]) -> Sequence[Any]:
    if _state.log is not None:
        _write(definition, "Placing")
    return outputs


def enable(wanted: bool) -> None:
    """Begin or end writing lines for what this thread runs and traces."""
    if wanted and _state.log is None:
        _state.log = _Log()
        tape.push(_state.log)
        if _in_graph not in dispatch.inspectors:
            dispatch.inspectors.append(_in_graph)
    elif not wanted and _state.log is not None:
        tape.pop(_state.log)
        _state.log = None


def enabled() -> bool:
    """Return whether lines are written for this thread."""
    return _state.log is not None
