"""Objects that remember what they hold, so that checkpoints and saved models find it: the base of them."""

from __future__ import annotations

import functools
import inspect
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
            self.__dict__["_self_name_based_restores"] = {}
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
    def _name_based_restores(self) -> dict[int, Any]:
        self._maybe_initialize_trackable()
        return self.__dict__["_self_name_based_restores"]  # type: ignore[no-any-return]

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
        if not getattr(self, "_manual_tracking", True):
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
        """Restore the child, where checkpoints were loaded before it was there: what the last one says holds."""
        self._maybe_initialize_trackable()
        trackable._maybe_initialize_trackable()
        waiting = self._deferred_dependencies.pop(name, ())
        for position in sorted(waiting, key=lambda p: p.checkpoint.restore_uid, reverse=True):
            position.restore(trackable)
        for uid in sorted(self._name_based_restores, reverse=True):
            trackable._restore_by_name(self._name_based_restores[uid])

    def _restore_by_name(self, checkpoint: Any) -> None:
        """Restore this object from a checkpoint of names, and what it comes to hold from then on."""
        self._name_based_restores[checkpoint.restore_uid] = checkpoint
        if self._update_uid < checkpoint.restore_uid:
            checkpoint.restore_object(self)
            self._update_uid = checkpoint.restore_uid

    def _preload_simple_restoration(self, name: str) -> Any:
        """Return an initializer that gives what checkpoints hold for the child `name`; None where that takes more than one."""
        waiting = self._deferred_dependencies.get(name, ())
        if not waiting or not all(position.is_simple_variable() for position in waiting):
            return None
        return CheckpointInitialValueCallable(max(waiting, key=lambda p: p.checkpoint.restore_uid))

    def _add_variable_with_custom_getter(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        getter: Any = None,
        overwrite: bool = False,
        **kwargs_for_getter: Any,
    ) -> Any:
        """Make a variable with `getter` and track it; its first value is that of a checkpoint that waits for it."""
        preloaded = self._preload_simple_restoration(name)
        if preloaded is not None and not (
            isinstance(initializer, CheckpointInitialValueCallable) and initializer.restore_uid > preloaded.restore_uid
        ):
            initializer = preloaded
        made = getter(name=name, shape=shape, dtype=dtype, initializer=initializer, **kwargs_for_getter)
        if overwrite and not isinstance(made, Trackable):
            return made
        return self._track_trackable(made, name=name, overwrite=overwrite)

    def _add_trackable_child(self, name: str, value: Any) -> None:
        self._track_trackable(value, name, overwrite=True)

    def _trackable_children(self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Return the children by name."""
        self._maybe_initialize_trackable()
        return {item.name: item.ref for item in self._checkpoint_dependencies}

    def _gather_saveables_for_checkpoint(self) -> dict[str, Any]:
        return self.__dict__.get("_self_saveable_object_factories", {})  # type: ignore[no-any-return]

    _saved_name: str | None = None
    """In checkpoints, what stands before the names of `_serialize_to_tensors`, where it is one attribute of several tensors."""

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


class DelegatingTrackableMixin:
    """Makes an object appear as another one to whoever walks objects: to checkpoints and saved models.

    Args:
      trackable_obj: that other one.
    """

    def __init__(self, trackable_obj: Any) -> None:
        self._trackable = trackable_obj


def _delegate() -> None:
    def delegated(name: str) -> Any:
        if isinstance(Trackable.__dict__[name], property):
            return property(
                lambda self: getattr(self._trackable, name), lambda self, value: setattr(self._trackable, name, value)
            )
        return lambda self, *args, **kwargs: getattr(self._trackable, name)(*args, **kwargs)

    for name, held in Trackable.__dict__.items():
        if isinstance(held, property) or (inspect.isfunction(held) and not name.startswith("__")):
            setattr(DelegatingTrackableMixin, name, delegated(name))


_delegate()


class CheckpointInitialValueCallable:
    """An initializer that gives what a checkpoint holds."""

    def __init__(self, checkpoint_position: Any) -> None:
        self._checkpoint_position = checkpoint_position

    @property
    def checkpoint_position(self) -> Any:
        """Where in the checkpoint the value is."""
        return self._checkpoint_position

    @property
    def restore_uid(self) -> int:
        """The number of the call that restores."""
        return self._checkpoint_position.restore_uid  # type: ignore[no-any-return]

    def __call__(self, shape: Any = None, dtype: Any = None, shard_info: Any = None) -> CheckpointInitialValue:
        return CheckpointInitialValue(self._checkpoint_position, shape, shard_info)


class CheckpointInitialValue:
    """The first value of a variable, read from a checkpoint."""

    def __init__(self, checkpoint_position: Any, shape: Any = None, shard_info: Any = None) -> None:
        part = ""
        if shard_info:
            pairs = zip(shard_info.offset, shard_info.shape, strict=True)
            part = " ".join([*(str(int(s)) for s in shape), ":".join(f"{o},{s}" for o, s in pairs)])
        self.wrapped_value = checkpoint_position.value_tensors({"VARIABLE_VALUE": part})["VARIABLE_VALUE"]
        self._checkpoint_position = checkpoint_position

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        return self.wrapped_value

    @property
    def checkpoint_position(self) -> Any:
        """Where in the checkpoint the value is."""
        return self._checkpoint_position


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
