"""Write the instructions that take strings apart, match patterns and read encodings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from millstream.backends.cpu.emitters import emits, simple
from millstream.backends.cpu.movement import with_words
from millstream.base.sizes import Size
from millstream.compiler.plan import BINDING, HEAP, FunctionWriter
from millstream.program.value import Node


def _signed(word: int) -> int:
    """Return the 64 bits of a word as a signed number."""
    return (word & (1 << 64) - 1 ^ 1 << 63) - (1 << 63)


def _deciding(name: str, words: Callable[[Node], Iterable[Size]]) -> None:
    """Register a kernel that decides the sizes of its outputs."""

    def emitter(node: Node, writer: FunctionWriter) -> None:
        for value in node.outputs:
            writer.places[value] = writer.slot(value.spec, HEAP, 0, BINDING)
        inputs, outputs = [writer.place(v) for v in node.inputs], [writer.places[v] for v in node.outputs]
        writer.instruction(name, inputs, outputs, words(node))

    emits(name)(emitter)


for _name in ("text_strip", "text_to_number", "text_older_hash", "text_join_rows", "text_join_segments"):
    simple(_name)
with_words("text_compare", lambda n: (int(n.attributes["differs"]),))
with_words("text_length", lambda n: (int(n.attributes["characters"]),))
with_words("text_case", lambda n: (int(n.attributes["upper"]),))
with_words("text_cut", lambda n: (int(n.attributes["characters"]),))
with_words("text_keyed_hash", lambda n: tuple(_signed(k) for k in n.attributes["key"]))
with_words("text_of_number", lambda n: tuple(n.attributes[k] for k in ("form", "precision", "width")))
_deciding("text_split", lambda n: (n.attributes["how"], n.attributes["most"]))
_deciding("text_ngrams", lambda n: (n.attributes["padding"], int(n.attributes["keep_short"]), *n.attributes["widths"]))


def _decoding(node: Node) -> tuple[int, ...]:
    return tuple(int(node.attributes[k]) for k in ("encoding", "on_error", "replacement", "control"))


# Of strings: all others are fused.
simple("select")
simple("text_matches")
with_words("text_replace", lambda n: (int(n.attributes["every"]),))
_deciding("text_decode", _decoding)
with_words("text_encode", lambda n: tuple(n.attributes[k] for k in ("encoding", "on_error", "replacement")))
with_words("text_transcode", lambda n: (*_decoding(n), n.attributes["target"]))
with_words("text_unicode_case", lambda n: (int(n.attributes["final_sigma"]),))
with_words("text_format", lambda n: (n.attributes["summarize"],))


def _text_words(text: bytes) -> list[int]:
    padded = text + bytes(-len(text) % 8)
    return [len(text), *(int.from_bytes(padded[i : i + 8], "little", signed=True) for i in range(0, len(padded), 8))]


def _csv_words(node: Node) -> tuple[int, ...]:
    a = node.attributes
    return (a["delimiter"][0], int(a["quotes"]), *_text_words(a["missing"]), *a["columns"])


def _examples_words(node: Node) -> tuple[int, ...]:
    dense, sparse = node.attributes["dense"], node.attributes["sparse"]
    keys = [word for key, _ in (*dense, *sparse) for word in _text_words(key)]
    return (len(dense), len(sparse), *keys, *(word for _, shape in dense for word in (len(shape), *shape)))


with_words("text_csv", _csv_words)
_deciding("text_examples", _examples_words)
_deciding("text_raw", lambda n: (int(n.attributes["little"]), n.attributes["length"]))
