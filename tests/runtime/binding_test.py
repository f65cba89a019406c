"""The binding: tensors from and to Python, the dispatcher's cache, the call cache, threads."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from millstream import _runtime as rt
from tests.runtime.plan_writer import BOOL, FLOAT32, INT32, INT64, RESOURCE, FunctionWriter, PlanWriter


def tensor(value: Any, dtype: int = FLOAT32) -> Any:
    kinds = {FLOAT32: np.float32, INT32: np.int32, INT64: np.int64, BOOL: np.bool_}
    return rt.from_array(np.ascontiguousarray(value, kinds[dtype]), dtype, np.shape(value))


def passing_plan(dtype: int, shape: tuple[int, ...]) -> Any:
    writer = PlanWriter()
    f = writer.function("main")
    f.outputs = [f.input(dtype, shape)]
    return rt.Plan(writer.bytes())


class Compiler:
    """Compiles to a plan that gives its first input back, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, inputs: tuple[Any, ...], attributes: object) -> tuple[Any, int]:
        self.count += 1
        writer = PlanWriter()
        f = writer.function("main")
        ids = [f.input(item._dtype, item._shape) for item in inputs]
        f.outputs = [ids[0]]
        return rt.Plan(writer.bytes()), 0


@pytest.mark.parametrize(
    ("number", "dtype", "expected"),
    [
        (2.5, 1, 2.5),
        (2.5, 2, 2.5),
        (-7, 3, -7),
        (255, 4, 255),
        (True, 10, True),
        (2**63, 23, 2**63),
        (1 + 2j, 8, 1 + 2j),
        (65504.0, 19, 65504.0),
        (6e-8, 19, 2.0**-24),
        (1.0009765625, 14, 1.0),
        (float("inf"), 14, float("inf")),
    ],
)
def test_a_scalar_comes_back_as_its_type_rounds_it(number: Any, dtype: int, expected: Any) -> None:
    made = rt.scalar(number, dtype)
    assert made._item() == expected
    assert (made._dtype, made._shape, made._rank, made._count) == (dtype, (), 0, 1)


def test_scalars_round_to_half_as_numpy_does() -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, 20000, dtype=np.uint32)
    numbers = bits.view(np.float32)
    numbers = numbers[np.isfinite(numbers)]
    numbers = np.concatenate([numbers[np.abs(numbers) < 70000], np.linspace(-1e-6, 1e-6, 999, dtype=np.float32)])
    with np.errstate(over="ignore"):
        expected = numbers.astype(np.float16).tolist()
    assert [rt.scalar(float(number), 19)._item() for number in numbers] == expected


@pytest.mark.parametrize(("number", "dtype"), [(256, 4), (-1, 4), (2**31, 3), (-1, 23), (2**64, 23)])
def test_a_number_that_does_not_fit_is_an_overflow(number: int, dtype: int) -> None:
    with pytest.raises(OverflowError):
        rt.scalar(number, dtype)


def test_an_array_is_copied_unless_asked_not_to() -> None:
    array = np.arange(4, dtype=np.float32)
    copied = rt.from_array(array, FLOAT32, (2, 2))
    shared = rt.from_array(array, FLOAT32, (4,), False)
    array[0] = 9
    assert copied._numpy().tolist() == [[0, 1], [2, 3]]
    assert shared._numpy()[0] == 9
    keeper = weakref.ref(array)
    del array
    assert keeper() is not None
    del shared
    assert keeper() is None


def test_the_bytes_must_fit_the_shape() -> None:
    with pytest.raises(ValueError, match="16 bytes, the shape needs 20"):
        rt.from_array(np.zeros(4, np.float32), FLOAT32, (5,))
    with pytest.raises(ValueError, match="at most 12 dimensions"):
        rt.from_array(np.zeros(1, np.float32), FLOAT32, (1,) * 13)


def test_numpy_reads_a_tensor_without_a_copy_and_cannot_write() -> None:
    made = tensor([[1.0, 2.0]])
    first, second = made._numpy(), np.asarray(made)
    assert first.ctypes.data == second.ctypes.data
    assert not first.flags.writeable
    assert not second.flags.writeable
    del made
    assert first.tolist() == [[1.0, 2.0]]


def test_strings_come_back() -> None:
    made = rt.from_strings([b"a", b"", b"\x00b"], (3, 1))
    assert made._strings() == [b"a", b"", b"\x00b"]
    assert made._shape == (3, 1)
    assert rt.from_strings([b"one"], ())._item() == b"one"
    with pytest.raises(TypeError, match="given str"):
        rt.from_strings(["text"], ())


def test_dlpack_shares_bytes_both_ways() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    made = rt.from_dlpack(array.__dlpack__())
    assert made._numpy().ctypes.data == array.ctypes.data
    assert (made._dtype, made._shape) == (INT32, (2, 3))

    class Capsule:
        capsule = rt.to_dlpack(made)

        def __dlpack__(self, **_: Any) -> Any:
            return self.capsule

        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

    again = np.from_dlpack(Capsule())
    assert again.ctypes.data == array.ctypes.data
    del made
    assert again.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_dlpack_in_another_layout_is_copied_row_by_row() -> None:
    array = np.arange(12, dtype=np.float64).reshape(3, 4)
    for view in (array.T, array[:, ::2], array[::-1]):
        assert rt.from_dlpack(view.__dlpack__())._numpy().tolist() == view.tolist()


def test_a_dlpack_capsule_is_read_once() -> None:
    capsule = np.zeros(2).__dlpack__()
    rt.from_dlpack(capsule)
    with pytest.raises(ValueError, match="nobody has read"):
        rt.from_dlpack(capsule)


def test_ids_rise() -> None:
    first, second = rt.scalar(1, 3), rt.scalar(1, 3)
    assert first._id < second._id


def test_execute_compiles_once_for_each_type_and_shape() -> None:
    compiler = Compiler()
    handle = rt.OpHandle("First", (), compiler)
    for _ in range(3):
        for value in (tensor(1.0), tensor([1.0]), tensor(1, INT32)):
            assert rt.execute(handle, None, value)._numpy().tolist() == value._numpy().tolist()
    assert (compiler.count, handle.cache_size()) == (3, 3)


def test_execute_tells_attributes_apart_by_identity() -> None:
    compiler = Compiler()
    handle = rt.OpHandle("First", (), compiler)
    keys = [object(), object()]
    for key in keys * 2:
        rt.execute(handle, key, tensor(1.0))
    assert compiler.count == 2


def test_execute_keys_small_values_where_asked() -> None:
    compiler = Compiler()
    handle = rt.OpHandle("First", (-1,), compiler)
    for axis in (0, 1, 0, 1):
        rt.execute(handle, None, tensor(1.0), tensor(axis, INT32))
    assert compiler.count == 2
    for start in (0.0, 1.0):
        rt.execute(handle, None, tensor(1.0), tensor(np.full(257, start)))
    assert compiler.count == 3


def test_execute_leaves_what_is_no_tensor_to_python() -> None:
    handle = rt.OpHandle("First", (), Compiler())
    assert rt.execute(handle, None, tensor(1.0), 2.0) is NotImplemented
    rt.set_tracing(True)
    try:
        assert rt.execute(handle, None, tensor(1.0)) is NotImplemented
    finally:
        rt.set_tracing(False)


def test_execute_drops_its_oldest_plans() -> None:
    compiler = Compiler()
    handle = rt.OpHandle("First", (), compiler)
    keys = [object() for _ in range(4097)]
    value = tensor(1.0)
    for key in keys:
        rt.execute(handle, key, value)
    assert handle.cache_size() == 4096
    rt.execute(handle, keys[-1], value)
    assert compiler.count == 4097
    rt.execute(handle, keys[0], value)
    assert compiler.count == 4098


def test_an_error_while_compiling_reaches_the_caller_and_is_not_kept() -> None:
    def fails(inputs: Any, attributes: Any) -> Any:
        raise LookupError("no such kernel")

    handle = rt.OpHandle("Bad", (), fails)
    with pytest.raises(LookupError, match="no such kernel"):
        rt.execute(handle, None, tensor(1.0))
    assert handle.cache_size() == 0
    with pytest.raises(TypeError, match="must return"):
        rt.execute(rt.OpHandle("Bad", (), lambda inputs, key: 5), None, tensor(1.0))


def test_recording_calls_the_hook_with_inputs_and_outputs() -> None:
    handle, seen = rt.OpHandle("First", (), Compiler()), []
    value, key = tensor(1.0), object()
    before = rt.set_record_hook(lambda *arguments: seen.append(arguments))
    rt.set_recording(1)
    try:
        out = rt.execute(handle, key, value)
    finally:
        rt.set_recording(0)
        rt.set_record_hook(before)
    rt.execute(handle, key, value)
    assert len(seen) == 1
    assert seen[0] == (handle, key, (value,), (out,))


def test_call_cache_runs_what_it_knows_and_asks_for_the_rest() -> None:
    missed: list[tuple[Any, ...]] = []

    def miss(*arguments: Any, **named: Any) -> str:
        missed.append((*arguments, *named))
        return "asked"

    cache = rt.CallCache(miss)
    assert cache(tensor([1.0, 2.0])) == "asked"
    cache.add((tensor([1.0, 2.0]),), passing_plan(FLOAT32, (2,)), 0, (), True)
    assert cache(tensor([3.0, 4.0]))._numpy().tolist() == [3.0, 4.0]
    assert len(missed) == 1
    for arguments in ((tensor([1.0]),), (tensor([1, 2], INT32),), (1.0,), ()):
        assert cache(*arguments) == "asked"
    assert cache(tensor([1.0, 2.0]), training=True) == "asked"
    assert len(missed) == 6


def test_call_cache_appends_captures() -> None:
    writer = PlanWriter()
    f = writer.function("main")
    f.input(FLOAT32)
    handle, value = f.input(RESOURCE), f.heap(FLOAT32)
    f.run("state_read", [handle], [value])
    f.outputs = [value]
    state = rt.make_state(FLOAT32, (), "v")
    rt.state_assign(state, tensor(7.0))
    cache = rt.CallCache(lambda *arguments: None)
    cache.add((tensor(0.0),), rt.Plan(writer.bytes()), 0, (state,), False)
    (out,) = cache(tensor(0.0))
    assert out._item() == 7.0


def test_call_cache_in_a_circle_is_collected() -> None:
    class Owner:
        def __init__(self) -> None:
            self.cache = rt.CallCache(self.miss)

        def miss(self, *arguments: Any) -> None: ...

    owner = Owner()
    owner.cache.add((tensor(1.0),), passing_plan(FLOAT32, ()), 0, (), True)
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


def test_threads_run_one_plan_and_update_one_variable_at_once() -> None:
    writer = PlanWriter()
    f: FunctionWriter = writer.function("main")
    handle, value = f.input(RESOURCE), f.input(FLOAT32, (64, 512))
    read = f.heap(FLOAT32, (64, 512))
    f.run("state_write", [handle, value], [])
    f.run("state_read", [handle], [read])
    f.outputs = [read]
    plan, state = rt.Plan(writer.bytes()), rt.make_state(FLOAT32, (64, 512), "v")
    failures: list[object] = []

    def work(number: int) -> None:
        mine = tensor(np.full((64, 512), number))
        for _ in range(300):
            (out,) = plan.run(0, (state, mine))
            array = out._numpy()
            if not (array == array[0, 0]).all() or not 0 <= array[0, 0] < 4:
                failures.append(array)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_memory_is_reused() -> None:
    def take() -> None:
        tensor(np.zeros(1 << 20))

    take()
    before = rt.memory_stats()["system_allocations"]
    for _ in range(20):
        take()
    assert rt.memory_stats()["system_allocations"] == before
