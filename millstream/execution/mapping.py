"""tf.map_fn, tf.scan, tf.foldl, tf.foldr and tf.vectorized_map: loops over the first axis of tensors, made of while_loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.base import dtypes, nest
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.specs import BatchableTypeSpec, RaggedTensorSpec, SparseTensorSpec, TensorSpec, TypeSpec
from millstream.base.trace_types import installed
from millstream.execution.context import current_graph, tracing
from millstream.execution.control_flow import while_loop
from millstream.execution.convert import constant_of, to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.func_graph import FuncGraph
from millstream.execution.ragged_structure import RaggedStructure
from millstream.execution.row_partition import sized
from millstream.execution.specs import spec_of
from millstream.execution.tensor_array import TensorArray
from millstream.ops.registry import find


def _leaf(value: Any) -> Any:
    return value if hasattr(value, "_row_reader") else to_tensor(value)


def _rows(elems: Any) -> tuple[list[Any], Any, int | None]:
    """Return the leaves, how many rows they have, and that number where it is known.

    Leaves are tensors, and values made of tensors that give their own rows by `_row_reader`.
    """
    flat = [_leaf(e) for e in nest.flatten(elems)]
    if not flat:
        raise ValueError(explain("elems must be a Tensor or (possibly nested) sequence of Tensors. Got an empty one."))
    static = None
    for tensor in flat:
        if tensor.shape.rank == 0:
            raise ValueError(
                explain(f"Elements in elems must be 1+ dimensional Tensors, not scalars; given {tensor!r}.")
            )
        if tensor.shape.rank is not None and tensor.shape[0] is not None:
            if static is not None and static != tensor.shape[0] and 1 not in (static, tensor.shape[0]):
                raise ValueError(
                    explain(f"elems have {static} and {tensor.shape[0]} rows; give tensors of one first size.")
                )
            static = tensor.shape[0] if static in (None, 1) else static
    if static is not None:
        return flat, constant_of(static, dtypes.int32), static
    if isinstance(flat[0], RaggedStructure):
        return flat, flat[0].nrows(dtypes.int32), None
    sizes = apply(find("Shape"), flat[0], out_type=dtypes.int32)
    zero = constant_of(0, dtypes.int32)
    return flat, apply(find("GatherV2"), sizes, zero, zero), None


def _parts(tensor: Any, count: int | None) -> Callable[[Any], Any]:
    """Return a function that gives row i: from a list eagerly, from a TensorArray in a graph."""
    reader = getattr(tensor, "_row_reader", None)
    if reader is not None:
        read: Callable[[Any], Any] = reader()
        return read
    if current_graph() is None:
        rows = list(apply(find("Unpack"), tensor, num=tensor.shape[0], axis=0))
        return lambda i: rows[int(i)]
    shape = None if tensor.shape.rank is None else tensor.shape.as_list()[1:]
    array = TensorArray(tensor.dtype, size=0, dynamic_size=True, element_shape=shape).unstack(tensor)
    return lambda i: array.read(i)


def _row(parts: Sequence[Callable[[Any], Any]], i: Any, elems: Any) -> Any:
    return nest.pack_sequence_as(elems, [part(i) for part in parts])


class _Column:
    """One leaf of the results: a tensor, of which there are stacked, or the parts of a ragged tensor."""

    def __init__(self, signature: Any) -> None:
        self.ragged = signature if isinstance(signature, RaggedTensorSpec) else None
        if self.ragged is not None:
            # The values of all rows and the lengths of their rows are joined; how many rows each has is stacked.
            kind = self.ragged.row_splits_dtype
            depth = self.ragged.ragged_rank
            inner = self.ragged.shape[depth + 1 :] if self.ragged.shape.rank is not None else None
            values = None if inner is None else TensorShape([None]).concatenate(inner)
            self.types = [self.ragged.dtype, *[kind] * depth, kind]
            self.shapes: list[Any] = [values, *[TensorShape([None])] * depth, TensorShape([])]
            self.joined = [True] * (depth + 1) + [False]
            return
        spec = isinstance(signature, DType) or not hasattr(signature, "dtype")
        self.types = [as_dtype(signature) if spec else signature.dtype]
        self.shapes = [None if spec else getattr(signature, "shape", None)]
        self.joined = [False]

    def parts(self, result: Any) -> list[Any]:
        """Return the tensors that one result is kept as."""
        if self.ragged is None:
            return [to_tensor(result, None if hasattr(result, "dtype") else self.types[0])]
        if not isinstance(result, RaggedStructure):
            result = to_tensor(result, None if hasattr(result, "dtype") else self.types[0])
        depth = result.ragged_rank if isinstance(result, RaggedStructure) else 0
        if depth != self.ragged.ragged_rank:
            raise ValueError(
                explain(
                    f"map_fn: a result has ragged rank {depth} where {self.ragged} is expected; state fn_output_signature."
                )
            )
        kind = self.ragged.row_splits_dtype
        if depth == 0:
            return [result, sized(result, kind)]
        result = result.with_row_splits_dtype(kind)
        return [result.flat_values, *result.nested_row_lengths(), result.nrows()]

    def whole(self, parts: Sequence[Any]) -> Any:
        """Return all results out of the tensors that they were kept as."""
        if self.ragged is None:
            return parts[0]
        made = installed("RaggedTensor").from_nested_row_lengths(parts[0], [parts[-1], *parts[1:-1]], validate=False)
        return made


class _SparseColumn:
    """One sparse leaf of the results: its indices and values are joined, their numbers and the dense shapes stacked."""

    def __init__(self, signature: SparseTensorSpec) -> None:
        rank = signature.shape.rank
        self.types = [dtypes.int64, signature.dtype, dtypes.int64, dtypes.int64]
        self.shapes: list[Any] = [TensorShape(s) for s in ([None, rank], [None], [], [rank])]
        self.joined = [True, True, False, False]

    def parts(self, result: Any) -> list[Any]:
        """Return the tensors that one result is kept as."""
        if not isinstance(result, installed("SparseTensor")):
            raise TypeError(explain(f"map_fn: {result!r} is no SparseTensor, as the signature of the result says."))
        number = apply(find("Size"), result.values, out_type=dtypes.int64)
        return [result.indices, result.values, number, result.dense_shape]

    def whole(self, parts: Sequence[Any]) -> Any:
        """Return all results out of the tensors that they were kept as: each one is a row."""
        indices, values, numbers, shapes = parts
        zero, one = constant_of(0, dtypes.int64), constant_of(1, dtypes.int64)
        ends = apply(find("Cumsum"), numbers, constant_of(0, dtypes.int32), exclusive=False, reverse=False)
        places = apply(find("Range"), zero, apply(find("Size"), values, out_type=dtypes.int64), one)
        row = apply(find("UpperBound"), ends[None], places[None], out_type=dtypes.int64)
        column = apply(find("Reshape"), row, constant_of([-1, 1], dtypes.int32))
        whole = apply(find("ConcatV2"), [column, indices], one)
        rows = apply(find("Size"), numbers, out_type=dtypes.int64)
        largest = apply(find("Max"), shapes, constant_of([0], dtypes.int32), keep_dims=False)
        shape = apply(find("ConcatV2"), [rows[None], apply(find("Maximum"), largest, zero)], zero)
        return installed("SparseTensor")(whole, values, shape)


def _column_of(signature: Any) -> _Column | _SparseColumn:
    return _SparseColumn(signature) if isinstance(signature, SparseTensorSpec) else _Column(signature)


def _with_count(tensor: Any, count: int | None) -> Any:
    if count is not None and tensor.shape.rank is not None and tensor.shape[0] is None:
        tensor.set_shape(TensorShape([count]).concatenate(tensor.shape[1:]))
    return tensor


def map_fn(fn: Callable[..., Any], elems: Any, signature: Any, infer_shape: bool = True) -> Any:
    """Apply `fn` to each row of `elems` and stack the results."""
    if not callable(fn):
        raise TypeError(explain(f"The provided function {getattr(fn, '__name__', fn)!r} is not callable."))
    fn, elems, signature = _with_encoded(fn, elems, signature)
    flat, total, count = _rows(elems)
    if signature is None:
        signature = nest.map_structure(_own_signature, elems)
    leaves = nest.flatten(_opened(signature))
    columns = [_column_of(leaf) for leaf in leaves]
    types = [t for column in columns for t in column.types]
    shapes = [s for column in columns for s in column.shapes]
    joined = [j for column in columns for j in column.joined]
    parts = [_parts(t, count) for t in flat]

    def flat_result(result: Any) -> list[Any]:
        nest.assert_same_structure(_opened(signature), _opened(result), check_types=False)
        results = nest.flatten(_opened(result))
        found = [part for column, one in zip(columns, results, strict=True) for part in column.parts(one)]
        for tensor, dtype in zip(found, types, strict=True):
            if tensor.dtype is not dtype:
                raise TypeError(
                    explain(
                        f"map_fn: a result has element type {tensor.dtype.name} where {dtype.name} is expected; state "
                        "fn_output_signature."
                    )
                )
        return found

    if current_graph() is None:
        rows = [flat_result(fn(_row(parts, i, elems))) for i in range(count or 0)]
        made = [
            _joined([row[k] for row in rows], types[k], shapes[k])
            if joined[k]
            else _stacked([row[k] for row in rows], types[k], shapes[k])
            for k in range(len(types))
        ]
        return _packed(_stacked_types(signature, count), columns, made)
    outputs = tuple(
        TensorArray(t, size=total if count is None else count, element_shape=s, infer_shape=infer_shape and not j)
        for t, s, j in zip(types, shapes, joined, strict=True)
    )

    def body(i: Any, arrays: Any) -> Any:
        found = flat_result(fn(_row(parts, i, elems)))
        return apply(find("AddV2"), i, constant_of(1, dtypes.int32)), tuple(
            a.write(i, r) for a, r in zip(arrays, found, strict=True)
        )

    _, arrays = while_loop(lambda i, _: apply(find("Less"), i, total), body, (constant_of(0, dtypes.int32), outputs))
    made = [a.concat() if j else _with_count(a.stack(), count) for a, j in zip(arrays, joined, strict=True)]
    return _packed(_stacked_types(signature, count), columns, made)


def _with_encoded(fn: Callable[..., Any], elems: Any, signature: Any) -> tuple[Callable[..., Any], Any, Any]:
    """Return the arguments of map_fn with those values taken apart that only their batch encoder can say the rows of."""

    def spec_of_encoded(value: Any) -> Any:
        own = isinstance(value, CompositeTensor) and not hasattr(value, "_row_reader") and not hasattr(value, "_handle")
        return value._type_spec if own and isinstance(value._type_spec, BatchableTypeSpec) else None

    specs = nest.map_structure(spec_of_encoded, elems)
    if all(spec is None for spec in nest.flatten(specs)):
        return fn, elems, signature
    if signature is None:
        signature = nest.map_structure(lambda s, e: _own_signature(e) if s is None else s._unbatch(), specs, elems)
    parts = nest.map_structure(lambda s, e: e if s is None else s.__batch_encoder__.encode(s, e, 1), specs, elems)

    def on_row(row: Any) -> Any:
        return fn(
            nest.map_structure_up_to(
                specs, lambda s, r: r if s is None else s.__batch_encoder__.decode(s._unbatch(), r), specs, row
            )
        )

    return on_row, parts, signature


def _own_signature(leaf: Any) -> Any:
    """Return what a row of `leaf` is, as a signature."""
    return leaf._type_spec._unbatch() if hasattr(leaf, "_row_reader") else _leaf(leaf).dtype


def _opened(structure: Any) -> Any:
    """Return a structure with composite tensors and their specs opened, but for ragged and sparse ones."""
    return nest.map_structure(
        lambda v: (
            v
            if isinstance(v, (RaggedTensorSpec, SparseTensorSpec, TensorSpec))
            or hasattr(v, "_row_reader")
            or not isinstance(v, (CompositeTensor, TypeSpec))
            else nest.flatten(v, expand_composites=True)
        ),
        structure,
    )


def _stacked_types(signature: Any, count: int | None) -> Any:
    """Return the signature with the specs of extension types as those of `count` stacked values: their fields may hold shapes."""
    return nest.map_structure(
        lambda s: s._batch(count) if isinstance(s, BatchableTypeSpec) and hasattr(s, "_with_fields") else s, signature
    )


def _packed(signature: Any, columns: Sequence[_Column | _SparseColumn], made: Sequence[Any]) -> Any:
    """Return the results in the structure that the signature describes."""
    found, at = [], 0
    for column in columns:
        found.append(column.whole(made[at : at + len(column.types)]))
        at += len(column.types)
    if not any(isinstance(column, _SparseColumn) or column.ragged is not None for column in columns):
        return nest.pack_sequence_as(signature, found, expand_composites=True)
    return nest.pack_sequence_as(signature, found)


def _joined(rows: Sequence[Any], dtype: DType, shape: Any) -> Any:
    if len(rows) > 1:
        return apply(find("ConcatV2"), list(rows), constant_of(0, dtypes.int32))
    return rows[0] if rows else _stacked([], dtype, None if shape is None else TensorShape(shape)[1:])


def _stacked(rows: Sequence[Any], dtype: DType, shape: Any) -> Any:
    if rows:
        return apply(find("Pack"), list(rows), axis=0)
    sizes = [
        0,
        *(
            n or 0
            for n in (TensorShape(shape).as_list() if shape is not None and TensorShape(shape).rank is not None else [])
        ),
    ]
    return apply(find("Fill"), constant_of(sizes, dtypes.int32), to_tensor(0, dtype))


def vectorized_map(fn: Callable[..., Any], elems: Any) -> Any:
    """Apply `fn` to each row of `elems` and stack the results, whatever their structure."""
    flat, _total, count = _rows(elems)
    if count is not None and any(
        t.shape[0] == 1 != count for t in flat if t.shape.rank and not hasattr(t, "_row_reader")
    ):
        ones = list(flat)
        flat = [_repeated(t, count) if t.shape[0] == 1 and count != 1 else t for t in ones]
        elems = nest.pack_sequence_as(elems, flat)
    if current_graph() is None:
        parts = [_parts(t, count) for t in flat]
        results = [fn(_row(parts, i, elems)) for i in range(count or 0)]
        if not results:
            raise ValueError(explain("vectorized_map needs at least one row."))
        return nest.map_structure(
            lambda *rows: apply(find("Pack"), [to_tensor(r) for r in rows], axis=0), *results, expand_composites=True
        )
    probe = FuncGraph("probe", current_graph())
    with tracing(probe):
        found = fn(nest.pack_sequence_as(elems, [_probed_row(probe, leaf) for leaf in flat]))
        signature = nest.map_structure(lambda r: to_tensor(r).dtype, found, expand_composites=True)
    return map_fn(fn, elems, signature)


def _probed_row(probe: FuncGraph, leaf: Any) -> Any:
    """Return something of the type of a row."""
    reader = getattr(leaf, "_row_reader", None)
    if reader is not None:
        return reader()(constant_of(0, dtypes.int32))
    spec = spec_of(leaf)
    return probe.placeholder(spec if spec.shape is None else spec.with_shape(spec.shape[1:]))


def _repeated(tensor: Any, count: int) -> Any:
    sizes = constant_of([count, *tensor.shape.as_list()[1:]], dtypes.int32)
    return apply(find("BroadcastTo"), tensor, sizes)


def fold(fn: Callable[..., Any], elems: Any, initializer: Any, *, backwards: bool) -> Any:
    """Combine the rows of `elems`, first to last (or last to first), with what came before."""
    if not callable(fn):
        raise TypeError(explain(f"{getattr(fn, '__name__', fn)!r} is not callable."))
    flat, total, count = _rows(elems)
    parts = [_parts(t, count) for t in flat]
    one = constant_of(1, dtypes.int32)
    last = apply(find("Sub"), total, one)
    start = last if backwards else constant_of(0, dtypes.int32)
    if initializer is None:
        state = _row(parts, start, elems)
        start = apply(find("Sub" if backwards else "AddV2"), start, one)
    else:
        state = nest.map_structure(to_tensor, initializer)
    step, test = (
        ("Sub", lambda i: apply(find("GreaterEqual"), i, constant_of(0, dtypes.int32)))
        if backwards
        else (
            "AddV2",
            lambda i: apply(find("Less"), i, total),
        )
    )

    def body(i: Any, state: Any) -> Any:
        return apply(find(step), i, one), fn(state, _row(parts, i, elems))

    return while_loop(lambda i, _: test(i), body, (start, state))[1]


def scan(fn: Callable[..., Any], elems: Any, initializer: Any, *, backwards: bool, infer_shape: bool = True) -> Any:
    """Combine the rows of `elems` one after the other, and stack all states."""
    if not callable(fn):
        raise TypeError(explain(f"{getattr(fn, '__name__', fn)!r} is not callable."))
    flat, total, count = _rows(elems)
    parts = [_parts(t, count) for t in flat]
    one, zero = constant_of(1, dtypes.int32), constant_of(0, dtypes.int32)
    start = apply(find("Sub"), total, one) if backwards else zero
    first = initializer is None
    state = _row(parts, start, elems) if first else nest.map_structure(to_tensor, initializer)
    states = nest.flatten(state, expand_composites=True)
    arrays = tuple(
        TensorArray(
            s.dtype,
            size=total if count is None else count,
            element_shape=s.shape if infer_shape else None,
            infer_shape=infer_shape,
            clear_after_read=False,
        )
        for s in states
    )
    if first:
        arrays = tuple(a.write(start, s) for a, s in zip(arrays, states, strict=True))
        start = apply(find("Sub" if backwards else "AddV2"), start, one)
    step = find("Sub" if backwards else "AddV2")

    def body(i: Any, state: Any, arrays: Any) -> Any:
        after = fn(state, _row(parts, i, elems))
        nest.assert_same_structure(state, after, check_types=False, expand_composites=True)
        leaves = [to_tensor(v) for v in nest.flatten(after, expand_composites=True)]
        return apply(step, i, one), after, tuple(a.write(i, v) for a, v in zip(arrays, leaves, strict=True))

    def test(i: Any, *_: Any) -> Any:
        return apply(find("GreaterEqual"), i, zero) if backwards else apply(find("Less"), i, total)

    _, _, arrays = while_loop(test, body, (start, state, arrays))
    stacked = [_with_count(a.stack(), count) for a in arrays]
    return nest.pack_sequence_as(state, stacked, expand_composites=True)
