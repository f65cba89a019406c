"""SparseTensor: indices, values and a dense shape. Its arithmetic beyond single elements is in `tf.sparse`."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape, as_shape
from millstream.base.specs import SparseTensorSpec
from millstream.base.trace_types import install
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import shape_from_tensor
from millstream.execution.tensor import Tensor
from millstream.ops import sparse_math
from millstream.ops.registry import find

SparseTensorValue = namedtuple("SparseTensorValue", ["indices", "values", "dense_shape"])
"""A sparse tensor of NumPy arrays, of TensorFlow 1."""

KEEPS_ZEROS = frozenset(
    find(name)
    for name in ("Abs", "BesselI0e", "BesselI1e", "Erf", "Neg", "Sign", "Sqrt", "Square", "StopGradient", "Tanh")
)
"""Ops of one element that go through the values alone."""


class SparseTensor(CompositeTensor):
    """A tensor of which only the elements `values[i]` at `indices[i]` are kept; the others are zero.

    indices: int64 [n, rank]. values: [n] of any element type. dense_shape: int64 [rank].
    Raises ValueError where the shapes of these do not fit.

    >>> tf.sparse.to_dense(tf.SparseTensor(indices=[[0, 1]], values=[7], dense_shape=[1, 3])).numpy()
    array([[0, 7, 0]], dtype=int32)
    """

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        self._indices = to_tensor(indices, dtypes.int64, name="indices")
        self._values = to_tensor(values, name="values")
        self._dense_shape = to_tensor(dense_shape, dtypes.int64, name="dense_shape")
        self._static = shape_from_tensor(self._dense_shape)
        where, elements = self._indices.shape.with_rank(2), self._values.shape.with_rank(1)
        _check_equal(where[:1], elements[:1])
        _check_equal(where[1:], self._dense_shape.shape.with_rank(1))

    @classmethod
    def from_value(cls, sparse_tensor_value: Sequence[Any]) -> SparseTensor:
        """Return (indices, values, dense_shape) as a SparseTensor; one as it is."""
        value = sparse_tensor_value
        if isinstance(value, SparseTensor):
            return value
        if not isinstance(value, tuple) or len(value) != 3:
            raise TypeError(
                explain(f"Argument sparse_tensor_value={value} is neither SparseTensor nor SparseTensorValue.")
            )
        return cls(*value)

    @property
    def indices(self) -> Any:
        """Where the elements are, int64 [n, rank]."""
        return self._indices

    @property
    def values(self) -> Any:
        """The elements, [n]."""
        return self._values

    @property
    def dense_shape(self) -> Any:
        """The shape of the dense tensor, int64 [rank]."""
        return self._dense_shape

    @property
    def shape(self) -> TensorShape:
        """The shape of the dense tensor, as far as it is known."""
        return self._static

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._values.dtype  # type: ignore[no-any-return]

    @property
    def op(self) -> Any:
        """The operation that made `values`."""
        return self._values.op

    @property
    def graph(self) -> Any:
        """The graph that `values` belongs to."""
        return self._indices.graph

    def get_shape(self) -> TensorShape:
        """Return the shape of the dense tensor, as far as it is known."""
        return self._static

    def set_shape(self, shape: Any) -> None:
        """Add what is known of the shape; ValueError where it does not fit."""
        if not isinstance(shape, TensorShape):
            shape = as_shape(shape)
        self._static = self._static.merge_with(shape)

    def with_values(self, new_values: Any) -> SparseTensor:
        """Return other values [n] at the same places."""
        return SparseTensor(self._indices, new_values, self._dense_shape)

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """Raise: there are no sessions."""
        raise ValueError(
            explain(
                f"Cannot evaluate a sparse tensor of {self.graph} with `eval`: there are no sessions. Return it from the "
                "tf.function instead."
            )
        )

    def consumers(self) -> list[Any]:
        """Return the operations that take this."""
        return self._consumers()

    @property
    def _type_spec(self) -> SparseTensorSpec:
        return SparseTensorSpec(self._static, self.dtype)

    def _shape_invariant_to_type_spec(self, shape: Any) -> SparseTensorSpec:
        # An invariant says the rank of the dense tensor, in its number of sizes.
        if shape.ndims is None:
            return SparseTensorSpec(None, self.dtype)
        if shape.ndims != 1:
            raise ValueError(explain("Operation expected to have 1D Tensor"))
        return SparseTensorSpec(TensorShape([None] * shape[0] if shape[0] is not None else None), self.dtype)

    def _row_reader(self) -> Callable[[Any], SparseTensor]:
        """Return a function that gives row i; the elements are in row-major order."""
        rows = self._dense_shape[0]
        numbers = apply(find("Range"), to_tensor(0, dtypes.int64), rows + 1, to_tensor(1, dtypes.int64))
        first, rest, shape = self._indices[:, 0], self._indices[:, 1:], self._dense_shape[1:]
        starts = apply(find("LowerBound"), first[None], numbers[None], out_type=dtypes.int64)[0]

        def read(i: Any) -> SparseTensor:
            begin, end = starts[i], starts[i + 1]
            row = SparseTensor(rest[begin:end], self._values[begin:end], shape)
            row.set_shape(self._static[1:])
            return row

        return read

    def _apply_op(self, op: Any, arguments: Any, attributes: Any) -> Any:
        if op in KEEPS_ZEROS:
            return self.with_values(apply(op, self._values, **attributes))
        if op.name == "Shape":
            return apply(find("Cast"), self._dense_shape, DstT=attributes["out_type"])
        if op.name == "Size":
            axes = to_tensor([0], dtypes.int32)
            whole = apply(find("Prod"), self._dense_shape, axes, keep_dims=False)
            return apply(find("Cast"), whole, DstT=attributes["out_type"])
        if op.name == "Rank":
            return apply(find("Cast"), apply(find("Size"), self._dense_shape), DstT=dtypes.int32)
        return NotImplemented

    def _combined(self, op: Any, other: Any) -> SparseTensor:
        dense = to_tensor(other, self.dtype)
        return self.with_values(apply(op, self._indices, self._values, self._dense_shape, dense))

    def __mul__(self, other: Any) -> SparseTensor:
        """Multiply by a dense tensor that broadcasts to this shape."""
        return self._combined(sparse_math.sparse_dense_multiply, other)

    def __truediv__(self, other: Any) -> SparseTensor:
        """Divide by a dense tensor that broadcasts to this shape; integers become floats first."""
        if not self.dtype.is_integer:
            return self._combined(sparse_math.sparse_dense_divide, other)
        wide = dtypes.float32 if self.dtype.size < 4 else dtypes.float64
        floating = self.with_values(apply(find("Cast"), self._values, DstT=wide))
        return floating / apply(find("Cast"), to_tensor(other, self.dtype), DstT=wide)

    __div__ = __truediv__

    def __rmul__(self, other: Any) -> Any:
        return self * other if isinstance(other, Tensor) else NotImplemented

    def __repr__(self) -> str:
        return f"SparseTensor(indices={self._indices!s}, values={self._values!s}, dense_shape={self._dense_shape!s})"


def _check_equal(a: TensorShape, b: TensorShape) -> None:
    if not a.is_compatible_with(b):
        raise ValueError(explain(f"Dimensions {a.as_list()[0]} and {b.as_list()[0]} are not compatible"))


install("SparseTensor", SparseTensor)
