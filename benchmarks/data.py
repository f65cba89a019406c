"""Input pipelines: images from TFRecords, rows of CSV, ten million numbers. The same code on us and on TensorFlow, in turn.

    python benchmarks/data.py --us .venv/bin/python --tensorflow ~/ref/bin/python [--rows images,csv,numbers] [--rounds 3]

The inputs are made once, in a folder of their own. A row reports elements per second, the time that all threads worked for
one (other load on the machine does not count there), and by how much memory grew.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IMAGES, SIDE, BATCH = 1024, 224, 32
LINES = 200_000
NUMBERS = 10_000_000


def make_images(folder: Path, tf: Any) -> None:
    """Write JPEG images of smooth shapes and noise, as Examples with a label, in two TFRecord files."""
    import numpy as np

    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    writers = [tf.io.TFRecordWriter(str(folder / f"images-{i}.tfrecord")) for i in range(2)]
    for i in range(IMAGES):
        waves = generator.uniform(1, 20, (3, 2))
        image = np.stack([np.sin(rows * a + columns * b) for a, b in waves], -1) * 100 + 128
        image += generator.normal(0, 8, image.shape)
        content = tf.io.encode_jpeg(image.clip(0, 255).astype(np.uint8), quality=90).numpy()
        feature = {
            "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content])),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[i % 10])),
        }
        writers[i % 2].write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    for writer in writers:
        writer.close()


def make_lines(folder: Path) -> None:
    """Write rows of eight numbers, a whole number and a word."""
    import numpy as np

    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(LINES, 8))
    with open(folder / "rows.csv", "w") as file:
        for i, row in enumerate(numbers):
            file.write(",".join(f"{x:.5f}" for x in row) + f",{i % 100},word{i % 17}\n")


def images(tf: Any, folder: Path) -> Any:
    """TFRecord -> Example -> JPEG -> augment -> batch -> prefetch."""
    features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def prepared(record: Any) -> Any:
        example = tf.io.parse_single_example(record, features)
        image = tf.io.decode_jpeg(example["image"], channels=3)
        image = tf.ensure_shape(image, [SIDE, SIDE, 3])
        image = tf.image.convert_image_dtype(image, tf.float32)
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_brightness(image, 0.2)
        image = tf.image.random_contrast(image, 0.8, 1.2)
        return tf.clip_by_value(image, 0.0, 1.0), example["label"]

    dataset = tf.data.TFRecordDataset([str(folder / f"images-{i}.tfrecord") for i in range(2)])
    return dataset.map(prepared, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)


def csv(tf: Any, folder: Path) -> Any:
    """Lines -> columns -> shuffle -> batch."""
    defaults = [[0.0]] * 8 + [[0], [""]]

    def parsed(line: Any) -> Any:
        *numbers, label, word = tf.io.decode_csv(line, defaults)
        return tf.stack(numbers), label, word

    dataset = tf.data.TextLineDataset(str(folder / "rows.csv"))
    return dataset.map(parsed, num_parallel_calls=tf.data.AUTOTUNE).shuffle(10_000, seed=1).batch(128)


def csv_batches(tf: Any, folder: Path) -> Any:
    """Lines -> shuffle -> batch -> columns."""
    defaults = [[0.0]] * 8 + [[0], [""]]

    def parsed(lines: Any) -> Any:
        *numbers, label, word = tf.io.decode_csv(lines, defaults)
        return tf.stack(numbers, -1), label, word

    dataset = tf.data.TextLineDataset(str(folder / "rows.csv")).shuffle(10_000, seed=1).batch(128)
    return dataset.map(parsed, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def numbers(tf: Any, folder: Path) -> Any:
    """Ten million numbers -> shuffle -> map -> batch."""
    return tf.data.Dataset.range(NUMBERS).shuffle(10_000, seed=1).map(lambda x: 2 * x + 1).batch(1000)


ROWS: dict[str, tuple[Callable[[Any, Path], Any], int]] = {
    "images": (images, IMAGES),
    "csv": (csv, LINES),
    "csv_batches": (csv_batches, LINES),
    "numbers": (numbers, NUMBERS),
}


def measure(module: str, row: str, folder: Path) -> dict[str, float]:
    """Go through a pipeline once, after its first element was made."""
    tf = importlib.import_module(module)
    make, count = ROWS[row]
    dataset = make(tf, folder)
    first = next(iter(dataset))
    assert first is not None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, worked = time.perf_counter(), time.process_time()
    batches = sum(1 for _ in dataset)
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert batches > 0
    return {
        "per_second": count / seconds,
        "work_microseconds": work / count * 1e6,
        "growth_megabytes": (after - before) / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--us", default=".venv/bin/python")
    parser.add_argument("--tensorflow")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the inputs are, or will be")
    parser.add_argument("--worker", nargs=2, metavar=("MODULE", "ROW"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        module, row = options.worker
        print(json.dumps(measure(module, row, options.folder)))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "rows.csv").exists():
            make_images(folder, importlib.import_module("millstream"))
            make_lines(folder)
        pythons = {"millstream": options.us, "tensorflow": options.tensorflow}
        for row in options.rows.split(","):
            found: dict[str, list[dict[str, float]]] = {}
            for _ in range(options.rounds):
                for module, python in pythons.items():
                    if python:
                        command = [str(Path(python).expanduser()), __file__, "--folder", str(folder)]
                        answer = subprocess.run(
                            [*command, "--worker", module, row],
                            stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL,
                            text=True,
                        )
                        if answer.returncode:
                            sys.exit(f"{module} failed in {row}: {' '.join(command)} --worker {module} {row}")
                        found.setdefault(module, []).append(json.loads(answer.stdout.splitlines()[-1]))
            for module, answers in found.items():
                best = max(a["per_second"] for a in answers)
                work = min(a["work_microseconds"] for a in answers)
                grown = min(a["growth_megabytes"] for a in answers)
                print(
                    f"{row:12} {module:12} {best:12.0f} elements/s, {work:8.2f} µs of work each, {grown:7.1f} MB more",
                    flush=True,
                )


if __name__ == "__main__":
    main()
