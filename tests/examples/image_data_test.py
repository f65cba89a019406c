"""The demo's images: IDX files are read whole or refused, and a machine without any still has real digits."""

import gzip
import struct

import numpy as np
import pytest

import image_data


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    target = tmp_path / "mnist"
    target.mkdir()
    for part, count in (("train", 5), ("t10k", 3)):
        images = random.integers(0, 256, (count, 28, 28), np.uint8)
        (target / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (target / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8)))
    monkeypatch.setenv("MILLSTREAM_DATA", str(tmp_path))
    return target


def test_idx_files_are_read_plain_and_gzipped(folder):
    images = image_data.load_images()
    assert images.name == "mnist"
    assert images.train_images.shape == (5, 28, 28, 1)
    assert images.train_images.dtype == np.float32
    assert 0.9 < images.train_images.max() <= 1.0
    assert images.test_labels.tolist() == [0, 1, 2]


def test_a_shortened_file_is_refused_by_name(folder):
    path = folder / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte holds 2 elements"):
        image_data.load_images()


def test_a_file_of_another_kind_is_refused(folder):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="no IDX file"):
        image_data.load_images()


def test_a_missing_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-labels-idx1-ubyte"):
        image_data.load_images()


def test_without_any_files_there_are_the_bundled_digits(tmp_path, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_DATA", str(tmp_path))
    monkeypatch.setattr(image_data, "CHECKOUT", tmp_path / "checkout")
    images = image_data.load_images()
    assert images.train_images.shape == (1437, 28, 28, 1)
    assert len(images.test_images) == image_data.HELD_OUT
    assert set(images.test_labels) == set(range(10))
    assert images.train_images.max() == 1.0
