"""Write the instructions on lists of tensors. Tensors taken out are heap values: they share the bytes that the list holds."""

from __future__ import annotations

from collections.abc import Sequence

from millstream.backends.cpu.emitters import Emitter, emits
from millstream.base.sizes import Size, is_known, symbols
from millstream.base.spec import Spec
from millstream.compiler.plan import BINDING, HEAP, FunctionWriter
from millstream.program.learned_sizes import bound_symbols
from millstream.program.value import Node, Value


def element_words(element: Spec) -> list[int]:
    """Return element sizes as attribute words: the rank, then each size; -1 where open."""
    if element.shape is None:
        return [-1]
    return [len(element.shape), *(n if is_known(n) else -1 for n in element.shape)]  # type: ignore[list-item]


def _taken(values: Sequence[Value], writer: FunctionWriter) -> list[int]:
    slots = []
    for value in values:
        writer.places[value] = writer.slot(value.spec, HEAP, 0, 0 if value.spec.is_static else BINDING)
        slots.append(writer.places[value])
    return slots


def _declare(name: str, words: Emitter | None) -> None:
    def emitter(node: Node, writer: FunctionWriter) -> None:
        attributes: list[Size] = words(node, writer) if words is not None else []  # type: ignore[func-returns-value,assignment]
        writer.instruction(name, [writer.place(v) for v in node.inputs], _taken(node.outputs, writer), attributes)

    emits(name)(emitter)


def _element(node: Node, _: FunctionWriter) -> list[int]:
    return element_words(node.attributes["element"])


def _stated(node: Node, writer: FunctionWriter) -> list[Size]:
    """Return element sizes that are known when the instruction runs, too: an element never set is zeros of these sizes."""
    element = node.attributes["element"]
    if element.shape is None or element.is_static:
        return [*element_words(element)]
    bound = bound_symbols(v for v in writer.places if v not in node.outputs)
    return [len(element.shape), *(n if symbols(n) <= bound else -1 for n in element.shape)]


def _typed(node: Node, _: FunctionWriter) -> list[int]:
    element = node.attributes["element"]
    return [element.dtype.as_datatype_enum, *element_words(element)]


def _counted(node: Node, _: FunctionWriter) -> list[int]:
    count = node.attributes["count"]
    return [count if is_known(count) else -1, *element_words(node.attributes["element"])]


for _name, _words in (
    ("list_empty", _typed),
    ("list_reserve", _typed),
    ("list_push", None),
    ("list_pop", _element),
    ("list_get", _stated),
    ("list_set", lambda node, writer: [1] if node.attributes["grow"] else []),
    ("list_stack", _counted),
    ("list_from_tensor", _element),
    ("list_gather", _element),
    ("list_scatter", _element),
    ("list_scatter_into", None),
    ("list_concat", _element),
    ("list_split", _element),
    ("list_resize", None),
):
    _declare(_name, _words)  # type: ignore[arg-type]


@emits("list_length")
def _length(node: Node, writer: FunctionWriter) -> None:
    writer.instruction("list_length", [writer.place(node.inputs[0])], [writer.place(node.outputs[0])])
