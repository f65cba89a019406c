"""Distributions: more programs for record.py and libraries_test.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.version_1.testdata.programs import Found, plain

_DRAW = np.random.RandomState(0)
_POSITIVE = (_DRAW.rand(2, 3) * 3 + 0.3).astype("f")
_ROW = np.float32([0.5, 1.5, 3.0])
_LOGITS = _DRAW.randn(2, 4).astype("f")
_PROBS = (np.exp(_LOGITS) / np.exp(_LOGITS).sum(-1, keepdims=True)).astype("f")
_PLACES = np.float32([-30.0, -6.0, -1.5, 0.0, 0.7, 40.0])[:, None, None]
_COUNTS = np.float32([[1.0, 0.0, 3.0, 1.0], [0.0, 5.0, 0.0, 0.0]])
_MEASURES = ("mean", "mode", "variance", "stddev", "entropy", "covariance")
_AT = ("prob", "log_prob", "cdf", "log_cdf", "survival_function", "log_survival_function", "quantile")


def _kinds(tf: Any, d: Any) -> dict[str, tuple[Any, Any]]:
    """Distributions, and what they are asked for the probability of."""
    simplex = (_PROBS + 0.1) / (_PROBS + 0.1).sum(-1, keepdims=True)
    return {
        "normal": (lambda: d.Normal(_ROW, _POSITIVE), _PLACES),
        "normal of numbers": (lambda: d.Normal(1.0, np.float32(2.0)), np.float32(0.3)),
        "laplace": (lambda: d.Laplace(_ROW, _POSITIVE), _PLACES),
        "student": (lambda: d.StudentT(_POSITIVE, _ROW, 2.0), _POSITIVE - 1.0),
        "student of few": (lambda: d.StudentT(np.float32([0.5, 1.5, 3.0]), 1.0, 2.0), np.float32(0.7)),
        "uniform": (lambda: d.Uniform(_ROW, _ROW + _POSITIVE), _PLACES),
        "gamma": (lambda: d.Gamma(_POSITIVE, _ROW), np.abs(_PLACES) + 0.1),
        "exponential": (lambda: d.Exponential(_ROW), np.abs(_PLACES) + 0.1),
        "beta": (lambda: d.Beta(_POSITIVE, _POSITIVE + 1.0), _POSITIVE / 4.0),
        "bernoulli": (lambda: d.Bernoulli(_LOGITS), np.int32([[1, 0, 1, 0], [0, 1, 1, 0]])),
        "bernoulli of probabilities": (lambda: d.Bernoulli(probs=_PROBS, dtype=tf.float32), np.float32(1.0)),
        "categorical": (lambda: d.Categorical(_LOGITS), np.int32([3, 1])),
        "categorical of probabilities": (
            lambda: d.Categorical(probs=_PROBS, dtype=tf.int64),
            np.int64([[0], [2], [3]]),
        ),
        "multinomial": (lambda: d.Multinomial(np.float32([5.0, 5.0]), _LOGITS), _COUNTS),
        "multinomial of probabilities": (lambda: d.Multinomial(5.0, probs=_PROBS), _COUNTS),
        "dirichlet": (lambda: d.Dirichlet(_POSITIVE @ np.ones((3, 4), "f") + _PROBS), simplex.astype("f")),
        "dirichlet alone": (lambda: d.Dirichlet(_ROW + 1.0), np.float32([0.2, 0.2, 0.6])),
        "dirichlet below one": (lambda: d.Dirichlet(_ROW), np.float32([0.2, 0.2, 0.6])),
        "dirichlet multinomial": (lambda: d.DirichletMultinomial(5.0, _PROBS * 3), _COUNTS),
    }


def _tried(compute: Any) -> Any:
    try:
        return plain(compute())
    except Exception as error:
        return type(error).__name__


def distributions(tf: Any) -> Found:
    """Moments, probabilities, shapes and drawings; the classes of errors."""
    d = tf.compat.v1.distributions
    found: Found = {}
    for name, (make, at) in _kinds(tf, d).items():
        made = make()
        kept: dict[str, Any] = {measure: _tried(getattr(made, measure)) for measure in _MEASURES}
        kept.update({kind: _tried(lambda kind=kind, m=made, x=at: getattr(m, kind)(x)) for kind in _AT})
        if made.batch_shape.rank and made.event_shape.rank:
            # TensorFlow cannot tell the modes of a batch of vectors.
            del kept["mode"]
        kept["shapes"] = [str(made.batch_shape), str(made.event_shape), made.dtype.name]
        kept["tensors"] = plain([made.batch_shape_tensor(), made.event_shape_tensor(), made.is_scalar_event()])
        kept["kinds"] = [str(made.reparameterization_type), sorted(made.parameters), made.allow_nan_stats]
        kept["parameters"] = _tried(
            lambda m=made: sorted((k, str(v)) for k, v in type(m).param_static_shapes([2, 3]).items())
        )
        tf.random.set_seed(7)
        kept["drawn"] = plain(made.sample([2, 2], seed=3))
        kept["drawn once"] = str(made.sample(seed=4).shape)
        strict = make().copy(allow_nan_stats=False)
        kept["strict"] = [_tried(strict.variance if "mode" not in kept else strict.mode)]
        kept["strict"].append(_tried(make().copy(validate_args=True).mean))
        found[name] = [[key, kept[key]] for key in kept]
    pairs = {
        "normals": (d.Normal(_ROW, 1.0), d.Normal(0.0, _POSITIVE)),
        "gammas": (d.Gamma(_ROW, 1.0), d.Gamma(_POSITIVE, 2.0)),
        "betas": (d.Beta(_ROW.astype("d"), np.ones(3)), d.Beta(_POSITIVE.astype("d"), np.ones(3))),
        "bernoullis": (d.Bernoulli(_LOGITS), d.Bernoulli(probs=_PROBS)),
        "categoricals": (d.Categorical(_LOGITS), d.Categorical(_LOGITS[::-1])),
        "dirichlets": (d.Dirichlet(_PROBS), d.Dirichlet(_PROBS * 3)),
        "exponentials": (d.Exponential(_ROW), d.Exponential(2.0)),
        "none": (d.Normal(0.0, 1.0), d.Gamma(1.0, 1.0)),
    }
    for name, (first, second) in pairs.items():
        between = [lambda a=first, b=second: d.kl_divergence(a, b), lambda a=first, b=second: a.cross_entropy(b)]
        found[f"between {name}"] = [_tried(compute) for compute in between]
    refused = {
        "a scale of 0": lambda: d.Normal(0.0, 0.0, validate_args=True).mean(),
        "low above high": lambda: d.Uniform(2.0, 1.0, validate_args=True).mean(),
        "no probabilities": lambda: d.Bernoulli().mean(),
        "both probabilities": lambda: d.Categorical([0.0], [1.0]).probs,
        "probabilities above 1": lambda: d.Categorical(probs=[0.9, 0.9], validate_args=True).probs,
        "whole numbers": lambda: d.Normal(1, 2).mean(),
        "types that differ": lambda: d.Normal(np.float32(1), np.float64(2)).mean(),
        "counts of another sum": lambda: d.Multinomial(3.0, [0.0, 0.0], validate_args=True).prob([1.0, 1.0]),
        "an event beyond 1": lambda: d.Beta(2.0, 2.0, validate_args=True).prob(1.5),
        "a rank of 2": lambda: d.Normal(0.0, 1.0).sample([[1]]),
    }
    found["refused"] = [[name, _tried(make)] for name, make in refused.items()]
    return found
