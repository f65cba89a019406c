"""Write the instructions that move and cut arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from millstream.backends.cpu.emitters import emits, simple
from millstream.base.sizes import Size
from millstream.compiler.plan import FunctionWriter
from millstream.program.value import Node


def with_words(name: str, words: Callable[[Node], Iterable[Size]], kernel: str | None = None) -> None:
    """Register a primitive that is one kernel of the same operands, with attribute words taken from its attributes."""

    def emitter(node: Node, writer: FunctionWriter) -> None:
        inputs = [writer.place(v) for v in node.inputs]
        writer.instruction(kernel or name, inputs, [writer.place(v) for v in node.outputs], words(node))

    emits(name)(emitter)


@emits("bitcast")
@emits("assume_shape")
@emits("reshape")
def _reshape(node: Node, writer: FunctionWriter) -> None:
    writer.alias(node.outputs[0], writer.place(node.inputs[0]))


with_words("transpose", lambda n: n.attributes["permutation"])
with_words("slice", lambda n: (*n.attributes["start"], *n.attributes["limit"], *n.attributes["stride"]))
with_words("pad", lambda n: (*n.attributes["low"], *n.attributes["high"], *n.attributes["interior"]))
with_words("concatenate", lambda n: (n.attributes["axis"],))
with_words("reverse", lambda n: n.attributes["axes"])
with_words("broadcast", lambda n: n.attributes["axes"])
with_words("dynamic_slice", lambda n: (1,) if n.attributes.get("within") else ())
simple("dynamic_update_slice")
