"""Files of checkpoints: parts and shards, damage, a full disk, and writers that are killed."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import millstream as tf
from millstream.base import errors
from millstream.base.messages import message
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.bundle_writer import BundleWriter
from millstream.saving.slices import Part
from millstream.saving.table import read_table, write_table


def write(prefix: Path | str, shards: int = 1, **arrays: object) -> None:
    with BundleWriter(str(prefix), shards) as writer:
        for number, (name, value) in enumerate(arrays.items()):
            writer.add(name, tf.constant(value), shard=number % shards)


def changed_entry(prefix: Path, name: str, **fields: object) -> None:
    """Say something else of a tensor in the index of a checkpoint."""
    path = Path(f"{prefix}.index")
    items = read_table(path.read_bytes(), str(path))
    entry = message("BundleEntryProto").FromString(items[name.encode()])
    for key, value in fields.items():
        if key == "sizes":
            del entry.shape.dim[:]
            for size in value:  # type: ignore[attr-defined]
                entry.shape.dim.add(size=size)
        else:
            setattr(entry, key, value)
    items[name.encode()] = entry.SerializeToString()
    path.write_bytes(write_table(list(items.items())))


def test_parts_are_joined_and_cut(tmp_path: Path) -> None:
    numbers = np.arange(20, dtype=np.float32).reshape(10, 2)
    with BundleWriter(str(tmp_path / "a"), 2) as writer:
        writer.add("v", tf.constant(numbers[:4]), Part.of_text("10 2 0,4:-"))
        writer.add("v", tf.constant(numbers[4:]), Part.of_text("10 2 4,6:-"), shard=1)
        writer.add("w", tf.constant(numbers))
    reader = BundleReader(str(tmp_path / "a"))
    assert reader.names == ["v", "w"]
    for name in reader.names:
        assert reader.array(name).tolist() == numbers.tolist()
        assert reader.tensor(name, Part.of_text("10 2 3,3:1,1")).numpy().tolist() == [[7.0], [9.0], [11.0]]
    with pytest.raises(errors.InvalidArgumentError, match="asked for a part of"):
        reader.array("v", Part.of_text("9 2 0,1:-"))


def test_files_of_machines_with_the_other_order_of_bytes_are_read(tmp_path: Path) -> None:
    numbers = np.array([[1, 2, 3], [256, 65536, -1]], np.int32)
    write(tmp_path / "a", i=numbers, c=np.array([1.5 - 2j], np.complex128), u=np.array([7], np.uint8))
    with BundleWriter(str(tmp_path / "b")) as writer:
        for name in ("i", "c", "u"):
            found = BundleReader(str(tmp_path / "a")).array(name)
            writer.add(name, tf.constant(found.byteswap()))
    path = tmp_path / "b.index"
    items = read_table(path.read_bytes(), "b")
    items[b""] = message("BundleHeaderProto")(num_shards=1, endianness=1).SerializeToString()
    path.write_bytes(write_table(list(items.items())))
    reader = BundleReader(str(tmp_path / "b"))
    assert reader.array("i").tolist() == numbers.tolist()
    assert reader.tensor("i").numpy().tolist() == numbers.tolist()
    assert reader.array("c").tolist() == [1.5 - 2j]
    assert reader.array("u").tolist() == [7]


@pytest.mark.parametrize("text", ["", "3", "3 0,4", "3 -1,2", "3 1", "a -", "3 2 -", "3 1,1:-"])
def test_texts_that_name_no_part_are_refused(text: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="part"):
        Part.of_text(text)


def test_a_part_that_is_missing_is_noticed(tmp_path: Path) -> None:
    with BundleWriter(str(tmp_path / "a")) as writer:
        writer.add("v", tf.ones([3, 2]), Part.of_text("10 2 0,3:-"))
    with pytest.raises(errors.DataLossError, match="hold 6 of the 20 elements"):
        BundleReader(str(tmp_path / "a")).array("v")


def test_names_are_written_once_and_parts_go_together(tmp_path: Path) -> None:
    writer = BundleWriter(str(tmp_path / "a"))
    writer.add("v", tf.constant(1))
    with pytest.raises(errors.InvalidArgumentError, match="duplicate key: v"):
        writer.add("v", tf.constant(2))
    with pytest.raises(errors.InvalidArgumentError, match="something else"):
        writer.add("v", tf.ones([1]), Part.of_text("2 0,1"))
    with pytest.raises(errors.InvalidArgumentError, match="cannot be its part"):
        writer.add("w", tf.ones([2]), Part.of_text("2 0,1"))
    with pytest.raises(errors.InvalidArgumentError, match="cannot be the name"):
        writer.add("", tf.ones([2]))
    writer.drop()
    assert os.listdir(tmp_path) == []


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFoundError, match=r"Failed to find any matching files for .*nothing"):
        BundleReader(str(tmp_path / "nothing"))
    write(tmp_path / "a", v=1)
    os.unlink(tmp_path / "a.data-00000-of-00001")
    with pytest.raises(errors.NotFoundError, match="data-00000"):
        BundleReader(str(tmp_path / "a")).array("v")
    with pytest.raises(errors.NotFoundError, match="Key w not found in checkpoint"):
        BundleReader(str(tmp_path / "a")).array("w")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sizes": [2**40]}, "bytes, in 12 bytes"),
        ({"sizes": [-3]}, r"has the sizes \[-3\]"),
        ({"sizes": [2**62, 2**62]}, "bytes, in 12 bytes"),
        ({"sizes": [2**40], "size": 2**42}, "it has 12 bytes"),
        ({"offset": 1}, "it is cut off"),
        ({"offset": -1}, "points to"),
        ({"size": -1}, "points to"),
        ({"shard_id": 7}, "of file 7 of 1"),
        ({"crc32c": 5}, "have the sum"),
        ({"dtype": 9}, "in 12 bytes"),
        ({"dtype": 7, "sizes": [3]}, "."),
        ({"dtype": 7, "sizes": [2**40]}, "strings in 12 bytes"),
        ({"dtype": 99}, "unknown element type 99"),
    ],
)
def test_what_an_index_says_is_checked_before_memory_is_taken(tmp_path: Path, fields: dict, words: str) -> None:
    write(tmp_path / "a", v=np.arange(3, dtype=np.int32))
    changed_entry(tmp_path / "a", "v", **fields)
    with pytest.raises(errors.DataLossError, match=words):
        BundleReader(str(tmp_path / "a")).array("v")


def test_every_changed_byte_of_the_data_is_found(tmp_path: Path) -> None:
    write(tmp_path / "a", v=np.arange(5, dtype=np.int16), s=[b"abc", b"", b"x" * 200])
    path = tmp_path / "a.data-00000-of-00001"
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x21]) + data[at + 1 :])
        reader = BundleReader(str(tmp_path / "a"))
        with pytest.raises(errors.DataLossError, match="is damaged"):
            [reader.array(name) for name in reader.names]


def test_indexes_with_changed_entries_raise_or_are_read_in_bounded_memory(tmp_path: Path) -> None:
    chosen = random.Random(3)
    write(tmp_path / "a", v=np.arange(6, dtype=np.float32), s=[b"abc", b"", b"xyz"], b=[True, False])
    path = tmp_path / "a.index"
    items = read_table(path.read_bytes(), "a")
    outcomes: dict[str, int] = {}
    for _ in range(3000):
        key = chosen.choice(list(items))
        value = bytearray(items[key])
        for _ in range(chosen.randrange(1, 3)):
            at = chosen.randrange(len(value) + 1)
            value[at : at + chosen.randrange(2)] = chosen.choice((b"", b"\xff", bytes([chosen.randrange(256)])))
        path.write_bytes(write_table(list({**items, key: bytes(value)}.items())))
        try:
            reader = BundleReader(str(tmp_path / "a"))
            for name in reader.names:
                assert reader.array(name).nbytes < 1000
            outcomes["read"] = outcomes.get("read", 0) + 1
        except errors.OpError as error:
            outcomes[type(error).__name__] = outcomes.get(type(error).__name__, 0) + 1
    assert outcomes["DataLossError"] > 1000


def test_an_overwritten_checkpoint_leaves_no_old_files(tmp_path: Path) -> None:
    for round_ in range(4):
        write(tmp_path / "a", v=np.full(5, round_))
        assert BundleReader(str(tmp_path / "a")).array("v").tolist() == [round_] * 5
        assert all(name.startswith("a.") for name in os.listdir(tmp_path))
    assert len([name for name in os.listdir(tmp_path) if ".data-" in name]) <= 2


def test_a_writer_that_fails_keeps_the_old_one(tmp_path: Path) -> None:
    write(tmp_path / "a", v=1)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(ZeroDivisionError), BundleWriter(str(tmp_path / "a")) as writer:
        writer.add("v", tf.constant(2))
        raise ZeroDivisionError
    assert sorted(os.listdir(tmp_path)) == before
    assert BundleReader(str(tmp_path / "a")).array("v") == 1


def test_a_full_disk_is_reported_and_keeps_the_old_one(tmp_path: Path) -> None:
    write(tmp_path / "a", v=1)
    before = sorted(os.listdir(tmp_path))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # A limit on the size of files is refused by the system just as a full disk is.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, old[1]))
    try:
        with pytest.raises(errors.OutOfRangeError, match="File too large"):
            write(tmp_path / "a", v=np.zeros(1 << 18))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert sorted(os.listdir(tmp_path)) == before
    assert BundleReader(str(tmp_path / "a")).array("v") == 1


def test_a_device_without_room_is_reported(tmp_path: Path) -> None:
    writer = BundleWriter(str(tmp_path / "a"))
    shard = writer._shard(0)
    shard.file.close()
    shard.file = open("/dev/full", "wb")  # noqa: SIM115 - closed by the writer
    with pytest.raises(errors.ResourceExhaustedError, match="No space left"):
        writer.add("v", tf.zeros([1 << 20]))
    writer.drop()
    assert os.listdir(tmp_path) == []


OVERWRITE = """
import sys, numpy as np
import millstream as tf
from millstream.saving.bundle_writer import BundleWriter
round_ = 0
while True:
    round_ += 1
    with BundleWriter(sys.argv[1], 1 + round_ % 2) as writer:
        for name in "abc":
            writer.add(name, tf.constant(np.full(20000, round_)))
    print(round_, flush=True)
"""


@pytest.mark.slow
def test_whenever_a_writer_is_killed_the_old_or_the_new_one_is_there(tmp_path: Path) -> None:
    prefix = str(tmp_path / "a")
    chosen = random.Random(5)
    for _ in range(12):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        running = subprocess.Popen([sys.executable, "-c", OVERWRITE, prefix], stdout=subprocess.PIPE)
        assert running.stdout is not None
        running.stdout.readline()
        time.sleep(chosen.random() * 0.05)
        running.kill()
        rounds = [int(line) for line in running.communicate()[0].split()]
        reader = BundleReader(prefix)
        found = {name: set(reader.array(name).tolist()) for name in "abc"}
        assert found["a"] == found["b"] == found["c"]
        (value,) = found["a"]
        assert value >= max(rounds, default=1)


@pytest.mark.slow
def test_a_large_tensor_is_written_and_read_without_a_second_copy(tmp_path: Path) -> None:
    script = """
import resource, sys
import millstream as tf
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.bundle_writer import BundleWriter
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
value = tf.ones([100 << 18])
before = peak()
with BundleWriter(sys.argv[1]) as writer:
    writer.add("v", value)
written = peak() - before
del value
variable = tf.Variable(tf.zeros([1]), shape=[None])
variable.assign(BundleReader(sys.argv[1]).tensor("v"))
print(written, peak() - before, int(variable.shape[0] is None), float(variable[-1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a")], capture_output=True, text=True, check=True, timeout=120
    )
    written, restored, unknown, last = done.stdout.split()
    assert (unknown, last) == ("1", "1.0")
    assert int(written) < 20
    assert int(restored) < 120
