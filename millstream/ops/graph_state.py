"""Declare the ops that only graphs of sessions have: what is fed, and what makes state. A session gives their results."""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.dtypes import resource as RESOURCE
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.ops.declaration import Tensor, Types, op
from millstream.program.primitives.core import refuse
from millstream.program.value import Value

D = Types("dtype")
Shape = tuple[int, ...] | None


def _spec(dtype: DType, shape: Any) -> Spec:
    if shape is None:
        return Spec(dtype, None)
    sizes = tuple(getattr(shape, "as_list", lambda: shape)())
    return Spec(dtype, tuple(fresh_symbol("n") if n is None or (isinstance(n, int) and n < 0) else n for n in sizes))


@op("Placeholder", outputs="output", stateful=False)
def placeholder(*, dtype: D, shape: Shape = None) -> Tensor[D]:
    """Give what is fed."""
    raise refuse("Placeholder", "no value", "feed one: session.run(..., feed_dict={placeholder: value})")


placeholder.shape(lambda dtype, shape=None: _spec(dtype, shape))
placeholder.no_gradient()


@op("PlaceholderWithDefault", outputs="output", stateful=False)
def placeholder_with_default(input: Tensor[D], *, shape: Shape) -> Tensor[D]:
    """Give what is fed, else `input`."""
    return input


placeholder_with_default.shape(lambda input, shape: _spec(input.dtype, shape))


@placeholder_with_default.gradient
def _default_gradient(dy: Value, y: Value, input: Value, *, shape: Shape) -> Value:
    return dy


placeholder_with_default.cases(shapes=[(2, 3), ()], attributes={"shape": None})


@op("VarHandleOp", outputs="resource", stateful=True)
def variable_handle(
    *,
    container: str = "",
    shared_name: str = "",
    debug_name: str = "",
    dtype: D,
    shape: Shape,
    allowed_devices: tuple[str, ...] = (),
) -> Tensor[RESOURCE]:
    """Refer to a variable of the session."""
    raise refuse("VarHandleOp", "no session", "run it in tf.compat.v1.Session, or make a tf.Variable")


def _handle_spec(*, dtype: DType, shape: Any, **_: Any) -> Spec:
    return Spec(dtypes.resource, (), None, _spec(dtype, shape))


variable_handle.shape(_handle_spec)
variable_handle.no_gradient()

VARIABLES = (variable_handle,)
"""The ops that make a variable's handle."""
