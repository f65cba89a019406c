"""Write the instructions that pick and place rows."""

from __future__ import annotations

from millstream.backends.cpu.emitters import emits
from millstream.backends.cpu.movement import with_words
from millstream.backends.cpu.state import KINDS
from millstream.compiler.plan import FunctionWriter
from millstream.program.value import Node

with_words("gather", lambda n: (n.attributes["axis"], n.attributes["batch_axes"]))
with_words("gather_nd", lambda n: (n.attributes["batch_axes"],))


@emits("scatter_nd")
def _scatter_nd(node: Node, writer: FunctionWriter) -> None:
    inputs = [writer.place(v) for v in node.inputs]
    writer.instruction("scatter_nd", inputs, [writer.place(node.outputs[0])], [KINDS[node.attributes["kind"]], 0])
