"""Distributions of whole numbers, and of what they are drawn by: Bernoulli, Categorical, Multinomial, Dirichlet and
DirichletMultinomial."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.version_1.distributions.base import (
    FULLY_REPARAMETERIZED,
    NOT_REPARAMETERIZED,
    Distribution,
    check_counts,
    checked,
    log_combinations,
    next_seed,
)
from millstream.version_1.distributions.divergence import RegisterKL
from millstream.version_1.variables.name_scope import name_scope

tf: Any = root()


class _ByLogits(Distribution):
    """A distribution of probabilities, which are given themselves or as logits."""

    _logits: Any
    _probs: Any

    def _set(self, logits: Any, probs: Any, checks: bool, is_vector: bool) -> None:
        if (logits is None) == (probs is None):
            raise ValueError(explain("Must pass probs or logits, but not both."))
        if probs is None:
            self._logits = tf.convert_to_tensor(logits, name="logits")
            if not self._logits.dtype.is_floating:
                raise TypeError(explain("logits must having floating type."))
            self._probs = tf.nn.softmax(self._logits) if is_vector else tf.sigmoid(self._logits)
            return
        given = tf.convert_to_tensor(probs, name="probs")
        if not given.dtype.is_floating:
            raise TypeError(explain("probs must having floating type."))
        if checks:
            one = tf.constant(1.0, given.dtype)
            limit = (
                tf.debugging.assert_near(tf.reduce_sum(given, -1), one, message="probs does not sum to 1.")
                if is_vector
                else tf.debugging.assert_less_equal(given, one, message="probs has components greater than 1.")
            )
            given = checked(given, [tf.debugging.assert_non_negative(given), limit])
        self._probs = given
        self._logits = tf.math.log(given) if is_vector else tf.math.log(given) - tf.math.log1p(-given)

    @property
    def logits(self) -> Any:
        """The logarithms of odds or of probabilities."""
        return self._logits

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self._probs


@public("compat.v1.distributions.Bernoulli")
class Bernoulli(_ByLogits):
    """1 with the probability `probs`, else 0.

    >>> float(tf.compat.v1.distributions.Bernoulli(probs=0.25).variance())
    0.1875
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Bernoulli",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._set(logits, probs, validate_args, is_vector=False)
        self._describe(dtype, NOT_REPARAMETERIZED, parameters, scope)

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Any]:
        return {"logits": sample_shape}

    def _batch_shape(self) -> Any:
        return self._logits.shape

    def _batch_shape_tensor(self) -> Any:
        return tf.shape(self._logits)

    def _event_shape(self) -> Any:
        return []

    def _event_shape_tensor(self) -> Any:
        return tf.constant([], dtypes.int32)

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        shape = tf.concat([[n], self.batch_shape_tensor()], 0)
        return tf.cast(tf.random.uniform(shape, dtype=self._probs.dtype, seed=seed) < self._probs, self.dtype)

    def _log_prob(self, event: Any) -> Any:
        if self.validate_args:
            one = tf.constant(1, event.dtype)
            message = "event must be 0 or 1"
            event = checked(check_counts(event) if event.dtype.is_floating else event, [
                tf.debugging.assert_non_negative(event, message=message),
                tf.debugging.assert_less_equal(event, one, message=message),
            ])  # fmt: skip
        event = tf.cast(event, self._logits.dtype)
        logits, event = tf.ones_like(event) * self._logits, tf.ones_like(self._logits) * event
        return -tf.nn.sigmoid_cross_entropy_with_logits(labels=event, logits=logits)

    def _entropy(self) -> Any:
        return -self._logits * (tf.sigmoid(self._logits) - 1.0) + tf.nn.softplus(-self._logits)

    def _mean(self) -> Any:
        return tf.identity(self._probs)

    def _variance(self) -> Any:
        return self._probs * (1.0 - self._probs)

    def _mode(self) -> Any:
        return tf.cast(self._probs > 0.5, self.dtype)


@RegisterKL(Bernoulli, Bernoulli)
def _bernoullis(a: Any, b: Any, name: str | None = None) -> Any:
    ones = tf.nn.softplus(-b.logits) - tf.nn.softplus(-a.logits)
    zeros = tf.nn.softplus(b.logits) - tf.nn.softplus(a.logits)
    return tf.sigmoid(a.logits) * ones + tf.sigmoid(-a.logits) * zeros


@public("compat.v1.distributions.Categorical")
class Categorical(_ByLogits):
    """The number of a class, of those along the last axis of `probs` or `logits`."""

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Categorical",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._set(logits, probs, validate_args, is_vector=True)
        self._describe(dtype, NOT_REPARAMETERIZED, parameters, scope)

    @property
    def event_size(self) -> Any:
        """How many classes there are, as a tensor."""
        return tf.shape(self._logits)[-1]

    def _batch_shape(self) -> Any:
        return self._logits.shape.with_rank_at_least(1)[:-1]

    def _batch_shape_tensor(self) -> Any:
        return tf.shape(self._logits)[:-1]

    def _event_shape(self) -> Any:
        return []

    def _event_shape_tensor(self) -> Any:
        return tf.constant([], dtypes.int32)

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        flat = self._logits if self._logits.shape.rank == 2 else tf.reshape(self._logits, [-1, self.event_size])
        kind = dtypes.int64 if self.dtype.size > 4 else dtypes.int32
        drawn = tf.random.categorical(flat, n, kind, seed)
        return tf.cast(tf.reshape(tf.transpose(drawn), tf.concat([[n], self.batch_shape_tensor()], 0)), self.dtype)

    def _spread(self, k: Any, parameters: Any) -> tuple[Any, Any]:
        """Return classes and parameters for each of them."""
        k = check_counts(k) if self.validate_args and k.dtype.is_floating else k
        k = tf.cast(k, self.dtype if self.dtype.is_integer else dtypes.int32)
        if k.shape.is_fully_defined() and k.shape == parameters.shape[:-1]:
            return k, parameters
        ones = tf.ones_like(k, parameters.dtype)
        return tf.ones(tf.shape(parameters)[:-1], k.dtype) * k, ones[..., tf.newaxis] * parameters

    def _cdf(self, k: Any) -> Any:
        k, probs = self._spread(k, self._probs)
        below = tf.sequence_mask(k, self.event_size)
        return tf.reduce_sum(tf.where(below, probs, tf.zeros_like(probs)), -1)

    def _log_prob(self, k: Any) -> Any:
        k, logits = self._spread(k, self._logits)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=k, logits=logits)

    def _entropy(self) -> Any:
        return -tf.reduce_sum(tf.nn.log_softmax(self._logits) * self._probs, -1)

    def _mode(self) -> Any:
        return tf.cast(tf.argmax(self._logits, -1), self.dtype)


@RegisterKL(Categorical, Categorical)
def _categoricals(a: Any, b: Any, name: str | None = None) -> Any:
    difference = tf.nn.log_softmax(a.logits) - tf.nn.log_softmax(b.logits)
    return tf.reduce_sum(tf.nn.softmax(a.logits) * difference, -1)


class _OfVectors(Distribution):
    """A distribution whose events are vectors along the last axis."""

    def _like_event(self) -> Any:
        """Return a tensor of the shape of a batch of events."""
        raise NotImplementedError

    def _batch_shape(self) -> Any:
        return self._like_event().shape.with_rank_at_least(1)[:-1]

    def _batch_shape_tensor(self) -> Any:
        return tf.shape(self._like_event())[:-1]

    def _event_shape(self) -> Any:
        return self._like_event().shape.with_rank_at_least(1)[-1:]

    def _event_shape_tensor(self) -> Any:
        return tf.shape(self._like_event())[-1:]

    def _outer(self, first: Any, second: Any) -> Any:
        """Return the products of the elements of two vectors, negative, with the variances on the diagonal."""
        products = tf.matmul(first[..., tf.newaxis], second[..., tf.newaxis, :])
        return tf.linalg.set_diag(-products, self.variance())


def _divided(total: Any, counts: Any) -> Any:
    """Refuse counts that are none, or whose sum is not the total."""
    counts = check_counts(counts)
    same = tf.debugging.assert_equal(total, tf.reduce_sum(counts, -1), message="counts must sum to `self.total_count`")
    return checked(counts, [same])


@public("compat.v1.distributions.Multinomial")
class Multinomial(_OfVectors, _ByLogits):
    """How often each class comes, of `total_count` that are drawn."""

    def __init__(
        self,
        total_count: Any,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Multinomial",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            count = tf.convert_to_tensor(total_count, name="total_count")
            self._total_count = check_counts(count) if validate_args else count
            self._set(logits, probs, validate_args, is_vector=True)
            self._means = self._total_count[..., tf.newaxis] * self._probs
        self._describe(self._probs.dtype, NOT_REPARAMETERIZED, parameters, scope)

    @property
    def total_count(self) -> Any:
        """How many are drawn."""
        return self._total_count

    def _like_event(self) -> Any:
        return self._means

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        size = self.event_shape_tensor()[0]
        counts = tf.ones_like(self._logits[..., 0], dtypes.int32) * tf.cast(self._total_count, dtypes.int32)
        logits = tf.ones_like(counts[..., tf.newaxis], self._logits.dtype) * self._logits

        def draw(one: Any) -> Any:
            drawn = tf.random.categorical(one[0][tf.newaxis], n * one[1], seed=seed)
            return tf.reduce_sum(tf.one_hot(tf.reshape(drawn, [n, -1]), size, dtype=self.dtype), -2)

        each = (tf.reshape(logits, [-1, size]), tf.reshape(counts, [-1]))
        drawn = tf.transpose(tf.map_fn(draw, each, fn_output_signature=self.dtype), [1, 0, 2])
        return tf.reshape(drawn, tf.concat([[n], self.batch_shape_tensor(), [size]], 0))

    def _log_prob(self, counts: Any) -> Any:
        counts = _divided(self._total_count, counts) if self.validate_args else counts
        return tf.reduce_sum(counts * tf.nn.log_softmax(self._logits), -1) + log_combinations(self._total_count, counts)

    def _mean(self) -> Any:
        return tf.identity(self._means)

    def _variance(self) -> Any:
        return self._means - self._means * self._spread_probs()

    def _spread_probs(self) -> Any:
        return self._probs * tf.ones_like(self._total_count)[..., tf.newaxis]

    def _covariance(self) -> Any:
        return self._outer(self._means, self._spread_probs())


class _Concentrated(_OfVectors):
    """A distribution that has a concentration for each part of an event."""

    _concentration: Any
    _total_concentration: Any

    def _set(self, concentration: Any, checks: bool) -> None:
        given = tf.convert_to_tensor(concentration, name="concentration")
        if checks:
            given = checked(
                given,
                [
                    tf.debugging.assert_positive(given, message="Concentration parameter must be positive."),
                    tf.debugging.assert_rank_at_least(
                        given, 1, message="Concentration parameter must have >=1 dimensions."
                    ),
                    tf.debugging.assert_less(
                        1, tf.shape(given)[-1], message="Concentration parameter must have event_size >= 2."
                    ),
                ],
            )
        self._concentration, self._total_concentration = given, tf.reduce_sum(given, -1)

    @property
    def concentration(self) -> Any:
        """The concentration of each part."""
        return self._concentration

    @property
    def total_concentration(self) -> Any:
        """The sum of the concentrations."""
        return self._total_concentration

    def _like_event(self) -> Any:
        return self._concentration


@public("compat.v1.distributions.Dirichlet")
class Dirichlet(_Concentrated):
    """Vectors of positive numbers whose sum is 1, of density prod x^(concentration - 1), made whole."""

    def __init__(
        self, concentration: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Dirichlet"
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._set(concentration, validate_args)
        self._describe(self._concentration.dtype, FULLY_REPARAMETERIZED, parameters, scope)

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        drawn = tf.random.gamma([n], self._concentration, dtype=self.dtype, seed=seed)
        return drawn / tf.reduce_sum(drawn, -1, keepdims=True)

    def _log_prob(self, x: Any) -> Any:
        if self.validate_args:
            one = tf.ones([], self.dtype)
            sums = tf.debugging.assert_near(one, tf.reduce_sum(x, -1), message="sample last-dimension must sum to `1`")
            x = checked(x, [tf.debugging.assert_positive(x, message="samples must be positive"), sums])
        return tf.reduce_sum(tf.math.xlogy(self._concentration - 1.0, x), -1) - tf.math.lbeta(self._concentration)

    def _size(self) -> Any:
        return tf.cast(self.event_shape_tensor()[0], self.dtype)

    def _entropy(self) -> Any:
        c, total = self._concentration, self._total_concentration
        parts = tf.reduce_sum((c - 1.0) * tf.math.digamma(c), -1)
        return tf.math.lbeta(c) + (total - self._size()) * tf.math.digamma(total) - parts

    def _mean(self) -> Any:
        return self._concentration / self._total_concentration[..., tf.newaxis]

    def _scaled(self) -> tuple[Any, Any]:
        scale = tf.math.rsqrt(1.0 + self._total_concentration[..., tf.newaxis])
        return scale, scale * self._mean()

    def _variance(self) -> Any:
        scale, scaled = self._scaled()
        return scaled * (scale - scaled)

    def _covariance(self) -> Any:
        scaled = self._scaled()[1]
        return self._outer(scaled, scaled)

    def _mode(self) -> Any:
        c = self._concentration
        mode = (c - 1.0) / (self._total_concentration[..., tf.newaxis] - self._size())
        if not self.allow_nan_stats:
            message = "Mode undefined when any concentration <= 1"
            return checked(mode, [tf.debugging.assert_less(tf.ones([], self.dtype), c, message=message)])
        return tf.where(tf.reduce_all(c > 1.0, -1, keepdims=True), mode, tf.cast(np.nan, self.dtype))


@RegisterKL(Dirichlet, Dirichlet)
def _dirichlets(a: Any, b: Any, name: str | None = None) -> Any:
    slopes = tf.math.digamma(a.concentration) - tf.math.digamma(a.total_concentration[..., tf.newaxis])
    parts = tf.reduce_sum((a.concentration - b.concentration) * slopes, -1)
    return parts - tf.math.lbeta(a.concentration) + tf.math.lbeta(b.concentration)


@public("compat.v1.distributions.DirichletMultinomial")
class DirichletMultinomial(_Concentrated):
    """How often each class comes, of `total_count` that are drawn by probabilities that a Dirichlet distribution gives."""

    def __init__(
        self,
        total_count: Any,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DirichletMultinomial",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            count = tf.convert_to_tensor(total_count, name="total_count")
            self._total_count = check_counts(count) if validate_args else count
            self._set(concentration, validate_args)
        self._describe(self._concentration.dtype, NOT_REPARAMETERIZED, parameters, scope)

    @property
    def total_count(self) -> Any:
        """How many are drawn."""
        return self._total_count

    def _sample_n(self, n: Any, seed: int | None = None) -> Any:
        size = self.event_shape_tensor()[0]
        drawn = tf.math.log(tf.random.gamma([n], self._concentration, dtype=self.dtype, seed=seed))
        classes = tf.random.categorical(
            tf.reshape(drawn, [-1, size]),
            tf.cast(self._total_count, dtypes.int32),
            seed=next_seed(seed, "dirichlet_multinomial"),
        )
        counts = tf.reduce_sum(tf.one_hot(classes, size, dtype=self.dtype), -2)
        return tf.reshape(counts, tf.concat([[n], self.batch_shape_tensor(), [size]], 0))

    def _log_prob(self, counts: Any) -> Any:
        counts = _divided(self._total_count, counts) if self.validate_args else counts
        ordered = tf.math.lbeta(self._concentration + counts) - tf.math.lbeta(self._concentration)
        return ordered + log_combinations(self._total_count, counts)

    def _mean(self) -> Any:
        return self._total_count * (self._concentration / self._total_concentration[..., tf.newaxis])

    def _scaled(self) -> tuple[Any, Any]:
        total = self._total_concentration[..., tf.newaxis]
        scale = tf.sqrt((1.0 + total / self._total_count) / (1.0 + total))
        return scale, scale * self._mean()

    def _variance(self) -> Any:
        scale, scaled = self._scaled()
        return scaled * (self._total_count * scale - scaled)

    def _covariance(self) -> Any:
        scaled = self._scaled()[1]
        return self._outer(scaled, scaled)
