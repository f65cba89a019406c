"""Compares what is read out of image files with what real TensorFlow read (`testdata/record_image_files.py`); writes them anew."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest

import millstream as tf
from millstream.api.testdata.record_image_files import is_rounded, readings

RECORDED = np.load(pathlib.Path(__file__).parent / "testdata" / "image_files.npz")
ERRORS = json.loads(str(RECORDED["errors"]))
CASES = [tuple(key.split("|")) for key in [*RECORDED.files, *ERRORS] if "|" in key]


def content(file: str) -> bytes:
    return RECORDED[f"file {file}"].tobytes()


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize(("file", "reading"), CASES)
def test_files_are_read_as_tensorflow_reads_them(file: str, reading: str, traced: bool) -> None:
    read = readings(tf)[reading]
    if traced:
        read = tf.function(read, input_signature=[tf.TensorSpec([], tf.string)])
    key = f"{file}|{reading}"
    if key in ERRORS:
        with pytest.raises(tf.errors.InvalidArgumentError):
            read(tf.constant(content(file)))
        return
    if traced and reading == "image expanded" and RECORDED[key].ndim == 4:
        with pytest.raises(tf.errors.UnimplementedError, match="expand_animations=False"):
            read(tf.constant(content(file)))
        return
    have, want = read(tf.constant(content(file))).numpy(), RECORDED[key]
    assert have.dtype == want.dtype
    assert have.shape == want.shape
    if want.dtype.kind == "f":
        np.testing.assert_allclose(have, want, atol=0.05 if is_rounded(file, reading) else 1e-6)
    else:
        step = 257 if want.dtype == np.uint16 else 1
        limit = 16 * step if is_rounded(file, reading) else 0
        assert np.abs(have.astype(np.int64) - want.astype(np.int64)).max(initial=0) <= limit


def pixels(channels: int, kind: Any = np.uint8) -> np.ndarray:
    rows, columns = np.mgrid[0:9, 0:14]
    return np.stack([rows * 9 + columns * (5 + i) for i in range(channels)], -1).astype(kind)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_every_bit(channels: int) -> None:
    image = pixels(channels)
    both = tf.io.encode_png(np.stack([image, image[::-1]]))
    np.testing.assert_array_equal(tf.io.decode_png(both[0]).numpy(), image)
    np.testing.assert_array_equal(tf.io.decode_png(both[1]).numpy(), image[::-1])


def test_png_keeps_sixteen_bits_of_grey() -> None:
    image = pixels(1, np.uint16) * np.uint16(300)
    np.testing.assert_array_equal(tf.io.decode_png(tf.io.encode_png(image), dtype=tf.uint16).numpy(), image)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_near_to_what_was_written(channels: int) -> None:
    image = pixels(channels)
    for options in ({}, {"progressive": True}, {"optimize_size": True, "chroma_downsampling": False}):
        read = tf.io.decode_jpeg(tf.io.encode_jpeg(image, quality=100, **options)).numpy()
        assert read.shape == image.shape
        assert np.abs(read.astype(int) - image).max() < 12


def test_quality_can_be_known_only_when_it_runs() -> None:
    image = tf.constant(pixels(3))
    traced = tf.function(tf.image.adjust_jpeg_quality)
    rough, fine = (np.abs(traced(image, tf.constant(q)).numpy().astype(int) - image.numpy()).mean() for q in (5, 95))
    assert fine < rough
    assert traced(image, tf.constant(5)).shape == [9, 14, 3]
    again = tf.image.stateless_random_jpeg_quality(image, 5, 95, (1, 2))
    np.testing.assert_array_equal(again, tf.image.stateless_random_jpeg_quality(image, 5, 95, (1, 2)))


def test_what_is_not_read_says_so() -> None:
    with pytest.raises(tf.errors.UnimplementedError, match="smoothed"):
        tf.io.decode_jpeg(content("jpeg"), fancy_upscaling=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match="scalar"):
        tf.io.decode_jpeg([content("jpeg")] * 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="channels"):
        tf.io.decode_jpeg(content("jpeg"), channels=2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="1 or 3 channels"):
        tf.io.encode_jpeg(pixels(2))


def test_files_are_read_inside_a_dataset() -> None:
    data = tf.data.Dataset.from_tensor_slices([content("jpeg"), content("png")])
    data = data.map(lambda c: tf.image.resize(tf.io.decode_image(c, 3, expand_animations=False), (4, 5)))
    assert [x.shape.as_list() for x in data] == [[4, 5, 3]] * 2


def _damaged_jpegs() -> dict[str, bytes]:
    whole = tf.io.encode_jpeg(tf.zeros([9, 7, 3], tf.uint8)).numpy()
    frame = whole.index(b"\xff\xc0")
    huge = whole[: frame + 5] + b"\xff\xff\xff\xff" + whole[frame + 9 :]
    end = frame + 2 + int.from_bytes(whole[frame + 2 : frame + 4], "big")
    return {
        "two frames": whole[:end] + whole[frame:],
        "more than": huge,
        "cut off": whole[: frame + 4],
        "before its frame": whole[:frame] + whole[end:],
        "not enough": whole[:-4],
    }


@pytest.mark.parametrize("damage", ["two frames", "more than", "cut off", "before its frame", "not enough"])
def test_damaged_jpegs_are_refused_before_their_pixels_have_room(damage: str) -> None:
    said = "second frame" if damage == "two frames" else damage
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        tf.io.decode_jpeg(_damaged_jpegs()[damage])


@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_small_jpegs_are_made_smaller_by_the_ratio_asked_for(ratio: int) -> None:
    for rows, columns in [(1, 1), (3, 17), (7, 7), (16, 9)]:
        content = tf.io.encode_jpeg(tf.zeros([rows, columns, 3], tf.uint8))
        assert tf.io.decode_jpeg(content, ratio=ratio).shape == (-(-rows // ratio), -(-columns // ratio), 3)
