"""Properties that hold for all inputs, drawn at random: indexing, broadcasting, reductions, gather and scatter, einsum, as NumPy has them."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import millstream as tf
from tests.op_contract import assert_close

hypothesis.settings.register_profile("millstream", deadline=None, derandomize=True, max_examples=100, database=None)
hypothesis.settings.load_profile("millstream")

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


def numbers(shape: tuple[int, ...], dtype: str = "float64") -> np.ndarray:
    """Return different numbers, so that a wrong place shows."""
    count = int(np.prod(shape))
    return (np.arange(count) * 7 % 31 - 11 + np.arange(count) / 64).reshape(shape).astype(dtype)


def checked(function: Callable[..., Any], want: np.ndarray, *arrays: np.ndarray, where: str = "") -> None:
    """Compare a function of tensors with what it must give: eagerly, and traced with all sizes unknown."""
    tensors = [tf.constant(a) for a in arrays]
    assert_close(function(*tensors), want, f"{where} eager")
    unknown = [tf.TensorSpec([None] * t.shape.rank, t.dtype) for t in tensors]
    assert_close(tf.function(function, input_signature=unknown)(*tensors), want, f"{where} traced, sizes unknown")


@st.composite
def indexed(draw: Any) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Return a shape and an index of numbers, slices, an ellipsis and new axes that fits it."""
    shape = draw(SHAPES.filter(lambda s: all(s)))
    return shape, draw(hnp.basic_indices(shape, min_dims=0, max_dims=6, allow_newaxis=True).map(as_tuple))


def as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


@hypothesis.given(indexed())
def test_an_index_takes_what_numpy_takes(case):
    shape, index = case
    x = numbers(shape)
    checked(lambda t: t[index], np.asarray(x[index]), x, where=f"{shape} {index}")


@hypothesis.given(indexed())
def test_the_gradient_of_an_index_lands_where_it_was_taken_from(case):
    shape, index = case
    x = tf.constant(numbers(shape))
    with tf.GradientTape() as tape:
        tape.watch(x)
        taken = x[index]
    upstream = numbers(tuple(taken.shape)) + 1
    want = np.zeros(shape)
    want[index] = upstream
    assert_close(tape.gradient(taken, x, upstream), want, f"{shape} {index}")


@hypothesis.given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=0), st.data())
def test_two_shapes_broadcast_as_numpys_do(shapes, data):
    x, y = (numbers(s) + k for k, s in enumerate(shapes.input_shapes))
    ours, numpys = data.draw(st.sampled_from(BINARY))
    checked(ours, np.asarray(numpys(x, y)), x, y, where=f"{ours} {shapes}")


BINARY = [
    (lambda x, y: x + y, np.add),
    (lambda x, y: x * y, np.multiply),
    (lambda x, y: x < y, np.less),
    (lambda x, y: tf.maximum(x, y), np.maximum),
    (lambda x, y: tf.where(x > y, x, y), lambda x, y: np.where(x > y, x, y)),
]


@hypothesis.given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=0))
def test_the_gradient_of_broadcasting_sums_over_what_was_repeated(shapes):
    x, y = (tf.constant(numbers(s) + 1.5) for s in shapes.input_shapes)
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        z = x * y
    dx, dy = tape.gradient(z, [x, y])
    assert_close(dx, summed_to(np.broadcast_to(y.numpy(), shapes.result_shape), x.shape), f"{shapes}")
    assert_close(dy, summed_to(np.broadcast_to(x.numpy(), shapes.result_shape), y.shape), f"{shapes}")


def summed_to(array: np.ndarray, shape: Any) -> np.ndarray:
    """Return the sum over the axes that broadcasting repeated."""
    shape = tuple(shape)
    lead = array.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 and array.shape[lead + i] != 1)
    return np.asarray(array.sum(axes)).reshape(shape)


@st.composite
def reduced(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...] | None, bool]:
    """Return a shape, axes of it (some counted from the end), and whether they stay."""
    shape = draw(SHAPES)
    axes = draw(st.lists(st.integers(0, len(shape) - 1), unique=True)) if shape else []
    signed = tuple(a - len(shape) if draw(st.booleans()) else a for a in axes)
    return shape, draw(st.sampled_from([signed, None])), draw(st.booleans())


REDUCTIONS = {
    "sum": (tf.reduce_sum, np.sum),
    "mean": (tf.reduce_mean, lambda x, axis, keepdims: quietly(np.mean, x, axis, keepdims)),
    "prod": (tf.reduce_prod, np.prod),
    "max": (tf.reduce_max, lambda x, axis, keepdims: np.max(x, axis=axis, keepdims=keepdims, initial=-np.inf)),
    "min": (tf.reduce_min, lambda x, axis, keepdims: np.min(x, axis=axis, keepdims=keepdims, initial=np.inf)),
    "any": (lambda x, *rest: tf.reduce_any(x > 3, *rest), lambda x, **how: np.any(x > 3, **how)),
    "all": (lambda x, *rest: tf.reduce_all(x > -9, *rest), lambda x, **how: np.all(x > -9, **how)),
}


def quietly(function: Any, x: np.ndarray, axis: Any, keepdims: bool) -> Any:
    """The mean of nothing is NaN, also where NumPy warns."""
    size = np.sum(np.ones_like(x), axis=axis, keepdims=keepdims)
    with np.errstate(invalid="ignore"):
        return np.sum(x, axis=axis, keepdims=keepdims) / size


@pytest.mark.parametrize("name", REDUCTIONS)
@hypothesis.given(reduced())
def test_a_reduction_over_any_axes_is_numpys(name, case):
    shape, axes, keepdims = case
    ours, numpys = REDUCTIONS[name]
    x = numbers(shape) / 8
    want = np.asarray(numpys(x, axis=axes, keepdims=keepdims))
    checked(lambda t: ours(t, axes, keepdims), want, x, where=f"{name} {case}")


@st.composite
def gathered(draw: Any) -> tuple[tuple[int, ...], int, np.ndarray]:
    """Return a shape, an axis of it, and indices of any shape along that axis."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    indices = hnp.arrays(np.int32, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
                         elements=st.integers(0, shape[axis] - 1))  # fmt: skip
    return shape, axis, draw(indices)


@hypothesis.given(gathered())
def test_gather_along_an_axis_takes_what_numpy_takes(case):
    shape, axis, indices = case
    x = numbers(shape)
    checked(lambda t, i: tf.gather(t, i, axis=axis), np.take(x, indices, axis), x, indices, where=f"{case}")


@hypothesis.given(gathered())
def test_the_gradient_of_gather_adds_up_what_was_taken_twice(case):
    shape, axis, indices = case
    x = tf.constant(numbers(shape))
    with tf.GradientTape() as tape:
        tape.watch(x)
        taken = tf.gather(x, indices, axis=axis)
    upstream = numbers(tuple(taken.shape)) + 1
    want = np.zeros(shape)
    place = axis % len(shape)
    np.add.at(want, (slice(None),) * place + (indices,), upstream)
    assert_close(tf.convert_to_tensor(tape.gradient(taken, x, upstream)), want, f"{case}")


@st.composite
def scattered(draw: Any) -> tuple[tuple[int, ...], np.ndarray]:
    """Return a shape and places in its first axes, repeated ones among them."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    depth = draw(st.integers(1, len(shape)))
    count = draw(st.integers(0, 6))
    places = [[draw(st.integers(0, n - 1)) for n in shape[:depth]] for _ in range(count)]
    return shape, np.array(places, np.int32).reshape(count, depth)


@hypothesis.given(scattered())
def test_scatter_adds_up_what_falls_on_one_place(case):
    shape, places = case
    updates = numbers((len(places), *shape[places.shape[1] :])) + 2
    want = np.zeros(shape)
    np.add.at(want, tuple(places.T), updates)
    checked(lambda p, u: tf.scatter_nd(p, u, shape), want, places, updates, where=f"{case}")
    checked(lambda p, u: tf.tensor_scatter_nd_add(tf.ones(shape, u.dtype), p, u), want + 1, places, updates)
    taken = np.asarray(want[tuple(places.T)])
    checked(lambda x, p: tf.gather_nd(x, p), taken, want, places, where=f"gather_nd {case}")


@hypothesis.given(hnp.arrays(np.int32, st.integers(0, 8), elements=st.integers(-1, 4)), st.integers(0, 3))
def test_segments_add_up_their_rows(segments, width):
    rows = numbers((len(segments), width))
    want = np.zeros((4, width))
    kept = (segments >= 0) & (segments < 4)
    np.add.at(want, segments[kept], rows[kept])
    inside = np.where(segments < 4, segments, -1).astype(
        np.int32
    )  # TensorFlow drops negative ones, and refuses large ones
    checked(lambda r, s: tf.math.unsorted_segment_sum(r, s, 4), want, rows, inside, where=f"{segments}")


@st.composite
def equations(draw: Any) -> tuple[str, list[tuple[int, ...]]]:
    """Return an einsum of one to three operands: sums, products, transposes, diagonals, batches."""
    sizes = {letter: draw(st.integers(0, 3)) for letter in string.ascii_lowercase[:5]}
    count = draw(st.integers(1, 3))
    operands = [draw(st.text(list(sizes), max_size=3)) for _ in range(count)]
    used = sorted(set("".join(operands)))
    result = draw(st.lists(st.sampled_from(used), unique=True)) if used else []
    shapes = [tuple(sizes[letter] for letter in operand) for operand in operands]
    return f"{','.join(operands)}->{''.join(result)}", shapes


@hypothesis.given(equations())
def test_an_einsum_is_numpys(case):
    equation, shapes = case
    arrays = [numbers(s) / 16 for s in shapes]
    checked(lambda *t: tf.einsum(equation, *t), np.asarray(np.einsum(equation, *arrays)), *arrays, where=equation)
