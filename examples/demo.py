"""The main job: trains a small convolutional network on real images, saves it, reloads it, exports it, runs it from C.

    python examples/demo.py [--engine millstream|tensorflow] [--epochs N] [--out demo_output]

With --engine tensorflow the same Keras code runs on the real TensorFlow, without the plan.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from image_data import ImageSet, load_images

CHECKOUT = Path(__file__).resolve().parents[1]
BATCH = 128
SMALL_SET, SMALL_BATCH = 10_000, 32  # fewer training images than this are shown more often, in smaller batches
SHOWN = 12
RELOADED_TOLERANCE = 1e-6
PLAN_TOLERANCE = 1e-4
COLOURS = {"training": "#2a6f97", "held-out": "#d1495b", "wrong": "#d1495b", "right": "#333333"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("millstream", "tensorflow"), default="millstream")
    parser.add_argument("--epochs", type=int, help="default: 3, or 20 for a small set")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "demo_output")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()

    keras = import_keras(options.engine)
    images = load_images()
    small = len(images.train_images) < SMALL_SET
    epochs = options.epochs or (20 if small else 3)
    print(f"{images.name}: {len(images.train_images)} images to learn from, {len(images.test_images)} held out")
    keras.utils.set_random_seed(1)
    model = build(keras, len(images.class_names))
    history = train(keras, model, images, epochs, SMALL_BATCH if small else BATCH)
    loss, accuracy = model.evaluate(images.test_images, images.test_labels, batch_size=BATCH, verbose=0)
    print(f"test accuracy: {accuracy:.4f} (loss {loss:.4f})")
    predictions = model.predict(images.test_images, batch_size=BATCH, verbose=0)

    save_and_reload(keras, model, images, predictions, options.out / "model.keras")
    if options.engine == "millstream":
        run_from_c(model, images.test_images[:BATCH], predictions[:BATCH], options.out)
    draw(images, history, predictions, accuracy, options.out / "demo.png")
    print(f"done in {time.perf_counter() - began:.0f} s")


def import_keras(engine: str) -> Any:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    if engine == "tensorflow":
        return importlib.import_module("keras")
    return importlib.import_module("millstream.keras")


def build(keras: Any, classes: int) -> Any:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(128, activation="relu"),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    model.summary()
    return model


def train(keras: Any, model: Any, images: ImageSet, epochs: int, batch: int) -> dict[str, list[float]]:
    steps = epochs * -(-len(images.train_images) // batch)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    fitted = model.fit(
        images.train_images,
        images.train_labels,
        batch_size=batch,
        epochs=epochs,
        verbose=1 if sys.stdout.isatty() else 2,
        validation_data=(images.test_images, images.test_labels),
    )
    history: dict[str, list[float]] = fitted.history
    return history


def save_and_reload(keras: Any, model: Any, images: ImageSet, predictions: np.ndarray, path: Path) -> None:
    model.save(path)
    reloaded = keras.saving.load_model(path)
    again = reloaded.predict(images.test_images, batch_size=BATCH, verbose=0)
    apart = float(np.abs(again - predictions).max())
    print(f"saved and reloaded {path.name} ({path.stat().st_size / 1e6:.1f} MB): predictions {apart:.1e} apart")
    if apart > RELOADED_TOLERANCE:
        sys.exit(f"the reloaded model predicts otherwise: {apart} apart, {RELOADED_TOLERANCE} is allowed")


def run_from_c(model: Any, images: np.ndarray, predictions: np.ndarray, folder: Path) -> None:
    """Exports the model as a plan, compiles the C program, runs it on the same images and compares."""
    import millstream
    from millstream.saving import export_plan

    plan = folder / "model.plan"
    export_plan(model, plan)
    package = Path(millstream.__file__).parent
    header = next(
        path for path in (package / "include", CHECKOUT / "runtime/include") if (path / "millstream.h").exists()
    )
    program = folder / "run_plan"
    compiler = ["gcc", "-O2", "-Wall", str(CHECKOUT / "examples/run_plan.c"), f"-I{header}", "-o", str(program)]
    subprocess.run([*compiler, f"-L{package}", "-lmillstream", f"-Wl,-rpath,{package}"], check=True)
    given = folder / "images.f32"
    images.tofile(given)
    printed = subprocess.run([program, plan, given], check=True, capture_output=True, text=True).stdout
    _name, *rows = printed.splitlines()
    from_c = np.array([row.split() for row in rows], np.float32)
    apart = float(np.abs(from_c - predictions).max())
    print(f"the C program on {plan.name} ({plan.stat().st_size / 1e6:.1f} MB): predictions {apart:.1e} apart")
    if apart > PLAN_TOLERANCE or (from_c.argmax(1) != predictions.argmax(1)).any():
        sys.exit(f"the exported plan predicts otherwise: {apart} apart, {PLAN_TOLERANCE} is allowed")


def draw(
    images: ImageSet, history: dict[str, list[float]], predictions: np.ndarray, accuracy: float, path: Path
) -> None:
    """Curves above, sample predictions below, the wrong ones marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(11, 7.2), layout="constrained")
    figure.suptitle(f"{images.name}: {accuracy:.2%} of {len(images.test_labels):,} held-out images named right")
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1.1])
    loss_axes, accuracy_axes = upper.subplots(1, 2)
    epochs = range(1, len(history["loss"]) + 1)
    for axes, name in ((loss_axes, "loss"), (accuracy_axes, "accuracy")):
        for label, key in (("training", name), ("held-out", f"val_{name}")):
            axes.plot(epochs, history[key], marker="o", markersize=4, color=COLOURS[label], label=label)
        axes.set_xlabel("epoch")
        axes.set_title(name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    loss_axes.legend(frameon=False)
    guesses = predictions.argmax(1)
    wrong = np.flatnonzero(guesses != images.test_labels)[: SHOWN // 3]
    right = np.flatnonzero(guesses == images.test_labels)[: SHOWN - len(wrong)]
    for axes, index in zip(lower.subplots(2, SHOWN // 2).flat, [*right, *wrong]):
        guess, truth = images.class_names[guesses[index]], images.class_names[images.test_labels[index]]
        colour = COLOURS["right" if guess == truth else "wrong"]
        axes.imshow(images.test_images[index, :, :, 0], cmap="gray_r", interpolation="nearest")
        text = f"{guess} {predictions[index].max():.0%}" + ("" if guess == truth else f"\nis {truth}")
        axes.set_title(text, fontsize=9, color=colour)
        axes.axis("off")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    print(f"picture: {path}")


if __name__ == "__main__":
    main()
