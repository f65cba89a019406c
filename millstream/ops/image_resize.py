"""Declare the ops that resize images, with their gradients."""

from __future__ import annotations

from typing import Any

from millstream.base.dtypes import (
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
)
from millstream.base.sizes import Size, is_known
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import convert
from millstream.program.primitives.images import resize, resize_gradient
from millstream.program.primitives.shaping import contents
from millstream.program.resampling import SCALED
from millstream.program.value import Value

T = Types("T", int8, uint8, int16, uint16, int32, int64, bfloat16, float16, float32, float64)
"""Bilinear's and the scaling op's list and the others' differ in TensorFlow only in its order."""
Nearest = Types("T", uint8, int8, int32, float16, float32, float64, bfloat16)
Bilinear = Types("T", float32, bfloat16, float16, float64)
Cubic = Types("T", float32, float64)
Single = Types("T", float32)


def sizes_of(size: Value, what: str) -> tuple[Size, Size]:
    """Return rows and columns out of a vector of two."""
    if size.rank != 1 or (is_known(size.shape[0]) and size.shape[0] != 2):
        raise refuse(what, f"shape_t must be 1-dimensional of 2 elements, got {size.spec}", "give rows and columns")
    rows, columns = contents(size)
    for n in (rows, columns):
        if is_known(n) and n <= 0:  # type: ignore[operator]
            raise refuse(what, f"output dimensions must be positive, got {rows} x {columns}", "give sizes above 0")
    return rows, columns


def _images(images: Value, what: str) -> Value:
    if images.rank != 4:
        raise refuse(what, f"input must be 4-dimensional, got {images.spec}", "give [count, rows, columns, depth]")
    return images


def _resized(images: Value, size: Value, what: str, *places: Value, **attributes: Any) -> Value:
    x, sizes = _images(images, what), sizes_of(size, what)
    if attributes["align_corners"] and attributes["half_pixel_centers"]:
        raise refuse(
            what,
            "both align_corners and half_pixel_centers",
            "If half_pixel_centers is True, align_corners must be False",
        )
    if x.dtype not in (float32, uint8) and attributes["method"] != "nearest":
        x = convert(x, float32)
    return resize(x, sizes, *places, **attributes)


@op("ResizeBilinear", outputs="resized_images")
def resize_bilinear(
    images: Tensor[T], size: Known[Tensor[int32]], *, align_corners: bool = False, half_pixel_centers: bool = False
) -> Tensor[float32]:
    """Return images resized with the four nearest pixels weighted by nearness."""
    flags = {"align_corners": align_corners, "half_pixel_centers": half_pixel_centers}
    return _resized(images, size, "ResizeBilinear", method="bilinear", **flags)


@op("ResizeBicubic", outputs="resized_images")
def resize_bicubic(
    images: Tensor[T], size: Known[Tensor[int32]], *, align_corners: bool = False, half_pixel_centers: bool = False
) -> Tensor[float32]:
    """Return images resized with the sixteen nearest pixels weighted by cubics (Keys 1981; sharper without half pixels)."""
    flags = {"align_corners": align_corners, "half_pixel_centers": half_pixel_centers}
    return _resized(images, size, "ResizeBicubic", method="bicubic", **flags)


@op("ResizeNearestNeighbor", outputs="resized_images")
def resize_nearest(
    images: Tensor[T], size: Known[Tensor[int32]], *, align_corners: bool = False, half_pixel_centers: bool = False
) -> Tensor[T]:
    """Return images resized by taking the nearest pixel."""
    flags = {"align_corners": align_corners, "half_pixel_centers": half_pixel_centers}
    return _resized(images, size, "ResizeNearestNeighbor", method="nearest", **flags)


@op("ResizeArea", outputs="resized_images")
def resize_area(images: Tensor[T], size: Known[Tensor[int32]], *, align_corners: bool = False) -> Tensor[float32]:
    """Return images resized by averaging the area that each output pixel covers."""
    return _resized(images, size, "ResizeArea", method="area", align_corners=align_corners, half_pixel_centers=False)


def _kernel(kernel_type: str, what: str) -> str:
    if kernel_type not in SCALED:
        raise refuse(what, f"Unrecognized kernel type: {kernel_type}", f"choose one of {', '.join(sorted(SCALED))}")
    return kernel_type


@op("ScaleAndTranslate", outputs="resized_images")
def scale_and_translate(
    images: Tensor[T],
    size: Known[Tensor[int32]],
    scale: Tensor[float32],
    translation: Tensor[float32],
    *,
    kernel_type: str = "lanczos3",
    antialias: bool = True,
) -> Tensor[float32]:
    """Return images sampled at (place - translation) / scale with a kernel, which is widened where that shrinks."""
    flags = {"align_corners": False, "half_pixel_centers": False, "antialias": antialias}
    method = _kernel(kernel_type, "ScaleAndTranslate")
    return _resized(images, size, "ScaleAndTranslate", scale, translation, method=method, **flags)


@op("ResizeBilinearGrad", outputs="output")
def resize_bilinear_gradient(
    grads: Tensor[float32],
    original_image: Tensor[Bilinear],
    *,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> Tensor[Bilinear]:
    """Return what flows back through ResizeBilinear."""
    flags = {"align_corners": align_corners, "half_pixel_centers": half_pixel_centers}
    sizes = _images(original_image, "ResizeBilinearGrad").shape[1:3]
    return convert(
        resize_gradient(_images(grads, "ResizeBilinearGrad"), sizes, method="bilinear", **flags), original_image.dtype
    )


@op("ResizeBicubicGrad", outputs="output")
def resize_bicubic_gradient(
    grads: Tensor[float32],
    original_image: Tensor[Cubic],
    *,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> Tensor[Cubic]:
    """Return what flows back through ResizeBicubic."""
    flags = {"align_corners": align_corners, "half_pixel_centers": half_pixel_centers}
    sizes = _images(original_image, "ResizeBicubicGrad").shape[1:3]
    return convert(
        resize_gradient(_images(grads, "ResizeBicubicGrad"), sizes, method="bicubic", **flags), original_image.dtype
    )


@op("ResizeNearestNeighborGrad", outputs="output")
def resize_nearest_gradient(
    grads: Tensor[Nearest],
    size: Known[Tensor[int32]],
    *,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
) -> Tensor[Nearest]:
    """Return what flows back through ResizeNearestNeighbor to images of `size`."""
    flags = {"align_corners": align_corners, "half_pixel_centers": half_pixel_centers}
    what = "ResizeNearestNeighborGrad"
    return resize_gradient(_images(grads, what), sizes_of(size, what), method="nearest", **flags)


@op("ScaleAndTranslateGrad", outputs="output")
def scale_and_translate_gradient(
    grads: Tensor[Single],
    original_image: Tensor[Single],
    scale: Tensor[float32],
    translation: Tensor[float32],
    *,
    kernel_type: str = "lanczos3",
    antialias: bool = True,
) -> Tensor[Single]:
    """Return what flows back through ScaleAndTranslate."""
    what = "ScaleAndTranslateGrad"
    sizes = _images(original_image, what).shape[1:3]
    method = _kernel(kernel_type, what)
    return resize_gradient(_images(grads, what), sizes, scale, translation, method=method, antialias=antialias)


FEW = [float32, uint8, float16, bfloat16, float64, int32]
_images_and_sizes = ((5, 7), (3, 4), (1, 1), (2, 9))
for _flags in ((False, False), (True, False), (False, True)):
    _attributes = {"align_corners": _flags[0], "half_pixel_centers": _flags[1]}
    for _depth, _size in zip((3, 1, 4, 5), _images_and_sizes, strict=True):
        for _op in (resize_bilinear, resize_bicubic, resize_nearest):
            _op.cases(
                [((2, 3, 4, _depth), (2,)), (("batch", "rows", "columns", _depth), (2,))],
                inputs=(None, _size),
                attributes=_attributes,
                dtypes=FEW,
                gradient=_op is resize_nearest,
            )
        resize_nearest_gradient.cases(
            [((2, *_size, _depth), (2,))], inputs=(None, (3, 4)), attributes=_attributes, dtypes=FEW
        )
        for _op in (resize_bilinear_gradient, resize_bicubic_gradient):
            _op.cases(
                [((2, *_size, _depth), (2, 3, 4, _depth))],
                attributes=_attributes,
                dtypes=[float32],
                gradient=False,
            )
for _depth, _size in zip((3, 1, 4, 5), _images_and_sizes, strict=True):
    for _corners in (False, True):
        resize_area.cases(
            [((2, 3, 4, _depth), (2,)), (("batch", 3, "columns", _depth), (2,))],
            inputs=(None, _size),
            attributes={"align_corners": _corners},
            dtypes=FEW,
            gradient=False,
        )
for _kernel_type in sorted(SCALED):
    for _antialias in (False, True):
        _attributes_of_kernel = {"kernel_type": _kernel_type, "antialias": _antialias}
        scale_and_translate.cases(
            [((2, 6, 5, 3), (2,), (2,), (2,)), (("batch", "rows", 5, 3), (2,), (2,), (2,))],
            inputs=(None, (4, 9), (0.6, 1.9), (0.5, -1.25)),
            attributes=_attributes_of_kernel,
            dtypes=[float32, uint8],
            gradient=False,
        )
        scale_and_translate_gradient.cases(
            [((2, 4, 9, 3), (2, 6, 5, 3), (2,), (2,))],
            inputs=(None, None, (0.6, 1.9), (0.5, -1.25)),
            attributes=_attributes_of_kernel,
            gradient=False,
        )
resize_bilinear.cases([((0, 3, 4, 3), (2,))], inputs=(None, (5, 6)), dtypes=[float32], gradient=False)
