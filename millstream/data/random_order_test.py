"""Random numbers of datasets: drawn per iterator, in the caller's thread, whatever other threads draw at the same time."""

from __future__ import annotations

import gc
import os
import threading
import time
from typing import Any

import numpy as np

import millstream as tf
from millstream.data.dataset import Dataset


def permutations(dataset: Dataset) -> list[Any]:
    return [element.numpy().tolist() for element in dataset]


def test_iterators_that_nobody_reads_do_not_move_the_streams_of_others() -> None:
    def epochs(unread: int) -> list[Any]:
        tf.random.set_seed(7)
        dataset = Dataset.range(1).map(lambda _: tf.random.shuffle(tf.range(20))).prefetch(1)
        kept = []
        for _ in range(unread):
            iterator = iter(dataset)
            kept.append(iterator)
            time.sleep(0.01)
        return [permutations(dataset) for _ in range(2)]

    assert epochs(0) == epochs(3)


def test_each_iterator_begins_the_random_streams_of_functions_anew() -> None:
    tf.random.set_seed(7)
    dataset = Dataset.range(4).map(lambda _: tf.random.uniform([]))
    first = [float(x) for x in dataset]
    assert first == [float(x) for x in dataset]
    assert len(set(first)) == 4


def test_set_seed_does_not_touch_an_iterator_that_is_under_way() -> None:
    tf.random.set_seed(7)
    dataset = Dataset.range(4).map(lambda _: tf.random.uniform([]))
    whole = [float(x) for x in dataset]
    iterator = iter(dataset)
    parts = [float(next(iterator)), float(next(iterator))]
    tf.random.set_seed(7)
    assert [*parts, *(float(x) for x in iterator)] == whole


def test_equal_seeds_give_equal_orders_while_other_threads_draw() -> None:
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            tf.random.uniform([2], seed=3)

    def epochs() -> list[Any]:
        tf.random.set_seed(11)
        indices = Dataset.range(1).map(lambda _: tf.random.shuffle(tf.range(32))).prefetch(1)
        batches = indices.flat_map(lambda order: Dataset.from_tensor_slices(tf.reshape(order, [4, 8]))).prefetch(2)
        words = Dataset.range(9).shuffle(4).map(lambda x: tf.cast(x, tf.float32) + tf.random.uniform([])).prefetch(2)
        return [(permutations(batches), [float(x) for x in words]) for _ in range(2)]

    other = threading.Thread(target=draw)
    other.start()
    try:
        runs = [epochs() for _ in range(10)]
    finally:
        stop.set()
        other.join()
    assert all(run == runs[0] for run in runs)


def test_threads_end_with_the_iterator_that_they_work_for() -> None:
    def threads() -> set[str]:
        return set(os.listdir("/proc/self/task"))

    def slow(x: Any) -> Any:
        return tf.numpy_function(lambda value: (time.sleep(0.001), value)[1], [x], tf.int64)

    before = threads()
    iterator = iter(Dataset.range(10**9).map(slow, num_parallel_calls=2).prefetch(4))
    assert int(next(iterator)) == 0
    started = threads() - before
    assert len(started) >= 3
    del iterator
    gc.collect()
    for _ in range(1000):
        if not started & threads():
            break
        time.sleep(0.02)
    assert not started & threads()


def test_shuffles_without_seeds_differ() -> None:
    tf.random.set_seed(None)
    orders = [tuple(np.array(permutations(Dataset.range(50).shuffle(50))).tolist()) for _ in range(3)]
    assert len(set(orders)) == 3
