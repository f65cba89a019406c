"""Real images for the demo: Fashion-MNIST or MNIST where they are on this machine, else scikit-learn's bundled digits.

Looks in MILLSTREAM_DATA, then in ../shared/data beside the checkout, for IDX files, plain or gzipped. Downloads nothing.
"""

from __future__ import annotations

import gzip
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[1]
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
DIGITS = tuple("0123456789")
SETS = {"fashion-mnist": CLOTHES, "mnist": DIGITS}
SIDE = 28
HELD_OUT = 360  # of the 1,797 bundled digits


@dataclass(frozen=True)
class ImageSet:
    """Grey images [count, 28, 28, 1] in 0..1 with their labels, split in two."""

    name: str
    class_names: tuple[str, ...]
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_images() -> ImageSet:
    """The first set that this machine has."""
    for folder in data_folders():
        for name, class_names in SETS.items():
            if find(folder / name, "train-images-idx3-ubyte") is not None:
                return read_set(folder / name, class_names)
    return bundled_digits()


def data_folders() -> list[Path]:
    named = os.environ.get("MILLSTREAM_DATA")
    return [*([Path(named)] if named else []), CHECKOUT.parent / "shared" / "data"]


def find(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def read_set(folder: Path, class_names: tuple[str, ...]) -> ImageSet:
    parts = []
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        path = find(folder, f"{name}-ubyte")
        if path is None:
            raise FileNotFoundError(
                f"{folder} has no {name}-ubyte, plain or with .gz; all four files of a set are needed"
            )
        parts.append(read_idx(path))
    return ImageSet(folder.name, class_names, scaled(parts[0]), labels(parts[1]), scaled(parts[2]), labels(parts[3]))


def read_idx(path: Path) -> np.ndarray:
    """An IDX file of unsigned bytes: two zero bytes, type 8, rank, big-endian sizes, then the elements."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(
            f"{path} is no IDX file of unsigned bytes: it begins with {content[:4].hex()}, not with 000008"
        )
    rank = content[3]
    start = 4 + 4 * rank
    shape = struct.unpack(f">{rank}I", content[4:start]) if len(content) >= start else ()
    if len(content) - start != int(np.prod(shape)):
        raise ValueError(f"{path} holds {len(content) - start} elements where its sizes {shape} ask for another number")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def scaled(images: np.ndarray) -> np.ndarray:
    return images[..., np.newaxis].astype(np.float32) / 255.0


def labels(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int32)


def bundled_digits() -> ImageSet:
    """1,797 digits of 8×8 from scikit-learn, each pixel drawn three wide, with a border of two: 28×28."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.kron(digits.images / 16.0, np.ones((3, 3))).astype(np.float32)
    border = (SIDE - images.shape[1]) // 2
    images = np.pad(images, ((0, 0), (border, border), (border, border)))[..., np.newaxis]
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[HELD_OUT:], order[:HELD_OUT]
    targets = labels(digits.target)
    return ImageSet("scikit-learn digits", DIGITS, images[train], targets[train], images[test], targets[test])
