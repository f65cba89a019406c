"""Datasets of files, and datasets kept in files: contents, compression, damage, what is written when."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.base.checksums import crc32c, masked_crc32c
from millstream.base.records import framed_record

Dataset = tf.data.Dataset


def values(dataset: Any) -> list[Any]:
    return [
        tf.nest.map_structure(lambda x: x.tolist() if hasattr(x, "tolist") else x, e)
        for e in dataset.as_numpy_iterator()
    ]


def packed(data: bytes, compression: str) -> bytes:
    return gzip.compress(data) if compression == "GZIP" else zlib.compress(data) if compression == "ZLIB" else data


def test_crc32c_has_the_known_sums_and_goes_on_from_a_part() -> None:
    assert crc32c(b"") == 0
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    data = np.random.default_rng(0).bytes(5000)
    for cut in (0, 1, 3, 1023, 1024, 1025, 4999):
        assert crc32c(data[cut:], crc32c(data[:cut])) == crc32c(data)
    assert masked_crc32c(b"foo") != crc32c(b"foo")


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_lines_come_without_their_ends(tmp_path: Path, compression: str) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(packed(b"one\r\ntwo\n\nlast", compression))
    second.write_bytes(packed(b"x\n" * 3, compression))
    dataset = tf.data.TextLineDataset([str(first), str(second)], compression_type=compression)
    assert values(dataset) == [b"one", b"two", b"", b"last", b"x", b"x", b"x"]
    assert dataset.element_spec == tf.TensorSpec([], tf.string)
    both = Dataset.from_tensor_slices([str(first), str(second)])
    turns = tf.data.TextLineDataset(both, compression_type=compression, num_parallel_reads=2)
    assert values(turns) == [b"one", b"x", b"two", b"x", b"", b"x", b"last"]


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_records_are_read_as_they_were_written(tmp_path: Path, compression: str) -> None:
    path = str(tmp_path / "records")
    rows = [b"", b"abc", bytes(3000)]
    tf.data.experimental.TFRecordWriter(path, compression).write(Dataset.from_tensor_slices(rows))
    assert values(tf.data.TFRecordDataset(path, compression)) == rows


def test_a_record_that_tensorflow_wrote_is_read(tmp_path: Path) -> None:
    # tf.io.TFRecordWriter wrote this for b"hello".
    written = bytes.fromhex("0500000000000000eab2043e" + b"hello".hex() + "bb1f1c19")
    (tmp_path / "r").write_bytes(written)
    assert values(tf.data.TFRecordDataset(str(tmp_path / "r"))) == [b"hello"]
    assert framed_record(b"hello") == written


def test_damaged_records_are_refused_and_named(tmp_path: Path) -> None:
    whole = framed_record(b"first") + framed_record(b"second")
    for name, data, text in (
        ("cut", whole[:-3], "truncated record at 21"),
        ("head", whole[:25], "truncated record at 21"),
        ("data", whole[:-6] + b"x" + whole[-5:], "corrupted record at 21"),
        ("length", whole[:21] + b"\7" + whole[22:], "corrupted record at 21"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        iterator = iter(tf.data.TFRecordDataset(str(path)))
        assert next(iterator).numpy() == b"first"
        with pytest.raises(tf.errors.DataLossError, match=f"{text}.*{name}(.|\n)*TFRecordDataset, element 1"):
            next(iterator)


def test_records_of_one_length_stand_between_header_and_footer(tmp_path: Path) -> None:
    path = tmp_path / "fixed"
    path.write_bytes(b"HHaabbccF")
    dataset = tf.data.FixedLengthRecordDataset(str(path), 2, header_bytes=2, footer_bytes=1)
    assert values(dataset) == [b"aa", b"bb", b"cc"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiple of the record length 4"):
        values(tf.data.FixedLengthRecordDataset(str(path), 4))


def test_csv_columns_have_types_and_defaults(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('h1,h2,h3\n1,2.5,"a,b"\n,NA,\n')
    defaults = [tf.constant([7], tf.int64), 1.5, "none"]
    dataset = tf.data.experimental.CsvDataset(str(path), defaults, header=True, na_value="NA")
    assert values(dataset) == [(1, 2.5, b"a,b"), (7, 1.5, b"none")]
    assert [s.dtype for s in dataset.element_spec] == [tf.int64, tf.float32, tf.string]
    picked = tf.data.experimental.CsvDataset(str(path), [tf.string], header=True, select_cols=[2])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Field 0 is required"):
        values(picked)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Field 0 in record is not a valid int32"):
        values(tf.data.experimental.CsvDataset(str(path), [tf.int32], select_cols=[0]))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(tf.errors.NotFoundError, match="nothing_here"):
        next(iter(tf.data.TextLineDataset(str(tmp_path / "nothing_here"))))


ELEMENTS = {"a": np.arange(6).reshape(3, 2), "b": (np.array(["x", "", "long"], object), np.ones(3, np.float32))}


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_what_is_saved_is_loaded_with_its_spec(tmp_path: Path, compression: str | None) -> None:
    dataset = Dataset.from_tensor_slices(ELEMENTS)
    path = str(tmp_path / "saved")
    dataset.save(path, compression=compression)
    read = Dataset.load(path, compression=compression)
    assert read.element_spec == dataset.element_spec
    assert values(read) == values(dataset)
    Dataset.range(2).save(path, compression=compression)
    assert values(Dataset.load(path, compression=compression)) == [0, 1]


def test_shards_are_written_and_joined_by_functions(tmp_path: Path) -> None:
    path = str(tmp_path / "saved")
    Dataset.range(6).save(path, shard_func=lambda x: x % 2)
    assert values(Dataset.load(path)) == [0, 2, 4, 1, 3, 5]
    turns = Dataset.load(path, reader_func=lambda shards: shards.interleave(lambda d: d, cycle_length=2))
    assert values(turns) == [0, 1, 2, 3, 4, 5]


def test_composite_elements_are_saved(tmp_path: Path) -> None:
    path = str(tmp_path / "saved")
    ragged = Dataset.range(3).map(lambda n: tf.fill([n], n)).ragged_batch(2)
    ragged.save(path)
    assert [r.to_list() for r in Dataset.load(path)] == [r.to_list() for r in ragged]


def test_a_save_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = Dataset.range(3).map(lambda x: tf.debugging.check_numerics(1.0 / (1.0 - tf.cast(x, tf.float32)), "zero"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="element 1"):
        broken.save(str(tmp_path / "saved"))
    assert not (tmp_path / "saved").exists()


def test_a_damaged_saved_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "saved"
    Dataset.range(3).save(str(path))
    (file,) = path.glob("*.elements")
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    with pytest.raises(tf.errors.DataLossError, match="ends inside of an element"):
        values(Dataset.load(str(path)))
    file.write_bytes(data[:16] + struct.pack("<I", 999) + data[20:])
    with pytest.raises(tf.errors.DataLossError, match="damaged"):
        values(Dataset.load(str(path)))


def counted(calls: list[int]) -> Any:
    def count(x: Any) -> Any:
        calls.append(int(x))
        return x

    return Dataset.range(3).map(lambda x: tf.py_function(count, [x], tf.int64))


def test_a_cache_file_is_written_by_the_first_whole_iteration(tmp_path: Path) -> None:
    calls: list[int] = []
    path = str(tmp_path / "cache")
    dataset = counted(calls).cache(path)
    next(iter(dataset))
    assert not list(tmp_path.glob("*"))
    assert values(dataset) == values(dataset) == [0, 1, 2]
    assert calls == [0, 0, 1, 2]
    assert values(counted(calls).cache(path)) == [0, 1, 2]
    assert len(calls) == 4


def test_a_cache_file_holds_all_kinds_of_tensors(tmp_path: Path) -> None:
    ragged = tf.ragged.constant([[["a"], []], [["", "bc\0"]]])
    sparse = tf.sparse.from_dense([[0, 1], [2, 0]])
    parts = (ragged, sparse, np.array([1.5, -2]), [True, False], np.zeros((2, 0), np.int8))
    dataset = Dataset.from_tensor_slices(parts).cache(str(tmp_path / "cache"))
    for _ in range(2):
        first, second = list(dataset)
        assert first[0].to_list() == [[b"a"], []] and second[0].to_list() == [[b"", b"bc\0"]]
        assert tf.sparse.to_dense(second[1]).numpy().tolist() == [2, 0]
        assert float(second[2]) == -2 and bool(first[3]) and first[4].shape == (0,)


def test_a_cache_file_of_other_elements_or_of_nobody_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "cache")
    assert values(Dataset.range(3).cache(path)) == [0, 1, 2]
    for other in (Dataset.from_tensors(1.5), Dataset.from_tensors((np.int64(1), np.int64(2)))):
        with pytest.raises(tf.errors.DataLossError, match=r"other types(.|\n)*CacheDataset, element 0"):
            next(iter(other.cache(path)))
    Path(path + ".elements").write_bytes(b"something else")
    with pytest.raises(tf.errors.DataLossError, match="not a file of elements"):
        next(iter(Dataset.range(3).cache(path)))


def test_elements_that_hold_datasets_go_to_no_file(tmp_path: Path) -> None:
    with pytest.raises(tf.errors.UnimplementedError, match="cannot be kept in files"):
        next(iter(Dataset.range(3).window(2).cache(str(tmp_path / "cache"))))
    assert not list(tmp_path.glob("*"))


@pytest.mark.parametrize("whole", [False, True])
def test_an_iterator_over_a_cache_file_goes_on_where_it_was(whole: bool, tmp_path: Path) -> None:
    dataset = Dataset.range(5).map(lambda x: x * x).cache(str(tmp_path / "cache"))
    if whole:
        values(dataset)
    first = iter(dataset)
    for _ in range(2):
        next(first)
    state = first.save()
    assert [int(x) for x in first] == [4, 9, 16]
    if not whole:
        (tmp_path / "cache.elements").unlink()
    again = iter(dataset)
    again.restore(state)
    assert [int(x) for x in again] == [4, 9, 16]
    # What went on in the middle has not the first elements to write.
    assert [p.name for p in tmp_path.glob("*")] == (["cache.elements"] if whole else [])
    assert values(dataset) == [0, 1, 4, 9, 16]


def test_a_cache_file_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(tf.errors.OpError):
        next(iter(Dataset.range(3).cache(str(blocked / "cache"))))


def test_two_iterators_do_not_write_one_cache_file(tmp_path: Path) -> None:
    dataset = Dataset.range(3).cache(str(tmp_path / "cache"))
    first = iter(dataset)
    next(first)
    with pytest.raises(tf.errors.AlreadyExistsError, match="lockfile"):
        next(iter(dataset))


def test_a_snapshot_is_read_where_the_pipeline_is_the_same(tmp_path: Path) -> None:
    calls: list[int] = []
    dataset = counted(calls).snapshot(str(tmp_path))
    assert values(dataset) == values(dataset) == [0, 1, 2]
    assert calls == [0, 1, 2]
    assert values(Dataset.range(4).snapshot(str(tmp_path))) == [0, 1, 2, 3]


def test_list_files_gives_names_in_order_or_at_random(tmp_path: Path) -> None:
    for name in "cab":
        (tmp_path / f"{name}.txt").touch()
    pattern = os.path.join(tmp_path, "*.txt")
    found = [os.path.basename(n).decode() for n in Dataset.list_files(pattern, shuffle=False).as_numpy_iterator()]
    assert found == ["a.txt", "b.txt", "c.txt"]
    assert sorted(values(Dataset.list_files([pattern], seed=2))) == sorted(values(Dataset.list_files(pattern, False)))


def test_ordered_dicts_come_back_from_snapshots_and_files_in_their_order(tmp_path: Path) -> None:
    rows = Dataset.from_tensor_slices([1, 2]).map(lambda x: OrderedDict(b=x, a=x + 1))
    for number in range(2):
        kept = list(rows.snapshot(str(tmp_path / "kept")))
        assert [(type(row), list(row), int(row["a"])) for row in kept] == [
            (OrderedDict, ["b", "a"], n) for n in (2, 3)
        ], number
    rows.save(str(tmp_path / "saved"))
    assert Dataset.load(str(tmp_path / "saved")).element_spec == rows.element_spec


def test_list_files_finds_folders_and_what_matches_twice(tmp_path: Path) -> None:
    for name in ("daisy", "rose"):
        (tmp_path / name).mkdir()
    (tmp_path / "a.txt").touch()
    patterns = [os.path.join(tmp_path, "*"), os.path.join(tmp_path, "a.txt")]
    found = [os.path.basename(n).decode() for n in Dataset.list_files(patterns, shuffle=False).as_numpy_iterator()]
    assert found == ["a.txt", "a.txt", "daisy", "rose"]


@pytest.fixture
def people(tmp_path: Path) -> str:
    (tmp_path / "a.csv").write_text('name,age,weight\nAnn,31,61.5\n"Bo, jr",,70\n')
    (tmp_path / "b.csv").write_text("name,age,weight\nCy,3000000000,1e3\n")
    return str(tmp_path / "*.csv")


def test_columns_of_csv_files_have_the_narrowest_types(people: str) -> None:
    dataset = tf.data.experimental.make_csv_dataset(people, 2, label_name="age", num_epochs=1, shuffle=False)
    features, labels = dataset.element_spec
    assert {k: s.dtype for k, s in features.items()} == {"name": tf.string, "weight": tf.float32}
    assert labels.dtype == tf.int64
    found = [({k: v.numpy().tolist() for k, v in f.items()}, y.numpy().tolist()) for f, y in dataset]
    assert found == [
        ({"name": [b"Ann", b"Bo, jr"], "weight": [61.5, 70.0]}, [31, 0]),
        ({"name": [b"Cy"], "weight": [1000.0]}, [3000000000]),
    ]


def test_csv_columns_are_picked_and_checked(people: str) -> None:
    make = tf.data.experimental.make_csv_dataset
    endless = make(people, 2, select_columns=["age"], column_defaults=[tf.int64], ignore_errors=True)
    assert list(endless.element_spec) == ["age"] and endless.element_spec["age"].shape == [2]
    assert set(next(iter(endless))["age"].numpy().tolist()) <= {31, 3000000000}
    for words, text in (
        ({"label_name": "height"}, "`label_name` provided must be one of the columns"),
        ({"select_columns": ["height"]}, "must be of one of the columns"),
        ({"select_columns": [7]}, "Column index 7"),
        ({"header": False}, "Neither is provided"),
    ):
        with pytest.raises(ValueError, match=text):
            make(people, 2, **words)
    with pytest.raises(ValueError, match="No files match"):
        make(people + "x", 2)


def test_a_bad_row_of_a_csv_file_does_not_end_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,2\n3\n\n5,6\n")
    dataset = tf.data.experimental.CsvDataset(str(path), [tf.int32, tf.int32])
    assert values(dataset.ignore_errors()) == [(1, 2), (5, 6)]
    iterator = iter(dataset)
    next(iterator)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Expect 2 fields but have 1 in record 1 of .*CSVDataset, element 1"
    ):
        next(iterator)
