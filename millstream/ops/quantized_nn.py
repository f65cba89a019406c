"""Declare products, windows and rectifiers of quantised numbers, computed in whole numbers without leaving them."""

from __future__ import annotations

from typing import Literal

from millstream.base import dtypes
from millstream.base.dtypes import DType, float32, int32, int64, qint8, qint32, quint8
from millstream.ops.array import reshape as reshape_op
from millstream.ops.convolution import forward_convolution
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.linear import matmul
from millstream.ops.pooling import windows
from millstream.ops.quantized import check_scalars, clamped_level, dequantised, ends_of, level_of, quantised, wide_as
from millstream.ops.types import QUANTIZED
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.control import check
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import compare, convert
from millstream.program.primitives.shaping import bitcast, broadcast, full, plain
from millstream.program.primitives.windows import reduce_window
from millstream.program.value import Value

T = Types("T", *QUANTIZED)
T1 = Types("T1", *QUANTIZED)
T2 = Types("T2", *QUANTIZED)
Input = Types("Tinput", *QUANTIZED)
Filter = Types("Tfilter", *QUANTIZED)
Padding = Literal["SAME", "VALID"]


def _from_zero(x: Value, low: Value, high: Value) -> Value:
    """Return quantised numbers as whole numbers in int32, of which 0 stands for the number 0."""
    zero = convert(level_of(0.0, low, high, x.dtype), int32)
    return convert(plain(x), int32) - wide_as(convert(plain(x), int32), zero)


def _level(low: Value, high: Value, dtype: DType) -> Value:
    lowest, highest = ends_of(dtype)
    return (high - low) / float(highest - lowest)


def _product_range(low_a: Value, high_a: Value, a: DType, low_b: Value, high_b: Value, b: DType) -> tuple[Value, Value]:
    """Return the range that a qint32 product of two quantised numbers covers."""
    step = _level(low_a, high_a, a) * _level(low_b, high_b, b)
    lowest, highest = ends_of(qint32)
    return step * float(lowest), step * float(highest)


def _only(what: str, dtype: DType, expected: DType) -> None:
    if dtype != expected:
        raise refuse(what, f"an output of {dtype.name}", f"choose tf.{expected.name}")


@op("QuantizedMatMul", outputs=("out", "min_out", "max_out"))
def quantized_matmul(
    a: Tensor[T1],
    b: Tensor[T2],
    min_a: Tensor[float32],
    max_a: Tensor[float32],
    min_b: Tensor[float32],
    max_b: Tensor[float32],
    *,
    Toutput: Types("Toutput", *QUANTIZED, default=qint32) = qint32,
    transpose_a: bool = False,
    transpose_b: bool = False,
    Tactivation: Types("Tactivation", *QUANTIZED, default=quint8) = quint8,
) -> tuple[Tensor["Toutput"], Tensor[float32], Tensor[float32]]:
    """Return the product of two quantised matrices, and the range that it is in."""
    check_scalars("QuantizedMatMul", min_a=min_a, max_a=max_a, min_b=min_b, max_b=max_b)
    _only("QuantizedMatMul", Toutput, qint32)
    check(compare(max_a, min_a, "GT"), "max_a must be larger than min_a.", data=[min_a, max_a])
    check(compare(max_b, min_b, "GT"), "max_b must be larger than min_b.", data=[min_b, max_b])
    found = matmul(
        _from_zero(a, min_a, max_a), _from_zero(b, min_b, max_b), transpose_a=transpose_a, transpose_b=transpose_b
    )
    return bitcast(found, qint32), *_product_range(min_a, max_a, a.dtype, min_b, max_b, b.dtype)


@op("QuantizedConv2D", outputs=("output", "min_output", "max_output"))
def quantized_conv2d(
    input: Tensor[Input],
    filter: Tensor[Filter],
    min_input: Tensor[float32],
    max_input: Tensor[float32],
    min_filter: Tensor[float32],
    max_filter: Tensor[float32],
    *,
    out_type: Types("out_type", *QUANTIZED, default=qint32) = qint32,
    strides: list[int],
    padding: Padding,
    dilations: list[int] = (1, 1, 1, 1),
) -> tuple[Tensor["out_type"], Tensor[float32], Tensor[float32]]:
    """Convolve quantised images with quantised filters; beyond the edges lies the number 0."""
    what = "QuantizedConv2D"
    check_scalars(what, min_input=min_input, max_input=max_input, min_filter=min_filter, max_filter=max_filter)
    _only(what, out_type, qint32)
    if tuple(dilations) != (1, 1, 1, 1):
        raise refuse(what, f"dilations={list(dilations)}", "only dilations of 1 are supported")
    x, f = _from_zero(input, min_input, max_input), _from_zero(filter, min_filter, max_filter)
    found = forward_convolution(what, x, f, strides, padding, (), "NHWC", dilations)
    return bitcast(found, qint32), *_product_range(
        min_input, max_input, input.dtype, min_filter, max_filter, filter.dtype
    )


@op("QuantizedBiasAdd", outputs=("output", "min_out", "max_out"))
def quantized_bias_add(
    input: Tensor[T1],
    bias: Tensor[T2],
    min_input: Tensor[float32],
    max_input: Tensor[float32],
    min_bias: Tensor[float32],
    max_bias: Tensor[float32],
    *,
    out_type: Types("out_type", *QUANTIZED),
) -> tuple[Tensor["out_type"], Tensor[float32], Tensor[float32]]:
    """Add a quantised vector along the last axis of quantised numbers."""
    what = "QuantizedBiasAdd"
    check_scalars(what, min_input=min_input, max_input=max_input, min_bias=min_bias, max_bias=max_bias)
    _only(what, out_type, qint32)
    if bias.rank != 1 or input.rank < 2:
        raise refuse(what, f"{input.spec} and bias {bias.spec}", "give a vector, and a tensor of rank 2 or more")
    high = e.maximum(min_input * -1.0, max_input)
    high = e.maximum(high, e.maximum(min_bias * -1.0, max_bias)) * float(1 << 17)
    low = -high
    x, vector = (
        plain(quantised(dequantised(v, least, most), low, high, out_type))
        for v, least, most in ((input, min_input, max_input), (bias, min_bias, max_bias))
    )
    zero = wide_as(vector, clamped_level(0.0, low, high, out_type))
    return bitcast(x + broadcast(vector - zero, x.shape, (x.rank - 1,)), out_type), low, high


def _at_least_zero(what: str, features: Value, low: Value, high: Value, out_type: DType) -> Value:
    check_scalars(what, min_features=low, max_features=high)
    _only(what, out_type, features.dtype)
    x = plain(features)
    return e.maximum(x, wide_as(x, clamped_level(0.0, low, high, features.dtype)))


@op("QuantizedRelu", outputs=("activations", "min_activations", "max_activations"))
def quantized_relu(
    features: Tensor[Input],
    min_features: Tensor[float32],
    max_features: Tensor[float32],
    *,
    out_type: Types("out_type", *QUANTIZED, default=quint8) = quint8,
) -> tuple[Tensor["out_type"], Tensor[float32], Tensor[float32]]:
    """Return max(features, 0) of quantised numbers."""
    found = _at_least_zero("QuantizedRelu", features, min_features, max_features, out_type)
    return bitcast(found, out_type), min_features, max_features


@op("QuantizedRelu6", outputs=("activations", "min_activations", "max_activations"))
def quantized_relu6(
    features: Tensor[Input],
    min_features: Tensor[float32],
    max_features: Tensor[float32],
    *,
    out_type: Types("out_type", *QUANTIZED, default=quint8) = quint8,
) -> tuple[Tensor["out_type"], Tensor[float32], Tensor[float32]]:
    """Return min(max(features, 0), 6) of quantised numbers."""
    found = _at_least_zero("QuantizedRelu6", features, min_features, max_features, out_type)
    most = clamped_level(6.0, min_features, max_features, features.dtype)
    return bitcast(e.minimum(found, wide_as(found, most)), out_type), min_features, max_features


@op("QuantizedReluX", outputs=("activations", "min_activations", "max_activations"))
def quantized_relu_x(
    features: Tensor[Input],
    max_value: Tensor[float32],
    min_features: Tensor[float32],
    max_features: Tensor[float32],
    *,
    out_type: Types("out_type", *QUANTIZED, default=quint8) = quint8,
) -> tuple[Tensor["out_type"], Tensor[float32], Tensor[float32]]:
    """Return min(max(features, 0), max_value) of quantised numbers."""
    check_scalars("QuantizedReluX", max_value=max_value)
    found = _at_least_zero("QuantizedReluX", features, min_features, max_features, out_type)
    most = clamped_level(max_value, min_features, max_features, features.dtype)
    return bitcast(e.minimum(found, wide_as(found, most)), out_type), min_features, max_features


@op("QuantizedAvgPool", outputs=("output", "min_output", "max_output"))
def quantized_avg_pool(
    input: Tensor[T],
    min_input: Tensor[float32],
    max_input: Tensor[float32],
    *,
    ksize: list[int],
    strides: list[int],
    padding: Padding,
) -> tuple[Tensor[T], Tensor[float32], Tensor[float32]]:
    """Return the mean of each window of quantised numbers, its fraction cut off."""
    check_scalars("QuantizedAvgPool", min_input=min_input, max_input=max_input)
    a = windows("QuantizedAvgPool", input.shape, ksize, strides, padding, (), "NHWC")
    x = convert(plain(input), int32)
    mean = reduce_window(x, "sum", **a) / reduce_window(full(x.shape, 1, int32), "sum", **a)
    return bitcast(convert(mean, dtypes.as_dtype(input.dtype.stored)), input.dtype), min_input, max_input


@op("QuantizedMaxPool", outputs=("output", "min_output", "max_output"))
def quantized_max_pool(
    input: Tensor[T],
    min_input: Tensor[float32],
    max_input: Tensor[float32],
    *,
    ksize: list[int],
    strides: list[int],
    padding: Padding,
) -> tuple[Tensor[T], Tensor[float32], Tensor[float32]]:
    """Return the largest of each window of quantised numbers."""
    check_scalars("QuantizedMaxPool", min_input=min_input, max_input=max_input)
    a = windows("QuantizedMaxPool", input.shape, ksize, strides, padding, (), "NHWC")
    return bitcast(reduce_window(plain(input), "max", **a), input.dtype), min_input, max_input


@op("QuantizedReshape", outputs=("output", "output_min", "output_max"))
def quantized_reshape(
    tensor: Tensor[Types("T")],
    shape: Known[Tensor[Types("Tshape", int32, int64, default=int32)]],
    input_min: Tensor[float32],
    input_max: Tensor[float32],
) -> tuple[Tensor[Types("T")], Tensor[float32], Tensor[float32]]:
    """Return quantised numbers in another shape, and their range."""
    check_scalars("QuantizedReshape", input_min=input_min, input_max=input_max)
    return reshape_op(tensor, shape), input_min, input_max


for _op in (
    quantized_matmul,
    quantized_conv2d,
    quantized_bias_add,
    quantized_relu,
    quantized_relu6,
    quantized_relu_x,
    quantized_avg_pool,
    quantized_max_pool,
    quantized_reshape,
):
    _op.no_gradient()

_ENDS = ((), (), (), ())
for _T in (quint8, qint8):
    quantized_matmul.cases(
        [((2, 3), (3, 4), *_ENDS), (("batch", 3), (3, 4), *_ENDS)],
        inputs=(None, None, -1, 2, -3, 4),
        attributes={"T1": _T, "T2": _T},
    )
    quantized_conv2d.cases(
        [((1, 5, 6, 2), (2, 2, 2, 3), *_ENDS), (("batch", 4, 4, 2), (3, 3, 2, 3), *_ENDS)],
        inputs=(None, None, -1, 2, -3, 4),
        attributes={"Tinput": _T, "Tfilter": _T, "strides": (1, 1, 1, 1), "padding": "SAME"},
    )
    quantized_bias_add.cases(
        [((2, 3), (3,), *_ENDS), (("batch", 3), (3,), *_ENDS)],
        inputs=(None, None, -1, 2, -3, 4),
        attributes={"T1": _T, "T2": _T, "out_type": qint32},
    )
    for _op in (quantized_relu, quantized_relu6):
        _op.cases([((5,), (), ())], inputs=(None, -9, 9), attributes={"Tinput": _T, "out_type": _T})
    quantized_relu_x.cases([((5,), (), (), ())], inputs=(None, 3, -9, 9), attributes={"Tinput": _T, "out_type": _T})
    for _op in (quantized_avg_pool, quantized_max_pool):
        _op.cases(
            [((1, 5, 6, 2), (), ()), (("batch", 4, 4, 2), (), ())],
            inputs=(None, -1, 1),
            attributes={"T": _T, "ksize": (1, 2, 2, 1), "strides": (1, 1, 1, 1), "padding": "SAME"},
        )
    quantized_reshape.cases([((2, 3), (1,), (), ())], inputs=(None, [6], -1, 1), attributes={"T": _T})
