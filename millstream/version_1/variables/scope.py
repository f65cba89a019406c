"""tf.compat.v1.variable_scope and get_variable: what is put before the names of variables, and what they are like."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from millstream.api.public import public, publish, root
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.execution.context import current_graph, executing_eagerly
from millstream.execution.name_scope import NameScope, current_scope, named
from millstream.execution.variable import VariableAggregation, VariableSynchronization
from millstream.version_1.variables.keys import GraphKeys, get_collection, outermost_graph
from millstream.version_1.variables.store import REUSE, Reuse, VariableStore, current_store

tf: Any = root()

publish("compat.v1.AUTO_REUSE", REUSE)

_INHERITED = (
    "initializer", "regularizer", "caching_device", "partitioner", "custom_getter", "dtype", "use_resource", "constraint",
)  # fmt: skip
"""What a scope inside of another takes over from it."""


@public("compat.v1.VariableScope")
class VariableScope:
    """A prefix of the names of variables, and what those are given that say nothing else.

    Args:
      reuse: True: variables must be there already. None or False: they must not. `tf.compat.v1.AUTO_REUSE`: either.
      name: the prefix.
      initializer: what gives first values.
      regularizer: what gives losses.
      caching_device: a hint.
      partitioner: what divides variables.
      custom_getter: is called in the place of what makes variables.
      name_scope: the prefix of the names of ops.
      dtype: the element type.
      use_resource: whether variables are resources; all are.
      constraint: what values are projected by after a step.
    """

    def __init__(
        self,
        reuse: Any,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        name_scope: str = "",
        dtype: Any = dtypes.float32,
        use_resource: bool | None = None,
        constraint: Any = None,
    ) -> None:
        self._name, self._name_scope = name, name_scope
        self._initializer, self._regularizer, self._partitioner = initializer, regularizer, partitioner
        self._caching_device, self._custom_getter, self._constraint = caching_device, custom_getter, constraint
        self._dtype, self._reuse, self._use_resource = as_dtype(dtype), reuse, use_resource
        if executing_eagerly():
            if caching_device is not None:
                raise NotImplementedError(
                    explain("Caching devices is not yet supported when eager execution is enabled.")
                )
            self._reuse, self._use_resource = REUSE, True

    @property
    def name(self) -> str:
        """The prefix of the names of variables, without its last slash."""
        return self._name

    @property
    def original_name_scope(self) -> str:
        """The prefix of the names of ops when the scope was first entered."""
        return self._name_scope

    @property
    def reuse(self) -> Any:
        """Whether variables must be there already."""
        return self._reuse

    @property
    def initializer(self) -> Any:
        """What gives first values."""
        return self._initializer

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._dtype

    @property
    def use_resource(self) -> Any:
        """Whether variables are resources."""
        return self._use_resource

    @property
    def regularizer(self) -> Any:
        """What gives losses."""
        return self._regularizer

    @property
    def caching_device(self) -> Any:
        """Where values are to be kept for reading."""
        return self._caching_device

    @property
    def partitioner(self) -> Any:
        """What divides variables."""
        return self._partitioner

    @property
    def custom_getter(self) -> Any:
        """What is called in the place of what makes variables."""
        return self._custom_getter

    @property
    def constraint(self) -> Any:
        """What values are projected by after a step."""
        return self._constraint

    def reuse_variables(self) -> None:
        """From now on, variables must be there already."""
        self._reuse = True

    def set_initializer(self, initializer: Any) -> None:
        """Set what gives first values."""
        self._initializer = initializer

    def set_dtype(self, dtype: Any) -> None:
        """Set the element type."""
        self._dtype = as_dtype(dtype)

    def set_use_resource(self, use_resource: bool) -> None:
        """Set whether variables are resources; ValueError for False where ops run at once."""
        if executing_eagerly() and not use_resource:
            raise ValueError(explain("When eager execution is enabled, use_resource cannot be set to false."))
        self._use_resource = use_resource

    def set_regularizer(self, regularizer: Any) -> None:
        """Set what gives losses."""
        self._regularizer = regularizer

    def set_caching_device(self, caching_device: Any) -> None:
        """Set where values are to be kept for reading; NotImplementedError where ops run at once."""
        if executing_eagerly():
            raise NotImplementedError(explain("Caching devices are not yet supported when eager execution is enabled."))
        self._caching_device = caching_device

    def set_partitioner(self, partitioner: Any) -> None:
        """Set what divides variables."""
        self._partitioner = partitioner

    def set_custom_getter(self, custom_getter: Any) -> None:
        """Set what is called in the place of what makes variables."""
        self._custom_getter = custom_getter

    def get_collection(self, name: Any) -> list[Any]:
        """Return the items of a collection whose names begin with this scope's."""
        return get_collection(name, f"{self._name}/" if self._name else "")

    def trainable_variables(self) -> list[Any]:
        """Return this scope's variables that optimizers change."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list[Any]:
        """Return this scope's variables of the model's state."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list[Any]:
        """Return this scope's variables of this process alone."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def get_variable(
        self,
        var_store: VariableStore,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        custom_getter: Any = None,
        constraint: Any = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
    ) -> Any:
        """Return the variable of this scope that is called `name` in `var_store`; see `tf.compat.v1.get_variable`."""
        if executing_eagerly():
            reuse, use_resource = False, True
        else:
            reuse = self._reuse if reuse is None else reuse
            use_resource = self._use_resource if use_resource is None else use_resource
        with named(None):
            if dtype is not None and initializer is not None and not callable(initializer):
                have = tf.convert_to_tensor(initializer).dtype
                if have != as_dtype(dtype):
                    raise ValueError(
                        explain(f"Initializer type '{have}' and explicit dtype '{as_dtype(dtype)}' don't match.")
                    )
            return var_store.get_variable(
                f"{self._name}/{name}" if self._name else name,
                _given(custom_getter, self._custom_getter),
                shape=shape,
                dtype=_given(dtype, self._dtype),
                initializer=_given(initializer, self._initializer),
                regularizer=_given(regularizer, self._regularizer),
                reuse=reuse,
                trainable=trainable,
                collections=collections,
                caching_device=_given(caching_device, self._caching_device),
                partitioner=_given(partitioner, self._partitioner),
                validate_shape=validate_shape,
                use_resource=use_resource,
                constraint=_given(constraint, self._constraint),
                synchronization=synchronization,
                aggregation=aggregation,
            )


def _given(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


class _Scopes:
    """The scope that variables of a graph are in, and how often each name was opened."""

    def __init__(self) -> None:
        self.current = VariableScope(False)
        self.counts: dict[str, int] = {}

    def open(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def close_inside(self, name: str) -> None:
        for other in self.counts:
            if not name or other.startswith(f"{name}/"):
                self.counts[other] = 0

    def free(self, prefix: str) -> str:
        """Return `prefix`, with a number where the scope was opened before."""
        inside = f"{self.current.name}/" if self.current.name else ""
        if not self.counts.get(inside + prefix):
            return prefix
        number = 1
        while self.counts.get(f"{inside}{prefix}_{number}"):
            number += 1
        return f"{prefix}_{number}"


def scopes() -> _Scopes:
    """Return the scopes of the graph that variables go to now."""
    graph = outermost_graph()
    found = graph.__dict__.get("variable_scopes")
    if found is None:
        found = graph.__dict__["variable_scopes"] = _Scopes()
    return found  # type: ignore[no-any-return]


@public("compat.v1.get_variable_scope")
def get_variable_scope() -> VariableScope:
    """Return the scope that variables are in now."""
    return scopes().current


@public("compat.v1.get_variable")
def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = VariableSynchronization.AUTO,
    aggregation: Any = VariableAggregation.NONE,
) -> Any:
    """Return the variable `name` of the current scope: the one that is there, or a new one, as the scope's `reuse` says.

    Args:
      name: its name inside of the scope.
      shape: its shape; None where `initializer` is a value, or a function without arguments.
      dtype: its element type; that of the scope without it.
      initializer: a value, or a function of shape and element type. That of the scope without it; else Glorot's uniform one,
        zeros for integers.
      regularizer: a function of the variable, whose result is added to the collection REGULARIZATION_LOSSES.
      trainable: whether optimizers change it.
      collections: names of collections, GLOBAL_VARIABLES without them.
      caching_device: a hint.
      partitioner: a function of shape and element type that says into how many parts each axis is divided.
      validate_shape: whether the shape of the first value must be known.
      use_resource: accepted: all variables are resources.
      custom_getter: is called as custom_getter(getter, name, **arguments) in the place of what makes variables.
      constraint: what values are projected by after a step.
      synchronization: when copies are brought together.
      aggregation: how they are.

    Returns:
      A variable, or a PartitionedVariable where it is divided.

    Raises:
      ValueError: it is there and may not be, or the other way around; or shape or element type differ from what is there.

    >>> with tf.Graph().as_default(), tf.compat.v1.variable_scope("layer"):
    ...     weights = tf.compat.v1.get_variable("weights", [2, 3])
    >>> weights.name
    'layer/weights:0'
    """
    return get_variable_scope().get_variable(
        current_store(),
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=collections,
        caching_device=caching_device,
        partitioner=partitioner,
        validate_shape=validate_shape,
        use_resource=use_resource,
        custom_getter=custom_getter,
        constraint=constraint,
        synchronization=synchronization,
        aggregation=aggregation,
    )


def _composed(outer: Any, inner: Any) -> Any:
    """Return what calls `inner` with `outer` as its getter."""
    if outer is None or inner is None:
        return inner if outer is None else outer

    def getter(getter: Any, *args: Any, **kwargs: Any) -> Any:
        return inner(functools.partial(outer, getter), *args, **kwargs)

    return getter


@contextmanager
def pure_scope(
    given: str | VariableScope, reuse: Any = None, name_scope: str | None = None, **options: Any
) -> Iterator[VariableScope]:
    """Put `given` before the names of variables inside, but not before those of ops."""
    state = scopes()
    before = state.current
    source = given if isinstance(given, VariableScope) else before
    name = given.name if isinstance(given, VariableScope) else f"{before.name}/{given}" if before.name else given
    own_scope = given.original_name_scope if isinstance(given, VariableScope) else given
    made = VariableScope(
        reuse or source.reuse,
        name,
        name_scope=own_scope if name_scope is None else name_scope,
        **{key: getattr(source, key) for key in _INHERITED},
    )
    for key, value in options.items():
        if value is None:
            continue
        if key == "custom_getter":
            made.set_custom_getter(_composed(made.custom_getter, value))
        elif key == "constraint":
            made._constraint = value
        else:
            getattr(made, f"set_{key}")(value)
    state.open(name)
    inside = dict(state.counts) if isinstance(given, VariableScope) else None
    state.current = made
    try:
        yield made
    finally:
        state.current = before
        if inside is None:
            state.close_inside(name)
        else:
            state.counts = inside


@public("compat.v1.variable_scope")
class variable_scope:
    """Put a name before those of variables and ops inside, and say what those variables are like.

    Args:
      name_or_scope: a name, or a scope that is entered again.
      default_name: a name that is made unique, where there is no `name_or_scope`.
      values: tensors whose graph is meant.
      initializer, regularizer, caching_device, partitioner, custom_getter, dtype, use_resource, constraint: for variables
        inside that say nothing else; see `tf.compat.v1.get_variable`.
      reuse: True: variables must be there already; None: as around; `tf.compat.v1.AUTO_REUSE`: both will do.
      auxiliary_name_scope: whether the names of ops get the name, too.

    Raises:
      ValueError: `reuse` is none of these, or True for a name that is new.
      TypeError: there is no name.

    >>> with tf.Graph().as_default():
    ...     with tf.compat.v1.variable_scope("a"):
    ...         first = tf.compat.v1.get_variable("v", [1])
    ...     with tf.compat.v1.variable_scope("a", reuse=True):
    ...         again = tf.compat.v1.get_variable("v", [1])
    >>> first is again
    True
    """

    def __init__(
        self,
        name_or_scope: Any,
        default_name: str | None = None,
        values: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        reuse: Any = None,
        dtype: Any = None,
        use_resource: bool | None = None,
        constraint: Any = None,
        auxiliary_name_scope: bool = True,
    ) -> None:
        if default_name is None and name_or_scope is None:
            raise TypeError("If default_name is None then name_or_scope is required")
        if reuse is False:
            # As around: what is reused there is reused here.
            reuse = None
        if reuse is not None and reuse is not True and not isinstance(reuse, Reuse):
            raise ValueError(explain("The reuse parameter must be True or False or None."))
        if not isinstance(auxiliary_name_scope, bool):
            raise TypeError(
                explain(f"The auxiliary_name_scope must be `True` or `False`, while get {auxiliary_name_scope}")
            )
        if name_or_scope is not None and not isinstance(name_or_scope, (str, VariableScope)):
            raise TypeError(explain("VariableScope: name_or_scope must be a string or VariableScope."))
        self._given, self._default, self._reuse, self._names_ops = (
            name_or_scope,
            default_name,
            reuse,
            auxiliary_name_scope,
        )
        self._graph = _graph_of(values)
        self._options = {
            "initializer": initializer,
            "regularizer": regularizer,
            "caching_device": caching_device,
            "partitioner": partitioner,
            "custom_getter": custom_getter,
            "dtype": dtype,
            "use_resource": use_resource,
            "constraint": constraint,
        }
        self._open: list[ExitStack] = []

    def __enter__(self) -> VariableScope:
        with ExitStack() as stack:
            if self._graph is not None and self._graph is not current_graph():
                stack.enter_context(self._graph.as_default())
            found = self._entered(stack)
            self._open.append(stack.pop_all())
        return found

    def _entered(self, stack: ExitStack) -> VariableScope:
        given = self._given
        if given is None:
            if self._reuse:
                raise ValueError(explain("reuse=True cannot be used without a name_or_scope"))
            assert self._default is not None
            prefix = self._op_names(stack, self._default)
            return stack.enter_context(pure_scope(scopes().free(self._default), None, prefix, **self._options))
        name = given if isinstance(given, str) else given.name.rpartition("/")[2]
        own: str | None = None
        if name or not self._names_ops:
            entered = self._op_names(stack, name)
            own = entered if isinstance(given, str) else given.original_name_scope
        return stack.enter_context(pure_scope(given, self._reuse, own, **self._options))

    def _op_names(self, stack: ExitStack, name: str) -> str:
        """Put `name` before the names of ops, where that is asked for, and return the whole prefix."""
        if self._names_ops:
            return stack.enter_context(NameScope(name))
        return current_scope()

    def __exit__(self, *error: Any) -> Any:
        return self._open.pop().__exit__(*error)


def _graph_of(values: Any) -> Any:
    """Return the graph of the first of some values that has one."""
    if executing_eagerly():
        return None
    for value in values or ():
        graph = getattr(value, "graph", None) if not hasattr(value, "_unique_id") else None
        if graph is not None:
            return graph
    return None
