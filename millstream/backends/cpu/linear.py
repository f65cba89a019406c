"""Write the instructions of matrix products."""

from __future__ import annotations

from millstream.backends.cpu.emitters import emits
from millstream.compiler.plan import FunctionWriter
from millstream.program.value import Node


@emits("dot")
def _dot(node: Node, writer: FunctionWriter) -> None:
    contract, batch = node.attributes["contract"], node.attributes["batch"]
    rank = node.outputs[0].rank
    attributes = [len(batch[0]), len(contract[0]), 0, 0, 0, *batch[0], *batch[1], *contract[0], *contract[1], *range(rank)]
    x, y = (writer.place(v) for v in node.inputs)
    writer.instruction("dot", [x, y, -1], [writer.place(node.outputs[0])], attributes)
