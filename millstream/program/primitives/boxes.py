"""State what is done with boxes [y1, x1, y2, x2]: choosing ones that do not overlap, drawing outlines."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.sizes import Size, fresh_symbol, is_known
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.value import Value, emit


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    (top, bottom), (left, right) = (sorted((float(a[i]), float(a[i + 2]))) for i in (0, 1))
    (top_b, bottom_b), (left_b, right_b) = (sorted((float(b[i]), float(b[i + 2]))) for i in (0, 1))
    first, second = (bottom - top) * (right - left), (bottom_b - top_b) * (right_b - left_b)
    if first <= 0 or second <= 0:
        return 0.0
    height = max(min(bottom, bottom_b) - max(top, top_b), 0.0)
    both = height * max(min(right, right_b) - max(left, left_b), 0.0)
    return both / (first + second - both)


def _overlap_of(boxes: np.ndarray, i: int, j: int) -> float:
    return _overlap(boxes[i], boxes[j])


def _choose(
    scores: np.ndarray, most: int, limit: float, floor: float, sigma: float, similar: Callable[[int, int], float]
) -> tuple[list[int], list[float]]:
    """Return the indices and scores of what is chosen, greedily: of equal scores the lower index first."""
    waiting = [(float(score), -i, 0) for i, score in enumerate(scores) if score > floor]
    chosen: list[int] = []
    kept: list[float] = []
    while len(chosen) < most and waiting:
        waiting.sort()
        before, turned, compared = waiting.pop()
        score, dropped = before, False
        for j in reversed(chosen[compared:]):
            likeness = similar(-turned, j)
            if sigma <= 0 and likeness > limit:
                dropped = True
                break
            score *= float(np.exp(-0.5 / sigma * likeness * likeness)) if sigma > 0 else 1.0
            if score <= floor:
                break
        if dropped:
            continue
        if score == before:
            chosen.append(-turned)
            kept.append(score)
        elif score > floor:
            waiting.append((score, turned, len(chosen)))
    return chosen, kept


def _suppress_infer(
    boxes: Spec, scores: Spec, most: Spec, limit: Spec, floor: Spec, sigma: Spec, overlaps: bool, padded: Size | None
) -> tuple[Spec, Spec, Spec]:
    shape, given = known_shape(boxes), known_shape(scores)
    if len(shape) != 2 or len(given) != 1 or (not overlaps and is_known(shape[1]) and shape[1] != 4):
        raise refuse("non_max_suppression", f"boxes {boxes} and scores {scores}", "boxes must be 2-D with 4 columns")
    if is_known(shape[0]) and is_known(given[0]) and shape[0] != given[0]:
        raise refuse(
            "non_max_suppression", f"{boxes} and {scores}", "scores has incompatible shape; give one for each box"
        )
    n = fresh_symbol("n") if padded is None else padded
    return Spec(dtypes.int32, (n,)), Spec(dtypes.float32, (n,)), Spec(dtypes.int32, ())


def _suppress_meaning(
    boxes: np.ndarray,
    scores: np.ndarray,
    most: Any,
    limit: Any,
    floor: Any,
    sigma: Any,
    overlaps: bool,
    padded: int | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    def similar(i: int, j: int) -> float:
        return float(boxes[i, j]) if overlaps else _overlap_of(boxes, i, j)

    chosen, kept = _choose(scores, int(most), float(limit), float(floor), float(sigma), similar)
    rest = (int(most) if padded is not None else len(chosen)) - len(chosen)
    return (
        np.array([*chosen, *[0] * rest], np.int32),
        np.array([*kept, *[0] * rest], np.float32),
        np.array(len(chosen), np.int32),
    )


NON_MAX_SUPPRESSION = primitive(
    "non_max_suppression", _suppress_infer, _suppress_meaning, lambda *_, **__: (None,) * 6, outputs=3
)


def non_max_suppression(
    boxes: Value,
    scores: Value,
    most: Value,
    limit: Value,
    floor: Value,
    sigma: Value,
    *,
    overlaps: bool = False,
    padded: Size | None = None,
) -> tuple[Value, Value, Value]:
    """Return the indices, scores and number of boxes whose overlap with better ones is at most `limit`.

    All in float32. `boxes` are overlaps [n, n] where `overlaps` says so; `padded` is the size of results filled with zeros.
    """
    found = emit(NON_MAX_SUPPRESSION, boxes, scores, most, limit, floor, sigma, overlaps=overlaps, padded=padded)
    return found[0], found[1], found[2]


def _combined_infer(boxes: Spec, scores: Spec, limit: Spec, floor: Spec, size: Size, **_: Any) -> tuple[Spec, ...]:
    shape, given = known_shape(boxes), known_shape(scores)
    if len(shape) != 4 or len(given) != 3:
        raise refuse(
            "combined_non_max_suppression",
            f"boxes {boxes} and scores {scores}",
            "boxes must be 4-D, scores must be 3-D",
        )
    count = shape[0]
    return (
        Spec(dtypes.float32, (count, size, 4)),
        Spec(dtypes.float32, (count, size)),
        Spec(dtypes.float32, (count, size)),
        Spec(dtypes.int32, (count,)),
    )


def _combined_meaning(
    boxes: np.ndarray, scores: np.ndarray, limit: Any, floor: Any, size: int, each: int, total: int, clip: bool
) -> tuple[np.ndarray, ...]:
    images, _, sets, _ = boxes.shape
    result = np.zeros((images, size, 4), np.float32), np.zeros((images, size), np.float32)
    classes, counts = np.zeros((images, size), np.float32), np.zeros(images, np.int32)
    for n in range(images):
        found: list[tuple[float, int, np.ndarray]] = []
        for c in range(scores.shape[2]):
            own = boxes[n, :, 0 if sets == 1 else c]
            similar = functools.partial(_overlap_of, own)
            chosen, kept = _choose(scores[n, :, c], each, float(limit), float(floor), 0.0, similar)
            found += [(score, c, own[i]) for i, score in zip(chosen, kept, strict=True)]
        found.sort(key=lambda item: -item[0])
        counts[n] = min(len(found), total, size)
        for k, (score, c, box) in enumerate(found[: counts[n]]):
            result[0][n, k] = np.clip(box, 0, 1) if clip else box
            result[1][n, k], classes[n, k] = score, c
    return (*result, classes, counts)


COMBINED_NON_MAX_SUPPRESSION = primitive(
    "combined_non_max_suppression", _combined_infer, _combined_meaning, lambda *_, **__: (None,) * 4, outputs=4
)


def combined_non_max_suppression(
    boxes: Value, scores: Value, limit: Value, floor: Value, *, size: Size, each: Size, total: Size, clip: bool
) -> tuple[Value, ...]:
    """Return boxes, scores, classes and their number: the best of each image, at most `each` of a class."""
    return emit(COMBINED_NON_MAX_SUPPRESSION, boxes, scores, limit, floor, size=size, each=each, total=total, clip=clip)


def _draw_infer(x: Spec, boxes: Spec, colours: Spec) -> Spec:
    if [len(known_shape(s)) for s in (x, boxes, colours)] != [4, 3, 2]:
        raise refuse(
            "draw_boxes", f"{x}, {boxes} and {colours}", "give images [n, h, w, c], boxes [n, k, 4], colours [m, c]"
        )
    return Spec(x.dtype, known_shape(x))


def _draw_meaning(x: np.ndarray, boxes: np.ndarray, colours: np.ndarray) -> np.ndarray:
    result = x.copy()
    rows, columns, depth = x.shape[1:]
    last = np.array([rows - 1, columns - 1] * 2, np.float32)
    for n, image in enumerate(result):
        for k, box in enumerate(boxes[n]):
            top, left, bottom, right = (int(v) for v in box * last)
            outside = top >= rows or bottom < 0 or left >= columns or right < 0
            if top > bottom or left > right or outside:
                continue
            colour = colours[k % len(colours), :depth]
            down, across = (
                slice(max(top, 0), min(bottom, rows - 1) + 1),
                slice(max(left, 0), min(right, columns - 1) + 1),
            )
            for i in {v for v in (top, bottom) if 0 <= v < rows}:
                image[i, across] = colour
            for j in {v for v in (left, right) if 0 <= v < columns}:
                image[down, j] = colour
    return result


DRAW_BOXES = primitive("draw_boxes", _draw_infer, _draw_meaning, lambda *_, **__: (None,) * 3)


def draw_boxes(x: Value, boxes: Value, colours: Value) -> Value:
    """Return images (float32) with the outlines of boxes, in the colours in turn."""
    return emit(DRAW_BOXES, x, boxes, colours)[0]
