"""Check everything about an op from its declaration: numbers, shapes, gradients, eager = traced, cpu = reference."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from millstream.backends.cpu.device import load
from millstream.backends.reference.interpreter import interpret
from millstream.base import dtypes
from millstream.base.dtypes import DType
from millstream.base.sizes import Symbol
from millstream.base.spec import Spec
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply_flat
from millstream.execution.gradient_tape import GradientTape
from millstream.execution.tensor import EagerTensor, eager_constant
from millstream.ops.declaration import Case, Op, Types
from millstream.program.primitives.shaping import constant
from millstream.program.value import Program, Value, building

TOLERANCE = {
    "float64": (1e-12, 1e-12),
    "float32": (2e-5, 2e-6),
    "float16": (2e-3, 1e-3),
    "bfloat16": (2e-2, 1e-2),
    "complex64": (2e-5, 2e-6),
    "complex128": (1e-12, 1e-12),
}
"""Relative and absolute tolerance between the cpu and the reference back end, by element type; others must be equal."""

GRADIENT_TOLERANCE = 2e-5


class Trial:
    """One set of arguments for an op."""

    def __init__(self, op: Op, case: Case, shapes: Sequence[Any], choice: dict[str, DType]) -> None:
        self.op = op
        self.case = case
        self.shapes = shapes
        self.choice = choice
        seed = zlib.crc32(repr((op.name, shapes, [d.name for d in choice.values()])).encode())
        self.random = np.random.default_rng(seed)
        self.attributes = dict(case.attributes)
        for name in op.types:
            if name in op.attributes and name in choice and name not in self.attributes:
                self.attributes[name] = choice[name]
        self.arrays = [self._array(i) for i in range(len(shapes))]

    def __repr__(self) -> str:
        types = ", ".join(f"{k}={d.name}" for k, d in self.choice.items())
        return f"{self.op.name}(shapes={self.shapes}, {types}, {self.attributes})"

    def dtype_of(self, i: int) -> DType:
        parameter = self._parameter(i)
        element = parameter.element
        if isinstance(element, Types):
            return self.choice[element.name]
        return element if isinstance(element, DType) else self.choice["*"]

    def _counts(self) -> list[int]:
        """How many flat inputs each parameter takes: lists share what the others leave over."""
        lists = sum(p.shape != "one" for p in self.op.inputs)
        rest = len(self.shapes) - (len(self.op.inputs) - lists)
        return [1 if p.shape == "one" else rest // lists for p in self.op.inputs]

    def _parameter(self, i: int) -> Any:
        for parameter, count in zip(self.op.inputs, self._counts(), strict=True):
            if i < count:
                return parameter
            i -= count
        raise IndexError(i)

    def _array(self, i: int) -> np.ndarray:
        given = self.case.inputs[i] if i < len(self.case.inputs) else None
        dtype = self.dtype_of(i)
        kind = object if dtype == dtypes.string else dtype.stored
        if given is not None:
            return np.asarray(given(self.random) if callable(given) else given, kind)
        shape = tuple(3 if isinstance(n, str) else n for n in self.shapes[i])
        if dtype == dtypes.bool:
            return self.random.random(shape) < 0.5
        values = self.random.uniform(self.case.low, self.case.high, shape)
        if dtype.is_complex:
            values = values + 1j * self.random.uniform(self.case.low, self.case.high, shape)
        if dtype.is_integer or dtype.is_quantized:
            low, high = (0, 6) if dtype.stored.kind == "u" else (-5, 6)
            low, high = (
                (max(low, int(self.case.low)), max(1, int(self.case.high))) if self.case.low >= 0 else (low, high)
            )
            return np.asarray(self.random.integers(low, high, shape)).astype(kind)
        array = np.asarray(values).astype(kind)
        if self.case.extreme and array.size:
            flat = array.reshape(-1)
            flat[: len(self.case.extreme)] = np.asarray(self.case.extreme)[: flat.size].astype(kind)
        return array

    def tensors(self) -> list[EagerTensor]:
        return [eager_constant(a, self.dtype_of(i)) for i, a in enumerate(self.arrays)]

    def complete(self) -> dict[str, Any]:
        """Attributes with counts and types filled in."""
        complete = self.op.complete(self.attributes)
        self.op.flatten(self.arguments(self.tensors()), complete)
        return complete

    def arguments(self, flat: Sequence[Any]) -> list[Any]:
        """Group flat values as the signature has them."""
        grouped: list[Any] = []
        at = 0
        for parameter, count in zip(self.op.inputs, self._counts(), strict=True):
            grouped.append(flat[at] if parameter.shape == "one" else list(flat[at : at + count]))
            at += count
        return grouped

    def program(self, *, symbolic: bool) -> Program:
        """The program of this one op; inputs that decide shapes are constants."""
        program, attributes = Program(self.op.name), self.complete()
        known = set(self.op.known_positions(attributes))
        with building(program):
            values: list[Value] = []
            for i, array in enumerate(self.arrays):
                shape = (
                    tuple(
                        Symbol(n) if symbolic and isinstance(n, str) else m
                        for n, m in itertools.zip_longest(self.shapes[i], array.shape)
                    )
                    if len(self.shapes[i]) == array.ndim
                    else array.shape
                )
                value = program.input(Spec(self.dtype_of(i), shape))
                values.append(constant(array, self.dtype_of(i)) if i in known else value)
            program.outputs = list(program.emit(self.op, values, attributes))
        return program


def trials(op: Op) -> Iterator[Trial]:
    """Yield the trials of an op: each case in each of its element types."""
    for case in op.case_list:
        for shapes in case.shapes:
            single = len(op.inputs) == 1 and not op.structured
            if single and (not shapes or not isinstance(shapes[0], (tuple, list))):
                shapes = (shapes,)
            for choice in _choices(op, case):
                yield Trial(op, case, shapes, choice)


def _choices(op: Op, case: Case) -> Iterator[dict[str, DType]]:
    """Vary one type attribute at a time over all it allows."""
    default = {n: case.attributes.get(n) or t.default or _usual(t) for n, t in op.types.items()}
    if "*" in case.attributes:
        default["*"] = case.attributes["*"]
    seen: set[Any] = set()
    for name, types in op.types.items():
        if name in case.attributes:
            continue
        for dtype in case.dtypes or types.allowed:
            if types.allowed and dtype not in types.allowed:
                continue
            choice = {**default, name: dtype}
            key = tuple(choice.values())
            if key not in seen and not any(d in _NOT_MADE for d in key):
                seen.add(key)
                yield choice
    if not seen:
        yield default


_NOT_MADE = (dtypes.resource, dtypes.variant, dtypes.qint8, dtypes.quint8, dtypes.qint32, dtypes.qint16, dtypes.quint16)


def _usual(types: Types) -> DType:
    return dtypes.float32 if not types.allowed or dtypes.float32 in types.allowed else types.allowed[0]


def check_op(op: Op) -> None:
    """Check every trial of `op`."""
    assert op.case_list, f"{op.name} has no cases; state some with `.cases(...)`."
    for trial in trials(op):
        check_trial(trial)


def check_trial(trial: Trial) -> None:
    """Compare the reference with an eager call and with a plan made from symbolic sizes; check gradients."""
    expected = interpret(trial.program(symbolic=False), trial.arrays)
    tensors = trial.tensors()
    result = apply_flat(trial.op, tensors, trial.complete())
    eager = list(result) if isinstance(result, tuple) else [result]
    assert len(eager) == len(expected), f"{trial}: {len(eager)} results, {len(expected)} expected"
    for got, want in zip(eager, expected, strict=True):
        assert_close(got, want, f"{trial} eager")
    if not trial.op.effects:
        program = trial.program(symbolic=True)
        plan = load(program, [Spec(v.spec.dtype, a.shape) for v, a in zip(program.inputs, trial.arrays, strict=True)])
        for got, want in zip(plan.run(0, tuple(tensors)), expected, strict=True):
            assert_close(got, want, f"{trial} traced")
    if trial.case.gradient and trial.op.differentiable and not trial.case.extreme:
        check_gradient(trial)


def assert_close(got: Any, want: np.ndarray, where: str) -> None:
    """Compare with the tolerance of the element type; NaN equals NaN."""
    array, want = np.asarray(got.numpy()), np.asarray(want)
    assert array.shape == want.shape, f"{where}: shape {array.shape}, expected {want.shape}"
    if got.dtype == dtypes.string:
        assert array.tolist() == want.tolist(), where
        return
    assert array.dtype == want.dtype, f"{where}: element type {array.dtype}, expected {want.dtype}"
    tolerance = TOLERANCE.get(got.dtype.name)
    if tolerance is None:
        np.testing.assert_array_equal(array, want, err_msg=where)
        return
    wide = np.complex128 if got.dtype.is_complex else np.float64
    np.testing.assert_allclose(array.astype(wide), want.astype(wide), *tolerance, equal_nan=True, err_msg=where)


def check_gradient(trial: Trial) -> None:
    """Compare the tape's gradient with central differences along a random direction, in float64."""
    if not any(d == dtypes.float64 for d in trial.choice.values()):
        return
    tensors, attributes = trial.tensors(), trial.complete()
    known = set(trial.op.known_positions(attributes))
    free = [i for i, t in enumerate(tensors) if t.dtype == dtypes.float64 and i not in known and trial.arrays[i].size]
    if not free:
        return
    directions = {i: trial.random.standard_normal(trial.arrays[i].shape) for i in free}

    def run(step: float) -> list[Any]:
        moved = [
            eager_constant(a + step * directions[i], dtypes.float64) if i in directions else tensors[i]
            for i, a in enumerate(trial.arrays)
        ]
        result = apply_flat(trial.op, moved, attributes)
        return list(result) if isinstance(result, tuple) else [result]

    outputs = [i for i, t in enumerate(run(0.0)) if t.dtype == dtypes.float64]
    if not outputs:
        return
    before = run(0.0)
    weights = {i: trial.random.standard_normal(before[i]._shape) for i in outputs}
    h = 1e-5

    def weighted(results: list[Any]) -> float:
        return sum(float(np.sum(results[i].numpy() * w)) for i, w in weights.items())

    numeric = (weighted(run(h)) - weighted(run(-h))) / (2 * h)
    with GradientTape() as tape:
        for i in free:
            tape.watch(tensors[i])
        result = apply_flat(trial.op, tensors, attributes)
    results = list(result) if isinstance(result, tuple) else [result]
    gradients = tape.gradient(
        [results[i] for i in outputs],
        [tensors[i] for i in free],
        [to_tensor(w, dtypes.float64) for w in weights.values()],
    )
    analytic = 0.0
    for i, gradient in zip(free, gradients, strict=True):
        if gradient is not None:
            dense = gradient.to_dense() if hasattr(gradient, "to_dense") else gradient
            analytic += float(np.sum(dense.numpy() * directions[i]))
    scale = max(1.0, abs(numeric))
    assert abs(numeric - analytic) <= GRADIENT_TOLERANCE * scale, (
        f"{trial}: gradient {analytic}, differences say {numeric}"
    )
