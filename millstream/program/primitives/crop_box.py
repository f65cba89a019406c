"""State random_crop_box: a box drawn from random bits that covers enough of one of the given boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.value import Value, emit

_f = np.float32


def _infer(bits: Spec, sizes: Spec, boxes: Spec, least: Spec, **_: Any) -> tuple[Spec, Spec, Spec]:
    if len(known_shape(boxes)) != 2:
        raise refuse("random_crop_box", f"boxes {boxes}", "give [n, 4]")
    return Spec(dtypes.int64, (3,)), Spec(dtypes.int64, (3,)), Spec(dtypes.float32, (1, 1, 4))


class _Bits:
    def __init__(self, bits: np.ndarray) -> None:
        self.rest = iter(bits.tolist())

    def unit(self) -> np.float32:
        word = np.uint32((next(self.rest) & 0x7FFFFF) | 0x3F800000)
        return _f(word.view(np.float32) - _f(1))

    def below(self, limit: int) -> int:
        return int(next(self.rest) % limit)


def _draw(
    rows: int, columns: int, areas: tuple[np.float32, np.float32], ratio: np.float32, bits: _Bits
) -> tuple[int, int, int, int] | None:
    least, most = (area * _f(columns) * _f(rows) for area in areas)
    if areas[1] <= 0 or ratio <= 0 or areas[0] > areas[1]:
        return None

    def wide(height: int) -> int:
        return int(np.rint(_f(height) * ratio))

    height, highest = int(np.rint(np.sqrt(least / ratio))), int(np.rint(np.sqrt(most / ratio)))
    if wide(highest) > columns:
        highest = int((_f(columns) + _f(0.5) - _f(1e-7)) / ratio)
        highest -= wide(highest) > columns
    highest = min(highest, rows)
    height = highest if height >= highest else height + bits.below(highest - height + 1)
    if height * wide(height) < least:
        height += 1
    if height * wide(height) > most:
        height -= 1
    width = wide(height)
    if not least <= height * width <= most or width > columns or height > rows or min(width, height) <= 0:
        return None
    top = bits.below(rows - height) if height < rows else 0
    left = bits.below(columns - width) if width < columns else 0
    return top, left, top + height, left + width


def _area(box: Any) -> float:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def _covers(crop: Any, least: np.float32, boxes: list[Any]) -> bool:
    for box in boxes:
        both = (max(crop[0], box[0]), max(crop[1], box[1]), min(crop[2], box[2]), min(crop[3], box[3]))
        if _area(box) >= 1 and _f(_area(both)) / _f(_area(box)) >= least:
            return _area(crop) >= 1
    return False


def _meaning(
    bits: np.ndarray,
    sizes: np.ndarray,
    boxes: np.ndarray,
    least: np.ndarray,
    ratios: tuple[float, float],
    areas: tuple[float, float],
    attempts: int,
    whole: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = int(sizes[0]), int(sizes[1])
    scale = np.array([rows, columns] * 2, np.float32)
    given = [tuple(int(v) for v in box * scale) for box in boxes] or [(0, 0, rows, columns)]
    stream, crop = _Bits(bits), (0, 0, rows, columns)
    low, high = (_f(v) for v in ratios)
    for _ in range(attempts):
        ratio = stream.unit() * (high - low) + low
        found = _draw(rows, columns, (_f(areas[0]), _f(areas[1])), ratio, stream)
        if found is not None and _covers(found, _f(least), given):
            crop = found
            break
    top, left, bottom, right = crop
    edges = (np.array(crop, np.float32) / scale).reshape(1, 1, 4)
    return np.array([top, left, 0], np.int64), np.array([bottom - top, right - left, -1], np.int64), edges


RANDOM_CROP_BOX = primitive("random_crop_box", _infer, _meaning, lambda *_, **__: (None,) * 4, outputs=3)


def random_crop_box(
    bits: Value, sizes: Value, boxes: Value, least: Value, ratios: Any, areas: Any, attempts: int, whole: bool
) -> tuple[Value, Value, Value]:
    """Return begin, size (int64 [3], the last -1) and the box [1, 1, 4] as parts of the image.

    `bits` are four random uint32 an attempt, `sizes` int64 [3], `boxes` float32 [n, 4]; `whole` allows none of them.
    """
    attributes = {"ratios": tuple(ratios), "areas": tuple(areas), "attempts": attempts, "whole": whole}
    begin, size, box = emit(RANDOM_CROP_BOX, bits, sizes, boxes, least, **attributes)
    return begin, size, box
