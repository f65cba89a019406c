"""Gradients of all ops, written to a graph in ops alone and read again, give the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.autodiff.reverse import reverse
from millstream.autodiff.split import adjoint_spec, differentiable
from millstream.backends.cpu.device import load
from millstream.execution.specs import spec_of
from millstream.execution.tensor import eager_from_array
from millstream.graph.reading import Library
from millstream.graph.writing import LibraryWriter
from millstream.ops.declaration import Op
from millstream.ops.registry import all_ops
from millstream.program.slices import dense
from millstream.program.value import Program, building
from tests import op_contract

MOST_TRIALS = 4

# What these gradients are made of has no op of TensorFlow's, or none that is declared here.
NOT_WRITTEN = {
    "AvgPool3D", "BandedTriangularSolve", "IsotonicRegression", "LRN", "MaxPool3D", "ResizeNearestNeighbor",
    "ResizeNearestNeighborGrad", "TridiagonalSolve", "XlaDynamicUpdateSlice",
}  # fmt: skip


def gradient(trial: Any) -> Program:
    """Return a program of the inputs and the adjoints of the outputs that gives the adjoints of the inputs."""
    program = trial.program(symbolic=True)
    outputs = [v for v in program.outputs if differentiable(v.spec)]
    inputs = [v for v in program.inputs if differentiable(v.spec)]
    with building(program):
        flows = {v: program.input(adjoint_spec(v.spec)) for v in outputs}
        found = reverse(program.nodes, flows, program.inputs)
        program.outputs = [dense(found[v]) for v in inputs if v in found]
    return program


def tensors(trial: Any) -> tuple[Any, ...]:
    """Return the inputs of a gradient's program."""
    given = trial.tensors()
    forward = trial.program(symbolic=False)
    results = load(forward, [spec_of(t) for t in given]).run(0, tuple(given))
    random = np.random.default_rng(0)
    for value, result in zip(forward.outputs, results, strict=True):
        if differentiable(value.spec):
            noise = random.normal(size=result.shape.as_list()).astype(value.dtype.as_numpy_dtype)
            given.append(eager_from_array(noise, value.dtype))
    return tuple(given)


def check(op: Op) -> None:
    for number, trial in enumerate(op_contract.trials(op)):
        types = [trial.dtype_of(i) for i in range(len(trial.arrays))]
        if number >= MOST_TRIALS or not trial.case.gradient or not any(t.is_floating and t.size >= 4 for t in types):
            continue
        program = gradient(trial)
        given = tensors(trial)
        specs = [spec_of(t) for t in given]
        writer = LibraryWriter()
        name = writer.add(program)
        again = Library(writer.message.function).program(name, [v.spec for v in program.inputs])
        pairs = zip(load(program, specs).run(0, given), load(again, specs).run(0, given), strict=True)
        for wanted, found in pairs:
            a, b = wanted.numpy(), found.numpy()
            assert a.shape == b.shape, trial
            tolerance = 1e-4 if a.dtype in (np.float32, np.complex64) else 1e-8
            np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance, err_msg=repr(trial))


@pytest.mark.slow
def test_gradients_are_the_same_after_writing_and_reading() -> None:
    refused = set()
    for op in all_ops().values():
        if op.differentiable and not op.name.startswith("Sparse") and op.case_list:
            try:
                check(op)
            except tf.errors.UnimplementedError:
                refused.add(op.name)
    assert refused <= NOT_WRITTEN, sorted(refused - NOT_WRITTEN)
