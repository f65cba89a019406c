"""Functions of tf.experimental.numpy that move elements: shapes, joining, splitting, picking. They compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api import array as arrays
from millstream.api import picking
from millstream.api.experimental_numpy import (
    array_of,
    asarray,
    axis_of,
    common_type,
    convert,
    joined,
    known_rank,
    sizes_of,
)
from millstream.api.math import cast
from millstream.api.public import public
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.dispatch import apply
from millstream.execution.tensor import TensorType
from millstream.ops.registry import find

INT32, INT64, BOOL = as_dtype(np.int32), as_dtype(np.int64), as_dtype(np.bool_)


@public("experimental.numpy.shape")
def shape(a: Any) -> Any:
    """Return the sizes of the axes as a tuple; None for those not known while tracing."""
    return tuple(asarray(a).shape.as_list())


@public("experimental.numpy.ndim")
def ndim(a: Any) -> Any:
    """Return the number of axes."""
    given = asarray(a)
    return arrays.rank(given) if given.shape.rank is None else given.shape.rank


@public("experimental.numpy.size")
def size(x: Any, axis: Any = None) -> Any:
    """Return the number of elements: a Python number where it is known.

    Raises:
      NotImplementedError: for an axis.
    """
    if axis is not None:
        raise NotImplementedError(explain("axis argument is not supported in the current `np.size` implementation"))
    given = asarray(x)
    count = given.shape.num_elements()
    return arrays.size(given, INT32) if count is None else int(count)


@public("experimental.numpy.reshape")
def reshape(a: Any, newshape: Any, order: str = "C") -> Any:
    """Return the elements in another shape, read and written by rows ("C") or columns ("F")."""
    if order not in ("C", "F"):
        raise ValueError(explain(f"Unsupported order argument {order}"))
    given = asarray(a)
    if order == "C":
        return arrays.reshape(given, sizes_of(newshape))
    turned = arrays.reshape(arrays.transpose(given), arrays.reverse(sizes_of(newshape), [0]))
    return arrays.transpose(turned)


@public("experimental.numpy.ravel")
def ravel(a: Any) -> Any:
    """Return the elements as one vector."""
    return arrays.reshape(asarray(a), [-1])


@public("experimental.numpy.flatten")
def flatten(a: Any, order: str = "C") -> Any:
    """Return the elements as one vector, by rows ("C", also "A" and "K") or columns ("F")."""
    given = asarray(a)
    if order in ("C", "A", "K"):
        return arrays.reshape(given, [-1])
    if order == "F":
        return arrays.reshape(arrays.transpose(given), [-1])
    raise ValueError(explain(f"order can only be C, A, K (all row major) or F (column major). Got {order}."))


@public("experimental.numpy.squeeze")
def squeeze(a: Any, axis: Any = None) -> Any:
    """Return the array without its axes of size 1, or without those named."""
    return arrays.squeeze(asarray(a), axis)


@public("experimental.numpy.expand_dims")
def expand_dims(a: Any, axis: Any) -> Any:
    """Return the array with an axis of size 1 at place `axis`."""
    return arrays.expand_dims(asarray(a), axis)


@public("experimental.numpy.transpose")
def transpose(a: Any, axes: Any = None) -> Any:
    """Return the array with its axes in the order `axes`, turned around without it."""
    given = asarray(a)
    if axes is not None:
        axes = [axis_of(i, known_rank(given, "transpose")) for i in asarray(axes).numpy().tolist()]
    return arrays.transpose(given, axes)


@public("experimental.numpy.swapaxes")
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Return the array with two axes in each other's place."""
    given = asarray(a)
    rank = known_rank(given, "swapaxes")
    order = list(range(rank))
    one, other = axis_of(axis1, rank), axis_of(axis2, rank)
    order[one], order[other] = order[other], order[one]
    return arrays.transpose(given, order)


@public("experimental.numpy.moveaxis")
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Return the array with the axes `source` at the places `destination`, the others in their order."""
    given = asarray(a)
    rank = known_rank(given, "moveaxis")
    sources = [axis_of(i, rank) for i in _several(source)]
    places = [axis_of(i, rank) for i in _several(destination)]
    if len(sources) != len(places):
        raise ValueError(explain("The lengths of source and destination must equal"))
    order = [i for i in range(rank) if i not in sources]
    for place, one in sorted(zip(places, sources, strict=True)):
        order.insert(place, one)
    return arrays.transpose(given, order)


def _several(value: Any) -> list[int]:
    found = np.asarray(value)
    return [int(v) for v in found.reshape(-1)]


def _at_least(count: int, given: Any) -> Any:
    rank = known_rank(given, f"atleast_{count}d")
    if rank >= count:
        return given
    if count == 3:
        return arrays.reshape(given, [[1, 1, 1], [1, -1, 1], None][rank]) if rank < 2 else arrays.expand_dims(given, 2)
    return arrays.reshape(given, [1] * (count - rank) + [-1] * rank) if rank else arrays.reshape(given, [1] * count)


def _each(count: int, given: Sequence[Any]) -> Any:
    found = [_at_least(count, asarray(a)) for a in given]
    return found[0] if len(found) == 1 else found


@public("experimental.numpy.atleast_1d")
def atleast_1d(*arys: Any) -> Any:
    """Return the arrays, scalars as vectors of one element."""
    return _each(1, arys)


@public("experimental.numpy.atleast_2d")
def atleast_2d(*arys: Any) -> Any:
    """Return the arrays, those of fewer than two axes with axes of size 1 in front."""
    return _each(2, arys)


@public("experimental.numpy.atleast_3d")
def atleast_3d(*arys: Any) -> Any:
    """Return the arrays, those of fewer than three axes with axes of size 1 around."""
    return _each(3, arys)


@public("experimental.numpy.broadcast_to")
def broadcast_to(array: Any, shape: Any) -> Any:
    """Return the array, repeated to fill a shape."""
    return arrays.broadcast_to(asarray(array), sizes_of(shape))


@public("experimental.numpy.concatenate")
def concatenate(arys: Any, axis: Any = 0) -> Any:
    """Return the arrays one behind the other along an axis; flat with axis=None."""
    if not isinstance(arys, (list, tuple)):
        arys = [arys]
    if not arys:
        raise ValueError(explain("Need at least one array to concatenate."))
    given = joined(*arys)
    if axis is None:
        given, axis = [arrays.reshape(a, [-1]) for a in given], 0
    return arrays.concat(given, axis)


@public("experimental.numpy.stack")
def stack(arrays: Any, axis: int = 0) -> Any:
    """Return the arrays along a new axis."""
    if isinstance(arrays, TensorType):
        given = asarray(arrays)
        return given if axis == 0 else swapaxes(given, 0, axis)
    return apply(find("Pack"), joined(*arrays), axis=axis)


@public("experimental.numpy.hstack")
def hstack(tup: Any) -> Any:
    """Return the arrays side by side: along the second axis, vectors along the first."""
    given = joined(*(atleast_1d(a) for a in tup))
    return arrays.concat(given, 0 if given[0].shape.rank == 1 else 1)


@public("experimental.numpy.vstack")
def vstack(tup: Any) -> Any:
    """Return the arrays below each other: along the first axis, vectors as rows."""
    return arrays.concat(joined(*(atleast_2d(a) for a in tup)), 0)


@public("experimental.numpy.dstack")
def dstack(tup: Any) -> Any:
    """Return the arrays behind each other: along the third axis."""
    return arrays.concat(joined(*(atleast_3d(a) for a in tup)), 2)


@public("experimental.numpy.append")
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """Return `arr` with `values` behind it along an axis; both flat without one."""
    return concatenate([arr, values] if axis is not None else [asarray(arr), asarray(values)], axis)


@public("experimental.numpy.split")
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Return the parts of an array along an axis: so many of one size, or those between the given places."""
    given = asarray(ary)
    if isinstance(indices_or_sections, (int, np.integer)):
        count = int(indices_or_sections)
        total = given.shape[axis]
        if total is not None and total % count:
            raise ValueError(
                explain(f"num_split must evenly divide value.shape[axis]. Got {total} elements and {count} parts.")
            )
        return arrays.split(given, count, axis)
    total = given.shape[axis]
    if total is None:
        raise ValueError(explain("split at places needs an axis of known size; give it with tf.ensure_shape."))
    places = [slice(None, int(p)).indices(total)[1] for p in indices_or_sections]
    starts, ends = [0, *places], [*places, total]
    rank = known_rank(given, "split")
    found = []
    for start, end in zip(starts, ends, strict=True):
        begin, extent = [0] * rank, [-1] * rank
        begin[axis_of(axis, rank)], extent[axis_of(axis, rank)] = start, max(0, end - start)
        found.append(arrays.slice_(given, begin, extent))
    return found


@public("experimental.numpy.hsplit")
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Return the parts of an array along the second axis; of a vector, along the first."""
    given = asarray(ary)
    return split(given, indices_or_sections, 0 if known_rank(given, "hsplit") == 1 else 1)


@public("experimental.numpy.vsplit")
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Return the parts of an array along the first axis."""
    given = asarray(ary)
    if known_rank(given, "vsplit") < 2:
        raise ValueError(explain("vsplit only works on arrays of 2 or more dimensions"))
    return split(given, indices_or_sections, 0)


@public("experimental.numpy.dsplit")
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Return the parts of an array along the third axis."""
    given = asarray(ary)
    if known_rank(given, "dsplit") < 3:
        raise ValueError(explain("dsplit only works on arrays of 3 or more dimensions"))
    return split(given, indices_or_sections, 2)


@public("experimental.numpy.tile")
def tile(a: Any, reps: Any) -> Any:
    """Return the array repeated `reps` times along each axis."""
    given = asarray(a)
    counts = [int(n) for n in np.asarray(array_of(reps)).reshape(-1)]
    rank = known_rank(given, "tile")
    missing = len(counts) - rank
    if missing > 0:
        given = arrays.reshape(given, arrays.concat([np.ones(missing, np.int32), arrays.shape(given)], 0))
    return arrays.tile(given, [1] * max(0, -missing) + counts)


@public("experimental.numpy.repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """Return the array with each element, or each row along an axis, several times."""
    given = asarray(a)
    times = asarray(repeats)
    if not known_rank(given, "repeat"):
        given = arrays.reshape(given, [1])
    return picking.repeat(given, cast(times, INT32), axis)


@public("experimental.numpy.roll")
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """Return the array with its elements moved along an axis; what leaves at the end comes in at the front."""
    given = asarray(a)
    if axis is not None:
        return arrays.roll(given, shift, axis)
    return arrays.reshape(arrays.roll(arrays.reshape(given, [-1]), shift, 0), arrays.shape(given))


@public("experimental.numpy.flip")
def flip(m: Any, axis: Any = None) -> Any:
    """Return the array with its elements in reverse along an axis, or along all."""
    given = asarray(m)
    rank = known_rank(given, "flip")
    axes = list(range(rank)) if axis is None else [axis_of(i, rank) for i in _several(axis)]
    return arrays.reverse(given, axes) if axes else given


@public("experimental.numpy.flipud")
def flipud(m: Any) -> Any:
    """Return the array upside down."""
    return flip(m, 0)


@public("experimental.numpy.fliplr")
def fliplr(m: Any) -> Any:
    """Return the array with left and right exchanged."""
    return flip(m, 1)


@public("experimental.numpy.rot90")
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """Return the array turned k times by 90 degrees, from the first of two axes towards the second."""
    given = asarray(m)
    rank = known_rank(given, "rot90")
    first, second = (axis_of(i, rank) for i in _several(axes))
    turns = k % 4
    if turns == 0:
        return given
    if turns == 2:
        return flip(flip(given, first), second)
    if turns == 1:
        return swapaxes(flip(given, second), first, second)
    return flip(swapaxes(given, first, second), second)


@public("experimental.numpy.pad")
def pad(array: Any, pad_width: Any, mode: str, **kwargs: Any) -> Any:
    """Return the array with a border: of `constant_values`, or mirrored ("reflect", "symmetric").

    Args:
      array: what to pad.
      pad_width: for each axis, how many before and behind; one number or pair for all.
      mode: "constant", "reflect" or "symmetric".
      **kwargs: constant_values, 0 without it.
    """
    if mode not in ("constant", "reflect", "symmetric"):
        raise ValueError(explain(f"Unsupported padding mode: {mode}; give constant, reflect or symmetric."))
    given = asarray(array)
    rank = known_rank(given, "pad")
    widths = np.broadcast_to(np.asarray(array_of(pad_width)), (rank, 2)).astype(np.int32)
    value = kwargs.get("constant_values", 0)
    return arrays.pad(given, widths, mode, constant_values=convert(value, given.dtype))


@public("experimental.numpy.take")
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "clip") -> Any:
    """Return the elements, or rows along an axis, at `indices`. mode: "clip" or "wrap" places beyond the ends."""
    if out is not None:
        raise ValueError(explain("The out argument is not supported in take."))
    if mode not in ("raise", "clip", "wrap"):
        raise ValueError(explain(f"Invalid mode '{mode}' for take"))
    given, places = asarray(a), asarray(indices)
    if axis is None:
        given, axis = arrays.reshape(given, [-1]), 0
    count = cast(arrays.shape(given)[axis], places.dtype)
    if mode == "clip":
        places = apply(find("Minimum"), apply(find("Maximum"), places, 0), count - 1)
    elif mode == "wrap":
        places = apply(find("FloorMod"), places, count)
    else:
        raise ValueError(explain("mode='raise' is not supported in take; give clip or wrap."))
    return picking.gather(given, places, axis=axis)


@public("experimental.numpy.take_along_axis")
def take_along_axis(arr: Any, indices: Any, axis: Any) -> Any:
    """Return the elements at `indices` along an axis, each in its own row: what argsort gives puts in order."""
    given, places = asarray(arr), asarray(indices)
    if axis is None:
        given, places, axis = arrays.reshape(given, [-1]), arrays.reshape(places, [-1]), 0
    rank = known_rank(given, "take_along_axis")
    if places.shape.rank != rank:
        raise ValueError(explain("indices must have as many axes as the array"))
    last = rank - 1
    at = axis_of(axis, rank)
    given, places = swapaxes(given, at, last), swapaxes(places, at, last)
    sizes = apply(find("BroadcastArgs"), arrays.shape(given)[:-1], arrays.shape(places)[:-1])
    given = arrays.broadcast_to(given, arrays.concat([sizes, arrays.shape(given)[-1:]], 0))
    places = arrays.broadcast_to(places, arrays.concat([sizes, arrays.shape(places)[-1:]], 0))
    count = cast(arrays.shape(given)[-1], places.dtype)
    places = arrays.where(apply(find("Less"), places, 0), places + count, places)
    return swapaxes(picking.gather(given, places, batch_dims=last), at, last)


@public("experimental.numpy.where")
def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Return x where the condition holds and y elsewhere; without both, the places where it holds."""
    held = cast(asarray(condition), BOOL)
    if x is None and y is None:
        return nonzero(held)
    if x is None or y is None:
        raise ValueError(explain("Both x and y must be ndarrays, or both must be None."))
    first, second = joined(x, y)
    return arrays.where(held, first, second)


@public("experimental.numpy.nonzero")
def nonzero(a: Any) -> Any:
    """Return the places of what is not zero: for each axis, an int64 vector."""
    given = atleast_1d(a)
    if given.shape.rank is None:
        raise ValueError(explain("The rank of `a` is unknown, so we can't decide how many arrays to return."))
    return arrays.unstack(arrays.where(cast(given, BOOL)), given.shape.rank, axis=1)


@public("experimental.numpy.select")
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Return elements of the first choice whose condition holds, `default` where none does."""
    if len(condlist) != len(choicelist):
        raise ValueError(
            explain(
                f"condlist must have the same length as choicelist. Received {len(condlist)} and {len(choicelist)}."
            )
        )
    if not condlist:
        raise ValueError(explain("condlist must not be empty."))
    choices = [asarray(c) for c in choicelist]
    wanted = common_type(*choicelist, default)
    result = convert(default, wanted)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        result = arrays.where(cast(asarray(condition), BOOL), cast(choice, wanted), result)
    return result


@public("experimental.numpy.compress")
def compress(condition: Any, a: Any, axis: Any = None) -> Any:
    """Return the rows along an axis where the condition holds; of the flat array without one."""
    held, given = cast(asarray(condition), BOOL), asarray(a)
    if held.shape.rank not in (None, 1):
        raise ValueError(explain("condition must be a 1-d array."))
    if axis is None:
        given, axis = arrays.reshape(given, [-1]), 0
    places = arrays.reshape(arrays.where(held), [-1])
    return picking.gather(given, places, axis=axis)


@public("experimental.numpy.sort")
def sort(a: Any, axis: Any = -1, kind: str = "quicksort", order: Any = None) -> Any:
    """Return the elements in ascending order along an axis; of the flat array with axis=None."""
    from millstream.api.sorting import sort as sorted_

    given, at = _to_sort(a, axis, kind, order, ("quicksort",))
    return sorted_(given, at) if given.shape.rank else given


@public("experimental.numpy.argsort")
def argsort(a: Any, axis: Any = -1, kind: str = "quicksort", order: Any = None) -> Any:
    """Return the places of the elements in ascending order along an axis, int64; of the flat array with axis=None."""
    from millstream.api.sorting import argsort as places_of

    given, at = _to_sort(a, axis, kind, order, ("quicksort", "stable"))
    if not given.shape.rank:
        given = arrays.reshape(given, [1])
    return cast(places_of(given, at, stable=kind == "stable"), INT64)


def _to_sort(a: Any, axis: Any, kind: str, order: Any, kinds: tuple[str, ...]) -> tuple[Any, int]:
    if kind not in kinds:
        raise ValueError(explain(f"Invalid value for argument `kind`: {kind}; give {' or '.join(kinds)}."))
    if order is not None:
        raise ValueError(explain("The 'order' argument is not supported: tensors have no fields."))
    given = asarray(a)
    return (arrays.reshape(given, [-1]), 0) if axis is None else (given, axis)
