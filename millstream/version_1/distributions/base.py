"""tf.compat.v1.distributions.Distribution: what all distributions are. Refuses what a distribution does not define, by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from millstream.api.public import public, publish, root
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.version_1.distributions import divergence
from millstream.version_1.variables.name_scope import name_scope

tf: Any = root()


@public("compat.v1.distributions.ReparameterizationType")
class ReparameterizationType:
    """Whether gradients flow through what is drawn; equal to itself alone."""

    def __init__(self, rep_type: str) -> None:
        self._rep_type = rep_type

    def __repr__(self) -> str:
        return f"<Reparameterization Type: {self._rep_type}>"


FULLY_REPARAMETERIZED = ReparameterizationType("FULLY_REPARAMETERIZED")
NOT_REPARAMETERIZED = ReparameterizationType("NOT_REPARAMETERIZED")
publish("compat.v1.distributions.FULLY_REPARAMETERIZED", FULLY_REPARAMETERIZED)
publish("compat.v1.distributions.NOT_REPARAMETERIZED", NOT_REPARAMETERIZED)


def next_seed(seed: int | None, salt: str) -> int | None:
    """Return a seed for a second drawing beside that of `seed`."""
    if seed is None:
        return None
    return int(hashlib.md5(f"{seed}{salt}".encode()).hexdigest()[:8], 16) & 0x7FFFFFFF


def checked(value: Any, checks: Iterable[Any]) -> Any:
    """Return a value that is there only where some assertions hold; where ops run at once they have run."""
    waited = [check for check in checks if check is not None]
    if not waited:
        return value
    with tf.control_dependencies(waited):
        return tf.identity(value)


def log_combinations(total: Any, counts: Any) -> Any:
    """Return the logarithm of how many ways there are to divide `total` into counts."""
    return tf.math.lgamma(total + 1.0) - tf.reduce_sum(tf.math.lgamma(counts + 1.0), -1)


def check_counts(counts: Any) -> Any:
    """Refuse numbers that are negative or not whole."""
    message = "counts must be non-negative and whole"
    return checked(
        counts,
        [
            tf.debugging.assert_non_negative(counts, message=message),
            tf.debugging.assert_equal(counts, tf.floor(counts), message=message),
        ],
    )


@public("compat.v1.distributions.Distribution")
class Distribution:
    """A distribution, or a batch of them: of shape `batch_shape`, each of events of shape `event_shape`.

    What makes one of these defines some of `_sample_n`, `_log_prob` or `_prob`, `_cdf` or `_log_cdf`, `_mean`, `_variance` or
    `_stddev`, `_mode`, `_entropy`, `_quantile`, `_covariance`, and `_batch_shape`, `_event_shape` with `_tensor` forms of both.

    Args:
      dtype: the element type of events.
      reparameterization_type: FULLY_REPARAMETERIZED or NOT_REPARAMETERIZED.
      validate_args: whether arguments are checked.
      allow_nan_stats: whether what is not defined is not a number; else it is an error.
      parameters: the arguments that this was made with.
      graph_parents: accepted: the tensors that it depends on.
      name: put before names.
    """

    def __init__(
        self,
        dtype: Any,
        reparameterization_type: ReparameterizationType,
        validate_args: bool,
        allow_nan_stats: bool,
        parameters: dict[str, Any] | None = None,
        graph_parents: Any = None,
        name: str | None = None,
    ) -> None:
        self._dtype = as_dtype(dtype)
        self._reparameterization_type = reparameterization_type
        self._validate_args, self._allow_nan_stats = validate_args, allow_nan_stats
        self._parameters = {k: v for k, v in (parameters or {}).items() if k not in ("self", "__class__")}
        if not name or not name.endswith("/"):
            with name_scope(name or type(self).__name__) as scope:
                name = scope
        self._name = name

    def _describe(self, dtype: Any, kind: ReparameterizationType, parameters: dict[str, Any], scope: str) -> None:
        """Say what this is; the parameters are the arguments that it was made with."""
        checks = (parameters["validate_args"], parameters["allow_nan_stats"])
        Distribution.__init__(self, dtype, kind, *checks, parameters, None, scope)

    @property
    def name(self) -> str:
        """The name scope."""
        return self._name

    @property
    def dtype(self) -> Any:
        """The element type of events."""
        return self._dtype

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments that this was made with."""
        return dict(self._parameters)

    @property
    def reparameterization_type(self) -> ReparameterizationType:
        """Whether gradients flow through what is drawn."""
        return self._reparameterization_type

    @property
    def allow_nan_stats(self) -> bool:
        """Whether what is not defined is not a number."""
        return self._allow_nan_stats

    @property
    def validate_args(self) -> bool:
        """Whether arguments are checked."""
        return self._validate_args

    def copy(self, **override_parameters_kwargs: Any) -> Any:
        """Return the same distribution with some other arguments."""
        return type(self)(**{**self.parameters, **override_parameters_kwargs})

    @classmethod
    def param_shapes(cls, sample_shape: Any, name: str = "DistributionParamShapes") -> dict[str, Any]:
        """Return the shapes of the parameters that give events of `sample_shape`, as tensors by their names."""
        with tf.name_scope(name):
            return cls._param_shapes(tf.convert_to_tensor(sample_shape, dtypes.int32))

    @classmethod
    def param_static_shapes(cls, sample_shape: Any) -> dict[str, Any]:
        """Return the shapes of the parameters that give events of `sample_shape`, by their names.

        Raises:
          ValueError: `sample_shape` is not known now.
        """
        if isinstance(sample_shape, tf.TensorShape):
            if not sample_shape.is_fully_defined():
                raise ValueError(explain("TensorShape sample_shape must be fully defined"))
            sample_shape = sample_shape.as_list()
        found = {}
        for name, shape in cls.param_shapes(sample_shape).items():
            known = tf.get_static_value(shape)
            if known is None:
                raise ValueError(explain("sample_shape must be a fully-defined TensorShape or constant Tensor"))
            found[name] = tf.TensorShape(known)
        return found

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Any]:
        raise NotImplementedError("_param_shapes not implemented")

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Any:
        """Return the shape of the batch, as a tensor."""
        return self._shape_tensor(name, self.batch_shape, "_batch_shape_tensor")

    def event_shape_tensor(self, name: str = "event_shape_tensor") -> Any:
        """Return the shape of one event, as a tensor."""
        return self._shape_tensor(name, self.event_shape, "_event_shape_tensor")

    def _shape_tensor(self, name: str, known: Any, method: str) -> Any:
        with name_scope(f"{self.name}{name}/"):
            if known.is_fully_defined():
                return tf.constant(known.as_list(), dtypes.int32, name="shape")
            return self._own(method)()

    @property
    def batch_shape(self) -> Any:
        """The shape of the batch, as far as it is known."""
        return tf.TensorShape(self._batch_shape())

    @property
    def event_shape(self) -> Any:
        """The shape of one event, as far as it is known."""
        return tf.TensorShape(self._event_shape())

    def _batch_shape(self) -> Any:
        return None

    def _event_shape(self) -> Any:
        return None

    def is_scalar_event(self, name: str = "is_scalar_event") -> Any:
        """Return whether an event is one number, as a tensor."""
        return self._is_scalar(name, self.event_shape, self.event_shape_tensor)

    def is_scalar_batch(self, name: str = "is_scalar_batch") -> Any:
        """Return whether there is one distribution, as a tensor."""
        return self._is_scalar(name, self.batch_shape, self.batch_shape_tensor)

    def _is_scalar(self, name: str, known: Any, shape: Callable[[], Any]) -> Any:
        with name_scope(f"{self.name}{name}/"):
            return tf.constant(known.rank == 0) if known.rank is not None else tf.equal(tf.shape(shape())[0], 0)

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Any:
        """Draw events.

        Args:
          sample_shape: how many, a number or a shape.
          seed: for the same numbers each time.
          name: put before names.

        Returns:
          A tensor of shape sample_shape + batch_shape + event_shape.
        """
        with name_scope(f"{self.name}{name}/"):
            asked = tf.convert_to_tensor(sample_shape, dtypes.int32, name="sample_shape")
            if asked.shape.rank not in (0, 1):
                raise ValueError(explain("Input is neither scalar nor vector."))
            known = tf.get_static_value(asked)
            drawn = self._own("_sample_n")(tf.reduce_prod(asked) if known is None else int(np.prod(known)), seed)
            whole = tf.reshape(drawn, tf.concat([tf.reshape(asked, [-1]), tf.shape(drawn)[1:]], 0))
            if known is not None:
                rest = self.batch_shape.concatenate(self.event_shape)
                whole.set_shape(tf.TensorShape(np.reshape(known, [-1]).tolist()).concatenate(rest))
            return whole

    def _own(self, method: str) -> Any:
        """Return a method that a distribution may define; NotImplementedError where it does not."""
        found = getattr(self, method, None)
        if found is None:
            raise NotImplementedError(f"{method.removeprefix('_')} is not implemented: {type(self).__name__}")
        return found

    def _measure(self, name: str, method: str, *others: tuple[str, Callable[[Any], Any]], value: Any = None) -> Any:
        """Return what a method gives, or what a function makes of another one, where that is defined."""
        with name_scope(f"{self.name}{name}/"):
            given = () if value is None else (tf.convert_to_tensor(value, dtype_hint=self.dtype, name="value"),)
            for other, change in ((method, None), *others):
                if hasattr(self, other):
                    found = getattr(self, other)(*given)
                    return found if change is None else change(found)
            return self._own(method)

    def log_prob(self, value: Any, name: str = "log_prob") -> Any:
        """Return the logarithm of the density, or of the probability, of events."""
        return self._measure(name, "_log_prob", ("_prob", tf.math.log), value=value)

    def prob(self, value: Any, name: str = "prob") -> Any:
        """Return the density, or the probability, of events."""
        return self._measure(name, "_prob", ("_log_prob", tf.exp), value=value)

    def log_cdf(self, value: Any, name: str = "log_cdf") -> Any:
        """Return the logarithm of the probability of at most `value`."""
        return self._measure(name, "_log_cdf", ("_cdf", tf.math.log), value=value)

    def cdf(self, value: Any, name: str = "cdf") -> Any:
        """Return the probability of at most `value`."""
        return self._measure(name, "_cdf", ("_log_cdf", tf.exp), value=value)

    def log_survival_function(self, value: Any, name: str = "log_survival_function") -> Any:
        """Return the logarithm of the probability of more than `value`."""
        found = ("_log_survival_function", ("_cdf", lambda c: tf.math.log1p(-c)))
        return self._measure(name, *found, ("_log_cdf", lambda c: tf.math.log1p(-tf.exp(c))), value=value)

    def survival_function(self, value: Any, name: str = "survival_function") -> Any:
        """Return the probability of more than `value`."""
        found = ("_survival_function", ("_cdf", lambda c: 1.0 - c))
        return self._measure(name, *found, ("_log_cdf", lambda c: 1.0 - tf.exp(c)), value=value)

    def quantile(self, value: Any, name: str = "quantile") -> Any:
        """Return below what the part `value` of all events lies."""
        return self._measure(name, "_quantile", value=value)

    def entropy(self, name: str = "entropy") -> Any:
        """Return the entropy, in nats."""
        return self._measure(name, "_entropy")

    def mean(self, name: str = "mean") -> Any:
        """Return the mean."""
        return self._measure(name, "_mean")

    def mode(self, name: str = "mode") -> Any:
        """Return the event of the greatest density."""
        return self._measure(name, "_mode")

    def variance(self, name: str = "variance") -> Any:
        """Return the mean of squared distances from the mean."""
        return self._measure(name, "_variance", ("_stddev", tf.square))

    def stddev(self, name: str = "stddev") -> Any:
        """Return the root of the variance."""
        return self._measure(name, "_stddev", ("_variance", tf.sqrt))

    def covariance(self, name: str = "covariance") -> Any:
        """Return the covariances of the parts of an event."""
        return self._measure(name, "_covariance")

    def cross_entropy(self, other: Distribution, name: str = "cross_entropy") -> Any:
        """Return the entropy of this one plus its divergence from another one."""
        with name_scope(f"{self.name}{name}/"):
            return self.kl_divergence(other) + self.entropy()

    def kl_divergence(self, other: Distribution, name: str = "kl_divergence") -> Any:
        """Return how far this one is from another one; see `tf.compat.v1.distributions.kl_divergence`."""
        with name_scope(f"{self.name}{name}/"):
            return divergence.kl_divergence(self, other, self._allow_nan_stats)

    def __repr__(self) -> str:
        return (
            f"<tf.distributions.{type(self).__name__} '{self.name}' batch_shape={self.batch_shape} "
            f"event_shape={self.event_shape} dtype={self.dtype.name}>"
        )

    def __str__(self) -> str:
        batch = f", batch_shape={self.batch_shape}" if self.batch_shape.rank is not None else ""
        event = f", event_shape={self.event_shape}" if self.event_shape.rank is not None else ""
        return f'tfp.distributions.{type(self).__name__}("{self.name}"{batch}{event}, dtype={self.dtype.name})'


class Known(Distribution):
    """A distribution of one number for each place where its parameters, stated by name, are spread over each other."""

    _names: tuple[str, ...]

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Any]:
        return dict.fromkeys(cls._names, sample_shape)

    def _set(self, parameters: dict[str, Any], positive: Iterable[str], checks: bool) -> None:
        """Keep the parameters as tensors of one floating element type.

        Raises:
          ValueError: their element types differ, or are no floating ones.
        """
        tensors = {name: tf.convert_to_tensor(parameters[name], name=name) for name in self._names}
        kinds = {t.dtype for t in tensors.values()}
        if len(kinds) > 1 or not next(iter(kinds)).is_floating:
            said = ", ".join(f"{name}: {t.dtype.name}" for name, t in tensors.items())
            raise ValueError(
                explain(f"{type(self).__name__} needs parameters of one floating element type, not {said}.")
            )
        for name, tensor in tensors.items():
            check = tf.debugging.assert_positive(tensor) if checks and name in positive else None
            setattr(self, f"_{name}", checked(tensor, [check]))

    def _each(self) -> list[Any]:
        return [getattr(self, f"_{name}") for name in self._names]

    def _batch_shape(self) -> Any:
        shape = tf.TensorShape([])
        for tensor in self._each():
            shape = tf.broadcast_static_shape(shape, tensor.shape)
        return shape

    def _batch_shape_tensor(self) -> Any:
        shape = tf.constant([], dtypes.int32)
        for tensor in self._each():
            shape = tf.broadcast_dynamic_shape(shape, tf.shape(tensor))
        return shape

    def _event_shape(self) -> Any:
        return []

    def _event_shape_tensor(self) -> Any:
        return tf.constant([], dtypes.int32)

    def _ones(self) -> Any:
        return tf.ones(self.batch_shape_tensor(), self.dtype)

    def _drawn_shape(self, n: Any) -> Any:
        return tf.concat([[n], self.batch_shape_tensor()], 0)

    def _where_defined(self, condition: Any, value: Any, refusals: Iterable[tuple[Any, str]]) -> Any:
        """Return a value where it is defined; elsewhere not a number, or an error where that is not allowed."""
        if self.allow_nan_stats:
            return tf.where(condition, value, tf.cast(np.nan, self.dtype))
        one = tf.ones([], self.dtype)
        return checked(value, [tf.debugging.assert_less(one, tensor, message=message) for tensor, message in refusals])
