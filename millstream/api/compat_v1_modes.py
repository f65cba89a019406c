"""The modes of TensorFlow 1, switched as a whole or one by one, and scopes of names, devices and colocation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from millstream.api import compat_v1_state
from millstream.api.public import public, root
from millstream.base import shapes
from millstream.base.errors import explain
from millstream.execution import context, operators
from millstream.execution.graph import Graph

tf: Any = root()

_control_flow_v2 = [True]


@public("compat.v1.disable_eager_execution")
def disable_eager_execution() -> None:
    """Send ops outside of all graphs to the default graph of their thread. Call it before anything else."""
    context.run_at_once(False, Graph)


@public("compat.v1.enable_eager_execution")
def enable_eager_execution(config: Any = None, device_policy: Any = None, execution_mode: Any = None) -> None:
    """Run ops outside of all graphs at once, which is the default.

    Args:
      config: a ConfigProto message: devices are those of this machine.
      device_policy: a hint: there is one device.
      execution_mode: a hint: ops are done when their calls return.

    Raises:
      ValueError: the default graph has operations already.
    """
    if not context.runs_at_once() and context.has_default_graph():
        raise ValueError("tf.enable_eager_execution must be called at program startup.")
    context.run_at_once(True, Graph)


@public("compat.v1.executing_eagerly_outside_functions")
def executing_eagerly_outside_functions() -> bool:
    """Return whether ops outside of functions run at once."""
    return context.outside_functions() is None


@public("compat.v1.enable_resource_variables")
def enable_resource_variables() -> None:
    """Make variables resources where nobody says it, which is the default."""
    compat_v1_state.use_resource_by_default(True)


@public("compat.v1.disable_resource_variables")
def disable_resource_variables() -> None:
    """Make variables references, as version 1 does, where nobody says it."""
    compat_v1_state.use_resource_by_default(False)


@public("compat.v1.resource_variables_enabled")
def resource_variables_enabled() -> bool:
    """Return whether variables are resources where nobody says it."""
    return compat_v1_state.uses_resource_by_default()


@public("compat.v1.enable_control_flow_v2")
def enable_control_flow_v2() -> None:
    """Say that branches and loops are operations that run functions. They are so in either mode."""
    _control_flow_v2[0] = True


@public("compat.v1.disable_control_flow_v2")
def disable_control_flow_v2() -> None:
    """Say that branches and loops are those of version 1. They still are operations that run functions, with equal results."""
    _control_flow_v2[0] = False


@public("compat.v1.control_flow_v2_enabled")
def control_flow_v2_enabled() -> bool:
    """Return whether branches and loops are said to be those of version 2."""
    graph = context.current_graph()
    return _control_flow_v2[0] or (graph is not None and graph.building_function)


@public("compat.v1.enable_tensor_equality")
def enable_tensor_equality() -> None:
    """Let == of tensors compare elements, which is the default."""
    operators.compare_elements(True)


@public("compat.v1.disable_tensor_equality")
def disable_tensor_equality() -> None:
    """Let == of tensors say whether both are one object, and let them be keys of dictionaries."""
    operators.compare_elements(False)


@public("compat.v1.enable_v2_tensorshape")
def enable_v2_tensorshape() -> None:
    """Let a shape's elements be ints and None, which is the default."""
    shapes.enable_v2_tensorshape()


@public("compat.v1.disable_v2_tensorshape")
def disable_v2_tensorshape() -> None:
    """Let a shape's elements be `Dimension` objects."""
    shapes.disable_v2_tensorshape()


@public("compat.v1.enable_v2_behavior")
def enable_v2_behavior() -> None:
    """Switch all modes to those of version 2, which are the default."""
    enable_eager_execution()
    enable_v2_tensorshape()
    enable_resource_variables()
    enable_tensor_equality()
    enable_control_flow_v2()


@public("compat.v1.disable_v2_behavior")
def disable_v2_behavior() -> None:
    """Switch all modes to those of version 1. Call it before anything else."""
    disable_eager_execution()
    disable_v2_tensorshape()
    disable_resource_variables()
    disable_tensor_equality()
    disable_control_flow_v2()


@public("compat.v1.op_scope")
@contextlib.contextmanager
def op_scope(values: Any, name: str | None, default_name: str | None = None) -> Iterator[str]:
    """Put a name before the names of what is made inside; an older form of `tf.compat.v1.name_scope`."""
    with tf.compat.v1.name_scope(name, default_name, values) as scope:
        yield scope


@public("compat.v1.device")
def device(device_name_or_function: Any) -> Any:
    """Ask for a device for what is made inside; in a graph also by a function of the operation.

    Raises:
      RuntimeError: a function is given where ops run at once.
    """
    graph = context.current_graph()
    if graph is not None and not graph.building_function:
        return graph.device(device_name_or_function)
    return tf.device(device_name_or_function)


@public("compat.v1.colocate_with")
def colocate_with(op: Any, ignore_existing: bool = False) -> Any:
    """Put what is made inside where `op` is: all is on one device."""
    graph = context.current_graph()
    if graph is None or graph.building_function:
        return contextlib.nullcontext()
    return graph.colocate_with(op, ignore_existing)


@public("compat.v1.container")
@contextlib.contextmanager
def container(container_name: str) -> Iterator[str]:
    """Keep the variables and other resources that are made inside in a container of the session.

    Raises:
      ValueError: ops run at once: there is no session.
    """
    graph = context.current_graph()
    if graph is None:
        raise ValueError(explain("tf.container belongs to graphs: use it in tf.Graph().as_default()."))
    with graph.container(container_name):
        yield container_name
