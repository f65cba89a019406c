"""Bring values back: objects are matched with those of a checkpoint by the names under which others hold them.

Objects that are not there yet get their values when they come: the object that is to hold them keeps their positions.
"""

from __future__ import annotations

import bisect
import itertools
import logging
import sys
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from millstream.base import errors
from millstream.base.dtypes import as_dtype
from millstream.base.messages import read as read_message
from millstream.execution.context import init_scope
from millstream.execution.variable import is_resource_variable
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.checkpoint.in_sessions import Pending
from millstream.saving.checkpoint.object_graph import KEY, Root, children_of, node_names
from millstream.saving.checkpoint.values import VARIABLE_VALUE, give_back, give_variable, part_of
from millstream.saving.table import damaged
from millstream.saving.version_1_checkpoint import open_checkpoint

log = logging.getLogger("millstream")
_uids = itertools.count(1)


def next_uid() -> int:
    """Return a number larger than all before: the last call to restore wins."""
    return next(_uids)


class ObjectsByNumber(Mapping[int, Any]):
    """Objects by their numbers in a checkpoint, held weakly where that is possible."""

    def __init__(self) -> None:
        self._found: dict[int, Callable[[], Any]] = {}

    def put(self, number: int, tracked: Any) -> None:
        """Remember an object."""
        try:
            self._found[number] = weakref.ref(tracked)
        except TypeError:
            # Tuples cannot be referred to weakly.
            self._found[number] = lambda: tracked

    def __getitem__(self, number: int) -> Any:
        found = self._found[number]()
        if found is None:
            raise KeyError(number)
        return found

    def __iter__(self) -> Any:
        return iter([number for number, found in self._found.items() if found() is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Leftovers:
    """Warns when it goes of values in a checkpoint that were never asked for."""

    def __init__(self, proto: Any) -> None:
        self.proto, self.matched, self.unused = proto, set[int](), dict[int, list[str]]()
        self.expect_partial = False

    def __del__(self) -> None:
        if self.expect_partial or sys.is_finalizing():
            return
        names: dict[int, str] = {}
        lines = []
        for number, node in enumerate(self.proto.nodes):
            if node.attributes and number not in self.matched:
                names = names or node_names(self.proto)
                lines.append(
                    f"Value in checkpoint could not be found in the restored object: {names.get(number, number)}"
                )
        for number, unused in self.unused.items():
            names = names or node_names(self.proto)
            lines.append(
                "An attribute in the restored object could not be found in the checkpoint. Object: "
                f"{names.get(number, number)}, attribute: {unused}"
            )
        if lines:
            log.warning(
                "Detecting that an object or model or tf.train.Checkpoint is being deleted with unrestored values. To silence "
                "these warnings, use `status.expect_partial()`.\n%s",
                "\n".join(lines),
            )


class Restoration:
    """One call to restore: what was matched, and what waits."""

    def __init__(self, path: str, reader: BundleReader, proto: Any, skip_slots: bool) -> None:
        self.path, self.reader, self.proto = path, reader, proto
        self.restore_uid = next_uid()
        self.objects = ObjectsByNumber()
        self.seen: dict[int, Any] = {}
        self.left = Leftovers(proto)
        self.pending = Pending()
        self._names = reader.names
        # By the number of a variable: (number of the optimizer, number of the slot variable, name).
        self.slots: dict[int, list[tuple[int, int, str]]] = {}
        # By the number of an optimizer that is not there yet: (variable, number of the slot variable, name).
        self.slots_of_later_optimizers: dict[int, list[tuple[Any, int, str]]] = {}
        for number, node in enumerate(() if skip_slots else proto.nodes):
            for slot in node.slot_variables:
                place = (number, slot.slot_variable_node_id, slot.slot_name)
                self.slots.setdefault(slot.original_variable_node_id, []).append(place)

    def read(self, key: str, part: str = "", wanted: Any = None) -> Any:
        """Return the tensor of a name, or a part of it.

        Raises:
          tf.errors.InvalidArgumentError: it has another element type than is wanted.
        """
        if wanted is not None:
            have = self.reader.entry(key).dtype
            if as_dtype(wanted).base_dtype is not have:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"tensor_name = {key}; expected dtype {as_dtype(wanted).name} does not equal original dtype {have.name}",
                )
        return self.reader.tensor(key, part_of(part))

    def names_below(self, prefix: str) -> list[str]:
        """Return the names of tensors that begin with `prefix`."""
        start = bisect.bisect_left(self._names, prefix)
        return list(itertools.takewhile(lambda n: n.startswith(prefix), self._names[start:]))


class Position:
    """The place of one object in a checkpoint that is being restored."""

    def __init__(self, checkpoint: Restoration, number: int) -> None:
        self.checkpoint, self.number = checkpoint, number

    @property
    def proto_id(self) -> int:
        """The number of the object."""
        return self.number

    @property
    def object_proto(self) -> Any:
        """What the checkpoint says of the object."""
        return self.checkpoint.proto.nodes[self.number]

    @property
    def restore_uid(self) -> int:
        """The number of the call to restore."""
        return self.checkpoint.restore_uid

    @property
    def trackable(self) -> Any:
        """The object."""
        return self.checkpoint.objects[self.number]

    def is_simple_variable(self) -> bool:
        """Return whether the object is nothing but one value."""
        node = self.object_proto
        return len(node.attributes) == 1 and node.attributes[0].name == VARIABLE_VALUE and not node.children

    def value_tensors(self, shape_and_slices: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return the values of the object, or parts of them, by the names of its attributes."""
        parts = shape_and_slices or {}
        return {
            a.name: self.checkpoint.read(a.checkpoint_key, parts.get(a.name, "")) for a in self.object_proto.attributes
        }

    def value_shape(self) -> Any:
        """Return the shape of a variable's value; None where there is none."""
        from millstream.base.shapes import TensorShape

        for attribute in self.object_proto.attributes:
            if attribute.name == VARIABLE_VALUE:
                return TensorShape(self.checkpoint.reader.entry(attribute.checkpoint_key).shape)
        return None

    def gather_ops_or_named_saveables(self) -> tuple[list[Any], dict[str, Any], list[Any], dict[str, Any]]:
        """Return nothing left to do: values are given at once."""
        return [], {}, [], {}

    def restore(self, tracked: Any, reader: Any = None) -> None:
        """Match an object with this place, and restore it and all that it holds."""
        with init_scope():
            if self.bind_object(tracked):
                _restore_from(self)

    def bind_object(self, tracked: Any) -> bool:
        """Match an object with this place; return whether it is the first."""
        checkpoint = self.checkpoint
        checkpoint.seen[id(tracked)] = _reference(tracked)
        checkpoint.left.matched.add(self.number)
        before = checkpoint.objects.get(self.number)
        if before is None:
            checkpoint.objects.put(self.number, tracked)
            return True
        if before is not tracked:
            log.warning(
                "Inconsistent references when loading the checkpoint into this object graph. For example, in the saved "
                "checkpoint object, `model.layer.weight` and `model.layer_copy.weight` reference the same variable, while in "
                "the current object these are two different variables. The referenced variables are:(%s and %s).",
                before,
                tracked,
            )
        return False


def _reference(tracked: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(tracked)
    except TypeError:
        return lambda: tracked


def _restore_from(first: Position) -> None:
    """Restore an object and what it holds, the nearest first."""
    waiting = deque([(first, first.trackable)])
    while waiting:
        # The objects are held here: optimizers may refer to slot variables only weakly.
        position, tracked = waiting.popleft()
        tracked._maybe_initialize_trackable()
        if position.restore_uid > tracked._update_uid:
            _restore_one(position, tracked)
            tracked._update_uid = position.restore_uid
        _match_children(position, tracked, waiting)
        _match_slots(position, tracked, waiting)


def _restore_one(position: Position, tracked: Any) -> None:
    node = position.object_proto
    checkpoint = position.checkpoint
    if node.registered_saver.name:
        raise errors.UnimplementedError(
            None,
            None,
            f"{type(tracked).__name__} was saved in {checkpoint.path} by the registered saver {node.registered_saver.name!r}; "
            "objects are restored by _restore_from_tensors here.",
        )
    unused = give_back(tracked, node, checkpoint.read, checkpoint.names_below, checkpoint.pending)
    if unused:
        checkpoint.left.unused[position.number] = unused


def _match_children(position: Position, tracked: Any, waiting: deque[tuple[Position, Any]]) -> None:
    checkpoint = position.checkpoint
    node = position.object_proto
    if not node.children:
        return
    children = children_of(tracked)
    for reference in node.children:
        if checkpoint.objects.get(reference.node_id) is not None:
            continue
        place = Position(checkpoint, reference.node_id)
        child = tracked._lookup_dependency(reference.local_name, children)
        if child is not None:
            if place.bind_object(child):
                waiting.append((place, child))
            continue
        proto = place.object_proto
        if proto.HasField("has_checkpoint_values"):
            has_value = proto.has_checkpoint_values.value
        else:
            has_value = bool(proto.children or proto.attributes or proto.slot_variables)
        if has_value:
            tracked._deferred_dependencies.setdefault(reference.local_name, []).append(place)


def _match_slots(position: Position, tracked: Any, waiting: deque[tuple[Position, Any]]) -> None:
    checkpoint = position.checkpoint

    def make(optimizer: Any, variable: Any, number: int, slot_name: str) -> None:
        if not hasattr(optimizer, "_create_or_restore_slot_variable"):
            # A `Checkpoint` may stand for an optimizer of which only some numbers are wanted.
            return
        place = Position(checkpoint, number)
        slot = optimizer._create_or_restore_slot_variable(
            slot_variable_position=place, variable=variable, slot_name=slot_name
        )
        if slot is not None and place.bind_object(slot):
            waiting.append((place, slot))

    for variable, number, slot_name in checkpoint.slots_of_later_optimizers.pop(position.number, ()):
        make(tracked, variable, number, slot_name)
    for owner, number, slot_name in checkpoint.slots.pop(position.number, ()):
        optimizer = checkpoint.objects.get(owner)
        if optimizer is None:
            later = checkpoint.slots_of_later_optimizers.setdefault(owner, [])
            later.append((tracked, number, slot_name))
        else:
            make(optimizer, tracked, number, slot_name)


class NamedRestoration:
    """One call to restore from a checkpoint that knows variables by their names only."""

    def __init__(self, path: str, reader: BundleReader) -> None:
        self.path, self.reader = path, reader
        self.restore_uid = next_uid()
        self.unused: list[tuple[Any, str]] = []
        self.pending = Pending()

    def restore_object(self, tracked: Any) -> None:
        """Give an object the value of its name, where there is one."""
        if not is_resource_variable(tracked):
            return
        name = tracked._shared_name
        if name not in self.reader:
            self.unused.append((tracked, name))
            return
        give_variable(tracked, self.reader.tensor(name), self.pending)


def read_object_graph(reader: BundleReader) -> Any:
    """Return the message of a checkpoint of objects; None where it is one of names.

    Raises:
      tf.errors.DataLossError: the message is damaged.
    """
    if KEY not in reader:
        return None
    text = reader.array(KEY)
    proto = read_message("TrackableObjectGraph", text.item() if text.shape == () else b"\xff")
    count = len(proto.nodes) if proto is not None else 0
    if proto is None or not count:
        raise damaged(reader.prefix, f"{KEY} is no TrackableObjectGraph")
    for node in proto.nodes:
        numbers = [c.node_id for c in node.children]
        for slot in node.slot_variables:
            numbers += [slot.original_variable_node_id, slot.slot_variable_node_id]
        if any(not 0 <= number < count for number in numbers):
            raise damaged(reader.prefix, f"{KEY} refers to objects {numbers}, and has {count}")
    return proto


def restore(root: Root, path: str, skip_slots: bool = False) -> Restoration | NamedRestoration:
    """Restore what lies below a root.

    Raises:
      tf.errors.NotFoundError: there is no such checkpoint.
      tf.errors.DataLossError: it is damaged.
      ValueError: a value has a shape that its variable cannot hold.
    """
    reader = open_checkpoint(path)
    proto = read_object_graph(reader)
    if proto is None:
        named = NamedRestoration(path, reader)
        for tracked in root.graph().objects:
            tracked._restore_by_name(named)
        return named
    restoration = Restoration(path, reader, proto, skip_slots)
    Position(restoration, 0).restore(root.object)
    by_name = {child.local_name: child.node_id for child in proto.nodes[0].children}
    for name, reference in root.attached or ():
        number = by_name.get(name)
        if name != "root" and number is not None and restoration.objects.get(number) is None:
            Position(restoration, number).restore(reference() if isinstance(reference, weakref.ref) else reference)
    return restoration
