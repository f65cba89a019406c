"""tf.compat.v1.train's decays of learning rates: tensors in a graph; where ops run at once, functions that give the rate now."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes, nest
from millstream.base.errors import explain
from millstream.execution.context import executing_eagerly

tf: Any = root()


def _now_or_called(compute: Callable[[], Any]) -> Any:
    return compute if executing_eagerly() else compute()


def _needed(global_step: Any, name: str) -> None:
    if global_step is None:
        raise ValueError(explain(f"global_step is required for {name}."))


class _Numbers:
    """A rate, and other numbers of its element type."""

    def __init__(self, learning_rate: Any) -> None:
        self.rate = tf.convert_to_tensor(learning_rate, name="learning_rate")

    def __call__(self, value: Any) -> Any:
        return tf.cast(value, self.rate.dtype)


def _exponential(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool, name: str | None
) -> Any:
    cast = _Numbers(learning_rate)
    passed = cast(global_step) / cast(decay_steps)
    passed = tf.floor(passed) if staircase else passed
    return tf.multiply(cast.rate, tf.pow(cast(decay_rate), passed), name=name or "ExponentialDecay")


@public("compat.v1.train.exponential_decay")
def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """Return learning_rate * decay_rate ** (global_step / decay_steps).

    Args:
      learning_rate: a number or tensor.
      global_step: how many steps were done.
      decay_steps: after how many steps the rate is decay_rate times as much.
      decay_rate: a number or tensor.
      staircase: whether only whole multiples of `decay_steps` count.
      name: of the result.

    Returns:
      A tensor in a graph; else a function without arguments that gives one.

    Raises:
      ValueError: `global_step` is None.

    >>> tf.compat.v1.train.exponential_decay(1.0, 2, 1, 0.5)().numpy().item()
    0.25
    """
    _needed(global_step, "exponential_decay")
    return _now_or_called(
        functools.partial(_exponential, learning_rate, global_step, decay_steps, decay_rate, staircase, name)
    )


@public("compat.v1.train.natural_exp_decay")
def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """Return learning_rate * exp(-decay_rate * global_step / decay_steps); see `exponential_decay`."""
    _needed(global_step, "natural_exp_decay")
    rate = tf.exp(tf.negative(decay_rate))
    return _now_or_called(
        functools.partial(
            _exponential, learning_rate, global_step, decay_steps, rate, staircase, name or "NaturalExpDecay"
        )
    )


@public("compat.v1.train.inverse_time_decay")
def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """Return learning_rate / (1 + decay_rate * global_step / decay_steps); see `exponential_decay`."""
    _needed(global_step, "inverse_time_decay")

    def compute() -> Any:
        cast = _Numbers(learning_rate)
        passed = cast(global_step) / cast(decay_steps)
        passed = tf.floor(passed) if staircase else passed
        return tf.divide(cast.rate, cast(1.0) + cast(decay_rate) * passed, name=name or "InverseTimeDecay")

    return _now_or_called(compute)


@public("compat.v1.train.piecewise_constant", "compat.v1.train.piecewise_constant_decay")
def piecewise_constant(x: Any, boundaries: Any, values: Any, name: str | None = None) -> Any:
    """Return values[0] up to boundaries[0], values[1] up to boundaries[1], and so on.

    Args:
      x: a scalar, as a rule the number of steps.
      boundaries: increasing numbers of `x`'s element type.
      values: one more than boundaries, of one element type.
      name: of the result.

    Returns:
      A tensor in a graph; else a function without arguments that gives one.

    Raises:
      ValueError: element types differ, or there are not as many boundaries.

    >>> tf.compat.v1.train.piecewise_constant(5, [4, 6], [1.0, 0.5, 0.1])().numpy().item()
    0.5
    """
    ends = [tf.convert_to_tensor(b) for b in nest.flatten(boundaries)]
    rates = [tf.convert_to_tensor(v) for v in nest.flatten(values)]
    if len(ends) != len(rates) - 1:
        raise ValueError(
            explain(
                f"The length of boundaries should be 1 less than the length of values: there are {len(ends)} boundaries and "
                f"{len(rates)} values."
            )
        )

    def compute() -> Any:
        step = tf.convert_to_tensor(x)
        limits = []
        for end in ends:
            if end.dtype is not step.dtype:
                if not (end.dtype is dtypes.int32 and step.dtype is dtypes.int64):
                    raise ValueError(explain(f"Boundaries ({end.dtype}) must have the same dtype as x ({step.dtype})."))
                end = tf.cast(end, step.dtype)
            limits.append(end)
        for value in rates[1:]:
            if value.dtype is not rates[0].dtype:
                raise ValueError(
                    explain(f"Values must have elements all with the same dtype ({rates[0].dtype} vs {value.dtype}).")
                )
        chosen = rates[0]
        for end, value in zip(limits, rates[1:], strict=True):
            chosen = tf.where(step > end, value, chosen)
        return tf.identity(chosen, name=name or "PiecewiseConstant")

    return _now_or_called(compute)


@public("compat.v1.train.polynomial_decay")
def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Any:
    """Return (learning_rate - end) * (1 - step / decay_steps) ** power + end.

    Args:
      learning_rate: the first rate.
      global_step: how many steps were done.
      decay_steps: how many steps it takes.
      end_learning_rate: the last rate.
      power: 1 for a line.
      cycle: whether to begin again, over more steps each time, once the end is reached.
      name: of the result.

    Returns:
      A tensor in a graph; else a function without arguments that gives one.

    Raises:
      ValueError: `global_step` is None.
    """
    _needed(global_step, "polynomial_decay")

    def compute() -> Any:
        cast = _Numbers(learning_rate)
        end, step, steps = cast(end_learning_rate), cast(global_step), cast(decay_steps)
        if cycle:
            steps = steps * tf.where(tf.equal(step, 0), cast(1.0), tf.math.ceil(step / steps))
        else:
            step = tf.minimum(step, steps)
        left = tf.pow(1 - step / steps, cast(power))
        return tf.add((cast.rate - end) * left, end, name=name or "PolynomialDecay")

    return _now_or_called(compute)


def _cosine_of(passed: Any, cast: _Numbers) -> Any:
    return 0.5 * (1.0 + tf.cos(tf.constant(math.pi, cast.rate.dtype) * passed))


@public("compat.v1.train.cosine_decay")
def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: float = 0.0, name: str | None = None
) -> Any:
    """Return the learning rate along half a cosine, down to `alpha` of it.

    Args:
      learning_rate: the first rate.
      global_step: how many steps were done.
      decay_steps: how many steps it takes.
      alpha: the last rate as a part of the first one.
      name: of the result.

    Returns:
      A tensor in a graph; else a function without arguments that gives one.

    Raises:
      ValueError: `global_step` is None.
    """
    _needed(global_step, "cosine_decay")

    def compute() -> Any:
        cast = _Numbers(learning_rate)
        steps = cast(decay_steps)
        passed = tf.minimum(cast(global_step), steps) / steps
        return tf.multiply(cast.rate, (1 - alpha) * _cosine_of(passed, cast) + alpha, name=name or "CosineDecay")

    return _now_or_called(compute)


@public("compat.v1.train.cosine_decay_restarts")
def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: Any = 2.0,
    m_mul: Any = 1.0,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Any:
    """Return the learning rate along half cosines, each `t_mul` times as long and `m_mul` times as high as the one before.

    Args:
      learning_rate: the first rate.
      global_step: how many steps were done.
      first_decay_steps: how many steps the first one takes.
      t_mul: the growth of the number of steps.
      m_mul: the growth of the rate.
      alpha: the lowest rate as a part of the first one.
      name: of the result.

    Returns:
      A tensor in a graph; else a function without arguments that gives one.

    Raises:
      ValueError: `global_step` is None.
    """
    _needed(global_step, "cosine_decay_restarts")

    def compute() -> Any:
        cast = _Numbers(learning_rate)
        low, growth, height = cast(alpha), cast(t_mul), cast(m_mul)
        passed = cast(global_step) / cast(first_decay_steps)

        def growing() -> tuple[Any, Any]:
            number = tf.floor(tf.math.log(1.0 - passed * (1.0 - growth)) / tf.math.log(growth))
            before = (1.0 - growth**number) / (1.0 - growth)
            return number, (passed - before) / growth**number

        def even() -> tuple[Any, Any]:
            number = tf.floor(passed)
            return number, passed - number

        number, inside = tf.cond(tf.equal(growth, 1.0), even, growing)
        decayed = (1 - low) * (height**number * _cosine_of(inside, cast)) + low
        return tf.multiply(cast.rate, decayed, name=name or "SGDRDecay")

    return _now_or_called(compute)


@public("compat.v1.train.linear_cosine_decay")
def linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Any:
    """Return learning_rate * ((alpha + linear) * cosine + beta), which falls linearly under a cosine of `num_periods` periods.

    Args:
      learning_rate: the first rate.
      global_step: how many steps were done.
      decay_steps: how many steps it takes.
      num_periods: how many periods of the cosine there are.
      alpha: what is added to the linear part.
      beta: what is added in the end.
      name: of the result.

    Returns:
      A tensor in a graph; else a function without arguments that gives one.

    Raises:
      ValueError: `global_step` is None.
    """
    _needed(global_step, "linear_cosine_decay")
    numbers = (learning_rate, global_step, decay_steps, num_periods, alpha, beta)
    return _now_or_called(functools.partial(_under_cosine, *numbers, name or "LinearCosineDecay"))


def _under_cosine(
    learning_rate: Any, global_step: Any, decay_steps: Any, num_periods: Any, alpha: Any, beta: Any, name: str,
    noise: Callable[[Any, Any, _Numbers], Any] | None = None,
) -> Any:  # fmt: skip
    """Return the rate that falls linearly under a cosine; `noise` of the line, the step and the numbers is added to the line."""
    cast = _Numbers(learning_rate)
    steps = cast(decay_steps)
    step = tf.minimum(cast(global_step), steps)
    linear = (steps - step) / steps
    if noise is not None:
        linear = linear + noise(linear, step, cast)
    wave = _cosine_of(2.0 * cast(num_periods) * (step / steps), cast)
    return tf.multiply(cast.rate, (cast(alpha) + linear) * wave + cast(beta), name=name)


@public("compat.v1.train.noisy_linear_cosine_decay")
def noisy_linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    initial_variance: Any = 1.0,
    variance_decay: Any = 0.55,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Any:
    """Return what `linear_cosine_decay` does, with noise on the linear part; see there for the other arguments.

    Args:
      initial_variance: the noise's variance at first.
      variance_decay: the variance is initial_variance / (1 + global_step) ** variance_decay.

    Raises:
      ValueError: `global_step` is None.
    """
    _needed(global_step, "noisy_linear_cosine_decay")

    def noise(linear: Any, step: Any, cast: _Numbers) -> Any:
        deviation = tf.sqrt(cast(initial_variance) / tf.pow(1.0 + step, cast(variance_decay)))
        return tf.random.normal(linear.shape, stddev=deviation, dtype=linear.dtype)

    numbers = (learning_rate, global_step, decay_steps, num_periods, alpha, beta)
    return _now_or_called(functools.partial(_under_cosine, *numbers, name or "NoisyLinearCosineDecay", noise))
