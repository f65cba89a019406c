"""tf.compat.v1.mixed_precision: losses that are scaled so that gradients in float16 do not vanish, and optimizers that do so.

Programs are not rewritten to float16 here: what `enable_mixed_precision_graph_rewrite` gives is the optimizer alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes, nest
from millstream.base.errors import explain
from millstream.execution.autotrackable import AutoTrackable
from millstream.execution.context import executing_eagerly, init_scope
from millstream.execution.indexed_slices import IndexedSlices
from millstream.version_1.optimizers.base import Optimizer

tf: Any = root()


def _names(name: str) -> list[str]:
    return [
        f"compat.v1.{place}.{name}"
        for place in ("mixed_precision", "mixed_precision.experimental", "train.experimental")
    ]


@public(*_names("LossScale"))
class LossScale(AutoTrackable):
    """What a loss is multiplied by, and how that follows the gradients."""

    def __call__(self) -> Any:
        """Return the scale now, a scalar of float32."""
        raise NotImplementedError

    def update(self, grads: Any) -> tuple[Any, Any]:
        """Take note of gradients; return an operation, and whether they are to be applied."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that this was made with."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return a scale from what `get_config` gave."""
        return cls(**config)


@public(*_names("FixedLossScale"))
class FixedLossScale(LossScale):
    """A scale that stays as it is.

    Raises:
      ValueError: it is no number, or below 1.
    """

    _value: float

    def __init__(self, loss_scale_value: float) -> None:
        if not isinstance(loss_scale_value, (int, float)):
            raise ValueError(explain("loss_scale_value must be a Python int or float."))
        if loss_scale_value < 1:
            raise ValueError(explain("loss_scale_value must be at least 1."))
        self.__dict__["_value"] = float(loss_scale_value)

    def __call__(self) -> Any:
        return tf.convert_to_tensor(self._value)

    def update(self, grads: Any) -> tuple[Any, Any]:
        return tf.compat.v1.no_op(), True

    def __repr__(self) -> str:
        return f"FixedLossScale({self._value})"

    def get_config(self) -> dict[str, Any]:
        return {"loss_scale_value": self._value}


@public(*_names("DynamicLossScale"))
class DynamicLossScale(LossScale):
    """A scale that grows after steps whose gradients are all finite, and shrinks at once where one is not.

    Args:
      initial_loss_scale: the first scale.
      increment_period: after how many good steps it grows.
      multiplier: by what it grows and shrinks; it stays at least 1.
    """

    def __init__(
        self, initial_loss_scale: float = 2**15, increment_period: int = 2000, multiplier: float = 2.0
    ) -> None:
        self._initial, self._period, self._multiplier = (
            float(initial_loss_scale),
            int(increment_period),
            float(multiplier),
        )
        with init_scope():
            make = tf.compat.v1.Variable
            self._current = make(self._initial, dtype=dtypes.float32, trainable=False, name="current_loss_scale")
            self._good_steps = make(0, dtype=dtypes.int64, trainable=False, name="good_steps")

    @property
    def initial_loss_scale(self) -> float:
        """The first scale."""
        return self._initial

    @property
    def increment_period(self) -> int:
        """After how many good steps it grows."""
        return self._period

    @property
    def multiplier(self) -> float:
        """By what it grows and shrinks."""
        return self._multiplier

    def __call__(self) -> Any:
        return tf.convert_to_tensor(self._current)

    def update(self, grads: Any) -> tuple[Any, Any]:
        flat = [g.values if isinstance(g, IndexedSlices) else g for g in nest.flatten(grads) if g is not None]
        is_finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in flat]) if flat else tf.constant(True)
        scale, good = tf.convert_to_tensor(self._current), tf.convert_to_tensor(self._good_steps) + 1
        is_due = good >= self._period
        larger = scale * self._multiplier
        grown = tf.where(tf.logical_and(is_due, tf.math.is_finite(larger)), larger, scale)
        shrunk = tf.maximum(scale / self._multiplier, 1.0)
        first = self._current.assign(tf.where(is_finite, grown, shrunk))
        none = tf.zeros([], dtypes.int64)
        second = self._good_steps.assign(tf.where(is_finite, tf.where(is_due, none, good), none))
        return (tf.compat.v1.no_op() if executing_eagerly() else tf.group(first, second)), is_finite

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_loss_scale": self._initial,
            "increment_period": self._period,
            "multiplier": self._multiplier,
        }


def _scale_of(given: Any) -> LossScale:
    if isinstance(given, LossScale):
        return given
    if given == "dynamic":
        return DynamicLossScale()
    if isinstance(given, (int, float)):
        return FixedLossScale(given)
    raise ValueError(explain(f'loss_scale must be "dynamic", a number or a LossScale, not {given!r}.'))


@public(*_names("MixedPrecisionLossScaleOptimizer"))
class MixedPrecisionLossScaleOptimizer(Optimizer):
    """An optimizer whose loss is scaled, and whose gradients are scaled back; steps that are not finite are left out.

    Raises:
      ValueError: `opt` is no optimizer of version 1, or `loss_scale` no scale.
    """

    def __init__(self, opt: Optimizer, loss_scale: Any) -> None:
        if not isinstance(opt, Optimizer):
            raise ValueError(explain(f'"opt" must be an instance of Optimizer, but got: {type(opt)}'))
        self._optimizer, self._loss_scale = opt, _scale_of(loss_scale)
        super().__init__(opt._use_locking, opt.get_name())

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = Optimizer.GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """Return the gradients of the loss, computed of the scaled one; see `Optimizer.compute_gradients`."""
        scaled = self._scaled(loss)
        pairs = self._optimizer.compute_gradients(
            scaled, var_list, gate_gradients, aggregation_method, colocate_gradients_with_ops, grad_loss
        )
        back = 1.0 / self._loss_scale()
        return [(self._times(g, back), v) for g, v in pairs]

    def _scaled(self, loss: Any) -> Any:
        if callable(loss) and not isinstance(loss, tf.Tensor):
            return lambda: self._times(loss(), self._loss_scale())
        return self._times(loss, self._loss_scale())

    def _times(self, value: Any, factor: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, IndexedSlices):
            return IndexedSlices(value.values * tf.cast(factor, value.dtype), value.indices, value.dense_shape)
        value = tf.convert_to_tensor(value)
        return value * tf.cast(factor, value.dtype)

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Any, Any]],
        global_step: Any = None,
        name: str | None = None,
        skip_gradients_aggregation: bool = False,
    ) -> Any:
        """Change variables by gradients, where all of them are finite; see `Optimizer.apply_gradients`."""
        pairs = tuple(grads_and_vars)
        update, applies = self._loss_scale.update([g for g, _ in pairs])
        if applies is True:
            return self._optimizer.apply_gradients(pairs, global_step, name)
        with init_scope():
            self._optimizer._create_slots([v for g, v in pairs if g is not None])

        def step() -> Any:
            self._optimizer.apply_gradients(pairs, global_step, name)
            return tf.constant(True)

        done = tf.cond(applies, step, lambda: tf.constant(False))
        return None if executing_eagerly() else tf.group(done, update)

    def _create_slots(self, var_list: Any) -> None:
        self._optimizer._create_slots(var_list)

    def get_slot(self, var: Any, name: str) -> Any:
        """Return what the optimizer keeps under `name` for a variable."""
        return self._optimizer.get_slot(var, name)

    def get_slot_names(self) -> list[str]:
        """Return the names of what is kept for variables."""
        return self._optimizer.get_slot_names()

    def variables(self) -> list[Any]:
        """Return all variables that the optimizer made."""
        return self._optimizer.variables()


def _enabled(opt: Any, loss_scale: Any = "dynamic") -> Any:
    """Return an optimizer that scales its loss; the program stays in the element types that it was written in.

    Args:
      opt: an optimizer of version 1.
      loss_scale: "dynamic", a number or a LossScale.

    Raises:
      ValueError: `opt` scales its loss already, or is no optimizer of version 1.
    """
    if isinstance(opt, MixedPrecisionLossScaleOptimizer):
        raise ValueError(explain('"opt" must not already be an instance of a MixedPrecisionLossScaleOptimizer.'))
    return MixedPrecisionLossScaleOptimizer(opt, loss_scale)


def _disabled() -> None:
    """Do nothing: programs are never rewritten."""


_graph_rewrites: dict[str, Callable[..., Any]] = {
    "enable_mixed_precision_graph_rewrite": _enabled,
    "disable_mixed_precision_graph_rewrite": _disabled,
}
for _name, _function in _graph_rewrites.items():
    public(f"compat.v1.mixed_precision.{_name}", f"compat.v1.train.experimental.{_name}")(_function)
