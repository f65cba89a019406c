"""State the primitives on lists of tensors (variants). They are values: a changed list is another one; back ends reuse bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, fresh_symbol, is_known
from millstream.base.spec import Spec
from millstream.program.primitives.core import primitive, refuse
from millstream.program.primitives.shaping import full
from millstream.program.value import UnknownRank, Value, emit


def list_spec(element: Spec) -> Spec:
    """Return the spec of a list of such elements."""
    return Spec(dtypes.variant, (), None, element)


def element_of(value: Value, element: Spec | None = None) -> Spec:
    """Return what is known of the elements of a list, and of `element`, together."""
    held = value.spec.handle
    if held is None:
        if element is None:
            raise refuse("list", str(value.spec), "give a list of tensors")
        return element
    if element is None:
        return held
    if element.dtype != held.dtype:
        raise refuse(
            "list", f"elements {element.dtype.name} of a list of {held.dtype.name}", "give the list's own element type"
        )
    if held.shape is None or element.shape is None:
        return Spec(held.dtype, element.shape if held.shape is None else held.shape, None, held.handle)
    if len(held.shape) != len(element.shape):
        raise refuse(
            "list", f"elements of shape {list(element.shape)}", f"the list holds elements of shape {list(held.shape)}"
        )
    return Spec(
        held.dtype,
        tuple(b if is_known(b) else a for a, b in zip(held.shape, element.shape, strict=True)),
        None,
        held.handle,
    )


def _same(value: Spec, *_: Any, **__: Any) -> Spec:
    return Spec(dtypes.variant, (), None, value.handle)


def taken(held: Spec, element: Spec) -> Spec:
    """Return the spec of an element taken out: what is said of it, and what the list knows besides."""
    known = held.handle
    if known is None or known.shape is None:
        return element
    if element.shape is None:
        return Spec(element.dtype, known.shape, None, element.handle)
    if len(known.shape) != len(element.shape):
        return element
    shape = tuple(b if is_known(b) and not is_known(a) else a for a, b in zip(element.shape, known.shape, strict=True))
    return Spec(element.dtype, shape, None, element.handle)


def list_zeros(value: Value) -> Value:
    """Return a list as long as `value` whose elements count as zeros."""
    assert value.spec.handle is not None
    return list_reserve(list_length(value), value.spec.handle)


def _zeros(value: Value) -> Value:
    return list_zeros(value) if value.dtype == dtypes.variant else full(value.shape, 0, value.dtype)


def _differentiable(element: Spec) -> bool:
    return element.dtype.is_floating or element.dtype.is_complex or element.dtype == dtypes.variant


EMPTY = primitive(
    "list_empty",
    lambda *most, element: list_spec(element),
    lambda *most, element: [],
    lambda dy, y, *most, element: (None,) * len(most),
)


def list_empty(element: Spec) -> Value:
    """Return a list without elements."""
    return emit(EMPTY, element=element)[0]


RESERVE = primitive(
    "list_reserve",
    lambda count, element: list_spec(element),
    lambda count, element: [None] * int(count),
    lambda dy, y, count, element: (None,),
)


def list_reserve(count: Value, element: Spec) -> Value:
    """Return a list of `count` elements that are not set yet."""
    return emit(RESERVE, count, element=element)[0]


PUSH = primitive(
    "list_push", _same, lambda held, x: [*held, x], lambda dy, y, held, x: list_pop(dy, x.spec.with_value(None))
)


def list_push(held: Value, x: Value) -> Value:
    """Return the list with `x` at its end."""
    return emit(PUSH, held, x)[0]


def _filled(x: Any, element: Spec) -> Any:
    if x is None:
        if not element.is_static:
            raise ValueError("An element that was never set has no known shape.")
        return np.zeros(element.shape or (), element.dtype.stored)
    return x


def _pop_reverse(dys: Any, ys: Any, held: Value, element: Spec) -> tuple[Value]:
    return (list_push(dys[0], dys[1]),)


POP = primitive(
    "list_pop",
    lambda held, element: (_same(held), taken(held, element)),
    lambda held, element: (held[:-1], _filled(held[-1], element)),
    _pop_reverse,
    outputs=2,
)


def list_pop(held: Value, element: Spec | None = None) -> tuple[Value, Value]:
    """Return the list without its last element, and that element."""
    rest, x = emit(POP, held, element=element_of(held, element))
    return rest, x


@dataclass(frozen=True)
class ListItem:
    """One element to be added at `index` of zeros like the list `of`."""

    index: Value
    value: Value
    of: Value


def _get_reverse(dy: Value, y: Value, held: Value, index: Value, element: Spec) -> tuple[Any, None]:
    return ListItem(index, dy, held), None


GET = primitive(
    "list_get",
    lambda held, index, element: element,
    lambda held, index, element: _filled(held[int(index)], element),
    _get_reverse,
)


def list_get(held: Value, index: Value, element: Spec | None = None) -> Value:
    """Return the element at `index`; one never set is zeros."""
    return emit(GET, held, index, element=element_of(held, element))[0]


def _set_meaning(held: list[Any], index: Any, x: Any, grow: bool) -> list[Any]:
    i = int(index)
    held = held + [None] * (i + 1 - len(held)) if grow else held
    return [*held[:i], x, *held[i + 1 :]]


def _set_reverse(dy: Value, y: Value, held: Value, index: Value, x: Value, grow: bool) -> tuple[Value, None, Value]:
    # Taken out first: then the list may change in place.
    taken = list_get(dy, index, x.spec.with_value(None))
    return list_set(dy, index, _zeros(x)), None, taken


SET = primitive("list_set", _same, _set_meaning, _set_reverse)


def list_set(held: Value, index: Value, x: Value, grow: bool = False) -> Value:
    """Return the list with `x` at `index`."""
    return emit(SET, held, index, x, grow=grow)[0]


def _stack_infer(held: Spec, element: Spec, count: Size) -> Spec:
    element = taken(held, element)
    if element.shape is None:
        return Spec(element.dtype, None)
    return Spec(element.dtype, (count, *element.shape))


STACK = primitive(
    "list_stack",
    _stack_infer,
    lambda held, element, count: (
        np.stack([_filled(x, element) for x in held]) if held else np.zeros((0, *element.shape), element.dtype.stored)
    ),
    lambda dy, y, held, element, count: (list_from_tensor(dy, held.spec.handle),),
)


def list_stack(held: Value, element: Spec | None = None, count: Size | None = None) -> Value:
    """Return all elements as one tensor."""
    return emit(STACK, held, element=element_of(held, element), count=fresh_symbol("n") if count is None else count)[0]


def _from_tensor_reverse(dy: Value, y: Value, x: Value, element: Spec) -> tuple[Value]:
    return (list_stack(dy, Spec(x.dtype, x.shape[1:]), x.shape[0]),)


FROM_TENSOR = primitive(
    "list_from_tensor", lambda x, element: list_spec(element), lambda x, element: list(x), _from_tensor_reverse
)


def list_from_tensor(x: Value, element: Spec | None = None) -> Value:
    """Return the list of the parts of `x` along its first axis."""
    if x.rank < 1:
        raise refuse("list_from_tensor", str(x.spec), "give a tensor of rank 1 or more")
    own = Spec(x.dtype, x.shape[1:])
    return emit(FROM_TENSOR, x, element=own)[0]


LENGTH = primitive(
    "list_length",
    lambda held: Spec(dtypes.int32, ()),
    lambda held: np.asarray(len(held), np.int32),
    lambda dy, y, held: (None,),
)


def list_length(held: Value) -> Value:
    """Return the number of elements, an int32 scalar."""
    return emit(LENGTH, held)[0]


def _count_of(indices: Spec) -> Size:
    if indices.shape is None:
        raise UnknownRank(f"The rank of {indices} is unknown here.")
    return indices.shape[0]


GATHER = primitive(
    "list_gather",
    lambda held, indices, element: Spec(
        element.dtype, None if element.shape is None else (_count_of(indices), *element.shape)
    ),
    lambda held, indices, element: (
        np.stack([_filled(held[i], element) for i in indices.tolist()])
        if len(indices)
        else np.zeros((0, *(element.shape or ())), element.dtype.stored)
    ),
    lambda dy, y, held, indices, element: (list_scatter(dy, indices, list_length(held), held.spec.handle), None),
)


def list_gather(held: Value, indices: Value, element: Spec | None = None) -> Value:
    """Return the elements at `indices` as one tensor."""
    return emit(GATHER, held, indices, element=element_of(held, element))[0]


def _scatter_meaning(x: Any, indices: Any, *count: Any, element: Spec) -> list[Any]:
    size = int(count[0]) if count and int(count[0]) >= 0 else int(indices.max(initial=-1)) + 1
    held: list[Any] = [None] * size
    for i, part in zip(indices.tolist(), x, strict=True):
        held[i] = part
    return held


SCATTER = primitive(
    "list_scatter",
    lambda x, indices, *count, element: list_spec(element),
    _scatter_meaning,
    lambda dy, y, x, indices, *count, element: (
        list_gather(dy, indices, Spec(x.dtype, x.shape[1:])),
        None,
        *(None for _ in count),
    ),
)


def list_scatter(x: Value, indices: Value, count: Value | None = None, element: Spec | None = None) -> Value:
    """Return the list with the parts of `x` at `indices`, `count` long or as long as needed."""
    own = Spec(x.dtype, x.shape[1:])
    extra = () if count is None else (count,)
    return emit(SCATTER, x, indices, *extra, element=own)[0]


def _scatter_into_meaning(held: Any, x: Any, indices: Any) -> list[Any]:
    result = list(held)
    for i, part in zip(indices.tolist(), x, strict=True):
        result[i] = part
    return result


SCATTER_INTO = primitive(
    "list_scatter_into",
    _same,
    _scatter_into_meaning,
    lambda dy, y, held, x, indices: (
        list_scatter_into(dy, full(x.shape, 0, x.dtype), indices),
        list_gather(dy, indices, Spec(x.dtype, x.shape[1:])),
        None,
    ),
)


def list_scatter_into(held: Value, x: Value, indices: Value) -> Value:
    """Return the list with the parts of `x` at `indices`."""
    return emit(SCATTER_INTO, held, x, indices)[0]


def _concat_infer(held: Spec, *lengths: Spec, element: Spec, total: Size, count: Size) -> tuple[Spec, Spec]:
    shape = None if element.shape is None else (total, *element.shape[1:])
    return Spec(element.dtype, shape), Spec(dtypes.int64, (count,))


def _concat_reverse(dys: Any, ys: Any, held: Value, *lengths: Value, **_: Any) -> tuple[Value | None, ...]:
    return (list_split(dys[0], ys[1], held.spec.handle), *(None for _ in lengths))


CONCAT = primitive(
    "list_concat",
    _concat_infer,
    lambda held, *lengths, element, total, count: (np.concatenate(held), np.asarray([len(x) for x in held], np.int64)),
    _concat_reverse,
    outputs=2,
)


def list_concat(held: Value, element: Spec | None = None, lengths: Value | None = None) -> tuple[Value, Value]:
    """Return the elements joined along their first axis, and the size of each along it."""
    extra = () if lengths is None else (lengths,)
    joined, sizes = emit(
        CONCAT, held, *extra, element=element_of(held, element), total=fresh_symbol("n"), count=fresh_symbol("n")
    )
    return joined, sizes


def _split_reverse(dy: Value, y: Value, x: Value, lengths: Value, element: Spec) -> tuple[Value, None]:
    from millstream.program.primitives.shaping import reshape

    return reshape(list_concat(dy, Spec(x.dtype, (fresh_symbol("n"), *x.shape[1:])), lengths)[0], x.shape), None


SPLIT = primitive(
    "list_split",
    lambda x, lengths, element: list_spec(element),
    lambda x, lengths, element: list(np.split(x, np.cumsum(lengths)[:-1])),
    _split_reverse,
)


def list_split(x: Value, lengths: Value, element: Spec | None = None) -> Value:
    """Return the list of the parts of `x` along its first axis that have these lengths."""
    own = Spec(x.dtype, (fresh_symbol("n"), *x.shape[1:]))
    return emit(SPLIT, x, lengths, element=own if element is None or element.shape is None else element)[0]


RESIZE = primitive(
    "list_resize",
    _same,
    lambda held, count: held[: int(count)] + [None] * (int(count) - len(held)),
    lambda dy, y, held, count: (list_resize(dy, list_length(held)), None),
)


def list_resize(held: Value, count: Value) -> Value:
    """Return the list cut or lengthened to `count` elements."""
    return emit(RESIZE, held, count)[0]


def list_add(a: Value, b: Value, element: Spec | None = None) -> Value:
    """Return the list of the sums of the elements of two lists of equal length; `element` is what else is known of them."""
    element = element_of(a, element_of(b, element))
    if element.dtype == dtypes.variant:
        raise refuse("list", "two adjoints of a list of lists", "use each list once")
    total = list_stack(a, element)
    other = emit(STACK, b, element=element, count=total.shape[0])[0]
    return list_from_tensor(total + other, element)


def is_list_of_numbers(spec: Spec) -> bool:
    """Return whether a value is a list that adjoints flow through."""
    return spec.dtype == dtypes.variant and spec.handle is not None and _differentiable(spec.handle)


def element_spec(dtype: DType, shape: tuple[Size, ...] | None, handle: Spec | None = None) -> Spec:
    """Return the spec of an element."""
    return Spec(dtype, shape, None, handle)
