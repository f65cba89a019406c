"""A stand-in for tensorflow_datasets: `load` of the few data sets that guides use, drawn or from the data beside the project."""

from __future__ import annotations

import enum
import math
import re
import sys
import types
from typing import Any

import guides_web
import numpy as np

Columns = dict[str, Any]


class _Feature:
    def __init__(self, names: list[str] | None = None, shape: tuple[int | None, ...] = (), dtype: Any = None) -> None:
        self.names = names or []
        self.num_classes = len(self.names)
        self.shape, self.dtype = shape, dtype

    def int2str(self, number: Any) -> str:
        return self.names[int(number)]

    def str2int(self, name: str) -> int:
        return self.names.index(name)


class _Split:
    def __init__(self, count: int) -> None:
        self.num_examples = count


class Info:
    """What `load` says of a data set."""

    def __init__(self, name: str, splits: dict[str, Columns], names: dict[str, list[str]]) -> None:
        self.name = name
        self.full_name = f"{name}/0.0.0"
        self.splits = {part: _Split(len(next(iter(columns.values())))) for part, columns in splits.items()}
        columns = next(iter(splits.values()))
        self.features = {key: _Feature(names.get(key), np.shape(column[0])) for key, column in columns.items()}


class Split(enum.StrEnum):
    """Names of the usual parts."""

    TRAIN = "train"
    TEST = "test"
    VALIDATION = "validation"


def _pictures(count: int, height: int, width: int, seed: int) -> np.ndarray:
    import io

    from PIL import Image

    return np.stack(
        [np.asarray(Image.open(io.BytesIO(guides_web.picture(height, width, seed + n)))) for n in range(count)]
    )


def _grey(folder: str) -> tuple[dict[str, Columns], dict[str, list[str]]]:
    data = guides_web.digits(folder)
    splits = {
        part: {"image": data[f"x_{part}"][..., None], "label": data[f"y_{part}"].astype(np.int64)}
        for part in ("train", "test")
    }
    return splits, {"label": [str(n) for n in range(10)]}


def _coloured(
    size: tuple[int, int], names: list[str], counts: dict[str, int]
) -> tuple[dict[str, Columns], dict[str, list[str]]]:
    splits = {}
    for seed, (part, count) in enumerate(counts.items()):
        labels = np.arange(count, dtype=np.int64) % len(names)
        splits[part] = {"image": _pictures(count, *size, 500 * seed), "label": labels}
    return splits, {"label": names}


def _reviews() -> tuple[dict[str, Columns], dict[str, list[str]]]:
    source = np.random.default_rng(3)
    splits = {}
    for part, count in (("train", 1000), ("test", 400), ("unsupervised", 100)):
        texts = np.array([guides_web._sentence(source, 40).encode() for _ in range(count)], object)
        splits[part] = {"label": source.integers(0, 2, count), "text": texts}
    return splits, {"label": ["neg", "pos"]}


def _pets() -> tuple[dict[str, Columns], dict[str, list[str]]]:
    splits = {}
    for part, count in (("train", 96), ("test", 64)):
        mask = np.random.default_rng(1).integers(1, 4, (count, 160, 200, 1), np.uint8)
        splits[part] = {
            "image": _pictures(count, 160, 200, 9),
            "segmentation_mask": mask,
            "label": np.arange(count, dtype=np.int64) % 37,
        }
    return splits, {"label": [f"breed {n}" for n in range(37)]}


def _rows(
    keys: list[str], names: list[str], label: str, together: bool = False
) -> tuple[dict[str, Columns], dict[str, list[str]]]:
    source = np.random.default_rng(5)
    values = source.uniform(0, 1, (330, len(keys))).astype(np.float32)
    labels = source.integers(0, len(names), 330)
    columns: Columns = {"features": values} if together else {key: values[:, n] for n, key in enumerate(keys)}
    return {"train": {**columns, label: labels}}, {label: names}


def _made(name: str) -> tuple[dict[str, Columns], dict[str, list[str]]]:
    base = name.split(":")[0]
    penguins = ["Adélie", "Chinstrap", "Gentoo"]
    measures = ["body_mass_g", "culmen_depth_mm", "culmen_length_mm", "flipper_length_mm"]
    if base in ("mnist", "fashion_mnist"):
        return _grey(base.replace("_", "-"))
    if base == "tf_flowers":
        return _coloured((200, 240), ["dandelion", "daisy", "tulips", "sunflowers", "roses"], {"train": 150})
    if base == "cats_vs_dogs":
        return _coloured((200, 240), ["cat", "dog"], {"train": 120})
    if base == "imdb_reviews":
        return _reviews()
    if base == "oxford_iiit_pet":
        return _pets()
    if base == "cycle_gan/horse2zebra":
        counts = {"trainA": 6, "trainB": 6, "testA": 5, "testB": 5}
        return _coloured((256, 256), ["A", "B"], counts)
    if base == "penguins/simple":
        return _rows(measures, penguins, "species")
    if base == "penguins/processed":
        return _rows(measures, penguins, "species", together=True)
    if base == "iris":
        return _rows(measures, ["setosa", "versicolor", "virginica"], "label", together=True)
    raise FileNotFoundError(f"no stand-in for the data set {name}")


def _part(splits: dict[str, Columns], asked: str) -> Columns:
    found = re.fullmatch(r"(\w+)(?:\[(-?\d*)(%?):(-?\d*)(%?)\])?", str(getattr(asked, "value", asked)))
    if not found:
        raise ValueError(asked)
    columns = splits[found[1]]
    count = len(next(iter(columns.values())))

    def place(number: str, share: str, otherwise: int) -> int:
        if not number:
            return otherwise
        return min(count, math.floor(count * int(number) / 100 + 0.5) if share else int(number))

    begin, end = place(found[2] or "", found[3] or "", 0), place(found[4] or "", found[5] or "", count)
    return {key: column[begin:end] for key, column in columns.items()}


def load(
    name: str,
    split: Any = None,
    as_supervised: bool = False,
    with_info: bool = False,
    batch_size: int | None = None,
    shuffle_files: bool = False,
    **_: Any,
) -> Any:
    """Return the datasets that tensorflow_datasets.load would, of the asked shape and element types."""
    import tensorflow as tf

    splits, names = _made(name)
    info = Info(name, splits, names)

    def dataset(asked: Any) -> Any:
        if isinstance(asked, list):
            return [dataset(one) for one in asked]
        if isinstance(asked, tuple):
            return tuple(dataset(one) for one in asked)
        part = _part(splits, asked)
        columns: Any = {key: column.tolist() if column.dtype == object else column for key, column in part.items()}
        if as_supervised:
            first = next(key for key in ("image", "text", "features") if key in columns)
            last = "label" if "label" in columns else "species"
            columns = (columns[first], columns[last])
        if batch_size == -1:
            return tf.nest.map_structure(tf.constant, columns)
        made = tf.data.Dataset.from_tensor_slices(columns)
        return made if batch_size is None else made.batch(batch_size)

    given = dataset(split) if split is not None else {part: dataset(part) for part in splits}
    return (given, info) if with_info else given


def as_dataframe(dataset: Any, info: Any = None) -> Any:
    """Return the elements of a dataset as a table of pandas."""
    import pandas

    return pandas.DataFrame(list(dataset.as_numpy_iterator()))


def as_numpy(dataset: Any) -> Any:
    """Return a dataset's elements as arrays."""
    return dataset.as_numpy_iterator() if hasattr(dataset, "as_numpy_iterator") else dataset.numpy()


def install() -> None:
    """Answer to the name tensorflow_datasets."""
    module = types.ModuleType("tensorflow_datasets")
    module.__dict__.update(
        load=load,
        Split=Split,
        as_dataframe=as_dataframe,
        as_numpy=as_numpy,
        __version__="4.9.9",
        disable_progress_bar=lambda: None,
        show_examples=lambda *_, **__: None,
    )
    sys.modules["tensorflow_datasets"] = module
