"""Learn what symbols stand for, put that in their place, and say which ones a run of nodes cannot know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from millstream.base.sizes import Expression, Size, Symbol, is_known, substitute, symbols
from millstream.base.spec import Spec
from millstream.program.primitives.shaping import BIND_SIZES
from millstream.program.value import Node, Program, Value

DECIDED = frozenset(("element", "count", "total", "symbols", "outputs"))
"""Attributes that describe what a kernel decides when it runs, not what it is told."""


def free_symbols(inputs: Sequence[Value], nodes: Iterable[Node]) -> list[Symbol]:
    """Return the symbols that `nodes`, which start from `inputs`, use before anything says what they are."""
    bound = bound_symbols(inputs)
    free: dict[Symbol, None] = {}

    def use(found: frozenset[Symbol] | set[Symbol]) -> None:
        free.update((s, None) for s in sorted(found - bound, key=str) if s not in free)

    for value in inputs:
        use(_of_shape(value.spec) - bound)
    for node in nodes:
        for name, attribute in node.attributes.items():
            if name not in DECIDED:
                use(_of_attribute(attribute))
        if node.definition is BIND_SIZES:
            bound.update(node.attributes["symbols"])
        for value in node.outputs:
            bound.update(n for n in value.spec.shape or () if isinstance(n, Symbol) and n not in free)
        for value in node.outputs:
            use(_of_shape(value.spec))
    return list(free)


def bound_symbols(values: Iterable[Value]) -> set[Symbol]:
    """Return the symbols that are sizes of `values`: who has the values knows them."""
    return {n for v in values for n in v.spec.shape or () if isinstance(n, Symbol)}


def _of_shape(spec: Spec) -> frozenset[Symbol]:
    return frozenset().union(*(symbols(n) for n in spec.shape or ()))


def _of_attribute(attribute: Any) -> set[Symbol]:
    if isinstance(attribute, Expression):
        return set(symbols(attribute))
    if isinstance(attribute, Spec):
        return set(_of_shape(attribute))
    if isinstance(attribute, Program):
        return set(free_symbols(attribute.inputs, attribute.nodes))
    if isinstance(attribute, tuple):
        return {s for item in attribute for s in _of_attribute(item)}
    return set()


def substitute_attribute(value: Any, sizes: Mapping[Symbol, Size]) -> Any:
    """Return an attribute with symbols replaced by what they are here."""
    if isinstance(value, Expression):
        return substitute(value, sizes)
    if isinstance(value, tuple) and value:
        return tuple(substitute_attribute(v, sizes) for v in value)
    if isinstance(value, Spec):
        return value.substitute(sizes)
    return value


def unify(old: Spec, new: Spec, sizes: dict[Symbol, Size]) -> None:
    """Learn from two specs of one value what the symbols of the older one are."""
    if old.shape is not None and new.shape is not None and len(old.shape) == len(new.shape):
        for a, b in zip(old.shape, new.shape, strict=True):
            if isinstance(a, Symbol) and _says_more(b, sizes.get(a)):
                sizes[a] = b
    if old.value is not None and new.value is not None:
        olds = old.value if isinstance(old.value, tuple) else (old.value,)
        news = new.value if isinstance(new.value, tuple) else (new.value,)
        for a, b in zip(olds, news, strict=False):
            if isinstance(a, Symbol) and _says_more(b, sizes.get(a)):
                sizes[a] = b
    if old.handle is not None and new.handle is not None:
        unify(old.handle, new.handle, sizes)


def _says_more(new: Size, known: Size | None) -> bool:
    """Return whether a size is news: lists state their elements' sizes only when they are written."""
    return known is None or (is_known(new) and not is_known(known))
