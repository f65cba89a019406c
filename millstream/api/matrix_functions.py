"""tf.linalg: exponentials, solutions with LU factors and with banded matrices, conjugate gradients. Loads when first asked for."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from millstream.api import array, picking
from millstream.api.control_flow import while_loop
from millstream.api.linalg import matmul, matrix_transpose
from millstream.api.linalg_factorisation import (
    band_part,
    diag,
    diag_part,
    eigh,
    eigvalsh,
    norm,
    set_diag,
    solve,
    triangular_solve,
)
from millstream.api.math import abs_, cast, conj, real
from millstream.api.public import PUBLIC, public
from millstream.api.reduction import reduce_any, reduce_max, reduce_sum
from millstream.api.sorting import argsort, sort
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.tensor import eager_constant
from millstream.ops.registry import find

_PADE = {
    7: (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0),
    13: (
        64764752532480000.0,
        32382376266240000.0,
        7771770303897600.0,
        1187353796428800.0,
        129060195264000.0,
        10559470521600.0,
        670442572800.0,
        33522128640.0,
        1323241920.0,
        40840800.0,
        960960.0,
        16380.0,
        182.0,
        1.0,
    ),
}
"""Coefficients of Padé's approximations of the exponential, by degree (Higham, The scaling and squaring method revisited)."""


def _pade(x: Any, degree: int) -> tuple[Any, Any]:
    """Return the odd and the even part of the numerator."""
    weights = _PADE[degree]
    unit = array.eye(x.shape.as_list()[-1] or array.shape(x)[-1], dtype=x.dtype)
    square = matmul(x, x)
    powers = [unit, square]
    while len(powers) < 4:
        powers.append(matmul(powers[-1], square))
    odd = sum(weights[2 * i + 1] * power for i, power in enumerate(powers))
    even = sum(weights[2 * i] * power for i, power in enumerate(powers))
    if degree == 13:
        sixth = powers[3]
        odd = odd + matmul(sixth, sum(weights[2 * i + 7] * powers[i] for i in (1, 2, 3)))
        even = even + matmul(sixth, sum(weights[2 * i + 6] * powers[i] for i in (1, 2, 3)))
    return matmul(x, odd), even


@public("linalg.expm")
def expm(input: Any, name: str | None = None) -> Any:
    r"""Return the exponentials of matrices, $\sum_n A^n / n!$, by Padé's approximation, scaling and squaring.

    Args:
      input: Square matrices `[..., M, M]` of float16, float32, float64, complex64 or complex128.
      name: Ignored.

    Raises:
      ValueError: for other element types.

    >>> tf.linalg.expm(tf.zeros([2, 2])).numpy()
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    x = to_tensor(input)
    single = x.dtype in (dtypes.float16, dtypes.float32, dtypes.complex64)
    if not single and x.dtype not in (dtypes.float64, dtypes.complex128):
        raise ValueError(explain(f"tf.linalg.expm does not support matrices of type {x.dtype!r}"))
    if x.shape.rank is not None and x.shape.as_list()[-2:] == [0, 0]:
        return x
    degree, most = (7, 3.925724783138660) if single else (13, 5.371920351148152)
    length = reduce_max(reduce_sum(abs_(x), -2, True), -1, True)
    finite = apply(find("IsFinite"), length)
    one: Any = eager_constant(1, length.dtype)
    # A matrix that holds NaN or infinities is taken as 0 meanwhile, and is NaN in the end.
    times = array.where(finite, apply(find("Log"), array.where(finite, length, one) / most) / np.log(2.0), one * 0)
    squarings = apply(find("Maximum"), apply(find("Ceil"), times), one * 0)
    factor = apply(find("Pow"), one * 2, squarings)
    scaled = array.where(finite, x, array.zeros_like(x)) / cast(factor, x.dtype)
    odd, even = _pade(scaled, degree)
    result = solve(even - odd, even + odd)
    rounds = reduce_max(squarings)
    _, result = while_loop(
        lambda i, y: i < rounds,
        lambda i, y: (i + 1, array.where(i < squarings, matmul(y, y), y)),
        [one * 0, result],
    )
    return array.where(finite, result, eager_constant(np.nan, x.dtype))


def _factors(lower_upper: Any, perm: Any, validate: bool) -> tuple[Any, Any]:
    """Return the arguments as tensors: ranks and sizes are checked where known, the numbers where `validate` is set."""
    packed = to_tensor(lower_upper)
    order = to_tensor(perm)
    ranks = packed.shape.rank, order.shape.rank
    if ranks[0] is not None and ranks[0] < 2:
        raise ValueError(explain("Input `lower_upper` must have at least 2 dimensions."))
    if None not in ranks and ranks[0] != ranks[1] + 1:
        raise ValueError(explain("`rank(lower_upper)` must equal `rank(perm) + 1`"))
    if ranks[0] is not None:
        m, n = packed.shape.as_list()[-2:]
        if m is not None and n is not None and m != n:
            raise ValueError(explain("`lower_upper` must be square."))
    if validate:
        places = array.range_(array.shape(order)[-1], dtype=order.dtype)
        PUBLIC["debugging.assert_equal"](
            sort(order, axis=-1), places + array.zeros_like(order), message="`perm` must hold each place once."
        )
    return packed, order


def _lower(packed: Any) -> Any:
    """Return the lower triangles, with ones on their diagonals."""
    return set_diag(band_part(packed, -1, 0), array.ones_like(diag_part(packed)))


@public("linalg.lu_solve")
def lu_solve(lower_upper: Any, perm: Any, rhs: Any, validate_args: bool = False, name: str | None = None) -> Any:
    """Return x with a x = rhs, out of a's LU factors.

    Args:
      lower_upper: `[..., M, M]`, as `tf.linalg.lu` returns it.
      perm: `[..., M]`, as `tf.linalg.lu` returns it.
      rhs: `[..., M, K]`, of the same element type; leading axes broadcast.
      validate_args: Whether to check that `perm` holds positions.
      name: Ignored.

    Raises:
      ValueError: where ranks or sizes do not fit.

    >>> x = tf.constant([[3., 4.], [1., 2.]])
    >>> tf.linalg.lu_solve(*tf.linalg.lu(x), rhs=tf.eye(2)).numpy().round(3)
    array([[ 1. , -2. ],
           [-0.5,  1.5]], dtype=float32)
    """
    packed, order = _factors(lower_upper, perm, validate_args)
    right = to_tensor(rhs, None, packed.dtype)
    if right.shape.rank is not None and right.shape.rank < 2:
        raise ValueError(explain("Input `rhs` must have at least 2 dimensions."))
    if packed.shape.rank is not None and right.shape.rank is not None:
        have, want = right.shape.as_list()[-2], packed.shape.as_list()[-1]
        if have is not None and want is not None and have != want:
            raise ValueError(
                explain(f"`lower_upper.shape[-1]` must equal `rhs.shape[-2]`. Received: {want} and {have}.")
            )
    shape = array.shape(right)
    lead = array.broadcast_dynamic_shape(shape[:-2], array.shape(order)[:-1])
    right = array.broadcast_to(right, array.concat([lead, shape[-2:]], 0))
    order = array.broadcast_to(order, array.concat([lead, shape[-2:-1]], 0))
    turned = picking.gather(right, order, axis=-2, batch_dims=order.shape.rank - 1)
    return triangular_solve(packed, triangular_solve(_lower(packed), turned), lower=False)


@public("linalg.lu_matrix_inverse")
def lu_matrix_inverse(lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None) -> Any:
    """Return the inverses of matrices, out of their LU factors as `tf.linalg.lu` returns them.

    Raises:
      ValueError: where ranks or sizes do not fit.

    >>> x = tf.constant([[3., 4.], [1., 2.]])
    >>> tf.linalg.lu_matrix_inverse(*tf.linalg.lu(x)).numpy().round(3)
    array([[ 1. , -2. ],
           [-0.5,  1.5]], dtype=float32)
    """
    packed, order = _factors(lower_upper, perm, validate_args)
    shape = array.shape(packed)
    return lu_solve(packed, order, array.eye(shape[-1], batch_shape=shape[:-2], dtype=packed.dtype))


@public("linalg.lu_reconstruct")
def lu_reconstruct(lower_upper: Any, perm: Any, validate_args: bool = False, name: str | None = None) -> Any:
    """Return the matrices whose LU factors these are, as `tf.linalg.lu` returns them.

    Raises:
      ValueError: where ranks or sizes do not fit.

    >>> x = tf.constant([[3., 4.], [1., 2.]])
    >>> tf.linalg.lu_reconstruct(*tf.linalg.lu(x)).numpy()
    array([[3., 4.],
           [1., 2.]], dtype=float32)
    """
    packed, order = _factors(lower_upper, perm, validate_args)
    product = matmul(_lower(packed), band_part(packed, 0, -1))
    result = picking.gather(product, argsort(order, axis=-1), axis=-2, batch_dims=order.shape.rank - 1)
    result.set_shape(packed.shape)
    return result


def _three_diagonals(diagonals: Any, form: str, padded: bool) -> list[Any]:
    """Return the diagonals above, on and below the main one, as long as the main one where `padded` is set."""
    if form == "sequence":
        if not isinstance(diagonals, (tuple, list)) or len(diagonals) != 3:
            raise ValueError(explain("Expected diagonals to be a sequence of length 3."))
        above, main, below = (to_tensor(d) for d in diagonals)
        for which, side in (("superdiagonal", above), ("subdiagonal", below)):
            if not side.shape[:-1].is_compatible_with(main.shape[:-1]):
                raise ValueError(
                    explain(
                        f"Tensors representing the three diagonals must have the same shape, except for the last "
                        f"dimension, got {above.shape}, {main.shape}, {below.shape}"
                    )
                )
            lengths = side.shape.as_list()[-1], main.shape.as_list()[-1]
            if None not in lengths and lengths[0] not in (lengths[1], lengths[1] - 1):
                raise ValueError(
                    explain(
                        f"The {which} has {lengths[0]} elements, the diagonal {lengths[1]}; give as many or one less."
                    )
                )
        if not padded:
            return [above, main, below]
        return [_as_long(above, main, False), main, _as_long(below, main, True)]
    if form == "matrix":
        matrix = to_tensor(diagonals)
        m, n = matrix.shape.as_list()[-2:]
        if m is not None and n is not None and m != n:
            raise ValueError(explain(f"Expected last two dimensions of diagonals to be same, got {m} and {n}"))
        return array.unstack(diag_part(matrix, k=(-1, 1), align="LEFT_RIGHT"), 3, -2)
    if form != "compact":
        raise ValueError(explain(f"Unrecognized diagonals_format: {form}; give compact, sequence or matrix."))
    found = to_tensor(diagonals)
    if found.shape.rank is not None:
        if found.shape.rank < 2:
            raise ValueError(explain(f"Expected diagonals to have rank at least 2, got {found.shape.rank}"))
        count = found.shape.as_list()[-2]
        if count is not None and count != 3:
            raise ValueError(explain(f"Expected 3 diagonals got {count}"))
    return array.unstack(found, 3, -2)


def _as_long(side: Any, main: Any, front: bool) -> Any:
    """Return a diagonal with a 0 more at its front or its end, if it is shorter than the main one."""
    missing = array.shape(main)[-1] - array.shape(side)[-1]
    if None not in (side.shape.as_list()[-1], main.shape.as_list()[-1]):
        missing = main.shape.as_list()[-1] - side.shape.as_list()[-1]
        if missing == 0:
            return side
    last = [missing, 0] if front else [0, missing]
    return array.pad(side, [[0, 0]] * (side.shape.rank - 1) + [last])


@public("linalg.tridiagonal_solve")
def tridiagonal_solve(
    diagonals: Any,
    rhs: Any,
    diagonals_format: str = "compact",
    transpose_rhs: bool = False,
    conjugate_rhs: bool = False,
    name: str | None = None,
    partial_pivoting: bool = True,
    perturb_singular: bool = False,
) -> Any:
    """Return x with t x = rhs for tridiagonal matrices t, by elimination.

    Args:
      diagonals: By `diagonals_format`: "compact", `[..., 3, M]`, above, on and below the main diagonal, the first without its
        last element, the third without its first; "sequence", three tensors `[..., M]`, the outer ones `[..., M - 1]` or as in
        "compact"; "matrix", `[..., M, M]`, of which nothing else is read. float32, float64, complex64 or complex128.
      rhs: `[..., M]` or `[..., M, K]`, of the same element type.
      diagonals_format: See `diagonals`.
      transpose_rhs: Whether `rhs` is `[..., K, M]`.
      conjugate_rhs: Whether `rhs` is conjugated first.
      name: Ignored.
      partial_pivoting: Whether rows are exchanged so that pivots are great.
      perturb_singular: Whether pivots near 0 are moved away from it.

    Raises:
      ValueError: where shapes do not fit, or rows may not be exchanged but pivots moved.

    >>> tf.linalg.tridiagonal_solve([[1., 1., 0.], [4., 4., 4.], [0., 1., 1.]], [5., 6., 5.]).numpy().round(3)
    array([1., 1., 1.], dtype=float32)
    """
    if perturb_singular and not partial_pivoting:
        raise ValueError(explain("partial_pivoting must be True if perturb_singular is."))
    parts = _three_diagonals(diagonals, diagonals_format, True)
    main, right = parts[1], to_tensor(rhs, None, parts[1].dtype)
    ranks = main.shape.rank, right.shape.rank
    if None not in ranks and ranks[1] not in (ranks[0], ranks[0] + 1):
        raise ValueError(explain(f"Expected the rank of rhs to be {ranks[0]} or {ranks[0] + 1}, got {ranks[1]}"))
    if None not in ranks and not main.shape[:-1].is_compatible_with(right.shape[: ranks[0] - 1]):
        raise ValueError(explain(f"Batch shapes {main.shape[:-1]} and {right.shape[: ranks[0] - 1]} are incompatible"))
    vector = None not in ranks and ranks[0] == ranks[1]
    if vector:
        right = array.expand_dims(right, -1)
    elif transpose_rhs:
        right = matrix_transpose(right)
    if conjugate_rhs:
        right = conj(right)
    have, want = right.shape.as_list()[-2] if right.shape.rank else None, main.shape.as_list()[-1]
    if have is not None and want is not None and have != want:
        raise ValueError(
            explain(f"Expected number of left-hand sided and right-hand sides to be equal, got {want} and {have}")
        )
    result = apply(
        find("TridiagonalSolve"),
        array.stack(parts, -2),
        right,
        partial_pivoting=bool(partial_pivoting),
        perturb_singular=bool(perturb_singular),
    )
    return array.squeeze(result, [-1]) if vector else result


@public("linalg.tridiagonal_matmul")
def tridiagonal_matmul(diagonals: Any, rhs: Any, diagonals_format: str = "compact", name: str | None = None) -> Any:
    """Return products of tridiagonal matrices and matrices.

    Args:
      diagonals: As for `tf.linalg.tridiagonal_solve`.
      rhs: `[..., M, K]`, of the same element type.
      diagonals_format: "compact", "sequence" or "matrix".
      name: Ignored.

    Raises:
      ValueError: where shapes do not fit.

    >>> tf.linalg.tridiagonal_matmul([[1., 1., 0.], [4., 4., 4.], [0., 1., 1.]], tf.ones([3, 1])).numpy()[:, 0]
    array([5., 6., 5.], dtype=float32)
    """
    parts = _three_diagonals(diagonals, diagonals_format, True)
    right = to_tensor(rhs, None, parts[1].dtype)
    return apply(find("TridiagonalMatMul"), *(array.expand_dims(part, -2) for part in parts), right)


@public("linalg.banded_triangular_solve")
def banded_triangular_solve(
    bands: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Any:
    """Return x with t x = rhs for triangular matrices t that are given by K of their diagonals.

    Args:
      bands: `[..., K, M]`: from the main diagonal down if `lower`, otherwise from the highest down to the main one. The first
        elements of lower diagonals and the last ones of upper diagonals are not read.
      rhs: `[..., M, N]`, of the same element type; leading axes broadcast.
      lower: Whether t is a lower triangle.
      adjoint: Whether to solve with t's conjugate transpose.
      name: Ignored.

    >>> tf.linalg.banded_triangular_solve([[2., 3., 4.], [0., 2., 3.]], tf.ones([3, 1])).numpy()[:, 0]
    array([0.5 , 0.  , 0.25], dtype=float32)
    """
    return apply(find("BandedTriangularSolve"), bands, rhs, lower=bool(lower), adjoint=bool(adjoint))


@public("linalg.eigh_tridiagonal")
def eigh_tridiagonal(
    alpha: Any,
    beta: Any,
    eigvals_only: bool = True,
    select: str = "a",
    select_range: Any = None,
    tol: Any = None,
    name: str | None = None,
) -> Any:
    """Return eigenvalues, ascending, of one Hermitian tridiagonal matrix, and eigenvectors in columns if asked for.

    Args:
      alpha: Its diagonal `[n]`.
      beta: The diagonal above `[n - 1]`, of the same element type; the one below is its conjugate.
      eigvals_only: Whether to leave out the vectors.
      select: "a" for all, "v" for those in the interval (min, max] of `select_range`, "i" for those with positions min to max.
      select_range: Two numbers, unless `select` is "a".
      tol: Ignored: the result is as exact as the element type allows.
      name: Ignored.

    Raises:
      ValueError: for element types that differ, or another `select`.
      InvalidArgumentError: for a range that is empty.

    >>> tf.linalg.eigh_tridiagonal([2., 2.], [1.]).numpy().round(3)
    array([1., 3.], dtype=float32)
    """
    main = to_tensor(alpha)
    if main.shape.as_list()[0] is not None and main.shape.as_list()[0] <= 1:
        return real(main)
    side = to_tensor(beta)
    if main.dtype is not side.dtype:
        raise ValueError(explain("'alpha' and 'beta' must have the same type."))
    if select not in ("a", "i", "v"):
        raise ValueError(explain("'select must have a value in {'a', 'i', 'v'}."))
    if select == "i":
        PUBLIC["debugging.assert_less_equal"](
            select_range[0], select_range[1], message="Got empty index range in select_range."
        )
    elif select == "v":
        PUBLIC["debugging.assert_less"](select_range[0], select_range[1], message="Got empty interval in select_range.")
    # Only the lower triangle is read.
    matrix = diag(main) + diag(conj(side), k=-1)
    values, vectors = (eigvalsh(matrix), None) if eigvals_only else eigh(matrix)
    values = real(values)
    if select == "i":
        first, after = select_range[0], select_range[1] + 1
        values, vectors = values[first:after], None if vectors is None else vectors[:, first:after]
    elif select == "v":
        inside = (values > cast(select_range[0], values.dtype)) & (values <= cast(select_range[1], values.dtype))
        values = picking.boolean_mask(values, inside)
        vectors = None if vectors is None else picking.boolean_mask(vectors, inside, axis=1)
    return values if vectors is None else (values, vectors)


CGState = namedtuple("CGState", ["i", "x", "r", "p", "gamma"])


@public("linalg.experimental.conjugate_gradient")
def conjugate_gradient(
    operator: Any,
    rhs: Any,
    preconditioner: Any = None,
    x: Any = None,
    tol: Any = 1e-5,
    max_iter: Any = 20,
    name: str = "conjugate_gradient",
) -> Any:
    """Solve operator x = rhs by conjugate gradients, until the residual is at most `tol` times as long as rhs.

    Args:
      operator: A self-adjoint, positive definite `LinearOperator`.
      rhs: Vectors `[..., N]`.
      preconditioner: A `LinearOperator` near the inverse of `operator`.
      x: Where to start, `[..., N]`; 0 without it.
      tol: How long the residual may be, relative to rhs.
      max_iter: How many steps there may be.
      name: Ignored.

    Returns:
      A tuple `i` (steps made), `x` (the solution), `r` (the residual), `p` (the last direction) and `gamma` (r's product with
      what the preconditioner makes of it).

    Raises:
      ValueError: where the operator does not say that it is self-adjoint and positive definite.
    """
    if not (operator.is_self_adjoint and operator.is_positive_definite):
        raise ValueError(explain("Expected a self-adjoint, positive definite operator."))
    right = to_tensor(rhs, None, operator.dtype)

    def product(a: Any, b: Any) -> Any:
        return reduce_sum(conj(a) * b, -1)

    def along(factor: Any, direction: Any) -> Any:
        return array.expand_dims(factor, -1) * direction

    lead = array.broadcast_dynamic_shape(array.shape(right)[:-1], operator.batch_shape_tensor())
    if preconditioner is not None:
        lead = array.broadcast_dynamic_shape(lead, preconditioner.batch_shape_tensor())
    whole = array.concat([lead, array.shape(right)[-1:]], 0)
    residual = array.broadcast_to(right, whole)
    limit = norm(residual, axis=-1) * cast(tol, right.dtype.real_dtype)
    if x is None:
        start = array.zeros(whole, right.dtype)
    else:
        start = array.broadcast_to(to_tensor(x, None, right.dtype), whole)
        residual = residual - operator.matvec(start)

    def improved(r: Any) -> Any:
        return r if preconditioner is None else preconditioner.matvec(r)

    def unfinished(i: Any, x: Any, r: Any, p: Any, gamma: Any) -> Any:
        return (i < max_iter) & reduce_any(norm(r, axis=-1) > limit)

    def step(i: Any, x: Any, r: Any, p: Any, gamma: Any) -> tuple[Any, ...]:
        z = operator.matvec(p)
        size = gamma / product(p, z)
        x, r = x + along(size, p), r - along(size, z)
        q = improved(r)
        after = product(r, q)
        return i + 1, x, r, q + along(after / gamma, p), after

    direction = improved(residual)
    state = [eager_constant(0, dtypes.int32), start, residual, direction, product(residual, direction)]
    return CGState(*while_loop(unfinished, step, state))
