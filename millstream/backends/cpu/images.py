"""Write the instructions of kernels on images."""

from __future__ import annotations

from millstream.backends.cpu.emitters import claims, emits
from millstream.backends.cpu.movement import with_words
from millstream.base import dtypes
from millstream.compiler.plan import FunctionWriter, real_word
from millstream.program.primitives.images import FILL_MODES, INTERPOLATIONS
from millstream.program.resampling import METHODS
from millstream.program.value import Node


def _resize_words(node: Node) -> list[int]:
    a = node.attributes
    return [METHODS.index(a["method"]), *(int(a[n]) for n in ("align_corners", "half_pixel_centers", "antialias"))]


with_words("resize", _resize_words)
with_words("resize_gradient", _resize_words)
with_words(
    "projective_transform",
    lambda n: (INTERPOLATIONS.index(n.attributes["interpolation"]), FILL_MODES.index(n.attributes["fill_mode"])),
)


@claims("CropAndResize")
def _is_plain_crop(node: Node) -> bool:
    image = node.inputs[0].spec
    return image.dtype in (dtypes.float32, dtypes.uint8) and image.shape is not None and len(image.shape) == 4


@emits("CropAndResize")
def _crop_and_resize(node: Node, writer: FunctionWriter) -> None:
    a = node.attributes
    words = (("bilinear", "nearest").index(a["method"]), real_word(a["extrapolation_value"]))
    inputs = [writer.place(v) for v in node.inputs[:3]]
    writer.instruction("crop_and_resize", inputs, [writer.place(node.outputs[0])], words)
