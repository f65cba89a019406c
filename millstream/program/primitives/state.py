"""State the primitives that read and write variables. Their order in a program is the order in which they happen."""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.base.sizes import fresh_symbol, is_known
from millstream.base.spec import Spec
from millstream.program.primitives.core import primitive, refuse
from millstream.program.value import Value, emit


def _held(resource: Spec) -> Spec:
    """What a reading gives: sizes that the variable leaves open are new ones at each reading."""
    spec = resource.handle
    if spec is None:
        raise refuse("read", str(resource), "give the handle of a variable")
    if spec.shape is None or spec.is_static:
        return spec
    return Spec(spec.dtype, tuple(n if is_known(n) else fresh_symbol("n") for n in spec.shape))


READ = primitive(
    "read",
    lambda resource, dtype=None, shape=None: Spec(dtype, shape) if dtype is not None else _held(resource),
    reverse=lambda dy, y, resource, dtype=None, shape=None: (dy,),
    effects=True,
)


def read(resource: Value, dtype: Any = None, shape: Any = None) -> Value:
    """Return what the variable holds now."""
    if dtype is None:
        return emit(READ, resource)[0]
    return emit(READ, resource, dtype=dtype, shape=shape)[0]


WRITE = primitive("write", lambda resource, value: (), effects=True)


def write(resource: Value, value: Value) -> None:
    """Make the variable hold `value`."""
    emit(WRITE, resource, value)


IS_SET = primitive("is_set", lambda resource: Spec(dtypes.bool, ()), effects=True)


def is_set(resource: Value) -> Value:
    """Return whether the variable holds anything yet."""
    return emit(IS_SET, resource)[0]
