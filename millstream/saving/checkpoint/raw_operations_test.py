"""tf.raw_ops that write and read checkpoints: at once and in traced functions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import millstream as tf

raw = tf.raw_ops


def write_two(folder: Path) -> Any:
    numbers = tf.reshape(tf.range(20.0), [10, 2])
    raw.SaveV2(
        prefix=f"{folder}/p/a",
        tensor_names=["v", "v", "s"],
        shape_and_slices=["10 2 0,4:-", "10 2 4,6:-", ""],
        tensors=[numbers[:4], numbers[4:], tf.constant(["x"])],
    )
    raw.SaveV2(prefix=f"{folder}/q/b", tensor_names=["w"], shape_and_slices=[""], tensors=[tf.constant([1, 2])])
    return numbers


def read(prefix: str, name: str, dtype: Any, part: str = "") -> Any:
    return (
        raw.RestoreV2(prefix=prefix, tensor_names=[name], shape_and_slices=[part], dtypes=[dtype])[0].numpy().tolist()
    )


def test_parts_are_written_and_read(tmp_path: Path) -> None:
    numbers = write_two(tmp_path)
    assert read(f"{tmp_path}/p/a", "v", tf.float32) == numbers.numpy().tolist()
    assert read(f"{tmp_path}/p/a", "v", tf.float32, "10 2 3,2:1,1") == [[7.0], [9.0]]
    assert raw.Restore(file_pattern=f"{tmp_path}/p/a", tensor_name="s", dt=tf.string).numpy().tolist() == [b"x"]
    part = raw.RestoreSlice(
        file_pattern=f"{tmp_path}/p/a", tensor_name="v", shape_and_slice="10 2 9,1:-", dt=tf.float32
    )
    assert part.numpy().tolist() == [[18.0, 19.0]]


def test_checkpoints_are_merged_and_deleted(tmp_path: Path) -> None:
    numbers = write_two(tmp_path)
    paths = [f"{tmp_path}/p/a", f"{tmp_path}/q/b"]
    with pytest.raises(tf.errors.NotFoundError):
        raw.MergeV2Checkpoints(checkpoint_prefixes=[*paths, f"{tmp_path}/r"], destination_prefix=f"{tmp_path}/m")
    assert sorted(os.listdir(tmp_path)) == ["p", "q"]
    raw.MergeV2Checkpoints(
        checkpoint_prefixes=[*paths, f"{tmp_path}/r"], destination_prefix=f"{tmp_path}/m", allow_missing_files=True
    )
    assert sorted(os.listdir(tmp_path)) == ["m.data-00000-of-00002", "m.data-00001-of-00002", "m.index"]
    assert read(f"{tmp_path}/m", "v", tf.float32) == numbers.numpy().tolist()
    assert tf.train.list_variables(tmp_path / "m") == [("s", [1]), ("v", [10, 2]), ("w", [2])]


def test_names_of_shards_are_made() -> None:
    assert raw.ShardedFilename(basename="x", shard=1, num_shards=3).numpy() == b"x-00001-of-00003"
    assert raw.ShardedFilespec(basename="x", num_shards=3).numpy() == b"x-?????-of-00003"


def test_traced_functions_write_and_read_whenever_they_run(tmp_path: Path) -> None:
    write_two(tmp_path)

    @tf.function
    def step(x: Any) -> Any:
        raw.SaveV2(prefix=f"{tmp_path}/f", tensor_names=["x"], shape_and_slices=[""], tensors=[x * 2.0])
        return raw.RestoreV2(prefix=f"{tmp_path}/q/b", tensor_names=["w"], shape_and_slices=[""], dtypes=[tf.int32])[0]

    for value in (3.0, 4.0):
        assert step(tf.constant([value])).numpy().tolist() == [1, 2]
        assert tf.train.load_variable(tmp_path / "f", "x").tolist() == [2 * value]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    write_two(tmp_path)
    for name, dtype, part, error in (
        ("w", tf.float32, "", tf.errors.InvalidArgumentError),
        ("w", tf.int32, "3 -", tf.errors.InvalidArgumentError),
        ("z", tf.int32, "", tf.errors.NotFoundError),
    ):
        with pytest.raises(error):
            read(f"{tmp_path}/q/b", name, dtype, part)
    with pytest.raises(tf.errors.InvalidArgumentError, match="2 tensor_names and 1 shape_and_slices"):
        raw.SaveV2(prefix=f"{tmp_path}/x", tensor_names=["a", "b"], shape_and_slices=[""], tensors=[1, 2])
