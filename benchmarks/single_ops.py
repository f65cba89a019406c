"""Single eager ops at three sizes, in TensorFlow's words: for TensorFlow, and for us under the same names.

Each entry makes, from a matrix of standard normal numbers, a function without arguments that runs one op once.
"""

from __future__ import annotations

from typing import Any

from further_ops import FURTHER_OPS
from op_jobs import SIZES, Job, Maker, images, pair, row_numbers, unary


def matrix_product(tf: Any, x: Any) -> Job:
    other = tf.transpose(x)
    return lambda: tf.matmul(x, other)


def batch_product(tf: Any, x: Any) -> Job:
    batch = tf.reshape(x, (-1, 16, 16))
    return lambda: tf.matmul(batch, batch)


def gather(tf: Any, x: Any) -> Job:
    rows = row_numbers(tf, x)
    return lambda: tf.gather(x, rows)


def gather_nd(tf: Any, x: Any) -> Job:
    rows = row_numbers(tf, x)[:, None]
    return lambda: tf.gather_nd(x, rows)


def scatter_nd(tf: Any, x: Any) -> Job:
    rows, shape = row_numbers(tf, x)[:, None], tf.constant(list(x.shape))
    return lambda: tf.scatter_nd(rows, x, shape)


def scatter_update(tf: Any, x: Any) -> Job:
    rows = row_numbers(tf, x)[:, None]
    return lambda: tf.tensor_scatter_nd_update(x, rows, x)


def segment_sum(tf: Any, x: Any) -> Job:
    segments = row_numbers(tf, x) % 10
    return lambda: tf.math.unsorted_segment_sum(x, segments, 10)


def boolean_mask(tf: Any, x: Any) -> Job:
    mask = x[:, 0] > 0
    return lambda: tf.boolean_mask(x, mask)


def unique(tf: Any, x: Any) -> Job:
    values = tf.reshape(tf.cast(x * 10, tf.int32), [-1])
    return lambda: tf.unique(values)


def one_hot(tf: Any, x: Any) -> Job:
    rows, depth = row_numbers(tf, x), x.shape[1]
    return lambda: tf.one_hot(rows % depth, depth)


def sparse_cross_entropy(tf: Any, x: Any) -> Job:
    labels = row_numbers(tf, x) % x.shape[1]
    return lambda: tf.nn.sparse_softmax_cross_entropy_with_logits(labels, x)


def convolution(tf: Any, x: Any) -> Job:
    batch, weights = images(x, tf), tf.ones((3, 3, 16, 16))
    return lambda: tf.nn.conv2d(batch, weights, 1, "SAME")


def depthwise(tf: Any, x: Any) -> Job:
    batch, weights = images(x, tf), tf.ones((3, 3, 16, 1))
    return lambda: tf.nn.depthwise_conv2d(batch, weights, (1, 1, 1, 1), "SAME")


def pool(name: str) -> Maker:
    def make(tf: Any, x: Any) -> Job:
        batch, function = images(x, tf), getattr(tf.nn, name)
        return lambda: function(batch, 2, 2, "VALID")

    return make


def batch_normalization(tf: Any, x: Any) -> Job:
    batch, one, zero = images(x, tf), tf.ones(16), tf.zeros(16)
    return lambda: tf.nn.batch_normalization(batch, zero, one, zero, one, 1e-3)


def resize(tf: Any, x: Any) -> Job:
    batch = images(x, tf)
    return lambda: tf.image.resize(batch, (24, 24))


def cholesky(tf: Any, x: Any) -> Job:
    square = x[: min(x.shape[0], 512), : min(x.shape[1], 512)]
    positive = tf.matmul(square, square, transpose_b=True) + 10.0 * tf.eye(square.shape[0])
    return lambda: tf.linalg.cholesky(positive)


def fft(tf: Any, x: Any) -> Job:
    complex_rows = tf.cast(x, tf.complex64)
    return lambda: tf.signal.fft(complex_rows)


OPS: dict[str, Maker] = {
    "add": pair(lambda tf, x, y: x + y),
    "multiply": pair(lambda tf, x, y: x * y),
    "divide": pair(lambda tf, x, y: x / y),
    "maximum": pair(lambda tf, x, y: tf.maximum(x, y)),
    "pow": pair(lambda tf, x, y: tf.pow(y, x)),
    "greater": pair(lambda tf, x, y: tf.greater(x, y)),
    "where": pair(lambda tf, x, y: tf.where(x > 0, x, y)),
    "squared_difference": pair(lambda tf, x, y: tf.math.squared_difference(x, y)),
    "add a row": unary(lambda tf, x: x + x[0]),
    "exp": unary(lambda tf, x: tf.exp(x)),
    "log": pair(lambda tf, x, y: tf.math.log(y)),
    "sqrt": pair(lambda tf, x, y: tf.sqrt(y)),
    "rsqrt": pair(lambda tf, x, y: tf.math.rsqrt(y)),
    "tanh": unary(lambda tf, x: tf.tanh(x)),
    "sigmoid": unary(lambda tf, x: tf.sigmoid(x)),
    "erf": unary(lambda tf, x: tf.math.erf(x)),
    "sin": unary(lambda tf, x: tf.sin(x)),
    "abs": unary(lambda tf, x: tf.abs(x)),
    "floor": unary(lambda tf, x: tf.floor(x)),
    "clip_by_value": unary(lambda tf, x: tf.clip_by_value(x, -1.0, 1.0)),
    "relu": unary(lambda tf, x: tf.nn.relu(x)),
    "gelu": unary(lambda tf, x: tf.nn.gelu(x)),
    "softplus": unary(lambda tf, x: tf.math.softplus(x)),
    "cast to int32": unary(lambda tf, x: tf.cast(x, tf.int32)),
    "cast to bfloat16": unary(lambda tf, x: tf.cast(x, tf.bfloat16)),
    "reduce_sum": unary(lambda tf, x: tf.reduce_sum(x)),
    "reduce_sum of rows": unary(lambda tf, x: tf.reduce_sum(x, -1)),
    "reduce_mean of columns": unary(lambda tf, x: tf.reduce_mean(x, 0)),
    "reduce_max of rows": unary(lambda tf, x: tf.reduce_max(x, -1)),
    "reduce_logsumexp": unary(lambda tf, x: tf.reduce_logsumexp(x, -1)),
    "argmax": unary(lambda tf, x: tf.argmax(x, -1)),
    "cumsum": unary(lambda tf, x: tf.cumsum(x, -1)),
    "l2_loss": unary(lambda tf, x: tf.nn.l2_loss(x)),
    "moments": unary(lambda tf, x: tf.nn.moments(x, [-1])),
    "softmax": unary(lambda tf, x: tf.nn.softmax(x)),
    "log_softmax": unary(lambda tf, x: tf.nn.log_softmax(x)),
    "sparse softmax cross-entropy": sparse_cross_entropy,
    "bias_add": unary(lambda tf, x: tf.nn.bias_add(x, x[0])),
    "batch_normalization": batch_normalization,
    "conv2d 3×3, 16 channels": convolution,
    "depthwise_conv2d 3×3": depthwise,
    "max_pool 2×2": pool("max_pool2d"),
    "avg_pool 2×2": pool("avg_pool2d"),
    "resize to 24×24": resize,
    "matmul": matrix_product,
    "matmul of 16×16 batches": batch_product,
    "einsum ij,ij->i": unary(lambda tf, x: tf.einsum("ij,ij->i", x, x)),
    "matvec": unary(lambda tf, x: tf.linalg.matvec(x, x[0])),
    "transpose": unary(lambda tf, x: tf.transpose(x)),
    "concat": unary(lambda tf, x: tf.concat([x, x], 0)),
    "stack": unary(lambda tf, x: tf.stack([x, x], -1)),
    "split": unary(lambda tf, x: tf.split(x, 4, 1)),
    "tile": unary(lambda tf, x: tf.tile(x, [1, 2])),
    "pad": unary(lambda tf, x: tf.pad(x, [[1, 1], [1, 1]])),
    "slice": unary(lambda tf, x: x[1:-1, 1:-1]),
    "reverse": unary(lambda tf, x: tf.reverse(x, [1])),
    "roll": unary(lambda tf, x: tf.roll(x, 3, 1)),
    "gather of rows": gather,
    "gather_nd of rows": gather_nd,
    "scatter_nd of rows": scatter_nd,
    "tensor_scatter_nd_update": scatter_update,
    "unsorted_segment_sum": segment_sum,
    "boolean_mask": boolean_mask,
    "one_hot": one_hot,
    "unique": unique,
    "sort": unary(lambda tf, x: tf.sort(x)),
    "top_k": unary(lambda tf, x: tf.math.top_k(x, 5)),
    "random.normal": unary(lambda tf, x: tf.random.normal(x.shape)),
    "random.uniform": unary(lambda tf, x: tf.random.uniform(x.shape)),
    "stateless_normal": unary(lambda tf, x: tf.random.stateless_normal(x.shape, (1, 2))),
    "fft of rows": fft,
    "cholesky": cholesky,
    **FURTHER_OPS,
}


def op_job(tf: Any, name: str) -> Job:
    """The job of a row: `add/small`."""
    op, _, size = name.rpartition("/")
    return OPS[op](tf, tf.random.stateless_normal(SIZES[size], (3, 4)))
