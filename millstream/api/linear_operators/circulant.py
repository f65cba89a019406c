"""Circulant operators in one, two and three dimensions: convolutions with a kernel, given by the kernel's Fourier transform."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array
from millstream.api.linalg import adjoint as adjoint_of
from millstream.api.linalg import matrix_transpose
from millstream.api.linear_operators.helpers import (
    always,
    assert_no_zeros,
    assert_real,
    column,
    log,
    own_arguments,
    part,
)
from millstream.api.linear_operators.operator import LinearOperator
from millstream.api.linear_operators.spec import composite
from millstream.api.math import abs_, cast, conj, imag, real
from millstream.api.public import PUBLIC, public
from millstream.api.reduction import reduce_max, reduce_min, reduce_prod, reduce_sum
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find

_TRANSFORMS = {1: ("FFT", "IFFT"), 2: ("FFT2D", "IFFT2D"), 3: ("FFT3D", "IFFT3D")}


def as_complex(x: Any) -> Any:
    """Return x as complex numbers of its precision."""
    x = to_tensor(x)
    if x.dtype.is_complex:
        return x
    return cast(x, dtypes.complex128 if x.dtype is dtypes.float64 else dtypes.complex64)


class CirculantOperator(LinearOperator):
    """The convolution of tensors of `block_depth` axes with a kernel, around the edges, as a matrix of their flat elements."""

    _depth = 1
    _spectrum: Any

    def _start(self, arguments: dict[str, Any]) -> None:
        self._spectrum = part(arguments["spectrum"])
        rank = self._spectrum.shape.rank
        if rank is not None and rank < self._depth:
            raise ValueError(
                explain(f"Argument `spectrum` must have at least {self._depth} dimensions. Received: {self._spectrum}.")
            )
        adjoint = arguments["is_self_adjoint"]
        if not self._spectrum.dtype.is_complex:
            adjoint = always(adjoint, "A real spectrum always corresponds to a self-adjoint operator.")
        square = always(arguments["is_square"], "A [[nested] block] circulant operator is always square.")
        self._settle(as_dtype(arguments["input_output_dtype"]), arguments, is_self_adjoint=adjoint, is_square=square)

    @property
    def block_depth(self) -> int:
        """How many axes the tensors have that are convolved."""
        return self._depth

    @property
    def block_shape(self) -> Any:
        """The shape of the tensors that are convolved, as far as it is known."""
        return self._spectrum.shape[-self._depth :]

    def block_shape_tensor(self) -> Any:
        """Return the shape of the tensors that are convolved."""
        if self.block_shape.is_fully_defined():
            return array.index_tensor(self.block_shape.as_list())
        return array.shape(self._spectrum)[-self._depth :]

    @property
    def spectrum(self) -> Any:
        """The kernel's Fourier transform."""
        return self._spectrum

    @property
    def _input_output_dtype(self) -> Any:
        return self._dtype

    def _shape(self) -> Any:
        size = self.block_shape.num_elements()
        return self._spectrum.shape[: -self._depth].concatenate([size, size])

    def _shape_tensor(self) -> Any:
        size = array.reshape(reduce_prod(self.block_shape_tensor()), [1])
        return array.concat([array.shape(self._spectrum)[: -self._depth], size, size], 0)

    def _flat(self) -> Any:
        """Return the spectrum with one axis for the elements of a kernel."""
        lead = array.shape(self._spectrum)[: -self._depth]
        return array.reshape(self._spectrum, array.concat([lead, [-1]], 0))

    def convolution_kernel(self, name: str = "convolution_kernel") -> Any:
        """Return the kernel: the spectrum's inverse Fourier transform."""
        with self._name_scope(name):
            return cast(apply(find(_TRANSFORMS[self._depth][1]), as_complex(self._spectrum)), self.dtype)

    def assert_hermitian_spectrum(self, name: str = "assert_hermitian_spectrum") -> Any:
        """Raise InvalidArgumentError where the kernel is not real, up to rounding."""
        with self._name_scope(name):
            real_type = self.dtype.real_dtype
            most = cast(self.domain_dimension_tensor(), real_type) * np.finfo(real_type.as_numpy_dtype).eps
            return PUBLIC["debugging.assert_less"](
                abs_(imag(self.convolution_kernel())), most, message="Spectrum was not Hermitian"
            )

    def _assert_non_singular(self) -> Any:
        return assert_no_zeros(self._spectrum, "Singular operator:  Spectrum contained zero values.")

    def _assert_positive_definite(self) -> Any:
        return PUBLIC["debugging.assert_positive"](
            real(to_tensor(self._spectrum)),
            message="Not positive definite:  Real part of spectrum was not all positive.",
        )

    def _assert_self_adjoint(self) -> Any:
        return assert_real(self._spectrum, "Not self-adjoint:  The spectrum contained non-zero imaginary part.")

    def _convolved(self, x: Any, adjoint: bool, adjoint_arg: bool, divide: bool) -> Any:
        forth, back = (find(name) for name in _TRANSFORMS[self._depth])
        spectrum = as_complex(self._spectrum)
        spectrum = array.expand_dims(conj(spectrum) if adjoint else spectrum, -self._depth - 1)
        x = cast(adjoint_of(x) if adjoint_arg else x, spectrum.dtype)
        rows = matrix_transpose(x)
        blocks = array.reshape(rows, array.concat([array.shape(rows)[:-1], self.block_shape_tensor()], 0))
        found = apply(forth, blocks)
        found = apply(back, found / spectrum if divide else found * spectrum)
        lead = array.shape(found)[: -self._depth]
        result = matrix_transpose(array.reshape(found, array.concat([lead, [-1]], 0)))
        result.set_shape(
            array.broadcast_static_shape(x.shape[:-2], self.batch_shape).concatenate(
                [self.range_dimension, x.shape[-1]]
            )
        )
        return cast(result, self.dtype)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._convolved(x, adjoint, adjoint_arg, False)

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._convolved(rhs, adjoint, adjoint_arg, True)

    def _determinant(self) -> Any:
        return cast(reduce_prod(self._flat(), -1), self.dtype)

    def _log_abs_determinant(self) -> Any:
        return cast(reduce_sum(log(abs_(self._flat())), -1), self.dtype)

    def _cond(self) -> Any:
        sizes = abs_(self._flat())
        return reduce_max(sizes, -1) / reduce_min(sizes, -1)

    def _eigvals(self) -> Any:
        return self._flat()

    def _trace(self) -> Any:
        values = self._flat()
        if not self.dtype.is_complex or self.is_self_adjoint:
            values = real(values)
        return cast(reduce_sum(values, -1), self.dtype)

    def _diag_part(self) -> Any:
        size = self.domain_dimension_tensor()
        share = self.trace() / cast(size, self.dtype)
        return column(share) * array.ones(array.reshape(size, [1]), self.dtype)

    @property
    def _composite_tensor_fields(self) -> tuple[str, ...]:
        return ("spectrum", "input_output_dtype")

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"spectrum": self._depth}


@public("linalg.LinearOperatorCirculant")
@composite
class LinearOperatorCirculant(CirculantOperator):
    """The operator of matrices whose rows are the first one, each turned by one more place; `spectrum` is `[..., N]`.

    >>> operator = tf.linalg.LinearOperatorCirculant([6., 0., 0.], input_output_dtype=tf.float32)
    >>> operator.to_dense().numpy()[0]
    array([2., 2., 2.], dtype=float32)
    """

    def __init__(
        self,
        spectrum: Any,
        input_output_dtype: Any = dtypes.complex64,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str = "LinearOperatorCirculant",
    ) -> None:
        self._start(own_arguments(locals()))


@public("linalg.LinearOperatorCirculant2D")
@composite
class LinearOperatorCirculant2D(CirculantOperator):
    """The convolution of matrices with a kernel, around the edges, on their flat elements; `spectrum` is `[..., N0, N1]`.

    >>> operator = tf.linalg.LinearOperatorCirculant2D([[4., 0.], [0., 0.]], input_output_dtype=tf.float32)
    >>> operator.to_dense().numpy()[0]
    array([1., 1., 1., 1.], dtype=float32)
    """

    _depth = 2

    def __init__(
        self,
        spectrum: Any,
        input_output_dtype: Any = dtypes.complex64,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str = "LinearOperatorCirculant2D",
    ) -> None:
        self._start(own_arguments(locals()))


@public("linalg.LinearOperatorCirculant3D")
@composite
class LinearOperatorCirculant3D(CirculantOperator):
    """The convolution of tensors of three axes with a kernel, around the edges, on their flat elements.

    `spectrum` is `[..., N0, N1, N2]`.

    >>> operator = tf.linalg.LinearOperatorCirculant3D([[[4.], [0.]], [[0.], [0.]]], input_output_dtype=tf.float32)
    >>> operator.to_dense().numpy()[0]
    array([1., 1., 1., 1.], dtype=float32)
    """

    _depth = 3

    def __init__(
        self,
        spectrum: Any,
        input_output_dtype: Any = dtypes.complex64,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str = "LinearOperatorCirculant3D",
    ) -> None:
        self._start(own_arguments(locals()))
