"""What the tables of single ops are made of: sizes, inputs, and the makers of jobs of one function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

Job = Callable[[], object]
Maker = Callable[[Any, Any], Job]

SIZES = {"small": (16, 16), "medium": (256, 256), "large": (2048, 1024)}
"""Rows and columns: 256, 65,536 and 2,097,152 elements."""


def images(x: Any, tf: Any) -> Any:
    """The numbers as a batch of images with 16 channels: 4×4, 16×16 and 32×32."""
    rows, columns = x.shape
    side = {256: 4, 65536: 16}.get(rows * columns, 32)
    return tf.reshape(x, (-1, side, side, 16))


def unary(function: Callable[[Any, Any], Any]) -> Maker:
    """A job of one function of `tf` and the matrix."""
    return lambda tf, x: functools.partial(function, tf, x)


def pair(function: Callable[[Any, Any, Any], Any]) -> Maker:
    """A job of two matrices of the same shape, the second one positive."""
    return lambda tf, x: functools.partial(function, tf, x, tf.abs(x) + 0.5)


def row_numbers(tf: Any, x: Any) -> Any:
    """As many row numbers as there are rows, in an order without a pattern."""
    return tf.argsort(x[:, 0])
