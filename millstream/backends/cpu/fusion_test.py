"""Tests of what becomes one instruction: chains, reductions with what feeds them, products with what follows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from millstream import _runtime as runtime
from millstream.backends.cpu.target import CPU
from millstream.backends.reference.interpreter import interpret
from millstream.base import dtypes
from millstream.base.spec import Spec
from millstream.compiler.pipeline import compile_program, lower, write_function
from millstream.compiler.plan import ModuleWriter
from millstream.execution.convert import to_tensor
from millstream.program.primitives import elementwise as e
from millstream.program.primitives.linear import dot
from millstream.program.primitives.reduction import reduce
from millstream.program.primitives.shaping import (
    broadcast,
    concatenate,
    full,
    reshape,
    slice_axis,
    spread,
    transpose,
)
from millstream.program.value import Program, Value, building

Body = Callable[..., Value | tuple[Value, ...]]


def program_of(body: Body, *shapes: tuple[int, ...]) -> Program:
    program = Program("test")
    with building(program):
        made = body(*(program.input(Spec(dtypes.float32, s)) for s in shapes))
    program.outputs = list(made) if isinstance(made, tuple) else [made]
    return program


def kernels(program: Program) -> list[str]:
    module = ModuleWriter()
    write_function(module, lower(program, [v.spec for v in program.inputs], CPU), CPU)
    return [item.kernel for item in module.functions[0].instructions]


def agree(program: Program, seed: int = 0, tolerance: float = 2e-5) -> None:
    """Run on the cpu and by NumPy, and compare."""
    random = np.random.default_rng(seed)
    arrays = [random.standard_normal(v.shape).astype(np.float32) for v in program.inputs]
    plan = runtime.Plan(compile_program(program, [v.spec for v in program.inputs], CPU))
    made = plan.run(0, tuple(to_tensor(a) for a in arrays))
    for ours, theirs in zip(made, interpret(program, arrays), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=tolerance, atol=tolerance)


def check(body: Body, *shapes: tuple[int, ...]) -> list[str]:
    program = program_of(body, *shapes)
    agree(program)
    return kernels(program)


def test_a_reduction_joins_the_chain_that_feeds_it() -> None:
    assert check(lambda x: reduce(e.exp(x) * x, "sum", (1,)), (4, 5)) == ["fused_reduce"]


def test_reductions_over_axes_apart_join_chains_that_store_nothing() -> None:
    assert check(lambda x: reduce(x * x, "sum", (0, 2)), (4, 5, 6)) == ["fused_reduce"]


def test_reductions_over_axes_apart_leave_chains_that_store() -> None:
    def body(x: Value) -> tuple[Value, Value]:
        y = x * x
        return reduce(y, "sum", (0, 2)), y

    assert check(body, (4, 5, 6)) == ["fused", "reduce"]


def test_several_reductions_over_one_space_are_one_instruction() -> None:
    def body(x: Value, y: Value) -> tuple[Value, ...]:
        z = x * y
        return reduce(z, "sum", (0,)), reduce(-z, "max", (0,)), reduce(x, "min", (0,)), z

    assert check(body, (7, 5), (7, 5)) == ["fused_reduce"]


def test_a_variance_needs_its_mean_first() -> None:
    def body(x: Value) -> tuple[Value, Value]:
        mean = reduce(x, "sum", (0,)) / full((5,), 8, dtypes.float32)
        apart = x - spread(mean, like=x, axes=(0,))
        return mean, reduce(apart * apart, "sum", (0,))

    assert check(body, (8, 5)) == ["reduce", "fused", "fused_reduce"]


def test_a_chain_does_not_read_its_own_sums() -> None:
    def body(x: Value) -> Value:
        weights = e.exp(x)
        return weights / spread(reduce(weights, "sum", (1,)), like=x, axes=(1,))

    assert check(body, (6, 9)) == ["fused_reduce", "fused"]


@pytest.mark.parametrize("activation", [None, "relu", "tanh", "logistic"])
def test_bias_and_activation_are_done_by_the_product(activation: str | None) -> None:
    def body(x: Value, w: Value, b: Value) -> Value:
        y = dot(x, w, ((1,), (0,)))
        y = y + broadcast(b, y.shape, (1,))
        if activation == "relu":
            return e.maximum(y, full(y.shape, 0, dtypes.float32))
        return y if activation is None else getattr(e, activation)(y)

    assert check(body, (6, 9), (9, 5), (5,)) == ["dot"]


def test_what_is_added_to_a_product_is_added_by_it() -> None:
    def body(x: Value, w: Value, b: Value, more: Value) -> Value:
        y = more + dot(x, w, ((1,), (0,)))
        return e.tanh(y + broadcast(b, y.shape, (1,)))

    assert check(body, (6, 9), (9, 5), (5,), (6, 5)) == ["dot"]
    assert check(body, (60, 90), (90, 50), (50,), (60, 50)) == ["dot"]


def test_a_cut_is_added_to_a_product_where_it_lies() -> None:
    def body(x: Value, w: Value, more: Value) -> Value:
        return dot(x, w, ((1,), (0,))) + slice_axis(more, 1, 2, 7)

    assert check(body, (6, 9), (9, 5), (6, 8)) == ["dot", "fused"]


def test_parts_of_a_row_are_read_where_they_lie() -> None:
    def body(x: Value) -> Value:
        a, b, c = (slice_axis(x, 1, start, start + 4) for start in (0, 4, 8))
        return e.tanh(a) * e.logistic(b) + c

    assert check(body, (6, 12)) == ["fused"]
    assert check(lambda x: -slice_axis(x, 0, 1, 8, 2), (9, 12)) == ["fused"]


def test_a_part_that_is_needed_whole_is_cut_out() -> None:
    def body(x: Value) -> tuple[Value, Value]:
        y = slice_axis(x, 1, 2, 7)
        return y, e.exp(y)

    assert check(body, (6, 12)) == ["slice", "fused"]


def test_a_small_part_of_much_is_cut_out() -> None:
    assert check(lambda x: e.exp(slice_axis(x, 0, 2, 3)), (60, 12)) == ["slice", "fused"]


def test_a_sum_before_the_activation_that_is_needed_stays() -> None:
    def body(x: Value, w: Value, b: Value) -> tuple[Value, Value]:
        y = dot(x, w, ((1,), (0,)))
        y = y + broadcast(b, y.shape, (1,))
        return e.tanh(y), y

    assert check(body, (6, 9), (9, 5), (5,)) == ["dot", "fused"]


def test_a_bias_made_from_the_product_is_added_afterwards() -> None:
    def body(x: Value, w: Value) -> Value:
        y = dot(x, w, ((1,), (0,)))
        return y + broadcast(reduce(y, "sum", (0,)), y.shape, (1,))

    assert check(body, (6, 9), (9, 5)) == ["dot", "reduce", "fused"]


def test_the_mask_of_a_relu_is_computed_where_it_is_used() -> None:
    def body(x: Value, w: Value, v: Value, dz: Value) -> tuple[Value, Value]:
        y = dot(x, w, ((1,), (0,)))
        y = e.maximum(y, full(y.shape, 0, dtypes.float32))
        mask = e.compare(y, full(y.shape, 0, dtypes.float32), "GT")
        dy = dot(dz, v, ((1,), (1,)))
        return dot(y, dz, ((0,), (0,))), e.select(mask, dy, full(y.shape, 0, dtypes.float32))

    assert sorted(check(body, (6, 9), (9, 5), (5, 3), (6, 3))) == ["dot", "dot", "dot", "fused"]


def test_the_mask_of_a_relu6_is_computed_where_it_is_used() -> None:
    def body(x: Value, w: Value, v: Value, dz: Value) -> tuple[Value, Value]:
        y = e.tanh(dot(x, w, ((1,), (0,))))
        zero, six = (full(y.shape, n, dtypes.float32) for n in (0, 6))
        y = e.minimum(e.maximum(y + y, zero), six)
        mask = e.bit_and(e.compare(y, zero, "GT"), e.compare(y, six, "LT"))
        dy = dot(dz, v, ((1,), (1,)))
        return dot(y, dz, ((0,), (0,))), e.select(mask, dy * dy, full(y.shape, 0, dtypes.float32))

    shapes = (6, 9), (9, 5), (5, 3), (6, 3)
    program = program_of(body, *shapes)
    agree(program)
    module = ModuleWriter()
    write_function(module, lower(program, [v.spec for v in program.inputs], CPU), CPU)
    assert not any(slot.spec.dtype == dtypes.bool for slot in module.functions[0].slots)


def test_what_is_cheap_to_compute_again_is_not_kept() -> None:
    def body(x: Value, dz: Value) -> Value:
        y = dot(x, x, ((1,), (1,)))
        mean = reduce(y, "sum", (0,))
        apart = y - spread(mean, like=y, axes=(0,))
        scale = reduce(apart * apart, "sum", (0,))
        weights = dot(dz, y, ((1,), (0,)))
        return apart * spread(scale, like=y, axes=(0,)) + weights

    assert check(body, (6, 9), (6, 6)) == ["dot", "reduce", "fused_reduce", "dot", "fused"]
    module = ModuleWriter()
    program = program_of(body, (6, 9), (6, 6))
    write_function(module, lower(program, [v.spec for v in program.inputs], CPU), CPU)
    (sums,) = (i for i in module.functions[0].instructions if i.kernel == "fused_reduce")
    assert [module.functions[0].slots[o].spec.shape for o in sums.outputs] == [(6,)]


def test_bounds_are_taken_in_the_shape_in_which_a_chain_works() -> None:
    def body(x: Value, y: Value) -> Value:
        flat = reshape(x, (4, 6)) + broadcast(y, (4, 6), (1,))
        most, least = (full((4, 2, 3), number, dtypes.float32) for number in (1.0, 0.0))
        return e.maximum(e.minimum(reshape(flat, (4, 2, 3)), most), least)

    assert check(body, (4, 2, 3), (6,)) == ["fused"]


def test_attention_needs_no_copies() -> None:
    def body(q: Value, k: Value, v: Value) -> Value:
        q, k, v = (transpose(x, (0, 2, 1, 3)) for x in (q, k, v))
        scores = dot(q, k, ((3,), (3,)), ((0, 1), (0, 1)))
        mixed = dot(scores, v, ((3,), (2,)), ((0, 1), (0, 1)))
        return reshape(transpose(mixed, (0, 2, 1, 3)), (2, 5, 12))

    assert [k for k in check(body, (2, 5, 3, 4), (2, 6, 3, 4), (2, 6, 3, 4)) if k != "copy"] == ["dot", "dot"]


def test_weights_are_not_repeated_for_each_batch() -> None:
    def body(x: Value, w: Value) -> Value:
        return dot(x, broadcast(w, (2, 4, 5), (1, 2)), ((2,), (1,)), ((0,), (0,)))

    assert check(body, (2, 3, 4), (4, 5)) == ["dot"]


def test_weight_gradients_are_summed_by_the_product() -> None:
    def body(x: Value, dz: Value) -> Value:
        return reduce(dot(x, dz, ((1,), (1,)), ((0,), (0,))), "sum", (0,))

    assert check(body, (3, 4, 5), (3, 4, 6)) == ["dot"]


def test_sums_over_axes_of_one_element_are_no_sums() -> None:
    assert "reduce" not in check(lambda x: reduce(-x, "sum", (0, 2)), (1, 5, 1))


def test_any_order_of_axes_multiplies_alike() -> None:
    random = np.random.default_rng(3)
    for _ in range(40):
        p, q, r = (tuple(int(i) for i in random.permutation(4)) for _ in range(3))

        def body(x: Value, y: Value, p: tuple[int, ...] = p, q: tuple[int, ...] = q, r: tuple[int, ...] = r) -> Value:
            a, b = transpose(x, p), transpose(y, q)
            batch, depth = p.index(0), p.index(3)
            other, side = q.index(0), q.index(3)
            return transpose(dot(a, b, ((depth,), (side,)), ((batch,), (other,))), (*(i for i in r), 4))

        agree(program_of(body, (2, 3, 4, 5), (2, 2, 3, 5)))


def random_body(seed: int) -> Body:
    """Return a program of chains, sums, products, cuts and transpositions over square matrices and their rows."""

    def body(*inputs: Value) -> tuple[Value, ...]:
        random = np.random.default_rng(seed)
        matrices = list(inputs)

        def pick() -> Value:
            return matrices[-1 - min(int(random.exponential(3)), len(matrices) - 1)]

        rows: list[Value] = []
        for _ in range(int(random.integers(5, 40))):
            kind = random.integers(11)
            x, y = pick(), pick()
            axis = int(random.integers(2))
            if kind < 4:
                made = [x + y, x - y, x * y, e.maximum(x, y)][kind]
            elif kind == 4:
                made = e.tanh(x)
            elif kind == 5:
                made = e.select(
                    e.compare(x, full(x.shape, 0, dtypes.float32), "GT"), y, full(x.shape, 0, dtypes.float32)
                )
            elif kind == 6:
                rows.append(e.tanh(reduce(x, str(random.choice(["sum", "max", "min"])), (axis,))))
                continue
            elif kind == 7 and rows:
                made = x + broadcast(rows[int(random.integers(len(rows)))], x.shape, (axis,))
            elif kind == 8:
                made = transpose(x, (1, 0))
            elif kind == 9:
                at, stride = int(random.integers(6)), int(random.integers(1, 3))
                wide = concatenate([x, y, x], axis)
                made = slice_axis(wide, axis, at, at + 4 * stride + 1, stride)
            else:
                made = e.tanh(dot(x, y, ((axis,), (int(random.integers(2)),))))
            matrices.append(made)
        given = [pick() for _ in range(int(random.integers(1, 4)))]
        return tuple(dict.fromkeys([*given, *rows[-1:], matrices[-1]]))

    return body


def test_random_programs_give_what_numpy_gives() -> None:
    for seed in range(150):
        agree(program_of(random_body(seed), (5, 5), (5, 5)), seed, tolerance=2e-3)
