"""Sparse adjoints, under the name the rules of this room know them by. They are stated in `program.slices`, below the ops."""

from millstream.program.slices import Adjoint, ListItem, Slices, accumulate, dense

__all__ = ["Adjoint", "ListItem", "Slices", "accumulate", "dense"]
