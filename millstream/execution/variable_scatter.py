"""The methods of variables that change or read some of their rows. Stated apart from `variable` for its length only."""

from __future__ import annotations

from typing import Any

from millstream import _runtime as runtime
from millstream.base.dtypes import DType
from millstream.base.errors import explain
from millstream.execution.context import graph_stack
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.symbolic import SymbolicTensor
from millstream.ops import state as ops


def tell_graphs(variable: Any) -> None:
    """Write down in the graphs being traced that they use this variable; arguments of a trace are not its own."""
    if isinstance(variable.handle, SymbolicTensor):
        return
    origin = getattr(variable, "_origin", variable)
    for graph in graph_stack():
        if graph is not None:
            known = graph.__dict__.setdefault("variable_ids", set())
            if id(origin) not in known:
                known.add(id(origin))
                graph.variables.append(origin)


def with_batch_indices(indices: Any) -> Any:
    """Return indices [batch..., n] as places [batch..., n, batch rank + 1]: each with the place of its batch before it."""
    import numpy as np

    array = to_tensor(indices).numpy()
    lead = np.indices(array.shape)[:-1]
    return to_tensor(np.stack([*(axis.astype(array.dtype) for axis in lead), array], -1))


class ScatterMethods:
    """Reads and changes of rows and parts."""

    _handle: Any
    _dtype: DType
    _changed: Any

    def _scatter(self, op: Any, sparse_delta: Any) -> Any:
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(
                explain(f"Argument `sparse_delta` must be a `tf.IndexedSlices`. Received arg: {sparse_delta}")
            )
        if runtime.tracing():
            tell_graphs(self)
        apply(op, self._handle, to_tensor(sparse_delta.indices), to_tensor(sparse_delta.values, self._dtype))
        return self._changed()

    def scatter_add(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Add rows."""
        return self._scatter(ops.resource_scatter_add, sparse_delta)

    def scatter_sub(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Subtract rows."""
        return self._scatter(ops.resource_scatter_sub, sparse_delta)

    def scatter_mul(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Multiply rows."""
        return self._scatter(ops.resource_scatter_mul, sparse_delta)

    def scatter_div(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Divide rows."""
        return self._scatter(ops.resource_scatter_div, sparse_delta)

    def scatter_max(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Keep the larger of each element of rows."""
        return self._scatter(ops.resource_scatter_max, sparse_delta)

    def scatter_min(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Keep the smaller of each element of rows."""
        return self._scatter(ops.resource_scatter_min, sparse_delta)

    def scatter_update(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Replace rows."""
        return self._scatter(ops.resource_scatter_update, sparse_delta)

    def batch_scatter_update(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Replace rows of each member of a batch: indices [batch…, n] pick along the axis after the batch."""
        if not isinstance(sparse_delta, IndexedSlices):
            raise TypeError(
                explain(f"Argument `sparse_delta` must be a `tf.IndexedSlices`. Received arg: {sparse_delta}")
            )
        return self.scatter_nd_update(with_batch_indices(sparse_delta.indices), sparse_delta.values)

    def _scatter_nd(self, op: Any, indices: Any, updates: Any) -> Any:
        if runtime.tracing():
            tell_graphs(self)
        apply(op, self._handle, to_tensor(indices), to_tensor(updates, self._dtype))
        return self._changed()

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Replace the parts that the last axis of `indices` picks."""
        return self._scatter_nd(ops.resource_scatter_nd_update, indices, updates)

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Add to the parts that the last axis of `indices` picks."""
        return self._scatter_nd(ops.resource_scatter_nd_add, indices, updates)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Subtract from the parts that the last axis of `indices` picks."""
        return self._scatter_nd(ops.resource_scatter_nd_sub, indices, updates)

    def scatter_nd_max(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Keep the larger elements of the parts that the last axis of `indices` picks."""
        return self._scatter_nd(ops.resource_scatter_nd_max, indices, updates)

    def scatter_nd_min(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Keep the smaller elements of the parts that the last axis of `indices` picks."""
        return self._scatter_nd(ops.resource_scatter_nd_min, indices, updates)

    def sparse_read(self, indices: Any, name: str | None = None) -> Any:
        """Return the rows `indices`."""
        if runtime.tracing():
            tell_graphs(self)
        return apply(ops.resource_gather, self._handle, to_tensor(indices), dtype=self._dtype)

    def gather_nd(self, indices: Any, name: str | None = None) -> Any:
        """Return the parts that the last axis of `indices` picks."""
        if runtime.tracing():
            tell_graphs(self)
        return apply(ops.resource_gather_nd, self._handle, to_tensor(indices), dtype=self._dtype)
