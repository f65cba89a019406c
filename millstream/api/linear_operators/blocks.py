"""Operators made of blocks: along the diagonal, or in a lower triangle. They take vectors and matrices whole or in blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millstream.api import array
from millstream.api.linalg import adjoint as adjoint_of
from millstream.api.linear_operators.helpers import (
    always,
    broadcast_batches,
    column,
    common_batch,
    common_batch_tensor,
    own_arguments,
    product_of,
    sum_of,
)
from millstream.api.linear_operators.operator import LinearOperator
from millstream.api.linear_operators.products import ManyOperators
from millstream.api.linear_operators.spec import composite
from millstream.api.public import PUBLIC, public
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor


def _is_list_of_blocks(sizes: Sequence[Any], x: Any, axis: int) -> bool:
    """Return whether x is a list of one argument for each block, not one argument that is written as a list."""
    if not isinstance(x, (list, tuple)) or len(x) != len(sizes):
        return False
    if not any(isinstance(block, (list, tuple)) for block in x):
        return True
    found = [to_tensor(block).shape[axis] for block in x]
    known = [size.value for size in sizes]
    if all(size is None for size in known):
        if len(found) == 1:
            return False
        if any(size != found[0] for size in found):
            return True
        raise ValueError(
            explain(
                "Parsing of the input structure is ambiguous. Please input a blockwise iterable of `Tensor`s or a single "
                "`Tensor`."
            )
        )
    if all(size in (None, have) for size, have in zip(known, found, strict=True)):
        return True
    if all(size == found[0] for size in found) and found[0] >= sum(size for size in known if size is not None):
        return False
    raise ValueError(explain("Input dimension does not match operator dimension."))


class BlockOperator(ManyOperators):
    """An operator with square or other blocks on its diagonal; subclasses say how lists of blocks are multiplied and solved."""

    @property
    def _on_diagonal(self) -> list[Any]:
        raise NotImplementedError

    def _multiply_blocks(self, x: list[Any], adjoint: bool, adjoint_arg: bool) -> list[Any]:
        raise NotImplementedError

    def _solve_blocks(self, rhs: list[Any], adjoint: bool, adjoint_arg: bool) -> list[Any]:
        raise NotImplementedError

    def _sizes(self, rows: bool) -> list[Any]:
        return [o.range_dimension if rows else o.domain_dimension for o in self._on_diagonal]

    def _size_tensors(self, rows: bool) -> Any:
        return array.stack(
            [o.range_dimension_tensor() if rows else o.domain_dimension_tensor() for o in self._on_diagonal]
        )

    def _in_blocks(self, x: Any, rows: bool, axis: int, work: Callable[[list[Any]], list[Any]]) -> Any:
        """Return what `work` makes of x in blocks: a list where x is one, else joined again along the rows."""
        sizes = self._sizes(rows)
        if _is_list_of_blocks(sizes, x, axis):
            blocks = []
            for size, block in zip(sizes, x, strict=True):
                if not isinstance(block, LinearOperator):
                    block = to_tensor(block)
                    self._check_input_dtype(block)
                    size.assert_is_compatible_with(block.shape[axis])
                blocks.append(block)
            return work(blocks)
        x = self._argument(x, -2 if rows else -1, axis)
        known = [size.value for size in sizes]
        split = array.split(x, self._size_tensors(rows) if None in known else known, axis)
        return array.concat(broadcast_batches(work(list(split))), -2)

    def matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "matmul") -> Any:
        """Return this, or its adjoint, times x or its adjoint: x is a matrix, a list of blocks of its rows, or an operator.

        A list of blocks gives a list of blocks.

        Raises:
          TypeError: where x is of another element type.
          ValueError: where sizes do not fit.
        """
        with self._name_scope(name):
            if isinstance(x, LinearOperator):
                return self._linop_matmul(*self._operands(x, adjoint, adjoint_arg, "x"))
            return self._matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _matmul(self, x: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._in_blocks(
            x, adjoint, -1 if adjoint_arg else -2, lambda blocks: self._multiply_blocks(blocks, adjoint, adjoint_arg)
        )

    def solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False, name: str = "solve") -> Any:
        """Return x with this, or its adjoint, times x equal to rhs: a matrix, a list of blocks of its rows, or an operator.

        Raises:
          NotImplementedError: where this is said to be singular or not square.
          TypeError: where rhs is of another element type.
          ValueError: where sizes do not fit.
        """
        self._solvable()
        with self._name_scope(name):
            if isinstance(rhs, LinearOperator):
                return self._linop_solve(*self._operands(rhs, adjoint, adjoint_arg, "rhs"))
            return self._solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _solve(self, rhs: Any, adjoint: bool = False, adjoint_arg: bool = False) -> Any:
        return self._in_blocks(
            rhs,
            not adjoint,
            -1 if adjoint_arg else -2,
            lambda blocks: self._solve_blocks(blocks, adjoint, adjoint_arg),
        )

    def _as_columns(self, x: Any, rows: bool, method: Any, adjoint: bool) -> Any:
        if _is_list_of_blocks(self._sizes(rows), x, -1):
            found = method([column(to_tensor(block)) for block in x], adjoint=adjoint)
            return [array.squeeze(block, -1) for block in found]
        return array.squeeze(method(column(self._argument(x, -2 if rows else -1, -1)), adjoint=adjoint), -1)

    def matvec(self, x: Any, adjoint: bool = False, name: str = "matvec") -> Any:
        """Return this, or its adjoint, times vectors, or a list of blocks of them."""
        with self._name_scope(name):
            return self._as_columns(x, adjoint, self.matmul, adjoint)

    def solvevec(self, rhs: Any, adjoint: bool = False, name: str = "solve") -> Any:
        """Return x with this, or its adjoint, times x equal to vectors, or to a list of blocks of them."""
        with self._name_scope(name):
            return self._as_columns(rhs, not adjoint, self.solve, adjoint)

    def _square_blocks(self, what: str) -> list[Any]:
        if not all(o.is_square for o in self._on_diagonal):
            raise NotImplementedError(explain(f"`{what}` not implemented for an operator whose blocks are not square."))
        return self._on_diagonal

    def _joined(self, vectors: Sequence[Any]) -> Any:
        return array.squeeze(array.concat(broadcast_batches([column(v) for v in vectors]), -2), -1)

    def _shape_tensor(self) -> Any:
        sides = [PUBLIC["reduce_sum"](self._size_tensors(rows)) for rows in (True, False)]
        return array.concat([self._common_batch_tensor(), array.stack(sides)], 0)

    def _shape(self) -> Any:
        return self._common_batch().concatenate([sum_of(self._sizes(True)), sum_of(self._sizes(False))])

    def _determinant(self) -> Any:
        return product_of([o.determinant() for o in self._on_diagonal])

    def _log_abs_determinant(self) -> Any:
        return sum_of([o.log_abs_determinant() for o in self._on_diagonal])

    def _diag_part(self) -> Any:
        return self._joined([o.diag_part() for o in self._square_blocks("diag_part")])

    def _trace(self) -> Any:
        return sum_of([o.trace() for o in self._square_blocks("trace")])

    def _eigvals(self) -> Any:
        return self._joined([o.eigvals() for o in self._square_blocks("eigvals")])

    def _check_each(self, check: str) -> Any:
        return PUBLIC["group"](*[getattr(o, check)() for o in self._on_diagonal])

    def _assert_non_singular(self) -> Any:
        return self._check_each("assert_non_singular")

    def _dense_rows(self, rows: Sequence[Sequence[Any]]) -> Any:
        """Return the matrix out of its rows of dense blocks, each with as many columns of 0 before them as `rows` begin with."""
        width = self.domain_dimension_tensor()
        lines = []
        for before, *blocks in rows:
            line = array.concat(blocks, -1)
            after = width - before - array.shape(line)[-1]
            lines.append(array.pad(line, [[0, 0]] * (line.shape.rank - 1) + [[before, after]]))
        result = array.concat(lines, -2)
        result.set_shape(self.shape)
        return result


@public("linalg.LinearOperatorBlockDiag")
@composite
class LinearOperatorBlockDiag(BlockOperator):
    """The operator with other operators along its diagonal, which need not be square, and 0 elsewhere.

    >>> blocks = [tf.linalg.LinearOperatorIdentity(1), tf.linalg.LinearOperatorFullMatrix([[1., 2.], [3., 4.]])]
    >>> tf.linalg.LinearOperatorBlockDiag(blocks).to_dense().numpy()
    array([[1., 0., 0.],
           [0., 1., 2.],
           [0., 3., 4.]], dtype=float32)
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str | None = None,
    ) -> None:
        self._settle_each(own_arguments(locals()), "direct sum", "_ds_")

    @property
    def _on_diagonal(self) -> list[Any]:
        return self._operators

    def _multiply_blocks(self, x: list[Any], adjoint: bool, adjoint_arg: bool) -> list[Any]:
        pairs = zip(self._operators, x, strict=True)
        return [o.matmul(block, adjoint=adjoint, adjoint_arg=adjoint_arg) for o, block in pairs]

    def _solve_blocks(self, rhs: list[Any], adjoint: bool, adjoint_arg: bool) -> list[Any]:
        pairs = zip(self._operators, rhs, strict=True)
        return [o.solve(block, adjoint=adjoint, adjoint_arg=adjoint_arg) for o, block in pairs]

    def _to_dense(self) -> Any:
        before, rows = 0, []
        for block in broadcast_batches([o.to_dense() for o in self._operators]):
            rows.append([before, block])
            before = before + array.shape(block)[-1]
        return self._dense_rows(rows)

    def _assert_self_adjoint(self) -> Any:
        return self._check_each("assert_self_adjoint")

    def _assert_positive_definite(self) -> Any:
        return self._check_each("assert_positive_definite")


@public("linalg.LinearOperatorBlockLowerTriangular")
@composite
class LinearOperatorBlockLowerTriangular(BlockOperator):
    """The operator with other operators in a lower triangle: row i is a list of i + 1 blocks; those on the diagonal are square.

    >>> one = tf.linalg.LinearOperatorIdentity(1)
    >>> tf.linalg.LinearOperatorBlockLowerTriangular([[one], [one, one]]).to_dense().numpy()
    array([[1., 0.],
           [1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorBlockLowerTriangular",
    ) -> None:
        arguments = own_arguments(locals())
        PUBLIC["debugging.assert_proper_iterable"](operators)
        rows = [list(row) for row in operators]
        if not rows:
            raise ValueError(explain(f"Argument `operators` must be a list of >=1 operators. Received: {operators}."))
        self._operators = rows
        self._check_rows(rows)
        square = always(is_square, "`LinearOperatorBlockLowerTriangular` must be square.")
        for place, operator in enumerate(self._on_diagonal):
            if operator.is_square is False:
                raise ValueError(
                    explain(f"Matrices on the diagonal must be square; `operators[{place}][-1].is_square` is False.")
                )
        known = [o.is_non_singular for o in self._on_diagonal]
        holds = True if all(known) else False if False in known else None
        if holds is not None and is_non_singular is (not holds):
            word = "non-singular" if holds else "singular"
            raise ValueError(
                explain(
                    f"A blockwise lower-triangular operator with {word} operators on the main diagonal is always {word}. "
                    f"Received: is_non_singular={is_non_singular}."
                )
            )
        self._settle(rows[0][0].dtype, arguments, is_non_singular=holds, is_square=square)

    def _check_rows(self, rows: list[list[Any]]) -> None:
        dtype = rows[0][0].dtype
        for i, row in enumerate(rows):
            if len(row) != i + 1:
                raise ValueError(
                    explain(f"Argument `operators[{i}]` must contain `{i + 1}` blocks. Received: {len(row)} blocks.")
                )
            for operator in row:
                if operator.dtype != dtype:
                    raise TypeError(
                        explain(
                            "Expected all operators to have the same dtype.  "
                            f"Found {operator.dtype} in row {i} and {dtype} in row 0."
                        )
                    )
            for j in range(i):
                columns, above = row[j].domain_dimension, rows[i - 1][j].domain_dimension
                height, beside = row[j].range_dimension, row[j + 1].range_dimension
                if None not in (columns.value, above.value) and columns != above:
                    raise ValueError(
                        explain(
                            f"Argument `operators[{i}][{j}].domain_dimension` ({columns}) must be the same as "
                            f"`operators[{i - 1}][{j}].domain_dimension` ({above})."
                        )
                    )
                if None not in (height.value, beside.value) and height != beside:
                    raise ValueError(
                        explain(
                            f"Argument `operators[{i}][{j}].range_dimension` ({height}) must be the same as "
                            f"`operators[{i}][{j + 1}].range_dimension` ({beside})."
                        )
                    )

    @property
    def _on_diagonal(self) -> list[Any]:
        return [row[-1] for row in self._operators]

    def _common_batch(self) -> Any:
        return common_batch(o.batch_shape for row in self._operators for o in row)

    def _common_batch_tensor(self) -> Any:
        return common_batch_tensor([o.batch_shape_tensor() for row in self._operators for o in row])

    def _multiply_blocks(self, x: list[Any], adjoint: bool, adjoint_arg: bool) -> list[Any]:
        count = len(self._operators)
        results = []
        for i in range(count):
            used = range(i, count) if adjoint else range(i + 1)
            operators = [self._operators[j][i] if adjoint else self._operators[i][j] for j in used]
            pairs = zip(operators, used, strict=True)
            results.append(sum_of([o.matmul(x[j], adjoint=adjoint, adjoint_arg=adjoint_arg) for o, j in pairs]))
        return results

    def _solve_blocks(self, rhs: list[Any], adjoint: bool, adjoint_arg: bool) -> list[Any]:
        count = len(self._operators)
        rest = [adjoint_of(block) for block in rhs] if adjoint_arg else list(rhs)
        found: list[Any] = [None] * count
        for i in reversed(range(count)) if adjoint else range(count):
            for j in range(i + 1, count) if adjoint else range(i):
                operator = self._operators[j][i] if adjoint else self._operators[i][j]
                rest[i] = rest[i] - operator.matmul(found[j], adjoint=adjoint)
            found[i] = self._on_diagonal[i].solve(rest[i], adjoint=adjoint)
        return found

    def _to_dense(self) -> Any:
        dense = iter(broadcast_batches([o.to_dense() for row in self._operators for o in row]))
        return self._dense_rows([[0, *(next(dense) for _ in row)] for row in self._operators])

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> Any:
        return {"operators": [[0] * len(row) for row in self._operators]}
