"""tf.raw_ops: every op is called by name alone, and gives what the op gives."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import millstream as tf
from millstream.base import dtypes
from millstream.execution.dispatch import apply
from millstream.ops.registry import all_ops
from tests.op_contract import trials

NAMES = sorted(n for n, op in all_ops().items() if op.case_list and n.isidentifier() and n != "XlaDynamicUpdateSlice")


@pytest.mark.parametrize("name", NAMES)
def test_every_op_with_cases_is_called_by_name(name: str) -> None:
    op, function = all_ops()[name], getattr(tf.raw_ops, name)
    trial = next(trials(op))
    arguments = trial.arguments(trial.tensors())
    names = list(inspect.signature(function).parameters)
    given = dict(zip(names, arguments, strict=False))
    renamed = {"squeeze_dims": "axis"}
    given |= {renamed.get(n, n): v for n, v in trial.attributes.items() if renamed.get(n, n) in names}
    found = function(**given)
    if op.stateful:
        return
    wanted = apply(op, *arguments, **trial.attributes)
    for a, b in zip(tf.nest.flatten(found), tf.nest.flatten(wanted), strict=True):
        assert a.dtype is b.dtype
        if a.dtype not in (dtypes.variant, dtypes.resource):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_every_op_of_tensorflow_that_is_declared_is_published() -> None:
    missing = [n for n in all_ops() if n.isidentifier() and not hasattr(tf.raw_ops, n)]
    assert missing == ["XlaDynamicUpdateSlice"]


def test_positional_unknown_and_missing_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="only takes keyword args"):
        tf.raw_ops.Exp(1.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        tf.raw_ops.Exp(x=1.0, z=2)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        tf.raw_ops.Add(x=1.0)


def test_attributes_take_lists_names_of_types_and_traced_functions() -> None:
    assert tf.raw_ops.Cast(x=[1], DstT="float32").dtype is tf.float32
    assert tf.raw_ops.Squeeze(input=[[1]], axis=[0]).shape == (1,)
    assert tf.raw_ops.Sum(input=[1.0, 2.0], axis=0, name="total").numpy() == 3.0
    spec = [tf.TensorSpec([], tf.int32)]
    twice = tf.function(lambda x: x * 2).get_concrete_function(*spec)
    low = tf.function(lambda x: x < 10).get_concrete_function(*spec)
    assert tf.raw_ops.While(input=[3], cond=low, body=twice)[0].numpy() == 12
    assert tf.raw_ops.If(cond=True, input=[3], Tout=[tf.int32], then_branch=twice, else_branch=twice)[0].numpy() == 6
