"""What graphs let users see: operations and tensors by name, scopes, collections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from millstream.base.errors import explain
from millstream.execution.context import tracing
from millstream.execution.name_scope import NameScope, current_scope, named
from millstream.execution.operation import Operation, operations_of
from millstream.execution.tensor import TensorType


class GraphView:
    """The part of a graph's surface that only looks. Mixed into Graph."""

    name: str
    outer: Any
    variables: list[Any]
    building_function = False
    is_control_flow_graph = False
    finalized = False
    seed: int | None = None
    devices: dict[Any, str] = {}
    """The devices that were asked for, by nodes."""

    @contextmanager
    def as_default(self) -> Iterator[Any]:
        """Send what is called inside to this graph."""
        with tracing(self), named(""):  # type: ignore[arg-type]
            yield self

    @property
    def outer_graph(self) -> Any:
        """The graph that was being traced when this one was begun; None where there was none."""
        return self.outer

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """The trainable ones of the variables in use."""
        return tuple(v for v in self.variables if v.trainable)

    @property
    def version(self) -> int:
        """A number that grows with each operation."""
        return len(operations_of(self))

    @property
    def operations(self) -> list[Operation]:
        """All operations."""
        return operations_of(self)

    def get_operations(self) -> list[Operation]:
        """Return all operations, in the order in which they run; inputs come first."""
        return operations_of(self)

    def get_operation_by_name(self, name: str) -> Operation:
        """Return the operation `name`; KeyError where there is none."""
        if not isinstance(name, str):
            raise TypeError(explain(f"Operation names are strings (or similar), not {type(name).__name__}."))
        known = self.__dict__.setdefault("operations_by_name", {})
        found = known.get(name)
        if found is None or found.name != name:
            known.clear()
            known.update((operation.name, operation) for operation in operations_of(self))
            found = known.get(name)
        if found is not None:
            return found  # type: ignore[no-any-return]
        raise KeyError(f"The name {name!r} refers to an Operation not in the graph.")

    def get_tensor_by_name(self, name: str) -> Any:
        """Return the tensor `operation:output`; KeyError where there is none."""
        if not isinstance(name, str):
            raise TypeError(explain(f"Tensor names are strings (or similar), not {type(name).__name__}."))
        operation_name, colon, number = name.rpartition(":")
        if not colon or not number.isdigit():
            raise ValueError(
                explain(
                    f"The name {name!r} refers to an Operation, not a Tensor. Tensor names must be of the form "
                    "'<op_name>:<output_index>'."
                )
            )
        try:
            operation = self.get_operation_by_name(operation_name)
        except KeyError:
            raise KeyError(
                f"The name {name!r} refers to a Tensor which does not exist. The operation, {operation_name!r}, does not exist "
                "in the graph."
            ) from None
        if int(number) >= len(operation.outputs):
            raise KeyError(
                f"The name {name!r} refers to a Tensor which does not exist. The operation, {operation_name!r}, exists but only "
                f"has {len(operation.outputs)} outputs."
            )
        return operation.outputs[int(number)]

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        """Return the tensor or operation that `obj` is or names.

        Raises:
          TypeError: it is neither.
          ValueError: it belongs to another graph, or is no name of what is wanted.
          KeyError: nothing has this name.
        """
        wanted = " or ".join(n for n, yes in (("Tensor", allow_tensor), ("Operation", allow_operation)) if yes)
        as_element = getattr(obj, "_as_graph_element", None)
        found = obj if as_element is None else as_element()
        if isinstance(found, str):
            if ":" in found and allow_tensor:
                return self.get_tensor_by_name(found)
            if allow_operation:
                if ":" in found:
                    raise ValueError(explain(f"The name {found!r} looks like a Tensor name, but is not a valid one."))
                return self.get_operation_by_name(found)
            raise ValueError(
                explain(
                    f"The name {found!r} looks like an (invalid) Operation name, not a {wanted}. Tensor names must be of the form "
                    '"<op_name>:<output_index>".'
                )
            )
        is_operation = isinstance(found, Operation)
        if (is_operation and allow_operation) or (
            isinstance(found, TensorType) and allow_tensor and hasattr(found, "graph")
        ):
            if found.graph is not self:
                kind = "Operation" if is_operation else "Tensor"
                raise ValueError(explain(f"{kind} {found!r} is not an element of this graph."))
            return found
        raise TypeError(explain(f"Can not convert a {type(obj).__name__} into a {wanted}."))

    def get_name_scope(self) -> str:
        """Return the scope that names are in now, without its last slash."""
        return current_scope().removesuffix("/")

    def as_graph_def(
        self, from_version: int | None = None, add_shapes: bool = False, use_pybind11_proto: bool = False
    ) -> Any:
        """Return the graph as a GraphDef message; with `add_shapes`, what is known of the shapes goes with it."""
        from millstream.execution.graph_definition import graph_def_of

        return graph_def_of(self, add_shapes)

    def name_scope(self, name: str | None) -> NameScope:
        """Put `name` before the names of what is made inside."""
        return NameScope(name or "")

    def add_to_collection(self, name: str, value: Any) -> None:
        """Add to a list kept with the graph."""
        self.__dict__.setdefault("collections_", {}).setdefault(name, []).append(value)

    def get_collection(self, name: str, scope: str | None = None) -> list[Any]:
        """Return a list kept with the graph; with `scope`, a pattern, the items whose names it matches from the start."""
        found = list(self.__dict__.get("collections_", {}).get(name, ()))
        if not scope:
            return found
        return [item for item in found if hasattr(item, "name") and re.match(scope, item.name)]

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Add to several lists kept with the graph."""
        for name in dict.fromkeys([names] if isinstance(names, str) else names):
            self.add_to_collection(name, value)

    def get_all_collection_keys(self) -> list[str]:
        """Return the names of the lists that there are."""
        return [key for key in self.__dict__.get("collections_", {}) if isinstance(key, str)]

    @property
    def collections(self) -> list[str]:
        """The names of the lists that there are."""
        return list(self.__dict__.get("collections_", {}))

    def clear_collection(self, name: str) -> None:
        """Forget a list kept with the graph."""
        self.__dict__.get("collections_", {}).pop(name, None)

    def get_collection_ref(self, name: str) -> list[Any]:
        """Return a list kept with the graph, to be changed."""
        return self.__dict__.setdefault("collections_", {}).setdefault(name, [])  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"FuncGraph(name={self.name}, id={id(self)})"
