"""tf.compat.v1.train.Optimizer: gradients, slots and steps; what each kind of optimizer does with one variable is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes, nest
from millstream.base.errors import explain
from millstream.execution.context import current_graph, executing_eagerly, init_scope
from millstream.execution.dispatch import apply, apply_flat, new_operation
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.reference_operations import CHANGES, step_of
from millstream.execution.trackable import Trackable
from millstream.execution.variable import is_resource_variable
from millstream.ops.registry import find
from millstream.version_1 import slots
from millstream.version_1.variables.keys import GraphKeys, get_collection_ref, trainable_variables, unique
from millstream.version_1.variables.name_scope import name_scope
from millstream.version_1.variables.partitioners import PartitionedVariable

tf: Any = root()

_VALID = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


def step(op_name: str, handles: Sequence[Any], *numbers: Any, **attributes: Any) -> Any:
    """Run a training op of variables, ApplyAdam for instance, and return its operation; None where ops run at once."""
    given = (*(v.handle for v in handles), *numbers)
    by_reference = step_of(op_name) if getattr(handles[0], "is_reference_variable", False) else None
    if by_reference is not None:
        apply_flat(by_reference, given, attributes)
    else:
        apply(find(f"Resource{op_name}"), *given, **attributes)
    return new_operation()


def key_of(variable: Any) -> Any:
    """Return what a variable's slots are kept under."""
    variable = getattr(variable, "_origin", variable)
    if hasattr(variable, "_in_graph_mode") and variable._in_graph_mode:
        return variable.graph, variable.op.name
    return variable._unique_id if hasattr(variable, "_unique_id") else id(variable)


@public("compat.v1.train.Optimizer")
class Optimizer(Trackable):
    """What all optimizers are: `minimize` adds the operations that train a model, or takes a step where ops run at once.

    Args:
      use_locking: runs of a session never meet half of a step, either way.
      name: put before names of ops and slots.
      use_own_namescope_for_non_slot_vars: whether the variables that belong to no other one have `name` before theirs.

    Raises:
      ValueError: there is no name.

    >>> weight = tf.Variable(1.0)
    >>> optimizer = tf.compat.v1.train.GradientDescentOptimizer(0.5)
    >>> _ = optimizer.minimize(lambda: weight * weight)
    >>> weight.numpy().item()
    0.0
    """

    GATE_NONE = 0
    GATE_OP = 1
    GATE_GRAPH = 2

    def __init__(self, use_locking: bool, name: str, use_own_namescope_for_non_slot_vars: bool = False) -> None:
        if not name:
            raise ValueError(explain("Must specify the optimizer name"))
        self._use_locking, self._name = use_locking, name
        self._use_own_namescope_for_non_slot_vars = use_own_namescope_for_non_slot_vars
        self._slots: dict[str, dict[Any, Any]] = {}
        self._non_slot_dict: dict[Any, Any] = {}
        # By the name of a slot and what its variable is kept under: places in checkpoints that wait for it.
        self._slots_to_restore: dict[tuple[str, Any], list[Any]] = {}

    def get_name(self) -> str:
        """Return the name."""
        return self._name

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Any:
        """Take a step that makes the loss smaller: `compute_gradients`, then `apply_gradients`.

        Args:
          loss: a tensor; where ops run at once, a function without arguments.
          global_step: a variable that counts steps.
          var_list: the variables to change; all trainable ones without it.
          gate_gradients: GATE_NONE, GATE_OP or GATE_GRAPH: what must be computed before a gradient is used.
          aggregation_method: a hint on how gradients are added.
          colocate_gradients_with_ops: a hint on devices.
          name: of the operation.
          grad_loss: the gradient of the loss, 1 without it.

        Returns:
          An operation that takes the step; None where ops run at once.

        Raises:
          ValueError: the loss depends on none of the variables.
        """
        pairs = self.compute_gradients(
            loss, var_list, gate_gradients, aggregation_method, colocate_gradients_with_ops, grad_loss
        )
        if all(gradient is None for gradient, _ in pairs):
            raise ValueError(
                explain(
                    "No gradients provided for any variable, check your graph for ops that do not support gradients, between "
                    f"variables {[str(v) for _, v in pairs]} and loss {loss}."
                )
            )
        return self.apply_gradients(pairs, global_step, name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Any]]:
        """Return the gradients of the loss with their variables; see `minimize`.

        Raises:
          TypeError: `var_list` has what is no variable.
          ValueError: there are no variables, or one is of no floating element type.
          RuntimeError: `loss` is no function, and ops run at once.
        """
        if callable(loss) and not isinstance(loss, tf.Tensor):
            return self._with_tape(loss, var_list, grad_loss)
        if executing_eagerly():
            raise RuntimeError(
                explain(
                    "`loss` passed to Optimizer.compute_gradients should be a function when eager execution is enabled."
                )
            )
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise ValueError(
                explain(
                    "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, Optimizer.GATE_GRAPH. "
                    f"Not {gate_gradients}"
                )
            )
        if not loss.dtype.is_floating:
            raise ValueError(explain(f"Invalid type {loss.dtype!r} for {loss.name}, expected: floating elements."))
        if var_list is None:
            variables = trainable_variables()
            variables += get_collection_ref(GraphKeys.TRAINABLE_RESOURCE_VARIABLES)
        else:
            variables = _flat(var_list)
        variables = unique(variables)
        if not variables:
            raise ValueError(explain("No variables to optimize."))
        for variable in variables:
            if not is_resource_variable(variable) and not isinstance(variable, tf.Tensor):
                raise TypeError(explain(f"Argument is not a variable or tensor: {variable}."))
        gradients = tf.compat.v1.gradients(
            loss,
            variables,
            grad_ys=grad_loss,
            aggregation_method=aggregation_method,
            gate_gradients=gate_gradients == self.GATE_OP,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gate_gradients == self.GATE_GRAPH:
            gradients = tf.tuple(gradients)
        pairs = list(zip(gradients, variables, strict=True))
        self._check_types([v for g, v in pairs if g is not None])
        return pairs

    def _with_tape(self, loss: Callable[[], Any], var_list: Any, grad_loss: Any) -> list[tuple[Any, Any]]:
        with tf.GradientTape() as tape:
            if var_list is not None:
                tape.watch(var_list)
            value = loss()
        variables = list(tape.watched_variables()) if var_list is None else _flat(var_list)
        gradients = tape.gradient(value, variables, grad_loss)
        self._check_types([v for g, v in zip(gradients, variables, strict=True) if g is not None])
        return list(zip(gradients, variables, strict=True))

    def _check_types(self, variables: Iterable[Any]) -> None:
        valid = self._valid_dtypes()
        for variable in variables:
            if variable.dtype.base_dtype not in valid:
                raise ValueError(
                    explain(
                        f"Invalid type {variable.dtype!r} for {variable.name}, expected: {[v.name for v in valid]}."
                    )
                )

    def _valid_dtypes(self) -> Sequence[Any]:
        return _VALID

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Any, Any]],
        global_step: Any = None,
        name: str | None = None,
        skip_gradients_aggregation: bool = False,
    ) -> Any:
        """Change variables by gradients.

        Args:
          grads_and_vars: gradients with their variables; those of None are left out.
          global_step: a variable to which 1 is added when all are done.
          name: of the operation.
          skip_gradients_aggregation: a hint: gradients are those of this process alone.

        Returns:
          An operation; None where ops run at once.

        Raises:
          TypeError: a gradient is neither a tensor nor IndexedSlices.
          ValueError: there are no variables, or no gradients.
        """
        pairs = tuple(grads_and_vars)
        if not pairs:
            raise ValueError(explain("No variables provided."))
        converted = [(_gradient(gradient), variable) for gradient, variable in pairs]
        used = [(g, v) for g, v in converted if g is not None]
        if not used:
            raise ValueError(explain(f"No gradients provided for any variable: {[str(v) for _, v in converted]}."))
        with init_scope():
            self._create_slots([v for _, v in used])
        with name_scope(name, self._name) as scope:
            self._prepare()
            updates = []
            for gradient, variable in used:
                part = "" if not getattr(variable, "_in_graph_mode", False) else variable.op.name
                with tf.name_scope(f"update_{part}"):
                    updates.append(self._update(gradient, variable))
            if global_step is None:
                done = self._finish(updates, scope)
            else:
                with tf.control_dependencies(_operations([self._finish(updates, "update")])):
                    one = tf.constant(1, global_step.dtype.base_dtype)
                    done = _counted(global_step, one, scope)
        if executing_eagerly():
            return None
        if done is not None and not current_graph().building_function:  # type: ignore[union-attr]
            done = done.op if isinstance(done, tf.Tensor) else done
            trained = get_collection_ref(GraphKeys.TRAIN_OP)
            if all(done is not other for other in trained):
                trained.append(done)
        return done

    def _update(self, gradient: Any, variable: Any) -> Any:
        """Change one variable; return the operation."""
        if isinstance(gradient, IndexedSlices):
            if variable.constraint is not None:
                raise RuntimeError(explain("Cannot use a constraint function on a sparse variable."))
            return self._resource_apply_sparse_duplicate_indices(gradient.values, variable, gradient.indices)
        done = self._resource_apply_dense(gradient, variable)
        if variable.constraint is None:
            return done
        with tf.control_dependencies(_operations([done])):
            return variable.assign(variable.constraint(variable))

    def _create_slots(self, var_list: Sequence[Any]) -> None:
        """Make what the optimizer keeps for variables; nothing, where it keeps nothing."""

    def _prepare(self) -> None:
        """Make tensors of numbers before the first update; nothing, where there are none."""

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        """Change the variable `handle` by the gradient `grad`."""
        raise NotImplementedError

    def _resource_apply_sparse_duplicate_indices(self, grad: Any, handle: Any, indices: Any) -> Any:
        """Change rows, some of them named several times, whose gradients are added first."""
        rows, places = tf.unique(indices)
        return self._resource_apply_sparse(tf.math.unsorted_segment_sum(grad, places, tf.shape(rows)[0]), handle, rows)

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        """Change rows of the variable `handle`, each named once, by the gradients `grad`."""
        raise NotImplementedError

    def _finish(self, update_ops: Sequence[Any], name_scope: str) -> Any:
        """Do what comes after all updates; return one operation for all."""
        operations = _operations(update_ops)
        return tf.group(*operations, name=name_scope) if current_graph() is not None else None

    def _slot_dict(self, slot_name: str) -> dict[Any, Any]:
        return self._slots.setdefault(slot_name, {})

    def get_slot(self, var: Any, name: str) -> Any:
        """Return what the optimizer keeps under `name` for a variable; None where it keeps nothing."""
        return self._slots.get(name, {}).get(key_of(var))

    def get_slot_names(self) -> list[str]:
        """Return the names of what is kept for variables, sorted."""
        return sorted(self._slots)

    def variables(self) -> list[Any]:
        """Return all variables that the optimizer made, by the order of their names."""
        graph = current_graph()
        own = [v for v in self._non_slot_dict.values() if graph is None or v.graph is graph]
        kept = [v for found in self._slots.values() for v in found.values() if graph is None or v.graph is graph]
        return sorted(own + kept, key=lambda v: v.name)

    def _get_or_make_slot(self, var: Any, val: Any, slot_name: str, op_name: str) -> Any:
        return self._kept_or_made(var, slot_name, lambda: slots.slot(var, val, op_name))

    def _get_or_make_slot_with_initializer(
        self, var: Any, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Any:
        return self._kept_or_made(
            var, slot_name, lambda: slots.slot_with_initializer(var, initializer, shape, dtype, op_name)
        )

    def _zeros_slot(self, var: Any, slot_name: str, op_name: str) -> Any:
        return self._kept_or_made(var, slot_name, lambda: slots.zeros_slot(var, op_name))

    def _kept_or_made(self, var: Any, slot_name: str, make: Callable[[], Any]) -> Any:
        found, key = self._slot_dict(slot_name), key_of(var)
        if key not in found:
            found[key] = make()
            for position in self._slots_to_restore.pop((slot_name, key), ()):
                position.restore(found[key])
        return found[key]

    def _create_or_restore_slot_variable(self, slot_variable_position: Any, slot_name: str, variable: Any) -> Any:
        """Return the slot that a checkpoint has something for; None where it is made later, and restored then."""
        found = self.get_slot(variable, slot_name)
        if found is None and executing_eagerly() and slot_variable_position.is_simple_variable():
            (value,) = slot_variable_position.value_tensors().values()
            return self._get_or_make_slot(variable, value, slot_name, self._name)
        if found is None:
            self._slots_to_restore.setdefault((slot_name, key_of(variable)), []).append(slot_variable_position)
        return found

    def _trackable_children(self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        graph = None if executing_eagerly() else current_graph()
        own = {name: v for (name, where), v in self._non_slot_dict.items() if where is graph}
        return {**super()._trackable_children(save_type, cache, **kwargs), **dict(sorted(own.items()))}

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Any) -> Any:
        graph = getattr(colocate_with, "graph", None) if not executing_eagerly() else None
        found = self._non_slot_dict.get((name, graph))
        if found is None:
            full = f"{self.get_name()}/{name}" if self._use_own_namescope_for_non_slot_vars else name
            found = tf.compat.v1.Variable(initial_value, name=full, trainable=False)
            self._non_slot_dict[name, graph] = found
            self._handle_deferred_dependencies(name, found)
        return found

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Any:
        return self._non_slot_dict.get((name, graph))

    def _non_slot_variables(self) -> Iterable[Any]:
        return self._non_slot_dict.values()

    def _call_if_callable(self, param: Any) -> Any:
        return param() if callable(param) else param


def _counted(global_step: Any, one: Any, name: str) -> Any:
    """Add 1 to the global step; the operation has the name of the whole step."""
    graph = current_graph()
    if graph is None or graph.building_function or not getattr(global_step, "_in_graph_mode", False):
        global_step.assign_add(one, read_value=False)
        return new_operation()
    is_reference = getattr(global_step, "is_reference_variable", False)
    definition: Any = CHANGES["AssignAdd"] if is_reference else find("AssignAddVariableOp")
    attributes = {} if is_reference else definition.complete({})
    graph.create(definition, [global_step.handle, one], attributes, label=name.removesuffix("/"))  # type: ignore[attr-defined]
    return new_operation()


def _flat(var_list: Any) -> list[Any]:
    found: list[Any] = []
    for variable in nest.flatten(var_list):
        found += variable._get_variable_list() if isinstance(variable, PartitionedVariable) else [variable]
    return found


def _operations(updates: Iterable[Any]) -> list[Any]:
    return [u for u in updates if u is not None] if current_graph() is not None else []


def _gradient(given: Any) -> Any:
    if given is None or isinstance(given, IndexedSlices):
        return given
    try:
        return tf.convert_to_tensor(given)
    except (TypeError, ValueError):
        raise TypeError(
            explain(f"Gradient must be convertible to a Tensor or IndexedSlices, or None: {given}")
        ) from None


def as_numbers(like: Any, *values: Any) -> list[Any]:
    """Return hyperparameters in the element type of a variable."""
    return [tf.cast(value, like.dtype.base_dtype) for value in values]
