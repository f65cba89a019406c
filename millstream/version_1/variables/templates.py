"""tf.compat.v1.make_template: a function whose variables are made at the first call and used again at the next ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain
from millstream.execution.autotrackable import AutoTrackable
from millstream.execution.context import executing_eagerly
from millstream.version_1.variables.keys import GraphKeys, get_collection, get_collection_ref
from millstream.version_1.variables.scope import VariableScope, pure_scope, scopes, variable_scope
from millstream.version_1.variables.store import EagerVariableStore


@public("compat.v1.make_template")
def make_template(
    name_: str,
    func_: Callable[..., Any],
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    custom_getter_: Any = None,
    **kwargs: Any,
) -> Template:
    """Return a function that calls `func_` in a scope of its own: its `get_variable` makes variables once.

    Args:
      name_: the scope, which gets a number where it is taken.
      func_: the function.
      create_scope_now_: whether the scope is chosen now, not at the first call.
      unique_name_: a scope that must not be taken.
      custom_getter_: see `tf.compat.v1.get_variable`.
      **kwargs: arguments of `func_` that are always the same.

    Raises:
      ValueError: `unique_name_` where ops run at once, or, at a later call, for variables that are new.

    >>> with tf.Graph().as_default():
    ...     scale = tf.compat.v1.make_template("scale", lambda x: x * tf.compat.v1.get_variable("w", []))
    ...     first, second = scale(1.0), scale(2.0)
    ...     names = [v.name for v in tf.compat.v1.global_variables()]
    >>> names
    ['scale/w:0']
    """
    function = functools.partial(func_, **kwargs) if kwargs else func_
    if executing_eagerly() and unique_name_ is not None:
        raise ValueError(explain("unique_name_ cannot be used when eager execution is enabled."))
    return Template(name_, function, create_scope_now_, unique_name_, custom_getter_)


class Template(AutoTrackable):
    """What `make_template` returns."""

    _store: EagerVariableStore | None

    def __init__(
        self, name: str, func: Callable[..., Any], create_scope_now: bool, unique_name: str | None, custom_getter: Any
    ) -> None:
        if not callable(func):
            raise ValueError(explain("func must be callable."))
        self.__dict__.update(
            _func=func,
            _name=name,
            _unique_name=unique_name,
            _custom_getter=custom_getter,
            _scope=None,
            _made=False,
            _store=EagerVariableStore() if executing_eagerly() else None,
        )
        if create_scope_now:
            with pure_scope(unique_name or scopes().free(name), custom_getter=custom_getter) as scope:
                self.__dict__["_scope"] = scope

    _func: Callable[..., Any]
    _name: str
    _unique_name: str | None
    _custom_getter: Any
    _scope: VariableScope | None
    _made: bool

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._store is not None:
            with self._store.as_default():
                return self._in_scope(args, kwargs)
        return self._in_scope(args, kwargs)

    def _in_scope(self, args: Any, kwargs: Any) -> Any:
        if self._scope is not None:
            with variable_scope(self._scope, reuse=self._made or None):
                return self._called(args, kwargs)
        with variable_scope(self._unique_name, self._name, custom_getter=self._custom_getter) as scope:
            self.__dict__["_scope"] = scope
            return self._called(args, kwargs)

    def _called(self, args: Any, kwargs: Any) -> Any:
        kinds = {"Trainable": GraphKeys.TRAINABLE_VARIABLES, "New": GraphKeys.GLOBAL_VARIABLES}
        before = {what: len(get_collection_ref(kind)) for what, kind in kinds.items()}
        result = self._func(*args, **kwargs)
        for what, kind in kinds.items():
            more = get_collection_ref(kind)[before[what] :]
            if self._made and more:
                raise ValueError(
                    explain(
                        f"{what} variable created when calling a template after the first time, perhaps you used tf.Variable "
                        f"when you meant tf.get_variable: {more}"
                    )
                )
        self.__dict__["_made"] = True
        return result

    @property
    def name(self) -> str:
        """The name that was given."""
        return self._name

    @property
    def func(self) -> Callable[..., Any]:
        """The function that is called."""
        return self._func

    @property
    def variable_scope(self) -> VariableScope | None:
        """The scope of the variables; None before the first call."""
        return self._scope

    var_scope = variable_scope

    @property
    def variable_scope_name(self) -> str | None:
        """The scope's name and a slash; None before the first call."""
        return None if self._scope is None else f"{self._scope.name.rstrip(chr(47))}/" if self._scope.name else ""

    def _collected(self, kind: str) -> list[Any]:
        name = self.variable_scope_name
        return get_collection(kind, name) if name else []

    @property
    def variables(self) -> list[Any]:
        """All variables that the function made."""
        if self._store is not None:
            return self._store.variables()
        return self.global_variables + self.local_variables

    weights = variables

    @property
    def trainable_variables(self) -> list[Any]:
        """Those that optimizers change."""
        if self._store is not None:
            return self._store.trainable_variables()
        return self._collected(GraphKeys.TRAINABLE_VARIABLES)

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The others."""
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trained]

    non_trainable_weights = non_trainable_variables

    @property
    def global_variables(self) -> list[Any]:
        """Those of the model's state."""
        return self.variables if self._store is not None else self._collected(GraphKeys.GLOBAL_VARIABLES)

    @property
    def local_variables(self) -> list[Any]:
        """Those of this process alone."""
        return [] if self._store is not None else self._collected(GraphKeys.LOCAL_VARIABLES)
