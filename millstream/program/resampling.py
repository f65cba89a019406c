"""The weights of resizing, as matrices, in float32 and in TensorFlow's order of operations: what `resize` means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

METHODS = (
    "bilinear",
    "nearest",
    "bicubic",
    "area",
    "lanczos1",
    "lanczos3",
    "lanczos5",
    "gaussian",
    "box",
    "triangle",
    "keyscubic",
    "mitchellcubic",
)
"""Ways to resize; a method's place is its number in plans. From lanczos1 on places come from a scale and a translation."""

SCALED = frozenset(METHODS[4:])

_one = np.float32(1)
_TINY = np.float32(1000) * np.finfo(np.float32).tiny


def _places(inputs: int, outputs: int, align_corners: bool) -> tuple[np.ndarray, np.float32]:
    """Return the numbers of the outputs and how many inputs lie between two of them."""
    if align_corners and outputs > 1:
        step = np.float32(inputs - 1) / np.float32(outputs - 1)
    else:
        step = np.float32(inputs) / np.float32(outputs)
    return np.arange(outputs, dtype=np.float32), step


def _filled(outputs: int, inputs: int, index: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the matrix that has weights[i, t] added at [i, index[i, t]]; indices beyond the ends count as the ends."""
    matrix = np.zeros((outputs, inputs), np.float32)
    rows = np.broadcast_to(np.arange(outputs)[:, None], index.shape)
    np.add.at(matrix, (rows, np.clip(index, 0, inputs - 1)), weights.astype(np.float32))
    return matrix


def _cubic(distance: np.ndarray, a: float) -> tuple[np.ndarray, np.ndarray]:
    x = (distance / 1024).astype(np.float32)
    near = (((a + 2) * x.astype(np.float64) - (a + 3)) * x * x + 1).astype(np.float32)
    wide = (x + _one).astype(np.float64)
    return near, (((a * wide - 5 * a) * wide + 8 * a) * wide - 4 * a).astype(np.float32)


def _bicubic(at: np.ndarray, inputs: int, keys: bool) -> np.ndarray:
    first = np.floor(at)
    step = np.rint((at - first) * np.float32(1024)).astype(np.int64)
    (inner, outer), (inner_back, outer_back) = (_cubic(d, -0.5 if keys else -0.75) for d in (step, 1024 - step))
    weights = np.stack([outer, inner, inner_back, outer_back], 1)
    index = first.astype(np.int64)[:, None] + np.arange(-1, 3)
    if keys:
        weights = np.where((index >= 0) & (index < inputs), weights, np.float32(0))
        total = weights.sum(1, dtype=np.float32, keepdims=True)
        weights = np.where(np.abs(total) >= _TINY, weights / np.where(total == 0, _one, total), weights)
    return _filled(len(at), inputs, index, weights)


def _area(outputs: int, inputs: int, step: np.float32) -> np.ndarray:
    matrix = np.zeros((outputs, inputs), np.float32)
    for i in range(outputs):
        low, high = np.float32(i) * step, np.float32(i + 1) * step
        for k in range(int(np.floor(low)), max(int(np.ceil(high)), int(np.floor(low)) + 1)):
            part = np.minimum(np.float32(k + 1), high) - np.maximum(np.float32(k), low)
            matrix[i, min(max(k, 0), inputs - 1)] += part / step
    return matrix


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    def kernel(x: np.ndarray) -> np.ndarray:
        safe = np.where(x <= 1e-3, _one, x)
        pi = np.float32(np.pi)
        value = radius * np.sin(pi * safe) * np.sin(pi * safe / radius) / (pi * pi * safe * safe)
        return np.where(x > radius, 0, np.where(x <= 1e-3, 1, value))

    return kernel


def _keys(x: np.ndarray) -> np.ndarray:
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0, np.where(x >= 1, far, (1.5 * x - 2.5) * x * x + 1))


def _mitchell(x: np.ndarray) -> np.ndarray:
    far = ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return np.where(x >= 2, 0, np.where(x >= 1, far, (7 / 6 * x - 2) * x * x + 8 / 9))


_KERNELS: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    "lanczos1": (1, _lanczos(1)),
    "lanczos3": (3, _lanczos(3)),
    "lanczos5": (5, _lanczos(5)),
    "gaussian": (1.5, lambda x: np.where(x >= 1.5, 0, np.exp(-x * x * 2))),
    "box": (0.5, lambda x: np.where(x < 0.5, 1, np.where(x == 0.5, 0.5, 0))),
    "triangle": (1, lambda x: np.maximum(1 - x, 0)),
    "keyscubic": (2, _keys),
    "mitchellcubic": (2, _mitchell),
}


def _sampled(method: str, inputs: int, outputs: int, antialias: bool, scale: Any, translation: Any) -> np.ndarray:
    radius, kernel = _KERNELS[method]
    inverse = np.float32(1 / float(scale))
    wide = max(inverse, _one) if antialias else _one
    reach = np.float32(radius) * wide
    at = (np.arange(outputs, dtype=np.float32) + np.float32(0.5)) * inverse + -inverse * np.float32(translation)
    matrix = np.zeros((outputs, inputs), np.float32)
    for i, place in enumerate(at):
        if not 0 <= place <= inputs:
            continue
        start = int(np.clip(np.ceil(place - reach - np.float32(0.5)), 0, inputs - 1))
        end = int(np.clip(np.floor(place + reach - np.float32(0.5)), 0, inputs - 1)) + 1
        distance = (np.arange(start, end, dtype=np.float32) + np.float32(0.5) - place) * (_one / wide)
        weights = np.asarray(kernel(np.abs(distance)), np.float32)
        total = weights.sum(dtype=np.float32)
        if abs(total) >= _TINY:
            matrix[i, start:end] = weights * (_one / total)
    return matrix


def resize_matrix(
    method: str,
    inputs: int,
    outputs: int,
    align_corners: bool,
    half_pixel_centers: bool,
    antialias: bool,
    scale: Any = 1.0,
    translation: Any = 0.0,
) -> np.ndarray:
    """Return the matrix [outputs, inputs] that resizes one axis."""
    if method in SCALED:
        return _sampled(method, inputs, outputs, antialias, scale, translation)
    places, step = _places(inputs, outputs, align_corners)
    half = np.float32(0.5)
    if method == "nearest":
        exact = (places + half if half_pixel_centers else places) * step
        rounded = np.floor(exact + half) if align_corners else np.floor(exact)
        return _filled(outputs, inputs, rounded.astype(np.int64)[:, None], np.ones((outputs, 1)))
    if method == "area":
        return _area(outputs, inputs, step)
    at = (places + half) * step - half if half_pixel_centers else places * step
    if method == "bicubic":
        return _bicubic(at, inputs, half_pixel_centers)
    part = at - np.floor(at)
    index = np.stack([np.floor(at), np.ceil(at)], 1).astype(np.int64)
    return _filled(outputs, inputs, index, np.stack([_one - part, part], 1))
