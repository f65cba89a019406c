"""Functions of tf.experimental.numpy that multiply arrays: products of vectors and matrices, sums of indexed products."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array as arrays
from millstream.api import einsum as sums
from millstream.api import linalg
from millstream.api import linalg_factorisation as matrices
from millstream.api.experimental_numpy import asarray, axis_of, known_rank, promoted
from millstream.api.experimental_numpy_shapes import moveaxis
from millstream.api.math import conj
from millstream.api.public import public
from millstream.base.errors import InvalidArgumentError, explain
from millstream.execution.dispatch import apply
from millstream.ops.registry import find


@public("experimental.numpy.dot")
def dot(a: Any, b: Any) -> Any:
    """Return the product over the last axis of `a` and the last but one of `b`; of scalars, their product."""
    first, second = promoted(a, b)
    if not first.shape.rank or not second.shape.rank:
        return first * second
    return linalg.tensordot(first, second, [[-1], [-1 if second.shape.rank == 1 else -2]])


@public("experimental.numpy.matmul")
def matmul(x1: Any, x2: Any) -> Any:
    """Return the product of matrices; vectors stand for a row on the left, a column on the right."""
    first, second = promoted(x1, x2)
    ranks = known_rank(first, "matmul"), known_rank(second, "matmul")
    if 0 in ranks:
        raise ValueError(explain("matmul takes arrays of at least one axis; multiply by a number with multiply."))
    try:
        if ranks[1] == 1:
            return linalg.tensordot(first, second, 1)
        if ranks[0] == 1:
            return linalg.tensordot(first, second, [[0], [-2]])
        return linalg.matmul(first, second)
    except InvalidArgumentError as error:
        raise ValueError(error.message) from None


@public("experimental.numpy.tensordot")
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Return the sum of products over pairs of axes, or over the last `axes` of `a` and first of `b`."""
    first, second = promoted(a, b)
    return linalg.tensordot(first, second, axes)


@public("experimental.numpy.inner")
def inner(a: Any, b: Any) -> Any:
    """Return the product over the last axes; of scalars, their product."""
    first, second = promoted(a, b)
    if not first.shape.rank or not second.shape.rank:
        return first * second
    return linalg.tensordot(first, second, [[-1], [-1]])


@public("experimental.numpy.outer")
def outer(a: Any, b: Any) -> Any:
    """Return the products of each element of `a` with each of `b`, as a matrix."""
    first, second = promoted(a, b)
    return arrays.reshape(first, [-1, 1]) * arrays.reshape(second, [-1])


@public("experimental.numpy.vdot")
def vdot(a: Any, b: Any) -> Any:
    """Return the product of the flat arrays, the first one conjugated."""
    first, second = (arrays.reshape(x, [-1]) for x in promoted(a, b))
    return dot(conj(first) if first.dtype.is_complex else first, second)


@public("experimental.numpy.cross")
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    """Return the vector products of vectors of 3 (or 2) elements, which lie along an axis.

    Args:
      a: vectors.
      b: vectors.
      axisa: where the vectors of `a` lie.
      axisb: where the vectors of `b` lie.
      axisc: where those of the result lie.
      axis: all three places at once.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    first, second = promoted(a, b)
    first, second = moveaxis(first, axisa, -1), moveaxis(second, axisb, -1)
    sizes = first.shape[-1], second.shape[-1]
    if any(n not in (2, 3) for n in sizes):
        raise ValueError(explain(f"cross takes vectors of 2 or 3 elements, given {sizes[0]} and {sizes[1]}."))
    first, second = (_with_third(x) for x in (first, second))
    shape = apply(find("BroadcastArgs"), arrays.shape(first), arrays.shape(second))
    found = matrices.cross(arrays.broadcast_to(first, shape), arrays.broadcast_to(second, shape))
    if sizes == (2, 2):
        return found[..., 2]
    return moveaxis(found, -1, axis_of(axisc, known_rank(found, "cross")))


def _with_third(vectors: Any) -> Any:
    if vectors.shape[-1] == 3:
        return vectors
    widths = np.zeros((known_rank(vectors, "cross"), 2), np.int32)
    widths[-1, 1] = 1
    return arrays.pad(vectors, widths)


@public("experimental.numpy.kron")
def kron(a: Any, b: Any) -> Any:
    """Return the product of each element of `a` with the whole of `b`, laid out in the places of `a`."""
    first, second = promoted(a, b)
    ranks = known_rank(first, "kron"), known_rank(second, "kron")
    rank = max(ranks)
    left, right = (
        [1] * (rank - r) + list(arrays.unstack(arrays.shape(x), r)) for x, r in zip((first, second), ranks, strict=True)
    )
    apart = arrays.reshape(first, arrays.stack([n for size in left for n in (size, 1)])) if rank else first
    near = arrays.reshape(second, arrays.stack([n for size in right for n in (1, size)])) if rank else second
    sizes = [m * n for m, n in zip(left, right, strict=True)]
    return arrays.reshape(apart * near, arrays.stack(sizes)) if rank else apart * near


@public("experimental.numpy.einsum")
def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Return the sum of products that the subscripts say, such as "ij,jk->ik".

    Args:
      subscripts: names of the axes of each operand, and of the result.
      *operands: the arrays.
      **kwargs: casting ("safe"), optimize (True or "greedy", "optimal").
    """
    casting = kwargs.get("casting", "safe")
    optimize = kwargs.get("optimize", False)
    if casting == "safe":
        given = promoted(*operands)
    elif casting == "no":
        given = [asarray(x) for x in operands]
    else:
        raise ValueError(
            explain(f"Invalid value for argument `casting`. Expected casting to be safe or no. Received: {casting}")
        )
    if not optimize:
        return sums.einsum(subscripts, *given)
    if optimize not in (True, "greedy", "optimal"):
        raise ValueError(
            explain(
                "Invalid value for argument `optimize`. Expected one of {True, 'greedy', 'optimal'}. Received: "
                f"optimize={optimize}"
            )
        )
    return sums.einsum(subscripts, *given, optimize="greedy" if optimize is True else optimize)


@public("experimental.numpy.polyval")
def polyval(p: Any, x: Any) -> Any:
    """Return the polynomial with the coefficients p, the highest power first, at x."""
    coefficients, place = promoted(p, x)
    if coefficients.shape.rank == 0:
        coefficients = arrays.reshape(coefficients, [1])
    found = arrays.zeros_like(place)
    for coefficient in arrays.unstack(coefficients):
        found = found * place + coefficient
    return found
