"""Readers of the runtime: threads, order, errors, saved states, memory."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.data.dataset import Dataset
from millstream.data.stage import AUTOTUNE


def waiting(value: Any) -> Any:
    time.sleep(0.001 * (int(value) % 3))
    return value


def slowly(x: Any) -> Any:
    y = tf.numpy_function(waiting, [x], tf.int64)
    y.set_shape([])
    return y


def numbers(dataset: Any) -> list[Any]:
    return [e.tolist() for e in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("calls", [2, 4, AUTOTUNE])
def test_parallel_calls_keep_the_order(calls: int) -> None:
    assert numbers(Dataset.range(60).map(slowly, num_parallel_calls=calls).batch(7)) == numbers(
        Dataset.range(60).batch(7)
    )


def test_parallel_calls_out_of_order_give_the_same_elements() -> None:
    found = numbers(Dataset.range(60).map(slowly, num_parallel_calls=4, deterministic=False))
    assert sorted(found) == list(range(60))


def test_parallel_calls_overlap() -> None:
    all_there = threading.Barrier(8, timeout=60)

    def meet(value: Any) -> Any:
        all_there.wait()
        return value

    dataset = Dataset.range(24).map(lambda x: tf.numpy_function(meet, [x], tf.int64), num_parallel_calls=8)
    assert len(list(dataset)) == 24


@pytest.mark.parametrize("calls", [None, 3, AUTOTUNE])
def test_an_error_names_its_stage_and_element_and_the_next_elements_come(calls: int | None) -> None:
    def checked(x: Any) -> Any:
        return tf.debugging.check_numerics(1.0 / tf.cast(x - 2, tf.float32), "zero")

    iterator = iter(Dataset.range(5).map(checked, num_parallel_calls=calls).prefetch(2))
    found: list[Any] = []
    for _ in range(5):
        try:
            found.append(float(next(iterator)))
        except tf.errors.InvalidArgumentError as error:
            found.append(error.message)
    name = "MapDataset" if calls is None else "ParallelMapDataset"
    assert found[:2] == [-0.5, -1.0] and found[3:] == [1.0, 0.5]
    assert f"user-defined function passed to {name}, element 2" in found[2]


def test_errors_of_host_calls_keep_their_class_across_threads() -> None:
    def refuse(value: Any) -> Any:
        raise ValueError(f"not {int(value)}")

    dataset = Dataset.range(3).map(lambda x: tf.numpy_function(refuse, [x], tf.int64), num_parallel_calls=2).prefetch(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"ParallelMapDataset, element 0.*ValueError: not 0"):
        next(iter(dataset))


@pytest.mark.parametrize("read", [0, 1, 5, 17])
def test_states_are_saved_and_restored_under_way(read: int) -> None:
    def pipeline() -> Any:
        words = Dataset.from_tensor_slices(["a", "bc", "", "def"]).repeat(6)
        both = Dataset.zip(Dataset.range(24).shuffle(8, seed=3), words).map(
            lambda x, w: (slowly(x), w), num_parallel_calls=3
        )
        return (
            both.enumerate()
            .skip(1)
            .shard(2, 0)
            .prefetch(3)
            .concatenate(Dataset.from_tensors((np.int64(0), (np.int64(1), "z"))).repeat(8))
        )

    tf.random.set_seed(4)
    whole = iter(pipeline())
    tf.random.set_seed(4)
    part = iter(pipeline())
    for _ in range(read):
        next(whole)
        next(part)
    tf.random.set_seed(4)
    again = iter(pipeline())
    for _ in range(2):
        next(again)
    again.restore(part.save())

    def rest(iterator: Any) -> list[Any]:
        return [(int(i), int(x), w.numpy()) for i, (x, w) in iterator]

    expected = rest(whole)
    assert rest(again) == expected and rest(part) == expected


def test_states_of_other_pipelines_are_refused() -> None:
    other = iter(Dataset.range(3).enumerate())
    with pytest.raises((tf.errors.DataLossError, ValueError, TypeError, IndexError)):
        other.restore(iter(Dataset.range(3).shuffle(2).map(lambda x: x)).save())


def test_datasets_none_and_composites_go_through_all_stages() -> None:
    windows = Dataset.range(6).window(2).prefetch(1).shuffle(1).take(2)
    assert [[int(x) for x in window] for window in windows] == [[0, 1], [2, 3]]
    ragged = Dataset.from_tensor_slices(tf.ragged.constant([[1], [2, 3], []])).prefetch(2).repeat(2)
    assert [r.numpy().tolist() for r in ragged] == [[1], [2, 3], []] * 2
    nothing = Dataset.zip(Dataset.range(2), Dataset.from_tensors(None).repeat()).prefetch(1)
    assert [(int(x), none) for x, none in nothing] == [(0, None), (1, None)]


def test_memory_for_elements_made_ahead_stays_in_the_budget() -> None:
    made = [0]

    def count(value: Any) -> Any:
        made[0] += 1
        return np.zeros(1 << 20, np.uint8)

    options = tf.data.Options()
    options.autotune.ram_budget = 3 << 20

    def zeros(x: Any) -> Any:
        y = tf.numpy_function(count, [x], tf.uint8)
        y.set_shape([1 << 20])
        return y

    dataset = Dataset.range(10_000).map(zeros).prefetch(AUTOTUNE)
    iterator = iter(dataset.with_options(options))
    for _ in range(20):
        next(iterator)
    time.sleep(0.1)
    assert made[0] <= 20 + 5


def test_a_blocked_generator_does_not_hold_up_the_end() -> None:
    code = """
import threading, millstream as tf
never = threading.Event()
def generate():
    yield 1
    never.wait()
dataset = tf.data.Dataset.from_generator(generate, output_signature=tf.TensorSpec([], tf.int32)).prefetch(4)
iterator = iter(dataset)
assert int(next(iterator)) == 1
del iterator
print("end")
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0 and found.stdout == "end\n", found.stderr


def test_elements_that_nobody_holds_give_their_memory_back() -> None:
    from millstream import _runtime as runtime

    dataset = Dataset.range(40_000).shuffle(1000).map(lambda x: 2 * x).batch(100)
    list(dataset)
    gc.collect()
    before = runtime.memory_stats()["reserved_bytes"]
    for _ in range(3):
        for _ in dataset:
            pass
    assert runtime.memory_stats()["reserved_bytes"] - before < 1 << 20


@pytest.mark.slow
def test_ten_million_elements_take_no_more_memory_than_the_first() -> None:
    code = """
import resource, millstream as tf
dataset = tf.data.Dataset.range(10_000_000).shuffle(10_000).map(lambda x: 2 * x + 1, num_parallel_calls=tf.data.AUTOTUNE)
batches = iter(dataset.batch(1000).prefetch(tf.data.AUTOTUNE))
total = int(tf.reduce_sum(next(batches)))
for _ in range(999):
    total += int(tf.reduce_sum(next(batches)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for batch in batches:
    total += int(tf.reduce_sum(batch))
print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert found.returncode == 0, found.stderr
    total, growth_kilobytes = map(int, found.stdout.split())
    assert total == 10_000_000**2
    assert growth_kilobytes < 4096
