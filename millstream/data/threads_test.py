"""Stages with threads: batches joined at once, datasets read at once, memory caches, and stopping by Ctrl-C while waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream import _runtime as runtime


def _values(dataset: Any) -> list[Any]:
    return [x.tolist() for x in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("calls", [1, 2, 7, tf.data.AUTOTUNE])
@pytest.mark.parametrize("drop", [False, True])
def test_batches_that_threads_join_are_those_made_one_by_one(calls: int, drop: bool) -> None:
    rows = tf.data.Dataset.range(101).map(lambda x: (tf.fill([5000], x), tf.strings.as_string(x)))
    for one, other in zip(rows.batch(4, drop), rows.batch(4, drop, num_parallel_calls=calls), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_batches_without_an_order_hold_each_element_once() -> None:
    rows = tf.data.Dataset.range(64).map(lambda x: tf.fill([100_000], x))
    found = [b[:, 0].numpy().tolist() for b in rows.batch(4, num_parallel_calls=4, deterministic=False)]
    assert sorted(found) == [list(range(i, i + 4)) for i in range(0, 64, 4)]


def test_batches_are_joined_by_several_threads_at_once() -> None:
    _end_threads()
    before = _native_threads()
    batches = iter(tf.data.Dataset.range(400).map(lambda x: tf.fill([200_000], x)).batch(16, num_parallel_calls=3))
    for _ in range(8):
        next(batches)
    assert _native_threads() >= before + 3


def _end_threads() -> None:
    runtime.stop_readers(10)
    time.sleep(0.2)  # one that has ended its work is still there for a moment


def _native_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_a_row_that_does_not_fit_is_named_by_threads_too() -> None:
    rows = tf.data.Dataset.range(1, 9).map(lambda n: tf.fill([n // 5 + 1], n))
    batches = iter(rows.batch(3, num_parallel_calls=2))
    assert next(batches).shape == (3, 1)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"component 0.*\[1\].*\[2\].*ParallelBatchDataset, element 1"
    ):
        next(batches)


def _spans(n: Any) -> Any:
    return tf.data.Dataset.range(10 * n, 10 * n + n % 5)


@pytest.mark.parametrize(("cycle", "block"), [(1, 1), (2, 1), (3, 2), (4, 7), (16, 3)])
@pytest.mark.parametrize("calls", [2, tf.data.AUTOTUNE])
def test_threads_keep_the_order_of_turns(cycle: int, block: int, calls: int) -> None:
    spans = tf.data.Dataset.range(23)
    calls = min(calls, cycle)
    assert _values(spans.interleave(_spans, cycle, block, calls)) == _values(spans.interleave(_spans, cycle, block))


def test_turns_without_an_order_give_each_element_once() -> None:
    spans = tf.data.Dataset.range(23)
    found = _values(spans.interleave(_spans, 4, 2, 4, deterministic=False))
    assert sorted(found) == sorted(_values(spans.flat_map(_spans)))


def test_a_slow_dataset_does_not_hold_up_turns_without_an_order() -> None:
    go_on = threading.Event()

    def wait(n: np.ndarray) -> np.ndarray:
        if n == 0:
            go_on.wait(20)
        return n

    def span(n: Any) -> Any:
        numbers = tf.data.Dataset.from_tensors(n).repeat(3)
        return numbers.map(lambda x: tf.ensure_shape(tf.numpy_function(wait, [x], tf.int64), []))

    found = iter(tf.data.Dataset.range(3).interleave(span, 3, 1, 3, deterministic=False))
    first = [int(next(found)) for _ in range(6)]
    go_on.set()
    assert sorted(first) == [1, 1, 1, 2, 2, 2]
    assert [int(x) for x in found] == [0, 0, 0]


_PIPELINES: dict[str, Callable[[], Any]] = {
    "flat_map": lambda: tf.data.Dataset.range(9).flat_map(_spans),
    "interleave": lambda: tf.data.Dataset.range(9).interleave(_spans, 3, 2),
    "interleave by threads": lambda: tf.data.Dataset.range(9).interleave(_spans, 3, 2, 3),
    "interleave of shuffles": lambda: tf.data.Dataset.range(9).interleave(
        lambda n: _spans(n).shuffle(3, seed=1), 2, 1, 2
    ),
    "unbatch": lambda: tf.data.Dataset.range(20).batch(3).unbatch(),
    "rebatch": lambda: tf.data.Dataset.range(20).batch(3).rebatch([2, 5]),
    "padded_batch": lambda: tf.data.Dataset.range(20).map(lambda n: tf.fill([n % 4], n)).padded_batch(3),
    "ragged_batch": lambda: tf.data.Dataset.range(20).map(lambda n: tf.fill([n % 4], n)).ragged_batch(3),
    "parallel batch": lambda: tf.data.Dataset.range(40).batch(3, num_parallel_calls=2),
    "cache": lambda: tf.data.Dataset.range(20).shuffle(20, seed=3).cache(),
    "cache read twice": lambda: tf.data.Dataset.range(7).cache().repeat(2),
    "window": lambda: (
        tf.data.Dataset.range(20).shuffle(5, seed=2).window(4, 3, 2).flat_map(lambda w: w.batch(4))  # type: ignore[no-any-return]
    ),
    "group_by_window": lambda: tf.data.Dataset.range(20).group_by_window(
        lambda x: x % 3, lambda k, w: w.shuffle(4, seed=1), 4
    ),
    "bucket_by_sequence_length": lambda: (
        tf.data.Dataset.range(20)
        .map(lambda n: tf.fill([n % 6], n))
        .bucket_by_sequence_length(tf.size, [2, 4], [2, 3, 2])
    ),
    "scan": lambda: tf.data.Dataset.range(20).scan(np.int64(0), lambda s, x: (s + x, s * x)),
}


@pytest.mark.parametrize("name", _PIPELINES)
@pytest.mark.parametrize("read", [0, 1, 4, 9, 13])
def test_saved_iterators_go_on_where_they_were(name: str, read: int) -> None:
    first, again = iter(_PIPELINES[name]()), iter(_PIPELINES[name]())
    for _ in range(read):
        if next(first, None) is None:
            break
    again.restore(first.save())
    assert [_lists(x) for x in again] == [_lists(x) for x in first]


def _lists(x: Any) -> Any:
    return x.to_list() if isinstance(x, tf.RaggedTensor) else x.numpy().tolist()


def test_a_cache_is_filled_once_and_shared() -> None:
    made = []

    def note(x: np.ndarray) -> np.ndarray:
        made.append(int(x))
        return x

    cached = tf.data.Dataset.range(5).map(lambda x: tf.numpy_function(note, [x], tf.int64)).cache()
    next(iter(cached))  # an iteration that does not end keeps nothing
    for _ in range(3):
        assert [int(x) for x in cached] == [0, 1, 2, 3, 4]
    assert made == [0, 0, 1, 2, 3, 4]


def test_elements_of_other_kinds_are_cached_as_they_are() -> None:
    ragged = tf.data.Dataset.from_tensor_slices(tf.ragged.constant([[[1], []], [[2, 3]]])).cache()
    for _ in range(2):
        assert [x.to_list() for x in ragged] == [[[1], []], [[2, 3]]]
    windows = tf.data.Dataset.range(4).window(2).cache()
    for _ in range(2):
        assert [_values(w) for w in windows] == [[0, 1], [2, 3]]


def test_padding_fills_texts_and_axes_between() -> None:
    texts = tf.data.Dataset.range(1, 4).map(lambda n: tf.fill([n, 4 - n], tf.strings.as_string(n)))
    found = texts.padded_batch(3, [3, None], "-")
    expected = np.full([3, 3, 3], b"-", object)
    for i, n in enumerate(range(1, 4)):
        expected[i, :n, : 4 - n] = str(n).encode()
    np.testing.assert_array_equal(next(iter(found)).numpy(), expected)


@pytest.mark.parametrize("splits", [tf.int32, tf.int64])
def test_ragged_batches_of_several_axes_hold_what_each_row_holds(splits: Any) -> None:
    rows = [np.arange(n * m * 2).reshape(n, m, 2) for n, m in [(2, 3), (0, 4), (1, 0), (3, 1)]]
    numbers = tf.data.Dataset.from_generator(lambda: rows, output_signature=tf.TensorSpec([None, None, 2], tf.int64))
    texts = numbers.map(lambda x: (x, tf.strings.as_string(x)))
    for given in (texts, texts.map(lambda x, y: (x, y, tf.RaggedTensor.from_tensor(x)))):
        first, second = [batch[:2] for batch in given.ragged_batch(3, row_splits_dtype=splits)]
        for part, kind in ((0, np.array), (1, lambda r: np.array(r).astype(str).astype("S"))):
            assert first[part].to_list() == [kind(r).tolist() for r in rows[:3]]
            assert second[part].to_list() == [kind(rows[3]).tolist()]
            assert first[part].ragged_rank == 2 and first[part].row_splits.dtype is splits


def test_ragged_batches_may_hold_rows_of_nothing() -> None:
    nothing = tf.data.Dataset.range(3).map(lambda n: tf.ensure_shape(tf.zeros([n, 0]), [None, 0]))
    for given in (nothing, nothing.map(lambda x: (x, tf.ragged.constant([[1]])))):
        (batch,) = given.ragged_batch(3)
        found = batch[0] if isinstance(batch, tuple) else batch
        assert found.row_lengths().numpy().tolist() == [0, 1, 2] and found.flat_values.shape == (3, 0)


def test_rows_of_unequal_numbers_are_refused_by_name() -> None:
    pairs = tf.data.Dataset.range(1, 3).map(lambda n: (tf.fill([2], n), tf.fill([2 * n], n)))
    rows = iter(pairs.unbatch())
    assert [int(next(rows)[0]) for _ in range(2)] == [1, 1]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"same batch size.*2 and 4.*UnbatchDataset, element 1"):
        next(rows)


_WAITING = {
    "window": "tf.data.Dataset.range(2**60).window(2**59)",
    "window shift": "tf.data.Dataset.range(2**60).window(1, 2**59).skip(1)",
    "group_by_window": "tf.data.Dataset.range(2**60).group_by_window(lambda x: x, lambda k, w: w, 2).take(1)",
    "prefetch": "slow().prefetch(2)",
    "map": "tf.data.Dataset.range(8).map(sleeping, num_parallel_calls=4)",
    "interleave": "tf.data.Dataset.range(4).interleave(lambda n: slow(), 2, 1, 2)",
    "batch": "slow().batch(2, num_parallel_calls=2).prefetch(1)",
    "filter": "tf.data.Dataset.counter().filter(lambda x: x < 0)",
    "skip": "tf.data.Dataset.range(2**60).skip(2**59)",
    "shuffle": "tf.data.Dataset.range(2**60).skip(2**59).shuffle(4)",
    "repeat": "tf.data.Dataset.range(9).repeat().filter(lambda x: x < 0).batch(2)",
}


@pytest.mark.parametrize("name", _WAITING)
def test_control_c_comes_through_while_an_element_is_awaited(name: str, tmp_path: Path) -> None:
    program = tmp_path / "waits.py"
    program.write_text(
        f"""
import os, signal, threading, time
import millstream as tf
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs behind a shell's "&" ignores it otherwise
def sleep(x):
    time.sleep(60)
    return x
def sleeping(x):
    return tf.numpy_function(sleep, [x], tf.int64)
def slow():
    return tf.data.Dataset.range(4).map(sleeping)
iterator = iter({_WAITING[name]})
sent = []
def send():
    time.sleep(0.3)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
try:
    threading.Thread(target=send).start()
    next(iterator)
except KeyboardInterrupt:
    print(time.perf_counter() - sent[0])
assert [int(x) for x in tf.data.Dataset.range(6).prefetch(1).batch(2, num_parallel_calls=2).unbatch()] == list(range(6))
"""
    )
    ran = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < 20  # 0.1 s on a machine that is not busy; what is awaited takes a minute


def test_threads_of_tuned_stages_follow_what_is_waited_for_and_their_bytes_stay_in_the_budget() -> None:
    def calls_at_once(budget: int) -> int:
        running, most, lock = 0, 0, threading.Lock()

        def slow(x: np.ndarray) -> np.ndarray:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.004)
            with lock:
                running -= 1
            return x

        options = tf.data.Options()
        options.autotune.ram_budget = budget
        wide = tf.data.Dataset.range(150).map(
            lambda x: tf.fill([50_000], tf.numpy_function(slow, [x], tf.int64)), tf.data.AUTOTUNE
        )
        assert sum(1 for _ in wide.with_options(options)) == 150
        return most

    assert calls_at_once(100_000) <= 2  # less than one element: no thread is added
    most = 2 * runtime.thread_count()
    assert min(most, 3) <= calls_at_once(1 << 30) <= most


@pytest.mark.parametrize(
    "after", [lambda d: d, lambda d: d.prefetch(1), lambda d: tf.data.Dataset.range(2).interleave(lambda _: d, 2, 1, 2)]
)
def test_an_element_larger_than_memory_is_an_error_of_its_own(after: Callable[[Any], Any]) -> None:
    wide = tf.data.Dataset.range(3).map(lambda x: tf.fill([1], x)).padded_batch(2, [2**45])
    with pytest.raises(tf.errors.ResourceExhaustedError, match="not enough memory"):
        next(iter(after(wide)))


@pytest.mark.parametrize("calls", [None, 4])
@pytest.mark.parametrize("ordered", [True, False])
def test_wide_rows_of_batches_are_those_of_narrow_ones(calls: int | None, ordered: bool) -> None:
    """Wide rows are made at their places in the batch: failures, restarts and what is kept must not see it."""

    def rows(width: int) -> Any:
        def widened(n: Any) -> Any:
            tf.debugging.assert_none_equal(n % 9, tf.constant(4, tf.int64))
            return tf.repeat(tf.expand_dims(n, 0), width), n

        mapped = tf.data.Dataset.range(100).map(widened, num_parallel_calls=calls, deterministic=ordered)
        return mapped.batch(6).ignore_errors()

    wide = [(x.numpy(), n.numpy()) for x, n in rows(8 * 1024)]
    for x, n in wide:
        np.testing.assert_array_equal(x, np.repeat(n[:, None], 8 * 1024, 1))
    if ordered:
        assert [n.tolist() for _, n in wide] == [n.numpy().tolist() for _, n in rows(1)]
    iterator = iter(rows(8 * 1024))
    kept = [next(iterator) for _ in range(5)]
    state = tf.train.Checkpoint(iterator=iterator)
    with tempfile.TemporaryDirectory() as folder:
        path = state.save(f"{folder}/state")
        later = [n.numpy().tolist() for _, n in iterator]
        state.restore(path)
        assert not ordered or [n.numpy().tolist() for _, n in iterator] == later
    for x, n in kept:
        np.testing.assert_array_equal(x.numpy(), np.repeat(n.numpy()[:, None], 8 * 1024, 1))


def test_no_more_threads_are_started_than_there_are_elements() -> None:
    dataset = tf.data.Dataset.range(20).map(lambda x: tf.numpy_function(np.negative, [x], tf.int64), 1_000_000)
    assert _values(dataset) == [-n for n in range(20)]
