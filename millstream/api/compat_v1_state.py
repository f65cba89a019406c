"""Variables of tf.compat.v1: made, initialised, assigned and asked for, in graphs and where ops run at once."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, publish, root
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution import (
    graph_variable,
    reference_variable,  # noqa: F401  (variables that are no resources)
)
from millstream.execution import variable as variables
from millstream.execution.context import current_graph, outside_functions
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.graph import open_sizes
from millstream.ops.registry import find

tf: Any = root()

GLOBAL_VARIABLES, LOCAL_VARIABLES = "variables", "local_variables"
TABLE_INITIALIZERS = "table_initializer"

_resource_variables = [True]
"""Whether variables are resources where nobody says it: the default of TensorFlow 2."""


def use_resource_by_default(use: bool) -> None:
    """Make variables resources where nobody says it, or not."""
    _resource_variables[0] = use


def uses_resource_by_default() -> bool:
    """Return whether variables are resources where nobody says it."""
    return _resource_variables[0]


class _MetaV1(type(variables.Variable)):  # type: ignore[misc]
    """Makes `tf.compat.v1.Variable(...)` a variable of the graph, or one that is there at once."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is not VariableV1:
            return super().__call__(*args, **kwargs)
        names = (
            "initial_value", "trainable", "collections", "validate_shape", "caching_device", "name", "variable_def", "dtype",
            "expected_shape", "import_scope", "constraint", "use_resource", "synchronization", "aggregation", "shape",
        )  # fmt: skip
        if len(args) > len(names):
            raise TypeError(explain(f"tf.compat.v1.Variable takes {len(names)} arguments, not {len(args)}."))
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        unknown = set(given) - set(names)
        if unknown:
            raise TypeError(explain(f"tf.compat.v1.Variable has no argument {sorted(unknown)[0]!r}."))
        made: Any = _plain
        for creator in variables.creators:
            made = _next(creator, made)
        return made(**given)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, variables.Variable) if cls is VariableV1 else super().__instancecheck__(instance)


def _next(creator: Any, made: Any) -> Any:
    return lambda **arguments: creator(made, **arguments)


def _plain(**given: Any) -> Any:
    use_resource = given.pop("use_resource", None)
    given.pop("expected_shape", None)
    if given.get("trainable") is None and given.get("synchronization") is None:
        given["trainable"] = True
    if outside_functions() is None:
        for name in ("collections", "variable_def", "import_scope"):
            given.pop(name, None)
        return type.__call__(variables.ResourceVariable, **given)
    resource = uses_resource_by_default() if use_resource is None else use_resource
    return type.__call__(graph_variable.kinds_in_graphs[0 if resource else -1], **given)


class VariableV1(variables.Variable, metaclass=_MetaV1):
    """See tf.compat.v1.Variable: a variable of the default graph, or one that has its value at once outside of graphs."""

    @staticmethod
    def from_proto(variable_def: Any, import_scope: str | None = None) -> Any:
        """Return the variable of a VariableDef message, whose nodes are in the default graph."""
        return graph_variable.GraphVariable.from_proto(variable_def, import_scope)


publish("compat.v1.Variable", VariableV1)


def _collection(name: str) -> list[Any]:
    graph = outside_functions()
    return [] if graph is None else graph.get_collection(name)


@public("compat.v1.variables_initializer", "compat.v1.initializers.variables")
def variables_initializer(var_list: Any, name: str = "init") -> Any:
    """Return an operation that gives variables their initial values."""
    if not var_list or current_graph() is None:
        return tf.compat.v1.no_op(name=name)
    return tf.group(*(v.initializer for v in var_list), name=name)


@public("compat.v1.initialize_variables")
def initialize_variables(var_list: Any, name: str = "init") -> Any:
    """Return `tf.compat.v1.variables_initializer(var_list, name)`."""
    return variables_initializer(var_list, name)


@public("compat.v1.global_variables_initializer", "compat.v1.initializers.global_variables")
def global_variables_initializer() -> Any:
    """Return an operation that gives all global variables their initial values."""
    if current_graph() is None:
        return tf.compat.v1.no_op(name="global_variables_initializer")
    return variables_initializer(_collection(GLOBAL_VARIABLES))


@public("compat.v1.initialize_all_variables")
def initialize_all_variables() -> Any:
    """Return `tf.compat.v1.global_variables_initializer()`."""
    return global_variables_initializer()


@public("compat.v1.local_variables_initializer", "compat.v1.initializers.local_variables")
def local_variables_initializer() -> Any:
    """Return an operation that gives all local variables their initial values."""
    if current_graph() is None:
        return tf.compat.v1.no_op(name="local_variables_initializer")
    return variables_initializer(_collection(LOCAL_VARIABLES))


@public("compat.v1.initialize_local_variables")
def initialize_local_variables() -> Any:
    """Return `tf.compat.v1.local_variables_initializer()`."""
    return local_variables_initializer()


@public("compat.v1.tables_initializer", "compat.v1.initializers.tables_initializer")
def tables_initializer(name: str = "init_all_tables") -> Any:
    """Return an operation that fills all tables of the graph."""
    if current_graph() is None:
        return tf.compat.v1.no_op(name=name)
    operations = _collection(TABLE_INITIALIZERS)
    return tf.group(*operations, name=name) if operations else tf.compat.v1.no_op(name=name)


@public("compat.v1.initialize_all_tables")
def initialize_all_tables(name: str = "init_all_tables") -> Any:
    """Return `tf.compat.v1.tables_initializer(name)`."""
    return tables_initializer(name)


@public("compat.v1.is_variable_initialized")
def is_variable_initialized(variable: Any) -> Any:
    """Return whether a variable holds a value, as a tensor."""
    return variable.is_initialized()


@public("compat.v1.report_uninitialized_variables")
def report_uninitialized_variables(var_list: Any = None, name: str = "report_uninitialized_variables") -> Any:
    """Return the names of the variables that hold no value yet, as a tensor of strings.

    Args:
      var_list: the variables; global and local ones where it is None.
      name: of the tensors.
    """
    if var_list is None:
        var_list = _collection(GLOBAL_VARIABLES) + _collection(LOCAL_VARIABLES)
    with tf.name_scope(name):
        if not var_list:
            return tf.constant([], dtypes.string)
        missing = tf.logical_not(tf.stack([is_variable_initialized(v) for v in var_list]))
        names = tf.constant([v.op.name for v in var_list])
        return tf.boolean_mask(names, missing)


@public("compat.v1.assert_variables_initialized")
def assert_variables_initialized(var_list: Any = None) -> Any:
    """Return a tensor that fails where variables hold no value; None where there are none."""
    if var_list is None:
        var_list = _collection(GLOBAL_VARIABLES) + _collection(LOCAL_VARIABLES)
    if not var_list:
        return None
    ranks = [tf.rank(v.read_value()) for v in var_list]
    return ranks[0] if len(ranks) == 1 else tf.stack(ranks)


def _ref_or_value(made: Any) -> Any:
    """Return what functions of version 1 give for an assignment: the reference, or what the resource holds then."""
    return made if getattr(made, "is_reference", False) else made.value() if hasattr(made, "value") else made


@public("compat.v1.assign")
def assign(
    ref: Any, value: Any, validate_shape: bool | None = None, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """Make a variable hold `value`; return what it holds then.

    Args:
      ref: the variable.
      value: of its element type, and of its shape unless `validate_shape` is false.
      validate_shape: whether shapes must agree.
      use_locking: runs of a session never meet half of an assignment, either way.
      name: of the operation.
    """
    if validate_shape is False and hasattr(ref, "assign_any_shape"):
        return ref.assign_any_shape(value)
    return _ref_or_value(ref.assign(value, use_locking=use_locking or False, name=name))


@public("compat.v1.assign_add")
def assign_add(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Add `value` to what a variable holds; return what it holds then."""
    return _ref_or_value(ref.assign_add(value, use_locking=use_locking or False, name=name))


@public("compat.v1.assign_sub")
def assign_sub(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Subtract `value` from what a variable holds; return what it holds then."""
    return _ref_or_value(ref.assign_sub(value, use_locking=use_locking or False, name=name))


@public("compat.v1.count_up_to")
def count_up_to(ref: Any, limit: int, name: str | None = None) -> Any:
    """Add 1 to a variable and return what it held before; OutOfRangeError from `limit` on."""
    return ref.count_up_to(limit)


@public("compat.v1.placeholder_with_default")
def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Any:
    """Return a tensor that is fed, or else is `input`.

    Args:
      input: the value where nothing is fed.
      shape: of what may be fed; sizes that are None may be any.
      name: of the operation.
    """
    tensor = to_tensor(input)
    if current_graph() is None:
        return tensor
    sizes = tf.TensorShape(shape)
    return apply(
        find("PlaceholderWithDefault"), tensor, shape=open_sizes(None if sizes.rank is None else sizes.as_list())
    )


def _scatter(kind: str) -> Any:
    def change(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
        return _ref_or_value(
            getattr(ref, f"scatter_{kind}")(
                tf.IndexedSlices(tf.convert_to_tensor(updates, ref.dtype.base_dtype), indices)
            )
        )

    change.__name__ = change.__qualname__ = f"scatter_{kind}"
    change.__doc__ = f"Change rows of a variable by `scatter_{kind}`; return what it holds then."
    return public(f"compat.v1.scatter_{kind}")(change)


for _kind in ("add", "sub", "mul", "div", "min", "max", "update"):
    _scatter(_kind)


def _scatter_nd(kind: str) -> Any:
    def change(ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None) -> Any:
        return _ref_or_value(getattr(ref, f"scatter_nd_{kind}")(indices, updates))

    change.__name__ = change.__qualname__ = f"scatter_nd_{kind}"
    change.__doc__ = f"Change parts of a variable by `scatter_nd_{kind}`; return what it holds then."
    return public(f"compat.v1.scatter_nd_{kind}")(change)


for _kind in ("add", "sub", "update"):
    _scatter_nd(_kind)
