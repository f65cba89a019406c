"""The objects that a root holds: walked breadth first, numbered, named by the shortest path, and stated as a message."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.execution.data_structures import wrap_or_unwrap
from millstream.execution.trackable import Trackable, TrackableReference
from millstream.saving.checkpoint.values import Value, escaped, values_of

KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The name under which a checkpoint keeps its message."""


def children_of(tracked: Any, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
    """Return what an object holds, by name; lists and dicts among it as objects that are tracked."""
    tracked._maybe_initialize_trackable()
    found: dict[str, Any] = tracked._trackable_children(save_type, **kwargs)
    return {name: child if isinstance(child, Trackable) else wrap_or_unwrap(child) for name, child in found.items()}


class ObjectGraph:
    """The objects below a root as they are now.

    Args:
      root: the first object.
      attached: (name, object) pairs that count as children of the root though it does not hold them.
      skip_slots: whether the variables that optimizers keep for other variables are left out.
      children: what gives the children of an object; `children_of` without it.

    Raises:
      NotImplementedError: a variable that an optimizer keeps for another one is held by another object, too.
    """

    def __init__(
        self,
        root: Any,
        attached: Sequence[tuple[str, Any]] = (),
        skip_slots: bool = False,
        children: Callable[[Any], dict[str, Any]] = children_of,
    ) -> None:
        self.objects: list[Any] = [root]
        self.children: list[list[tuple[str, Any]]] = []
        self.paths: list[tuple[TrackableReference, ...]] = [()]
        self.names: list[str] = [""]
        self._ids = {id(root): 0}
        self._slots: dict[int, list[tuple[str, int, int]]] = {}
        for number, tracked in _growing(self.objects):
            found = list(children(tracked).items())
            if not number:
                found += attached
            self.children.append(found)
            for name, child in found:
                if not isinstance(child, Trackable):
                    raise NotImplementedError(
                        explain(
                            f"{type(tracked).__name__}.{name} is {child!r}, which no checkpoint holds; it is not trackable."
                        )
                    )
                if id(child) not in self._ids:
                    self._add(child, (*self.paths[number], TrackableReference(name, child)))
        if not skip_slots:
            self._add_slots()

    def _add(self, tracked: Any, path: tuple[TrackableReference, ...]) -> None:
        self._ids[id(tracked)] = len(self.objects)
        self.objects.append(tracked)
        self.paths.append(path)
        self.names.append("/".join(escaped(part.name) for part in path))

    def _add_slots(self) -> None:
        """Add what optimizers keep for variables, named by both."""
        held = len(self.objects)
        for number in range(held):
            optimizer = self.objects[number]
            # dir does not ask objects that answer for any attribute.
            if "get_slot_names" not in dir(optimizer):
                continue
            for slot_name in optimizer.get_slot_names():
                for original in range(held):
                    try:
                        slot = optimizer.get_slot(self.objects[original], slot_name)
                    except (AttributeError, KeyError):
                        slot = None
                    if slot is not None:
                        self._add_slot(number, original, slot_name, slot)

    def _add_slot(self, optimizer: int, original: int, slot_name: str, slot: Any) -> None:
        if id(slot) in self._ids or children_of(slot):
            raise NotImplementedError(
                explain(
                    f"The slot variable {slot!r} is held by another object or holds one itself; a checkpoint has one place for it."
                )
            )
        self._slots.setdefault(optimizer, []).append((slot_name, original, len(self.objects)))
        self._ids[id(slot)] = len(self.objects)
        self.objects.append(slot)
        self.children.append([])
        self.paths.append(())
        self.names.append(f"{self.names[original]}/.OPTIMIZER_SLOT/{self.names[optimizer]}/{escaped(slot_name)}")

    def number_of(self, tracked: Any) -> int | None:
        """Return the number of an object; None where it is not in the graph."""
        return self._ids.get(id(tracked))

    def to_proto(self) -> tuple[Any, list[Value]]:
        """Return the graph as a TrackableObjectGraph, and all values that its objects save, in order."""
        proto = message("TrackableObjectGraph")()
        for number, found in enumerate(self.children):
            node = proto.nodes.add()
            for name, child in found:
                node.children.add(node_id=self._ids[id(child)], local_name=name)
            for slot_name, original, slot in self._slots.get(number, ()):
                node.slot_variables.add(
                    original_variable_node_id=original, slot_name=slot_name, slot_variable_node_id=slot
                )
        values: list[Value] = []
        last: list[Value] = []
        for node, tracked, name in zip(proto.nodes, self.objects, self.names, strict=True):
            saved = values_of(tracked, name)
            for attribute in saved.attributes:
                node.attributes.add(name=attribute.name, full_name=attribute.full_name, checkpoint_key=attribute.key)
            (last if saved.is_python else values).extend(saved.values)
        _mark_values(proto)
        return proto, values + last


def _growing(items: list[Any]) -> Iterator[tuple[int, Any]]:
    """Go through a list to which items are added meanwhile."""
    number = 0
    while number < len(items):
        yield number, items[number]
        number += 1


def _mark_values(proto: Any) -> None:
    """Say of each object whether it, or one that it holds, has values."""
    parents: dict[int, list[int]] = {}
    for number, node in enumerate(proto.nodes):
        for child in node.children:
            parents.setdefault(child.node_id, []).append(number)
    waiting = [n for n, node in enumerate(proto.nodes) if node.attributes or node.slot_variables]
    marked = set(waiting)
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in marked:
                marked.add(parent)
                waiting.append(parent)
    for number, node in enumerate(proto.nodes):
        node.has_checkpoint_values.value = number in marked


class Root:
    """The root of what is saved and restored, held weakly: what waits for objects below it refers back to it."""

    def __init__(self, root: Any, attached: list[tuple[str, Any]] | None = None) -> None:
        self._reference = root if isinstance(root, weakref.ref) else weakref.ref(root)
        self.attached = attached

    @property
    def object(self) -> Any:
        """The root itself."""
        found = self._reference()
        if found is None:
            raise AssertionError("The root of this checkpoint is gone; keep a reference to it.")
        return found

    def graph(self, skip_slots: bool = False) -> ObjectGraph:
        """Return the objects below the root."""
        attached = [(name, child() if isinstance(child, weakref.ref) else child) for name, child in self.attached or ()]
        return ObjectGraph(self.object, attached, skip_slots)


def node_names(proto: Any) -> dict[int, str]:
    """Return how each object of a TrackableObjectGraph is reached, for messages."""
    paths: dict[int, tuple[str, ...]] = {0: ("(root)",)}
    waiting = [0]
    for number in waiting:
        for child in proto.nodes[number].children:
            if child.node_id not in paths and 0 <= child.node_id < len(proto.nodes):
                paths[child.node_id] = (*paths[number], child.local_name)
                waiting.append(child.node_id)
    names = {number: ".".join(path) for number, path in paths.items()}
    for number, node in enumerate(proto.nodes):
        for slot in node.slot_variables:
            names[slot.slot_variable_node_id] = (
                f"{names.get(number, number)}'s state '{slot.slot_name}' for "
                f"{names.get(slot.original_variable_node_id, slot.original_variable_node_id)}"
            )
    return names
