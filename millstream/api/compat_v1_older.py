"""tf.compat.v1's older names and parameter orders of functions that version 2 has under others. They call those."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from millstream.api.older_names import either
from millstream.api.public import public, publish, root
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution import variable as variables
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.ragged_value import RaggedTensorValue
from millstream.execution.sparse_tensor import SparseTensor
from millstream.execution.variable import VariableAggregation

tf: Any = root()

publish("compat.v1.VariableAggregation", VariableAggregation)


@public("compat.v1.variable_creator_scope")
@contextmanager
def variable_creator_scope(variable_creator: Any) -> Iterator[None]:
    """Make variables inside by `variable_creator(next_creator, **arguments)`."""
    variables.creators.append(variable_creator)
    try:
        yield
    finally:
        variables.creators.remove(variable_creator)


@public("compat.v1.batch_gather")
def batch_gather(params: Any, indices: Any, name: str | None = None) -> Any:
    """Return `tf.gather` along the last axis of `indices`, all axes before it being shared."""
    indices = tf.convert_to_tensor(indices)
    if indices.shape.rank is None:
        raise ValueError(explain("batch_gather does not allow indices with unknown shape."))
    return tf.gather(params, indices, batch_dims=indices.shape.rank - 1, name=name)


@public("compat.v1.batch_scatter_update")
def batch_scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Any:
    """Set the rows `indices` of each part of a variable, and return what it holds then."""
    indices = tf.convert_to_tensor(indices, name="indices")
    shape = tf.shape(indices)
    rank = indices.shape.rank
    if rank is None:
        raise ValueError(explain("batch_scatter_update does not allow indices with unknown shape."))
    grids = tf.meshgrid(*[tf.range(shape[i]) for i in range(rank - 1)], tf.range(shape[-1]), indexing="ij")
    places = [*(tf.cast(g, indices.dtype) for g in grids[:-1]), indices]
    return tf.compat.v1.scatter_nd_update(ref, tf.stack(places, axis=-1), updates, use_locking, name)


@public("compat.v1.batch_to_space")
def batch_to_space(input: Any, crops: Any, block_size: Any, name: str | None = None, block_shape: Any = None) -> Any:
    """See `tf.batch_to_space`; both axes of an image have the same block."""
    size = either(block_shape, block_size, "block_shape", "block_size")
    return tf.batch_to_space(input, [size, size] if isinstance(size, int) else size, crops, name=name)


@public("compat.v1.batch_to_space_nd", "compat.v1.manip.batch_to_space_nd")
def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Any:
    """See `tf.batch_to_space`."""
    return tf.batch_to_space(input, block_shape, crops, name=name)


@public("compat.v1.space_to_batch")
def space_to_batch(
    input: Any, paddings: Any, block_size: Any = None, name: str | None = None, block_shape: Any = None
) -> Any:
    """See `tf.space_to_batch`; both axes of an image have the same block."""
    size = either(block_shape, block_size, "block_shape", "block_size")
    return tf.space_to_batch(input, [size, size] if isinstance(size, int) else size, paddings, name=name)


@public("compat.v1.bincount", "compat.v1.math.bincount")
def bincount(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = dtypes.int32
) -> Any:
    """See `tf.math.bincount`."""
    return tf.math.bincount(arr, weights, minlength, maxlength, dtype)


@public("compat.v1.clip_by_average_norm")
def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Any:
    """Return `t`, made smaller where its norm by its number of elements is above `clip_norm`."""
    values = tf.convert_to_tensor(t)
    count = tf.cast(tf.size(values), values.dtype)
    inverse = tf.math.rsqrt(tf.reduce_sum(values * values, keepdims=True))
    return tf.identity(values * clip_norm * tf.minimum(inverse * count, 1.0 / clip_norm), name=name)


@public("compat.v1.convert_to_tensor_or_indexed_slices")
def convert_to_tensor_or_indexed_slices(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Return IndexedSlices as they are, and anything else as a tensor.

    Raises:
      ValueError: IndexedSlices are of another element type.
    """
    if isinstance(value, IndexedSlices):
        if dtype is not None and not as_dtype(dtype).is_compatible_with(value.dtype):
            raise ValueError(
                explain(
                    f"Tensor conversion requested dtype {as_dtype(dtype).name} for Tensor with dtype {value.dtype.name}: {value!r}"
                )
            )
        return value
    return tf.convert_to_tensor(value, dtype, name=name)


@public("compat.v1.convert_to_tensor_or_sparse_tensor")
def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Return sparse tensors as they are, and anything else as a tensor.

    Raises:
      RuntimeError: a sparse tensor is of another element type.
    """
    value = SparseTensor.from_value(value) if type(value).__name__ == "SparseTensorValue" else value
    if isinstance(value, SparseTensor):
        if dtype is not None and not as_dtype(dtype).is_compatible_with(value.dtype):
            raise RuntimeError(
                explain(f"Sparse dtype mismatch. Requested: {as_dtype(dtype).name},  Actual: {value.dtype.name}")
            )
        return value
    return tf.convert_to_tensor(value, dtype, name=name)


@public("compat.v1.decode_csv", "compat.v1.io.decode_csv")
def decode_csv(
    records: Any,
    record_defaults: Any,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    name: str | None = None,
    na_value: str = "",
    select_cols: Any = None,
) -> Any:
    """See `tf.io.decode_csv`."""
    return tf.io.decode_csv(records, record_defaults, field_delim, use_quote_delim, na_value, select_cols, name)


@public("compat.v1.decode_raw", "compat.v1.io.decode_raw")
def decode_raw(
    input_bytes: Any = None,
    out_type: Any = None,
    little_endian: bool = True,
    name: str | None = None,
    bytes: Any = None,
) -> Any:
    """See `tf.io.decode_raw`; `bytes` is an older name of `input_bytes`."""
    given = either(input_bytes, bytes, "input_bytes", "bytes")
    if out_type is None:
        raise ValueError(explain("decode_raw_v1() missing 1 positional argument: 'out_type'"))
    return tf.io.decode_raw(given, out_type, little_endian, name=name)


@public("compat.v1.parse_example", "compat.v1.io.parse_example")
def parse_example(serialized: Any, features: Any, name: str | None = None, example_names: Any = None) -> Any:
    """See `tf.io.parse_example`."""
    return tf.io.parse_example(serialized, features, example_names, name)


@public("compat.v1.parse_single_example", "compat.v1.io.parse_single_example")
def parse_single_example(serialized: Any, features: Any, name: str | None = None, example_names: Any = None) -> Any:
    """See `tf.io.parse_single_example`."""
    return tf.io.parse_single_example(serialized, features, example_names, name)


@public("compat.v1.serialize_sparse", "compat.v1.io.serialize_sparse")
def serialize_sparse(sp_input: Any, name: str | None = None, out_type: Any = dtypes.string) -> Any:
    """See `tf.io.serialize_sparse`."""
    return tf.io.serialize_sparse(sp_input, out_type, name)


@public("compat.v1.serialize_many_sparse", "compat.v1.io.serialize_many_sparse")
def serialize_many_sparse(sp_input: Any, name: str | None = None, out_type: Any = dtypes.string) -> Any:
    """See `tf.io.serialize_many_sparse`."""
    return tf.io.serialize_many_sparse(sp_input, out_type, name)


@public("compat.v1.div")
def div(x: Any, y: Any, name: str | None = None) -> Any:
    """Divide as Python 2 does: integers downwards, all else exactly."""
    x = tf.convert_to_tensor(x)
    y = tf.convert_to_tensor(y, dtype=x.dtype)
    return tf.math.floordiv(x, y, name=name) if x.dtype.is_integer else tf.divide(x, y, name=name)


@public("compat.v1.floor_div")
def floor_div(x: Any, y: Any, name: str | None = None) -> Any:
    """See `tf.math.floordiv`."""
    return tf.math.floordiv(x, y, name=name)


@public("compat.v1.scalar_mul", "compat.v1.math.scalar_mul")
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """See `tf.math.scalar_mul`."""
    return tf.math.scalar_mul(scalar, x, name)


@public("compat.v1.extract_image_patches", "compat.v1.image.extract_image_patches")
def extract_image_patches(
    images: Any,
    ksizes: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    sizes: Any = None,
) -> Any:
    """See `tf.image.extract_patches`; `ksizes` is an older name of `sizes`."""
    return tf.image.extract_patches(images, either(sizes, ksizes, "sizes", "ksizes"), strides, rates, padding, name)


@public("compat.v1.sparse_matmul")
def sparse_matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Any:
    """Return the product of two matrices of float32 or bfloat16 as float32; that one has many zeros is a hint."""
    left, right = tf.cast(a, dtypes.float32), tf.cast(b, dtypes.float32)
    return tf.matmul(left, right, transpose_a, transpose_b, name=name)


@public("compat.v1.ragged.constant_value")
def constant_value(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    row_splits_dtype: Any = "int64",
) -> Any:
    """Return nested lists as a RaggedTensorValue of NumPy arrays; see `tf.ragged.constant`."""
    with tf.init_scope():
        made = tf.ragged.constant(pylist, dtype, ragged_rank, inner_shape, None, as_dtype(row_splits_dtype))
    return _value_of(made)


def _value_of(made: Any) -> Any:
    if not hasattr(made, "row_splits"):
        return made.numpy()
    return RaggedTensorValue(_value_of(made.values), made.row_splits.numpy())


@public("compat.v1.nn.batch_norm_with_global_normalization")
def batch_norm_with_global_normalization(
    t: Any = None,
    m: Any = None,
    v: Any = None,
    beta: Any = None,
    gamma: Any = None,
    variance_epsilon: Any = None,
    scale_after_normalization: Any = None,
    name: str | None = None,
    input: Any = None,
    mean: Any = None,
    variance: Any = None,
) -> Any:
    """See `tf.nn.batch_norm_with_global_normalization`; `t`, `m` and `v` are older names of input, mean and variance."""
    return tf.nn.batch_norm_with_global_normalization(
        either(input, t, "input", "t"),
        either(mean, m, "mean", "m"),
        either(variance, v, "variance", "v"),
        beta,
        gamma,
        variance_epsilon,
        scale_after_normalization,
        name,
    )


@public("compat.v1.nn.max_pool_with_argmax")
def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    Targmax: Any = None,
    name: str | None = None,
    output_dtype: Any = None,
    include_batch_in_index: bool = False,
) -> Any:
    """See `tf.nn.max_pool_with_argmax`; `Targmax` is an older name of `output_dtype`."""
    dtype = either(output_dtype, Targmax, "output_dtype", "Targmax")
    wanted = dtypes.int64 if dtype is None else dtype
    return tf.nn.max_pool_with_argmax(input, ksize, strides, padding, data_format, wanted, include_batch_in_index, name)


@public("compat.v1.nn.pool")
def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    padding: Any,
    dilation_rate: Any = None,
    strides: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Any:
    """See `tf.nn.pool`; `dilation_rate` is an older name of `dilations`."""
    rates = either(dilations, dilation_rate, "dilations", "dilation_rate")
    return tf.nn.pool(input, window_shape, pooling_type, strides, padding, data_format, rates, name)


@public("compat.v1.nn.conv3d_transpose")
def conv3d_transpose(
    value: Any,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: str = "SAME",
    data_format: str = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Any:
    """See `tf.nn.conv3d_transpose`; `value` and `filter` are older names of `input` and `filters`."""
    return tf.nn.conv3d_transpose(
        either(input, value, "input", "value"),
        either(filters, filter, "filters", "filter"),
        output_shape,
        strides,
        padding,
        data_format,
        dilations,
        name,
    )


@public("compat.v1.nn.conv2d_backprop_filter")
def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Any:
    """Return the gradient of a convolution with respect to its filters; `use_cudnn_on_gpu` is a hint."""
    return tf.raw_ops.Conv2DBackpropFilter(
        input=input, filter_sizes=filter_sizes, out_backprop=out_backprop, strides=strides, **_padding(padding),
        use_cudnn_on_gpu=use_cudnn_on_gpu, data_format=data_format, dilations=list(dilations), name=name,
    )  # fmt: skip


@public("compat.v1.nn.conv2d_backprop_input")
def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any = None,
    out_backprop: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Any:
    """Return the gradient of a convolution with respect to its input; `filter` is an older name of `filters`."""
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=input_sizes, filter=either(filters, filter, "filters", "filter"), out_backprop=out_backprop,
        strides=strides, **_padding(padding), use_cudnn_on_gpu=use_cudnn_on_gpu, data_format=data_format,
        dilations=list(dilations), name=name,
    )  # fmt: skip


def _padding(padding: Any) -> dict[str, Any]:
    if isinstance(padding, str):
        return {"padding": padding}
    return {"padding": "EXPLICIT", "explicit_paddings": [n for pair in padding for n in pair]}


def _conv3d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: str,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
    name: str | None = None,
) -> Any:
    """Return the gradient of a convolution of volumes with respect to its filters."""
    return tf.raw_ops.Conv3DBackpropFilterV2(
        input=input, filter_sizes=filter_sizes, out_backprop=out_backprop, strides=strides, padding=padding,
        data_format=data_format, dilations=list(dilations), name=name,
    )  # fmt: skip


publish("compat.v1.nn.conv3d_backprop_filter", _conv3d_backprop_filter)
publish("compat.v1.nn.conv3d_backprop_filter_v2", _conv3d_backprop_filter)


@public("compat.v1.nn.depthwise_conv2d_native")
def depthwise_conv2d_native(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Any:
    """See `tf.nn.depthwise_conv2d`."""
    return tf.raw_ops.DepthwiseConv2dNative(
        input=input, filter=filter, strides=strides, **_padding(padding), data_format=data_format, dilations=list(dilations),
        name=name,
    )  # fmt: skip


@public("compat.v1.nn.ctc_loss_v2")
def ctc_loss_v2(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: int | None = None,
    name: str | None = None,
) -> Any:
    """See `tf.nn.ctc_loss`."""
    return tf.nn.ctc_loss(labels, logits, label_length, logit_length, logits_time_major, unique, blank_index, name)


@public("compat.v1.nn.ctc_loss")
def ctc_loss(
    labels: Any,
    inputs: Any = None,
    sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
    logits: Any = None,
) -> Any:
    """Return what sparse labels cost; the last class is blank. `inputs` is an older name of `logits`.

    Raises:
      TypeError: the labels are not sparse.
    """
    if not isinstance(labels, SparseTensor):
        raise TypeError(
            explain(
                f"Expected argument `labels` to be a SparseTensor. Received labels={labels} of type: {type(labels).__name__}"
            )
        )
    if preprocess_collapse_repeated or not ctc_merge_repeated or ignore_longer_outputs_than_inputs:
        raise NotImplementedError(
            explain(
                "preprocess_collapse_repeated, ctc_merge_repeated=False and ignore_longer_outputs_than_inputs are not supported; "
                "use tf.nn.collapse_repeated on the labels, or leave long ones out."
            )
        )
    given = either(logits, inputs, "logits", "inputs")
    return tf.nn.ctc_loss(labels, given, None, sequence_length, time_major, blank_index=-1)


@public("compat.v1.nn.ctc_beam_search_decoder")
def ctc_beam_search_decoder(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1, merge_repeated: bool = True
) -> Any:
    """Return the best paths and their logarithms of probabilities; `merge_repeated` merges equal classes beside each other."""
    paths, scores = tf.nn.ctc_beam_search_decoder(inputs, sequence_length, beam_width, top_paths)
    return [_merged(path) for path in paths] if merge_repeated else paths, scores


def _merged(path: Any) -> Any:
    """Return rows of classes without those that equal the one before them."""
    rows, classes = path.indices[:, 0], path.values
    again = tf.logical_and(tf.equal(rows[1:], rows[:-1]), tf.equal(classes[1:], classes[:-1]))
    kept = tf.concat([tf.ones_like(rows[:1], dtypes.bool), tf.logical_not(again)], 0)
    rows, classes = tf.boolean_mask(rows, kept), tf.boolean_mask(classes, kept)
    counts = tf.range(tf.size(rows, out_type=dtypes.int64))
    columns = counts - tf.gather(tf.math.segment_min(counts, rows), rows)
    longest = tf.reduce_max(tf.concat([tf.constant([-1], dtypes.int64), columns], 0)) + 1
    return tf.SparseTensor(tf.stack([rows, columns], 1), classes, tf.stack([path.dense_shape[0], longest]))


@public("compat.v1.autograph.to_graph")
def to_graph(
    entity: Any,
    recursive: bool = True,
    arg_values: Any = None,
    arg_types: Any = None,
    experimental_optional_features: Any = None,
) -> Any:
    """See `tf.autograph.to_graph`; `arg_values` and `arg_types` are accepted and not used."""
    return tf.autograph.to_graph(entity, recursive, experimental_optional_features)


@public("compat.v1.autograph.to_code")
def to_code(
    entity: Any,
    recursive: bool = True,
    arg_values: Any = None,
    arg_types: Any = None,
    indentation: str = "  ",
    experimental_optional_features: Any = None,
) -> str:
    """See `tf.autograph.to_code`; `arg_values`, `arg_types` and `indentation` are accepted and not used."""
    return str(tf.autograph.to_code(entity, recursive, experimental_optional_features))


@public("compat.v1.add_check_numerics_ops")
def add_check_numerics_ops() -> Any:
    """Return an operation that fails where a tensor of the graph, of floating elements, is not a number or infinite.

    Raises:
      RuntimeError: ops run at once.
    """
    if tf.executing_eagerly():
        raise RuntimeError(
            explain(
                "add_check_numerics_ops() is not compatible with eager execution. To check for Inf's and NaN's under eager execution, call tf.debugging.enable_check_numerics() once before executing the checked operations."
            )
        )
    checks: list[Any] = []
    for operation in tf.compat.v1.get_default_graph().get_operations():
        for output in operation.outputs:
            if output.dtype in (dtypes.float16, dtypes.float32, dtypes.float64):
                with tf.control_dependencies(checks[-1:]):
                    checks.append(tf.debugging.check_numerics(output, f"{operation.name}:{output.value_index}"))
    return tf.group(*checks)
