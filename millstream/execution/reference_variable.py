"""Variables of TensorFlow 1 that are no resources: tensors that refer to them are read where they are used."""

from __future__ import annotations

import functools
from typing import Any

from millstream.base.errors import explain
from millstream.base.shapes import TensorShape, from_spec_shape
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply, apply_flat
from millstream.execution.graph import GraphTensor, open_sizes, reference_tensors
from millstream.execution.graph_variable import GraphVariable
from millstream.execution.name_scope import absolute, current_scope
from millstream.execution.reference_operations import CHANGES, COUNT, IS_SET, MAKE, READ
from millstream.execution.variable import kinds_in_graphs
from millstream.ops.registry import find


class ReferenceTensor(GraphTensor):
    """A tensor that refers to a variable. An op that takes it takes what the variable holds then."""

    is_reference = True

    @property
    def dtype(self) -> Any:
        """The element type of what the variable holds."""
        held = self.value_.spec.handle
        assert held is not None
        return held.dtype

    @property
    def shape(self) -> TensorShape:
        """The shape of what the variable holds."""
        held = self.value_.spec.handle
        assert held is not None
        return from_spec_shape(held.shape)

    @functools.cached_property
    def handle(self) -> Any:
        """The reference itself: branches and functions change the variable by it."""
        return GraphTensor(self.graph, self.value_)

    def read(self) -> Any:
        """Add a reading of the variable, which users do not see, to the graph."""
        return self.graph.add_hidden(READ, [self.value_])

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self.shape} dtype={self.dtype.name}_ref>"

    def __str__(self) -> str:
        shape = "<unknown>" if self.shape.rank is None else str(self.shape)
        return f'Tensor("{self.name}", shape={shape}, dtype={self.dtype.name}_ref)'


class RefVariable(GraphVariable):
    """A variable of a graph that is a reference, as TensorFlow 1 makes them."""

    is_reference_variable = True
    _is_resource = False

    def _initializer_scope(self, called: bool) -> str:
        return "Initializer/" if called else ""

    def _add_nodes(self, graph: Any, value: Any, full_name: str) -> None:
        sizes = open_sizes(None if self._shape.rank is None else self._shape.as_list())
        attributes = {"container": graph.container_name, "shared_name": "", "dtype": self._dtype, "shape": sizes}
        self._handle = graph.add_named(MAKE, attributes, full_name)
        with absolute(f"{full_name}/Assign/"):
            known = {"validate_shape": self._shape.is_fully_defined(), "use_locking": True}
            self._initializer_op = graph.run_named(CHANGES["Assign"], [self._handle, value], known)
        with absolute(f"{full_name}/read/"):
            self._graph_element = self._snapshot = graph.run_named(READ, [self._handle]).outputs[0]

    def _from_proto(self, variable_def: Any, import_scope: str | None) -> None:
        super()._from_proto(variable_def, import_scope)
        self._snapshot = self._graph_element

    @property
    def dtype(self) -> Any:
        """The element type, as that of a reference."""
        return self._dtype._as_ref

    @property
    def _variable(self) -> Any:
        return self._handle

    def _ref(self) -> Any:
        return self._handle

    def _as_graph_element(self) -> Any:
        return self._handle

    def value(self) -> Any:
        """Return the reading of the variable that was made with it."""
        return self._snapshot

    def read_value(self) -> Any:
        """Return what the variable holds when this runs: after what `control_dependencies` around it names."""
        if self._graph is not current_graph():
            return apply_flat(READ, [self._handle], {})
        graph: Any = self._graph
        with absolute(f"{current_scope()}Identity/"):
            return graph.run_named(READ, [self._handle]).outputs[0]

    def sparse_read(self, indices: Any, name: str | None = None) -> Any:
        """Return the rows `indices` of what the variable holds."""
        return apply(find("GatherV2"), self._snapshot, indices, 0)

    def gather_nd(self, indices: Any, name: str | None = None) -> Any:
        """Return the parts of what the variable holds that the last axis of `indices` picks."""
        return apply(find("GatherNd"), self._snapshot, indices)

    def is_initialized(self, name: str | None = None) -> Any:
        """Return whether the variable holds a value, as a tensor."""
        return apply_flat(IS_SET, [self._handle], {})

    def eval(self, session: Any = None) -> Any:
        """Return what the variable holds in a session: this one, or the default one."""
        return self._handle.eval(session=session)

    def _reference_op(self, op: str, *given: Any, use_locking: Any = False, **attributes: Any) -> Any:
        return apply_flat(CHANGES[op], [self._handle, *given], {"use_locking": bool(use_locking), **attributes})

    def _checked(self, value: Any) -> Any:
        tensor = to_tensor(value, self._dtype)
        if not self._shape.is_compatible_with(tensor.shape):
            raise ValueError(
                explain(
                    f"Shapes must be equal: {self._shape} of the variable {self.name!r}, {tensor.shape} of the value."
                )
            )
        return tensor

    def assign(self, value: Any, use_locking: Any = False, name: str | None = None, read_value: bool = True) -> Any:
        """Make the variable hold `value`."""
        return self._result(self._reference_op("Assign", self._checked(value), use_locking=use_locking), read_value)

    def assign_any_shape(self, value: Any, use_locking: Any = True) -> Any:
        """Make the variable hold a value of another shape, which it may where it was made with `validate_shape=False`."""
        return self._reference_op("Assign", self._checked(value), use_locking=use_locking, validate_shape=False)

    def assign_add(self, delta: Any, use_locking: Any = False, name: str | None = None, read_value: bool = True) -> Any:
        """Add `delta` to what the variable holds."""
        return self._result(self._reference_op("AssignAdd", self._checked(delta), use_locking=use_locking), read_value)

    def assign_sub(self, delta: Any, use_locking: Any = False, name: str | None = None, read_value: bool = True) -> Any:
        """Subtract `delta` from what the variable holds."""
        return self._result(self._reference_op("AssignSub", self._checked(delta), use_locking=use_locking), read_value)

    @staticmethod
    def _result(tensor: Any, read_value: bool) -> Any:
        return tensor if read_value else tensor.op

    def count_up_to(self, limit: int) -> Any:
        """Add 1 to the variable and return what it held before; OutOfRangeError from `limit` on."""
        return apply_flat(COUNT, [self._handle], {"limit": limit, "T": self._dtype})

    def _scatter(self, op: Any, sparse_delta: Any) -> Any:
        name = op.name.removeprefix("Resource")
        return self._reference_op(name, to_tensor(sparse_delta.indices), to_tensor(sparse_delta.values, self._dtype))

    def _scatter_nd(self, op: Any, indices: Any, updates: Any) -> Any:
        return self._reference_op(op.name.removeprefix("Resource"), to_tensor(indices), to_tensor(updates, self._dtype))

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        if dtype is not None and not self._dtype.is_compatible_with(dtype):
            raise ValueError(
                explain(
                    f"Incompatible type conversion requested to type '{dtype.name}' for variable of type '{self.dtype.name}'"
                )
            )
        return self._snapshot


kinds_in_graphs.append(RefVariable)
reference_tensors.append(ReferenceTensor)
