"""Declare the ops that show something or ask the machine when a graph runs: printing, and the time."""

from __future__ import annotations

import logging
import sys
import time

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import float64, string
from millstream.base.spec import Spec
from millstream.ops.declaration import Tensor, op
from millstream.program.primitives.control import host_function
from millstream.program.primitives.core import known_shape, refuse

STREAMS = ("stderr", "stdout")
_LEVELS = {
    "log(info)": logging.INFO,
    "log(warning)": logging.WARNING,
    "log(error)": logging.ERROR,
}


def write_to(stream: str, text: str) -> None:
    """Write to a stream by the name that graphs have for it; files are written at their end."""
    if stream in _LEVELS:
        logging.getLogger("millstream").log(_LEVELS[stream], text)
    elif stream in STREAMS:
        target = sys.stdout if stream == "stdout" else sys.stderr
        target.write(text)
        target.flush()
    else:
        with open(stream.removeprefix("file://"), "a", encoding="utf-8") as file:
            file.write(text)


@op("PrintV2", outputs=(), stateful=True)
def print_v2(input: Tensor[string], *, output_stream: str = "stderr", end: str = "\n") -> None:
    """Show a text."""
    if output_stream not in (*STREAMS, *_LEVELS) and not output_stream.startswith("file://"):
        names = ", ".join((*STREAMS, *_LEVELS))
        raise refuse(
            "PrintV2", f"output_stream={output_stream!r}", f"give one of {names}, or a path with file:// before it"
        )
    if known_shape(input.spec):
        raise refuse("PrintV2", f"input of shape {list(input.shape)}", "give one text")

    def show(text: np.ndarray) -> list[np.ndarray]:
        write_to(output_stream, text.item().decode(errors="backslashreplace") + end)
        return []

    host_function(show, [input], [])


@op("Timestamp", outputs="ts", stateful=True)
def timestamp() -> Tensor[float64]:
    """Return the seconds since 1970."""
    return host_function(lambda: [np.asarray(time.time())], [], [Spec(dtypes.float64, ())])[0]


timestamp.no_gradient()
