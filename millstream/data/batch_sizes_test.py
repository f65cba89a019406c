"""Batch sizes as TensorFlow reads them off datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import millstream as tf

Dataset = tf.data.Dataset


def batches(size: int = 4) -> Any:
    return Dataset.range(20).batch(size)


CASES: list[tuple[str, Callable[[], Any], int]] = [
    ("batch", batches, 4),
    ("whole batches", lambda: Dataset.range(20).batch(4, True), 4),
    ("padded", lambda: Dataset.range(20).padded_batch(3), 3),
    ("the last of two", lambda: batches().batch(2), 2),
    ("passed on", lambda: batches().filter(lambda x: True).prefetch(2).repeat(2).shuffle(3).take(2).skip(1).cache(), 4),
    ("sharded", lambda: batches().shard(2, 0), 4),
    ("zipped", lambda: Dataset.zip((batches(), batches())), 4),
    ("zipped, differing", lambda: Dataset.zip((batches(), batches(3))), -1),
    ("joined", lambda: batches().concatenate(batches()), 4),
    ("joined, differing", lambda: batches().concatenate(batches(3)), -1),
    ("mapped", lambda: batches().map(lambda x: x + 1), -1),
    ("rebatched", lambda: batches().rebatch(3), -1),
    ("rebatched to whole", lambda: batches().rebatch(3, True), 3),
    ("flattened", lambda: Dataset.range(3).flat_map(lambda x: Dataset.range(8).batch(4)), -1),
    ("of slices", lambda: Dataset.from_tensor_slices(tf.zeros([6, 4])), 4),
    ("of a tensor", lambda: Dataset.from_tensors((tf.zeros([3, 2]), tf.zeros([3]))), 3),
    ("of tensors that differ", lambda: Dataset.from_tensors((tf.zeros([3, 2]), tf.zeros([4]))), -1),
]


@pytest.mark.parametrize(("make", "size"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_batch_size_is_the_one_that_tensorflow_reads(make: Callable[[], Any], size: int) -> None:
    assert int(make()._rows_of_batches()) == size


def test_scalars_have_no_batch_size() -> None:
    with pytest.raises(IndexError, match="index out of range"):
        Dataset.range(3)._rows_of_batches()


def test_only_batches_have_the_size_they_were_given() -> None:
    assert int(batches()._batch_size) == 4
    assert not hasattr(batches().map(lambda x: x), "_batch_size")


@pytest.mark.parametrize(
    ("rows", "sizes", "drop", "lead"),
    [(4, 2, False, 2), (4, [2, 2], False, 2), (4, 3, False, None), (4, [2, 1], True, None), (4, 8, True, 8)],
)
def test_batches_of_other_sizes_say_theirs_where_none_is_smaller(rows: int, sizes: Any, drop: bool, lead: Any) -> None:
    batches = tf.data.Dataset.range(12).batch(rows, drop_remainder=True)
    assert batches.rebatch(sizes, drop).element_spec.shape.as_list() == [lead]


def test_components_with_batches_of_different_sizes_are_not_cut() -> None:
    numbers = tf.data.Dataset.range(12)
    both = tf.data.Dataset.zip(numbers.batch(4, True), numbers.batch(6, True))
    with pytest.raises(ValueError, match=r"\[4, 6\] rows"):
        both.rebatch(2)
