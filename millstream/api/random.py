"""tf.random: the functions whose numbers the global seed and counters decide; tf.random.Generator; dropout."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.math import cast
from millstream.api.public import public, publish
from millstream.api.random_stateless import (
    algorithm_number,
    algorithm_tensor,
    alpha_and_beta,
    class_type,
    refuse_dtype,
    scaled_gamma,
    shape_tensor,
    stateless_uniform,
)
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution import generator
from millstream.execution.context import executing_eagerly
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.generator import Generator
from millstream.execution.random_seeds import op_seeds, set_global_seed, take
from millstream.execution.tensor import TensorType
from millstream.ops import random as stateless
from millstream.ops import random_stateful as stateful
from millstream.ops.registry import find

_PHILOX = 1


@public("random.set_seed")
def set_seed(seed: Any) -> None:
    """Set the global seed; all random streams begin again."""
    set_global_seed(seed)


publish("compat.v1.set_random_seed", set_seed)
publish("compat.v1.random.set_random_seed", set_seed)
publish("compat.v1.get_seed", op_seeds)
publish("compat.v1.random.get_seed", op_seeds)


def _seeds(seed: Any) -> dict[str, int]:
    first, second = op_seeds(seed)
    return {"seed": first or 0, "seed2": second or 0}


def _count(shape: Any) -> int:
    return int(np.prod(shape.numpy(), dtype=np.int64)) if shape._count else 1


def _numbers(kept: Any, plain: Any, shape: Any, dtype: Any, seed: Any) -> Any:
    """Draw numbers of the op `kept`; when it runs at once, by `plain` at the counter that the seeds say."""
    if not executing_eagerly():
        return apply(kept, shape, dtype=dtype, **_seeds(seed))
    stream = take((kept.name, shape.dtype, dtype), seed, max(_count(shape), 0) * stateful.BLOCKS_EACH)
    return apply(plain, shape, *stream, algorithm_tensor(_PHILOX), dtype=dtype)


_UNIFORM = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64)


@public("random.uniform", "compat.v1.random.uniform", "compat.v1.random_uniform")
def uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    seed: Any = None,
    name: str | None = None,
) -> Any:
    """Return uniform numbers in [minval, maxval)."""
    dtype = as_dtype(dtype)
    refuse_dtype(dtype, _UNIFORM)
    if maxval is None:
        if dtype.is_integer:
            raise ValueError(explain(f"Must specify maxval for integer dtype {dtype!r}"))
        maxval = 1
    sizes = shape_tensor(shape)
    from_zero = isinstance(minval, int) and minval == 0
    to_one = isinstance(maxval, int) and maxval == 1
    if dtype.is_integer:
        return _whole_numbers(sizes, to_tensor(minval, dtype), to_tensor(maxval, dtype), dtype, seed)
    drawn = _numbers(stateful.random_uniform, stateless.uniform, sizes, dtype, seed)
    if from_zero:
        return drawn if to_one else drawn * to_tensor(maxval, dtype)
    low, high = to_tensor(minval, dtype), to_tensor(maxval, dtype)
    return drawn * (high - low) + low


def _whole_numbers(sizes: Any, low: Any, high: Any, dtype: Any, seed: Any) -> Any:
    if not executing_eagerly():
        return apply(stateful.random_uniform_int, sizes, low, high, **_seeds(seed))
    stream = take(("RandomUniformInt", sizes.dtype, dtype), seed, max(_count(sizes), 0) * stateful.BLOCKS_EACH)
    return apply(stateless.uniform_int, sizes, *stream, algorithm_tensor(_PHILOX), low, high)


@public("random.normal", "compat.v1.random.normal", "compat.v1.random_normal")
def normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: Any = None,
    name: str | None = None,
) -> Any:
    """Return normal numbers."""
    dtype = as_dtype(dtype)
    sizes, mean, stddev = shape_tensor(shape), to_tensor(mean, dtype), to_tensor(stddev, dtype)
    return _numbers(stateful.random_standard_normal, stateless.normal, sizes, dtype, seed) * stddev + mean


@public("random.truncated_normal", "compat.v1.random.truncated_normal", "compat.v1.truncated_normal")
def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: Any = None,
    name: str | None = None,
) -> Any:
    """Return normal numbers, those beyond two deviations drawn again."""
    dtype = as_dtype(dtype)
    sizes, mean, stddev = shape_tensor(shape), to_tensor(mean, dtype), to_tensor(stddev, dtype)
    return _numbers(stateful.truncated_normal, stateless.truncated_normal, sizes, dtype, seed) * stddev + mean


@public("random.shuffle", "compat.v1.random.shuffle", "compat.v1.random_shuffle")
def shuffle(value: Any, seed: Any = None, name: str | None = None) -> Any:
    """Return the rows of `value` in random order."""
    value = to_tensor(value)
    if not executing_eagerly():
        return apply(stateful.random_shuffle, value, **_seeds(seed))
    rows = value._shape[0] if value._shape else 0
    blocks = (rows - 1 + 3) // 4 if rows > 1 else 0
    return apply(
        stateless.shuffle, value, *take(("RandomShuffle", value.dtype), seed, blocks), algorithm_tensor(_PHILOX)
    )


@public("random.categorical", "compat.v1.random.categorical")
def categorical(logits: Any, num_samples: Any, dtype: Any = None, seed: Any = None, name: str | None = None) -> Any:
    """Return class numbers, drawn with the probabilities that each row of logits says."""
    logits, samples, chosen = to_tensor(logits), to_tensor(num_samples, dtypes.int32), class_type(dtype)
    if not executing_eagerly():
        return apply(stateful.multinomial, logits, samples, output_dtype=chosen, **_seeds(seed))
    blocks = 0
    if len(logits._shape) == 2 and samples._count == 1:
        blocks = int(stateful.multinomial_blocks(logits._shape[0], max(int(samples.numpy()), 0)))  # type: ignore[arg-type]
    stream = take(("Multinomial", logits.dtype, chosen), seed, blocks)
    return apply(stateless.multinomial_at, logits, samples, *stream, output_dtype=chosen)


@public("compat.v1.random.multinomial", "compat.v1.multinomial")
def multinomial(
    logits: Any, num_samples: Any, seed: Any = None, name: str | None = None, output_dtype: Any = None
) -> Any:
    """Return class numbers, drawn with the probabilities that each row of logits says."""
    return categorical(logits, num_samples, output_dtype, seed)


def _vector(shape: Any, dtype: Any = dtypes.int32) -> Any:
    """Return a shape as a vector; a number is a vector of one size."""
    sizes = shape_tensor(shape)
    return array.reshape(sizes, [1]) if sizes.shape.rank == 0 else sizes


@public("random.gamma", "compat.v1.random.gamma", "compat.v1.random_gamma")
def gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = dtypes.float32,
    seed: Any = None,
    name: str | None = None,
) -> Any:
    """Return gamma numbers: for each pair of alpha and beta as many as `shape` says."""
    sizes = _vector(shape)
    alpha, beta = alpha_and_beta(alpha, beta, dtype)
    if not executing_eagerly():
        return scaled_gamma(apply(stateful.random_gamma, sizes, alpha, **_seeds(seed)), beta)
    blocks = max(_count(sizes), 0) * alpha._count * stateful.BLOCKS_EACH
    stream = take(("RandomGamma", sizes.dtype, alpha.dtype), seed, blocks)
    whole = array.concat([sizes, array.shape(alpha, sizes.dtype)], 0)
    return scaled_gamma(apply(stateless.gamma, whole, *stream, algorithm_tensor(_PHILOX), alpha), beta)


@public("random.poisson")
def poisson(shape: Any, lam: Any, dtype: Any = dtypes.float32, seed: Any = None, name: str | None = None) -> Any:
    """Return Poisson numbers: for each rate as many as `shape` says."""
    dtype, sizes, rate = as_dtype(dtype), _vector(shape), to_tensor(lam)
    if not executing_eagerly():
        return apply(stateful.random_poisson, sizes, rate, dtype=dtype, **_seeds(seed))
    blocks = max(_count(sizes), 0) * rate._count * stateful.BLOCKS_EACH
    stream = take(("RandomPoissonV2", sizes.dtype, rate.dtype, dtype), seed, blocks)
    return apply(stateless.poisson_at, sizes, rate, *stream, dtype=dtype)


@public("compat.v1.random.poisson", "compat.v1.random_poisson")
def poisson_v1(lam: Any, shape: Any, dtype: Any = dtypes.float32, seed: Any = None, name: str | None = None) -> Any:
    """Return Poisson numbers: for each rate as many as `shape` says."""
    return poisson(shape, lam, dtype, seed)


Generator.algorithm_number = staticmethod(algorithm_number)
for _space in ("random", "random.experimental", "compat.v1.random", "compat.v1.random.experimental"):
    publish(f"{_space}.Generator", Generator)
    publish(f"{_space}.get_global_generator", generator.global_generator)
    publish(f"{_space}.set_global_generator", generator.set_global_generator)


@public(
    "random.create_rng_state",
    "random.experimental.create_rng_state",
    "compat.v1.random.create_rng_state",
    "compat.v1.random.experimental.create_rng_state",
)
def create_rng_state(seed: Any, alg: Any) -> Any:
    """Return the state of a generator that begins at a seed."""
    return generator.state_of_seed(seed, algorithm_number(alg))


def _noise_shape(x: Any, noise_shape: Any) -> Any:
    if noise_shape is None:
        return array.shape(x)
    try:
        given = TensorShape(noise_shape)
    except (TypeError, ValueError):
        return noise_shape
    if x.shape.rank is not None and given.rank == x.shape.rank:
        return TensorShape([own if size is None else size for own, size in zip(x.shape, given, strict=True)])
    return noise_shape


def _dropped(x: Any, rate: Any, noise_shape: Any, sampler: Any, step: Any) -> Any:
    plain = isinstance(rate, numbers.Real)
    if plain and (rate < 0 or rate >= 1):
        raise ValueError(
            explain(f"`rate` must be a scalar tensor or a float in the range [0, 1). Received: rate={rate}")
        )
    x = to_tensor(x)
    if not x.dtype.is_floating:
        raise ValueError(
            explain(f"`x.dtype` must be a floating point tensor as `x` will be scaled. Received: x_dtype={x.dtype}")
        )
    if plain and rate == 0:
        step()
        return x
    if plain:
        scaled = x * to_tensor(1 / (1 - rate), x.dtype)
    elif isinstance(rate, TensorType):
        rate = to_tensor(rate)
        rate.shape.assert_has_rank(0)
        if rate.dtype != x.dtype:
            if not rate.dtype.is_compatible_with(x.dtype):
                raise ValueError(
                    explain(
                        "`x.dtype` must be compatible with `rate.dtype`. "
                        f"Received: x.dtype={x.dtype} and rate.dtype={rate.dtype}"
                    )
                )
            rate = cast(rate, x.dtype)
        scaled = x / (to_tensor(1, x.dtype) - rate)
    else:
        raise ValueError(explain(f"`rate` must be a scalar or scalar tensor. Received: rate={rate}"))
    keep = sampler(shape=_noise_shape(x, noise_shape), dtype=x.dtype) >= rate
    return apply(find("SelectV2"), keep, scaled, to_tensor(0, x.dtype))


@public("nn.dropout")
def dropout(x: Any, rate: Any, noise_shape: Any = None, seed: Any = None, name: str | None = None) -> Any:
    """Set elements to 0 with probability `rate`, and make up for it by a larger scale of the others."""

    def sampler(shape: Any, dtype: Any) -> Any:
        return uniform(shape, seed=seed, dtype=dtype)

    def step() -> None:
        op_seeds(seed)

    return _dropped(x, rate, noise_shape, sampler, step)


@public("compat.v1.nn.dropout")
def dropout_v1(
    x: Any, keep_prob: Any = None, noise_shape: Any = None, seed: Any = None, name: str | None = None, rate: Any = None
) -> Any:
    """Set elements to 0 with probability `rate`, or 1 - `keep_prob`."""
    if (keep_prob is None) == (rate is None):
        raise ValueError(explain(f"Give one of `keep_prob` and `rate`. Received: keep_prob={keep_prob}, rate={rate}"))
    return dropout(x, 1 - keep_prob if rate is None else rate, noise_shape, seed)


@public("nn.experimental.stateless_dropout", "compat.v1.nn.experimental.stateless_dropout")
def stateless_dropout(
    x: Any, rate: Any, seed: Any, rng_alg: Any = None, noise_shape: Any = None, name: str | None = None
) -> Any:
    """Set elements to 0 as `seed` decides."""

    def sampler(shape: Any, dtype: Any) -> Any:
        return stateless_uniform(shape, seed, dtype=dtype, alg="auto_select" if rng_alg is None else rng_alg)

    return _dropped(x, rate, noise_shape, sampler, lambda: None)


@public("nn.experimental.general_dropout", "compat.v1.nn.experimental.general_dropout")
def general_dropout(x: Any, rate: Any, uniform_sampler: Any, noise_shape: Any = None, name: str | None = None) -> Any:
    """Set elements to 0 as the numbers of `uniform_sampler(shape=, dtype=)` decide."""
    return _dropped(x, rate, noise_shape, uniform_sampler, lambda: None)
