"""tf.image's random boxes and glimpses."""

from __future__ import annotations

from typing import Any, NamedTuple

from millstream.api.array import shape_tensor
from millstream.api.public import public
from millstream.base import dtypes
from millstream.base.errors import NotFoundError, explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.random_seeds import op_seeds
from millstream.ops import image_crop_box as ops


class SampleDistortedBoundingBox(NamedTuple):
    """A random box: where it begins, its size, and its corners as parts of the image."""

    begin: Any
    size: Any
    bboxes: Any


def _attributes(aspect_ratio_range: Any, area_range: Any, max_attempts: Any, whole: Any) -> dict[str, Any]:
    given = {
        "aspect_ratio_range": None if aspect_ratio_range is None else tuple(float(v) for v in aspect_ratio_range),
        "area_range": None if area_range is None else tuple(float(v) for v in area_range),
        "max_attempts": None if max_attempts is None else int(max_attempts),
        "use_image_if_no_bounding_boxes": None if whole is None else bool(whole),
    }
    return {name: value for name, value in given.items() if value is not None}


@public("image.sample_distorted_bounding_box")
def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: int = 0,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: Any = None,
    use_image_if_no_bounding_boxes: Any = None,
    name: str | None = None,
) -> Any:
    """Draw a random box of an image that covers enough of one of the given boxes.

    Args:
      image_size: rows, columns and depth.
      bounding_boxes: float32 [count, n, 4]: y1, x1, y2, x2 in [0, 1].
      seed: an int; 0 draws other boxes each time.
      min_object_covered: the least part of one given box that lies within the box drawn.
      aspect_ratio_range: columns over rows, (0.75, 1.33).
      area_range: the part of the image, (0.05, 1).
      max_attempts: after so many (100) the whole image is taken.
      use_image_if_no_bounding_boxes: takes the whole image where no boxes are given.
      name: not used.

    Returns:
      A named tuple: begin and size for `tf.slice` (the last size is -1), and the box [1, 1, 4] for drawing.

    Raises:
      InvalidArgumentError: for boxes outside of [0, 1], and ranges that do not ascend.

    >>> tf.image.sample_distorted_bounding_box([40, 50, 3], [[[0.1, 0.1, 0.6, 0.7]]], seed=1).size.shape
    TensorShape([3])
    """
    seeds = op_seeds(seed) if seed else (0, 0)
    more = (aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    return drawn_box(seeds, image_size, bounding_boxes, min_object_covered, *more)


def drawn_box(
    seeds: tuple[int | None, int | None], image_size: Any, bounding_boxes: Any, min_object_covered: Any, *more: Any
) -> SampleDistortedBoundingBox:
    """Draw a box from the stream of two seeds; `more` are the ranges, attempts and use of the whole image."""
    found = apply(
        ops.sample_distorted_bounding_box_v2,
        to_tensor(image_size, None, dtypes.int32),
        to_tensor(bounding_boxes, dtypes.float32),
        to_tensor(min_object_covered, dtypes.float32),
        seed=seeds[0],
        seed2=seeds[1],
        **_attributes(*more),
    )
    return SampleDistortedBoundingBox(*found)


@public("image.stateless_sample_distorted_bounding_box")
def stateless_sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: Any,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: Any = None,
    use_image_if_no_bounding_boxes: Any = None,
    name: str | None = None,
) -> Any:
    """Draw a box of an image as `sample_distorted_bounding_box` does, decided by the seed.

    Args:
      image_size: rows, columns and depth.
      bounding_boxes: float32 [count, n, 4]: y1, x1, y2, x2 in [0, 1].
      seed: two ints.
      min_object_covered: the least part of one given box that lies within the box drawn.
      aspect_ratio_range: columns over rows, (0.75, 1.33).
      area_range: the part of the image, (0.05, 1).
      max_attempts: after so many (100) the whole image is taken.
      use_image_if_no_bounding_boxes: takes the whole image where no boxes are given.
      name: not used.

    Returns:
      A named tuple: begin and size for `tf.slice` (the last size is -1), and the box [1, 1, 4] for drawing.

    >>> tf.image.stateless_sample_distorted_bounding_box([40, 50, 3], [[[0.1, 0.1, 0.6, 0.7]]], (1, 0)).begin.numpy().tolist()
    [5, 20, 0]
    """
    more = _attributes(aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    found = apply(
        ops.stateless_sample_distorted_bounding_box,
        to_tensor(image_size, None, dtypes.int32),
        to_tensor(bounding_boxes, dtypes.float32),
        to_tensor(min_object_covered, dtypes.float32),
        to_tensor(seed, None, dtypes.int32),
        **more,
    )
    return SampleDistortedBoundingBox(*found)


@public("image.extract_glimpse")
def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    noise: str = "uniform",
    name: str | None = None,
) -> Any:
    """Cut a window out of each image; what lies outside of the image is noise.

    Args:
      input: float32 [count, rows, columns, depth].
      size: two ints, rows and columns of the windows.
      offsets: float32 [count, 2]: y and x of each window.
      centered: offsets count from the middle of the image, to that of the window if normalized, else to its corner.
      normalized: offsets are parts of the image (of half of it where centered); else pixels.
      noise: 'uniform' between the least and the largest number of the input, 'gaussian' with its mean and deviation, or
        'zero'. The noise is not TensorFlow's number for number: there it depends on the time.
      name: not used.

    Returns:
      float32 [count, rows', columns', depth].

    >>> tf.image.extract_glimpse(tf.ones([1, 3, 3, 1]), [2, 2], [[0.0, 0.0]], noise="zero").shape
    TensorShape([1, 2, 2, 1])
    """
    return apply(
        ops.extract_glimpse_v2,
        to_tensor(input, dtypes.float32),
        shape_tensor(size, dtypes.int32),
        to_tensor(offsets, dtypes.float32),
        centered=centered,
        normalized=normalized,
        noise=noise,
        uniform_noise=False,
    )


@public("image.generate_bounding_box_proposals")
def generate_bounding_box_proposals(
    scores: Any,
    bbox_deltas: Any,
    image_info: Any,
    anchors: Any,
    nms_threshold: Any = 0.7,
    pre_nms_topn: Any = 6000,
    min_size: Any = 16,
    post_nms_topn: int = 300,
    name: str | None = None,
) -> Any:
    """Refuse: TensorFlow, too, has this op on a GPU only.

    Raises:
      NotFoundError: always.

    >>> tf.image.generate_bounding_box_proposals(0, 0, 0, 0)
    Traceback (most recent call last):
    ...
    millstream.base.errors.NotFoundError: GenerateBoundingBoxProposals has no kernel for the CPU, as in TensorFlow; ...
    """
    raise NotFoundError(
        None,
        None,
        explain(
            "GenerateBoundingBoxProposals has no kernel for the CPU, as in TensorFlow;",
            "decode the boxes from their anchors, then choose with tf.image.non_max_suppression.",
        ),
    )
