"""Declare projective transforms of images, and crops resized to one size, with their gradients."""

from __future__ import annotations

from typing import Literal

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
from millstream.base.sizes import Size, product
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.ops.image_resize import sizes_of
from millstream.program.primitives import elementwise as e
from millstream.program.primitives import shaping as s
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import compare, convert, select
from millstream.program.primitives.factorisation import inverse
from millstream.program.primitives.images import FILL_MODES, INTERPOLATIONS, projective_transform
from millstream.program.primitives.indexing import gather, scatter_nd
from millstream.program.primitives.reduction import reduce
from millstream.program.value import Value

Warped = Types("dtype", uint8, int32, int64, float16, bfloat16, float32, float64)


def _transformed(
    what: str, images: Value, transforms: Value, shape: Value, fill: Value, interpolation: str, fill_mode: str
) -> Value:
    if interpolation not in INTERPOLATIONS:
        raise refuse(what, f"Invalid interpolation {interpolation}", f"Supported types: {', '.join(INTERPOLATIONS)}")
    if fill_mode not in FILL_MODES:
        raise refuse(what, f"Invalid mode {fill_mode}", f"choose one of {', '.join(FILL_MODES)}")
    return projective_transform(images, transforms, fill, sizes_of(shape, what), interpolation, fill_mode)


@op("ImageProjectiveTransformV3", outputs="transformed_images")
def projective_transform_v3(
    images: Tensor[Warped],
    transforms: Tensor[float32],
    output_shape: Known[Tensor[int32]],
    fill_value: Tensor[float32],
    *,
    interpolation: str,
    fill_mode: str = "CONSTANT",
) -> Tensor[Warped]:
    """Return images whose pixel (x, y) is the input's at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1."""
    what = "ImageProjectiveTransformV3"
    return _transformed(what, images, transforms, output_shape, fill_value, interpolation, fill_mode)


@op("ImageProjectiveTransformV2", outputs="transformed_images")
def projective_transform_v2(
    images: Tensor[Warped],
    transforms: Tensor[float32],
    output_shape: Known[Tensor[int32]],
    *,
    interpolation: str,
    fill_mode: str = "CONSTANT",
) -> Tensor[Warped]:
    """Return images as ImageProjectiveTransformV3 does, with zeros outside."""
    what, zero = "ImageProjectiveTransformV2", s.constant(0, float32)
    return _transformed(what, images, transforms, output_shape, zero, interpolation, fill_mode)


def _inverted(transforms: Value) -> Value:
    """Return the transforms that lead back."""
    count = transforms.shape[0]
    whole = s.concatenate([transforms, s.full((count, 1), 1, float32)], 1)
    back = s.reshape(inverse(s.reshape(whole, (count, 3, 3))), (count, 9))
    return s.slice_axis(back, 1, 0, 8) / s.broadcast(s.slice_axis(back, 1, 8, 9), (count, 8), (0, 1))


def _flow(dy: Value, images: Value, transforms: Value, interpolation: str, fill_mode: str) -> Value:
    """Return the output's adjoint, transformed back: TensorFlow's gradient, exact for whole shifts only."""
    shape, zero = s.sizes(images.shape[1:3], int32), s.constant(0, float32)
    attributes = {"interpolation": interpolation, "fill_mode": fill_mode}
    return projective_transform_v3(dy, _inverted(transforms), shape, zero, **attributes)


@projective_transform_v3.gradient
def _(
    dy: Value, y: Value, images: Value, transforms: Value, shape: Value, fill: Value, interpolation: str, fill_mode: str
) -> tuple[Value | None, None, None, None]:
    flow = _flow(dy, images, transforms, interpolation, fill_mode) if images.dtype.is_floating else None
    return flow, None, None, None


@projective_transform_v2.gradient
def _(
    dy: Value, y: Value, images: Value, transforms: Value, shape: Value, interpolation: str, fill_mode: str
) -> tuple[Value | None, None, None]:
    flow = _flow(dy, images, transforms, interpolation, fill_mode) if images.dtype.is_floating else None
    return flow, None, None


Cropped = Types("T", uint8, uint16, int8, int16, int32, int64, float16, float32, float64)
CropGradient = Types("T", float32, float16, float64)
Method = Literal["bilinear", "nearest"]


def _column(boxes: Value, i: int) -> Value:
    return s.reshape(s.slice_axis(boxes, 1, i, i + 1), (boxes.shape[0],))


class _Axis:
    """The places that crops take along one axis, [boxes, crop]: within the image or not, pixels around, nearness."""

    def __init__(self, boxes: Value, axis: int, size: Size, crop: Size) -> None:
        low, high = _column(boxes, axis), _column(boxes, axis + 2)
        count = boxes.shape[0]
        self.shape = (count, crop)
        last = s.broadcast(s.scalar_size(size - 1, float32), (count,), ())
        steps = s.broadcast(e.maximum(s.scalar_size(crop - 1, float32), s.constant(1, float32)), (count,), ())
        many = s.broadcast(compare(s.scalar_size(crop, int32), s.constant(1, int32), "GT"), self.shape, ())
        self.index = s.iota(self.shape, 1, float32)
        self.stretch = self._wide(last / steps)
        self.last = self._wide(last)
        self.many = many
        step = self._wide((high - low) * last / steps)
        middle = self._wide((low + high) * 0.5 * last)
        place = select(many, self._wide(low * last) + self.index * step, middle)
        zero = s.full(self.shape, 0, float32)
        inside = e.bit_and(compare(place, zero, "GE"), compare(place, self.last, "LE"))
        self.inside = inside
        self.place = select(inside, place, zero)

    def _wide(self, x: Value) -> Value:
        return s.broadcast(x, self.shape, (0,))

    def around(self, method: str) -> tuple[Value, Value, Value]:
        """Return the pixels below and above each place, and how near it is to the second."""
        if method == "nearest":
            nearest = e.floor(self.place + 0.5)
            return convert(nearest, int32), convert(nearest, int32), s.full(self.shape, 0, float32)
        low = e.floor(self.place)
        return convert(low, int32), convert(e.ceil(self.place), int32), self.place - low


class _Crops:
    """Where crops take their pixels: for each of the four corners the flat index, and the parts, [boxes, rows, columns]."""

    def __init__(self, boxes: Value, box: Value, image: tuple[Size, ...], crop: tuple[Size, Size], method: str) -> None:
        rows, columns = image[1:3]
        if boxes.rank != 2 or box.rank != 1:
            raise refuse("CropAndResize", f"boxes {boxes.spec} and box_ind {box.spec}", "give [n, 4] and [n]")
        self.shape = (boxes.shape[0], *crop)
        self.y, self.x = _Axis(boxes, 0, rows, crop[0]), _Axis(boxes, 1, columns, crop[1])
        top, bottom, down = self.y.around(method)
        left, right, across = self.x.around(method)
        self.inside = e.bit_and(self.row(self.y.inside), self.column(self.x.inside))
        self.down, self.across = self.row(down), self.column(across)
        first = convert(box, int64) * s.broadcast(s.scalar_size(rows * columns, int64), box.shape, ())
        width = s.broadcast(s.scalar_size(columns, int64), self.shape, ())
        base = s.broadcast(first, self.shape, (0,))
        self.corners = [
            base + self.row(convert(i, int64)) * width + self.column(convert(j, int64))
            for i in (top, bottom)
            for j in (left, right)
        ]

    def row(self, x: Value) -> Value:
        return s.broadcast(x, self.shape, (0, 1))

    def column(self, x: Value) -> Value:
        return s.broadcast(x, self.shape, (0, 2))

    def deep(self, x: Value, depth: Size) -> Value:
        return s.broadcast(x, (*self.shape, depth), (0, 1, 2))

    def pixels(self, image: Value) -> list[Value]:
        """Return the pixels at the four corners as floats."""
        flat = s.reshape(image, (product(image.shape[:3]), image.shape[3]))
        return [convert(gather(flat, corner), float32) for corner in self.corners]


def _check_image(image: Value, what: str) -> None:
    if image.rank != 4:
        raise refuse(what, f"input image must be 4-D, got {image.spec}", "give [count, rows, columns, depth]")


@op("CropAndResize", outputs="crops")
def crop_and_resize(
    image: Tensor[Cropped],
    boxes: Tensor[float32],
    box_ind: Tensor[int32],
    crop_size: Known[Tensor[int32]],
    *,
    method: Method = "bilinear",
    extrapolation_value: float = 0.0,
) -> Tensor[float32]:
    """Return box i of image box_ind[i], resized; boxes are [y1, x1, y2, x2] of the whole, its last pixels being at 1."""
    _check_image(image, "CropAndResize")
    crops = _Crops(boxes, box_ind, image.shape, sizes_of(crop_size, "CropAndResize"), method)
    depth = image.shape[3]
    if method == "nearest":
        flat = s.reshape(image, (product(image.shape[:3]), depth))
        found = convert(gather(flat, crops.corners[0]), float32)
    else:
        top_left, top_right, bottom_left, bottom_right = crops.pixels(image)
        across = crops.deep(crops.across, depth)
        top = top_left + (top_right - top_left) * across
        bottom = bottom_left + (bottom_right - bottom_left) * across
        found = top + (bottom - top) * crops.deep(crops.down, depth)
    return select(crops.deep(crops.inside, depth), found, s.full(found.shape, extrapolation_value, float32))


@op("CropAndResizeGradImage", outputs="output")
def crop_gradient_image(
    grads: Tensor[float32],
    boxes: Tensor[float32],
    box_ind: Tensor[int32],
    image_size: Known[Tensor[int32]],
    *,
    T: CropGradient,
    method: Method = "bilinear",
) -> Tensor["T"]:
    """Return what flows back through CropAndResize to the images."""
    _check_image(grads, "CropAndResizeGradImage")
    shape = s.contents(image_size)
    crops = _Crops(boxes, box_ind, shape, grads.shape[1:3], method)
    depth, count = shape[3], product(grads.shape[:3])
    flow = select(crops.deep(crops.inside, depth), grads, s.full(grads.shape, 0, float32))
    flat = s.full((product(shape[:3]), depth), 0, float32)

    def added(onto: Value, corner: int, part: Value) -> Value:
        rows = s.reshape(flow * crops.deep(part, depth), (count, depth))
        return scatter_nd(onto, s.reshape(crops.corners[corner], (count, 1)), rows, "add")

    if method == "nearest":
        flat = added(flat, 0, s.full(crops.shape, 1, float32))
    else:
        down, across = crops.down, crops.across
        for corner, part in enumerate(
            ((1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across)
        ):
            flat = added(flat, corner, part)
    return convert(s.reshape(flat, shape), T)


@op("CropAndResizeGradBoxes", outputs="output")
def crop_gradient_boxes(
    grads: Tensor[float32],
    image: Tensor[Cropped],
    boxes: Tensor[float32],
    box_ind: Tensor[int32],
    *,
    method: Literal["bilinear"] = "bilinear",
) -> Tensor[float32]:
    """Return what flows back through CropAndResize to the boxes."""
    _check_image(image, "CropAndResizeGradBoxes")
    crops = _Crops(boxes, box_ind, image.shape, grads.shape[1:3], method)
    depth = image.shape[3]
    top_left, top_right, bottom_left, bottom_right = crops.pixels(image)
    down, across = crops.deep(crops.down, depth), crops.deep(crops.across, depth)
    flow = select(crops.deep(crops.inside, depth), grads, s.full(grads.shape, 0, float32))
    slope_y = (bottom_left - top_left) * (1 - across) + (bottom_right - top_right) * across
    slope_x = (top_right - top_left) * (1 - down) + (bottom_right - bottom_left) * down

    def ends(slope: Value, axis: _Axis, others: int) -> tuple[Value, Value]:
        along = reduce(slope * flow, "sum", (others, 3))
        half = axis.last * 0.5
        low = select(axis.many, axis.last - axis.index * axis.stretch, half)
        high = select(axis.many, axis.index * axis.stretch, half)
        return reduce(along * low, "sum", (1,)), reduce(along * high, "sum", (1,))

    (y1, y2), (x1, x2) = ends(slope_y, crops.y, 2), ends(slope_x, crops.x, 1)
    return s.concatenate([s.reshape(v, (boxes.shape[0], 1)) for v in (y1, x1, y2, x2)], 1)


@crop_and_resize.gradient
def _(
    dy: Value,
    y: Value,
    image: Value,
    boxes: Value,
    box_ind: Value,
    crop_size: Value,
    method: str,
    extrapolation_value: float,
) -> tuple[Value | None, Value, None, None]:
    flow = None
    if image.dtype in (float16, float32, float64):
        shape = s.sizes(image.shape, int32)
        flow = crop_gradient_image(dy, boxes, box_ind, shape, T=image.dtype, method=method)
    return flow, crop_gradient_boxes(dy, image, boxes, box_ind), None, None


FEW = [float32, float16, bfloat16, float64, uint8, int32]
_turn = [0.9, -0.3, 1.5, 0.3, 0.9, -0.5, 0.01, 0.02]
for _interpolation in INTERPOLATIONS:
    for _mode in FILL_MODES:
        _attributes = {"interpolation": _interpolation, "fill_mode": _mode}
        projective_transform_v3.cases(
            [((2, 5, 6, 3), (1, 8), (2,), ()), (("batch", "rows", 6, 3), (1, 8), (2,), ())],
            inputs=(None, [_turn], (7, 4), 2.5),
            attributes=_attributes,
            dtypes=FEW,
            gradient=False,
        )
        projective_transform_v2.cases(
            [((2, 5, 6, 1), (2, 8), (2,))],
            inputs=(None, [_turn, [1, 0, -9, 0, 1, 11, 0, 0]], (5, 6)),
            attributes=_attributes,
            dtypes=[float32, uint8],
            gradient=False,
        )
_boxes = [[0.1, 0.2, 0.7, 0.9], [-0.3, 0.5, 1.4, 0.1], [0.25, 0.25, 0.25, 0.25]]
for _method in ("bilinear", "nearest"):
    for _size in ((3, 4), (1, 1)):
        crop_and_resize.cases(
            [((2, 5, 6, 3), (3, 4), (3,), (2,)), (("batch", "rows", 6, 3), (3, 4), (3,), (2,))],
            inputs=(None, _boxes, [0, 1, 0], _size),
            attributes={"method": _method, "extrapolation_value": -7.0},
            dtypes=[float32, uint8, float16],
            gradient=False,
        )
        crop_gradient_image.cases(
            [((3, *_size, 3), (3, 4), (3,), (4,))],
            inputs=(None, _boxes, [0, 1, 0], (2, 5, 6, 3)),
            attributes={"method": _method, "T": float32},
            gradient=False,
        )
for _size in ((3, 4), (1, 1)):
    crop_gradient_boxes.cases(
        [((3, *_size, 3), (2, 5, 6, 3), (3, 4), (3,))],
        inputs=(None, None, _boxes, [0, 1, 0]),
        dtypes=[float32, uint8],
        gradient=False,
    )
