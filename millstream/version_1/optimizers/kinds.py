"""The optimizers of tf.compat.v1.train that step by gradients and what they remember of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base.errors import explain
from millstream.execution.context import current_graph, executing_eagerly
from millstream.execution.dispatch import new_operation
from millstream.execution.indexed_slices import IndexedSlices
from millstream.version_1.optimizers.base import Optimizer, as_numbers, step

tf: Any = root()


class _Stepping(Optimizer):
    """An optimizer whose numbers become tensors once, before all updates."""

    _numbers: dict[str, Any]
    _ready: dict[str, Any]

    def _prepare(self) -> None:
        self._ready = {
            key: tf.convert_to_tensor(self._call_if_callable(value), name=key) for key, value in self._numbers.items()
        }

    def _of(self, variable: Any, *names: str) -> list[Any]:
        return as_numbers(variable, *(self._ready[name] for name in names))

    def _zeros(self, var_list: Sequence[Any], *names: str) -> None:
        for variable in var_list:
            for name in names:
                self._zeros_slot(variable, name, self._name)

    def _filled(self, var_list: Sequence[Any], value: Any, slot_name: str, op_name: str | None = None) -> None:
        for variable in var_list:
            dtype = variable.dtype.base_dtype
            if variable.shape.is_fully_defined():
                initial: Any = tf.compat.v1.constant_initializer(value, dtype=dtype)
            else:
                initial = _like(variable, value, dtype)
            self._get_or_make_slot_with_initializer(
                variable, initial, variable.shape, dtype, slot_name, op_name or self._name
            )


def _like(variable: Any, value: Any, dtype: Any) -> Callable[..., Any]:
    return lambda *_, **__: tf.fill(tf.shape(variable), tf.cast(value, dtype))


@public("compat.v1.train.GradientDescentOptimizer")
class GradientDescentOptimizer(_Stepping):
    """var -= learning_rate * gradient.

    Args:
      learning_rate: a number, tensor or function.
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names.
    """

    def __init__(self, learning_rate: Any, use_locking: bool = False, name: str = "GradientDescent") -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._numbers = {"learning_rate": learning_rate}

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return step("ApplyGradientDescent", [handle], *self._of(handle, "learning_rate"), grad)

    def _resource_apply_sparse_duplicate_indices(self, grad: Any, handle: Any, indices: Any) -> Any:
        (rate,) = self._of(handle, "learning_rate")
        handle.scatter_add(IndexedSlices(-grad * rate, indices))
        return new_operation()


@public("compat.v1.train.MomentumOptimizer")
class MomentumOptimizer(_Stepping):
    """accum = momentum * accum + gradient; var -= learning_rate * accum.

    Args:
      learning_rate: a number, tensor or function.
      momentum: likewise.
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names.
      use_nesterov: whether the step looks ahead: learning_rate * (gradient + momentum * accum).
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._numbers = {"learning_rate": learning_rate, "momentum": momentum}
        self._learning_rate, self._momentum, self._use_nesterov = learning_rate, momentum, use_nesterov

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        self._zeros(var_list, "momentum")

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        rate, momentum = self._of(handle, "learning_rate", "momentum")
        both = [handle, self.get_slot(handle, "momentum")]
        return step("ApplyMomentum", both, rate, grad, momentum, use_nesterov=self._use_nesterov)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        rate, momentum = self._of(handle, "learning_rate", "momentum")
        both = [handle, self.get_slot(handle, "momentum")]
        return step("SparseApplyMomentum", both, rate, grad, indices, momentum, use_nesterov=self._use_nesterov)


@public("compat.v1.train.AdamOptimizer")
class AdamOptimizer(_Stepping):
    """Steps by the mean of gradients over the root of the mean of their squares, both corrected for beginning at 0.

    Args:
      learning_rate: a number, tensor or function.
      beta1: how slowly the mean of gradients follows.
      beta2: how slowly the mean of squares follows.
      epsilon: what is added to the root.
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names.
      use_own_namescope_for_non_slot_vars: whether the powers of beta1 and beta2 have `name` before their names.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
        use_own_namescope_for_non_slot_vars: bool = False,
    ) -> None:
        super().__init__(use_locking, name, use_own_namescope_for_non_slot_vars)
        self._numbers = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        self._lr, self._beta1, self._beta2, self._epsilon = learning_rate, beta1, beta2, epsilon

    def _powers(self) -> tuple[Any, Any]:
        graph = None if executing_eagerly() else _outer_graph()
        return self._get_non_slot_variable("beta1_power", graph), self._get_non_slot_variable("beta2_power", graph)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        first = min(var_list, key=lambda v: v.name)
        for name, value in (("beta1_power", self._beta1), ("beta2_power", self._beta2)):
            self._create_non_slot_variable(self._call_if_callable(value), name, first)
        self._zeros(var_list, "m", "v")

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        powers = as_numbers(handle, *self._powers())
        numbers = self._of(handle, "learning_rate", "beta1", "beta2", "epsilon")
        held = [handle, self.get_slot(handle, "m"), self.get_slot(handle, "v")]
        return step("ApplyAdam", held, *powers, *numbers, grad)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        power1, power2 = as_numbers(handle, *self._powers())
        rate, beta1, beta2, epsilon = self._of(handle, "learning_rate", "beta1", "beta2", "epsilon")
        rate = rate * tf.sqrt(1 - power2) / (1 - power1)
        m, v = self.get_slot(handle, "m"), self.get_slot(handle, "v")
        means = _faded(m, beta1, indices, grad * (1 - beta1))
        squares = _faded(v, beta2, indices, (grad * grad) * (1 - beta2))
        done = handle.assign_sub(rate * means / (tf.sqrt(squares) + epsilon), read_value=False)
        return done if current_graph() is None else new_operation()

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Any:
        power1, power2 = self._powers()
        operations = [u for u in update_ops if u is not None]
        with tf.control_dependencies(operations if current_graph() is not None else []):
            done = []
            for power, name in ((power1, "beta1"), (power2, "beta2")):
                power.assign(power * tf.cast(self._ready[name], power.dtype.base_dtype), read_value=False)
                done.append(new_operation())
        return super()._finish([*operations, *done], name_scope)


def _outer_graph() -> Any:
    graph: Any = current_graph()
    while graph is not None and graph.building_function:
        graph = graph.outer
    return graph


def _faded(held: Any, decay: Any, indices: Any, added: Any) -> Any:
    """Make a variable `decay` times as much, add to rows, and return what it holds then."""
    held.assign(held * decay, read_value=False)
    first = new_operation()
    with tf.control_dependencies([] if first is None else [first]):
        held.scatter_add(IndexedSlices(added, indices))
        second = new_operation()
        with tf.control_dependencies([] if second is None else [second]):
            return held.value() if current_graph() is None else held.read_value()


@public("compat.v1.train.AdagradOptimizer")
class AdagradOptimizer(_Stepping):
    """accum += gradient²; var -= learning_rate * gradient / sqrt(accum).

    Args:
      learning_rate: a number, tensor or function.
      initial_accumulator_value: a positive number.
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names.

    Raises:
      ValueError: the initial value is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        _positive("initial_accumulator_value", initial_accumulator_value)
        super().__init__(use_locking, name)
        self._numbers = {"learning_rate": learning_rate}
        self._learning_rate, self._initial_accumulator_value = learning_rate, initial_accumulator_value

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        self._filled(var_list, self._initial_accumulator_value, "accumulator")

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        both = [handle, self.get_slot(handle, "accumulator")]
        return step("ApplyAdagrad", both, *self._of(handle, "learning_rate"), grad)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        both = [handle, self.get_slot(handle, "accumulator")]
        return step("SparseApplyAdagrad", both, *self._of(handle, "learning_rate"), grad, indices)


def _regular(learning_rate: Any, l1: Any, l2: Any) -> dict[str, Any]:
    return {"learning_rate": learning_rate, "l1": l1, "l2": l2}


def _positive(name: str, value: float) -> None:
    if value <= 0.0:
        raise ValueError(explain(f"{name} must be positive: {value}"))


@public("compat.v1.train.AdagradDAOptimizer")
class AdagradDAOptimizer(_Stepping):
    """Sets variables by the sums of all gradients and of their squares, with regularization of the sums.

    Args:
      learning_rate: a number, tensor or function.
      global_step: the variable that counts steps.
      initial_gradient_squared_accumulator_value: a positive number.
      l1_regularization_strength: how far sums are moved towards 0 for each step.
      l2_regularization_strength: how much the steps grow the divisor.
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names.

    Raises:
      ValueError: the initial value is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        global_step: Any,
        initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "AdagradDA",
    ) -> None:
        _positive("initial_gradient_squared_accumulator_value", initial_gradient_squared_accumulator_value)
        super().__init__(use_locking, name)
        self._initial, self._global_step = initial_gradient_squared_accumulator_value, global_step
        self._numbers = _regular(learning_rate, l1_regularization_strength, l2_regularization_strength)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for variable in var_list:
            self._zeros([variable], "gradient_accumulator")
            self._filled([variable], self._initial, "gradient_squared_accumulator")

    def _arguments(self, handle: Any) -> tuple[list[Any], list[Any], Any]:
        held = [handle] + [
            self.get_slot(handle, name) for name in ("gradient_accumulator", "gradient_squared_accumulator")
        ]
        steps = tf.cast(tf.identity(self._global_step), tf.int64) + 1
        return held, self._of(handle, "learning_rate", "l1", "l2"), steps

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        held, numbers, steps = self._arguments(handle)
        return step("ApplyAdagradDA", held, grad, *numbers, steps)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        held, numbers, steps = self._arguments(handle)
        return step("SparseApplyAdagradDA", held, grad, indices, *numbers, steps)


@public("compat.v1.train.AdadeltaOptimizer")
class AdadeltaOptimizer(_Stepping):
    """Steps by gradients times the root of the mean of squared steps over the root of the mean of squared gradients.

    Args:
      learning_rate: a number, tensor or function.
      rho: how slowly both means follow.
      epsilon: what is added to both.
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name)
        self._numbers = {"lr": learning_rate, "rho": rho, "epsilon": epsilon}

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        self._zeros(var_list, "accum", "accum_update")

    def _held(self, handle: Any) -> list[Any]:
        return [handle, self.get_slot(handle, "accum"), self.get_slot(handle, "accum_update")]

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        numbers = self._of(handle, "lr", "rho", "epsilon")
        return step("ApplyAdadelta", self._held(handle), *numbers, grad)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        numbers = self._of(handle, "lr", "rho", "epsilon")
        return step("SparseApplyAdadelta", self._held(handle), *numbers, grad, indices)


@public("compat.v1.train.RMSPropOptimizer")
class RMSPropOptimizer(_Stepping):
    """mom = momentum * mom + learning_rate * gradient / sqrt(mean of squares + epsilon); var -= mom.

    Args:
      learning_rate: a number, tensor or function.
      decay: how slowly the mean of squares follows.
      momentum: how much of the last step is taken again.
      epsilon: what is added to the mean.
      use_locking: runs of a session never meet half of a step, either way.
      centered: whether the square of the mean is subtracted from the mean of squares.
      name: put before names.
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(use_locking, name)
        self._centered = centered
        self._numbers = {"learning_rate": learning_rate, "decay": decay, "momentum": momentum, "epsilon": epsilon}

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for variable in var_list:
            self._filled([variable], 1.0, "rms")
            if self._centered:
                self._zeros([variable], "mg")
            self._zeros([variable], "momentum")

    def _held(self, handle: Any) -> list[Any]:
        names = (["mg"] if self._centered else []) + ["rms", "momentum"]
        return [handle, *(self.get_slot(handle, name) for name in names)]

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        numbers = self._of(handle, "learning_rate", "decay", "momentum", "epsilon")
        name = "ApplyCenteredRMSProp" if self._centered else "ApplyRMSProp"
        return step(name, self._held(handle), *numbers, grad)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        numbers = self._of(handle, "learning_rate", "decay", "momentum", "epsilon")
        name = "SparseApplyCenteredRMSProp" if self._centered else "SparseApplyRMSProp"
        return step(name, self._held(handle), *numbers, grad, indices)


@public("compat.v1.train.FtrlOptimizer")
class FtrlOptimizer(_Stepping):
    """Follows the regularized leader: sets variables by linear sums and by powers of the sums of squared gradients.

    Args:
      learning_rate: a number, tensor or function.
      learning_rate_power: at most 0; -0.5 for the root.
      initial_accumulator_value: at least 0.
      l1_regularization_strength: at least 0; sums below it give 0.
      l2_regularization_strength: at least 0.
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names.
      accum_name: put before the name of the sums of squares, in the place of `name`.
      linear_name: put before the name of the linear sums, in the place of `name`.
      l2_shrinkage_regularization_strength: at least 0; how much gradients grow with variables.
      beta: grows the regularization by beta / (2 learning_rate).

    Raises:
      ValueError: a number is not in its range.
    """

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float | None = None,
    ) -> None:
        super().__init__(use_locking, name)
        for what, value in (
            ("initial_accumulator_value", initial_accumulator_value),
            ("l1_regularization_strength", l1_regularization_strength),
            ("l2_regularization_strength", l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength),
        ):
            if value < 0.0:
                raise ValueError(explain(f"{what} {value} needs to be positive or zero"))
        if learning_rate_power > 0.0:
            raise ValueError(explain(f"learning_rate_power {learning_rate_power} needs to be negative or zero"))
        self._learning_rate, self._beta = learning_rate, 0.0 if beta is None else beta
        self._l2 = l2_regularization_strength
        self._initial, self._names = initial_accumulator_value, (accum_name or name, linear_name or name)
        self._shrinks = l2_shrinkage_regularization_strength > 0
        self._numbers = {
            **_regular(learning_rate, l1_regularization_strength, l2_regularization_strength),
            "l2_shrinkage": l2_shrinkage_regularization_strength,
            "power": learning_rate_power,
            "beta": self._beta,
        }

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        for variable in var_list:
            self._filled([variable], self._initial, "accum", self._names[0])
            self._zeros_slot(variable, "linear", self._names[1])

    def _arguments(self, handle: Any) -> tuple[list[Any], list[Any]]:
        rate, l1, l2, shrinkage, power, beta = self._of(
            handle, "learning_rate", "l1", "l2", "l2_shrinkage", "power", "beta"
        )
        numbers = [rate, l1, l2 + beta / (2.0 * rate), *([shrinkage] if self._shrinks else []), power]
        return [handle, self.get_slot(handle, "accum"), self.get_slot(handle, "linear")], numbers

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        held, numbers = self._arguments(handle)
        return step(f"ApplyFtrl{'V2' if self._shrinks else ''}", held, grad, *numbers)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        held, numbers = self._arguments(handle)
        return step(f"SparseApplyFtrl{'V2' if self._shrinks else ''}", held, grad, indices, *numbers)


@public("compat.v1.train.ProximalAdagradOptimizer")
class ProximalAdagradOptimizer(_Stepping):
    """A step of Adagrad, then a step towards 0 by the regularization.

    Args:
      learning_rate: a number, tensor or function.
      initial_accumulator_value: a positive number.
      l1_regularization_strength: at least 0.
      l2_regularization_strength: at least 0.
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names.

    Raises:
      ValueError: the initial value is not positive.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        _positive("initial_accumulator_value", initial_accumulator_value)
        super().__init__(use_locking, name)
        self._initial = initial_accumulator_value
        self._numbers = _regular(learning_rate, l1_regularization_strength, l2_regularization_strength)

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        self._filled(var_list, self._initial, "accumulator")

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        both = [handle, self.get_slot(handle, "accumulator")]
        return step("ApplyProximalAdagrad", both, *self._of(handle, "learning_rate", "l1", "l2"), grad)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        both = [handle, self.get_slot(handle, "accumulator")]
        numbers = self._of(handle, "learning_rate", "l1", "l2")
        return step("SparseApplyProximalAdagrad", both, *numbers, grad, indices)


@public("compat.v1.train.ProximalGradientDescentOptimizer")
class ProximalGradientDescentOptimizer(_Stepping):
    """A step down the gradient, then a step towards 0 by the regularization.

    Args:
      learning_rate: a number, tensor or function.
      l1_regularization_strength: at least 0.
      l2_regularization_strength: at least 0.
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names.
    """

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._numbers = _regular(learning_rate, l1_regularization_strength, l2_regularization_strength)

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        numbers = self._of(handle, "learning_rate", "l1", "l2")
        return step("ApplyProximalGradientDescent", [handle], *numbers, grad)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        numbers = self._of(handle, "learning_rate", "l1", "l2")
        return step("SparseApplyProximalGradientDescent", [handle], *numbers, grad, indices)
