"""Variables by their full names, per graph. Where ops run at once, a store that nobody set up remembers nothing."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from millstream.api.public import root
from millstream.base import dtypes
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution.context import executing_eagerly, init_scope
from millstream.execution.name_scope import NameScope, named
from millstream.execution.tensor import TensorType
from millstream.execution.variable_parts import SaveSliceInfo
from millstream.version_1.variables import partitioners as parts
from millstream.version_1.variables.keys import GraphKeys, add_to_collection, add_to_collections, outermost_graph

tf: Any = root()


class Reuse:
    """The one value AUTO_REUSE: what is there is used, what is not is made."""

    value = 1

    def __repr__(self) -> str:
        return "<_ReuseMode.AUTO_REUSE: 1>"

    def __str__(self) -> str:
        return "_ReuseMode.AUTO_REUSE"

    def __copy__(self) -> Reuse:
        return self

    def __deepcopy__(self, memo: Any) -> Reuse:
        return self

    def __reduce__(self) -> Any:
        return _auto_reuse, ()


REUSE = Reuse()


def _auto_reuse() -> Reuse:
    return REUSE


def parameters_of(function: Any) -> tuple[list[str], bool]:
    """Return the names of a callable's parameters, and whether it takes any others by name."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return [], True
    return [p.name for p in found], any(p.kind is p.VAR_KEYWORD for p in found)


def _needs_nothing(function: Any) -> bool:
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found)


class VariableStore:
    """The variables of a graph by their names."""

    keeps_at_once = False

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}
        self.divided: dict[str, parts.PartitionedVariable] = {}

    def get_variable(self, name: str, custom_getter: Any = None, **options: Any) -> Any:
        """Return the variable `name`: an old one or a new one, as `reuse` says.

        `options`: the arguments of `tf.compat.v1.get_variable`, and `reuse`.
        """
        if custom_getter is not None and not callable(custom_getter):
            raise ValueError(explain(f"Passed a custom_getter which is not callable: {custom_getter}"))
        if executing_eagerly():
            options["use_resource"] = True
            if options["reuse"] and not self.keeps_at_once:
                raise RuntimeError(
                    explain(
                        "When eager execution is enabled variable reuse is only supported when an EagerVariableStore is "
                        "active. See the documentation on EagerVariableStore for example usage."
                    )
                )
            if self.keeps_at_once:
                options["reuse"] = REUSE
        options["trainable"] = _is_trained(options["trainable"], options["synchronization"])
        if custom_getter is None:
            return self._get(name, **options)
        known, takes_all = parameters_of(custom_getter)
        if "constraint" not in known and not takes_all:
            constraint = options.pop("constraint")
            getter = functools.partial(self._get, constraint=constraint)
            return custom_getter(getter=getter, name=name, **options)
        return custom_getter(getter=self._get, name=name, **options)

    def _get(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        initializer: Any = None,
        regularizer: Any = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        validate_shape: bool = True,
        use_resource: Any = None,
        constraint: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Any:
        options = {
            "trainable": trainable,
            "collections": collections,
            "caching_device": caching_device,
            "validate_shape": validate_shape,
            "use_resource": use_resource,
            "constraint": constraint,
            "synchronization": synchronization,
            "aggregation": aggregation,
        }
        is_scalar = isinstance(shape, (list, tuple, TensorShape)) and shape is not None and len(shape) == 0
        whole = (name, shape, dtype, initializer, regularizer, reuse)
        if partitioner is not None and not is_scalar:
            if not callable(partitioner):
                raise ValueError(explain(f"Partitioner must be callable, but received: {partitioner}"))
            with named(None):
                return self._in_parts(partitioner, *whole, options)
        if reuse is True and name in self.divided:
            return self._in_parts(None, *whole, options)
        if f"{name}/part_0" in self.variables:
            raise ValueError(
                explain(
                    "No partitioner was provided, but a partitioned version of the variable was found: "
                    f"{name}/part_0. Perhaps a variable of the same name was already created with partitioning?"
                )
            )
        return self._whole(None, *whole, options)

    def _in_parts(
        self,
        partitioner: Any,
        name: str,
        shape: Any,
        dtype: Any,
        initializer: Any,
        regularizer: Any,
        reuse: Any,
        options: dict[str, Any],
    ) -> parts.PartitionedVariable:
        is_value = initializer is not None and not callable(initializer)
        sizes, element = TensorShape(shape), as_dtype(dtype)
        if is_value:
            sizes = sizes.merge_with(tf.convert_to_tensor(initializer).shape)
        found = self.divided.get(name)
        if found is not None:
            if reuse is False:
                raise ValueError(
                    explain(
                        f"Partitioned variable with name {name} already exists. Did you mean to set reuse=True or "
                        "reuse=tf.AUTO_REUSE in VarScope?"
                    )
                )
            if not sizes.is_compatible_with(found.shape):
                raise ValueError(
                    explain(
                        f"Trying to reuse partitioned variable {name}, but specified shape {sizes} and found shape "
                        f"{found.shape}."
                    )
                )
            if not element.is_compatible_with(found.dtype):
                raise ValueError(
                    explain(
                        f"Trying to reuse partitioned variable {name}, but specified dtype {element.name} and found dtype "
                        f"{found.dtype.name}."
                    )
                )
            return found
        if reuse is True:
            raise ValueError(
                explain(
                    f"PartitionedVariable {name} does not exist, or was not created with tf.get_variable(). Did you mean to set "
                    "reuse=False or reuse=tf.AUTO_REUSE in VarScope?"
                )
            )
        counts = parts.divisions(partitioner, sizes, element)
        made = []
        full = [int(size) for size in sizes.as_list()]  # type: ignore[arg-type]
        for i, (offset, own) in enumerate(parts.parts(full, counts)):
            part_name = f"{name}/part_{i}"
            if is_value:
                given = tf.convert_to_tensor(initializer, None if isinstance(initializer, TensorType) else element)
                with NameScope(f"{part_name}/PartitionedInitializer"):
                    begin, own_shape, element = tf.slice(given, offset, own), None, given.dtype
            else:
                begin, own_shape = initializer, own
            info = parts.PartitionInfo(full, offset)
            with named(None):
                variable = self._whole(info, part_name, own_shape, element, begin, regularizer, reuse, options)
            variable._save_slice_info = SaveSliceInfo(name, full, offset, own)
            made.append(variable)
        whole = self.divided[name] = parts.PartitionedVariable(name, sizes, element, made, counts)
        return whole

    def _whole(
        self,
        partition_info: Any,
        name: str,
        shape: Any,
        dtype: Any,
        initializer: Any,
        regularizer: Any,
        reuse: Any,
        options: dict[str, Any],
    ) -> Any:
        is_value = initializer is not None and not callable(initializer)
        if shape is not None and is_value:
            raise ValueError(explain("If initializer is a constant, do not specify shape."))
        element, sizes = as_dtype(dtype), TensorShape(shape)
        found = self.variables.get(name)
        if found is not None:
            return _checked(found, name, sizes, element, reuse)
        if reuse is True:
            raise ValueError(
                explain(
                    f"Variable {name} does not exist, or was not created with tf.get_variable(). Did you mean to set "
                    "reuse=tf.AUTO_REUSE in VarScope?"
                )
            )
        if initializer is None:
            initializer = _default_initializer(name, element)
            if not sizes.is_fully_defined():
                raise ValueError(
                    explain(f"Variable {name} did not get an initializer, so its `shape` argument must be specified.")
                )
        given: Any
        if is_value:
            given, made_dtype = initializer, None
        else:
            initializer = initializer() if inspect.isclass(initializer) else initializer
            given, made_dtype = _maker(initializer, sizes, element, partition_info)
        if options["use_resource"] is None:
            options = {**options, "use_resource": tf.compat.v1.resource_variables_enabled()}
        variable = made_variable(initial_value=given, name=name, dtype=made_dtype, **options)
        if not executing_eagerly() or self.keeps_at_once:
            self.variables[name] = variable
        if regularizer:
            _regularize(variable, name, regularizer)
        return variable


def _regularize(variable: Any, name: str, regularizer: Callable[[Any], Any]) -> None:
    def loss() -> Any:
        with NameScope(f"{name}/Regularizer/"):
            return regularizer(variable)

    if executing_eagerly():
        # What a weight costs is asked for at each step there; this finds mistakes now.
        loss()
        return
    with init_scope():
        made = loss()
    if made is not None:
        add_to_collection(GraphKeys.REGULARIZATION_LOSSES, made)


def made_variable(*, collections: Any, **options: Any) -> Any:
    """Make a variable, in the graph around all functions or at once."""
    with init_scope():
        if executing_eagerly():
            # A name that ends so stands for all of it: there is nothing around it here.
            options["name"] = options["name"].rstrip("/")
        variable = tf.compat.v1.Variable(collections=collections, **options)
        if executing_eagerly() and GraphKeys.GLOBAL_STEP in (collections or ()):
            add_to_collections(GraphKeys.GLOBAL_STEP, variable)
    return variable


def _is_trained(trainable: bool | None, synchronization: Any) -> bool:
    on_read = getattr(synchronization, "name", "") == "ON_READ"
    if on_read and trainable:
        raise ValueError(
            explain(
                "Synchronization value can be set to VariableSynchronization.ON_READ only for non-trainable variables. You have "
                "specified trainable=True and synchronization=VariableSynchronization.ON_READ."
            )
        )
    return not on_read if trainable is None else trainable


def _checked(found: Any, name: str, sizes: TensorShape, element: Any, reuse: Any) -> Any:
    if reuse is False:
        raise ValueError(
            explain(
                f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in VarScope?"
            )
        )
    if not sizes.is_compatible_with(found.shape):
        raise ValueError(
            explain(f"Trying to share variable {name}, but specified shape {sizes} and found shape {found.shape}.")
        )
    if not element.is_compatible_with(found.dtype):
        raise ValueError(
            explain(
                f"Trying to share variable {name}, but specified dtype {element.name} and found dtype {found.dtype.name}."
            )
        )
    return found


def _default_initializer(name: str, dtype: Any) -> Any:
    if dtype.is_floating:
        return tf.compat.v1.glorot_uniform_initializer()
    if dtype.is_integer or dtype.is_bool or dtype is dtypes.string:
        return tf.compat.v1.zeros_initializer()
    raise ValueError(explain(f"An initializer for variable {name} of {dtype} is required"))


def _maker(initializer: Any, sizes: TensorShape, dtype: Any, partition_info: Any) -> tuple[Callable[[], Any], Any]:
    """Return what makes the first value, and the element type that is said to the variable."""
    if sizes.is_fully_defined():
        names, _ = parameters_of(initializer.__call__ if not inspect.isroutine(initializer) else initializer)
        more = {"partition_info": partition_info} if "partition_info" in names else {}
        if partition_info is not None and not more and {"partition_shape", "kwargs"} & set(names):
            offset, own = partition_info.var_offset, sizes.as_list()
            more = {"partition_shape": own, "partition_offset": offset}
            return lambda: initializer(partition_info.full_shape, dtype=dtype, **more), dtype
        return lambda: initializer(sizes.as_list(), dtype=dtype, **more), dtype
    if _needs_nothing(initializer):
        return initializer, None
    raise ValueError(
        explain(
            "The initializer passed is not valid. It should be a callable with no arguments and the shape should not be provided "
            "or an instance of `tf.keras.initializers.*' and `shape` should be fully defined."
        )
    )


class _Stores(threading.local):
    """The store that is set up for what runs at once."""

    def __init__(self) -> None:
        self.at_once: VariableStore | None = None


_stores = _Stores()


def current_store() -> VariableStore:
    """Return the store in which variables are looked for now."""
    graph = outermost_graph()
    if executing_eagerly() and _stores.at_once is not None:
        return _stores.at_once
    return graph.__dict__.setdefault("variable_store", VariableStore())  # type: ignore[no-any-return]


class EagerVariableStore:
    """Remembers variables by their names where ops run at once: inside of `as_default`, all are reused.

    >>> from millstream.version_1.variables.store import EagerVariableStore
    >>> store = EagerVariableStore()
    >>> with store.as_default():
    ...     first = tf.compat.v1.get_variable("w", [2])
    ...     again = tf.compat.v1.get_variable("w", [2])
    >>> first is again
    True
    """

    def __init__(self, store: VariableStore | None = None) -> None:
        if store is not None and not store.keeps_at_once:
            raise ValueError(
                explain(
                    "Cannot construct EagerVariableStore from a VariableStore object that does not hold eager variables."
                )
            )
        self._store = VariableStore() if store is None else store
        self._store.keeps_at_once = True

    @contextmanager
    def as_default(self) -> Iterator[None]:
        """Look for variables here."""
        before, _stores.at_once = _stores.at_once, self._store
        try:
            yield
        finally:
            _stores.at_once = before

    def variables(self) -> list[Any]:
        """Return all variables by the order of their names."""
        return sorted(self._store.variables.values(), key=lambda v: v.name)

    def trainable_variables(self) -> list[Any]:
        """Return those that optimizers change."""
        return [v for v in self.variables() if v.trainable]

    def non_trainable_variables(self) -> list[Any]:
        """Return the others."""
        return [v for v in self.variables() if not v.trainable]
