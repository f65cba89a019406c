"""Lists, dicts and tuples that are attributes of trackable objects: they share the given object's storage and track its members."""

from __future__ import annotations

import copy
import functools
import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingType
from typing import Any

from millstream.base import nest
from millstream.base.errors import explain
from millstream.execution.tensor import TensorType
from millstream.execution.trackable import NoDependency, Trackable, TrackableReference

log = logging.getLogger("millstream")


class TrackableDataStructure(Trackable):
    """What the wrappers share: members are children, and their variables are this one's."""

    _self_trainable = True
    _storage: Any

    @property
    def _values(self) -> Iterable[Any]:
        raise NotImplementedError(explain(type(self).__name__))

    def _track_value(self, value: Any, name: str) -> Any:
        """Wrap a member where it is a list or dict, and make it a child where it can be one."""
        value = wrap_or_unwrap(value)
        if isinstance(value, Trackable):
            self._track_trackable(value, name, overwrite=True)
        return value

    @property
    def trainable(self) -> bool:
        return self._self_trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._self_trainable = value

    @property
    def variables(self) -> list[Any]:
        """All variables in this structure."""
        found: dict[int, Any] = {}
        for value in self._values:
            inner = (
                [value]
                if isinstance(value, TensorType)
                else getattr(value, "variables", ())
                if isinstance(value, Trackable)
                else ()
            )
            found.update((id(v), v) for v in inner)
        return list(found.values())

    @property
    def trainable_variables(self) -> list[Any]:
        """The trainable variables in this structure."""
        return [v for v in self.variables if v.trainable] if self.trainable else []

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The other variables in this structure."""
        trainable = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trainable]

    weights = variables
    trainable_weights = trainable_variables
    non_trainable_weights = non_trainable_variables


class List(TrackableDataStructure):
    """A list that can only grow; its members are tracked."""

    def __init__(self, *items: Any, **options: Any) -> None:
        self._storage: list[Any] = []
        for item in items:
            self.append(item)

    @property
    def _values(self) -> Iterable[Any]:
        return self._storage

    def append(self, value: Any) -> None:
        """Add a member at the end."""
        name = str(len(self._storage))
        try:
            value = self._track_value(value, name)
        except ValueError as error:
            # As in TensorFlow, a member that a waiting checkpoint's value does not fit keeps its own one.
            log.warning("Member %s of a list keeps its value: %s", name, error)
            self._unconditional_dependency_names[name] = value
        self._storage.append(value)

    def extend(self, values: Iterable[Any]) -> None:
        """Add members at the end."""
        for value in list(values):
            self.append(value)

    def copy(self) -> Any:
        """Return a list of the same members."""
        return type(self)(*self._storage)

    __copy__ = copy

    def __getitem__(self, index: Any) -> Any:
        return self._storage[index]

    def __len__(self) -> int:
        return len(self._storage)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._storage)

    def __contains__(self, value: Any) -> bool:
        return any(value is item for item in self._storage) or value in self._storage

    def __add__(self, other: Any) -> Any:
        return self._storage + list(other)

    def __radd__(self, other: Any) -> Any:
        return list(other) + self._storage

    def __mul__(self, count: Any) -> Any:
        return self._storage * count

    __rmul__ = __mul__

    def __iadd__(self, values: Iterable[Any]) -> Any:  # type: ignore[misc]
        self.extend(values)
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._storage!r})"


class ListWrapper(List, list):  # type: ignore[misc,type-arg]
    """A list that is an attribute: shares the given list, tracks its members, and can be changed in all ways."""

    def __init__(self, wrapped_list: Any = ()) -> None:
        self._storage = wrapped_list if type(wrapped_list) is list else list(wrapped_list)
        self._moved = False
        for index, item in enumerate(self._storage):
            self._storage[index] = self._track_value(item, str(index))

    def _trackable_children(self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        tracked = any(isinstance(item, Trackable) for item in self._storage)
        if self._moved and tracked:
            raise ValueError(
                explain(
                    f"Unable to save the object {self!r} (a list wrapper constructed to track trackable TensorFlow objects). A list "
                    "element was replaced (__setitem__, __setslice__), deleted (__delitem__, __delslice__), or moved (sort). In order "
                    "to support restoration on object creation, tracking is exclusively for append-only data structures.\n\nIf you "
                    "don't need this list checkpointed, wrap it in a non-trackable object; it will be subsequently ignored."
                )
            )
        # The list may have been changed through the object that was given.
        for index, item in enumerate(self._storage):
            self._storage[index] = self._track_value(item, str(index))
        return super()._trackable_children(save_type, cache, **kwargs)

    def _retrack(self) -> None:
        self._moved = True
        self._unconditional_checkpoint_dependencies.clear()
        self._unconditional_dependency_names.clear()
        for index, item in enumerate(self._storage):
            self._storage[index] = self._track_value(item, str(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._storage[index] = value
        self._retrack()

    def __delitem__(self, index: Any) -> None:
        del self._storage[index]
        self._retrack()

    def insert(self, index: Any, value: Any) -> None:
        """Put a member before `index`."""
        self._storage.insert(index, value)
        self._retrack()

    def sort(self, *arguments: Any, **options: Any) -> None:
        """Sort in place."""
        self._storage.sort(*arguments, **options)
        self._retrack()

    def reverse(self) -> None:
        """Turn the order around in place."""
        self._storage.reverse()
        self._retrack()

    def pop(self, index: Any = -1) -> Any:
        """Take a member out and return it."""
        value = self._storage.pop(index)
        self._retrack()
        return value

    def remove(self, value: Any) -> None:
        """Take the first member equal to `value` out."""
        self._storage.remove(value)
        self._retrack()

    def clear(self) -> None:
        """Take all members out."""
        self._storage.clear()
        self._retrack()

    def index(self, *arguments: Any) -> int:
        """Return where a value is."""
        return self._storage.index(*arguments)

    def count(self, value: Any) -> int:
        """Return how often a value is in the list."""
        return self._storage.count(value)

    def copy(self) -> Any:
        """Return a copy that tracks, too."""
        return ListWrapper(list(self._storage))

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = ListWrapper(copy.deepcopy(self._storage, memo))
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return ListWrapper, (list(self._storage),)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._storage)

    def __imul__(self, count: Any) -> Any:
        self._storage *= count
        self._retrack()
        return self

    def __eq__(self, other: object) -> Any:
        return self._storage == getattr(other, "_storage", other)

    def __ne__(self, other: object) -> Any:
        return self._storage != getattr(other, "_storage", other)

    def __lt__(self, other: Any) -> Any:
        return self._storage < getattr(other, "_storage", other)

    def __le__(self, other: Any) -> Any:
        return self._storage <= getattr(other, "_storage", other)

    def __gt__(self, other: Any) -> Any:
        return self._storage > getattr(other, "_storage", other)

    def __ge__(self, other: Any) -> Any:
        return self._storage >= getattr(other, "_storage", other)

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __repr__(self) -> str:
        return f"ListWrapper({self._storage!r})"


class _DictWrapper(TrackableDataStructure, dict):  # type: ignore[type-arg]
    """A dict that is an attribute: shares the given dict and tracks its members.

    Its own pairs are a copy of the shared ones: code in C, such as dm-tree's, reads them past its methods.
    """

    def __init__(self, wrapped_dict: Any = None) -> None:
        given = {} if wrapped_dict is None else wrapped_dict
        self._storage = given if isinstance(given, MappingType) else dict(given)
        self._retrack()

    @property
    def _values(self) -> Iterable[Any]:
        return [self._storage[key] for key in sorted(self._storage, key=str)]

    def _retrack(self) -> None:
        self._unconditional_checkpoint_dependencies.clear()
        self._unconditional_dependency_names.clear()
        for key, value in list(self._storage.items()):
            wrapped = self._track_value(value, self._name_of(key))
            if wrapped is not value:
                self._storage[key] = wrapped
        dict.clear(self)
        dict.update(self, self._storage)

    @staticmethod
    def _name_of(key: Any) -> str:
        return key if isinstance(key, str) else f"-non-string-{key}"

    def _trackable_children(self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        if any(not isinstance(k, str) and isinstance(v, Trackable) for k, v in self._storage.items()):
            raise ValueError(
                explain(
                    f"Unable to save the object {self!r} (a dictionary wrapper constructed automatically on attribute assignment). "
                    "The wrapped dictionary contains a non-string key which maps to a trackable object or mutable data structure.\n\n"
                    "If you don't need this dictionary checkpointed, wrap it in a non-trackable object; it will be subsequently ignored."
                )
            )
        self._retrack()
        return super()._trackable_children(save_type, cache, **kwargs)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._storage[key] = self._track_value(value, self._name_of(key))
        dict.__setitem__(self, key, self._storage[key])

    def __delitem__(self, key: Any) -> None:
        del self._storage[key]
        self._retrack()

    def __getitem__(self, key: Any) -> Any:
        return self._storage[key]

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value at `key`, or `default`."""
        return self._storage.get(key, default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return the value at `key`, putting `default` there first if there is none."""
        if key not in self._storage:
            self[key] = default
        return self._storage[key]

    def pop(self, key: Any, *default: Any) -> Any:
        """Take the value at `key` out and return it."""
        value = self._storage.pop(key, *default)
        self._retrack()
        return value

    def popitem(self) -> Any:
        """Take the last pair out and return it."""
        pair = self._storage.popitem()
        self._retrack()
        return pair

    def clear(self) -> None:
        """Take all out."""
        self._storage.clear()
        self._retrack()

    def update(self, *arguments: Any, **items: Any) -> None:
        """Take over the pairs of other mappings."""
        for key, value in dict(*arguments, **items).items():
            self[key] = value

    def keys(self) -> Any:
        """Return the keys."""
        return self._storage.keys()

    def values(self) -> Any:
        """Return the values."""
        return self._storage.values()

    def items(self) -> Any:
        """Return the pairs."""
        return self._storage.items()

    def copy(self) -> Any:
        """Return a copy that tracks, too."""
        return _DictWrapper(copy.copy(self._storage))

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = _DictWrapper(copy.deepcopy(self._storage, memo))
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _DictWrapper, (self._storage,)

    def __contains__(self, key: object) -> bool:
        return key in self._storage

    def __iter__(self) -> Iterator[Any]:
        return iter(self._storage)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._storage)

    def __len__(self) -> int:
        return len(self._storage)

    def __or__(self, other: Any) -> Any:
        return dict(self._storage) | dict(other)

    def __ror__(self, other: Any) -> Any:
        return dict(other) | dict(self._storage)

    def __eq__(self, other: object) -> Any:
        return self._storage == getattr(other, "_storage", other)

    def __ne__(self, other: object) -> Any:
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __repr__(self) -> str:
        return f"DictWrapper({self._storage!r})"


class _TupleWrapper(TrackableDataStructure, tuple):  # type: ignore[type-arg]
    """A tuple that is an attribute and has trackable members."""

    def __new__(cls, original: Any = ()) -> Any:
        return tuple.__new__(cls, [wrap_or_unwrap(item) for item in original])

    def __init__(self, original: Any = ()) -> None:
        for index, item in enumerate(tuple.__iter__(self)):
            if isinstance(item, Trackable):
                self._track_trackable(item, str(index), overwrite=True)

    @property
    def _values(self) -> Iterable[Any]:
        return tuple(self)

    def __hash__(self) -> int:
        return tuple.__hash__(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _TupleWrapper, (tuple(self),)

    def __repr__(self) -> str:
        return f"_TupleWrapper({tuple(self)!r})"


@functools.cache
def _named_wrapper(kind: Any) -> Any:
    """Return the class of named tuples of a kind that track their members, by name and by number."""

    class Named(_TupleWrapper, kind):  # type: ignore[misc]
        def __new__(cls, *values: Any, **named: Any) -> Any:
            return tuple.__new__(cls, [wrap_or_unwrap(item) for item in kind(*values, **named)])

        def __init__(self, *values: Any, **named: Any) -> None:
            for names in (kind._fields, map(str, range(len(self)))):
                for name, item in zip(names, tuple.__iter__(self), strict=True):
                    if isinstance(item, Trackable):
                        self._track_trackable(item, name, overwrite=True)

        def __reduce_ex__(self, protocol: Any) -> Any:
            return kind, tuple(self)

        __repr__ = kind.__repr__

    Named.__name__ = kind.__name__
    return Named


class Mapping(TrackableDataStructure, MappingType):  # type: ignore[type-arg]
    """A mapping from text to trackable values whose keys are never given anew."""

    def __init__(self, *arguments: Any, **items: Any) -> None:
        self._storage: dict[str, Any] = {}
        self.update(*arguments, **items)

    @property
    def _values(self) -> Iterable[Any]:
        return [self._storage[key] for key in sorted(self._storage)]

    def update(self, *arguments: Any, **items: Any) -> None:
        """Add pairs."""
        for key, value in dict(*arguments, **items).items():
            self[key] = value

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(explain(f"Mapping accepts only string keys, but got a key {key!r}."))
        if key in self._storage and self._storage[key] is not value:
            raise ValueError(
                explain(f"Mappings are an append-only data structure. Tried to overwrite the key {key!r}.")
            )
        self._storage[key] = self._track_value(value, key)

    def __getitem__(self, key: str) -> Any:
        return self._storage[key]

    def __len__(self) -> int:
        return len(self._storage)

    def __iter__(self) -> Iterator[str]:
        return iter(self._storage)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._storage!r})"


def wrap_or_unwrap(value: Any) -> Any:
    """Return `value` as it is tracked: lists and dicts wrapped, NoDependency taken off."""
    kind: Any = type(value)
    if kind is NoDependency:
        return value.value
    if kind is list:
        return ListWrapper(value)
    if kind is dict or kind is OrderedDict:
        return _DictWrapper(value)
    if isinstance(value, tuple) and not isinstance(value, Trackable) and _has_members_to_track(value):
        if kind is tuple:
            return _TupleWrapper(value)
        if nest.is_namedtuple(value):
            return _named_wrapper(kind)(*value)
    return value


def _has_members_to_track(value: tuple[Any, ...]) -> bool:
    return any(
        isinstance(item, (NoDependency, Trackable))
        or type(item) in (dict, list, OrderedDict)
        or (isinstance(item, tuple) and _has_members_to_track(item))
        for item in value
    )


def sticky_attribute_assignment(trackable: Any, name: str, value: Any) -> Any:
    """Track `value` as the child `name` of `trackable`; return it as it is to be set."""
    if isinstance(value, NoDependency):
        return value.value
    value = wrap_or_unwrap(value)
    if isinstance(value, Trackable):
        trackable._track_trackable(value, name=name, overwrite=True)
    return value


__all__ = [
    "List",
    "ListWrapper",
    "Mapping",
    "NoDependency",
    "TrackableReference",
    "sticky_attribute_assignment",
    "wrap_or_unwrap",
]
