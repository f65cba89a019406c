"""tf.Module: a named container of variables, modules and functions that finds what it holds by walking its attributes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from millstream.base import nest
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain
from millstream.execution.autotrackable import AutoTrackable
from millstream.execution.name_scope import NameScope
from millstream.execution.tensor import TensorType
from millstream.execution.variable import is_resource_variable

Method = TypeVar("Method", bound=Callable[..., Any])

_VALID_NAME = re.compile(r"^[a-zA-Z_]([a-zA-Z0-9_])*$")


class Module(AutoTrackable):
    """See tf.Module."""

    _TF_MODULE_IGNORED_PROPERTIES = frozenset(
        (
            "_self_unconditional_checkpoint_dependencies",
            "_self_unconditional_dependency_names",
            "_self_unconditional_deferred_dependencies",
        )
    )

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = camel_to_snake(type(self).__name__)
        elif not _VALID_NAME.match(name):
            raise ValueError(
                explain(
                    f"{name!r} is not a valid module name. Module names must be valid Python identifiers (e.g. a valid class name)."
                )
            )
        self._name = name
        with NameScope(name) as scope:  # in a graph, the second one of a name gets a number
            self._name_scope = NameScope(scope)

    @property
    def name(self) -> str:
        """The name of this module, without scopes."""
        return self._name

    @property
    def name_scope(self) -> NameScope:
        """The scope that names of what this module makes are in."""
        return self._name_scope

    @property
    def variables(self) -> tuple[Any, ...]:
        """All variables of this module and its submodules, in the order of sorted attribute names."""
        return tuple(self._flatten(predicate=_is_variable, expand_composites=True))

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """The trainable variables of this module and its submodules."""
        return tuple(self._flatten(predicate=_is_trainable_variable, expand_composites=True))

    @property
    def non_trainable_variables(self) -> tuple[Any, ...]:
        """The other variables of this module and its submodules."""
        return tuple(self._flatten(predicate=lambda v: _is_variable(v) and not v.trainable, expand_composites=True))

    @property
    def submodules(self) -> tuple[Any, ...]:
        """All modules inside this one."""
        return tuple(self._flatten(predicate=lambda value: isinstance(value, Module)))

    def _flatten(
        self,
        recursive: bool = True,
        predicate: Callable[[Any], bool] | None = None,
        attribute_traversal_key: Callable[[str], Any] | None = None,
        with_path: bool = False,
        expand_composites: bool = False,
    ) -> Iterator[Any]:
        return _flatten_module(
            self,
            recursive,
            predicate or (lambda _: True),
            attribute_traversal_key,
            self._TF_MODULE_IGNORED_PROPERTIES,
            with_path,
            expand_composites,
            (),
            {id(self)},
        )

    @classmethod
    def with_name_scope(cls, method: Method) -> Method:
        """Decorate a method so that what it makes is named inside the module's scope."""

        @functools.wraps(method)
        def scoped(self: Any, *args: Any, **kwargs: Any) -> Any:
            with self.name_scope:
                return method(self, *args, **kwargs)

        return scoped  # type: ignore[return-value]


def camel_to_snake(name: str) -> str:
    """Return a class name as the name of a module."""
    return re.sub(r"((?<=[a-z0-9])[A-Z]|(?!^)[A-Z](?=[a-z]))", r"_\1", name).lower()


def _is_variable(value: Any) -> bool:
    return is_resource_variable(value)


def _is_trainable_variable(value: Any) -> bool:
    return _is_variable(value) and bool(getattr(value, "trainable", False))


def _flatten_module(
    module: Any,
    recursive: bool,
    predicate: Callable[[Any], bool],
    key: Callable[[str], Any] | None,
    ignored: frozenset[str],
    with_path: bool,
    expand_composites: bool,
    path: tuple[Any, ...],
    seen: set[int],
) -> Iterator[Any]:
    submodules: list[tuple[tuple[Any, ...], Any]] = []
    attributes = vars(module)
    for name in sorted(attributes, key=key):
        if name in ignored:
            continue
        value = attributes[name]
        for place, leaf in nest.flatten_with_tuple_paths(
            value, expand_composites=expand_composites and _expands(value)
        ):
            if not isinstance(leaf, (str, bytes, int, float, bool, type(None))):
                if id(leaf) in seen:
                    continue
                seen.add(id(leaf))
            full = (*path, name, *place)
            if predicate(leaf):
                yield (full, leaf) if with_path else leaf
            if recursive and isinstance(leaf, Module):
                submodules.append((full, leaf))
    for full, inner in submodules:
        yield from _flatten_module(
            inner,
            recursive,
            predicate,
            key,
            inner._TF_MODULE_IGNORED_PROPERTIES,
            with_path,
            expand_composites,
            full,
            seen,
        )


def _expands(value: Any) -> bool:
    """Composite values are taken apart to find variables in them; tensors and modules are leaves."""
    return isinstance(value, (CompositeTensor, list, tuple, dict)) or not isinstance(value, (TensorType, Module))
