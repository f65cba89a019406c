"""Multiply before a loop, all at once, what its turns would multiply one by one: elements of a list with what no turn changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from millstream.base.sizes import evaluate
from millstream.program.primitives.linear import DOT
from millstream.program.primitives.lists import FROM_TENSOR, GET, list_from_tensor
from millstream.program.value import Node, Program, Value, building

MOST_ROWS = 512
"""Products of more rows gain nothing from being joined."""
MOST_GROWTH = 16
"""How many times larger than the list that is there anyway the list of products may be."""


def lift_products(
    result: Program, body: Program, condition: Program, outer: Sequence[Value], carried: int
) -> list[Value]:
    """Replace products in `body` by elements of a list of products, made in `result`; return the new inputs of the loop."""
    place: dict[Value, Value] = dict(zip(body.inputs[carried:], outer[carried:], strict=True))
    added: list[Value] = []
    for node in body.nodes:
        whole = _elements(node, place)
        if whole is None:
            continue
        with building(result):
            products = _multiply(result, whole, node, place[node.inputs[1]])
        assert node.inputs[0].node is not None
        index = node.inputs[0].node.inputs[1]
        held = body.input(products.spec)
        condition.input(products.spec)
        added.append(products)
        node.definition, node.inputs = GET, (held, index)
        node.attributes = {"element": node.outputs[0].spec.with_value(None)}
    return added


def _elements(node: Node, place: Mapping[Value, Value]) -> Value | None:
    """Return the tensor whose parts `node` multiplies, one in each turn, with what no turn changes; None for other nodes."""
    if node.definition is not DOT or node.attributes["batch"][0] or node.inputs[1] not in place:
        return None
    x, product = node.inputs[0], node.outputs[0].spec
    taken = x.node
    if taken is None or taken.definition is not GET or taken.inputs[0] not in place:
        return None
    made_by = place[taken.inputs[0]].node
    if made_by is None or made_by.definition is not FROM_TENSOR:
        return None
    whole, over = made_by.inputs[0], node.attributes["contract"][0]
    if not (x.spec.is_static and product.is_static and node.inputs[1].spec.is_static and whole.spec.is_static):
        return None
    size, most = evaluate(product.count or 0), MOST_GROWTH * evaluate(x.spec.count or 0)
    rows = x.shape[: x.rank - len(over)]
    is_last = tuple(over) == tuple(range(len(rows), x.rank))
    return whole if is_last and size <= most and prod(rows) <= MOST_ROWS and whole.shape[1:] == x.shape else None  # type: ignore[arg-type]


def _multiply(result: Program, whole: Value, node: Node, y: Value) -> Value:
    """Return the list of the products of all parts of `whole`, as one product with all their rows."""
    over = node.attributes["contract"]
    attributes = {"contract": (tuple(i + 1 for i in over[0]), over[1]), "batch": ((), ())}
    # As it stands, transposed or not: the list holds `whole` anyway, and all its rows lie side by side.
    (products,) = Program.emit(result, DOT, (whole, y), attributes)
    return list_from_tensor(products)
