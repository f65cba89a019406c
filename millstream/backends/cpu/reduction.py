"""Write the instructions of reductions and running totals."""

from __future__ import annotations

from millstream.backends.cpu.movement import with_words
from millstream.backends.cpu.tile_program import KINDS
from millstream.program.value import Node

_CUMULATIVE = {"sum": 1, "product": 2, "max": 3, "min": 4, "logsumexp": 5}


def _cumulative_words(node: Node) -> tuple[int, ...]:
    a = node.attributes
    return _CUMULATIVE[a["kind"]], a["axis"], int(a["exclusive"]), int(a["reverse"])


with_words("reduce", lambda n: (KINDS[n.attributes["kind"]], *n.attributes["axes"]))
with_words("arg_reduce", lambda n: (KINDS[n.attributes["kind"]], n.attributes["axis"]))
with_words("cumulative", _cumulative_words)
