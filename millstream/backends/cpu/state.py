"""Write the instructions that read and write variables."""

from __future__ import annotations

from millstream.backends.cpu.emitters import emits, simple
from millstream.compiler.plan import HEAP, FunctionWriter
from millstream.program.value import Node

simple("is_set", "state_is_set")


@emits("read")
def _read(node: Node, writer: FunctionWriter) -> None:
    value = node.outputs[0]
    writer.places[value] = writer.slot(value.spec, HEAP)
    writer.instruction("state_read", [writer.place(node.inputs[0])], [writer.places[value]])


@emits("write")
def _write(node: Node, writer: FunctionWriter) -> None:
    handle, value = (writer.place(v) for v in node.inputs)
    writer.instruction("state_write", [handle, value], [])
