"""tf.data.experimental: databases, tables, features, datasets as variants, and what is not there."""

from __future__ import annotations

import inspect
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import millstream as tf
from millstream.data import outside


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "people")
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "create table t (a text, b integer, c real);"
            "insert into t values ('x', 1, 2.5), (NULL, NULL, NULL), ('12', -3, 0);"
        )
    return path


def test_queries_give_what_tensorflow_gives(database: str) -> None:
    def rows(query: str, *types: Any) -> list[Any]:
        return list(tf.data.experimental.SqlDataset("sqlite", database, query, types).as_numpy_iterator())

    found = rows("select a, b, c from t", tf.string, tf.int32, tf.float64)
    assert found == [(b"x", 1, 2.5), (b"", 0, 0.0), (b"12", -3, 0.0)]
    assert rows("select a, b, c from t", tf.int64, tf.bool, tf.string) == [
        (0, True, b"2.5"), (0, False, b""), (12, True, b"0.0"),
    ]  # fmt: skip
    assert rows("select 300, 99999999999", tf.uint8, tf.int32) == [(44, 1215752191)]


def test_queries_that_fail_say_why(database: str) -> None:
    make = tf.data.experimental.SqlDataset
    with pytest.raises(tf.errors.InvalidArgumentError, match="mysql, is not supported"):
        make("mysql", database, "select a from t", (tf.string,))
    with pytest.raises(tf.errors.InvalidArgumentError, match="output_types"):
        make("sqlite", database, "select c from t", (tf.float32,))
    with pytest.raises(tf.errors.UnknownError, match="no such column"):
        next(iter(make("sqlite", database, "select z from t", (tf.string,))))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"columns in query \(2\) must match"):
        next(iter(make("sqlite", database, "select a, b from t", (tf.string,))))


def test_queries_are_read_ahead_and_restored(database: str) -> None:
    dataset = tf.data.experimental.SqlDataset("sqlite", database, "select b from t", (tf.int32,)).prefetch(2)
    iterator, again = iter(dataset), iter(dataset)
    next(iterator)
    again.restore(iterator.save())
    assert [int(x) for (x,) in again] == [0, -3]


def test_tables_are_filled_from_datasets() -> None:
    words = tf.data.Dataset.from_tensor_slices(["a", "b", "c"])
    table = tf.data.experimental.index_table_from_dataset(words, num_oov_buckets=2, vocab_size=2)
    known, first, other = table.lookup(tf.constant(["b", "a", "zzz"])).numpy().tolist()
    assert (known, first) == (1, 0) and other in (2, 3)
    with pytest.raises(ValueError, match="pair of scalars"):
        tf.data.experimental.DatasetInitializer(words)
    with pytest.raises(ValueError, match="vocab_size"):
        tf.data.experimental.index_table_from_dataset(words, vocab_size=0)


def test_batched_features_come_with_their_label(tmp_path: Path) -> None:
    path = str(tmp_path / "examples")
    with tf.io.TFRecordWriter(path) as writer:
        for i in range(5):
            feature = {
                "x": tf.train.Feature(int64_list=tf.train.Int64List(value=[i, i])),
                "y": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    features = {"x": tf.io.FixedLenFeature([2], tf.int64), "y": tf.io.FixedLenFeature([], tf.float32)}
    dataset = tf.data.experimental.make_batched_features_dataset(
        path, 2, features, label_key="y", num_epochs=1, shuffle=False
    )
    assert [(f["x"].numpy().tolist(), y.numpy().tolist()) for f, y in dataset] == [
        ([[0, 0], [1, 1]], [0.5, 0.5]), ([[2, 2], [3, 3]], [0.5, 0.5]), ([[4, 4]], [0.5]),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="label_key"):
        tf.data.experimental.make_batched_features_dataset(path, 2, features, label_key="z")
    with pytest.raises(TypeError, match="vectors of strings"):
        tf.data.Dataset.range(3).apply(tf.data.experimental.parse_example_dataset(features))


def test_variants_hold_datasets() -> None:
    held = tf.data.experimental.to_variant(tf.data.Dataset.range(3))
    assert held.dtype is tf.variant and held.shape == []
    with pytest.raises(ValueError, match="not TensorSpec"):
        tf.data.experimental.from_variant(held, tf.TensorSpec([], tf.string))


@pytest.mark.parametrize("name", sorted(outside.OUTSIDE))
def test_what_is_not_there_says_what_to_do(name: str) -> None:
    refuse: Any = tf.data.experimental
    for part in name.split("."):
        refuse = getattr(refuse, part)
    needed = [p for p in inspect.signature(refuse).parameters.values() if p.default is p.empty]
    with pytest.raises(tf.errors.UnimplementedError, match=f"{name} is not supported"):
        refuse(*[None for _ in needed])


def test_datasets_of_tensorflow_1_stay_such_and_have_their_iterators() -> None:
    v1 = tf.compat.v1.data
    dataset = v1.Dataset.from_tensor_slices(([1, 2], ["a", "b"])).map(lambda x, y: (x + 1, y)).repeat(2)
    assert dataset.output_types == (tf.int32, tf.string) and v1.get_output_shapes(dataset) == ([], [])
    assert [int(dataset.make_one_shot_iterator().get_next()[0])] == [2]
    assert v1.experimental.Counter().take(1).output_classes is tf.Tensor
    with pytest.raises(RuntimeError, match="eager mode"):
        v1.make_initializable_iterator(dataset)
    iterator = v1.Iterator.from_structure(tf.int64, [])
    with pytest.raises(tf.errors.FailedPreconditionError, match="no dataset yet"):
        iterator.get_next()
    with pytest.raises(TypeError, match="Expected a dataset of"):
        iterator.make_initializer(dataset)
