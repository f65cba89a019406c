"""What each primitive is in ops: the rules of `lowering`. Gradients in traced functions are made of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import Size, is_known
from millstream.base.spec import Spec
from millstream.ops.registry import find
from millstream.program.primitives.shaping import constant
from millstream.program.value import Program, Value

Sizes = Sequence[Size]
Lowering = Any
"""`lowering.Lowering`, which stands above: it says sizes in ops."""

RULES: dict[str, Callable[..., Any]] = {}
"""How each primitive is said in ops: rule(lowering, *inputs, **attributes) -> value or values."""


def lowers(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give primitives the decorated rule."""

    def register(rule: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            RULES[name] = rule
        return rule

    return register


_SAME = {
    "acos": "Acos", "acosh": "Acosh", "add": "AddV2", "asin": "Asin", "asinh": "Asinh", "atan": "Atan", "atan2": "Atan2",
    "atanh": "Atanh", "bessel_i0e": "BesselI0e", "bessel_i1e": "BesselI1e",
    "bessel_j0": "BesselJ0", "bessel_j1": "BesselJ1", "bessel_y0": "BesselY0", "bessel_y1": "BesselY1",
    "bessel_k0": "BesselK0", "bessel_k0e": "BesselK0e", "bessel_k1": "BesselK1", "bessel_k1e": "BesselK1e",
    "betainc": "Betainc", "dawsn": "Dawsn", "expint": "Expint", "fresnel_cos": "FresnelCos", "fresnel_sin": "FresnelSin",
    "spence": "Spence", "log_determinant": "LogMatrixDeterminant", "matrix_square_root": "MatrixSquareRoot",
    "matrix_logarithm": "MatrixLogarithm", "ceil": "Ceil", "cholesky": "Cholesky",
    "complex": "Complex", "conj": "Conj", "cos": "Cos", "cosh": "Cosh", "determinant": "MatrixDeterminant",
    "digamma": "Digamma", "erf": "Erf", "erf_inv": "Erfinv", "erfc": "Erfc", "exp": "Exp", "expm1": "Expm1",
    "floor": "Floor", "igamma": "Igamma", "igamma_gradient": "IgammaGradA", "igammac": "Igammac", "imag": "Imag",
    "is_finite": "IsFinite", "is_inf": "IsInf", "is_nan": "IsNan", "is_set": "VarIsInitializedOp", "lgamma": "Lgamma",
    "log": "Log", "log1p": "Log1p", "logical_not": "LogicalNot", "logistic": "Sigmoid", "maximum": "Maximum",
    "minimum": "Minimum", "multiply": "Mul", "negate": "Neg", "next_after": "NextAfter", "polygamma": "Polygamma",
    "power": "Pow", "random_gamma_gradient": "RandomGammaGrad", "real": "Real", "remainder": "TruncateMod",
    "round_even": "Rint", "rsqrt": "Rsqrt", "select": "SelectV2", "shift_left": "LeftShift", "shift_right": "RightShift",
    "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt", "stop_gradient": "StopGradient", "subtract": "Sub",
    "tan": "Tan", "tanh": "Tanh", "where": "Where", "write": "AssignVariableOp", "zeta": "Zeta", "list_push": "TensorListPushBack",
    "list_length": "TensorListLength", "list_resize": "TensorListResize",
}  # fmt: skip


def _same(name: str) -> Any:
    return lambda lowering, *inputs, **_: find(name)(*inputs)


for _primitive, _op in _SAME.items():
    RULES[_primitive] = _same(_op)

_COMPARISONS = {
    "EQ": "Equal", "NE": "NotEqual", "LT": "Less", "LE": "LessEqual", "GT": "Greater", "GE": "GreaterEqual",
}  # fmt: skip
_REDUCTIONS = {"sum": "Sum", "product": "Prod", "max": "Max", "min": "Min", "and": "All", "or": "Any"}
_SCATTERS = {
    "set": "TensorScatterUpdate", "add": "TensorScatterAdd", "sub": "TensorScatterSub", "max": "TensorScatterMax",
    "min": "TensorScatterMin",
}  # fmt: skip
_SEGMENTS = {
    "sum": "UnsortedSegmentSum", "product": "UnsortedSegmentProd", "max": "UnsortedSegmentMax", "min": "UnsortedSegmentMin",
}  # fmt: skip


@lowers("sizes")
def _sizes(lowering: Lowering, *, values: Sizes, dtype: DType, scalar: bool) -> Value:
    return lowering.size(values[0], dtype) if scalar else lowering.shape(values, dtype)  # type: ignore[no-any-return]


@lowers("call")
def _call(lowering: Lowering, *inputs: Value, program: Program) -> Any:
    return find("StatefulPartitionedCall")(list(inputs), Tout=tuple(v.dtype for v in program.outputs), f=program)


@lowers("abs")
def _abs(lowering: Lowering, x: Value) -> Value:
    return find("ComplexAbs" if x.dtype.is_complex else "Abs")(x)  # type: ignore[no-any-return]


@lowers("cbrt")
def _cbrt(lowering: Lowering, x: Value) -> Value:
    return find("Mul")(find("Sign")(x), find("Pow")(find("Abs")(x), constant(1 / 3, x.dtype)))  # type: ignore[no-any-return]


@lowers("divide")
def _divide(lowering: Lowering, x: Value, y: Value) -> Value:
    return find("TruncateDiv" if x.dtype.is_integer else "RealDiv")(x, y)  # type: ignore[no-any-return]


@lowers("bit_and")
def _and(lowering: Lowering, x: Value, y: Value) -> Value:
    return find("LogicalAnd" if x.dtype is dtypes.bool else "BitwiseAnd")(x, y)  # type: ignore[no-any-return]


@lowers("bit_or")
def _or(lowering: Lowering, x: Value, y: Value) -> Value:
    return find("LogicalOr" if x.dtype is dtypes.bool else "BitwiseOr")(x, y)  # type: ignore[no-any-return]


@lowers("bit_xor")
def _xor(lowering: Lowering, x: Value, y: Value) -> Value:
    return find("NotEqual" if x.dtype is dtypes.bool else "BitwiseXor")(x, y)  # type: ignore[no-any-return]


@lowers("compare")
def _compare(lowering: Lowering, x: Value, y: Value, *, direction: str) -> Value:
    return find(_COMPARISONS[direction])(x, y)  # type: ignore[no-any-return]


@lowers("convert")
def _convert(lowering: Lowering, x: Value, *, dtype: DType) -> Value:
    return find("Cast")(x, DstT=dtype)  # type: ignore[no-any-return]


@lowers("bitcast")
def _bitcast(lowering: Lowering, x: Value, *, dtype: DType) -> Value:
    return find("Bitcast")(x, type=dtype)  # type: ignore[no-any-return]


@lowers("reshape", "assume_shape")
def _reshape(lowering: Lowering, x: Value, *, shape: Sizes) -> Value:
    return find("Reshape")(x, lowering.shape(shape))  # type: ignore[no-any-return]


@lowers("broadcast")
def _broadcast(lowering: Lowering, x: Value, *, shape: Sizes, axes: Sequence[int]) -> Value:
    given = dict(zip(axes, x.shape, strict=True))
    kept = [given.get(axis, 1) for axis in range(len(shape))]
    if axes and tuple(axes) != tuple(range(len(shape) - len(axes), len(shape))):
        x = find("Reshape")(x, lowering.shape(kept))
    return find("BroadcastTo")(x, lowering.shape(shape))  # type: ignore[no-any-return]


@lowers("iota")
def _iota(lowering: Lowering, *, shape: Sizes, axis: int, dtype: DType) -> Value:
    wide = dtype if dtype in (dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64) else dtypes.int64
    row = find("Range")(constant(0, wide), lowering.size(shape[axis], dtypes.int64) if wide is dtypes.int64 else
                        find("Cast")(lowering.size(shape[axis]), DstT=wide), constant(1, wide))  # fmt: skip
    row = row if wide is dtype else find("Cast")(row, DstT=dtype)
    if len(shape) == 1:
        return row  # type: ignore[no-any-return]
    row = find("Reshape")(row, lowering.shape([n if i == axis else 1 for i, n in enumerate(shape)]))
    return find("BroadcastTo")(row, lowering.shape(shape))  # type: ignore[no-any-return]


@lowers("transpose")
def _transpose(lowering: Lowering, x: Value, *, permutation: Sequence[int]) -> Value:
    return find("Transpose")(x, constant(list(permutation), dtypes.int32))  # type: ignore[no-any-return]


@lowers("reverse")
def _reverse(lowering: Lowering, x: Value, *, axes: Sequence[int]) -> Value:
    return find("ReverseV2")(x, constant(list(axes), dtypes.int32))  # type: ignore[no-any-return]


@lowers("concatenate")
def _concatenate(lowering: Lowering, *xs: Value, axis: int) -> Value:
    return find("ConcatV2")(list(xs), constant(axis, dtypes.int32))  # type: ignore[no-any-return]


@lowers("slice")
def sliced(lowering: Lowering, x: Value, *, start: Sizes, limit: Sizes, stride: Sequence[int]) -> Value:
    bounds = [lowering.shape(start), lowering.shape(limit), constant(list(stride), dtypes.int32)]
    return find("StridedSlice")(x, *bounds)  # type: ignore[no-any-return]


@lowers("dynamic_slice")
def _dynamic_slice(lowering: Lowering, x: Value, start: Value, *, sizes: Sizes, within: bool = False) -> Value:
    lengths = lowering.shape(sizes, dtypes.int64)
    begin = find("Cast")(start, DstT=dtypes.int64) if within else _clamped(x, start, lengths)
    return find("Slice")(x, begin, lengths)  # type: ignore[no-any-return]


def _clamped(x: Value, start: Value, lengths: Value) -> Value:
    """Return where a block of these lengths begins so that it fits into `x`."""
    room = find("Sub")(find("Shape")(x, out_type=dtypes.int64), lengths)
    within = find("Minimum")(find("Cast")(start, DstT=dtypes.int64), room)
    return find("Maximum")(within, constant(0, dtypes.int64))  # type: ignore[no-any-return]


@lowers("dynamic_update_slice")
def _dynamic_update_slice(lowering: Lowering, x: Value, update: Value, start: Value) -> Value:
    lengths = lowering.shape(update.shape, dtypes.int64)
    begin = _clamped(x, start, lengths)
    ones = constant([1] * x.rank, dtypes.int64)
    return find("TensorStridedSliceUpdate")(x, begin, find("AddV2")(begin, lengths), ones, update)  # type: ignore[no-any-return]


@lowers("pad")
def padded_by(lowering: Lowering, x: Value, value: Value, *, low: Sizes, high: Sizes, interior: Sequence[int]) -> Value:
    if any(interior):
        x = spaced(lowering, x, value, interior)
    cut = [is_known(n) and n < 0 for n in (*low, *high)]  # type: ignore[operator]
    if any(cut):
        ends = [n + min(h, 0) if is_known(h) else n for n, h in zip(x.shape, high, strict=True)]  # type: ignore[type-var]
        begins = [-min(n, 0) if is_known(n) else 0 for n in low]  # type: ignore[type-var]
        x = sliced(lowering, x, start=begins, limit=ends, stride=[1] * len(begins))
        low = [max(n, 0) if is_known(n) else n for n in low]  # type: ignore[type-var]
        high = [max(n, 0) if is_known(n) else n for n in high]  # type: ignore[type-var]
    if not any(n != 0 for n in (*low, *high)):
        return x
    pairs = find("Pack")([lowering.shape(low), lowering.shape(high)], axis=1)
    return find("PadV2")(x, pairs, value)  # type: ignore[no-any-return]


def spaced(lowering: Lowering, x: Value, value: Value, interior: Sequence[int]) -> Value:
    """Put elements of `value` between the elements of each axis."""
    for axis, count in enumerate(interior):
        if count:
            shape = list(x.shape)
            apart = find("Reshape")(x, lowering.shape([*shape[: axis + 1], 1, *shape[axis + 1 :]]))
            pairs = [[0, 0] for _ in range(len(shape) + 1)]
            pairs[axis + 1] = [0, count]
            wide = find("PadV2")(apart, constant(pairs, dtypes.int32), value)
            long = [*shape[:axis], shape[axis] * (count + 1), *shape[axis + 1 :]]
            joined = find("Reshape")(wide, lowering.shape(long))
            limit = [n - count if i == axis else n for i, n in enumerate(long)]
            x = sliced(lowering, joined, start=[0] * len(shape), limit=limit, stride=[1] * len(shape))
    return x


@lowers("reduce")
def _reduce(lowering: Lowering, x: Value, *, kind: str, axes: Sequence[int]) -> Value:
    return find(_REDUCTIONS[kind])(x, constant(list(axes), dtypes.int32))  # type: ignore[no-any-return]


@lowers("arg_reduce")
def _arg_reduce(lowering: Lowering, x: Value, *, kind: str, axis: int, dtype: DType) -> Value:
    return find("ArgMax" if kind == "max" else "ArgMin")(x, constant(axis, dtypes.int32), output_type=dtype)  # type: ignore[no-any-return]


@lowers("cumulative")
def _cumulative(lowering: Lowering, x: Value, *, kind: str, axis: int, exclusive: bool, reverse: bool) -> Value:
    names = {"sum": "Cumsum", "product": "Cumprod", "logsumexp": "CumulativeLogsumexp"}
    return find(names[kind])(x, constant(axis, dtypes.int32), exclusive=exclusive, reverse=reverse)  # type: ignore[no-any-return]


@lowers("dot")
def _dot(lowering: Lowering, x: Value, y: Value, *, contract: Any, batch: Any) -> Value:
    if x.rank == y.rank == 2 and not batch[0] and len(contract[0]) == 1:
        return find("MatMul")(x, y, transpose_a=contract[0][0] == 0, transpose_b=contract[1][0] == 1)  # type: ignore[no-any-return]
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    left = [next(letters) for _ in range(x.rank)]
    shared = dict(zip((*batch[1], *contract[1]), (left[i] for i in (*batch[0], *contract[0])), strict=True))
    right = [shared[i] if i in shared else next(letters) for i in range(y.rank)]
    result = [left[i] for i in batch[0]]
    result += [c for i, c in enumerate(left) if i not in batch[0] and i not in contract[0]]
    result += [c for i, c in enumerate(right) if i not in shared]
    return find("Einsum")([x, y], equation=f"{''.join(left)},{''.join(right)}->{''.join(result)}")  # type: ignore[no-any-return]


@lowers("gather")
def _gather(lowering: Lowering, x: Value, indices: Value, *, axis: int, batch_axes: int) -> Value:
    return find("GatherV2")(x, indices, constant(axis, dtypes.int32), batch_dims=batch_axes)  # type: ignore[no-any-return]


@lowers("gather_nd")
def _gather_nd(lowering: Lowering, x: Value, indices: Value, *, batch_axes: int) -> Value:
    if not batch_axes:
        return find("GatherNd")(x, indices)  # type: ignore[no-any-return]
    parts = []
    for axis in range(batch_axes):
        shape = (*indices.shape[:-1], 1)
        parts.append(_iota(lowering, shape=shape, axis=axis, dtype=indices.dtype))
    joined = find("ConcatV2")([*parts, indices], constant(indices.rank - 1, dtypes.int32))
    return find("GatherNd")(x, joined)  # type: ignore[no-any-return]


@lowers("scatter_nd")
def _scatter_nd(lowering: Lowering, x: Value, indices: Value, updates: Value, *, kind: str) -> Value:
    return find(_SCATTERS[kind])(x, indices, updates)  # type: ignore[no-any-return]


@lowers("segment_reduce")
def _segment_reduce(lowering: Lowering, x: Value, ids: Value, *, kind: str, count: Size, ascending: bool) -> Value:
    number = lowering.size(count, dtypes.int32)
    if kind != "mean":
        return find(_SEGMENTS[kind])(x, ids, number)  # type: ignore[no-any-return]
    total = find("UnsortedSegmentSum")(x, ids, number)
    ones = find("BroadcastTo")(constant(1, x.dtype), find("Shape")(x))
    counts = find("UnsortedSegmentSum")(ones, ids, number)
    return find("RealDiv")(total, find("Maximum")(counts, constant(1, x.dtype)))  # type: ignore[no-any-return]


@lowers("search_sorted")
def _search_sorted(lowering: Lowering, rows: Value, values: Value, *, right: bool, dtype: DType) -> Value:
    return find("UpperBound" if right else "LowerBound")(rows, values, out_type=dtype)  # type: ignore[no-any-return]


@lowers("unique")
def _unique(lowering: Lowering, x: Value, *, index_dtype: DType) -> Any:
    return find("UniqueWithCounts")(x, out_idx=index_dtype)


@lowers("top_k")
def _top_k(lowering: Lowering, x: Value, *, k: Size, sorted: bool, index_dtype: DType) -> Any:
    return find("TopKV2")(x, lowering.size(k, dtypes.int32), sorted=sorted, index_type=index_dtype)


@lowers("read")
def _read(lowering: Lowering, resource: Value, *, dtype: Any = None, shape: Any = None) -> Value:
    held = resource.spec.handle
    return find("ReadVariableOp")(resource, dtype=dtype or (held.dtype if held is not None else None))  # type: ignore[no-any-return]


@lowers("softmax_gradient")
def _softmax_gradient(lowering: Lowering, dy: Value, y: Value) -> Value:
    last = constant([-1], dtypes.int32)
    total = find("Sum")(find("Mul")(dy, y), last, keep_dims=True)
    return find("Mul")(find("Sub")(dy, total), y)  # type: ignore[no-any-return]


@lowers("log_softmax_gradient")
def _log_softmax_gradient(lowering: Lowering, dy: Value, y: Value) -> Value:
    total = find("Sum")(dy, constant([-1], dtypes.int32), keep_dims=True)
    return find("Sub")(dy, find("Mul")(find("Exp")(y), total))  # type: ignore[no-any-return]


@lowers("check")
def _check(lowering: Lowering, condition: Value, *data: Value, message: str, error: str) -> None:
    find("Assert")(condition, [constant(message, dtypes.string), *data])


@lowers("branch")
def _branch(lowering: Lowering, index: Value, *inputs: Value, programs: tuple[Program, ...]) -> Any:
    types = tuple(v.dtype for v in programs[0].outputs)
    return find("Case")(index, list(inputs), Tout=types, branches=programs)


@lowers("loop")
def _loop(lowering: Lowering, *inputs: Value, condition: Program, body: Program, carried: int) -> Any:
    whole = Program(body.name)
    whole.inputs, whole.nodes = body.inputs, body.nodes
    whole.outputs = [*body.outputs, *body.inputs[carried:]]
    return find("While")(list(inputs), cond=condition, body=whole)[:carried]


def _element_shape(lowering: Lowering, element: Spec) -> Value:
    if element.shape is None:
        return constant(-1, dtypes.int32)
    return lowering.shape(lowering.known_sizes(element.shape))  # type: ignore[no-any-return]


@lowers("list_empty")
def _list_empty(lowering: Lowering, *most: Value, element: Spec) -> Value:
    limit = constant(-1, dtypes.int32)
    return find("EmptyTensorList")(_element_shape(lowering, element), limit, element_dtype=element.dtype)  # type: ignore[no-any-return]


@lowers("list_reserve")
def _list_reserve(lowering: Lowering, count: Value, *, element: Spec) -> Value:
    return find("TensorListReserve")(_element_shape(lowering, element), count, element_dtype=element.dtype)  # type: ignore[no-any-return]


@lowers("list_get")
def _list_get(lowering: Lowering, held: Value, index: Value, *, element: Spec) -> Value:
    return find("TensorListGetItem")(held, index, _element_shape(lowering, element), element_dtype=element.dtype)  # type: ignore[no-any-return]


@lowers("list_set")
def _list_set(lowering: Lowering, held: Value, index: Value, x: Value, *, grow: bool = False) -> Value:
    return find("TensorListSetItem")(held, index, x, resize_if_index_out_of_bounds=grow)  # type: ignore[no-any-return]


@lowers("list_pop")
def _list_pop(lowering: Lowering, held: Value, *, element: Spec) -> Any:
    return find("TensorListPopBack")(held, _element_shape(lowering, element), element_dtype=element.dtype)


@lowers("list_stack")
def _list_stack(lowering: Lowering, held: Value, *, element: Spec, count: Size) -> Value:
    number = count if isinstance(count, int) else -1
    shape = _element_shape(lowering, element)
    return find("TensorListStack")(held, shape, element_dtype=element.dtype, num_elements=number)  # type: ignore[no-any-return]


@lowers("list_from_tensor")
def _list_from_tensor(lowering: Lowering, x: Value, *, element: Spec) -> Value:
    return find("TensorListFromTensor")(x, _element_shape(lowering, element))  # type: ignore[no-any-return]


@lowers("list_gather")
def _list_gather(lowering: Lowering, held: Value, indices: Value, *, element: Spec) -> Value:
    return find("TensorListGather")(held, indices, _element_shape(lowering, element), element_dtype=element.dtype)  # type: ignore[no-any-return]


@lowers("list_scatter_into")
def _list_scatter_into(lowering: Lowering, held: Value, x: Value, indices: Value) -> Value:
    return find("TensorListScatterIntoExistingList")(held, x, indices)  # type: ignore[no-any-return]
