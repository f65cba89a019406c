"""Indexing with []: tensor[...] as slices of known or unknown places, masks, and assignment to slices of variables."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.base import dtypes, errors
from millstream.execution.convert import constant_of, to_tensor
from millstream.execution.dispatch import apply, attributes_key, handle_of
from millstream.execution.static_value import static_value
from millstream.execution.tensor import EagerTensor, Tensor
from millstream.execution.variable import Variable
from millstream.ops.registry import find
from millstream.ops.rows import CUT

execute = runtime.execute

_cut_handle = handle_of(CUT)

_ALLOWED = "Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/tf.int64 tensors are valid indices"


def get_item(tensor: Any, index: Any) -> Any:
    """Return tensor[index]."""
    if isinstance(tensor, EagerTensor) and not runtime.tracing():
        result = _cut_eagerly(tensor, index)
        if result is not NotImplemented:
            return result
    if _is_mask(index):
        return boolean_mask(tensor, to_tensor(index))
    begin, end, strides, masks = _parts(index)
    return apply(find("StridedSlice"), tensor, *_as_tensors(begin, end, strides), **masks)


def get_variable_item(variable: Any, index: Any) -> Any:
    """Return variable[index], a tensor that can be assigned to: `v[1:3].assign(value)` changes the variable."""
    value = variable.value()
    result = get_item(value, index)
    if not _is_mask(index):

        def assign(value: Any, name: str | None = None) -> Any:
            begin, end, strides, masks = _parts(index)
            return variable._strided_slice_assign(*_as_tensors(begin, end, strides), value, name, **masks)

        result.assign = assign
    return result


def _cut_eagerly(tensor: EagerTensor, index: Any) -> Any:
    """Slice with strides of 1 by a plan that knows sizes only, so that x[i] has one plan for all i."""
    shape = tensor._shape
    if index.__class__ is int:
        if not shape:
            return NotImplemented
        size = shape[0]
        place = index + size if index < 0 else index
        if not 0 <= place < size:
            raise _out_of_bounds(index, 0)
        rest = shape[1:]
        return execute(_cut_handle, _cut_key((1, *rest), rest), tensor, _start_at((place, *(0,) * len(rest))))
    entries = index if isinstance(index, tuple) else (index,)
    starts: list[int] = []
    sizes: list[int] = []
    result: list[int] = []
    missing = len(shape) - sum(1 for e in entries if e is not None and e is not Ellipsis)
    seen = False
    for entry in entries:
        at = len(starts)
        if entry is None:
            result.append(1)
        elif entry is Ellipsis:
            if seen or missing < 0:
                return NotImplemented
            seen = True
            starts += [0] * missing
            sizes += shape[at : at + missing]
            result += shape[at : at + missing]
        elif at >= len(shape):
            return NotImplemented
        elif entry.__class__ is slice:
            if entry.step not in (None, 1) or not _are_plain(entry.start, entry.stop):
                return NotImplemented
            first, last, _ = entry.indices(shape[at])
            starts.append(first)
            sizes.append(max(0, last - first))
            result.append(sizes[-1])
        elif entry.__class__ is int or isinstance(entry, np.integer):
            place = int(entry) + shape[at] if entry < 0 else int(entry)
            if not 0 <= place < shape[at]:
                raise _out_of_bounds(int(entry), at)
            starts.append(place)
            sizes.append(1)
        else:
            return NotImplemented
    rest = shape[len(starts) :]
    start = _start_at((*starts, *(0,) * len(rest)))
    return execute(_cut_handle, _cut_key((*sizes, *rest), (*result, *rest)), tensor, start)


def _are_plain(*bounds: Any) -> bool:
    return all(b is None or b.__class__ is int for b in bounds)


_starts: dict[tuple[int, ...], Any] = {}
_keys: dict[Any, Any] = {}


def _start_at(place: tuple[int, ...]) -> Any:
    """Return a place as the tensor that cuts take; the ones used last are kept."""
    found = _starts.get(place)
    if found is None:
        if len(_starts) > 4096:
            _starts.clear()
        found = _starts[place] = constant_of(np.array(place, np.int64), dtypes.int64)
    return found


def _cut_key(sizes: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Return the attributes of a cut."""
    found = _keys.get((sizes, shape))
    if found is None:
        if len(_keys) > 4096:
            _keys.clear()
        found = _keys[sizes, shape] = attributes_key(CUT, {"sizes": sizes, "shape": shape})
    return found


def _out_of_bounds(index: int, axis: int) -> Exception:
    return errors.InvalidArgumentError(
        None,
        None,
        errors.explain(
            f"slice index {index} of dimension {axis} out of bounds. [Op:StridedSlice] name: strided_slice/"
        ),
    )


def _is_mask(index: Any) -> bool:
    if index is True or index is False:
        return True
    if isinstance(index, (Tensor, Variable)):
        return index.dtype is dtypes.bool
    return isinstance(index, np.ndarray) and index.dtype == np.bool_


def _check_index(index: Any) -> None:
    """Refuse what is no index."""
    if isinstance(index, (int, np.integer)) and not isinstance(index, (bool, np.bool_)):
        return
    if isinstance(index, (Tensor, Variable)):
        if index.dtype in (
            dtypes.int16,
            dtypes.int32,
            dtypes.int64,
            dtypes.uint8,
            dtypes.int8,
        ) and index.shape.rank in (0, None):
            return
    elif isinstance(index, np.ndarray):
        if index.ndim == 0 and index.dtype.kind in "iu":
            return
    elif hasattr(index, "__tf_tensor__") or (hasattr(index, "__index__") and not isinstance(index, (bool, np.bool_))):
        return
    raise TypeError(errors.explain(f"{_ALLOWED}, got {index!r}"))


def _parts(index: Any) -> tuple[list[Any], list[Any], list[Any], dict[str, int]]:
    """Return begin, end and strides of an index, and the masks that TensorFlow's StridedSlice takes."""
    entries = list(index) if isinstance(index, (list, tuple)) else [index]
    begin: list[Any] = []
    end: list[Any] = []
    strides: list[Any] = []
    masks = dict.fromkeys(("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"), 0)
    for place, entry in enumerate(entries):
        bit = 1 << place
        if isinstance(entry, slice):
            for bound, where, mask in ((entry.start, begin, "begin_mask"), (entry.stop, end, "end_mask")):
                if bound is None:
                    masks[mask] |= bit
                else:
                    _check_index(bound)
                where.append(0 if bound is None else bound)
            if entry.step is not None:
                _check_index(entry.step)
            strides.append(1 if entry.step is None else entry.step)
        elif entry is Ellipsis or entry is None:
            masks["ellipsis_mask" if entry is Ellipsis else "new_axis_mask"] |= bit
            begin.append(0)
            end.append(0)
            strides.append(1)
        else:
            _check_index(entry)
            begin.append(entry)
            end.append(entry + 1)
            strides.append(1)
            masks["shrink_axis_mask"] |= bit
    return begin, end, strides, masks


def _as_tensors(*lists: list[Any]) -> list[Any]:
    """Return begin, end and strides as three integer vectors of one type."""
    every = [item for items in lists for item in items]
    wide = any(getattr(item, "dtype", None) == dtypes.int64 for item in every)
    dtype = dtypes.int64 if wide else dtypes.int32
    return [_vector(items, dtype) for items in lists]


def _vector(items: list[Any], dtype: Any) -> Any:
    known = [
        static_value(to_tensor(i)) if isinstance(i, (Tensor, Variable)) and not isinstance(i, Variable) else i
        for i in items
    ]
    if all(isinstance(i, (int, np.integer, np.ndarray)) for i in known):
        return constant_of([int(i) for i in known], dtype) if items else constant_of(np.zeros(0, np.int32), dtype)
    parts = []
    for item in items:
        tensor = to_tensor(item, None, dtype)
        parts.append(tensor if tensor.dtype is dtype else apply(find("Cast"), tensor, DstT=dtype))
    return apply(find("Pack"), parts, axis=0)


def boolean_mask(tensor: Any, mask: Any, axis: int = 0) -> Any:
    """Return the parts of `tensor` where `mask`, which covers its axes from `axis` on, is true."""
    rank = mask.shape.rank
    if rank == 0:
        raise ValueError(errors.explain("mask cannot be scalar."))
    if rank is None:
        raise ValueError(
            errors.explain(
                "Number of mask dimensions must be specified, even if some dimensions are None.  E.g. shape=[None] is ok, but "
                "shape=None is not."
            )
        )
    tensor.shape[axis : axis + rank].assert_is_compatible_with(mask.shape)
    sizes = apply(find("Shape"), tensor, out_type=dtypes.int32)
    before, inside, after = sizes[:axis], sizes[axis : axis + rank], sizes[axis + rank :]
    count = apply(find("Prod"), inside, to_tensor([0]), keep_dims=False)
    joined = apply(find("ConcatV2"), [before, apply(find("Pack"), [count], axis=0), after], to_tensor(0))
    flat = apply(find("Reshape"), tensor, joined)
    where = apply(find("Where"), apply(find("Reshape"), mask, to_tensor([-1])))
    places = apply(find("Squeeze"), where, squeeze_dims=(1,))
    return apply(find("GatherV2"), flat, places, to_tensor(axis), batch_dims=0)
