"""tf.compat.v1.distributions.kl_divergence, and what computes it for pairs of kinds of distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import public, root
from millstream.base.errors import explain
from millstream.version_1.variables.name_scope import name_scope

tf: Any = root()

_known: dict[tuple[type, type], Callable[..., Any]] = {}


def _nearest(kind_a: type, kind_b: type) -> Callable[..., Any] | None:
    """Return what is registered for the nearest bases of two kinds."""
    found = [
        (i + j, i, _known[a, b])
        for i, a in enumerate(kind_a.__mro__)
        for j, b in enumerate(kind_b.__mro__)
        if (a, b) in _known
    ]
    return min(found, key=lambda item: item[:2])[2] if found else None


@public("compat.v1.distributions.kl_divergence")
def kl_divergence(
    distribution_a: Any, distribution_b: Any, allow_nan_stats: bool = True, name: str | None = None
) -> Any:
    """Return the mean, over what the first distribution draws, of log(probability by it / probability by the second).

    Args:
      distribution_a: the first distribution.
      distribution_b: the second.
      allow_nan_stats: whether it may be not a number; else that is an error.
      name: put before names.

    Raises:
      NotImplementedError: nothing is registered for the two kinds.
    """
    compute = _nearest(type(distribution_a), type(distribution_b))
    if compute is None:
        raise NotImplementedError(
            explain(
                f"No KL(distribution_a || distribution_b) registered for distribution_a type {type(distribution_a).__name__} "
                f"and distribution_b type {type(distribution_b).__name__}: register it with tf.compat.v1.distributions.RegisterKL."
            )
        )
    with name_scope(name, "KullbackLeibler"):
        found = compute(distribution_a, distribution_b, name=name)
        if allow_nan_stats:
            return found
        message = (
            f"KL calculation between {distribution_a.name} and {distribution_b.name} returned NaN values (and was called with "
            "allow_nan_stats=False)."
        )
        check = tf.compat.v1.Assert(tf.logical_not(tf.reduce_any(tf.math.is_nan(found))), [message, found])
        with tf.control_dependencies([] if check is None else [check]):
            return tf.identity(found, name="checked_kl")


@public("compat.v1.distributions.RegisterKL")
class RegisterKL:
    """Say, as a decorator of a function of (a, b, name=None), what computes the divergence of two kinds of distributions."""

    def __init__(self, dist_cls_a: type, dist_cls_b: type) -> None:
        self._key = (dist_cls_a, dist_cls_b)

    def __call__(self, kl_fn: Callable[..., Any]) -> Callable[..., Any]:
        """Register a function; TypeError where it is none, ValueError where there is one already."""
        if not callable(kl_fn):
            raise TypeError(explain(f"kl_fn must be callable, received: {kl_fn}"))
        if self._key in _known:
            names = " || ".join(kind.__name__ for kind in self._key)
            raise ValueError(explain(f"KL({names}) has already been registered to: {_known[self._key]}"))
        _known[self._key] = kl_fn
        return kl_fn
