"""Declare rare ops on arrays: histograms, fingerprints, flat places, edit distances, Sobol's numbers, rows of volumes."""

from __future__ import annotations

import functools
import itertools
from typing import Literal

import numpy as np

from millstream.base import dtypes
from millstream.base.dtypes import bfloat16, float16, float32, float64, int32, int64, uint8, uint32
from millstream.base.errors import UnimplementedError, explain
from millstream.base.sizes import is_known, maximum, product
from millstream.ops.convolution import conv2d_backprop_filter, conv2d_backprop_input, forward_convolution, pads
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.sparse_order import all_of, compare_number, filled, inverse_of, kept, order_of_numbers
from millstream.ops.types import FLOATS, INTEGERS
from millstream.program.primitives import elementwise as e
from millstream.program.primitives import searching
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.distances import bytes_fingerprint
from millstream.program.primitives.distances import edit_distance as distances
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import cumulative, reduce, reduce_all
from millstream.program.primitives.segments import segment_reduce
from millstream.program.primitives.shaping import (
    bitcast,
    broadcast,
    concatenate,
    constant,
    contents,
    full,
    iota,
    pad,
    reshape,
    scalar_size,
    sizes,
    slice_,
    slice_axis,
    transpose,
)
from millstream.program.primitives.text import fingerprint as text_fingerprint
from millstream.program.primitives.windows import output_size
from millstream.program.value import Value

Any = Types("T")
Real = Types("T", *FLOATS, *INTEGERS)
Counted = Types("T", int32, int64, float32, float64)


@op("HistogramFixedWidth", outputs="out")
def histogram(
    values: Tensor[Counted],
    value_range: Tensor[Counted],
    nbins: Known[Tensor[int32]],
    *,
    dtype: Types("dtype", int32, int64, default=int32) = int32,
) -> Tensor["dtype"]:
    """Return how many values are in each of equally wide bins; those outside the range are in the first and the last."""
    bins = contents(nbins)[0]
    if is_known(bins) and bins <= 0:
        raise refuse("HistogramFixedWidth", f"nbins {bins}", "nbins should be a positive number")
    if value_range.rank != 1 or value_range.shape[0] != 2:
        raise refuse(
            "HistogramFixedWidth", f"value_range {value_range.spec}", "value_range should be a vector of 2 elements"
        )
    low, high = (reshape(slice_axis(value_range, 0, i, i + 1), ()) for i in (0, 1))
    check(
        e.compare(low, high, "LT"),
        "value_range should satisfy value_range[0] < value_range[1], but got",
        data=[value_range],
    )
    flat = reshape(values, (product(values.shape),))
    if values.dtype.is_floating:
        nan = reduce(e.is_nan(flat), "or", (0,))
        check(e.logical_not(nan), "Histogram values must not contain NaN")
    step = e.convert(high - low, float64) / scalar_size(bins, float64)
    place = e.convert(e.maximum(flat, filled(low, flat.shape)) - filled(low, flat.shape), float64) / filled(
        step, flat.shape
    )
    place = e.minimum(place, broadcast(scalar_size(bins - 1, float64), flat.shape, ()))
    return segment_reduce(full(flat.shape, 1, dtype), e.convert(place, int32), "sum", bins)


histogram.no_gradient()


@op("UnravelIndex", outputs="output")
def unravel_index(
    indices: Tensor[Types("Tidx", int32, int64, default=int32)],
    dims: Tensor[Types("Tidx", int32, int64, default=int32)],
) -> Tensor[Types("Tidx", int32, int64, default=int32)]:
    """Return, column by column, the places in an array of sizes `dims` of elements of the flattened array."""
    if indices.rank > 1:
        raise refuse("UnravelIndex", f"indices {indices.spec}", "The indices can only be scalar or vector")
    if dims.rank != 1:
        raise refuse("UnravelIndex", f"dims {dims.spec}", "The dims must be a vector")
    none = full(dims.shape, 0, dims.dtype)
    check(
        all_of(e.compare(dims, none, "NE")),
        "Input dims cannot contain a dim of zero, but dims contains zero",
        data=[dims],
    )
    after = cumulative(dims, "product", 0, exclusive=True, backwards=True)
    flat = reshape(indices, (product(indices.shape),))
    total = filled(reduce(dims, "product", (0,)), flat.shape)
    check(all_of(e.compare(flat, total, "LT")), "index is out of bound as with dims", data=[indices, dims])
    shape = (dims.shape[0], flat.shape[0])
    wide = broadcast(flat, shape, (1,))
    inner, own = broadcast(after, shape, (0,)), broadcast(after * dims, shape, (0,))
    return reshape(e.emit(e.REMAINDER, wide, own)[0] / inner, (dims.shape[0], *indices.shape))


unravel_index.no_gradient()


@op("Fingerprint", outputs="fingerprint")
def fingerprint(data: Tensor[Any], method: Tensor[dtypes.string]) -> Tensor[uint8]:
    """Return the 64-bit FarmHash fingerprint of each row of `data` as 8 bytes."""
    if data.rank < 1:
        raise refuse("Fingerprint", "a scalar", "`data` should have at least one dimension")
    n, inner = data.shape[0], product(data.shape[1:])
    if data.dtype == dtypes.string:
        hashes = text_fingerprint(reshape(data, (n, inner)))
        one = is_known(inner) and inner == 1
        found = reshape(hashes, (n,)) if one else bytes_fingerprint(reshape(bitcast(hashes, uint8), (n, inner * 8)))
    else:
        number = e.convert(data, uint8) if data.dtype == dtypes.bool else data
        raw = number if number.dtype.size == 1 else bitcast(number, uint8)
        if raw.dtype != uint8:
            raw = bitcast(raw, uint8)
        found = bytes_fingerprint(reshape(raw, (n, inner * data.dtype.size)))
    return bitcast(found, uint8)


fingerprint.no_gradient()


@op("EditDistance", outputs="output")
def edit_distance(
    hypothesis_indices: Tensor[int64],
    hypothesis_values: Tensor[Any],
    hypothesis_shape: Known[Tensor[int64]],
    truth_indices: Tensor[int64],
    truth_values: Tensor[Any],
    truth_shape: Known[Tensor[int64]],
    *,
    normalize: bool = True,
) -> Tensor[float32]:
    """Return Levenshtein's distances between the sequences along the last axes of two sparse tensors."""
    first, second = contents(hypothesis_shape), contents(truth_shape)
    if len(first) != len(second) or len(first) < 2:
        raise refuse(
            "EditDistance", f"ranks {len(first)} and {len(second)}", "give two sparse tensors of one rank, 2 or more"
        )
    shape = tuple(maximum(m, n) for m, n in zip(first[:-1], second[:-1], strict=True))
    symbols = [_symbols(v) for v in (hypothesis_values, truth_values)]
    return distances(hypothesis_indices, symbols[0], truth_indices, symbols[1], shape, normalize)


edit_distance.no_gradient()


def _symbols(values: Value) -> Value:
    """Return whole numbers that are equal where the values are."""
    if values.dtype == dtypes.string:
        return bitcast(text_fingerprint(values), int64)
    if values.dtype.is_floating:
        return bitcast(e.convert(values, float64), int64)
    return e.convert(values, int64)


@op("ExtractVolumePatches", outputs="patches")
def extract_volume_patches(
    input: Tensor[Real], *, ksizes: list[int], strides: list[int], padding: Literal["SAME", "VALID"]
) -> Tensor[Real]:
    """Return the windows of volumes, each as one row of channels."""
    if input.rank != 5 or len(ksizes) != 5 or len(strides) != 5:
        raise refuse(
            "ExtractVolumePatches", f"{input.spec}, {list(ksizes)}, {list(strides)}", "give 5 axes, ksizes and strides"
        )
    if any(v[0] != 1 or v[4] != 1 for v in (ksizes, strides)):
        raise refuse(
            "ExtractVolumePatches", f"{list(ksizes)}, {list(strides)}", "windows do not reach over batch or depth"
        )
    kernel, steps = ksizes[1:4], strides[1:4]
    low, high = pads(padding, input.shape[1:4], kernel, steps, (1, 1, 1), (), "NDHWC")
    counts = list(map(output_size, input.shape[1:4], kernel, steps, low, high))
    x = pad(input, (0, *low, 0), (0, *high, 0))
    cuts = []
    for at in itertools.product(*map(range, kernel)):
        limits = [a + (n - 1) * s + 1 for a, n, s in zip(at, counts, steps, strict=True)]
        cuts.append(slice_(x, (0, *at, 0), (x.shape[0], *limits, x.shape[4]), (1, *steps, 1)))
    return concatenate(cuts, 4)


@op("Conv", outputs="output")
def conv(
    input: Tensor[Types("T", float16, bfloat16, float32, float64, int32)],
    filter: Tensor[Types("T", float16, bfloat16, float32, float64, int32)],
    *,
    strides: list[int],
    padding: Literal["SAME", "VALID", "EXPLICIT"],
    explicit_paddings: list[int] = (),
    data_format: Literal["CHANNELS_FIRST", "CHANNELS_LAST"] = "CHANNELS_LAST",
    dilations: list[int] = (),
    batch_dims: int = 1,
    groups: int = 1,
) -> Tensor[Types("T", float16, bfloat16, float32, float64, int32)]:
    """Convolve images or volumes, whose first `batch_dims` axes are the batch."""
    spatial = input.rank - batch_dims - 1
    if spatial not in (2, 3) or filter.rank != spatial + 2:
        raise refuse(
            "Conv",
            f"input of rank {input.rank}, filter of rank {filter.rank}, batch_dims {batch_dims}",
            f"The input must have 2 or 3 spatial dimensions but got {spatial}",
        )
    if groups != 1:
        raise UnimplementedError(
            None, None, explain("Grouped/Depthwise Convolutions are not supported yet: use tf.nn.conv2d.")
        )
    if len(strides) != spatial + 2:
        raise refuse(
            "Conv", f"strides {list(strides)}", f"Sliding window strides field must specify {spatial + 2} dimensions"
        )
    lead = input.shape[:batch_dims]
    x = reshape(input, (product(lead), *input.shape[batch_dims:]))
    last = data_format == "CHANNELS_LAST"
    layout = {2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}[spatial][last]
    gaps = tuple(dilations) or (1,) * (spatial + 2)
    y = forward_convolution("Conv", x, filter, strides, padding, explicit_paddings, layout, gaps)
    return reshape(y, (*lead, *y.shape[1:]))


_LAYOUT = Literal["NHWC", "NCHW"]
_PADDING = Literal["SAME", "VALID", "EXPLICIT"]


@op("Conv2DBackpropInputV2", outputs="output")
def conv2d_backprop_input_v2(
    input: Tensor[Types("T", float16, bfloat16, float32, float64, int32)],
    filter: Tensor[Types("T", float16, bfloat16, float32, float64, int32)],
    out_backprop: Tensor[Types("T", float16, bfloat16, float32, float64, int32)],
    *,
    strides: list[int],
    use_cudnn_on_gpu: bool = True,
    padding: _PADDING,
    explicit_paddings: list[int] = (),
    data_format: _LAYOUT = "NHWC",
    dilations: list[int] = (1, 1, 1, 1),
) -> Tensor[Types("T", float16, bfloat16, float32, float64, int32)]:
    """Return what flows back through Conv2D to its input, of which only the shape counts."""
    return conv2d_backprop_input.body(
        sizes(input.shape, int32), filter, out_backprop, strides=strides, padding=padding, explicit_paddings=explicit_paddings,
        data_format=data_format, dilations=dilations,
    )  # fmt: skip


@op("Conv2DBackpropFilterV2", outputs="output")
def conv2d_backprop_filter_v2(
    input: Tensor[Types("T", float16, bfloat16, float32, float64)],
    filter: Tensor[Types("T", float16, bfloat16, float32, float64)],
    out_backprop: Tensor[Types("T", float16, bfloat16, float32, float64)],
    *,
    strides: list[int],
    use_cudnn_on_gpu: bool = True,
    padding: _PADDING,
    explicit_paddings: list[int] = (),
    data_format: _LAYOUT = "NHWC",
    dilations: list[int] = (1, 1, 1, 1),
) -> Tensor[Types("T", float16, bfloat16, float32, float64)]:
    """Return what flows back through Conv2D to its filter, of which only the shape counts."""
    return conv2d_backprop_filter.body(
        input, sizes(filter.shape, int32), out_backprop, strides=strides, padding=padding, explicit_paddings=explicit_paddings,
        data_format=data_format, dilations=dilations,
    )  # fmt: skip


@op("GuaranteeConst", outputs="output", stateful=True)
def guarantee_const(input: Tensor[Any]) -> Tensor[Any]:
    """Return the input, which the caller says never changes."""
    return input


@op("RaggedFillEmptyRows", outputs=("output_value_rowids", "output_values", "empty_row_indicator", "reverse_index_map"))
def ragged_fill_empty_rows(
    value_rowids: Tensor[int64], values: Tensor[Any], nrows: Known[Tensor[int64]], default_value: Tensor[Any]
) -> tuple[Tensor[int64], Tensor[Any], Tensor[dtypes.bool], Tensor[int64]]:
    """Give every row that has no value the default value."""
    count, n = contents(nrows)[0], value_rowids.shape[0]
    limit = filled(scalar_size(count, int64), (n,))
    inside = e.bit_and(compare_number(value_rowids, 0, "GE"), e.compare(value_rowids, limit, "LT"))
    check(all_of(inside), "RaggedFillEmptyRows: a row is out of bounds: give rows in [0, nrows)", data=[value_rowids])
    empty = compare_number(segment_reduce(full((n,), 1, int64), value_rowids, "sum", count), 0, "EQ")
    missing = kept(empty)
    order = order_of_numbers(concatenate([value_rowids, missing], 0))
    rows = gather(concatenate([value_rowids, missing], 0), order)
    elements = gather(concatenate([values, filled(default_value, missing.shape)], 0), order)
    if is_known(count) and count == 0:
        # TensorFlow's positions of no rows have an axis more.
        rows = reshape(rows, (0, 1))
    return rows, elements, empty, slice_axis(inverse_of(order), 0, 0, n)


ragged_fill_empty_rows.no_gradient()


@op("RaggedFillEmptyRowsGrad", outputs=("d_values", "d_default_value"))
def ragged_fill_empty_rows_gradient(
    reverse_index_map: Tensor[int64], grad_values: Tensor[Any]
) -> tuple[Tensor[Any], Tensor[Any]]:
    """Return what flows back through RaggedFillEmptyRows to the values and to the default value."""
    taken = full(reverse_index_map.shape, 0, grad_values.dtype)
    where = reshape(reverse_index_map, (*reverse_index_map.shape, 1))
    return gather(grad_values, reverse_index_map), reduce(scatter_nd(grad_values, where, taken, "set"), "sum", (0,))


@op("ApproxTopK", outputs=("values", "indices"))
def approximate_top_k(
    input: Tensor[Types("T", float16, bfloat16, float32)],
    *,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    is_max_k: bool = True,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
) -> tuple[Tensor[Types("T", float16, bfloat16, float32)], Tensor[int32]]:
    """Return the k largest (or smallest) elements along an axis and their places: all of them, whatever the recall asked for."""
    if input.rank < 1 or not -input.rank <= reduction_dimension < input.rank:
        raise refuse("ApproxTopK", f"dimension {reduction_dimension} of rank {input.rank}", "give an axis of the input")
    axis = reduction_dimension % input.rank
    last = input.rank - 1
    size = input.shape[axis]
    if is_known(size) and k > size:
        raise refuse("ApproxTopK", f"Had {size}, needed {k}", "input must have at least k columns")
    turned = [*(i for i in range(input.rank) if i != axis), axis]
    back = [turned.index(i) for i in range(input.rank)]
    x = input if axis == last else transpose(input, turned)
    values, places = searching.top_k(x if is_max_k else -x, k, True, int32)
    values = values if is_max_k else -values
    return (values, places) if axis == last else (transpose(values, back), transpose(places, back))


@functools.cache
def _directions(dim: int, bits: int) -> np.ndarray:
    """Return Sobol's direction numbers [bits, dim], which are SciPy's (by Joe and Kuo)."""
    try:
        from scipy.stats import qmc
    except ImportError as error:
        raise UnimplementedError(
            None,
            None,
            explain("SobolSample takes its direction numbers from SciPy, which is not installed: pip install scipy."),
        ) from error
    found = np.zeros((bits, dim), np.uint64)
    # Number n is the exclusive or of the directions whose bits are set in n ^ n >> 1.
    engine = qmc.Sobol(dim, scramble=False, bits=32)
    points = np.round(engine.random(2**bits) * 2.0**32).astype(np.uint64)
    for bit in range(bits):
        found[bit] = points[2**bit] ^ (found[bit - 1] if bit else np.uint64(0))
    return found.astype(np.uint32)


@op("SobolSample", outputs="samples")
def sobol_sample(
    dim: Known[Tensor[int32]],
    num_results: Known[Tensor[int32]],
    skip: Known[Tensor[int32]],
    *,
    dtype: Types("dtype", float32, float64, default=float32) = float32,
) -> Tensor["dtype"]:
    """Return points of Sobol's sequence in [0, 1), [num_results, dim], after the first `skip`."""
    width, count, first = (contents(v)[0] for v in (dim, num_results, skip))
    if not is_known(width):
        raise refuse("SobolSample", "a dim known only when the program runs", "give a number")
    if width < 1 or width > 21200:
        raise refuse("SobolSample", f"dim {width}", "dim must be at least one and at most 21200")
    if is_known(count) and count < 1:
        raise refuse("SobolSample", f"num_results {count}", "num_results must be at least one")
    if is_known(first) and first < 0:
        raise refuse("SobolSample", f"skip {first}", "skip must be non-negative")
    known = is_known(count) and is_known(first)
    bits = int(count + first).bit_length() if known else 16
    directions = _directions(int(width), bits)
    number = iota((count,), 0, int64) + broadcast(scalar_size(first, int64), (count,), ()) + 1
    if not known:
        check(
            reduce_all(compare_number(number, 2**bits, "LT"), "and"),
            f"SobolSample: give sizes below 2^{bits} while tracing",
        )
    gray = e.bit_xor(number, e.shift_right(number, full(number.shape, 1, int64)))
    total = full((count, width), 0, uint32)
    for bit in range(bits):
        one = e.bit_and(e.shift_right(gray, full(gray.shape, bit, int64)), full(gray.shape, 1, int64))
        mask = broadcast(e.compare(one, full(one.shape, 1, int64), "EQ"), total.shape, (0,))
        row = broadcast(constant(directions[bit], uint32), total.shape, (1,))
        total = e.bit_xor(total, e.select(mask, row, full(total.shape, 0, uint32)))
    return e.convert(e.convert(total, float64) * 2.0**-32, dtype)


sobol_sample.no_gradient()
guarantee_const.no_gradient()

histogram.cases([((2, 5), (2,), ())], inputs=(None, [-1.0, 1.5], 4), dtypes=[float32, float64])
histogram.cases([((6,), (2,), ())], inputs=([1, 5, 9, -3, 20, 10], [0, 10], 3), dtypes=[int32, int64])
unravel_index.cases([((3,), (2,)), ((), (2,))], inputs=(None, [7, 6]), low=0, high=40)
fingerprint.cases([((3, 4), ()), ((5,), ())], inputs=(None, "farmhash64"), dtypes=[float32, int64, uint8, dtypes.bool])
fingerprint.cases([((2, 2), ())], inputs=([["a", "bc"], ["", "a" * 70]], "farmhash64"), dtypes=[dtypes.string])
edit_distance.cases(
    [((4, 2), (4,), (2,), (5, 2), (5,), (2,))],
    inputs=(
        [[0, 0], [0, 1], [2, 0], [2, 1]],
        [1, 2, 3, 4],
        [3, 2],
        [[0, 0], [0, 1], [0, 2], [1, 0], [2, 1]],
        [2, 1, 2, 5, 4],
        [3, 3],
    ),
    dtypes=[int32, int64],
)
for _padding in ("SAME", "VALID"):
    extract_volume_patches.cases(
        [(1, 3, 4, 5, 2)],
        attributes={"ksizes": (1, 2, 3, 2, 1), "strides": (1, 1, 2, 2, 1), "padding": _padding},
        dtypes=[float32, float64],
    )
    conv.cases(
        [((2, 3, 5, 5, 2), (3, 3, 2, 4))],
        attributes={"strides": (1, 1, 2, 1), "padding": _padding, "batch_dims": 2},
        dtypes=[float32, float64],
    )
    for _op in (conv2d_backprop_input_v2, conv2d_backprop_filter_v2):
        _op.cases(
            [((1, 4, 5, 2), (1, 1, 2, 3), (1, 4, 5, 3))],
            attributes={"strides": (1, 1, 1, 1), "padding": _padding},
            dtypes=[float32, float64],
            gradient=False,
        )
guarantee_const.cases([(2, 3)], dtypes=[float32, int32])
ragged_fill_empty_rows.cases([((3,), (3,), (), ())], inputs=([0, 2, 2], None, 4, None), dtypes=[float32, int32])
ragged_fill_empty_rows_gradient.cases([((3,), (5,))], inputs=([0, 2, 3], None), dtypes=[float32, float64])
approximate_top_k.cases([(3, 6)], attributes={"k": 2, "is_max_k": False, "reduction_dimension": 0}, dtypes=[float32])
sobol_sample.cases([((), (), ())], inputs=(3, 9, 2), dtypes=[float32])
