"""Numbers that no dataset takes: refused where they are given, and where a trace learns them only when it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf


def _spans(n: Any) -> Any:
    return tf.data.Dataset.range(n + 1)


_WRONG: dict[str, tuple[Callable[[Any, Any], Any], int, str]] = {
    "batch": (lambda d, n: d.batch(n), 0, "Batch size"),
    "batch calls": (lambda d, n: d.batch(2, num_parallel_calls=n), -7, "num_parallel_calls"),
    "padded_batch": (lambda d, n: d.padded_batch(n), 0, "Batch size"),
    "rebatch": (lambda d, n: d.batch(2).rebatch(n), 0, "Batch size"),
    "rebatch below zero": (lambda d, n: d.batch(2).rebatch(n), -1, "Batch size"),
    "ragged_batch": (lambda d, n: d.ragged_batch(n), 0, "Batch size"),
    "map calls": (lambda d, n: d.map(lambda x: x + 1, num_parallel_calls=n), 0, "num_parallel_calls"),
    "shuffle": (lambda d, n: d.shuffle(n), 0, "buffer_size"),
    "shuffle below zero": (lambda d, n: d.shuffle(n), -5, "buffer_size"),
    "prefetch": (lambda d, n: d.prefetch(n), -5, "buffer_size"),
    "shard": (lambda d, n: d.shard(n, 0), 0, "Number of shards"),
    "shard index": (lambda d, n: d.shard(2, n), 2, "Index must be"),
    "range": (lambda d, n: tf.data.Dataset.range(0, 5, n), 0, "non-zero"),
    "window": (lambda d, n: d.window(n).flat_map(lambda w: w), 0, "Window size"),
    "window shift": (lambda d, n: d.window(2, n).flat_map(lambda w: w), 0, "Window shift"),
    "window stride": (lambda d, n: d.window(2, 1, n).flat_map(lambda w: w), 0, "Window stride"),
    "cycle": (lambda d, n: d.interleave(_spans, n), 0, "cycle_length"),
    "cycle below zero": (lambda d, n: d.interleave(_spans, n), -5, "cycle_length"),
    "block": (lambda d, n: d.interleave(_spans, 2, n), 0, "block_length"),
    "interleave calls": (lambda d, n: d.interleave(_spans, 2, 1, n), 0, "num_parallel_calls"),
    "more calls than cycle": (lambda d, n: d.interleave(_spans, 2, 1, n), 7, "less than or equal to `cycle_length`"),
}


@pytest.mark.parametrize("name", _WRONG)
def test_numbers_that_no_dataset_takes_are_refused_at_once(name: str) -> None:
    make, number, words = _WRONG[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        make(tf.data.Dataset.range(6), number)


@pytest.mark.parametrize("name", _WRONG)
def test_numbers_that_a_trace_learns_when_it_runs_are_refused_then(name: str) -> None:
    make, number, words = _WRONG[name]

    @tf.function
    def total(n: Any) -> Any:
        return make(tf.data.Dataset.range(6), n).reduce(np.int64(0), lambda s, x: s + tf.reduce_sum(x))

    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        total(tf.constant(number, tf.int64))


@pytest.mark.parametrize("sizes", [(0, 0, 0), (1, -1, 0), (1, 0, -1)])
def test_records_of_a_fixed_length_have_sizes_above_zero(sizes: tuple[int, int, int], tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(b"abcdefgh")
    with pytest.raises(tf.errors.InvalidArgumentError, match="_bytes` must be"):
        tf.data.FixedLengthRecordDataset(str(path), *sizes)


def test_a_header_and_footer_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(b"abcdefgh")
    for header, footer in [(9, 0), (0, 9), (5, 5), (2**63 - 1, 2**63 - 1)]:
        with pytest.raises(tf.errors.InvalidArgumentError, match="it has 8 bytes"):
            next(iter(tf.data.FixedLengthRecordDataset(str(path), 1, header, footer)))


@pytest.mark.parametrize("delimiter", ["", ";;", "é"])
def test_fields_are_parted_by_one_byte(delimiter: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="only 1 char"):
        tf.data.experimental.CsvDataset("rows.csv", [1, 2], field_delim=delimiter)


@pytest.mark.parametrize("answer", [[True, False], [], [[True]]])
def test_a_predicate_whose_shape_is_unknown_must_give_a_scalar(answer: list[Any]) -> None:
    def keep(x: Any) -> Any:
        return tf.numpy_function(lambda _: np.array(answer, bool), [x], tf.bool)

    for dataset in (tf.data.Dataset.range(3).filter(keep), tf.data.Dataset.range(3).take_while(keep)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="scalar"):
            next(iter(dataset))


@pytest.mark.parametrize("kind", ["key", "size"])
def test_keys_and_sizes_of_windows_whose_shape_is_unknown_must_be_scalars(kind: str) -> None:
    def odd(x: Any) -> Any:
        return tf.numpy_function(lambda _: np.array([1, 2]), [x], tf.int64)

    numbers = tf.data.Dataset.range(3)
    wrong = (
        numbers.group_by_window(odd, lambda k, w: w, 2)
        if kind == "key"
        else numbers.group_by_window(lambda x: x, lambda k, w: w, window_size_func=odd)
    )
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"GroupByWindowDataset, element 0.*must return a scalar int64"
    ):
        next(iter(wrong))


@pytest.mark.parametrize(
    ("size", "shift", "stride"), [(2**62, 1, 4), (2, 2**62, 1), (2, 1, 2**62), (2**62, 2**62, 2**62)]
)
def test_windows_may_have_any_numbers(size: int, shift: int, stride: int) -> None:
    windows = tf.data.Dataset.range(5).window(size, shift, stride)
    rows = list(range(5))
    expected = [rows[i::stride][:size] for i in range(0, 5, shift)]
    assert [[int(x) for x in w] for w in windows] == expected


def test_a_batch_of_texts_that_failed_leaves_nothing_in_the_next() -> None:
    texts = tf.data.Dataset.range(6).map(
        lambda x: tf.strings.as_string(tf.debugging.check_numerics(1 / (tf.cast(x, tf.float32) - 1), "one"))
    )
    batches = iter(texts.batch(2))
    with pytest.raises(tf.errors.InvalidArgumentError, match="one"):
        next(batches)
    assert [b.numpy().tolist() for b in batches] == [[b"1.000000", b"0.500000"], [b"0.333333", b"0.250000"]]
