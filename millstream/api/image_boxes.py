"""tf.image's functions on boxes [y1, x1, y2, x2] within images."""

from __future__ import annotations

from typing import Any, NamedTuple

from millstream.api import array
from millstream.api.array import shape_tensor
from millstream.api.control_flow import map_fn
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import Tensor
from millstream.ops import image_boxes as ops
from millstream.ops import image_warp as warp


@public("image.crop_and_resize")
def crop_and_resize(
    image: Any,
    boxes: Any,
    box_indices: Any,
    crop_size: Any,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    name: str | None = None,
) -> Any:
    """Cut boxes out of images and resize them to one size.

    Args:
      image: [count, rows, columns, depth].
      boxes: [n, 4] float32: y1, x1, y2, x2 as parts of the image, whose last pixels are at 1; y1 > y2 turns the box round.
      box_indices: [n] int32: the image of each box.
      crop_size: two ints, rows and columns.
      method: 'bilinear' or 'nearest'.
      extrapolation_value: what lies outside of the images.
      name: not used.

    Returns:
      float32 [n, rows, columns, depth].

    Raises:
      InvalidArgumentError: for boxes of images that there are not.

    >>> tf.image.crop_and_resize(tf.ones([1, 4, 4, 3]), [[0.0, 0.0, 1.0, 1.0]], [0], [2, 2]).shape
    TensorShape([1, 2, 2, 3])
    """
    return apply(
        warp.crop_and_resize,
        image,
        to_tensor(boxes, dtypes.float32),
        to_tensor(box_indices, dtypes.int32),
        shape_tensor(crop_size, dtypes.int32),
        method=method,
        extrapolation_value=float(extrapolation_value),
    )


def _thresholds(*values: Any, dtype: Any = dtypes.float32) -> list[Any]:
    return [to_tensor(v, None if isinstance(v, Tensor) else dtype) for v in values]


def _number_tensor(count: Any) -> Any:
    return to_tensor(count, dtypes.int32)


@public("image.non_max_suppression")
def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Any:
    """Choose boxes by score, dropping those that overlap too much with a better one (intersection over union).

    Args:
      boxes: [n, 4], float32 or half: y1, x1, y2, x2, in any unit and with either corner first.
      scores: [n].
      max_output_size: the largest number of boxes chosen.
      iou_threshold: the largest overlap allowed, in [0, 1].
      score_threshold: boxes of lower scores are dropped.
      name: not used.

    Returns:
      int32 [m]: the indices of the chosen boxes, the best first.

    Raises:
      InvalidArgumentError: for thresholds out of range and shapes that do not fit.

    >>> boxes = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.1, 1.0, 1.1], [0.0, 2.0, 1.0, 3.0]]
    >>> tf.image.non_max_suppression(boxes, [0.9, 0.8, 0.7], 3).numpy().tolist()
    [0, 2]
    """
    limits = _thresholds(iou_threshold, score_threshold)
    return apply(ops.non_max_suppression_v3, boxes, scores, _number_tensor(max_output_size), *limits)


@public("image.non_max_suppression_with_scores")
def non_max_suppression_with_scores(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    soft_nms_sigma: Any = 0.0,
    name: str | None = None,
) -> Any:
    """Choose boxes as `non_max_suppression` does, or lower the scores of those that overlap (Bodla et al. 2017).

    Args:
      boxes: [n, 4], float32 or half: y1, x1, y2, x2.
      scores: [n].
      max_output_size: the largest number of boxes chosen.
      iou_threshold: the largest overlap allowed, in [0, 1].
      score_threshold: boxes of lower scores are dropped.
      soft_nms_sigma: above 0: scores fall with overlap by exp(-overlap ** 2 / (2 sigma)), and no box is dropped for it.
      name: not used.

    Returns:
      int32 [m] indices and [m] scores, the best first.

    >>> indices, scores = tf.image.non_max_suppression_with_scores([[0.0, 0.0, 1.0, 1.0]], [0.9], 3)
    >>> indices.numpy().tolist()
    [0]
    """
    boxes = to_tensor(boxes)
    limits = _thresholds(iou_threshold, score_threshold, soft_nms_sigma, dtype=boxes.dtype)
    found = apply(ops.non_max_suppression_v5, boxes, scores, _number_tensor(max_output_size), *limits)
    return found[0], found[1]


@public("image.non_max_suppression_overlaps")
def non_max_suppression_overlaps(
    overlaps: Any,
    scores: Any,
    max_output_size: Any,
    overlap_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    name: str | None = None,
) -> Any:
    """Choose items by score, dropping those whose given overlap with a better one is too large.

    Args:
      overlaps: float32 [n, n].
      scores: float32 [n].
      max_output_size: the largest number of items chosen.
      overlap_threshold: the largest overlap allowed.
      score_threshold: items of lower scores are dropped.
      name: not used.

    Returns:
      int32 [m]: the indices of the chosen items, the best first.

    >>> tf.image.non_max_suppression_overlaps([[1.0, 0.9], [0.9, 1.0]], [0.1, 0.2], 2).numpy().tolist()
    [1]
    """
    limits = _thresholds(overlap_threshold, score_threshold)
    return apply(ops.non_max_suppression_with_overlaps, overlaps, scores, _number_tensor(max_output_size), *limits)


@public("image.non_max_suppression_padded")
def non_max_suppression_padded(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_to_max_output_size: bool = False,
    name: str | None = None,
    sorted_input: bool = False,
    canonicalized_coordinates: bool = False,
    tile_size: int = 512,
) -> Any:
    """Choose boxes as `non_max_suppression` does, in batches, with as many indices for each.

    Args:
      boxes: [..., n, 4].
      scores: [..., n].
      max_output_size: the largest number of boxes chosen.
      iou_threshold: the largest overlap allowed, in [0, 1].
      score_threshold: boxes of lower scores are dropped.
      pad_to_max_output_size: fills indices up with zeros; must hold for batches.
      name: not used.
      sorted_input: says that scores descend; makes no difference here.
      canonicalized_coordinates: says that y1 < y2 and x1 < x2; makes no difference here.
      tile_size: makes no difference here.

    Returns:
      int32 indices [..., max_output_size] (or [m]) and how many of them are valid, [...].

    Raises:
      ValueError: for batches without padding.

    >>> tf.image.non_max_suppression_padded([[0.0, 0.0, 1.0, 1.0]], [0.9], 3, pad_to_max_output_size=True)[0].shape
    TensorShape([3])
    """
    boxes, scores = to_tensor(boxes), to_tensor(scores)
    most = _number_tensor(max_output_size)
    limits = _thresholds(iou_threshold, score_threshold)
    if boxes.shape.rank is None:
        raise ValueError(explain("The rank of 'boxes' must be known; give it a shape with tf.ensure_shape."))
    if boxes.shape.rank == 2:
        found = apply(
            ops.non_max_suppression_v4, boxes, scores, most, *limits, pad_to_max_output_size=pad_to_max_output_size
        )
        return found[0], found[1]
    if not pad_to_max_output_size:
        raise ValueError(
            explain(f"'pad_to_max_output_size' (value {pad_to_max_output_size}) must be True for batched input")
        )
    whole = array.shape(boxes)
    flat_boxes = array.reshape(boxes, array.concat([[-1], whole[-2:]], 0))
    flat_scores = array.reshape(scores, array.concat([[-1], whole[-2:-1]], 0))
    indices, valid = map_fn(
        lambda pair: tuple(
            apply(ops.non_max_suppression_v4, pair[0], pair[1], most, *limits, pad_to_max_output_size=True)
        ),
        (flat_boxes, flat_scores),
        fn_output_signature=(dtypes.int32, dtypes.int32),
    )
    lead = whole[:-2]
    return array.reshape(indices, array.concat([lead, array.reshape(most, [1])], 0)), array.reshape(valid, lead)


@public("image.combined_non_max_suppression")
def combined_non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = float("-inf"),
    pad_per_class: bool = False,
    clip_boxes: bool = True,
    name: str | None = None,
) -> Any:
    """Choose the best boxes of each image over all classes, each class by itself as `non_max_suppression` does.

    Args:
      boxes: float32 [images, n, 1 or classes, 4]: y1, x1, y2, x2.
      scores: float32 [images, n, classes].
      max_output_size_per_class: the largest number of boxes of one class.
      max_total_size: the largest number of boxes of one image.
      iou_threshold: the largest overlap allowed, in [0, 1].
      score_threshold: boxes of lower scores are dropped.
      pad_per_class: cuts results to at most max_output_size_per_class * classes.
      clip_boxes: cuts boxes to [0, 1].
      name: not used.

    Returns:
      A named tuple, padded with zeros: nmsed_boxes [images, m, 4], nmsed_scores, nmsed_classes [images, m],
      valid_detections int32 [images].

    >>> found = tf.image.combined_non_max_suppression(tf.zeros([1, 2, 1, 4]), tf.ones([1, 2, 3]), 2, 4)
    >>> found.valid_detections.numpy().tolist()
    [4]
    """
    limits = [to_tensor(v, dtypes.float32) for v in (iou_threshold, score_threshold)]
    each, total = _number_tensor(max_output_size_per_class), _number_tensor(max_total_size)
    found = apply(
        ops.combined_non_max_suppression,
        boxes,
        scores,
        each,
        total,
        *limits,
        pad_per_class=pad_per_class,
        clip_boxes=clip_boxes,
    )
    return CombinedNonMaxSuppression(*found)


class CombinedNonMaxSuppression(NamedTuple):
    """What `tf.image.combined_non_max_suppression` finds."""

    nmsed_boxes: Any
    nmsed_scores: Any
    nmsed_classes: Any
    valid_detections: Any


@public("image.draw_bounding_boxes")
def draw_bounding_boxes(images: Any, boxes: Any, colors: Any, name: str | None = None) -> Any:
    """Draw the outlines of boxes on images, in the colours in turn.

    Args:
      images: [count, rows, columns, depth] of float32 or half.
      boxes: float32 [count, n, 4]: y1, x1, y2, x2 as parts of the image; what lies outside is left out.
      colors: float32 [m, depth or more]; None draws in ten colours.
      name: not used.

    Returns:
      Images of the same shape and type.

    >>> tf.image.draw_bounding_boxes(tf.zeros([1, 3, 3, 1]), [[[0.0, 0.0, 1.0, 1.0]]], [[1.0]])[0, 1, :, 0].numpy().tolist()
    [1.0, 0.0, 1.0]
    """
    if colors is None:
        return apply(ops.draw_bounding_boxes, images, to_tensor(boxes, dtypes.float32))
    return apply(
        ops.draw_bounding_boxes_v2, images, to_tensor(boxes, dtypes.float32), to_tensor(colors, dtypes.float32)
    )
