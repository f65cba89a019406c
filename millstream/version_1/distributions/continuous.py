"""Distributions of one real number: Normal, Laplace, StudentT, Uniform, Gamma, Exponential, Beta."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.version_1.distributions.base import (
    FULLY_REPARAMETERIZED,
    Known,
    checked,
    next_seed,
)
from millstream.version_1.distributions.divergence import RegisterKL
from millstream.version_1.variables.name_scope import name_scope

tf: Any = root()


def _parameter(name: str, says: str) -> Any:
    return property(lambda self: getattr(self, f"_{name}"), doc=says)


def _log_below(z: Any) -> Any:
    """Return the logarithm of the probability of at most z, of a standard normal number, far out too."""
    far = z < (-5.0 if z.dtype is dtypes.float32 else -7.0)
    # Far below, of which the logarithm of a probability near 0 would be lost: the series in 1 / z².
    safe = tf.where(far, z, -tf.ones_like(z) * 10.0)
    inverse = 1.0 / tf.square(safe)
    series, term = tf.ones_like(z), tf.ones_like(z)
    for k in range(1, 6):
        term = -term * (2 * k - 1) * inverse
        series = series + term
    tail = -0.5 * tf.square(safe) - tf.math.log(-safe) - 0.5 * math.log(2.0 * math.pi) + tf.math.log(series)
    high = z > 0
    upper = tf.math.log1p(-_below(tf.where(high, -z, tf.zeros_like(z))))
    near = tf.math.log(_below(tf.where(tf.logical_or(far, high), tf.zeros_like(z), z)))
    return tf.where(far, tail, tf.where(high, upper, near))


def _below(z: Any) -> Any:
    """Return the probability of at most z, of a standard normal number."""
    return 0.5 * tf.math.erfc(-z / math.sqrt(2.0))


class _Located(Known):
    """Numbers around `loc`, as far as `scale` says."""

    _names: tuple[str, ...] = ("loc", "scale")
    _loc: Any
    _scale: Any
    loc = _parameter("loc", "Where the middle is.")
    scale = _parameter("scale", "How wide it is.")

    def _z(self, x: Any) -> Any:
        return (x - self._loc) / self._scale

    def _mode(self) -> Any:
        return self._mean()

    def _mean(self) -> Any:
        return self._loc * self._ones()


@public("compat.v1.distributions.Normal")
class Normal(_Located):
    """The normal distribution of mean `loc` and standard deviation `scale`.

    >>> float(tf.compat.v1.distributions.Normal(1.0, 2.0).cdf(1.0))
    0.5
    """

    def __init__(
        self, loc: Any, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Normal"
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._set(parameters, ("scale",), validate_args)
        self._describe(self._scale.dtype, FULLY_REPARAMETERIZED, parameters, scope)

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        return tf.random.normal(self._drawn_shape(n), dtype=self.dtype, seed=seed) * self._scale + self._loc

    def _log_prob(self, x: Any) -> Any:
        return -0.5 * tf.square(self._z(x)) - 0.5 * math.log(2.0 * math.pi) - tf.math.log(self._scale)

    def _cdf(self, x: Any) -> Any:
        return _below(self._z(x))

    def _survival_function(self, x: Any) -> Any:
        return _below(-self._z(x))

    def _log_cdf(self, x: Any) -> Any:
        return _log_below(self._z(x))

    def _log_survival_function(self, x: Any) -> Any:
        return _log_below(-self._z(x))

    def _quantile(self, p: Any) -> Any:
        return tf.math.ndtri(tf.clip_by_value(p, 0.0, 1.0)) * self._scale + self._loc

    def _entropy(self) -> Any:
        return 0.5 * math.log(2.0 * math.pi * math.e) + tf.math.log(self._stddev())

    def _stddev(self) -> Any:
        return self._scale * self._ones()


@RegisterKL(Normal, Normal)
def _normals(a: Any, b: Any, name: str | None = None) -> Any:
    ratio = tf.square(a.scale) / tf.square(b.scale)
    return tf.math.squared_difference(a.loc, b.loc) / (2.0 * tf.square(b.scale)) + 0.5 * (
        ratio - 1.0 - tf.math.log(ratio)
    )


@public("compat.v1.distributions.Laplace")
class Laplace(_Located):
    """The distribution of density exp(-|x - loc| / scale) / (2 scale)."""

    def __init__(
        self, loc: Any, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Laplace"
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._set(parameters, ("scale",), validate_args)
        self._describe(self._loc.dtype, FULLY_REPARAMETERIZED, parameters, scope)

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        kind = self.dtype.as_numpy_dtype
        # From just above -1, whose logarithm there is none of.
        drawn = tf.random.uniform(self._drawn_shape(n), np.nextafter(kind(-1), kind(0)), 1.0, self.dtype, seed=seed)
        return self._loc - self._scale * tf.sign(drawn) * tf.math.log1p(-tf.abs(drawn))

    def _log_prob(self, x: Any) -> Any:
        return -tf.abs(self._z(x)) - math.log(2.0) - tf.math.log(self._scale)

    def _cdf(self, x: Any) -> Any:
        z = self._z(x)
        return 0.5 + 0.5 * tf.sign(z) * (1.0 - tf.exp(-tf.abs(z)))

    def _log_cdf(self, x: Any) -> Any:
        return self._log_below(self._z(x))

    def _log_survival_function(self, x: Any) -> Any:
        return self._log_below(-self._z(x))

    @staticmethod
    def _log_below(z: Any) -> Any:
        return tf.where(z < 0, z - math.log(2.0), tf.math.log1p(-0.5 * tf.exp(-tf.abs(z))))

    def _entropy(self) -> Any:
        return math.log(2.0) + 1.0 + tf.math.log(self._scale * self._ones())

    def _stddev(self) -> Any:
        return math.sqrt(2.0) * self._scale * self._ones()


@public("compat.v1.distributions.StudentT")
class StudentT(_Located):
    """Student's distribution of `df` degrees of freedom, moved to `loc` and widened by `scale`."""

    _names = ("df", "loc", "scale")
    _df: Any
    _loc: Any
    _scale: Any
    df = _parameter("df", "The degrees of freedom.")

    def __init__(
        self,
        df: Any,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "StudentT",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._set(parameters, ("df",), validate_args)
        self._describe(self._scale.dtype, FULLY_REPARAMETERIZED, parameters, scope)

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        drawn = tf.random.normal(self._drawn_shape(n), dtype=self.dtype, seed=seed)
        df = self._df * self._ones()
        spread = tf.random.gamma([n], 0.5 * df, 0.5, self.dtype, next_seed(seed, "student_t"))
        return drawn * tf.math.rsqrt(spread / df) * self._scale + self._loc

    def _log_prob(self, x: Any) -> Any:
        df = self._df
        around = -0.5 * (df + 1.0) * tf.math.log1p(tf.square(self._z(x)) / df)
        whole = tf.math.lgamma(0.5 * df) - tf.math.lgamma(0.5 * (df + 1.0)) + 0.5 * tf.math.log(df)
        return around - whole - tf.math.log(tf.abs(self._scale)) - 0.5 * math.log(math.pi)

    def _cdf(self, x: Any) -> Any:
        z = (x - self._loc) / tf.abs(self._scale)
        outside = 0.5 * tf.math.betainc(
            *_together(0.5 * self._df, tf.constant(0.5, self.dtype), self._df / (z * z + self._df))
        )
        return tf.where(z < 0.0, outside, 1.0 - outside)

    def _entropy(self) -> Any:
        df = self._df * self._ones()
        half = 0.5 * (df + 1.0)
        beta = tf.math.lgamma(0.5 * df) + math.lgamma(0.5) - tf.math.lgamma(half)
        slope = half * (tf.math.digamma(half) - tf.math.digamma(0.5 * df))
        return tf.math.log(tf.abs(self._scale)) + 0.5 * tf.math.log(df) + beta + slope

    def _mean(self) -> Any:
        mean = super()._mean()
        return self._where_defined(self._df > 1.0, mean, [(self._df, "mean not defined for components of df <= 1")])

    def _variance(self) -> Any:
        finite = self._df > 2.0
        found = (
            self._ones() * tf.square(self._scale) * self._df / tf.where(finite, self._df - 2.0, tf.ones_like(self._df))
        )
        found = tf.where(finite, found, tf.cast(np.inf, self.dtype))
        return self._where_defined(
            self._df > 1.0, found, [(self._df, "variance not defined for components of df <= 1")]
        )

    def _mode(self) -> Any:
        return tf.identity(self._loc)


@public("compat.v1.distributions.Uniform")
class Uniform(Known):
    """Numbers from `low` up to `high`, each as likely."""

    _names = ("low", "high")
    _low: Any
    _high: Any
    low = _parameter("low", "The lowest number.")
    high = _parameter("high", "What all numbers are below.")

    def __init__(
        self,
        low: Any = 0.0,
        high: Any = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Uniform",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._set(parameters, (), validate_args)
            if validate_args:
                message = "uniform not defined when low >= high."
                self._low = checked(self._low, [tf.debugging.assert_less(self._low, self._high, message=message)])
        self._describe(self._low.dtype, FULLY_REPARAMETERIZED, parameters, scope)

    def range(self, name: str = "range") -> Any:
        """Return high - low."""
        with name_scope(f"{self.name}{name}/"):
            return self._high - self._low

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        return self._low + self.range() * tf.random.uniform(self._drawn_shape(n), dtype=self.dtype, seed=seed)

    def _prob(self, x: Any) -> Any:
        x = x * self._ones()
        outside = tf.logical_or(x < self._low, x >= self._high)
        return tf.where(tf.math.is_nan(x), x, tf.where(outside, tf.zeros_like(x), tf.ones_like(x) / self.range()))

    def _cdf(self, x: Any) -> Any:
        x = x * self._ones()
        below = tf.where(x < self._low, tf.zeros_like(x), (x - self._low) / self.range())
        return tf.where(x >= self._high, tf.ones_like(x), below)

    def _entropy(self) -> Any:
        return tf.math.log(self.range())

    def _mean(self) -> Any:
        return (self._low + self._high) / 2.0

    def _variance(self) -> Any:
        return tf.square(self.range()) / 12.0

    def _stddev(self) -> Any:
        return self.range() / math.sqrt(12.0)


@public("compat.v1.distributions.Gamma")
class Gamma(Known):
    """The distribution of density x^(concentration - 1) exp(-rate x), made whole."""

    _names = ("concentration", "rate")
    _concentration: Any
    _rate: Any
    concentration = _parameter("concentration", "The exponent of x, and 1.")
    rate = _parameter("rate", "How fast the density falls.")

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Gamma",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._set(parameters, self._names, validate_args)
        self._describe(self._concentration.dtype, FULLY_REPARAMETERIZED, parameters, scope)

    def _event(self, x: Any) -> Any:
        return checked(x, [tf.debugging.assert_positive(x)]) if self.validate_args else x

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        return tf.random.gamma([n], self._concentration, self._rate, self.dtype, seed)

    def _log_prob(self, x: Any) -> Any:
        x = self._event(x)
        return tf.math.xlogy(self._concentration - 1.0, x) - self._rate * x - self._log_normalization()

    def _log_normalization(self) -> Any:
        return tf.math.lgamma(self._concentration) - self._concentration * tf.math.log(self._rate)

    def _cdf(self, x: Any) -> Any:
        return tf.math.igamma(*_together(self._concentration, self._rate * self._event(x)))

    def _entropy(self) -> Any:
        c = self._concentration
        return c - tf.math.log(self._rate) + tf.math.lgamma(c) + (1.0 - c) * tf.math.digamma(c)

    def _mean(self) -> Any:
        return self._concentration / self._rate

    def _variance(self) -> Any:
        return self._concentration / tf.square(self._rate)

    def _stddev(self) -> Any:
        return tf.sqrt(self._concentration) / self._rate

    def _mode(self) -> Any:
        c = self._concentration
        return self._where_defined(
            c > 1.0, (c - 1.0) / self._rate, [(c, "mode not defined when any concentration <= 1")]
        )


@RegisterKL(Gamma, Gamma)
def _gammas(a: Any, b: Any, name: str | None = None) -> Any:
    at_a = (a.concentration - b.concentration) * tf.math.digamma(a.concentration) - tf.math.lgamma(a.concentration)
    at_b = tf.math.lgamma(b.concentration) + b.concentration * (tf.math.log(a.rate) - tf.math.log(b.rate))
    return at_a + at_b + a.concentration * (b.rate / a.rate - 1.0)


@public("compat.v1.distributions.Exponential")
class Exponential(Gamma):
    """The distribution of density rate exp(-rate x): Gamma's of concentration 1."""

    def __init__(
        self, rate: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Exponential"
    ) -> None:
        parameters = dict(locals())
        given = tf.convert_to_tensor(rate, name="rate")
        super().__init__(tf.ones([], given.dtype), given, validate_args, allow_nan_stats, name)
        self._parameters = {k: v for k, v in parameters.items() if k not in ("self", "__class__")}

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Any]:
        return {"rate": sample_shape}

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        least = np.finfo(self.dtype.as_numpy_dtype).tiny
        return -tf.math.log(tf.random.uniform(self._drawn_shape(n), least, 1.0, self.dtype, seed=seed)) / self._rate

    def _log_survival_function(self, value: Any) -> Any:
        return self._log_prob(value) - tf.math.log(self._rate)


@public("compat.v1.distributions.Beta")
class Beta(Known):
    """The distribution, between 0 and 1, of density x^(concentration1 - 1) (1 - x)^(concentration0 - 1), made whole."""

    _names = ("concentration1", "concentration0")
    _concentration1: Any
    _total_concentration: Any
    _concentration0: Any
    concentration1 = _parameter("concentration1", "The exponent of x, and 1.")
    concentration0 = _parameter("concentration0", "The exponent of 1 - x, and 1.")
    total_concentration = _parameter("total_concentration", "The sum of both.")

    def __init__(
        self,
        concentration1: Any = None,
        concentration0: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Beta",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._set(parameters, self._names, validate_args)
            self._total_concentration = self._concentration1 + self._concentration0
        self._describe(self._total_concentration.dtype, FULLY_REPARAMETERIZED, parameters, scope)

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        one = tf.random.gamma([n], self._ones() * self._concentration1, dtype=self.dtype, seed=seed)
        other = tf.random.gamma(
            [n], self._ones() * self._concentration0, dtype=self.dtype, seed=next_seed(seed, "beta")
        )
        return one / (one + other)

    def _log_prob(self, x: Any) -> Any:
        if self.validate_args:
            above = tf.debugging.assert_positive(x, message="sample must be positive")
            below = tf.debugging.assert_less(x, tf.ones([], self.dtype), message="sample must be less than `1`.")
            x = checked(x, [above, below])
        around = tf.math.xlogy(self._concentration1 - 1.0, x) + (self._concentration0 - 1.0) * tf.math.log1p(-x)
        return around - self._log_normalization()

    def _log_normalization(self) -> Any:
        both = tf.math.lgamma(self._concentration1) + tf.math.lgamma(self._concentration0)
        return both - tf.math.lgamma(self._total_concentration)

    def _cdf(self, x: Any) -> Any:
        return tf.math.betainc(*_together(self._concentration1, self._concentration0, x))

    def _entropy(self) -> Any:
        parts = [(c - 1.0) * tf.math.digamma(c) for c in (self._concentration1, self._concentration0)]
        whole = (self._total_concentration - 2.0) * tf.math.digamma(self._total_concentration)
        return self._log_normalization() - parts[0] - parts[1] + whole

    def _mean(self) -> Any:
        return self._concentration1 / self._total_concentration

    def _variance(self) -> Any:
        return self._mean() * (1.0 - self._mean()) / (1.0 + self._total_concentration)

    def _mode(self) -> Any:
        one, other = self._concentration1, self._concentration0
        found = (one - 1.0) / (self._total_concentration - 2.0)
        refusals = [(c, f"Mode undefined for {n} <= 1.") for c, n in zip((one, other), self._names, strict=True)]
        return self._where_defined(tf.logical_and(one > 1.0, other > 1.0), found, refusals)


@RegisterKL(Beta, Beta)
def _betas(a: Any, b: Any, name: str | None = None) -> Any:
    found = b._log_normalization() - a._log_normalization()
    for part, sign in (("concentration1", -1.0), ("concentration0", -1.0), ("total_concentration", 1.0)):
        mine, other = getattr(a, part), getattr(b, part)
        found = found + sign * tf.math.digamma(mine) * (other - mine)
    return found


def _together(*tensors: Any) -> list[Any]:
    """Return tensors of one shape: each spread over the others."""
    shape = tf.shape(tensors[0])
    for tensor in tensors[1:]:
        shape = tf.broadcast_dynamic_shape(shape, tf.shape(tensor))
    return [tf.broadcast_to(tensor, shape) for tensor in tensors]
