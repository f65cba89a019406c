"""Objects that track what is set as their attributes."""

from __future__ import annotations

from typing import Any

from millstream.execution.data_structures import sticky_attribute_assignment
from millstream.execution.trackable import NoDependency, Trackable

_MISSING = object()


class AutoTrackable(Trackable):
    """Tracks what is set as an attribute, lists and dicts included."""

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__dict__.get(name, _MISSING) is value:
            return
        if self.__dict__.get("_self_setattr_tracking", True):
            value = sticky_attribute_assignment(self, name, value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._delete_tracking(name)
        super().__delattr__(name)

    def _no_dependency(self, value: Any) -> Any:
        return NoDependency(value)

    def _delete_tracking(self, name: str) -> None:
        self._maybe_initialize_trackable()
        if name in self._unconditional_dependency_names:
            del self._unconditional_dependency_names[name]
            dependencies = self._unconditional_checkpoint_dependencies
            dependencies[:] = [item for item in dependencies if item.name != name]

    def _trackable_children(self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Return the children by name; for saved models the functions that are attributes, too."""
        children = super()._trackable_children(save_type, cache, **kwargs)
        if save_type != "savedmodel":
            return children
        functions: dict[str, Any] = {}
        for name in dir(type(self)):
            if not name.startswith("__") or name == "__call__":
                found = getattr(type(self), name, None)
                if hasattr(found, "_list_all_concrete_functions"):
                    functions[name] = getattr(self, name)
        for name, value in self.__dict__.items():
            if hasattr(value, "_list_all_concrete_functions"):
                functions[name] = value
        return {**functions, **children}
