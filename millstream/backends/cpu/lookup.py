"""Write the instructions of hash tables."""

from __future__ import annotations

from millstream.backends.cpu.emitters import emits, simple
from millstream.backends.cpu.movement import with_words
from millstream.compiler.plan import BINDING, HEAP, FunctionWriter
from millstream.program.value import Node


@emits("table_new")
def _new(node: Node, writer: FunctionWriter) -> None:
    a = node.attributes
    words = [a["key"].as_datatype_enum, a["value"].as_datatype_enum, int(a["filled_once"]), *a["shape"]]
    writer.places[node.outputs[0]] = writer.slot(node.outputs[0].spec, HEAP)
    writer.instruction("table_new", [writer.place(v) for v in node.inputs], [writer.places[node.outputs[0]]], words)


def _deciding(name: str) -> None:
    def emitter(node: Node, writer: FunctionWriter) -> None:
        for value in node.outputs:
            writer.places[value] = writer.slot(value.spec, HEAP, 0, BINDING)
        writer.instruction(name, [writer.place(v) for v in node.inputs], [writer.places[v] for v in node.outputs])

    emits(name)(emitter)


_deciding("table_find")
_deciding("table_export")
with_words("table_insert", lambda n: (int(n.attributes["clear"]),))
simple("table_remove")
simple("table_size")
with_words("table_read", lambda n: tuple(n.attributes[k] for k in ("key", "value", "count", "offset")))
