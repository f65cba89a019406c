"""Who owns the bytes of results."""

from __future__ import annotations

import numpy as np

import millstream as tf
from millstream.base import dtypes
from millstream.base.spec import Spec
from millstream.compiler.memory import plan_memory
from millstream.compiler.plan import ARENA, HEAP, INPUT, FunctionWriter, ModuleWriter


def test_reshaped_inputs_are_handed_over_and_stay_what_they_were():
    variable = tf.Variable(np.arange(6, dtype=np.float32))

    @tf.function
    def f(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
        twice = x * 2.0
        return x, tf.reshape(x, (2, 3)), tf.reshape(twice, (3, 2)), twice

    results = [r.numpy() for r in f(variable)]
    shared = f(variable)
    variable.assign_add(tf.ones(6))
    for before, after in zip(results, shared, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    np.testing.assert_array_equal(shared[1].numpy(), np.arange(6, dtype=np.float32).reshape(2, 3))
    np.testing.assert_array_equal(variable.numpy(), np.arange(6, dtype=np.float32) + 1)


def test_what_numpy_gave_may_change_without_any_result_changing():
    array = np.ones((2, 3), np.float32)
    reshaped = tf.reshape(tf.convert_to_tensor(array), (-1,))
    array[:] = 7
    np.testing.assert_array_equal(reshaped.numpy(), np.ones(6, np.float32))


def _function(module: ModuleWriter, name: str) -> tuple[FunctionWriter, int]:
    writer = FunctionWriter(module, name)
    module.functions.append(writer)
    writer.inputs.append(writer.slot(_EIGHT, INPUT, 0))
    return writer, writer.inputs[0]


_EIGHT = Spec(dtypes.float32, (8,))


def test_what_a_branch_gives_back_as_it_is_needs_no_copy():
    for gives_back in (True, False):
        module = ModuleWriter()
        main, chosen = _function(module, "main")
        turns, given = _function(module, "turns")
        turns.outputs.append(turns.slot(_EIGHT))
        turns.instruction("reverse", [given], turns.outputs, [1])
        other, given = _function(module, "other")
        other.outputs.append(given if gives_back else other.slot(_EIGHT))
        twice, result = main.slot(_EIGHT), main.slot(_EIGHT, HEAP)
        main.instruction("fused", [], [twice], [1, 1, 0, 0, 1, 0, 0, 0, 8, 0, 1, 0])
        main.instruction("branch", [chosen, twice], [result], [1, 2])
        main.outputs.append(result)
        plan_memory(main)
        assert main.slots[twice].storage == (HEAP if gives_back else ARENA)
        assert main.instructions[1].releases == ([twice] if gives_back else [])
