"""Write the instructions of matrix products."""

from __future__ import annotations

from millstream.backends.cpu.emitters import emits, emits_with_tail
from millstream.backends.cpu.tails import Tail
from millstream.compiler.plan import FunctionWriter
from millstream.program.value import Node


@emits("dot")
def _dot(node: Node, writer: FunctionWriter) -> None:
    _dot_with_tail(node, Tail(node.outputs[0]), writer)


@emits_with_tail("dot")
def _dot_with_tail(node: Node, tail: Tail, writer: FunctionWriter) -> None:
    contract, batch = node.attributes["contract"], node.attributes["batch"]
    order = range(node.outputs[0].rank) if tail.permutation is None else tail.permutation
    attributes = [len(batch[0]), len(contract[0]), 0, tail.activation, 0]
    attributes += [*batch[0], *batch[1], *contract[0], *contract[1], *order]
    x, y = (writer.place(v) for v in node.inputs)
    bias = -1 if tail.bias is None else writer.place(tail.bias)
    inputs = [x, y, bias]
    if tail.addend is not None:
        inputs.append(writer.place(tail.addend))
    writer.instruction("dot", inputs, [writer.place(tail.output)], attributes)
