"""Write the instructions of kernels on boxes."""

from __future__ import annotations

from millstream.backends.cpu.emitters import emits, simple
from millstream.backends.cpu.movement import with_words
from millstream.compiler.plan import BINDING, HEAP, FunctionWriter, real_word
from millstream.program.value import Node


@emits("non_max_suppression")
def _non_max_suppression(node: Node, writer: FunctionWriter) -> None:
    for value in node.outputs:
        writer.places[value] = writer.slot(value.spec, HEAP, 0, BINDING)
    a = node.attributes
    inputs, outputs = [writer.place(v) for v in node.inputs], [writer.places[v] for v in node.outputs]
    writer.instruction("non_max_suppression", inputs, outputs, (int(a["overlaps"]), int(a["padded"] is not None)))


with_words(
    "combined_non_max_suppression", lambda n: (n.attributes["each"], n.attributes["total"], int(n.attributes["clip"]))
)
simple("draw_boxes")
with_words(
    "random_crop_box",
    lambda n: (
        *(real_word(v) for v in (*n.attributes["ratios"], *n.attributes["areas"])),
        n.attributes["attempts"],
        int(n.attributes["whole"]),
    ),
)
