"""Other forms of tf.compat.v1's get_variable and variable_scope: of local variables, and of variables in parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from millstream.api.public import public, root
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.context import executing_eagerly
from millstream.execution.variable import VariableAggregation, VariableSynchronization
from millstream.version_1.variables.keys import GraphKeys
from millstream.version_1.variables.scope import VariableScope, get_variable, get_variable_scope, variable_scope
from millstream.version_1.variables.store import current_store

tf: Any = root()


@public("compat.v1.get_local_variable")
def get_local_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = False,
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
    """Return a variable of this process alone: `tf.compat.v1.get_variable` in the collection LOCAL_VARIABLES, not trained."""
    local = [GraphKeys.LOCAL_VARIABLES]
    return get_variable(
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=False,
        collections=[*collections, *local] if collections else local,
        caching_device=caching_device,
        partitioner=partitioner,
        validate_shape=validate_shape,
        use_resource=use_resource,
        custom_getter=custom_getter,
        constraint=constraint,
        synchronization=synchronization,
        aggregation=aggregation,
    )


@public("compat.v1.variable_op_scope")
@contextmanager
def variable_op_scope(
    values: Any,
    name_or_scope: Any,
    default_name: str | None = None,
    initializer: Any = None,
    regularizer: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    reuse: Any = None,
    dtype: Any = None,
    use_resource: bool | None = None,
    constraint: Any = None,
) -> Iterator[VariableScope]:
    """Do what `tf.compat.v1.variable_scope` does: an older form of it."""
    with variable_scope(
        name_or_scope,
        default_name=default_name,
        values=values,
        initializer=initializer,
        regularizer=regularizer,
        caching_device=caching_device,
        partitioner=partitioner,
        custom_getter=custom_getter,
        reuse=reuse,
        dtype=dtype,
        use_resource=use_resource,
        constraint=constraint,
    ) as scope:
        yield scope


@public("compat.v1.no_regularizer")
def no_regularizer(_: Any) -> None:
    """Give no loss: for variables that are not to be regularized where the scope says that all are."""


@public("compat.v1.create_partitioned_variables")
def create_partitioned_variables(
    shape: Any,
    slicing: Any,
    initializer: Any,
    dtype: Any = dtypes.float32,
    trainable: bool = True,
    collections: Any = None,
    name: str | None = None,
    reuse: Any = None,
) -> list[Any]:
    """Return the parts of a variable that is divided as `slicing` says: in how many parts each axis is.

    Raises:
      ValueError: more than one axis is divided, or `slicing` has another length than `shape`.
    """
    sizes = tf.TensorShape(shape).as_list()
    if len(slicing) != len(sizes):
        raise ValueError(
            explain(
                "The `shape` and `slicing` of a new Variable must have the same length, but instead were "
                f"shape: {shape}, slicing: {slicing}."
            )
        )
    if any(count < 1 for count in slicing):
        raise ValueError(explain(f"Partitioner returned zero partitions for some axes: {slicing}"))

    def partitioner(**unused: Any) -> list[int]:
        return list(slicing)

    with variable_scope(name, "PartitionedVariable", reuse=reuse):
        made = _unnamed(sizes, dtype, initializer, trainable, partitioner, collections)
    return list(made._get_variable_list())


def _unnamed(sizes: Any, dtype: Any, initializer: Any, trainable: bool, partitioner: Any, collections: Any) -> Any:
    scope = get_variable_scope()
    return current_store().get_variable(
        scope.name,
        None,
        shape=sizes,
        dtype=dtype,
        initializer=initializer,
        regularizer=None,
        reuse=False if executing_eagerly() else scope.reuse,
        trainable=trainable,
        collections=collections,
        caching_device=None,
        partitioner=partitioner,
        validate_shape=True,
        use_resource=None,
        constraint=None,
        synchronization=VariableSynchronization.AUTO,
        aggregation=VariableAggregation.NONE,
    )
