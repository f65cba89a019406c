"""Objects that remember what they hold, so that checkpoints and saved models find it: the base of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from millstream.base.errors import explain

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class TrackableReference:
    """A child and the name under which its parent holds it."""

    name: str
    ref: Any

    def __iter__(self) -> Iterator[Any]:
        return iter((self.name, self.ref))


class Trackable:
    """Base of all that can be found by walking from a root: variables, modules, datasets, functions."""

    @property
    def _setattr_tracking(self) -> bool:
        return self.__dict__.get("_self_setattr_tracking", True)  # type: ignore[no-any-return]

    @_setattr_tracking.setter
    def _setattr_tracking(self, value: bool) -> None:
        self.__dict__["_self_setattr_tracking"] = value

    def _maybe_initialize_trackable(self) -> None:
        if "_self_unconditional_checkpoint_dependencies" not in self.__dict__:
            self.__dict__["_self_unconditional_checkpoint_dependencies"] = []
            self.__dict__["_self_unconditional_dependency_names"] = {}
            self.__dict__["_self_unconditional_deferred_dependencies"] = {}
            self.__dict__.setdefault("_self_update_uid", -1)

    @property
    def _unconditional_checkpoint_dependencies(self) -> list[TrackableReference]:
        self._maybe_initialize_trackable()
        return self.__dict__["_self_unconditional_checkpoint_dependencies"]  # type: ignore[no-any-return]

    @property
    def _unconditional_dependency_names(self) -> dict[str, Any]:
        self._maybe_initialize_trackable()
        return self.__dict__["_self_unconditional_dependency_names"]  # type: ignore[no-any-return]

    @property
    def _checkpoint_dependencies(self) -> list[TrackableReference]:
        return self._unconditional_checkpoint_dependencies

    @property
    def _deferred_dependencies(self) -> dict[str, list[Any]]:
        self._maybe_initialize_trackable()
        return self.__dict__["_self_unconditional_deferred_dependencies"]  # type: ignore[no-any-return]

    @property
    def _update_uid(self) -> int:
        self._maybe_initialize_trackable()
        return self.__dict__["_self_update_uid"]  # type: ignore[no-any-return]

    @_update_uid.setter
    def _update_uid(self, value: int) -> None:
        self.__dict__["_self_update_uid"] = value

    @property
    def _object_identifier(self) -> str:
        return "_generic_user_object"

    def _no_dependency(self, value: Any) -> Any:
        return value

    def _lookup_dependency(self, name: str, cached_dependencies: Any = None) -> Any:
        if cached_dependencies:
            return cached_dependencies.get(name)
        return self._unconditional_dependency_names.get(name)

    def _track_trackable(self, trackable: Any, name: str, overwrite: bool = False) -> Any:
        """Remember `trackable` as the child `name`; ValueError where another one has that name."""
        self._maybe_initialize_trackable()
        if not isinstance(trackable, Trackable):
            raise TypeError(
                explain(
                    f"Trackable._track_trackable() can only be used to track objects of type Trackable. Got type {type(trackable)}."
                )
            )
        if not self._setattr_tracking:
            return trackable
        reference = TrackableReference(name, trackable)
        current = self._lookup_dependency(name)
        if current is not None and current is not trackable:
            if not overwrite:
                raise ValueError(
                    explain(
                        f"Called Trackable._track_trackable() with name='{name}', but a Trackable with this name is already "
                        f"declared as a dependency. Names must be unique (or overwrite=True)."
                    )
                )
            dependencies = self._unconditional_checkpoint_dependencies
            for index, (old, _) in enumerate(dependencies):
                if old == name:
                    dependencies[index] = reference
        elif current is None:
            self._unconditional_checkpoint_dependencies.append(reference)
            self._handle_deferred_dependencies(name, trackable)
        self._unconditional_dependency_names[name] = trackable
        return trackable

    def _handle_deferred_dependencies(self, name: str, trackable: Any) -> None:
        """Restore the child, where a checkpoint was loaded before it was there."""
        for restore in self._deferred_dependencies.pop(name, ()):
            restore(trackable)

    def _add_trackable_child(self, name: str, value: Any) -> None:
        self._track_trackable(value, name, overwrite=True)

    def _trackable_children(self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Return the children by name."""
        self._maybe_initialize_trackable()
        return {item.name: item.ref for item in self._checkpoint_dependencies}

    def _gather_saveables_for_checkpoint(self) -> dict[str, Any]:
        return {}

    def _serialize_to_tensors(self) -> Any:
        raise NotImplementedError(explain(f"{type(self).__name__} holds no tensors of its own to save."))

    def _restore_from_tensors(self, restored_tensors: Any) -> Any:
        raise NotImplementedError(explain(f"{type(self).__name__} holds no tensors of its own to restore."))

    def _serialize_to_proto(self, object_proto: Any = None, **kwargs: Any) -> Any:
        return None

    @classmethod
    def _deserialize_from_proto(cls, **kwargs: Any) -> Any:
        return cls()

    def _deserialization_dependencies(self, children: dict[str, Any]) -> dict[str, Any]:
        return {}

    def _export_to_saved_model_graph(self, object_map: Any, tensor_map: Any, options: Any, **kwargs: Any) -> list[Any]:
        _, _, _ = object_map, tensor_map, options
        return []

    def _copy_trackable_to_cpu(self, object_map: Any) -> None:
        raise NotImplementedError(explain(f"{type(self).__name__} is not copied between devices."))

    def _checkpoint_adapter(self, path: str) -> Any:
        return None


class NotTrackable:
    """Marks values that are no children though they are trackable."""


class NoDependency:
    """Wraps an attribute that is to be set without being tracked."""

    def __init__(self, value: Any) -> None:
        self.value = value


def no_automatic_dependency_tracking(method: Method) -> Method:
    """Turn tracking off while `method` runs: what it sets on self is no child."""

    @functools.wraps(method)
    def without_tracking(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = getattr(self, "_self_setattr_tracking", True)
        self._self_setattr_tracking = False
        try:
            return method(self, *args, **kwargs)
        finally:
            self._self_setattr_tracking = before

    return without_tracking  # type: ignore[return-value]


@contextmanager
def no_automatic_dependency_tracking_scope(tracked: Any) -> Iterator[None]:
    """Turn tracking off for `tracked` inside."""
    before = getattr(tracked, "_self_setattr_tracking", True)
    tracked._self_setattr_tracking = False
    try:
        yield
    finally:
        tracked._self_setattr_tracking = before
