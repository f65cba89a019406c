"""tf.random.stateless_uniform and the other functions whose numbers their seed decides; tf.random.Algorithm."""

from __future__ import annotations

import enum
import functools
from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.array import shape_tensor as vector_of_sizes
from millstream.api.math import cast
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.dtypes import DType, as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor, eager_constant
from millstream.ops import random as ops
from millstream.ops.registry import find


@public(
    "random.Algorithm",
    "random.experimental.Algorithm",
    "compat.v1.random.Algorithm",
    "compat.v1.random.experimental.Algorithm",
)
class Algorithm(enum.Enum):
    """The algorithms that make random bits."""

    PHILOX = 1
    THREEFRY = 2
    AUTO_SELECT = 3


_NAMES = {"philox": 1, "threefry": 2, "autoselect": 3}


def algorithm_number(alg: Any) -> Any:
    """Return the number of an algorithm given as name, number, member of Algorithm or tensor; None chooses."""
    if alg is None:
        return Algorithm.AUTO_SELECT.value
    if isinstance(alg, (int, Tensor)):
        return alg
    if isinstance(alg, Algorithm):
        return alg.value
    if isinstance(alg, str):
        found = _NAMES.get(alg.strip().lower().replace("-", "").replace("_", ""))
        if found is None:
            raise unsupported(alg)
        return found
    raise TypeError(explain(f"Can't convert argument `alg` (of value {alg} and type {type(alg)}) to int."))


def unsupported(alg: Any) -> ValueError:
    """Return the error for an algorithm that there is not."""
    philox, threefry, choose = ("philox", "threefry", "auto_select") if isinstance(alg, str) else (1, 2, 3)
    return ValueError(
        explain(
            f"Argument `alg` got unsupported value {alg}. Supported values are {philox} for the Philox algorithm, "
            f"{threefry} for the ThreeFry algorithm, and {choose} for auto-selection."
        )
    )


@functools.cache
def _algorithm_constant(number: int) -> Any:
    return eager_constant(np.asarray(number, np.int32), dtypes.int32)


def algorithm_tensor(alg: Any) -> Any:
    """Return an algorithm's number as an int32 tensor."""
    return _algorithm_constant(alg) if isinstance(alg, int) else to_tensor(alg, dtypes.int32)


def shape_tensor(shape: Any) -> Any:
    """Return a shape as a tensor; a number stays a scalar, which the ops refuse as TensorFlow's do."""
    return to_tensor(shape, dtypes.int32) if isinstance(shape, (int, np.integer)) else vector_of_sizes(shape)


def seed_tensor(seed: Any) -> Any:
    """Return a seed of two whole numbers as a tensor."""
    return seed if isinstance(seed, Tensor) else to_tensor(seed)


def key_counter_algorithm(seed: Any, alg: Any) -> tuple[Any, Any, Any]:
    """Return key, counter and algorithm number for a seed."""
    number = algorithm_number(alg)
    if not isinstance(number, Tensor) and number not in (1, 2, 3):
        raise unsupported(number)
    if number == Algorithm.THREEFRY.value and not isinstance(number, Tensor):
        words = cast(cast(seed_tensor(seed), dtypes.uint32), dtypes.uint64)
        key = array.reshape(words[0] + words[1] * to_tensor(1 << 32, dtypes.uint64), [1])
        return key, array.zeros([1], dtypes.uint64), algorithm_tensor(number)
    key, counter = apply(ops.get_key_counter, _seed_of_type(seed))
    return key, counter, algorithm_tensor(number)


def _seed_of_type(seed: Any) -> Any:
    tensor = seed_tensor(seed)
    if tensor.dtype in (dtypes.int32, dtypes.int64) or not tensor.dtype.is_integer:
        return tensor
    return cast(tensor, dtypes.int64)


UNIFORM = (
    dtypes.float16,
    dtypes.bfloat16,
    dtypes.float32,
    dtypes.float64,
    dtypes.int32,
    dtypes.int64,
    dtypes.uint32,
    dtypes.uint64,
)


def refuse_dtype(dtype: DType, accepted: tuple[DType, ...]) -> None:
    """Raise ValueError where `dtype` is none of `accepted`."""
    if dtype not in accepted:
        raise ValueError(explain(f"Argument `dtype` got invalid value {dtype}. Accepted dtypes are {accepted}."))


@public("random.stateless_uniform", "compat.v1.random.stateless_uniform")
def stateless_uniform(
    shape: Any,
    seed: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
    alg: Any = "auto_select",
) -> Any:
    """Return uniform numbers in [minval, maxval); whole numbers of the whole range where both are None."""
    dtype = as_dtype(dtype)
    refuse_dtype(dtype, UNIFORM)
    if dtype.is_integer:
        if (minval is None) != (maxval is None):
            raise ValueError(
                explain(
                    f"For integer `dtype` argument {dtype}, argument `minval` and `maxval` must be both None or not None. "
                    f"Got `minval`={minval} and `maxval`={maxval}."
                )
            )
        if minval is not None and dtype in (dtypes.uint32, dtypes.uint64):
            raise ValueError(
                explain(
                    f"Argument `dtype` got invalid value {dtype} when argument `minval` is not None. Please don't use unsigned "
                    "integers in this case."
                )
            )
    elif maxval is None:
        maxval = 1
    sizes = shape_tensor(shape)
    if dtype.is_integer and minval is None:
        return apply(ops.uniform_full_int, sizes, *key_counter_algorithm(seed, alg), dtype=dtype)
    low, high = to_tensor(minval, dtype), to_tensor(maxval, dtype)
    drawn = key_counter_algorithm(seed, alg)
    if dtype.is_integer:
        return apply(ops.uniform_int, sizes, *drawn, low, high)
    numbers = apply(ops.uniform, sizes, *drawn, dtype=dtype)
    return numbers * (high - low) + low


def _scaled(op: Any, shape: Any, seed: Any, mean: Any, stddev: Any, dtype: Any, alg: Any) -> Any:
    dtype = as_dtype(dtype)
    sizes, mean, stddev = shape_tensor(shape), to_tensor(mean, dtype), to_tensor(stddev, dtype)
    return apply(op, sizes, *key_counter_algorithm(seed, alg), dtype=dtype) * stddev + mean


@public("random.stateless_normal", "compat.v1.random.stateless_normal")
def stateless_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
    alg: Any = "auto_select",
) -> Any:
    """Return normal numbers."""
    return _scaled(ops.normal, shape, seed, mean, stddev, dtype, alg)


@public("random.stateless_truncated_normal", "compat.v1.random.stateless_truncated_normal")
def stateless_truncated_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
    alg: Any = "auto_select",
) -> Any:
    """Return normal numbers, those beyond two deviations drawn again."""
    return _scaled(ops.truncated_normal, shape, seed, mean, stddev, dtype, alg)


def alpha_and_beta(alpha: Any, beta: Any, dtype: Any) -> tuple[Any, Any]:
    """Return alpha, broadcast with beta, and beta."""
    dtype = as_dtype(dtype)
    alpha, beta = to_tensor(alpha, dtype), to_tensor(1 if beta is None else beta, dtype)
    if not _is_scalar(beta):
        alpha = array.broadcast_to(alpha, array.broadcast_dynamic_shape(array.shape(alpha), array.shape(beta)))
    return alpha, beta


def _is_scalar(tensor: Any) -> bool:
    return bool(tensor.shape.rank == 0)


def scaled_gamma(numbers: Any, beta: Any) -> Any:
    """Return gamma numbers of rate beta from those of rate 1; never less than the smallest normal number."""
    tiny = to_tensor(np.finfo(numbers.dtype.as_numpy_dtype).tiny, numbers.dtype)
    return apply(find("Maximum"), tiny, numbers / beta)


@public("random.stateless_gamma", "compat.v1.random.stateless_gamma")
def stateless_gamma(
    shape: Any, seed: Any, alpha: Any, beta: Any = None, dtype: Any = dtypes.float32, name: str | None = None
) -> Any:
    """Return gamma numbers; `shape` ends with the broadcast shape of alpha and beta."""
    alpha, beta = alpha_and_beta(alpha, beta, dtype)
    return scaled_gamma(apply(ops.gamma, shape_tensor(shape), *key_counter_algorithm(seed, None), alpha), beta)


@public("random.stateless_poisson", "compat.v1.random.stateless_poisson")
def stateless_poisson(shape: Any, seed: Any, lam: Any, dtype: Any = dtypes.int32, name: str | None = None) -> Any:
    """Return Poisson numbers; `shape` ends with lam's shape."""
    return apply(ops.poisson, shape_tensor(shape), seed_tensor(seed), to_tensor(lam), dtype=as_dtype(dtype))


@public("random.stateless_binomial", "compat.v1.random.stateless_binomial")
def stateless_binomial(
    shape: Any, seed: Any, counts: Any, probs: Any, output_dtype: Any = dtypes.int32, name: str | None = None
) -> Any:
    """Return how many of `counts` trials succeed; `shape` ends with the broadcast shape of counts and probs."""
    probs = to_tensor(probs, preferred=dtypes.float32)
    counts = cast(to_tensor(counts), probs.dtype)
    return apply(ops.binomial, shape_tensor(shape), seed_tensor(seed), counts, probs, dtype=as_dtype(output_dtype))


def class_type(dtype: Any) -> DType:
    """Return the element type of class numbers, int64 where none is given."""
    found = as_dtype(dtype) if dtype else dtypes.int64
    refuse_dtype(found, (dtypes.int32, dtypes.int64))
    return found


@public("random.stateless_categorical", "compat.v1.random.stateless_categorical")
def stateless_categorical(
    logits: Any, num_samples: Any, seed: Any, dtype: Any = dtypes.int64, name: str | None = None
) -> Any:
    """Return class numbers, drawn with the probabilities that each row of logits says."""
    samples = to_tensor(num_samples, dtypes.int32)
    return apply(ops.multinomial, to_tensor(logits), samples, seed_tensor(seed), output_dtype=class_type(dtype))


@public("compat.v1.random.stateless_multinomial")
def stateless_multinomial(
    logits: Any, num_samples: Any, seed: Any, output_dtype: Any = dtypes.int64, name: str | None = None
) -> Any:
    """Return class numbers, drawn with the probabilities that each row of logits says."""
    return stateless_categorical(logits, num_samples, seed, output_dtype)


@public("random.experimental.stateless_shuffle", "compat.v1.random.experimental.stateless_shuffle")
def stateless_shuffle(value: Any, seed: Any, alg: Any = "auto_select", name: str | None = None) -> Any:
    """Return the rows of `value` in random order."""
    return apply(ops.shuffle, to_tensor(value), *key_counter_algorithm(seed, alg))


@public(
    "random.split",
    "random.experimental.stateless_split",
    "compat.v1.random.split",
    "compat.v1.random.experimental.stateless_split",
)
def split(seed: Any, num: Any = 2, alg: Any = "auto_select") -> Any:
    """Return `num` new seeds, as rows."""
    seed = to_tensor(seed)
    return stateless_uniform([num, 2], seed, None, None, seed.dtype, alg=alg)


@public(
    "random.fold_in",
    "random.experimental.stateless_fold_in",
    "compat.v1.random.fold_in",
    "compat.v1.random.experimental.stateless_fold_in",
)
def fold_in(seed: Any, data: Any, alg: Any = "auto_select") -> Any:
    """Return a new seed, made of a seed and a number."""
    data = to_tensor(data)
    return array.stack([stateless_uniform([], seed, None, None, data.dtype, alg=alg), data])
