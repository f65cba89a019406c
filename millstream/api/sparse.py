"""tf.sparse: make sparse tensors, and order, cut, join and reshape them. Arithmetic on them is in `sparse_math`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.api import array, picking
from millstream.api.array import cast_index
from millstream.api.public import public, publish
from millstream.base import dtypes, errors
from millstream.base.shapes import TensorShape
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.sparse_tensor import SparseTensor, SparseTensorValue
from millstream.execution.static_value import shape_from_tensor, static_value
from millstream.execution.tensor import Tensor
from millstream.ops import sparse
from millstream.ops.registry import find

publish("SparseTensor", SparseTensor)
publish("sparse.SparseTensor", SparseTensor)
publish("compat.v1.SparseTensor", SparseTensor)
publish("compat.v1.sparse.SparseTensor", SparseTensor)
publish("compat.v1.SparseTensorValue", SparseTensorValue)


def sparse_of(value: Any) -> SparseTensor:
    """Return a sparse tensor as it is, the value of one as one; TypeError for all else."""
    if isinstance(value, SparseTensorValue):
        return SparseTensor.from_value(value)
    if not isinstance(value, SparseTensor):
        raise TypeError(errors.explain("Input must be a SparseTensor."))
    return value


def is_sparse(value: Any) -> bool:
    """Return whether `value` is a sparse tensor, or the value of one."""
    return isinstance(value, (SparseTensor, SparseTensorValue))


def made(indices: Any, values: Any, dense_shape: Any, shape: Any = None) -> SparseTensor:
    """Return a sparse tensor of which more may be known than its parts say."""
    result = SparseTensor(indices, values, dense_shape)
    if shape is not None:
        result.set_shape(shape)
    return result


def parts(value: SparseTensor) -> tuple[Any, Any, Any]:
    """Return indices, values and dense shape, as the ops take them."""
    return value.indices, value.values, value.dense_shape


@public("sparse.from_dense", "compat.v1.sparse.from_dense")
def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """Return the elements that are not zero as a sparse tensor.

    tensor: any shape and element type; empty strings count as zeros.

    >>> tf.sparse.from_dense([[0, 3], [0, 0]]).indices.numpy()
    array([[0, 1]])
    """
    tensor = to_tensor(tensor)
    there = tensor
    if tensor.dtype == dtypes.string:
        there = apply(find("NotEqual"), tensor, to_tensor(b""), incompatible_shape_error=True)
    places = apply(find("Where"), there)
    values = apply(find("GatherNd"), tensor, places)
    shape = apply(find("Shape"), tensor, out_type=dtypes.int64)
    return made(places, values, shape, tensor.shape)


@public("sparse.to_dense", "compat.v1.sparse.to_dense", "compat.v1.sparse_tensor_to_dense")
def to_dense(sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None) -> Any:
    """Return a sparse tensor as a dense one, with `default_value` (0) elsewhere.

    With `validate_indices`, InvalidArgumentError is raised where indices are not in order, or repeated.
    """
    given = sparse_of(sp_input)
    if default_value is None:
        default_value = b"" if given.dtype == dtypes.string else False if given.dtype == dtypes.bool else 0
    missing = to_tensor(default_value, given.dtype)
    indices, values, shape = parts(given)
    result = apply(sparse.sparse_to_dense, indices, shape, values, missing, validate_indices=validate_indices)
    if isinstance(given.shape.rank, int) and not result.shape.is_fully_defined():
        result.set_shape(given.shape)
    return result


@public("compat.v1.sparse_to_dense")
def sparse_to_dense_v1(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Any:
    """Return a tensor of `output_shape` with the values at the indices, and `default_value` elsewhere."""
    values = to_tensor(sparse_values)
    indices = to_tensor(sparse_indices, None, dtypes.int32)
    shape, missing = to_tensor(output_shape, indices.dtype), to_tensor(default_value, values.dtype)
    return apply(sparse.sparse_to_dense, indices, shape, values, missing, validate_indices=validate_indices)


@public("sparse.eye", "compat.v1.sparse.eye")
def eye(num_rows: Any, num_columns: Any = None, dtype: Any = dtypes.float32, name: str | None = None) -> SparseTensor:
    """Return a sparse matrix with ones on the diagonal."""
    rows = to_tensor(num_rows, dtypes.int64)
    columns = rows if num_columns is None else to_tensor(num_columns, dtypes.int64)
    steps = array.range_(apply(find("Minimum"), rows, columns), dtype=dtypes.int64)
    ones = array.ones(array.shape(steps), dtypes.as_dtype(dtype))
    return SparseTensor(array.stack([steps, steps], 1), ones, array.stack([rows, columns]))


@public("sparse.reorder", "compat.v1.sparse.reorder", "compat.v1.sparse_reorder")
def reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Return the elements in row-major order of their indices, as most functions on sparse tensors want them."""
    given = sparse_of(sp_input)
    indices, values = apply(sparse.sparse_reorder, *parts(given))
    return made(indices, values, given.dense_shape, given.shape)


@public("sparse.reshape", "compat.v1.sparse.reshape", "compat.v1.sparse_reshape")
def reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """Return the elements in another dense shape, in row-major order; one size may be -1.

    Raises ValueError or InvalidArgumentError where the number of dense elements differs.
    """
    given = sparse_of(sp_input)
    wanted = to_tensor(shape, dtypes.int64)
    known = _reshaped(given.shape, wanted)
    indices, dense_shape = apply(sparse.sparse_reshape, given.indices, given.dense_shape, wanted)
    return made(indices, given.values, dense_shape, known)


def _reshaped(before: TensorShape, wanted: Any) -> TensorShape:
    """Return what is known of the new shape."""
    shape = shape_from_tensor(wanted)
    sizes = None if shape.rank is None else shape.as_list()
    # Of a symbolic tensor, None may be any size; of a known one, it was -1.
    if sizes is None or static_value(wanted) is None or not before.is_fully_defined() or sizes.count(None) > 1:
        return shape
    total, rest = before.num_elements() or 0, math.prod(n for n in sizes if n is not None)
    if None in sizes and rest and total % rest == 0:
        sizes[sizes.index(None)] = total // rest
    return TensorShape(sizes)


@public("sparse.reset_shape", "compat.v1.sparse.reset_shape", "compat.v1.sparse_reset_shape")
def reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """Return the same elements in a dense shape that is not smaller; without `new_shape` the smallest that holds them.

    Raises ValueError where the ranks differ, or a size is smaller.
    """
    given = sparse_of(sp_input)
    if new_shape is None:
        ends = apply(find("Max"), given.indices, to_tensor([0], dtypes.int32), keep_dims=False)
        ends = apply(find("AddV2"), ends, to_tensor(1, dtypes.int64))
        return SparseTensor(given.indices, given.values, apply(find("Maximum"), ends, to_tensor(0, dtypes.int64)))
    wanted = to_tensor(new_shape, dtypes.int64)
    rank, own = wanted.shape.with_rank(1).as_list()[0], given.shape.rank
    if rank is not None and own is not None and rank != own:
        raise ValueError(errors.explain(f"Dimensions {rank} and {own} are not compatible"))
    known = static_value(wanted)
    if known is not None and given.shape.is_fully_defined():
        if not np.all(np.array(given.shape.as_list()) <= known):
            raise ValueError(
                errors.explain(
                    "Requested new_shape should have dimension sizes >= sp_input.shape. "
                    f"Found new_shape ({known}), sp_input.shape ({given.shape})."
                )
            )
    else:
        fits = apply(find("All"), apply(find("LessEqual"), given.dense_shape, wanted), to_tensor([0], dtypes.int32))
        apply(find("Assert"), fits, [given.dense_shape, wanted], summarize=3)
    return SparseTensor(given.indices, given.values, wanted)


@public("sparse.retain", "compat.v1.sparse.retain", "compat.v1.sparse_retain")
def retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """Return the elements for which `to_retain`, bool [n], holds."""
    given = sparse_of(sp_input)
    chosen = to_tensor(to_retain, None, dtypes.bool)
    chosen.shape.with_rank(1)
    count, own = chosen.shape.as_list()[0], given.values.shape.as_list()[0]
    if count is not None and own is not None and count != own:
        raise ValueError(errors.explain(f"Dimensions {own} and {count} are not compatible"))
    places = array.reshape(apply(find("Where"), chosen), [-1])
    indices, values = picking.gather(given.indices, places), picking.gather(given.values, places)
    return made(indices, values, given.dense_shape, given.shape)


@public("sparse.slice", "compat.v1.sparse.slice", "compat.v1.sparse_slice")
def slice_(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """Return what lies from `start` (int64 [rank]), `size` long; what is beyond the end is left out."""
    given = sparse_of(sp_input)
    start, size = to_tensor(start, dtypes.int64), to_tensor(size, dtypes.int64)
    return SparseTensor(*apply(sparse.sparse_slice, *parts(given), start, size))


@public("sparse.split")
def split(sp_input: Any = None, num_split: Any = None, axis: Any = None, name: str | None = None) -> list[SparseTensor]:
    """Return `num_split` parts along `axis`; where its size is no multiple, the first ones are longer by one."""
    if sp_input is None or num_split is None or axis is None:
        missing = "sp_input" if sp_input is None else "num_split" if num_split is None else "axis"
        raise ValueError(errors.explain(f"{missing} is required"))
    given, count = sparse_of(sp_input), int(num_split)
    if count < 1:
        raise errors.InvalidArgumentError(
            None,
            None,
            errors.explain(f"Value for attr 'num_split' of {count} must be at least minimum 1 [Op:SparseSplit]"),
        )
    found = apply(sparse.sparse_split, to_tensor(axis, dtypes.int64), *parts(given), num_split=count)
    indices, values, shapes = found[:count], found[count : 2 * count], found[2 * count :]
    return [SparseTensor(*part) for part in zip(indices, values, shapes, strict=True)]


@public("compat.v1.sparse.split", "compat.v1.sparse_split")
def split_v1(
    keyword_required: Any = None,
    sp_input: Any = None,
    num_split: Any = None,
    axis: Any = None,
    name: str | None = None,
    split_dim: Any = None,
) -> list[SparseTensor]:
    """Return the parts of tf.sparse.split; all arguments are given by name."""
    if keyword_required is not None:
        raise ValueError(errors.explain("Keyword arguments are required for this function."))
    return split(sp_input, num_split, split_dim if axis is None else axis)


@public("sparse.concat")
def concat(
    axis: int, sp_inputs: Sequence[Any], expand_nonconcat_dims: bool = False, name: str | None = None
) -> SparseTensor:
    """Join sparse tensors along an axis.

    The other sizes are equal; with `expand_nonconcat_dims` the largest one of all is taken for each.
    """
    if not isinstance(sp_inputs, (list, tuple)):
        raise TypeError(errors.explain("Inputs must be a list or tuple."))
    given = [sparse_of(value) for value in sp_inputs]
    if len(given) == 1:
        return given[0]
    shapes = [value.dense_shape for value in given]
    if expand_nonconcat_dims:
        shapes = _expanded(shapes, axis)
    indices, values, shape = apply(
        sparse.sparse_concat, [v.indices for v in given], [v.values for v in given], shapes, concat_dim=int(axis)
    )
    return made(indices, values, shape, _joined_shape([v.shape for v in given], axis, expand_nonconcat_dims))


def _expanded(shapes: list[Any], axis: int) -> list[Any]:
    """Return the shapes with the largest of all sizes along each axis but the joined one."""
    largest = apply(find("Max"), array.stack(shapes), to_tensor([0], dtypes.int32), keep_dims=False)
    rank = largest.shape.as_list()[0]
    along = np.arange(rank) == axis % rank
    return [apply(find("SelectV2"), to_tensor(along), shape, largest) for shape in shapes]


def _joined_shape(shapes: list[TensorShape], axis: int, expand: bool) -> TensorShape | None:
    ranks = {shape.rank for shape in shapes}
    rank = ranks.pop()
    if ranks or rank is None or not -rank <= axis < rank:
        return None
    sizes: list[int | None] = []
    for i, given in enumerate(zip(*(shape.as_list() for shape in shapes), strict=True)):
        known = [n for n in given if n is not None]
        whole = len(known) == len(given)
        if i == axis % rank:
            sizes.append(sum(known) if whole else None)
        elif expand:
            sizes.append(max(known) if whole else None)
        else:
            sizes.append(known[0] if known else None)
    return TensorShape(sizes)


@public("compat.v1.sparse.concat", "compat.v1.sparse_concat")
def concat_v1(
    axis: Any,
    sp_inputs: Any,
    name: str | None = None,
    expand_nonconcat_dim: bool = False,
    concat_dim: Any = None,
    expand_nonconcat_dims: Any = None,
) -> SparseTensor:
    """Join sparse tensors along an axis; `concat_dim` and `expand_nonconcat_dim` are older names."""
    wide = expand_nonconcat_dim if expand_nonconcat_dims is None else expand_nonconcat_dims
    return concat(concat_dim if axis is None else axis, sp_inputs, wide)


@public("sparse.expand_dims", "compat.v1.sparse.expand_dims")
def expand_dims(sp_input: Any, axis: Any = None, name: str | None = None) -> SparseTensor:
    """Return the sparse tensor with a new axis of size 1 at `axis` (-1, the last)."""
    given = sparse_of(sp_input)
    at = _place_of_axis(given, -1 if axis is None else axis)
    column = array.zeros(array.stack([array.shape(given.indices)[0], 1]), dtypes.int64)
    indices = array.concat([given.indices[:, :at], column, given.indices[:, at:]], 1)
    one = to_tensor([1], dtypes.int64)
    shape = array.concat([given.dense_shape[:at], one, given.dense_shape[at:]], 0)
    if given.shape.rank is None or not isinstance(at, int):
        return SparseTensor(indices, given.values, shape)
    known = given.shape.as_list()
    return made(indices, given.values, shape, TensorShape([*known[:at], 1, *known[at:]]))


def _place_of_axis(given: SparseTensor, axis: Any) -> Any:
    """Return where a new axis goes, counted from the front: an integer where the rank and the axis are known."""
    if isinstance(axis, Tensor):
        known = static_value(axis)
        axis = cast_index(axis, dtypes.int32) if known is None else int(known)
    elif not isinstance(axis, (int, np.integer)):
        raise TypeError(errors.explain("axis must be an integer value in range [-rank(sp_input) - 1, rank(sp_input)]"))
    rank = given.dense_shape.shape.as_list()[0]
    if isinstance(axis, Tensor) or (rank is None and axis < 0):
        places = array.size(given.dense_shape) + 1
        return apply(find("FloorMod"), to_tensor(axis, dtypes.int32), places)
    at = int(axis) + rank + 1 if axis < 0 else int(axis)
    if rank is not None and not 0 <= at <= rank:
        raise errors.InvalidArgumentError(
            None,
            None,
            errors.explain(f"axis {axis} is out of bounds: give an axis in [{-rank - 1}, {rank}]"),
        )
    return at


@public("sparse.transpose", "compat.v1.sparse.transpose", "compat.v1.sparse_transpose")
def transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """Return the sparse tensor with its axes reordered by `perm` (reversed without it), its elements in order."""
    given = sparse_of(sp_input)
    if perm is None:
        rank = given.dense_shape.shape.as_list()[0]
        last = array.size(given.dense_shape) - 1 if rank is None else rank - 1
        perm = array.range_(last, -1, -1) if rank is None else list(range(last, -1, -1))
    order = to_tensor(perm, None, dtypes.int32)
    shape = picking.gather(given.dense_shape, order)
    moved = SparseTensor(picking.gather(given.indices, order, axis=1), given.values, shape)
    known = static_value(order)
    if known is not None and given.shape.rank is not None:
        sizes = given.shape.as_list()
        moved.set_shape(TensorShape([sizes[int(a)] for a in known]))
    return reorder(moved)


@public("sparse.fill_empty_rows", "compat.v1.sparse.fill_empty_rows", "compat.v1.sparse_fill_empty_rows")
def fill_empty_rows(sp_input: Any, default_value: Any, name: str | None = None) -> tuple[SparseTensor, Any]:
    """Put `default_value` at the first place of each row without an element.

    Returns the sparse tensor and, bool [rows], which rows had no element.

    >>> filled, empty = tf.sparse.fill_empty_rows(tf.SparseTensor([[1, 2]], [7], [2, 3]), 0)
    >>> filled.indices.numpy().tolist(), empty.numpy().tolist()
    ([[0, 0], [1, 2]], [True, False])
    """
    given = sparse_of(sp_input)
    missing = to_tensor(default_value, given.dtype)
    indices, values, empty, _ = apply(sparse.sparse_fill_empty_rows, *parts(given), missing)
    return made(indices, values, given.dense_shape, given.shape), empty


@public("sparse.mask", "compat.v1.sparse.mask", "compat.v1.sparse_mask")
def mask(a: IndexedSlices, mask_indices: Any, name: str | None = None) -> IndexedSlices:
    """Return the rows of IndexedSlices whose index is not among `mask_indices`."""
    kept, places = apply(find("ListDiff"), a.indices, to_tensor(mask_indices, a.indices.dtype), out_idx=dtypes.int32)
    return IndexedSlices(picking.gather(a.values, places), kept)


@public("sparse.to_indicator", "compat.v1.sparse.to_indicator", "compat.v1.sparse_to_indicator")
def to_indicator(sp_input: Any, vocab_size: Any, name: str | None = None) -> Any:
    """Return a bool tensor whose last axis, of size `vocab_size`, says which numbers occur in each row."""
    given = sparse_of(sp_input)
    there = _merged(given, array.ones_like(given.values, dtypes.bool), vocab_size)
    return to_dense(there, False, validate_indices=False)


def _merged(ids: SparseTensor, values: Any, vocab_size: Any) -> SparseTensor:
    """Return values at the ids, which take the place of the last index."""
    last = array.expand_dims(apply(find("Cast"), ids.values, DstT=dtypes.int64), 1)
    indices = array.concat([ids.indices[:, :-1], last], 1)
    size = apply(find("Cast"), to_tensor(vocab_size), DstT=dtypes.int64)
    shape = array.concat([ids.dense_shape[:-1], array.reshape(size, [1])], 0)
    return reorder(SparseTensor(indices, values, shape))


@public("compat.v1.sparse.merge", "compat.v1.sparse_merge")
def merge_v1(
    sp_ids: Any, sp_values: Any, vocab_size: Any, name: str | None = None, already_sorted: bool = False
) -> SparseTensor:
    """Return the values of `sp_values` at the ids of `sp_ids` (or of several, one axis each)."""
    several = isinstance(sp_ids, (list, tuple)) and not isinstance(sp_ids, SparseTensorValue)
    ids = [sparse_of(value) for value in (sp_ids if several else [sp_ids])]
    sizes = list(vocab_size) if several else [vocab_size]
    if len(ids) != len(sizes):
        raise ValueError(errors.explain("sp_ids and vocab_size have to have equal lengths."))
    values = sparse_of(sp_values).values
    columns = [array.expand_dims(apply(find("Cast"), v.values, DstT=dtypes.int64), 1) for v in ids]
    ends = [array.reshape(apply(find("Cast"), to_tensor(n), DstT=dtypes.int64), [1]) for n in sizes]
    indices = array.concat([ids[0].indices[:, :-1], *columns], 1)
    result = SparseTensor(indices, values, array.concat([ids[0].dense_shape[:-1], *ends], 0))
    return result if already_sorted else reorder(result)
