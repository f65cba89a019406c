"""The executor by plans written by hand: control flow, sizes known late, variables, lists, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from millstream import _runtime as rt
from tests.runtime.plan_writer import (
    ALIAS,
    ARENA,
    BOOL,
    FLOAT32,
    INT32,
    INT64,
    RESOURCE,
    STRING,
    VARIANT,
    FunctionWriter,
    Instruction,
    PlanWriter,
)


class Failure(Exception):
    def __init__(self, code: int, message: str, source: str) -> None:
        super().__init__(message)
        self.code, self.source = code, source


@pytest.fixture(autouse=True)
def _failures() -> Iterator[None]:
    before = rt.set_error_factory(Failure)
    yield
    rt.set_error_factory(before)


def tensor(value: Any, dtype: int = FLOAT32) -> Any:
    kinds = {FLOAT32: np.float32, INT32: np.int32, INT64: np.int64, BOOL: np.bool_}
    array = np.ascontiguousarray(value, kinds[dtype])
    return rt.from_array(array, dtype, np.shape(value))


def plan_of(build: Callable[[FunctionWriter], None], symbols: int = 0) -> Any:
    writer = PlanWriter()
    build(writer.function("main", symbols))
    return rt.Plan(writer.bytes())


def run(plan: Any, *inputs: Any) -> list[Any]:
    return [out._numpy().tolist() for out in plan.run(0, inputs)]


def test_an_input_may_be_an_output() -> None:
    def build(f: FunctionWriter) -> None:
        f.outputs = [f.input(FLOAT32, (2,))]

    assert run(plan_of(build), tensor([1.0, 2.0])) == [[1.0, 2.0]]


def test_a_constant_is_shared_with_the_plan() -> None:
    def build(f: FunctionWriter) -> None:
        f.outputs = [f.constant(np.array([3, 4], np.int64))]

    plan = plan_of(build)
    (out,) = plan.run(0, ())
    del plan
    assert out._numpy().tolist() == [3, 4]


def test_an_output_in_the_arena_outlives_the_next_call() -> None:
    def build(f: FunctionWriter) -> None:
        n = f.expression(0, 0)
        f.input(FLOAT32, (n,))
        f.bindings.append((0, 0, 0))
        f.arena = 64
        out = f.value(INT64, (1,), ARENA, 0)
        f.run("sizes", [], [out], (0,), ((0, n),))
        f.outputs = [out]

    plan = plan_of(build, 1)
    (first,) = plan.run(0, (tensor([1.0]),))
    (second,) = plan.run(0, (tensor([1.0, 2.0]),))
    assert (first._item(), second._item()) == (1, 2)


def test_expressions_follow_the_inputs_sizes() -> None:
    def build(f: FunctionWriter) -> None:
        n, m = f.expression(0, 0), f.expression(0, 1)
        f.input(FLOAT32, (n, m))
        f.bindings += [(0, 0, 0), (1, 0, 1)]
        sizes = [f.expression(op, n, m) for op in (1, 2, 3, 4, 5, 6, 7)]
        sizes += [f.expression(8, f.expression(2, n, m), 77), f.expression(9, n, m)]
        out = f.heap(INT64, (len(sizes),))
        f.run("sizes", [], [out], (0,) * len(sizes), tuple(enumerate(sizes)))
        f.outputs = [out]

    plan = plan_of(build, 2)
    assert run(plan, tensor(np.zeros((2, 5)))) == [[7, -3, 10, 0, 2, 2, 5, 77, 0]]
    assert run(plan, tensor(np.zeros((7, 2)))) == [[9, 5, 14, 3, 1, 2, 7, 5, 0]]


def test_a_size_that_overflows_is_an_error() -> None:
    def build(f: FunctionWriter) -> None:
        n = f.expression(0, 0)
        big = f.expression(3, 2**62, 4)
        f.input(FLOAT32, (n,))
        f.bindings.append((0, 0, 0))
        out = f.heap(INT64, (1,))
        f.run("sizes", [], [out], (0,), ((0, big),))
        f.outputs = [out]

    with pytest.raises(Failure, match="64 bits"):
        run(plan_of(build, 1), tensor([1.0]))


def test_two_inputs_must_agree_on_a_shared_size() -> None:
    def build(f: FunctionWriter) -> None:
        n = f.expression(0, 0)
        f.input(FLOAT32, (n,))
        f.outputs = [f.input(FLOAT32, (n,))]
        f.bindings.append((0, 0, 0))

    plan = plan_of(build, 1)
    assert run(plan, tensor([1.0]), tensor([2.0])) == [[2.0]]
    with pytest.raises(Failure, match="must be 1"):
        run(plan, tensor([1.0]), tensor([2.0, 3.0]))


def test_a_wrong_input_is_refused_by_position() -> None:
    def build(f: FunctionWriter) -> None:
        f.outputs = [f.input(FLOAT32, (2,))]

    plan = plan_of(build)
    with pytest.raises(Failure, match="Input 0 is int32"):
        run(plan, tensor([1, 2], INT32))
    with pytest.raises(Failure, match=r"float32\[3\].*float32\[2\]"):
        run(plan, tensor([1.0, 2.0, 3.0]))
    with pytest.raises(TypeError, match="takes 1 inputs, given 2"):
        run(plan, tensor([1.0, 2.0]), tensor([1.0]))


def test_bind_sizes_gives_an_alias_its_shape() -> None:
    def build(f: FunctionWriter) -> None:
        x, shape = f.input(FLOAT32, (6,)), f.input(INT32, (2,))
        n, m = f.expression(0, 0), f.expression(0, 1)
        f.run("bind_sizes", [shape], [], (0, 1))
        f.outputs = [f.value(FLOAT32, (n, m), ALIAS, x)]

    plan = plan_of(build, 2)
    assert run(plan, tensor(np.arange(6.0)), tensor([3, 2], INT32)) == [[[0, 1], [2, 3], [4, 5]]]
    with pytest.raises(Failure, match="Cannot reshape"):
        run(plan, tensor(np.arange(6.0)), tensor([4, 2], INT32))


def test_branch_runs_the_function_its_index_names_and_else_the_last() -> None:
    writer = PlanWriter()
    main = writer.function("main")
    index, x = main.input(INT32), main.input(FLOAT32)
    out = main.heap(INT64, (1,))
    main.run("branch", [index, x], [out], (1, 2))
    main.outputs = [out]
    for size in (10, 20):
        f = writer.function(f"branch_{size}")
        f.input(FLOAT32)
        value = f.heap(INT64, (1,))
        f.run("sizes", [], [value], (size,))
        f.outputs = [value]
    plan = rt.Plan(writer.bytes())
    assert [plan.run(0, (tensor(i, INT32), tensor(0.0)))[0]._item() for i in (0, 1, 2, -1)] == [10, 20, 20, 20]


def loop_plan() -> Any:
    """Pushes the length of the list on the list until it holds `limit` elements; gives the list."""
    writer = PlanWriter()
    main = writer.function("main")
    limit = main.input(INT32)
    first, last = main.heap(VARIANT), main.heap(VARIANT)
    main.run("list_empty", [], [first], (INT32, 0))
    main.run("loop", [first, limit], [last], (1, 2, 1))
    out = main.heap(INT32, (main.expression(0, 0),), 1)
    main.symbols = 1
    main.run("list_stack", [last], [out], (-1, 0))
    main.outputs = [out]
    condition = writer.function("condition")
    items, most = condition.input(VARIANT), condition.input(INT32)
    length, more, host = condition.heap(INT32), condition.heap(BOOL), condition.input(RESOURCE)
    condition.run("list_length", [items], [length])
    condition.run("host_call", [host, length, most], [more])
    condition.outputs = [more]
    body = writer.function("body")
    items, _, _ = body.input(VARIANT), body.input(INT32), body.input(RESOURCE)
    length, longer = body.heap(INT32), body.heap(VARIANT)
    body.run("list_length", [items], [length])
    body.run("list_push", [items, length], [longer], (), (), -1, (length,))
    body.outputs = [longer]
    host = main.input(RESOURCE)
    main.instructions[1] = Instruction("loop", [first, limit, host], [last], (1, 2, 1), (), -1, ())
    return rt.Plan(writer.bytes())


def test_loop_carries_a_list_and_calls_the_host() -> None:
    less = rt.make_host(lambda a, b: rt.scalar(a._item() < b._item(), BOOL))
    plan = loop_plan()
    for limit in (0, 1, 5):
        (out,) = plan.run(0, (tensor(limit, INT32), less))
        assert out._numpy().tolist() == list(range(limit))


def test_an_exception_of_a_host_call_reaches_the_caller_unchanged() -> None:
    def fails(a: Any, b: Any) -> Any:
        raise KeyError("from inside")

    with pytest.raises(KeyError, match="from inside"):
        loop_plan().run(0, (tensor(3, INT32), rt.make_host(fails)))


def test_a_host_call_must_return_tensors() -> None:
    with pytest.raises(TypeError, match="must return 1 tensors"):
        loop_plan().run(0, (tensor(3, INT32), rt.make_host(lambda a, b: 7)))


def state_plan() -> Any:
    writer = PlanWriter()
    read = writer.function("read")
    handle = read.input(RESOURCE)
    value = read.heap(FLOAT32, (2,))
    writer.sources.append("user.py:7 in train")
    read.run("state_read", [handle], [value], (), (), 0)
    read.outputs = [value]
    write = writer.function("write")
    handle, value = write.input(RESOURCE), write.input(FLOAT32, (2,))
    write.run("state_write", [handle, value], [])
    edit = writer.function("edit")  # swaps the halves of a pair in place
    handle = edit.input(RESOURCE)
    value = edit.heap(FLOAT32, (2,))
    edit.run("state_edit", [handle], [value])
    edited = edit.value(FLOAT32, (2,), ALIAS, value)
    start = edit.constant(np.array([1], np.int64))
    update = edit.constant(np.array([9], np.float32))
    edit.run("dynamic_update_slice", [value, update, start], [edited])
    edit.outputs = [edited]
    return rt.Plan(writer.bytes())


def test_reading_an_unset_variable_names_it_and_the_users_line() -> None:
    handle = rt.make_state(FLOAT32, (2,), "kernel")
    with pytest.raises(Failure, match="'kernel'") as caught:
        state_plan().run(0, (handle,))
    assert caught.value.code == 9
    assert caught.value.source == "user.py:7 in train"


def test_a_source_is_told_once() -> None:
    with pytest.raises(Failure):
        state_plan().run(0, (rt.make_state(FLOAT32, (2,), "kernel"),))
    with pytest.raises(Failure, match="no plan file") as caught:
        rt.Plan(b"nothing")
    assert caught.value.source == ""


def test_a_variable_keeps_what_was_written() -> None:
    plan, handle = state_plan(), rt.make_state(FLOAT32, (2,), "kernel")
    plan.run(1, (handle, tensor([1.0, 2.0])))
    assert plan.run(0, (handle,))[0]._numpy().tolist() == [1.0, 2.0]
    assert rt.state_value(handle)._numpy().tolist() == [1.0, 2.0]


def test_an_edit_leaves_earlier_readings_alone() -> None:
    plan, handle = state_plan(), rt.make_state(FLOAT32, (2,), "kernel")
    rt.state_assign(handle, tensor([1.0, 2.0]))
    (before,) = plan.run(0, (handle,))
    plan.run(2, (handle,))
    assert before._numpy().tolist() == [1.0, 2.0]
    assert rt.state_value(handle)._numpy().tolist() == [1.0, 9.0]


def test_a_variable_refuses_another_shape_and_type() -> None:
    handle = rt.make_state(FLOAT32, (2, None), "bias")
    rt.state_assign(handle, tensor([[1.0], [2.0]]))
    with pytest.raises(Failure, match=r"'bias' has the shape \[2,\?\], given \[3\]"):
        rt.state_assign(handle, tensor([1.0, 2.0, 3.0]))
    with pytest.raises(Failure, match="holds float32, given int32"):
        rt.state_assign(handle, tensor([[1], [2]], INT32))


def test_an_update_in_place_copies_what_a_variable_still_holds() -> None:
    def build(f: FunctionWriter) -> None:
        handle = f.input(RESOURCE)
        value = f.heap(FLOAT32, (2,))
        f.run("state_read", [handle], [value])
        edited = f.value(FLOAT32, (2,), ALIAS, value)
        start, update = f.constant(np.array([0], np.int64)), f.constant(np.array([5], np.float32))
        f.run("dynamic_update_slice", [value, update, start], [edited])
        f.outputs = [edited]

    handle = rt.make_state(FLOAT32, (2,), "kernel")
    rt.state_assign(handle, tensor([1.0, 2.0]))
    assert run(plan_of(build), handle) == [[5.0, 2.0]]
    assert rt.state_value(handle)._numpy().tolist() == [1.0, 2.0]


def test_check_raises_its_code_and_shows_its_data() -> None:
    def build(f: FunctionWriter) -> None:
        condition, data = f.input(BOOL), f.input(INT32, (2,))
        message = b"sizes differ:"
        words = np.frombuffer(message.ljust(16, b"\0"), np.int64).tolist()
        f.run("check", [condition, data], [], (3, len(message), *words))

    plan = plan_of(build)
    plan.run(0, (rt.scalar(True, BOOL), tensor([1, 2], INT32)))
    with pytest.raises(Failure, match=r"sizes differ: \[1 2\]") as caught:
        plan.run(0, (rt.scalar(False, BOOL), tensor([1, 2], INT32)))
    assert caught.value.code == 3


def list_of(*rows: Any) -> Any:
    def build(f: FunctionWriter) -> None:
        items = f.heap(VARIANT)
        f.run("list_from_tensor", [f.input(FLOAT32, (len(rows), *np.shape(rows[0])))], [items], (-1,))
        f.outputs = [items]

    return plan_of(build).run(0, (tensor(rows),))[0]


def list_op(kernel: str, outputs: list[tuple[int, int]], attributes: tuple[int, ...], *inputs: Any) -> list[Any]:
    """Runs one list kernel; `outputs` are (dtype, rank), a rank of -1 a list."""

    def build(f: FunctionWriter) -> None:
        ids = [f.input(item._dtype, item._shape) for item in inputs]
        outs = []
        for dtype, rank in outputs:
            dims = tuple(f.expression(0, f.symbols + i) for i in range(max(rank, 0)))
            f.symbols += max(rank, 0)
            outs.append(f.heap(dtype, dims, 1 if dims else 0))
        f.run(kernel, ids, outs, attributes)
        f.outputs = outs

    return list(plan_of(build).run(0, inputs))


def values(items: Any, rank: int = 1) -> Any:
    return list_op("list_stack", [(FLOAT32, rank)], (-1, -1), items)[0]._numpy().tolist()


def test_a_list_of_a_tensors_rows_stacks_to_it() -> None:
    assert values(list_of([1.0, 2.0], [3.0, 4.0]), 2) == [[1.0, 2.0], [3.0, 4.0]]


def test_changing_a_list_leaves_the_old_one_alone() -> None:
    old = list_of(1.0, 2.0, 3.0)
    (changed,) = list_op("list_set", [(VARIANT, -1)], (), old, tensor(1, INT32), tensor(9.0))
    (pushed,) = list_op("list_push", [(VARIANT, -1)], (), old, tensor(4.0))
    popped, last = list_op("list_pop", [(VARIANT, -1), (FLOAT32, 0)], (0,), old)
    (resized,) = list_op("list_resize", [(VARIANT, -1)], (), old, tensor(1, INT32))
    assert values(changed) == [1.0, 9.0, 3.0]
    assert values(pushed) == [1.0, 2.0, 3.0, 4.0]
    assert (values(popped), last._item()) == ([1.0, 2.0], 3.0)
    assert values(resized) == [1.0]
    assert values(old) == [1.0, 2.0, 3.0]


def test_elements_never_set_read_as_zeros_of_the_lists_shape() -> None:
    (items,) = list_op("list_reserve", [(VARIANT, -1)], (FLOAT32, 1, 2), tensor(3, INT32))
    (items,) = list_op("list_set", [(VARIANT, -1)], (), items, tensor(1, INT32), tensor([1.0, 2.0]))
    assert values(items, 2) == [[0, 0], [1, 2], [0, 0]]
    assert list_op("list_get", [(FLOAT32, 1)], (-1,), items, tensor(0, INT32))[0]._numpy().tolist() == [0, 0]


def test_list_indices_out_of_range_are_errors() -> None:
    items = list_of(1.0, 2.0)
    for index in (-1, 2):
        with pytest.raises(Failure, match=f"element {index} in a list with 2 elements"):
            list_op("list_get", [(FLOAT32, 0)], (0,), items, tensor(index, INT32))
    with pytest.raises(Failure, match="empty list"):
        list_op(
            "list_pop", [(VARIANT, -1), (FLOAT32, 0)], (0,), list_op("list_empty", [(VARIANT, -1)], (FLOAT32, 0))[0]
        )
    with pytest.raises(Failure, match=r"shape \[\], given \[1\]"):
        empty = list_op("list_empty", [(VARIANT, -1)], (FLOAT32, 0))[0]
        list_op("list_push", [(VARIANT, -1)], (), empty, tensor([1.0]))


def test_lists_gather_scatter_concat_and_split() -> None:
    items = list_of(1.0, 2.0, 3.0)
    assert list_op("list_gather", [(FLOAT32, 1)], (0,), items, tensor([2, 0], INT32))[0]._numpy().tolist() == [3.0, 1.0]
    (scattered,) = list_op(
        "list_scatter", [(VARIANT, -1)], (0,), tensor([5.0, 6.0]), tensor([3, 0], INT32), tensor(-1, INT32)
    )
    assert values(scattered) == [6.0, 0.0, 0.0, 5.0]
    (split,) = list_op("list_split", [(VARIANT, -1)], (1, -1), tensor([1.0, 2.0, 3.0]), tensor([1, 2], INT64))
    joined, lengths = list_op("list_concat", [(FLOAT32, 1), (INT64, 1)], (1, -1), split)
    assert joined._numpy().tolist() == [1.0, 2.0, 3.0]
    assert lengths._numpy().tolist() == [1, 2]


def test_lists_hold_text() -> None:
    def build(f: FunctionWriter) -> None:
        text, items, out = f.input(STRING, (3,)), f.heap(VARIANT), f.heap(STRING, (3,))
        f.run("list_from_tensor", [text], [items], (0,))
        f.run("list_stack", [items], [out], (3, 0))
        f.outputs = [out]

    (out,) = plan_of(build).run(0, (rt.from_strings([b"a", b"", b"cde"], (3,)),))
    assert out._strings() == [b"a", b"", b"cde"]


def test_trace_names_each_instruction() -> None:
    def build(f: FunctionWriter) -> None:
        out = f.heap(INT64, (1,))
        f.run("sizes", [], [out], (5,))
        f.outputs = [out]

    plan = plan_of(build)
    rt.trace_start()
    plan.run(0, ())
    events = rt.trace_stop()
    assert [event[0] for event in events] == ["sizes"]
    assert events[0][1] <= events[0][2]
    plan.run(0, ())
    assert rt.trace_stop() == []
