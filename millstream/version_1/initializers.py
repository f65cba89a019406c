"""tf.compat.v1's initializers: their element type is an argument of the constructor, and parts of variables are asked for by
`partition_info`. Refuses `verify_shape` for values that do not fill the shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape

tf: Any = root()

_STDDEV_OF_TRUNCATED = 0.87962566103423978
"""The standard deviation of a standard normal that is cut at two deviations."""


class Initializer:
    """What makes the first value of a variable: called with a shape and, as a rule, an element type."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        """Return a tensor.

        Args:
          shape: its sizes.
          dtype: its element type; that of the constructor without it.
          partition_info: which part of a divided variable this is: `full_shape` and `var_offset`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that this was made with."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return an initializer from what `get_config` gave."""
        return cls(**config)


class _Typed(Initializer):
    def __init__(self, dtype: Any = dtypes.float32) -> None:
        self.dtype = as_dtype(dtype)

    def get_config(self) -> dict[str, Any]:
        return {"dtype": self.dtype.name}


class _Random(_Typed):
    """Draws numbers; always the same ones, where `seed` and the global seed say so."""

    def __init__(self, seed: int | None, dtype: Any) -> None:
        super().__init__(_floating(dtype))
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype.name}


def _floating(dtype: Any) -> Any:
    wanted = as_dtype(dtype)
    if not wanted.is_floating:
        raise ValueError(explain(f"Argument `dtype` is expected to be floating point. Received: {wanted}."))
    return wanted


def _full(shape: Any, partition_info: Any) -> list[int]:
    """Return the sizes of the whole variable."""
    whole = shape if partition_info is None else partition_info.full_shape
    sizes: list[Any] = whole.as_list() if isinstance(whole, TensorShape) else list(whole)
    return [int(size) for size in sizes]


@public("compat.v1.zeros_initializer", "compat.v1.initializers.zeros")
class Zeros(_Typed):
    """Makes tensors of zeros."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return tf.zeros(shape, self.dtype if dtype is None else dtype)


@public("compat.v1.ones_initializer", "compat.v1.initializers.ones")
class Ones(_Typed):
    """Makes tensors of ones."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        return tf.ones(shape, self.dtype if dtype is None else dtype)


@public("compat.v1.constant_initializer", "compat.v1.initializers.constant")
class Constant(Initializer):
    """Makes tensors of one value, or of a list of values, of which the last one fills what is left.

    Args:
      value: a number, list or array.
      dtype: the element type.
      verify_shape: whether the values must have the shape that is asked for.

    Raises:
      TypeError: `value` is something else.
    """

    def __init__(self, value: Any = 0, dtype: Any = dtypes.float32, verify_shape: bool = False) -> None:
        if not (np.isscalar(value) or isinstance(value, (list, tuple, np.ndarray))):
            raise TypeError(
                explain(
                    f"Invalid type for initial value={value} of type: {type(value).__name__}. Expected Python scalar, list of "
                    "values, or numpy.ndarray."
                )
            )
        self.value, self.dtype, self._verify_shape = value, as_dtype(dtype), verify_shape

    def __call__(
        self, shape: Any, dtype: Any = None, partition_info: Any = None, verify_shape: bool | None = None
    ) -> Any:
        verify = self._verify_shape if verify_shape is None else verify_shape
        wanted = self.dtype if dtype is None else dtype
        return tf.compat.v1.constant(self.value, dtype=wanted, shape=shape, verify_shape=verify)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value, "dtype": self.dtype.name}


@public("compat.v1.random_uniform_initializer", "compat.v1.initializers.random_uniform")
class RandomUniform(_Typed):
    """Draws uniformly from `minval` up to `maxval`, which is 1 for floating elements without it."""

    def __init__(
        self, minval: Any = 0.0, maxval: Any = None, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        super().__init__(dtype)
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        wanted = self.dtype if dtype is None else dtype
        return tf.random.uniform(shape, self.minval, self.maxval, wanted, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed, "dtype": self.dtype.name}


class _Normal(_Random):
    def __init__(
        self, mean: Any = 0.0, stddev: Any = 1.0, seed: int | None = None, dtype: Any = dtypes.float32
    ) -> None:
        super().__init__(seed, dtype)
        self.mean, self.stddev = mean, stddev

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed, "dtype": self.dtype.name}


@public("compat.v1.random_normal_initializer", "compat.v1.initializers.random_normal")
class RandomNormal(_Normal):
    """Draws from a normal distribution."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        wanted = self.dtype if dtype is None else dtype
        return tf.random.normal(shape, self.mean, self.stddev, wanted, seed=self.seed)


@public("compat.v1.truncated_normal_initializer", "compat.v1.initializers.truncated_normal")
class TruncatedNormal(_Normal):
    """Draws from a normal distribution, again where a number is more than two deviations from the mean."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        wanted = self.dtype if dtype is None else dtype
        return tf.random.truncated_normal(shape, self.mean, self.stddev, wanted, seed=self.seed)


@public("compat.v1.uniform_unit_scaling_initializer", "compat.v1.initializers.uniform_unit_scaling")
class UniformUnitScaling(_Random):
    """Draws uniformly so that a product with the inputs keeps their variance: up to factor * sqrt(3 / inputs)."""

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(seed, dtype)
        self.factor = factor

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        inputs = max(float(math.prod(_full(shape, partition_info)[:-1])), 1.0)
        limit = math.sqrt(3 / inputs) * self.factor
        return tf.random.uniform(shape, -limit, limit, self.dtype if dtype is None else dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "seed": self.seed, "dtype": self.dtype.name}


def _fans(shape: list[int]) -> tuple[float, float]:
    """Return how many inputs and outputs one unit has."""
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


@public("compat.v1.variance_scaling_initializer", "compat.v1.initializers.variance_scaling")
class VarianceScaling(_Random):
    """Draws numbers of the variance scale / n.

    Args:
      scale: a positive number.
      mode: what n counts: "fan_in" inputs, "fan_out" outputs, "fan_avg" the mean of both.
      distribution: "truncated_normal" (or "normal"), "untruncated_normal" or "uniform".
      seed: for the same numbers each time.
      dtype: the element type.

    Raises:
      ValueError: an argument is none of these.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        dtype: Any = dtypes.float32,
    ) -> None:
        if scale <= 0.0:
            raise ValueError(explain(f"Argument `scale` must be a positive float. Received: {scale}"))
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(
                explain(f"Argument `mode` should be one of ('fan_in', 'fan_out', 'fan_avg'). Received: {mode}")
            )
        distribution = distribution.lower()
        known = ("normal", "uniform", "truncated_normal", "untruncated_normal")
        if distribution not in known:
            raise ValueError(explain(f"Argument `distribution` should be one of {known}. Received: {distribution}"))
        super().__init__(seed, dtype)
        self.scale, self.mode, self.distribution = scale, mode, distribution

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        wanted = self.dtype if dtype is None else dtype
        fan_in, fan_out = _fans(_full(shape, partition_info))
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        scale = self.scale / max(1.0, count)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * scale)
            return tf.random.uniform(shape, -limit, limit, wanted, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return tf.random.normal(shape, 0.0, math.sqrt(scale), wanted, seed=self.seed)
        return tf.random.truncated_normal(shape, 0.0, math.sqrt(scale) / _STDDEV_OF_TRUNCATED, wanted, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "seed": self.seed,
            "dtype": self.dtype.name,
        }


class _Glorot(VarianceScaling):
    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype.name}


@public("compat.v1.glorot_uniform_initializer", "compat.v1.initializers.glorot_uniform")
class GlorotUniform(_Glorot):
    """Draws uniformly, of the variance 2 / (inputs + outputs)."""

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)


@public("compat.v1.glorot_normal_initializer", "compat.v1.initializers.glorot_normal")
class GlorotNormal(_Glorot):
    """Draws from a truncated normal distribution of the variance 2 / (inputs + outputs)."""

    def __init__(self, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)


@public("compat.v1.initializers.lecun_normal")
def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Return what draws from a truncated normal distribution of the variance 1 / inputs."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


@public("compat.v1.initializers.lecun_uniform")
def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Return what draws uniformly, of the variance 1 / inputs."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


@public("compat.v1.initializers.he_normal")
def he_normal(seed: int | None = None) -> VarianceScaling:
    """Return what draws from a truncated normal distribution of the variance 2 / inputs."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


@public("compat.v1.initializers.he_uniform")
def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Return what draws uniformly, of the variance 2 / inputs."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


@public("compat.v1.orthogonal_initializer", "compat.v1.initializers.orthogonal")
class Orthogonal(_Random):
    """Makes matrices of orthonormal rows or columns, times `gain`; axes before the last one count as one."""

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(seed, dtype)
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        sizes = _full(shape, None)
        if len(sizes) < 2:
            raise ValueError(
                explain(
                    "The tensor to initialize, specified by argument `shape` must be at least two-dimensional. Received "
                    f"shape={shape}"
                )
            )
        rows, columns = math.prod(sizes[:-1]), sizes[-1]
        wanted = self.dtype if dtype is None else dtype
        drawn = tf.random.normal((max(rows, columns), min(rows, columns)), dtype=wanted, seed=self.seed)
        q, r = tf.linalg.qr(drawn, full_matrices=False)
        q *= tf.sign(tf.linalg.diag_part(r))
        return self.gain * tf.reshape(tf.linalg.matrix_transpose(q) if rows < columns else q, sizes)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed, "dtype": self.dtype.name}


@public("compat.v1.initializers.identity")
class Identity(_Typed):
    """Makes `gain` times the unit matrix, or a part of it."""

    def __init__(self, gain: float = 1.0, dtype: Any = dtypes.float32) -> None:
        super().__init__(_floating(dtype))
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        whole = _full(shape, partition_info)
        if len(whole) != 2:
            raise ValueError(
                explain(
                    "The tensor to initialize, specified by argument `shape` must be at least two-dimensional. Received "
                    f"shape={shape}"
                )
            )
        unit = tf.eye(*whole, dtype=self.dtype if dtype is None else dtype)
        if partition_info is not None:
            unit = tf.slice(unit, partition_info.var_offset, shape)
        return self.gain * unit

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "dtype": self.dtype.name}
