"""Write the instructions of sorting and searching."""

from __future__ import annotations

from millstream.backends.cpu.emitters import emits, simple
from millstream.backends.cpu.movement import with_words
from millstream.compiler.plan import BINDING, HEAP, FunctionWriter
from millstream.program.value import Node

with_words("sort", lambda n: (n.attributes["axis"], int(n.attributes["descending"]), 1))
simple("order_rows")
with_words("top_k", lambda n: (int(n.attributes["sorted"]),))
with_words("search_sorted", lambda n: (int(n.attributes["right"]),))


def _deciding(kernel: str) -> None:
    """Register a kernel that decides the sizes of its outputs."""

    def emitter(node: Node, writer: FunctionWriter) -> None:
        for value in node.outputs:
            writer.places[value] = writer.slot(value.spec, HEAP, 0, BINDING)
        writer.instruction(kernel, [writer.place(v) for v in node.inputs], [writer.places[v] for v in node.outputs])

    emits(kernel)(emitter)


_deciding("where")
_deciding("unique")
