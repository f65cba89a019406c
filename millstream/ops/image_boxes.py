"""Declare the ops that choose boxes which do not overlap, and that draw boxes. Boxes are [y1, x1, y2, x2]."""

from __future__ import annotations

import numpy as np

from millstream.base.dtypes import float16, float32, int32
from millstream.base.sizes import Size, is_known
from millstream.base.sizes import minimum as smaller_size
from millstream.ops.declaration import Known, Tensor, Types, op
from millstream.program.primitives import boxes as b
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import convert
from millstream.program.primitives.shaping import constant, contents
from millstream.program.value import Value

T = Types("T", float16, float32, default=float32)
Threshold = Types("T_threshold", float16, float32, default=float32)
Drawn = Types("T", float32, float16, default=float32)


def _float(x: Value) -> Value:
    return x if x.dtype == float32 else convert(x, float32)


def _suppressed(
    boxes: Value,
    scores: Value,
    most: Value,
    limit: Value | None = None,
    floor: Value | None = None,
    sigma: Value | None = None,
    *,
    overlaps: bool = False,
    padded: Size | None = None,
) -> tuple[Value, Value, Value]:
    none, zero = constant(-np.inf, float32), constant(0, float32)
    values = [v if given is None else _float(given) for given, v in ((limit, zero), (floor, none), (sigma, zero))]
    return b.non_max_suppression(_float(boxes), _float(scores), most, *values, overlaps=overlaps, padded=padded)


def _padded(most: Value, wanted: bool) -> Size | None:
    return contents(most)[0] if wanted else None


@op("NonMaxSuppression", outputs="selected_indices")
def non_max_suppression(
    boxes: Tensor[float32], scores: Tensor[float32], max_output_size: Tensor[int32], *, iou_threshold: float = 0.5
) -> Tensor[int32]:
    """Return the indices of boxes that overlap with no better one by more than the threshold."""
    return _suppressed(boxes, scores, max_output_size, constant(iou_threshold, float32))[0]


@op("NonMaxSuppressionV2", outputs="selected_indices")
def non_max_suppression_v2(
    boxes: Tensor[T], scores: Tensor[T], max_output_size: Tensor[int32], iou_threshold: Tensor[Threshold]
) -> Tensor[int32]:
    """Return the indices of boxes that overlap with no better one by more than the threshold."""
    return _suppressed(boxes, scores, max_output_size, iou_threshold)[0]


@op("NonMaxSuppressionV3", outputs="selected_indices")
def non_max_suppression_v3(
    boxes: Tensor[T],
    scores: Tensor[T],
    max_output_size: Tensor[int32],
    iou_threshold: Tensor[Threshold],
    score_threshold: Tensor[Threshold],
) -> Tensor[int32]:
    """Return the indices of boxes above a score that overlap with no better one by more than the threshold."""
    return _suppressed(boxes, scores, max_output_size, iou_threshold, score_threshold)[0]


@op("NonMaxSuppressionV4", outputs=("selected_indices", "valid_outputs"))
def non_max_suppression_v4(
    boxes: Tensor[T],
    scores: Tensor[T],
    max_output_size: Known[Tensor[int32]],
    iou_threshold: Tensor[Threshold],
    score_threshold: Tensor[Threshold],
    *,
    pad_to_max_output_size: bool = False,
) -> tuple[Tensor[int32], Tensor[int32]]:
    """Return the indices that NonMaxSuppressionV3 gives, filled up with zeros if wanted, and their number."""
    padded = _padded(max_output_size, pad_to_max_output_size)
    found = _suppressed(boxes, scores, max_output_size, iou_threshold, score_threshold, padded=padded)
    return found[0], found[2]


@op("NonMaxSuppressionV5", outputs=("selected_indices", "selected_scores", "valid_outputs"))
def non_max_suppression_v5(
    boxes: Tensor[T],
    scores: Tensor[T],
    max_output_size: Known[Tensor[int32]],
    iou_threshold: Tensor[T],
    score_threshold: Tensor[T],
    soft_nms_sigma: Tensor[T],
    *,
    pad_to_max_output_size: bool = False,
) -> tuple[Tensor[int32], Tensor[T], Tensor[int32]]:
    """Return indices, scores and their number; a sigma above 0 lowers scores in place of dropping boxes (Bodla et al. 2017)."""
    padded = _padded(max_output_size, pad_to_max_output_size)
    indices, kept, valid = _suppressed(
        boxes, scores, max_output_size, iou_threshold, score_threshold, soft_nms_sigma, padded=padded
    )
    return indices, convert(kept, scores.dtype), valid


@op("NonMaxSuppressionWithOverlaps", outputs="selected_indices")
def non_max_suppression_with_overlaps(
    overlaps: Tensor[float32],
    scores: Tensor[float32],
    max_output_size: Tensor[int32],
    overlap_threshold: Tensor[float32],
    score_threshold: Tensor[float32],
) -> Tensor[int32]:
    """Return the indices of items above a score whose overlap with each better one is at most the threshold."""
    return _suppressed(overlaps, scores, max_output_size, overlap_threshold, score_threshold, overlaps=True)[0]


@op("CombinedNonMaxSuppression", outputs=("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"))
def combined_non_max_suppression(
    boxes: Tensor[float32],
    scores: Tensor[float32],
    max_output_size_per_class: Known[Tensor[int32]],
    max_total_size: Known[Tensor[int32]],
    iou_threshold: Tensor[float32],
    score_threshold: Tensor[float32],
    *,
    pad_per_class: bool = False,
    clip_boxes: bool = True,
) -> tuple[Tensor[float32], Tensor[float32], Tensor[float32], Tensor[int32]]:
    """Return the best boxes of each image over all classes, their scores, classes and number."""
    each, total = contents(max_output_size_per_class)[0], contents(max_total_size)[0]
    if is_known(total) and total <= 0:
        raise refuse("CombinedNonMaxSuppression", f"max_total_size {total}", "max_total_size must be > 0")
    if is_known(each) and each <= 0:
        raise refuse("CombinedNonMaxSuppression", f"max_size_per_class {each}", "max_size_per_class must be > 0")
    if scores.rank != 3:
        raise refuse("CombinedNonMaxSuppression", f"scores {scores.spec}", "scores must be 3-D")
    size = smaller_size(total, each * scores.shape[2]) if pad_per_class else total
    found = b.combined_non_max_suppression(
        boxes, scores, iou_threshold, score_threshold, size=size, each=each, total=total, clip=clip_boxes
    )
    return found[0], found[1], found[2], found[3]


for _op in (
    non_max_suppression,
    non_max_suppression_v2,
    non_max_suppression_v3,
    non_max_suppression_v4,
    non_max_suppression_v5,
    non_max_suppression_with_overlaps,
    combined_non_max_suppression,
):
    _op.no_gradient()

_COLOURS = [
    [1, 1, 0, 1],
    [0, 0, 1, 1],
    [1, 0, 0, 1],
    [0, 1, 0, 1],
    [0.5, 0, 0.5, 1],
    [0.5, 0.5, 0, 1],
    [0.5, 0, 0, 1],
    [0, 0, 0.5, 1],
    [0, 1, 1, 1],
    [1, 0, 1, 1],
]


def _drawn(images: Value, boxes: Value, colours: Value) -> Value:
    return convert(b.draw_boxes(_float(images), boxes, colours), images.dtype)


def _usual_colours(images: Value) -> Value:
    grey = images.rank == 4 and is_known(images.shape[3]) and images.shape[3] == 1
    return constant([[1, *c[1:]] for c in _COLOURS] if grey else _COLOURS, float32)


@op("DrawBoundingBoxes", outputs="output")
def draw_bounding_boxes(images: Tensor[Drawn], boxes: Tensor[float32]) -> Tensor[Drawn]:
    """Draw the outlines of boxes in ten colours in turn; white on grey images."""
    return _drawn(images, boxes, _usual_colours(images))


@op("DrawBoundingBoxesV2", outputs="output")
def draw_bounding_boxes_v2(images: Tensor[Drawn], boxes: Tensor[float32], colors: Tensor[float32]) -> Tensor[Drawn]:
    """Draw the outlines of boxes in the colours in turn; without colours as DrawBoundingBoxes does."""
    if colors.rank == 2 and is_known(colors.shape[0]) and colors.shape[0] == 0:
        return _drawn(images, boxes, _usual_colours(images))
    return _drawn(images, boxes, colors)


draw_bounding_boxes.no_gradient()
draw_bounding_boxes_v2.no_gradient()

_boxes = [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [1, 101, 0, 100]]
_scores = [0.9, 0.75, 0.6, 0.95, 0.5, 0.3]
non_max_suppression.cases([((6, 4), (6,), ())], inputs=(_boxes, _scores, 3))
non_max_suppression_v2.cases([((6, 4), (6,), (), ())], inputs=(_boxes, _scores, 30, 0.5))
non_max_suppression_v3.cases([((6, 4), (6,), (), (), ())], inputs=(_boxes, _scores, 30, 0.5, 0.4), dtypes=[float32])
for _pad in (False, True):
    _attributes = {"pad_to_max_output_size": _pad}
    non_max_suppression_v4.cases(
        [((6, 4), (6,), (), (), ())], inputs=(_boxes, _scores, 5, 0.5, 0.4), attributes=_attributes, dtypes=[float32]
    )
    for _sigma in (0.0, 0.5):
        non_max_suppression_v5.cases(
            [((6, 4), (6,), (), (), (), ())],
            inputs=(_boxes, _scores, 7, 0.5, 0.25, _sigma),
            attributes=_attributes,
            dtypes=[float32],
        )
non_max_suppression_with_overlaps.cases([((7, 7), (7,), (), (), ())], inputs=(None, None, 4, 0.5, 0.0))
for _per_class in (False, True):
    combined_non_max_suppression.cases(
        [
            ((2, 6, 1, 4), (2, 6, 3), (), (), (), ()),
            ((2, 6, 3, 4), (2, 6, 3), (), (), (), ()),
            (("images", 6, 1, 4), ("images", 6, 3), (), (), (), ()),
        ],
        inputs=(None, None, 2, 9, 0.5, 0.1),
        attributes={"pad_per_class": _per_class, "clip_boxes": _per_class},
        low=0.0,
        high=1.0,
    )
_drawn_boxes = [[[0.1, 0.2, 0.8, 0.9], [-0.5, 0.3, 1.5, 0.4], [0.9, 0.9, 0.1, 0.1]]] * 2
draw_bounding_boxes.cases([((2, 8, 9, 3), (2, 3, 4)), ((2, 8, 9, 1), (2, 3, 4))], inputs=(None, _drawn_boxes))
draw_bounding_boxes_v2.cases(
    [((2, 8, 9, 3), (2, 3, 4), (2, 3)), ((2, "rows", 9, 4), (2, 3, 4), (5, 4))], inputs=(None, _drawn_boxes, None)
)
