"""State resize and its gradient: linear maps along the rows and the columns of images [count, rows, columns, depth]."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.base import dtypes
from millstream.base.sizes import Size, is_known
from millstream.base.spec import Spec
from millstream.program.primitives.core import known_shape, primitive, refuse
from millstream.program.resampling import METHODS, SCALED, resize_matrix
from millstream.program.value import Value, emit


def _check(x: Spec, places: tuple[Spec, ...], method: str, sizes: tuple[Size, ...]) -> None:
    if method not in METHODS:
        raise refuse("resize", f"method {method!r}", f"choose one of {', '.join(METHODS)}")
    if (method in SCALED) != (len(places) == 2):
        raise refuse("resize", f"{len(places)} scales with {method}", "give scale and translation from lanczos1 on")
    if len(known_shape(x)) != 4:
        raise refuse("resize", f"input must be 4-dimensional, got {x}", "give [count, rows, columns, depth]")
    if any(is_known(n) and n == 0 for n in known_shape(x)[1:3]) and any(is_known(n) and n != 0 for n in sizes):
        raise refuse("resize", f"input image must be of non-zero size, got {x}", "give at least one pixel")


def _resize_infer(x: Spec, *places: Spec, method: str, sizes: tuple[Size, ...], **_: Any) -> Spec:
    _check(x, places, method, sizes)
    shape = known_shape(x)
    return Spec(x.dtype if method == "nearest" else dtypes.float32, (shape[0], *sizes, shape[3]))


def _gradient_infer(dy: Spec, *places: Spec, method: str, sizes: tuple[Size, ...], **_: Any) -> Spec:
    shape = known_shape(dy)
    return Spec(dy.dtype, (shape[0], *sizes, shape[3]))


def _matrices(small: Any, large: Any, places: Any, method: str, flags: dict[str, bool]) -> list[np.ndarray]:
    scale, translation = places or ((1, 1), (0, 0))
    return [
        resize_matrix(method, small[i], large[i], scale=scale[i], translation=translation[i], **flags) for i in (0, 1)
    ]


def _apply(x: np.ndarray, rows: np.ndarray, columns: np.ndarray, method: str) -> np.ndarray:
    if method != "nearest":
        wide = x.astype(np.float32)
        return np.einsum("ih,jw,nhwc->nijc", rows, columns, wide, optimize=True).astype(np.float32)
    if x.dtype.kind in "fV":
        wide = x.astype(np.float64)
        return np.einsum("ih,jw,nhwc->nijc", rows, columns, wide, optimize=True).astype(x.dtype)
    return np.einsum("ih,jw,nhwc->nijc", rows.astype(np.int64), columns.astype(np.int64), x.astype(np.int64)).astype(
        x.dtype
    )


def _resize_meaning(x: np.ndarray, *places: np.ndarray, method: str, sizes: Any, **flags: bool) -> np.ndarray:
    if 0 in x.shape or 0 in sizes:
        return np.zeros((x.shape[0], *sizes, x.shape[3]), x.dtype if method == "nearest" else np.float32)
    rows, columns = _matrices(x.shape[1:3], sizes, places, method, flags)
    if method == "nearest":
        return x[:, rows.argmax(1)][:, :, columns.argmax(1)]
    return _apply(x, rows, columns, method)


def _gradient_meaning(dy: np.ndarray, *places: np.ndarray, method: str, sizes: Any, **flags: bool) -> np.ndarray:
    if 0 in dy.shape or 0 in sizes:
        return np.zeros((dy.shape[0], *sizes, dy.shape[3]), dy.dtype)
    rows, columns = _matrices(sizes, dy.shape[1:3], places, method, flags)
    return _apply(dy, rows.T, columns.T, method)


def _resize_reverse(
    dy: Value, y: Value, x: Value, *places: Value, sizes: Any, **attributes: Any
) -> tuple[Value | None, ...]:
    if not x.dtype.is_floating:
        return (None,) * (1 + len(places))
    return (resize_gradient(dy, x.shape[1:3], *places, **attributes), *[None] * len(places))


def _gradient_reverse(
    g: Value, dx: Value, dy: Value, *places: Value, sizes: Any, **attributes: Any
) -> tuple[Value | None, ...]:
    return (resize(g, dy.shape[1:3], *places, **attributes), *[None] * len(places))


RESIZE = primitive("resize", _resize_infer, _resize_meaning, _resize_reverse)
RESIZE_GRADIENT = primitive("resize_gradient", _gradient_infer, _gradient_meaning, _gradient_reverse)


def _attributes(
    method: str, sizes: Any, align_corners: bool, half_pixel_centers: bool, antialias: bool
) -> dict[str, Any]:
    return {
        "method": method,
        "sizes": tuple(sizes),
        "align_corners": align_corners,
        "half_pixel_centers": half_pixel_centers,
        "antialias": antialias,
    }


def resize(
    x: Value,
    sizes: Any,
    *places: Value,
    method: str,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    antialias: bool = False,
) -> Value:
    """Return images (float32 or uint8; any type with method nearest) at `sizes` rows and columns, as float32.

    `places` are scale and translation (rows, columns) of the methods from lanczos1 on.
    """
    return emit(RESIZE, x, *places, **_attributes(method, sizes, align_corners, half_pixel_centers, antialias))[0]


def resize_gradient(
    dy: Value,
    sizes: Any,
    *places: Value,
    method: str,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    antialias: bool = False,
) -> Value:
    """Return what flows back from images resized from `sizes`."""
    attributes = _attributes(method, sizes, align_corners, half_pixel_centers, antialias)
    return emit(RESIZE_GRADIENT, dy, *places, **attributes)[0]


FILL_MODES = ("REFLECT", "WRAP", "CONSTANT", "NEAREST")
"""What lies outside of an image; a mode's place is its number in plans."""

INTERPOLATIONS = ("NEAREST", "BILINEAR")


def _projective_infer(x: Spec, transforms: Spec, fill: Spec, sizes: Any, interpolation: str, fill_mode: str) -> Spec:
    shape, given = known_shape(x), known_shape(transforms)
    if len(shape) != 4:
        raise refuse("projective_transform", f"images of shape {list(shape)}", "give [count, rows, columns, depth]")
    if len(given) != 2 or (is_known(given[1]) and given[1] != 8):
        raise refuse(
            "projective_transform", f"transforms {transforms}", "Input transform should be num_images x 8 or 1 x 8"
        )
    return Spec(x.dtype, (shape[0], *sizes, shape[3]))


def _folded(at: np.ndarray, size: int, mode: str) -> np.ndarray:
    """Bring places outside of [0, size - 1] inside, as the fill mode says; arithmetic in float32."""
    length = np.float32(size)
    if mode == "CONSTANT":
        return at
    if mode == "NEAREST" or size <= 1:
        return np.clip(at, 0, length - 1)
    if mode == "WRAP":
        low = at + length * (np.trunc(-at / (length - 1)) + 1)
        high = at - length * np.trunc(at / (length - 1))
    else:
        both = 2 * length
        low = at + both * np.trunc(-at / both)
        low = np.where(low < -length, low + both, -low - 1)
        high = at - both * np.trunc(at / both)
        high = np.where(high >= length, both - high - 1, high)
    return np.clip(np.where(at < 0, low, np.where(at > length - 1, high, at)), 0, length - 1).astype(np.float32)


def _pixels(x: np.ndarray, row: np.ndarray, column: np.ndarray, fill: float, lost: np.ndarray) -> np.ndarray:
    """Return x[n, row[n], column[n]] for places [n, i, j]; the fill outside."""
    rows, columns = x.shape[1:3]
    outside = lost | (row < 0) | (row >= rows) | (column < 0) | (column >= columns)
    at = tuple(np.where(outside, 0, v).astype(np.int64) for v in (row, column))
    found = x[np.arange(len(x))[:, None, None], *at]
    kind = x.dtype if x.dtype.kind in "fV" else np.int64
    return np.where(outside[..., None], np.float32(fill).astype(kind).astype(x.dtype), found)


def _projective_meaning(
    x: np.ndarray, transforms: np.ndarray, fill: np.ndarray, sizes: Any, interpolation: str, fill_mode: str
) -> np.ndarray:
    if 0 in x.shape or 0 in sizes:
        return np.full((x.shape[0], *sizes, x.shape[3]), fill).astype(x.dtype)
    t = np.broadcast_to(transforms, (len(x), 8))[:, :, None, None]
    i = np.arange(sizes[0], dtype=np.float32)[:, None]
    j = np.arange(sizes[1], dtype=np.float32)
    with np.errstate(all="ignore"):
        divisor = t[:, 6] * j + t[:, 7] * i + np.float32(1)
        column = (t[:, 0] * j + t[:, 1] * i + t[:, 2]) / divisor
        row = (t[:, 3] * j + t[:, 4] * i + t[:, 5]) / divisor
        lost = ~((divisor != 0) & (np.abs(row) < 1e9) & (np.abs(column) < 1e9))
    row, column = (
        _folded(np.where(lost, 0, v).astype(np.float32), n, fill_mode)
        for v, n in zip((row, column), x.shape[1:3], strict=True)
    )
    if interpolation == "NEAREST":
        row, column = (np.copysign(np.floor(np.abs(v) + np.float32(0.5)), v) for v in (row, column))
        return _pixels(x, row, column, float(fill), lost)
    top, left = np.floor(row), np.floor(column)
    corners = [
        _pixels(x, top + a, left + b, float(fill), lost).astype(np.float32) for a, b in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    one = np.float32(1)
    (before, after), (over, under) = (
        ((low + one - at)[..., None], (at - low)[..., None]) for at, low in ((column, left), (row, top))
    )
    above = before * corners[0] + after * corners[1]
    below = before * corners[2] + after * corners[3]
    result = (over * above + under * below).astype(np.float32)
    result = np.where(lost[..., None], np.float32(fill), result)
    return (result if x.dtype.kind in "fV" else result.astype(np.int64)).astype(x.dtype)


PROJECTIVE_TRANSFORM = primitive("projective_transform", _projective_infer, _projective_meaning)


def projective_transform(
    x: Value, transforms: Value, fill: Value, sizes: Any, interpolation: str, fill_mode: str
) -> Value:
    """Return images whose pixel (i, j) lies at transforms * (j, i, 1) in x; `fill` (float32) outside where CONSTANT."""
    attributes = {"sizes": tuple(sizes), "interpolation": interpolation, "fill_mode": fill_mode}
    return emit(PROJECTIVE_TRANSFORM, x, transforms, fill, **attributes)[0]
