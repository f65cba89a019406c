"""What a call to restore returns: checks of how well objects and checkpoint matched."""

from __future__ import annotations

from typing import Any

from millstream.base.errors import explain
from millstream.execution.data_structures import TrackableDataStructure
from millstream.saving.checkpoint.in_sessions import Pending
from millstream.saving.checkpoint.object_graph import Root, children_of, node_names
from millstream.saving.checkpoint.restoring import NamedRestoration, Restoration
from millstream.saving.checkpoint.values import saves_anything

_SHOWN = 10


class CheckpointLoadStatus:
    """What was restored from a checkpoint of objects."""

    def __init__(self, checkpoint: Restoration, root: Root, skip_slots: bool) -> None:
        self._checkpoint, self._view, self._skip_slots = checkpoint, root, skip_slots
        # Kept, as the view refers to it weakly.
        self._root = root.object

    def assert_consumed(self) -> CheckpointLoadStatus:
        """Check that all objects and all values of the checkpoint were matched, and return this status.

        Raises:
          AssertionError: an object has no value there, or a value has no object.
        """
        self.assert_existing_objects_matched()
        checkpoint = self._checkpoint
        names = node_names(checkpoint.proto)
        ignored = set()
        if self._skip_slots:
            ignored = {s.slot_variable_node_id for node in checkpoint.proto.nodes for s in node.slot_variables}
        for number, node in enumerate(checkpoint.proto.nodes):
            if node.attributes and number not in ignored and checkpoint.objects.get(number) is None:
                raise AssertionError(explain(f"Unresolved object in checkpoint {names.get(number, number)}: {node}"))
        if checkpoint.slots:
            raise AssertionError(explain(f"Unresolved slot restorations: {checkpoint.slots}"))
        if checkpoint.left.unused:
            lines = [
                f"{names.get(n, n)} ({checkpoint.objects.get(n)}): {unused}"
                for n, unused in checkpoint.left.unused.items()
            ]
            raise AssertionError(
                explain(
                    "Unused attributes in these objects (the attributes exist in the checkpoint but were not restored):\n"
                    + "\n".join(lines)
                )
            )
        return self

    def assert_existing_objects_matched(self) -> CheckpointLoadStatus:
        """Check that all objects that are there now were matched, and return this status.

        Raises:
          AssertionError: one has no value in the checkpoint.
        """
        checkpoint = self._checkpoint
        for number, tracked in checkpoint.objects.items():
            if tracked._update_uid < checkpoint.restore_uid:
                raise AssertionError(
                    explain(f"Object {checkpoint.proto.nodes[number]} not assigned a value from checkpoint.")
                )
        matched = {id(tracked) for tracked in checkpoint.objects.values()}
        unmatched = [o for o in self._known() if id(o) not in matched and saves_anything(o)]
        if unmatched:
            shown = unmatched[:_SHOWN]
            raise AssertionError(
                explain(
                    f"Found {len(unmatched)} Python objects that were not bound to checkpointed values, likely due to changes in "
                    f"the Python program. Showing {len(shown)} of {len(unmatched)} unmatched objects: {shown}"
                )
            )
        return self

    def _known(self) -> list[Any]:
        """Return all objects below the root, and those met before, but for structures that hold nothing."""
        found = {id(o): o for reference in self._checkpoint.seen.values() if (o := reference()) is not None}
        for tracked in self._view.graph(self._skip_slots).objects:
            if not isinstance(tracked, TrackableDataStructure) or children_of(tracked):
                found[id(tracked)] = tracked
        return list(found.values())

    def assert_nontrivial_match(self) -> CheckpointLoadStatus:
        """Check that more than the root was matched, and return this status.

        Raises:
          AssertionError: nothing else was.
        """
        matched = {id(tracked) for tracked in self._checkpoint.objects.values()}
        if len(matched) <= 1:
            unmatched = [o for o in self._known() if id(o) not in matched]
            if unmatched:
                raise AssertionError(
                    explain(
                        "Nothing except the root object matched a checkpointed value. Typically this means that the checkpoint "
                        "does not match the Python program. The following objects have no matching checkpointed value: "
                        f"{unmatched[:_SHOWN]}"
                    )
                )
            raise AssertionError(explain(f"Nothing to load. No dependencies have been added to {self._root} yet."))
        return self

    def run_restore_ops(self, session: Any = None) -> None:
        """Make a session, the default one where none is given, hold the values for variables of its graph.

        Other objects have them already, or get them when they come.
        """
        self._checkpoint.pending.give(session)

    def initialize_or_restore(self, session: Any = None) -> None:
        """Do what `run_restore_ops` does, and initialise those variables of the graph that have no value in the checkpoint."""
        self._checkpoint.pending.initialize_others(session, self._known())
        self.run_restore_ops(session)

    def expect_partial(self) -> CheckpointLoadStatus:
        """Say nothing of values that stay unused, and return this status."""
        self._checkpoint.left.expect_partial = True
        return self


class InitializationOnlyStatus:
    """What restoring from no checkpoint gives: every check fails."""

    def __init__(self, root: Root) -> None:
        self._view, self._root = root, root.object

    def _refuse(self) -> Any:
        raise AssertionError(explain("No checkpoint specified (save_path=None); nothing is being restored."))

    def assert_consumed(self) -> Any:
        """Raise AssertionError: nothing was restored."""
        return self._refuse()

    def assert_existing_objects_matched(self) -> Any:
        """Raise AssertionError: nothing was restored."""
        return self._refuse()

    def assert_nontrivial_match(self) -> Any:
        """Raise AssertionError: nothing was restored."""
        return self._refuse()

    def run_restore_ops(self, session: Any = None) -> None:
        """Raise AssertionError: nothing was restored."""
        raise AssertionError(
            explain("No checkpoint specified, so no restore ops are available (save_path=None to Saver.restore).")
        )

    def initialize_or_restore(self, session: Any = None) -> None:
        """Initialise variables of the graph in a session, the default one where none is given; others are initialised already."""
        Pending().initialize_others(session, self._view.graph().objects)

    def expect_partial(self) -> InitializationOnlyStatus:
        """Return this status."""
        return self


class NameBasedSaverStatus:
    """What was restored from a checkpoint that knows variables by their names only."""

    def __init__(self, checkpoint: NamedRestoration, root: Root) -> None:
        self._checkpoint, self._view = checkpoint, root
        self._root = root.object
        self._optional: list[Any] = []

    def add_to_optionally_restored(self, var: Any) -> None:
        """Let a variable be without a value."""
        self._optional.append(var)

    def assert_consumed(self) -> NameBasedSaverStatus:
        """Check that all variables have their values from the checkpoint, and return this status.

        Raises:
          AssertionError: one has not.
        """
        unused = [(o, name) for o, name in self._checkpoint.unused if all(o is not v for v in self._optional)]
        if unused:
            lines = "".join(f"\n    {tracked}: {name}" for tracked, name in unused)
            raise AssertionError(explain(f"Some objects had attributes which were not restored: {lines}"))
        for tracked in self._view.graph().objects:
            if tracked._update_uid < self._checkpoint.restore_uid:
                raise AssertionError(explain(f"Object not restored: {tracked}"))
        return self

    def assert_existing_objects_matched(self) -> NameBasedSaverStatus:
        """Check the same as `assert_consumed`: names say nothing of objects."""
        return self.assert_consumed()

    def assert_nontrivial_match(self) -> NameBasedSaverStatus:
        """Check the same as `assert_consumed`: names say nothing of objects."""
        return self.assert_consumed()

    def run_restore_ops(self, session: Any = None) -> None:
        """Make a session, the default one where none is given, hold the values for variables of its graph.

        Other objects have them already, or get them when they come.
        """
        self._checkpoint.pending.give(session)

    def initialize_or_restore(self, session: Any = None) -> None:
        """Do what `run_restore_ops` does, and initialise those variables of the graph that have no value in the checkpoint."""
        self._checkpoint.pending.initialize_others(session, self._view.graph().objects)
        self.run_restore_ops(session)

    def expect_partial(self) -> NameBasedSaverStatus:
        """Return this status."""
        return self
