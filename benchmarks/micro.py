"""Small jobs in each framework's own words: what one call costs, apart from the numbers it computes.

Each maker returns a function without arguments that does the job once and waits for its result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Job = Callable[[], object]

SMALL_OPS = 100
CHAIN_OPS = 10
MATMUL_SIZES = (512, 1024)


def tensorflow_jobs(tf: Any) -> dict[str, Callable[[], Job]]:
    """For TensorFlow, and for us under the same names."""

    def add(shape: tuple[int, ...]) -> Job:
        x, y = tf.ones(shape), tf.ones(shape)
        return lambda: x + y

    def many_ops() -> Job:
        x, y = tf.ones((10, 10)), tf.ones((10, 10))
        return lambda: hundred_ops(x, y)

    def tape() -> Job:
        x = tf.constant(0.5)

        def job() -> object:
            with tf.GradientTape() as recorded:
                recorded.watch(x)
                y = chain(x, tf.sin)
            return recorded.gradient(y, x)

        return job

    def compiled_one() -> Job:
        x, y = tf.ones((10, 10)), tf.ones((10, 10))
        call = tf.function(lambda x, y: x + y)
        return lambda: call(x, y)

    def compiled_many() -> Job:
        x, y = tf.ones((10, 10)), tf.ones((10, 10))
        call = tf.function(hundred_ops)
        return lambda: call(x, y)

    def first_call() -> Job:
        x, y = tf.ones((10, 10)), tf.ones((10, 10))
        return lambda: tf.function(lambda x, y: x * y + x)(x, y)

    def matmul(size: int) -> Job:
        x, y = tf.ones((size, size)), tf.ones((size, size))
        return lambda: tf.matmul(x, y)

    def convolution() -> Job:
        x, w = tf.ones((8, 56, 56, 64)), tf.ones((3, 3, 64, 64))
        return lambda: tf.nn.conv2d(x, w, 1, "SAME")

    def session(fed: bool, ready: bool) -> Job:
        import numpy as np

        with tf.Graph().as_default():
            x = tf.compat.v1.placeholder(tf.float32, [None]) if fed else tf.constant([1.0, 2.0])
            y = x + 1.0
            opened = tf.compat.v1.Session()
        value = np.ones(2, np.float32)
        if ready:
            call = opened.make_callable(y, [x] if fed else [])
            return (lambda: call(value)) if fed else call  # type: ignore[no-any-return]
        return (lambda: opened.run(y, {x: value})) if fed else (lambda: opened.run(y))

    jobs = named(add, many_ops, tape, compiled_one, compiled_many, first_call, matmul, convolution)
    # Sessions are TensorFlow's alone: the others have no such rows.
    for name, fed, ready in (
        ("session_1_op", False, False),
        ("session_1_op_fed", True, False),
        ("session_callable", False, True),
        ("session_callable_fed", True, True),
    ):
        jobs[name] = functools.partial(session, fed, ready)
    return jobs


def torch_jobs(torch: Any) -> dict[str, Callable[[], Job]]:
    def add(shape: tuple[int, ...]) -> Job:
        x, y = torch.ones(shape), torch.ones(shape)
        return lambda: x + y

    def many_ops() -> Job:
        x, y = torch.ones(10, 10), torch.ones(10, 10)
        return lambda: hundred_ops(x, y)

    def tape() -> Job:
        x = torch.tensor(0.5, requires_grad=True)
        return lambda: torch.autograd.grad(chain(x, torch.sin), x)

    def compiled_one() -> Job:
        x, y = torch.ones(10, 10), torch.ones(10, 10)
        call = torch.compile(lambda x, y: x + y)
        return lambda: call(x, y)

    def compiled_many() -> Job:
        x, y = torch.ones(10, 10), torch.ones(10, 10)
        call = torch.compile(hundred_ops)
        return lambda: call(x, y)

    def first_call() -> Job:
        x, y = torch.ones(10, 10), torch.ones(10, 10)

        def job() -> object:
            torch._dynamo.reset()
            return torch.compile(lambda x, y: x * y + x)(x, y)

        return job

    def matmul(size: int) -> Job:
        x, y = torch.ones(size, size), torch.ones(size, size)
        return lambda: x @ y

    def convolution() -> Job:
        x = torch.ones(8, 64, 56, 56).to(memory_format=torch.channels_last)
        w = torch.ones(64, 64, 3, 3).to(memory_format=torch.channels_last)
        return lambda: torch.nn.functional.conv2d(x, w, padding=1)

    return named(add, many_ops, tape, compiled_one, compiled_many, first_call, matmul, convolution)


def jax_jobs(jax: Any) -> dict[str, Callable[[], Job]]:
    numpy = jax.numpy

    def add(shape: tuple[int, ...]) -> Job:
        x, y = numpy.ones(shape), numpy.ones(shape)
        return lambda: (x + y).block_until_ready()

    def many_ops() -> Job:
        x, y = numpy.ones((10, 10)), numpy.ones((10, 10))
        return lambda: hundred_ops(x, y).block_until_ready()

    def tape() -> Job:
        x = numpy.float32(0.5)
        gradient = jax.grad(lambda x: chain(x, numpy.sin))
        return lambda: gradient(x).block_until_ready()

    def compiled_one() -> Job:
        x, y = numpy.ones((10, 10)), numpy.ones((10, 10))
        call = jax.jit(lambda x, y: x + y)
        return lambda: call(x, y).block_until_ready()

    def compiled_many() -> Job:
        x, y = numpy.ones((10, 10)), numpy.ones((10, 10))
        call = jax.jit(hundred_ops)
        return lambda: call(x, y).block_until_ready()

    def first_call() -> Job:
        x, y = numpy.ones((10, 10)), numpy.ones((10, 10))
        return lambda: jax.jit(lambda x, y: x * y + x)(x, y).block_until_ready()

    def matmul(size: int) -> Job:
        x, y = numpy.ones((size, size)), numpy.ones((size, size))
        return lambda: (x @ y).block_until_ready()

    def convolution() -> Job:
        x, w = numpy.ones((8, 56, 56, 64)), numpy.ones((3, 3, 64, 64))
        layout = ("NHWC", "HWIO", "NHWC")
        call = jax.jit(lambda x, w: jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=layout))
        return lambda: call(x, w).block_until_ready()

    return named(add, many_ops, tape, compiled_one, compiled_many, first_call, matmul, convolution)


def hundred_ops(x: Any, y: Any) -> Any:
    """100 elementwise ops, each needing the one before; values stay finite."""
    for _ in range(SMALL_OPS // 2):
        x = (x + y) * y
    return x


def chain(x: Any, sine: Callable[[Any], Any]) -> Any:
    """A scalar chain of 10 ops."""
    for _ in range(CHAIN_OPS // 2):
        x = sine(x) * x
    return x


def named(
    add: Callable[[tuple[int, ...]], Job],
    many_ops: Callable[[], Job],
    tape: Callable[[], Job],
    compiled_one: Callable[[], Job],
    compiled_many: Callable[[], Job],
    first_call: Callable[[], Job],
    matmul: Callable[[int], Job],
    convolution: Callable[[], Job],
) -> dict[str, Callable[[], Job]]:
    jobs: dict[str, Callable[[], Job]] = {
        "eager_add_1": functools.partial(add, (1,)),
        "eager_add_100x100": functools.partial(add, (100, 100)),
        "eager_100_ops": many_ops,
        "tape_10_ops": tape,
        "compiled_1_op": compiled_one,
        "compiled_100_ops": compiled_many,
        "first_call_small": first_call,
        "convolution_3x3": convolution,
    }
    for size in MATMUL_SIZES:
        jobs[f"matmul_{size}"] = functools.partial(matmul, size)
    return jobs
