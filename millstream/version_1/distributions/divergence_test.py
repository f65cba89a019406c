"""Divergences are registered once, found for the nearest kinds, and work in graphs with shapes that are not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millstream as tf

d: Any = tf.compat.v1.distributions


def test_what_is_registered_serves_kinds_made_of_it() -> None:
    class Own(d.Normal):  # type: ignore[misc, name-defined]
        pass

    assert d.kl_divergence(Own(0.0, 1.0), d.Normal(0.0, 1.0)).numpy() == 0.0

    @d.RegisterKL(Own, d.Normal)
    def nearer(a: Any, b: Any, name: str | None = None) -> Any:
        return tf.constant(7.0)

    assert d.kl_divergence(Own(0.0, 1.0), d.Normal(0.0, 1.0)).numpy() == 7.0
    with pytest.raises(ValueError, match="already been registered"):
        d.RegisterKL(Own, d.Normal)(nearer)
    with pytest.raises(TypeError, match="callable"):
        d.RegisterKL(Own, Own)(3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="NaN"):
        d.kl_divergence(d.Gamma(np.nan, 1.0), d.Gamma(1.0, 1.0), allow_nan_stats=False)


def test_distributions_are_drawn_from_in_graphs_and_gradients_flow_through_them() -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loc = tf.compat.v1.placeholder(tf.float32, [None])
        normal = d.Normal(loc, 2.0)
        drawn = normal.sample(5, seed=1)
        assert normal.name == "Normal/" and drawn.shape.as_list() == [5, None]
        (slope,) = tf.gradients(drawn, loc)
        values = session.run([drawn, slope, normal.batch_shape_tensor()], {loc: [0.0, 100.0]})
        assert values[0].shape == (5, 2) and (values[0][:, 1] > 80).all()
        assert values[1].tolist() == [5.0, 5.0] and values[2].tolist() == [2]
    with pytest.raises(NotImplementedError, match="quantile is not implemented: Gamma"):
        d.Gamma(1.0, 1.0).quantile(0.5)
