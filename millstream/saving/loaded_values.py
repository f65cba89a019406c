"""What the variables and tables of a saved model held, from the checkpoint beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.base import errors
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.checkpoint.restoring import read_object_graph
from millstream.saving.checkpoint.values import VARIABLE_VALUE


def restore_objects(saved: Any, objects: Sequence[Any], prefix: str, partial: bool) -> None:
    """Give the objects of a SavedObjectGraph what the checkpoint `prefix` has for them.

    Raises:
      tf.errors.NotFoundError: a variable is not in the checkpoint, and `partial` is false.
    """
    reader = BundleReader(prefix)
    graph = read_object_graph(reader)
    if graph is None:
        raise errors.DataLossError(
            None, None, f"{prefix} is a checkpoint of names, not of objects. Save the model anew."
        )
    restored = set()
    for index, found in paired(saved, graph).items():
        node = saved.nodes[index]
        keys = {a.name: a.checkpoint_key for a in graph.nodes[found].attributes}
        if node.HasField("variable") and keys.get(VARIABLE_VALUE, "") in reader:
            objects[index].assign(reader.tensor(keys[VARIABLE_VALUE]))
            restored.add(index)
        for name, functions in node.saveable_objects.items():
            if name in keys:
                own = [n for n in reader.names if n.startswith(keys[name])]
                objects[functions.restore_function](*(reader.tensor(n) for n in own))
    if not partial:
        for index, node in enumerate(saved.nodes):
            if node.HasField("variable") and index not in restored:
                raise errors.NotFoundError(
                    None,
                    None,
                    f"The checkpoint {prefix} has no value for the variable {node.variable.name!r} of the saved model; load it "
                    "with tf.saved_model.LoadOptions(allow_partial_checkpoint=True), or save the model anew.",
                )


def paired(saved: Any, graph: Any) -> dict[int, int]:
    """Return which object of a checkpoint is which object of the saved model: both are walked from their roots by names."""
    found = {0: 0}
    waiting = [0]
    while waiting:
        index = waiting.pop()
        names = {c.local_name: c.node_id for c in graph.nodes[found[index]].children}
        for child in saved.nodes[index].children:
            if child.local_name in names and child.node_id not in found:
                found[child.node_id] = names[child.local_name]
                waiting.append(child.node_id)
        slots = {(s.original_variable_node_id, s.slot_name): s for s in graph.nodes[found[index]].slot_variables}
        for slot in saved.nodes[index].slot_variables:
            other = slots.get((found.get(slot.original_variable_node_id, -1), slot.slot_name))
            if other is not None and slot.slot_variable_node_id not in found:
                found[slot.slot_variable_node_id] = other.slot_variable_node_id
                waiting.append(slot.slot_variable_node_id)
    return found
