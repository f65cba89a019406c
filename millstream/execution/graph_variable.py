"""Variables of graphs that sessions run: a handle, an operation that initialises it, and a reading of it."""

from __future__ import annotations

from typing import Any

from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution import control_flow
from millstream.execution.context import current_graph, init_scope, outside_functions
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply, new_operation
from millstream.execution.graph import open_sizes
from millstream.execution.name_scope import absolute, current_scope
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor, TensorType
from millstream.execution.variable import Variable, kinds_in_graphs, read_key
from millstream.ops import graph_state
from millstream.ops import state as ops
from millstream.ops.registry import find

GLOBAL_VARIABLES = "variables"
TRAINABLE_VARIABLES = "trainable_variables"


class GraphVariable(Variable):
    """A variable of a graph. Each session has a value of its own for it, once `initializer` was run there."""

    def __init__(
        self,
        initial_value: Any = None,
        trainable: bool | None = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        import_scope: Any = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
        experimental_enable_variable_lifting: bool = True,
        collections: Any = None,
        **_: Any,
    ) -> None:
        if variable_def is not None:
            if initial_value is not None:
                raise ValueError("variable_def and initial_value are mutually exclusive.")
            self._from_proto(variable_def, import_scope)
            return
        if initial_value is None:
            raise ValueError(
                explain(
                    "The `initial_value` arg to `tf.Variable` must be specified except when you are not providing a "
                    "`variable_def`. You provided neither."
                )
            )
        if isinstance(initial_value, Tensor) and getattr(
            getattr(initial_value, "graph", None), "building_function", False
        ):
            raise ValueError(
                explain(
                    "Tensor-typed variable initializers must either be wrapped in an init_scope or callable (e.g., "
                    "`tf.Variable(lambda : tf.truncated_normal([10, 40]))`) when building functions."
                )
            )
        if constraint is not None and not callable(constraint):
            raise ValueError(explain("The `constraint` argument must be a callable."))
        self._settings(trainable, synchronization, aggregation, constraint, name)
        if collections is None:
            collections = [GLOBAL_VARIABLES]
        if not isinstance(collections, (list, tuple, set)):
            raise ValueError(
                f"collections argument to Variable constructor must be a list, tuple, or set. Got {collections}"
            )
        if self._trainable and TRAINABLE_VARIABLES not in collections:
            collections = [*collections, TRAINABLE_VARIABLES]
        graph = outside_functions()
        assert graph is not None
        around = current_scope()
        with init_scope(), graph.control_dependencies(None):
            full_name = graph.own_name(around + (name or "Variable").removesuffix("/"))
            if name is not None and name.endswith("/"):
                full_name = name[:-1]
            self._make_nodes(graph, initial_value, dtype, shape, full_name, validate_shape)
        for key in dict.fromkeys(collections):
            graph.add_to_collection(key, self)
        self._register()

    def _initial_tensor(self, given: Any, dtype: Any, full_name: str) -> Any:
        called = callable(given) and not isinstance(given, TensorType)
        with absolute(f"{full_name}/{self._initializer_scope(called)}"):
            if called:
                given = given()
            if hasattr(given, "_checkpoint_position"):
                given = given.wrapped_value
            value = to_tensor(given, None if dtype is None else as_dtype(dtype))
        if not isinstance(value, SymbolicTensor):
            graph = current_graph()
            assert graph is not None
            with absolute(f"{full_name}/{self._initializer_scope(called)}initial_value/"):
                value = graph.constant_in_scope(value)
        return value

    def _initializer_scope(self, called: bool) -> str:
        return "Initializer/"

    def _make_nodes(self, graph: Any, given: Any, dtype: Any, shape: Any, full_name: str, validate_shape: bool) -> None:
        value = self._initial_tensor(given, dtype, full_name)
        if shape is not None and not TensorShape(shape).is_compatible_with(value.shape):
            raise ValueError(
                explain(
                    f"In this `tf.Variable` creation, the initial value's shape ({value.shape}) is not compatible with the "
                    f"explicitly supplied `shape` argument ({shape})."
                )
            )
        self._dtype = value.dtype
        self._shape = TensorShape(shape) if shape is not None else value.shape if validate_shape else TensorShape(None)
        if validate_shape and shape is None and self._shape.rank is None:
            raise ValueError(explain(f"initial_value must have a shape specified: {value!r}"))
        self._initial_value = value
        self._settle(graph, full_name)
        self._add_nodes(graph, value, full_name)

    def _settle(self, graph: Any, full_name: str) -> None:
        self._graph = graph
        self._sizes = (-1,)
        self._handle_name = f"{full_name}:0"
        self._unique_id = full_name
        self._read_key = read_key(self._dtype)

    def _add_nodes(self, graph: Any, value: Any, full_name: str) -> None:
        sizes = open_sizes(None if self._shape.rank is None else self._shape.as_list())
        self._handle = graph.add_named(
            graph_state.variable_handle,
            {
                "container": graph.container_name,
                "shared_name": full_name,
                "debug_name": f"{full_name}/",
                "dtype": self._dtype,
                "shape": sizes,
                "allowed_devices": (),
            },
            full_name,
        )
        with absolute(f"{full_name}/IsInitialized/"):
            self._is_initialized_tensor = apply(ops.variable_is_initialized, self._handle)
        with absolute(f"{full_name}/"):
            with absolute(f"{full_name}/Assign/"):
                self._initializer_op = graph.run_named(ops.assign_variable, [self._handle, value])
            with absolute(f"{full_name}/Read/"):
                self._graph_element = apply(ops.read_variable, self._handle, dtype=self._dtype)
                self._graph_element.set_shape(self._shape)

    def _register(self) -> None:
        self._graph.variable_of[self._handle.value] = self

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> Any:
        return self is other

    def __ne__(self, other: object) -> Any:
        return self is not other

    @property
    def _in_graph_mode(self) -> bool:
        return True

    @property
    def device(self) -> str:
        """The device that was asked for."""
        return self._handle.op.device  # type: ignore[no-any-return]

    @property
    def initializer(self) -> Any:
        """The operation that gives the variable its initial value."""
        return self._initializer_op

    @property
    def initial_value(self) -> Any:
        """The tensor of the initial value."""
        return self._initial_value

    @property
    def op(self) -> Any:
        """The operation that makes the handle."""
        return self._handle.op

    @property
    def graph(self) -> Any:
        """The graph that this is part of."""
        return self._graph

    @property
    def create(self) -> Any:
        """The operation that gives the variable its initial value."""
        return self._initializer_op

    def _as_graph_element(self) -> Any:
        return self._graph_element

    def _serialize_to_tensors(self) -> dict[str, Any]:
        return {"VARIABLE_VALUE": self._graph_element if current_graph() is self._graph else self.value()}

    def eval(self, session: Any = None) -> Any:
        """Return what the variable holds in a session: this one, or the default one."""
        return self._graph_element.eval(session=session)

    def load(self, value: Any, session: Any = None) -> None:
        """Make the variable hold `value` in a session: this one, or the default one."""
        from millstream.execution.context import default_session

        session = session or default_session()
        if session is None:
            raise ValueError("Either session argument should be provided or default session should be established.")
        session.run(self.initializer, {self.initializer.inputs[1]: value})

    def initialized_value(self) -> Any:
        """Return what the variable holds, its initial value where it holds nothing."""
        with init_scope():
            return control_flow.cond(self.is_initialized(), self.read_value, lambda: self.initial_value)

    def is_initialized(self, name: str | None = None) -> Any:
        """Return whether the variable holds a value, as a tensor."""
        return apply(ops.variable_is_initialized, self._handle)

    def read_value(self) -> Any:
        """Return what the variable holds when this runs: after what `control_dependencies` around it names."""
        with absolute(f"{current_scope()}Read/"):
            value = self.value()
        return apply(find("Identity"), value)

    def sparse_read(self, indices: Any, name: str | None = None) -> Any:
        """Return the rows `indices` of what the variable holds."""
        return apply(ops.resource_gather, self._handle, indices, dtype=self._dtype)

    def numpy(self) -> Any:
        """Raise NotImplementedError: use `eval` in a session."""
        raise NotImplementedError(explain("numpy() is only available when eager execution is enabled."))

    def assign(self, value: Any, use_locking: Any = None, name: str | None = None, read_value: bool = True) -> Any:
        """Make the variable hold `value`."""
        return super().assign(self._given(value), use_locking, name, read_value)

    def _change(self, op: Any, delta: Any, read_value: bool) -> Any:
        return super()._change(op, self._given(delta), read_value)

    def _given(self, value: Any) -> Any:
        """Return a value as a tensor; a constant gets the name that constants have which nobody named."""
        tensor = to_tensor(value, self._dtype)
        graph = current_graph()
        if graph is None or graph.building_function or isinstance(tensor, SymbolicTensor):
            return tensor
        with absolute(f"{current_scope()}Const/"):
            return graph.constant_in_scope(tensor)

    def _done(self) -> Any:
        return new_operation()

    def _changed(self) -> Any:
        operation = new_operation()
        return super()._changed() if operation is None else AssignedVariable(self, operation)

    def count_up_to(self, limit: int) -> Any:
        """Add 1 to the variable and return what it held before; OutOfRangeError from `limit` on."""
        return apply(ops.resource_count_up_to, self._handle, limit=limit, T=self._dtype)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """Return a VariableDef message; None where the variable is not in `export_scope`."""
        from millstream.base.messages import message

        prefix = "" if export_scope is None else f"{export_scope.removesuffix('/')}/"
        if not self._handle_name.startswith(prefix):
            return None
        made = message("VariableDef")()
        made.variable_name = self._handle_name.removeprefix(prefix)
        if getattr(self, "_initial_value", None) is not None:
            made.initial_value_name = self._initial_value.name.removeprefix(prefix)
        made.trainable = self._trainable
        made.initializer_name = self.initializer.name.removeprefix(prefix)
        made.snapshot_name = self._graph_element.name.removeprefix(prefix)
        made.is_resource = self._is_resource
        made.synchronization = self._synchronization.value
        made.aggregation = self._aggregation.value
        return made

    _is_resource = True

    @staticmethod
    def from_proto(variable_def: Any, import_scope: str | None = None) -> Any:
        """Return the variable of a VariableDef message, whose nodes are in the graph."""
        kind = kinds_in_graphs[0] if variable_def.is_resource else kinds_in_graphs[1]
        return kind(variable_def=variable_def, import_scope=import_scope)

    def _from_proto(self, variable_def: Any, import_scope: str | None) -> None:
        graph = current_graph()
        if graph is None:
            raise RuntimeError(
                explain("Variables of VariableDef messages belong to graphs: use tf.Graph().as_default().")
            )
        prefix = "" if not import_scope else f"{import_scope.removesuffix('/')}/"
        element = graph.as_graph_element
        self._handle = element(prefix + variable_def.variable_name)
        self._settings(variable_def.trainable, None, None, None, variable_def.variable_name)
        held = self._handle.value.spec.handle
        initial = variable_def.initial_value_name
        self._initial_value = element(prefix + initial) if initial else None
        self._initializer_op = element(prefix + variable_def.initializer_name)
        self._graph_element = element(prefix + variable_def.snapshot_name)
        self._dtype = held.dtype if held is not None else self._graph_element.dtype
        self._shape = self._graph_element.shape
        self._settle(graph, self._handle.op.name)
        self._register()

    def __repr__(self) -> str:
        return self._described(self._handle_name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        raise NotImplementedError(explain("__deepcopy__() is only available when eager execution is enabled."))

    def __bool__(self) -> bool:
        return bool(self.value())


class AssignedVariable(GraphVariable):
    """What an assignment in a graph gives: the variable, read after it."""

    def __init__(self, variable: GraphVariable, operation: Any) -> None:
        self.__dict__.update(variable.__dict__)
        self._origin = getattr(variable, "_origin", variable)
        self._parent = operation
        graph = operation.graph
        with graph.control_dependencies([operation]), absolute(current_scope()):
            self._graph_element = apply(ops.read_variable, self._handle, dtype=self._dtype)
            self._graph_element.set_shape(self._shape)

    @property
    def op(self) -> Any:
        """The assignment."""
        return self._parent

    @property
    def name(self) -> str:
        """The name of the assignment, as TensorFlow has it."""
        return self._parent.name  # type: ignore[no-any-return]

    def value(self) -> Any:
        """Return what the variable holds after the assignment."""
        graph = current_graph()
        if graph is not self._parent.graph:
            return super().value()
        with graph.control_dependencies([self._parent]):
            return super().value()

    def __repr__(self) -> str:
        return self._described(self._parent.name)


kinds_in_graphs[:] = [GraphVariable]
