"""The primitives' table and the functions that apply them, by family."""

from millstream.program.primitives import control, elementwise, indexing, linear, lists, reduction, shaping, state
from millstream.program.primitives.core import PRIMITIVES, Primitive, primitive

__all__ = [
    "PRIMITIVES",
    "Primitive",
    "control",
    "elementwise",
    "linear",
    "lists",
    "primitive",
    "reduction",
    "shaping",
    "state",
]
