"""tf.IndexedSlices: a sparse stack of rows, as the gradient of a gather is."""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.base.composite import CompositeTensor
from millstream.base.composite_specs import IndexedSlicesSpec
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape, from_spec_shape
from millstream.base.sizes import is_known
from millstream.base.trace_types import install
from millstream.execution.convert import constant_of, to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.static_value import shape_from_tensor
from millstream.execution.symbolic import SymbolicTensor
from millstream.ops.registry import find
from millstream.ops.rows import ROW_SUMS
from millstream.program.primitives.shaping import sizes as emit_sizes
from millstream.program.value import building


class IndexedSlices(CompositeTensor):
    """Rows `values[i]` at `indices[i]` of a tensor of shape `dense_shape`; rows at one index add up.

    `dense_shape` is an integer tensor, a tuple of sizes, or None where it is unknown.
    """

    def __init__(self, values: Any, indices: Any, dense_shape: Any = None) -> None:
        self._values = values
        self._indices = indices
        self._dense_shape = dense_shape

    @property
    def values(self) -> Any:
        """The rows."""
        return self._values

    @property
    def indices(self) -> Any:
        """Where each row is."""
        return self._indices

    @property
    def dense_sizes(self) -> Any:
        """The dense shape as it was given: a tuple of sizes where a gradient made this."""
        return self._dense_shape

    @property
    def dense_shape(self) -> Any:
        """The shape of the dense tensor, as a tensor; None where it is unknown."""
        if isinstance(self._dense_shape, (tuple, list, TensorShape)):
            self._dense_shape = self._shape_tensor(tuple(self._dense_shape))
        return self._dense_shape

    def _shape_tensor(self, sizes: tuple[Any, ...]) -> Any:
        if all(is_known(n) for n in sizes):
            return constant_of([int(n) for n in sizes], dtypes.int32) if sizes else to_tensor([], dtypes.int32)
        assert isinstance(self._values, SymbolicTensor)
        graph = self._values.graph
        with building(graph.program):
            return graph.tensor(emit_sizes(sizes, dtypes.int32))

    @property
    def shape(self) -> TensorShape:
        """The dense shape, as far as it is known here."""
        given = self._dense_shape
        if given is None:
            return TensorShape(None)
        if isinstance(given, (tuple, list)):
            return from_spec_shape(tuple(given))
        return shape_from_tensor(given)

    def get_shape(self) -> TensorShape:
        """Return the dense shape, as far as it is known here."""
        return self.shape

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._values.dtype  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        """The name of `values`."""
        return self._values.name  # type: ignore[no-any-return]

    @property
    def device(self) -> str:
        """Where `values` lies."""
        return self._values.device  # type: ignore[no-any-return]

    @property
    def op(self) -> Any:
        """The operation that made `values`."""
        return self._values.op

    @property
    def graph(self) -> Any:
        """The graph that `values` belongs to."""
        return self._values.graph

    def consumers(self) -> Any:
        """Return the operations that take this."""
        return self._consumers()

    def __str__(self) -> str:
        shape = "" if self._dense_shape is None else f", dense_shape={self.dense_shape!s}"
        return f"IndexedSlices(indices={self._indices!s}, values={self._values!s}{shape})"

    def __neg__(self) -> IndexedSlices:
        return IndexedSlices(-self._values, self._indices, self._dense_shape)

    @property
    def _type_spec(self) -> IndexedSlicesSpec:
        indices_shape = self._indices.shape.merge_with(self._values.shape[:1])
        dense_shape = TensorShape([None]).concatenate(self._values.shape[1:])
        shape_dtype = None
        if self._dense_shape is not None:
            shape_dtype = self.dense_shape.dtype
            dense_shape = dense_shape.merge_with(self.shape)
        return IndexedSlicesSpec(dense_shape, self.dtype, self._indices.dtype, shape_dtype, indices_shape)

    def _shape_invariant_to_type_spec(self, shape: Any) -> IndexedSlicesSpec:
        indices_shape = self._indices.shape[:1]
        dense_shape = TensorShape([None]).concatenate(shape[1:])
        shape_dtype = None if self._dense_shape is None else self.dense_shape.dtype
        return IndexedSlicesSpec(dense_shape, self.dtype, self._indices.dtype, shape_dtype, indices_shape)

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        if self._dense_shape is None:
            raise ValueError(
                explain(
                    f"Tensor conversion requested for IndexedSlices for argument `{name or 'value'}` without dense_shape: {self!s}"
                )
            )
        if dtype is not None and not dtype.is_compatible_with(self.dtype):
            raise ValueError(
                explain(
                    f"Tensor conversion requested dtype {dtype.name} for IndexedSlices with dtype {self.dtype.name}"
                )
            )
        return self.to_dense()

    def to_dense(self) -> Any:
        """Return all rows: zeros where there is none, sums where there are several."""
        given = self._dense_shape
        if isinstance(given, (tuple, list)) and all(is_known(n) for n in given):
            return apply(ROW_SUMS, self._values, self._indices, rows=int(given[0]))
        rows = self.shape[:1].as_list() if self.shape.rank else [None]
        if rows[0] is not None:
            return apply(ROW_SUMS, self._values, self._indices, rows=rows[0])
        shape = self.dense_shape
        rows = apply(
            find("StridedSlice"),
            shape,
            [0],
            [1],
            [1],
            begin_mask=0,
            end_mask=0,
            ellipsis_mask=0,
            new_axis_mask=0,
            shrink_axis_mask=1,
        )
        return apply(find("UnsortedSegmentSum"), self._values, self._indices, rows)

    def joined(self, other: IndexedSlices) -> IndexedSlices:
        """Return the sum of two, still sparse."""
        join = find("ConcatV2")
        indices = other._indices
        if indices.dtype is not self._indices.dtype:
            indices = apply(find("Cast"), indices, DstT=self._indices.dtype)
        axis = to_tensor(0)
        return IndexedSlices(
            apply(join, [self._values, other._values], axis),
            apply(join, [self._indices, indices], axis),
            self._dense_shape,
        )


install("IndexedSlices", IndexedSlices)
