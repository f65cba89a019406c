"""Rare functions at the top of tf: op-like forms of arithmetic, histograms, fingerprints, edit distances and the like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.api.calls import binary, named
from millstream.api.math import cast, clip_by_value
from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.name_scope import current_scope
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.static_value import static_value
from millstream.execution.tensor import eager_constant
from millstream.ops.registry import find

binary("realdiv", "RealDiv", "Return x / y elementwise, of real or complex numbers.")
binary("truncatediv", "TruncateDiv", "Return x / y elementwise, rounded towards zero.")
binary("truncatemod", "TruncateMod", "Return the remainder of x / y elementwise, with x's sign.")


@public("histogram_fixed_width")
def histogram_fixed_width(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Any:
    """Return how many values fall in each of `nbins` equally wide bins.

    Arguments:
      values: int32, int64, float32 or float64, of any shape.
      value_range: where the first bin begins and the last one ends. Values outside count in these.
      nbins: the number of bins.
      dtype: int32 or int64.
      name: not used.

    Raises:
      InvalidArgumentError: on an empty range, NaN, or no bins.

    >>> tf.histogram_fixed_width([-1.0, 0.0, 1.5, 2.0, 5.0, 15.0], [0.0, 5.0], nbins=5).numpy()
    array([2, 1, 1, 0, 2], dtype=int32)
    """
    values = to_tensor(values)
    return apply(
        find("HistogramFixedWidth"), values, to_tensor(value_range, values.dtype), nbins, dtype=as_dtype(dtype)
    )


@public("histogram_fixed_width_bins")
def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Any:
    """Return the number of the bin that each value is in, as int32.

    Arguments: those of `tf.histogram_fixed_width`; values are floats.

    >>> tf.histogram_fixed_width_bins([-1.0, 0.0, 1.5, 2.0, 5.0, 15.0], [0.0, 5.0], nbins=5).numpy()
    array([0, 0, 1, 2, 4, 4], dtype=int32)
    """
    values = to_tensor(values)
    bounds = to_tensor(value_range, values.dtype)
    count = to_tensor(nbins, dtypes.int32)
    known = static_value(count)
    if known is not None and int(known) <= 0:
        raise errors.InvalidArgumentError(None, None, explain(f"nbins {int(known)} must > 0: give a positive number."))
    wide = cast(count, values.dtype)
    place = apply(find("Floor"), wide * ((values - bounds[0]) / (bounds[1] - bounds[0])))
    return cast(clip_by_value(place, eager_constant(0, values.dtype), wide - 1), dtypes.int32)


@public("unravel_index")
def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Any:
    """Return the places, one a column, of elements of a flattened array in an array of sizes `dims`.

    Arguments:
      indices: int32 or int64, a scalar or a vector.
      dims: the sizes, of the same type.
      name: not used.

    Raises:
      InvalidArgumentError: where an index is beyond the last element, or a size is 0.

    >>> tf.unravel_index([2, 5, 7], [3, 3]).numpy().tolist()
    [[0, 1, 2], [2, 2, 1]]
    """
    indices = to_tensor(indices, None, dtypes.int32)
    return apply(find("UnravelIndex"), indices, to_tensor(dims, indices.dtype))


@public("fingerprint")
def fingerprint(data: Any, method: Any = "farmhash64", name: str | None = None) -> Any:
    """Return 8 bytes for each row of `data`, by FarmHash; equal rows have equal ones.

    Arguments:
      data: of rank 1 or more, of any type.
      method: "farmhash64".
      name: not used.

    Raises:
      InvalidArgumentError: on a scalar, or another method.
    """
    known = static_value(to_tensor(method))
    if known is not None and getattr(known, "item", lambda: known)() not in (b"farmhash64", "farmhash64"):
        raise errors.InvalidArgumentError(
            None, None, explain(f"Unsupported fingerprint method: {method}. Only 'farmhash64' is supported.")
        )
    return apply(find("Fingerprint"), data, method)


@public("edit_distance")
def edit_distance(hypothesis: Any, truth: Any, normalize: bool = True, name: str = "edit_distance") -> Any:
    """Return Levenshtein's distance between the sequences along the last axes of two sparse tensors.

    Arguments:
      hypothesis, truth: SparseTensors of one rank and type.
      normalize: whether distances are divided by the lengths of the true sequences.
      name: not used.

    Raises:
      TypeError: where one is no SparseTensor.

    >>> words = [tf.sparse.from_dense([["a", "b", "c"]]), tf.sparse.from_dense([["a", "x", "c"]])]
    >>> tf.edit_distance(*words, normalize=False).numpy()
    array([1.], dtype=float32)
    """
    for what, given in (("Hypothesis", hypothesis), ("Truth", truth)):
        if not isinstance(given, SparseTensor):
            raise TypeError(explain(f"{what} must be a SparseTensor. Given {type(given).__name__}."))
    parts = [part for t in (hypothesis, truth) for part in (t.indices, t.values, t.dense_shape)]
    return apply(find("EditDistance"), *parts, normalize=normalize)


@public("extract_volume_patches")
def extract_volume_patches(
    input: Any, ksizes: Sequence[int], strides: Sequence[int], padding: str, name: str | None = None
) -> Any:
    """Return the windows of volumes [batch, planes, rows, columns, depth], each as one row of channels.

    Arguments:
      input: a tensor of rank 5.
      ksizes, strides: 5 numbers each, the first and the last 1.
      padding: "SAME" or "VALID".
      name: not used.
    """
    return apply(find("ExtractVolumePatches"), input, ksizes=tuple(ksizes), strides=tuple(strides), padding=padding)


@public("conv")
def conv(
    input: Any,
    filter: Any,
    strides: Sequence[int],
    padding: str,
    explicit_paddings: Sequence[int] = [],
    data_format: str = "CHANNELS_LAST",
    dilations: Sequence[int] = [],
    batch_dims: int = 1,
    groups: int = 1,
    name: str | None = None,
) -> Any:
    """Convolve images or volumes, whose first `batch_dims` axes are the batch.

    Arguments:
      input: [batch…, spatial…, channels], with 2 or 3 spatial axes.
      filter: [spatial…, channels, outputs].
      strides, dilations: one number for each axis of input, the batch counted once; dilations of 1 where none are given.
      padding: "SAME", "VALID" or "EXPLICIT"; explicit_paddings: then a low and a high number for each axis.
      data_format: "CHANNELS_LAST" or "CHANNELS_FIRST".
      batch_dims: the number of batch axes.
      groups: must be 1.
      name: not used.
    """
    return apply(
        find("Conv"), input, filter, strides=tuple(strides), padding=padding, explicit_paddings=tuple(explicit_paddings),
        data_format=data_format, dilations=tuple(dilations), batch_dims=batch_dims, groups=groups,
    )  # fmt: skip


def _backwards(leaf: str, op_name: str, what: str) -> None:
    def function(
        input: Any,
        filter: Any,
        out_backprop: Any,
        strides: Sequence[int],
        padding: str,
        use_cudnn_on_gpu: bool = True,
        explicit_paddings: Sequence[int] = [],
        data_format: str = "NHWC",
        dilations: Sequence[int] = [1, 1, 1, 1],
        name: str | None = None,
    ) -> Any:
        return apply(
            find(op_name), input, filter, out_backprop, strides=tuple(strides), padding=padding,
            use_cudnn_on_gpu=use_cudnn_on_gpu, explicit_paddings=tuple(explicit_paddings), data_format=data_format,
            dilations=tuple(dilations),
        )  # fmt: skip

    function.__name__ = function.__qualname__ = leaf
    function.__doc__ = f"""Return what flows back through tf.nn.conv2d to its {what}, of which only the shape counts.

    Arguments:
      input: [batch, rows, columns, channels]; filter: [rows, columns, channels, outputs].
      out_backprop: what flows back to the result.
      strides, padding, explicit_paddings, data_format, dilations: those of the convolution.
      use_cudnn_on_gpu, name: not used.
    """
    public(leaf)(function)


_backwards("conv2d_backprop_input_v2", "Conv2DBackpropInputV2", "input")
_backwards("conv2d_backprop_filter_v2", "Conv2DBackpropFilterV2", "filter")


@public("random_index_shuffle")
def random_index_shuffle(index: Any, seed: Any, max_index: Any, rounds: int = 4, name: str | None = None) -> Any:
    """Return where the element `index` goes when 0 … max_index are shuffled.

    Arguments:
      index, max_index: whole numbers of one type, scalars or vectors.
      seed: three whole numbers, or rows of three.
      rounds: of the cipher that shuffles: an even number from 4 on.
      name: not used.
    """
    index = to_tensor(index, None, dtypes.int32)
    return apply(find("RandomIndexShuffle"), index, seed, to_tensor(max_index, index.dtype), rounds=rounds)


@public("approx_top_k")
def approx_top_k(
    input: Any,
    k: int,
    reduction_dimension: int = -1,
    recall_target: float = 0.95,
    is_max_k: bool = True,
    reduction_input_size_override: int = -1,
    aggregate_to_topk: bool = True,
    name: str | None = None,
) -> Any:
    """Return the k largest (`is_max_k`) or smallest elements along an axis and their places.

    Arguments:
      input: float16, bfloat16 or float32.
      k: how many elements.
      reduction_dimension: the axis.
      recall_target, reduction_input_size_override, aggregate_to_topk: not used here: the answer is exact.
      name: not used.
    """
    return named(
        find("ApproxTopK"), input, k=k, reduction_dimension=reduction_dimension, recall_target=float(recall_target),
        is_max_k=is_max_k, reduction_input_size_override=reduction_input_size_override, aggregate_to_topk=aggregate_to_topk,
    )  # fmt: skip


def _approximate(leaf: str, largest: bool) -> None:
    def function(
        operand: Any,
        k: int,
        reduction_dimension: int = -1,
        recall_target: float = 0.95,
        reduction_input_size_override: int = -1,
        aggregate_to_topk: bool = True,
        name: str | None = None,
    ) -> Any:
        return approx_top_k(
            operand, k, reduction_dimension, recall_target, largest, reduction_input_size_override, aggregate_to_topk
        )

    function.__name__ = function.__qualname__ = leaf
    function.__doc__ = f"""Return the k {"largest" if largest else "smallest"} elements along an axis and their places.

    Arguments: those of `tf.approx_top_k`.
    """
    public(f"math.{leaf}", f"nn.{leaf}")(function)


_approximate("approx_max_k", True)
_approximate("approx_min_k", False)


@public("math.sobol_sample")
def sobol_sample(
    dim: Any, num_results: Any, skip: Any = 0, dtype: Any = dtypes.float32, name: str | None = None
) -> Any:
    """Return points of Sobol's sequence, which fills the unit cube evenly: [num_results, dim]. Needs SciPy.

    Arguments:
      dim: the dimension of the points, at most 21200.
      num_results: how many points.
      skip: how many to leave out first.
      dtype: float32 or float64.
      name: not used.

    Raises:
      InvalidArgumentError: where dim or num_results is not positive, or skip is negative.

    >>> tf.math.sobol_sample(2, 3).numpy().tolist()
    [[0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]
    """
    return apply(find("SobolSample"), dim, num_results, skip, dtype=as_dtype(dtype))


_TRANSFORM = """

    Arguments:
      input: the numbers.
      fft_length: int32: the length of each axis, to which it is cut or padded with zeros.
      axes: int32: the axes, all different.
      name: not used.

    See `tf.signal.fftnd`, which needs neither lengths nor axes.
    """


@public("fftnd")
def fftnd(input: Any, fft_length: Any, axes: Any, name: str | None = None) -> Any:
    """Return the Fourier transform of the given axes."""
    return apply(find("FFTND"), to_tensor(input, None, dtypes.complex64), fft_length, axes)


@public("ifftnd")
def ifftnd(input: Any, fft_length: Any, axes: Any, name: str | None = None) -> Any:
    """Return the inverse Fourier transform of the given axes."""
    return apply(find("IFFTND"), to_tensor(input, None, dtypes.complex64), fft_length, axes)


@public("rfftnd")
def rfftnd(input: Any, fft_length: Any, axes: Any, Tcomplex: Any = dtypes.complex64, name: str | None = None) -> Any:
    """Return the Fourier transform of real numbers along the given axes, the second half of the last left out."""
    return apply(find("RFFTND"), to_tensor(input, None, dtypes.float32), fft_length, axes, Tcomplex=as_dtype(Tcomplex))


@public("irfftnd")
def irfftnd(input: Any, fft_length: Any, axes: Any, Treal: Any = dtypes.float32, name: str | None = None) -> Any:
    """Return the real numbers whose Fourier transform along the given axes this is."""
    return apply(find("IRFFTND"), to_tensor(input, None, dtypes.complex64), fft_length, axes, Treal=as_dtype(Treal))


for _function in (fftnd, ifftnd, rfftnd, irfftnd):
    _function.__doc__ = (_function.__doc__ or "") + _TRANSFORM


@public("guarantee_const")
def guarantee_const(input: Any, name: str | None = None) -> Any:
    """Return `input`, which the caller says never changes."""
    return apply(find("GuaranteeConst"), input)


@public("get_current_name_scope")
def get_current_name_scope() -> str:
    """Return the names of the scopes around this line, joined with slashes.

    >>> with tf.name_scope("a"):
    ...     print(tf.get_current_name_scope())
    a
    """
    return current_scope()


@public("ragged_fill_empty_rows")
def ragged_fill_empty_rows(
    value_rowids: Any, values: Any, nrows: Any, default_value: Any, name: str | None = None
) -> Any:
    """Give every row that has no value the default value.

    Arguments:
      value_rowids: int64 [n]: the row of each value.
      values: [n].
      nrows: how many rows there are.
      default_value: a scalar of values' type.
      name: not used.

    Returns:
      the rows and values with the new ones, which rows were empty, and where each old value is now.

    Raises:
      InvalidArgumentError: where a row is not below `nrows`.
    """
    values = to_tensor(values)
    return apply(find("RaggedFillEmptyRows"), value_rowids, values, nrows, to_tensor(default_value, values.dtype))


@public("ragged_fill_empty_rows_grad")
def ragged_fill_empty_rows_grad(reverse_index_map: Any, grad_values: Any, name: str | None = None) -> Any:
    """Return what flows back through ragged_fill_empty_rows to its values and its default value."""
    return apply(find("RaggedFillEmptyRowsGrad"), reverse_index_map, grad_values)


@public("nondifferentiable_batch_function")
def nondifferentiable_batch_function(
    num_batch_threads: int,
    max_batch_size: int,
    batch_timeout_micros: int,
    allowed_batch_sizes: Sequence[int] | None = None,
    max_enqueued_batches: int = 10,
    autograph: bool = True,
    enable_large_batch_splitting: bool = True,
) -> Callable[..., Any]:
    """Say that batching the calls of a server's threads is not supported.

    Raises:
      UnimplementedError: always.
    """
    raise errors.UnimplementedError(
        None,
        None,
        explain(
            "tf.nondifferentiable_batch_function joins calls that several threads of a server make at once, which Millstream "
            "does not do: gather the inputs in one batch (tf.data.Dataset.batch) and call the function once."
        ),
    )
