"""What experimental_enable_numpy_behavior changes in tensors: methods, operators that promote, and NumPy's indexing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.api import array as arrays
from millstream.api import experimental_numpy as base
from millstream.api import experimental_numpy_reduction as reductions
from millstream.api import picking
from millstream.api.experimental_numpy_math import clip
from millstream.api.experimental_numpy_promotion import mark_constant, marked, result_kind, widens
from millstream.api.experimental_numpy_shapes import flatten, ravel, reshape, size, transpose
from millstream.api.experimental_numpy_weak import Mode, let_functions_convert
from millstream.api.math import cast
from millstream.api.public import PUBLIC, public
from millstream.api.tensors import constant_conversions, constant_watchers
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.execution.dispatch import apply
from millstream.execution.slicing import get_item
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor, Tensor, TensorType
from millstream.execution.variable import Variable
from millstream.ops.registry import find

_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
}
_COMPARISONS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}
"""Python's operators, and the functions of tf.experimental.numpy that they become where element types differ."""

_OWNERS = (Tensor, EagerTensor, SymbolicTensor, Variable)
_originals: dict[tuple[type, str], Any] = {}


def _widened(tensor: EagerTensor, dtype: DType) -> Any:
    return cast(tensor, dtype) if widens(tensor, dtype, Mode.safe) else tensor


@public("experimental.numpy.experimental_enable_numpy_behavior")
def experimental_enable_numpy_behavior(prefer_float32: bool = False, dtype_conversion_mode: str = "legacy") -> None:
    """Let tensors act as NumPy's arrays from now on: their methods, how operators promote element types, what [] takes.

    Args:
      prefer_float32: whether Python's floats become float32 rather than float64 in tf.experimental.numpy.
      dtype_conversion_mode: what operators do about differing element types: "off" refuses them, "legacy" promotes as NumPy does,
        "all" by a table in which Python's numbers give way, "safe" by the same table where nothing can be lost.

    Raises:
      ValueError: for another mode.

    >>> tf.experimental.numpy.experimental_enable_numpy_behavior()
    >>> tf.constant([[1, 2], [3, 4]]).T[[1]].tolist()
    [[2, 4]]
    """
    if dtype_conversion_mode not in ("off", "legacy", "safe", "all"):
        raise ValueError(
            explain(
                f"The provided promotion mode {dtype_conversion_mode} does not exist. Make sure the provided dtype conversion mode is "
                "one of the followings: off, legacy, safe, all."
            )
        )
    base.Preference.float32 = bool(prefer_float32)
    constant_watchers[:] = [mark_constant] if dtype_conversion_mode in ("safe", "all") else []
    constant_conversions[:] = [_widened] if dtype_conversion_mode in ("safe", "all") else []
    for name, method in _METHODS.items():
        setattr(Tensor, name, method)
    for owner in (Tensor, EagerTensor, SymbolicTensor):
        setattr(owner, "__getitem__", get_item_as_numpy)
    for table, swapped in ((_OPERATORS, True), (_COMPARISONS, False)):
        for name, function in table.items():
            _place(f"__{name}__", function, dtype_conversion_mode, False)
            if swapped:
                _place(f"__r{name}__", function, dtype_conversion_mode, True)
    converts = dtype_conversion_mode in ("safe", "all")
    base.Preference.gives_way = converts
    Mode.converts, Mode.safe = converts, dtype_conversion_mode == "safe"
    if converts:
        let_functions_convert()
    for name in ("assign", "assign_add", "assign_sub"):
        plain = _originals.setdefault((Variable, name), getattr(Variable, name))
        setattr(Variable, name, _assigning(plain, name, dtype_conversion_mode == "safe") if converts else plain)


def _place(name: str, function: str, mode: str, swapped: bool) -> None:
    for owner in _OWNERS:
        original = _originals.setdefault((owner, name), getattr(owner, name))
        if mode == "off":
            setattr(owner, name, original)
        elif mode == "legacy":
            # A matrix times a vector is NumPy's, whatever the types.
            always = function == "matmul"
            setattr(owner, name, _promoting(original, PUBLIC[f"experimental.numpy.{function}"], swapped, always))
        else:
            compares = function in _COMPARISONS.values()
            # TensorFlow converts for == alone; other comparisons are of one type.
            converts = not compares or function == "equal"
            setattr(owner, name, _converting(original, mode == "safe", compares) if converts else original)


_ARRAYS = (bool, int, float, complex, list, tuple, np.ndarray, np.generic, TensorType)


def _promoting(
    original: Callable[..., Any], function: Callable[..., Any], swapped: bool, always: bool
) -> Callable[..., Any]:
    """Return an operator that promotes as NumPy does, where there is something to promote."""

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, _ARRAYS):
            return original(self, other)
        if not always and isinstance(other, TensorType) and self.dtype == other.dtype:  # type: ignore[attr-defined]
            return original(self, other)
        return function(other, self) if swapped else function(self, other)

    return method


def _converting(original: Callable[..., Any], safe: bool, compares: bool) -> Callable[..., Any]:
    """Return an operator that converts both sides by the table of the modes "safe" and "all"."""

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, _ARRAYS):
            return original(self, other)
        dtype, weak = result_kind(self, other, safe)
        first = self if self.dtype == dtype else cast(self, dtype)
        found = original(first, base.convert(other, dtype))
        return found if compares else marked(found, weak)

    return method


def _assigning(original: Callable[..., Any], name: str, safe: bool) -> Callable[..., Any]:
    """Return a method that converts what it is given to the type of the variable, which cannot change."""

    def method(self: Any, value: Any, *arguments: Any, **words: Any) -> Any:
        if isinstance(value, _ARRAYS):
            wanted, _ = result_kind(self, value, safe)
            if wanted != self.dtype:
                raise TypeError(
                    explain(
                        f"Variable dtype is immutable. Calling {name} of Variable (with dtype {self.dtype!r}) on {value} requires "
                        f"converting {value} to {self.dtype!r}. This is disabled in the current promotion semantics; use tf.cast."
                    )
                )
            value = base.convert(value, wanted)
        return original(self, value, *arguments, **words)

    return method


def _astype(self: Any, dtype: Any) -> Any:
    return cast(self, as_dtype(dtype))


def _reshape(self: Any, *shape: Any, order: str = "C") -> Any:
    return reshape(self, shape[0] if len(shape) == 1 else shape, order)


def _transpose(self: Any, *axes: Any) -> Any:
    if not axes or axes == (None,):
        return transpose(self)
    return transpose(self, axes[0] if len(axes) == 1 and isinstance(axes[0], (list, tuple)) else axes)


_METHODS: dict[str, Any] = {
    "T": property(transpose),
    "data": property(lambda self: self),
    "size": property(size),
    "__pos__": lambda self: self,
    "astype": _astype,
    "clip": clip,
    "flatten": flatten,
    "max": reductions.max_,
    "mean": reductions.mean,
    "min": reductions.min_,
    "ravel": ravel,
    "reshape": _reshape,
    "tolist": lambda self: self.numpy().tolist(),
    "transpose": _transpose,
}


def get_item_as_numpy(tensor: Any, index: Any) -> Any:
    """Return tensor[index], where lists and arrays pick rows, and bools what they hold for.

    Numbers, slices and new axes are taken first. Arrays that stand side by side then put their axes in their place, others in
    front.
    """
    if isinstance(index, list) and any(isinstance(e, (list, slice, np.ndarray)) for e in index):
        index = tuple(index)
    entries = index if isinstance(index, tuple) else (index,)
    if not any(_picks(e) for e in entries):
        return get_item(tensor, index)
    if tensor.shape.rank is None:
        raise ValueError(explain("Indexing with arrays needs a tensor of known rank; give it with tf.ensure_shape."))
    picked = [base.array_of(e) if _picks(e) else e for e in entries]
    picked = _without_ellipsis(picked, tensor.shape.rank)
    plain: list[Any] = []
    arrays_at: list[tuple[int, Any]] = []
    axis = 0
    for entry in picked:
        if not _picks(entry):
            plain.append(entry)
            axis += 1 if entry is None or isinstance(entry, slice) else 0
            continue
        for part in _places(entry):
            plain.append(slice(None))
            arrays_at.append((axis, part))
            axis += 1
    left = get_item(tensor, tuple(plain)) if any(p != slice(None) for p in plain) else tensor
    return _pick(left, arrays_at)


def _picks(entry: Any) -> bool:
    """Whether an entry picks rows: a list, an array, or a tensor with axes. Refuses what is no index at all."""
    if isinstance(entry, (bool, np.bool_)):
        raise ValueError(explain("mask cannot be scalar."))
    if entry is None or entry is Ellipsis or isinstance(entry, (slice, int, np.integer)):
        return False
    if isinstance(entry, TensorType):
        found: Any = entry
        return found.shape.rank != 0  # type: ignore[no-any-return]
    if isinstance(entry, (list, tuple, np.ndarray)):
        return True
    raise IndexError(
        explain(
            "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid indices, "
            f"given {entry!r}"
        )
    )


def _without_ellipsis(entries: list[Any], rank: int) -> list[Any]:
    used = sum(_axes_of(e) for e in entries)
    missing = rank - used
    if missing < 0:
        raise IndexError(explain(f"too many indices: the tensor has {rank} axes, but {used} were indexed"))
    for i, entry in enumerate(entries):
        if entry is Ellipsis:
            return [*entries[:i], *[slice(None)] * missing, *entries[i + 1 :]]
    return [*entries, *[slice(None)] * missing]


def _axes_of(entry: Any) -> int:
    if entry is None or entry is Ellipsis:
        return 0
    return entry.shape.rank if _picks(entry) and entry.dtype == as_dtype(np.bool_) else 1


def _places(entry: Any) -> list[Any]:
    """Return places for each axis: a mask becomes those where it holds."""
    if entry.dtype == as_dtype(np.bool_):
        return arrays.unstack(arrays.where(entry), entry.shape.rank, axis=1)  # type: ignore[no-any-return]
    if not entry.dtype.is_integer:
        if entry.shape.num_elements() == 0:
            return [cast(entry, as_dtype(np.int64))]
        raise IndexError(explain("arrays used as indices must be of integer (or boolean) type"))
    return [cast(entry, as_dtype(np.int64))]


def _pick(tensor: Any, arrays_at: list[tuple[int, Any]]) -> Any:
    sizes = cast(arrays.shape(tensor), as_dtype(np.int64))
    places = []
    for axis, part in arrays_at:
        below = apply(find("Less"), part, 0)
        places.append(arrays.where(below, part + sizes[axis], part))
    if len(places) == 1:
        return picking.gather(tensor, places[0], axis=arrays_at[0][0])
    shape = arrays.shape(places[0])
    for part in places[1:]:
        shape = apply(find("BroadcastArgs"), shape, arrays.shape(part))
    axes = [axis for axis, _ in arrays_at]
    rest = [i for i in range(tensor.shape.rank) if i not in axes]
    front = arrays.transpose(tensor, [*axes, *rest])
    indices = apply(find("Pack"), [arrays.broadcast_to(p, shape) for p in places], axis=-1)
    found = picking.gather_nd(front, indices)
    if axes != list(range(axes[0], axes[0] + len(axes))):
        return found
    new = max(p.shape.rank for p in places)
    before = axes[0]
    order = [*range(new, new + before), *range(new), *range(new + before, found.shape.rank)]
    return arrays.transpose(found, order)
