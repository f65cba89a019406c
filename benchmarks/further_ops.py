"""The second half of the table of single ops: what models and pipelines call less often, from gradients to strings."""

from __future__ import annotations

from typing import Any

from op_jobs import Job, Maker, images, row_numbers, unary


def typed(dtype: str, function: Any) -> Maker:
    """A job of one function of `tf`, the matrix times a hundred as another type, and the same plus three."""

    def make(tf: Any, x: Any) -> Job:
        left = tf.cast(x * 100, dtype)
        right = left + tf.constant(3, dtype)
        return lambda: function(tf, left, right)

    return make


def masks(function: Any) -> Maker:
    def make(tf: Any, x: Any) -> Job:
        left, right = x > 0, x < 1
        return lambda: function(tf, left, right)

    return make


def positive(function: Any) -> Maker:
    """Of numbers over a half."""

    def make(tf: Any, x: Any) -> Job:
        y = tf.abs(x) + 0.5
        return lambda: function(tf, y)

    return make


def square(size: int, function: Any) -> Maker:
    """Of one well-conditioned square matrix of at most `size` rows."""

    def make(tf: Any, x: Any) -> Job:
        rows = min(size, x.shape[0])
        matrix = x[:rows, :rows] + 4.0 * float(rows) ** 0.5 * tf.eye(rows)
        return lambda: function(tf, matrix)

    return make


def small_matrices(function: Any) -> Maker:
    """Of a batch of well-conditioned 4×4 matrices, at most 4,096 of them."""

    def make(tf: Any, x: Any) -> Job:
        batch = tf.reshape(x, (-1, 4, 4))[:4096] + 8.0 * tf.eye(4)
        return lambda: function(tf, batch)

    return make


def on_images(function: Any) -> Maker:
    def make(tf: Any, x: Any) -> Job:
        batch = images(x, tf)
        return lambda: function(tf, batch)

    return make


def pictures(function: Any) -> Maker:
    """Of a batch of pictures with three channels between 0 and 1."""

    def make(tf: Any, x: Any) -> Job:
        batch = tf.abs(tf.tanh(images(x, tf)[..., :3]))
        return lambda: function(tf, batch)

    return make


def convolution(size: int, stride: int) -> Maker:
    def make(tf: Any, x: Any) -> Job:
        batch, weights = images(x, tf), tf.ones((size, size, 16, 16))
        return lambda: tf.nn.conv2d(batch, weights, stride, "SAME")

    return make


def convolution_gradient(kind: str) -> Maker:
    def make(tf: Any, x: Any) -> Job:
        batch, weights = images(x, tf), tf.ones((3, 3, 16, 16))
        rest = {"strides": [1, 1, 1, 1], "padding": "SAME"}
        if kind == "input":
            sizes = tf.constant(list(batch.shape))
            return lambda: tf.raw_ops.Conv2DBackpropInput(input_sizes=sizes, filter=weights, out_backprop=batch, **rest)
        sizes = tf.constant([3, 3, 16, 16])
        return lambda: tf.raw_ops.Conv2DBackpropFilter(input=batch, filter_sizes=sizes, out_backprop=batch, **rest)

    return make


def depthwise_gradient(kind: str) -> Maker:
    def make(tf: Any, x: Any) -> Job:
        batch, weights = images(x, tf), tf.ones((3, 3, 16, 1))
        rest = {"strides": [1, 1, 1, 1], "padding": "SAME"}
        if kind == "input":
            sizes = tf.constant(list(batch.shape))
            return lambda: tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=sizes, filter=weights, out_backprop=batch, **rest
            )
        sizes = tf.constant([3, 3, 16, 1])
        return lambda: tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
            input=batch, filter_sizes=sizes, out_backprop=batch, **rest
        )

    return make


def transposed_convolution(tf: Any, x: Any) -> Job:
    batch, weights = images(x, tf), tf.ones((3, 3, 16, 16))
    count, side, _, _ = batch.shape
    return lambda: tf.nn.conv2d_transpose(batch, weights, (count, 2 * side, 2 * side, 16), 2, "SAME")


def convolution_1d(tf: Any, x: Any) -> Job:
    sequences, weights = tf.reshape(x, (-1, 16, 16)), tf.ones((3, 16, 16))
    return lambda: tf.nn.conv1d(sequences, weights, 1, "SAME")


def pool_gradient(name: str) -> Maker:
    def make(tf: Any, x: Any) -> Job:
        batch = images(x, tf)
        rest = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
        if name == "average":
            sizes, upper = tf.constant(list(batch.shape)), tf.nn.avg_pool2d(batch, 2, 2, "VALID")
            return lambda: tf.raw_ops.AvgPoolGrad(orig_input_shape=sizes, grad=upper, **rest)
        upper = tf.nn.max_pool2d(batch, 2, 2, "VALID")
        return lambda: tf.raw_ops.MaxPoolGrad(orig_input=batch, orig_output=upper, grad=upper, **rest)

    return make


def fused_normalization(training: bool) -> Maker:
    def make(tf: Any, x: Any) -> Job:
        batch, one, zero = images(x, tf), tf.ones(16), tf.zeros(16)
        return lambda: tf.raw_ops.FusedBatchNormV3(
            x=batch, scale=one, offset=zero, mean=zero, variance=one, is_training=training
        )

    return make


def layer_normalization(tf: Any, x: Any) -> Job:
    def run() -> object:
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-3)

    return run


def transposed_product(tf: Any, x: Any) -> Job:
    return lambda: tf.matmul(x, x, transpose_a=True)


def gather_columns(tf: Any, x: Any) -> Job:
    columns = tf.argsort(x[0])
    return lambda: tf.gather(x, columns, axis=1)


def gather_each(tf: Any, x: Any) -> Job:
    columns = tf.argsort(x)[:, :8]
    return lambda: tf.gather(x, columns, batch_dims=1)


def embedding_gradient(tf: Any, x: Any) -> Job:
    """Adds the gradients of rows, each of which occurs twice, to a table."""
    table, rows = tf.Variable(tf.zeros_like(x)), row_numbers(tf, x) // 2

    def run() -> object:
        return table.scatter_add(tf.IndexedSlices(x, rows))

    return run


def segment_mean(tf: Any, x: Any) -> Job:
    segments = tf.range(x.shape[0]) // 8
    return lambda: tf.math.segment_mean(x, segments)


def searchsorted(tf: Any, x: Any) -> Job:
    edges = tf.sort(x[0])
    flat = tf.reshape(x, [-1])
    return lambda: tf.searchsorted(edges, flat)


def bincount(tf: Any, x: Any) -> Job:
    values = tf.reshape(tf.cast(tf.abs(x) * 100, tf.int32), [-1])
    return lambda: tf.math.bincount(values, minlength=1000)


def sparse_product(tf: Any, x: Any) -> Job:
    """A square matrix with one element in sixteen, times 64 columns."""
    size = min(1024, x.shape[0])
    kept = tf.where(x[:size, :size] > 1.534, x[:size, :size], 0.0)
    sparse = tf.sparse.from_dense(kept)
    dense = tf.reshape(tf.tile(tf.reshape(x, [-1]), [4]), [-1])[: kept.shape[1] * 64]
    dense = tf.reshape(dense, (kept.shape[1], 64))
    return lambda: tf.sparse.sparse_dense_matmul(sparse, dense)


def sparse_to_dense(tf: Any, x: Any) -> Job:
    sparse = tf.sparse.from_dense(tf.where(x > 1.534, x, 0.0))
    return lambda: tf.sparse.to_dense(sparse)


def words(function: Any) -> Maker:
    """Of at most 65,536 short strings."""

    def make(tf: Any, x: Any) -> Job:
        text = tf.strings.as_string(tf.reshape(x, [-1])[:65536], precision=4)
        return lambda: function(tf, text)

    return make


def sentences(function: Any) -> Maker:
    """Of at most 4,096 strings of sixteen words."""

    def make(tf: Any, x: Any) -> Job:
        rows = tf.reshape(x, (-1, 16))[:4096]
        text = tf.strings.reduce_join(tf.strings.as_string(rows, precision=4), -1, separator=" ")
        return lambda: function(tf, text)

    return make


def table_lookup(tf: Any, x: Any) -> Job:
    keys = tf.range(1000, dtype=tf.int64)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, keys * 2), -1)
    wanted = tf.cast(tf.reshape(x, [-1])[:65536] * 500, tf.int64)
    return lambda: table.lookup(wanted)


def assign_add(tf: Any, x: Any) -> Job:
    variable = tf.Variable(x)
    return lambda: variable.assign_add(x)


FURTHER_OPS: dict[str, Maker] = {
    "cos": unary(lambda tf, x: tf.cos(x)),
    "tan": unary(lambda tf, x: tf.tan(x)),
    "atan": unary(lambda tf, x: tf.atan(x)),
    "atan2": unary(lambda tf, x: tf.atan2(x, x)),
    "sinh": unary(lambda tf, x: tf.sinh(x)),
    "expm1": unary(lambda tf, x: tf.math.expm1(x)),
    "log1p": positive(lambda tf, x: tf.math.log1p(x)),
    "erfc": unary(lambda tf, x: tf.math.erfc(x)),
    "lgamma": positive(lambda tf, x: tf.math.lgamma(x)),
    "digamma": positive(lambda tf, x: tf.math.digamma(x)),
    "round": unary(lambda tf, x: tf.round(x)),
    "sign": unary(lambda tf, x: tf.sign(x)),
    "square": unary(lambda tf, x: tf.square(x)),
    "silu": unary(lambda tf, x: tf.nn.silu(x)),
    "elu": unary(lambda tf, x: tf.nn.elu(x)),
    "selu": unary(lambda tf, x: tf.nn.selu(x)),
    "relu6": unary(lambda tf, x: tf.nn.relu6(x)),
    "leaky_relu": unary(lambda tf, x: tf.nn.leaky_relu(x)),
    "gelu by tanh": unary(lambda tf, x: tf.nn.gelu(x, approximate=True)),
    "is_nan": unary(lambda tf, x: tf.math.is_nan(x)),
    "floordiv": positive(lambda tf, x: x // 0.3),
    "floormod": positive(lambda tf, x: x % 0.3),
    "add int32": typed("int32", lambda tf, x, y: x + y),
    "floordiv int32": typed("int32", lambda tf, x, y: x // tf.constant(7)),
    "floormod int32": typed("int32", lambda tf, x, y: x % tf.constant(7)),
    "multiply int64": typed("int64", lambda tf, x, y: x * y),
    "bitwise_and int32": typed("int32", lambda tf, x, y: tf.bitwise.bitwise_and(x, y)),
    "equal int32": typed("int32", lambda tf, x, y: tf.equal(x, y)),
    "add uint8": typed("uint8", lambda tf, x, y: x + y),
    "add float64": typed("float64", lambda tf, x, y: x + y),
    "add float16": typed("float16", lambda tf, x, y: x + y),
    "add bfloat16": typed("bfloat16", lambda tf, x, y: x + y),
    "exp float64": unary(lambda tf, x: tf.exp(tf.cast(x, tf.float64))),
    "tanh bfloat16": typed("bfloat16", lambda tf, x, y: tf.tanh(x)),
    "logical_and": masks(lambda tf, x, y: tf.logical_and(x, y)),
    "logical_not": masks(lambda tf, x, y: tf.logical_not(x)),
    "cast bool to float32": masks(lambda tf, x, y: tf.cast(x, tf.float32)),
    "cast int32 to float32": typed("int32", lambda tf, x, y: tf.cast(x, tf.float32)),
    "cast int64 to int32": typed("int64", lambda tf, x, y: tf.cast(x, tf.int32)),
    "cast uint8 to float32": typed("uint8", lambda tf, x, y: tf.cast(x, tf.float32)),
    "cast to float64": unary(lambda tf, x: tf.cast(x, tf.float64)),
    "cast to float16": unary(lambda tf, x: tf.cast(x, tf.float16)),
    "saturate_cast to uint8": unary(lambda tf, x: tf.saturate_cast(x, tf.uint8)),
    "reduce_sum of columns": unary(lambda tf, x: tf.reduce_sum(x, 0)),
    "reduce_max": unary(lambda tf, x: tf.reduce_max(x)),
    "reduce_min of columns": unary(lambda tf, x: tf.reduce_min(x, 0)),
    "reduce_prod of rows": unary(lambda tf, x: tf.reduce_prod(x, -1)),
    "reduce_variance": unary(lambda tf, x: tf.math.reduce_variance(x)),
    "reduce_std of rows": unary(lambda tf, x: tf.math.reduce_std(x, -1)),
    "reduce_any of rows": masks(lambda tf, x, y: tf.reduce_any(x, -1)),
    "reduce_all": masks(lambda tf, x, y: tf.reduce_all(x)),
    "reduce_sum int32": typed("int32", lambda tf, x, y: tf.reduce_sum(x)),
    "reduce_sum float64": typed("float64", lambda tf, x, y: tf.reduce_sum(x)),
    "reduce_mean bfloat16 of rows": typed("bfloat16", lambda tf, x, y: tf.reduce_mean(x, -1)),
    "mean of images": on_images(lambda tf, x: tf.reduce_mean(x, [1, 2])),
    "count_nonzero": unary(lambda tf, x: tf.math.count_nonzero(x)),
    "norm": unary(lambda tf, x: tf.norm(x)),
    "l2_normalize": unary(lambda tf, x: tf.nn.l2_normalize(x, -1)),
    "argmin of columns": unary(lambda tf, x: tf.argmin(x, 0)),
    "cumprod": unary(lambda tf, x: tf.math.cumprod(x, -1)),
    "cumsum of columns": unary(lambda tf, x: tf.cumsum(x, 0)),
    "segment_mean": segment_mean,
    "bincount": bincount,
    "searchsorted": searchsorted,
    "argsort": unary(lambda tf, x: tf.argsort(x)),
    "sort downwards": unary(lambda tf, x: tf.sort(x, direction="DESCENDING")),
    "top_k of 100": unary(lambda tf, x: tf.math.top_k(x, min(100, x.shape[1]))),
    "in_top_k": unary(lambda tf, x: tf.math.in_top_k(tf.zeros(x.shape[0], tf.int32), x, 5)),
    "where of a mask": unary(lambda tf, x: tf.where(x > 0)),
    "dropout": unary(lambda tf, x: tf.nn.dropout(x, 0.3)),
    "softmax_cross_entropy": unary(lambda tf, x: tf.nn.softmax_cross_entropy_with_logits(x, x)),
    "sigmoid_cross_entropy": unary(lambda tf, x: tf.nn.sigmoid_cross_entropy_with_logits(x, x)),
    "layer normalization": layer_normalization,
    "fused_batch_norm in training": fused_normalization(True),
    "fused_batch_norm in inference": fused_normalization(False),
    "conv2d 1×1": convolution(1, 1),
    "conv2d 3×3 by 2": convolution(3, 2),
    "conv2d gradient of the input": convolution_gradient("input"),
    "conv2d gradient of the weights": convolution_gradient("weights"),
    "depthwise gradient of the input": depthwise_gradient("input"),
    "depthwise gradient of the weights": depthwise_gradient("weights"),
    "conv2d_transpose by 2": transposed_convolution,
    "conv1d": convolution_1d,
    "max_pool gradient": pool_gradient("max"),
    "avg_pool gradient": pool_gradient("average"),
    "max_pool 3×3 by 1": on_images(lambda tf, x: tf.nn.max_pool2d(x, 3, 1, "SAME")),
    "resize nearest": on_images(lambda tf, x: tf.image.resize(x, (24, 24), "nearest")),
    "resize bicubic": on_images(lambda tf, x: tf.image.resize(x, (24, 24), "bicubic")),
    "flip_left_right": on_images(lambda tf, x: tf.image.flip_left_right(x)),
    "rgb_to_hsv": pictures(lambda tf, x: tf.image.rgb_to_hsv(x)),
    "rgb_to_grayscale": pictures(lambda tf, x: tf.image.rgb_to_grayscale(x)),
    "adjust_contrast": pictures(lambda tf, x: tf.image.adjust_contrast(x, 1.5)),
    "adjust_hue": pictures(lambda tf, x: tf.image.adjust_hue(x, 0.1)),
    "depth_to_space": on_images(lambda tf, x: tf.nn.depth_to_space(x, 2)),
    "space_to_depth": on_images(lambda tf, x: tf.nn.space_to_depth(x, 2)),
    "extract_patches": on_images(
        lambda tf, x: tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
    ),
    "matmul transposed": transposed_product,
    "matmul float64": square(512, lambda tf, x: tf.matmul(tf.cast(x, tf.float64), tf.cast(x, tf.float64))),
    "matmul bfloat16": square(512, lambda tf, x: tf.matmul(tf.cast(x, tf.bfloat16), tf.cast(x, tf.bfloat16))),
    "matmul int32": square(256, lambda tf, x: tf.matmul(tf.cast(x, tf.int32), tf.cast(x, tf.int32))),
    "matmul of 4×4 batches": small_matrices(lambda tf, x: tf.matmul(x, x)),
    "einsum bij,bkj->bik": unary(
        lambda tf, x: tf.einsum("bij,bkj->bik", tf.reshape(x, (-1, 16, 16)), tf.reshape(x, (-1, 16, 16)))
    ),
    "tensordot": square(512, lambda tf, x: tf.tensordot(x, x, 1)),
    "inv": square(256, lambda tf, x: tf.linalg.inv(x)),
    "inv of 4×4 batches": small_matrices(lambda tf, x: tf.linalg.inv(x)),
    "det of 4×4 batches": small_matrices(lambda tf, x: tf.linalg.det(x)),
    "solve": square(256, lambda tf, x: tf.linalg.solve(x, x)),
    "triangular_solve": square(256, lambda tf, x: tf.linalg.triangular_solve(x, x)),
    "qr": square(256, lambda tf, x: tf.linalg.qr(x)),
    "qr of 4×4 batches": small_matrices(lambda tf, x: tf.linalg.qr(x)),
    "svd": square(128, lambda tf, x: tf.linalg.svd(x)),
    "svd of 4×4 batches": small_matrices(lambda tf, x: tf.linalg.svd(x)),
    "eigh": square(128, lambda tf, x: tf.linalg.eigh(x)),
    "lu": square(256, lambda tf, x: tf.linalg.lu(x)),
    "diag_part": square(1024, lambda tf, x: tf.linalg.diag_part(x)),
    "band_part": unary(lambda tf, x: tf.linalg.band_part(x, -1, 0)),
    "transpose NHWC to NCHW": on_images(lambda tf, x: tf.transpose(x, (0, 3, 1, 2))),
    "transpose of the middle": unary(lambda tf, x: tf.transpose(tf.reshape(x, (-1, 4, 4, 16)), (0, 2, 1, 3))),
    "concat of columns": unary(lambda tf, x: tf.concat([x, x], 1)),
    "stack of rows": unary(lambda tf, x: tf.stack([x, x], 0)),
    "unstack": on_images(lambda tf, x: tf.unstack(x, axis=1)),
    "split of rows": unary(lambda tf, x: tf.split(x, 4, 0)),
    "slice by 2": unary(lambda tf, x: x[:, ::2]),
    "slice of rows": unary(lambda tf, x: x[1:-1]),
    "reverse of rows": unary(lambda tf, x: tf.reverse(x, [0])),
    "tile of rows": unary(lambda tf, x: tf.tile(x, [2, 1])),
    "repeat": unary(lambda tf, x: tf.repeat(x, 2, axis=1)),
    "broadcast_to": unary(lambda tf, x: tf.broadcast_to(x[:1], x.shape)),
    "mirror pad": unary(lambda tf, x: tf.pad(x, [[1, 1], [1, 1]], "REFLECT")),
    "zeros": unary(lambda tf, x: tf.zeros(x.shape)),
    "fill": unary(lambda tf, x: tf.fill(x.shape, 3.0)),
    "range": unary(lambda tf, x: tf.range(x.shape[0] * x.shape[1])),
    "linspace": unary(lambda tf, x: tf.linspace(0.0, 1.0, x.shape[0] * x.shape[1])),
    "eye": unary(lambda tf, x: tf.eye(min(x.shape[0], 1024))),
    "gather of columns": gather_columns,
    "gather by batch": gather_each,
    "embedding gradient": embedding_gradient,
    "assign_add": assign_add,
    "random.uniform int32": unary(lambda tf, x: tf.random.uniform(x.shape, 0, 1000, tf.int32)),
    "random.truncated_normal": unary(lambda tf, x: tf.random.truncated_normal(x.shape)),
    "random.gamma": unary(lambda tf, x: tf.random.gamma(x.shape, 2.0)),
    "random.shuffle": unary(lambda tf, x: tf.random.shuffle(x)),
    "random.categorical": unary(lambda tf, x: tf.random.categorical(x[:256], 16)),
    "stateless_uniform": unary(lambda tf, x: tf.random.stateless_uniform(x.shape, (1, 2))),
    "rfft of rows": unary(lambda tf, x: tf.signal.rfft(x)),
    "irfft of rows": unary(lambda tf, x: tf.signal.irfft(tf.complex(x, x))),
    "fft2d": unary(lambda tf, x: tf.signal.fft2d(tf.complex(x, x))),
    "stft": unary(lambda tf, x: tf.signal.stft(tf.reshape(x, [-1]), 128, 64)),
    "complex multiply": unary(lambda tf, x: tf.complex(x, x) * tf.complex(x, x)),
    "sparse_dense_matmul": sparse_product,
    "sparse to dense": sparse_to_dense,
    "table lookup": table_lookup,
    "as_string": unary(lambda tf, x: tf.strings.as_string(tf.reshape(x, [-1])[:65536])),
    "to_number": words(lambda tf, x: tf.strings.to_number(x)),
    "strings.length": words(lambda tf, x: tf.strings.length(x)),
    "strings.substr": words(lambda tf, x: tf.strings.substr(x, 1, 3)),
    "strings.join": words(lambda tf, x: tf.strings.join([x, x], " ")),
    "strings equal": words(lambda tf, x: tf.equal(x, "0.1234")),
    "hash of strings": words(lambda tf, x: tf.strings.to_hash_bucket_fast(x, 1000)),
    "strings.lower": sentences(lambda tf, x: tf.strings.lower(x)),
    "strings.split": sentences(lambda tf, x: tf.strings.split(x).flat_values),
    "regex_replace": sentences(lambda tf, x: tf.strings.regex_replace(x, "[0-9]+", "n")),
    "strings.reduce_join": sentences(lambda tf, x: tf.strings.reduce_join(x, separator=" ")),
}
"""By name, what makes the job from TensorFlow or us and a matrix."""
