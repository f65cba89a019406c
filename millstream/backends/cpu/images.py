"""Write the instructions of kernels on images."""

from __future__ import annotations

from millstream.backends.cpu.movement import with_words
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
