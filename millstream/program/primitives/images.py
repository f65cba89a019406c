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
