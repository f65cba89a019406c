"""tf.train.ExponentialMovingAverage in graphs of sessions: averages stand beside their variables, an operation moves them all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millstream.api.public import root
from millstream.api.train_averages import assign_moving_average, averages_in_graphs
from millstream.base import dtypes
from millstream.execution.context import init_scope
from millstream.execution.variable import is_resource_variable
from millstream.version_1 import slots
from millstream.version_1.variables.keys import (
    GraphKeys,
    add_to_collection,
    global_variables,
    moving_average_variables,
    trainable_variables,
)
from millstream.version_1.variables.name_scope import name_scope
from millstream.version_1.variables.scope import get_variable, variable_scope

tf: Any = root()


def make_average(variable: Any, name: str) -> Any:
    """Return a new average beside a variable, which begins as that does, or beside a tensor, of zeros."""
    with init_scope():
        if not is_resource_variable(variable):
            return slots.zeros_slot(variable, name)
        made = slots.slot(variable, variable.initialized_value(), name)
        add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, variable)
        return made


def move(pairs: Iterable[tuple[Any, Any]], decay: Any, num_updates: Any, zero_debias: bool, name: str) -> Any:
    """Return the operation that moves averages towards what they stand beside."""
    with name_scope(name) as scope:
        rate = tf.convert_to_tensor(decay, dtypes.float32, name="decay")
        if num_updates is not None:
            count = tf.cast(num_updates, dtypes.float32, name="num_updates")
            rate = tf.minimum(rate, (1.0 + count) / (10.0 + count))
        moved = []
        for average, given in pairs:
            is_tensor = not is_resource_variable(given)
            change = _without_bias if is_tensor and zero_debias else assign_moving_average
            moved.append(change(average, given if is_tensor else given.value(), rate, zero_debias=False))
        return tf.group(*moved, name=scope)


def _without_bias(average: Any, value: Any, decay: Any, zero_debias: bool) -> Any:
    """Set an average to what it would be had it not begun at 0: a biased one and its steps are kept beside it."""
    with variable_scope(slots.full_name(average)):
        biased = get_variable(
            "biased", average.shape, average.dtype.base_dtype, tf.zeros_initializer(), trainable=False
        )
        steps = get_variable("local_step", [], average.dtype.base_dtype, tf.zeros_initializer(), trainable=False)
    rate = tf.cast(1.0 - decay, average.dtype.base_dtype)
    first, second = assign_moving_average(biased, value, decay, zero_debias), steps.assign_add(1)
    with tf.control_dependencies([first, second]):
        return average.assign(biased.read_value() / (1 - tf.pow(1 - rate, steps.read_value())))


def to_restore(average: Any, chosen: Any) -> dict[str, Any]:
    """Return all variables of the graph by the names to restore them by: those of the averages for the chosen ones."""
    variables = [*trainable_variables(), *moving_average_variables()] if chosen is None else list(chosen)
    found = {average.average_name(v): v for v in variables}
    names = {v.name for v in variables}
    for variable in global_variables():
        if variable.name not in names:
            found.setdefault(variable.op.name, variable)
    return found


averages_in_graphs.update(make=make_average, move=move, to_restore=to_restore)
