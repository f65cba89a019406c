"""Queues of graphs that were read from files: nodes of TensorFlow's become queues of the session, and what uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.api.queue import QueueBase, drawn_seeds
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.execution.host import importers
from millstream.execution.queue_operations import NODE_TYPES, QUEUES
from millstream.execution.queue_store import PaddingStore, PriorityStore, RandomStore, Store
from millstream.graph.attributes import shape_of


def _store(kind: str, node: Any, name: str) -> Store:
    capacity = node.attr["capacity"].i if "capacity" in node.attr else -1
    if kind == "RandomShuffleQueue":
        seeds = node.attr["seed"].i, node.attr["seed2"].i
        made = RandomStore(capacity, name, node.attr["min_after_dequeue"].i, *drawn_seeds(*seeds))
        made.seeds = seeds
        return made
    return {"PaddingFIFOQueue": PaddingStore, "PriorityQueue": PriorityStore}.get(kind, Store)(capacity, name)


def _shape(written: Any) -> TensorShape:
    sizes = shape_of(written)
    return TensorShape(None if sizes is None else [None if n < 0 else n for n in sizes])


def _made(graph: Any, kind: str, node: Any, label: str) -> Any:
    """Add a queue; return its handle."""
    types = [as_dtype(number) for number in node.attr["component_types"].list.type]
    said = [_shape(shape) for shape in node.attr["shapes"].list.shape]
    if kind == "PriorityQueue":
        types, said = [dtypes.int64, *types], [TensorShape([]), *said]
    name = node.attr["shared_name"].s.decode() or label
    store = _store(kind, node, name)
    store.label, store.again = label, lambda: _store(kind, node, name)
    queue = QueueBase(types, said if len(said) == len(types) else None, None, store)
    return queue._handle


def import_queue(graph: Any, node: Any, inputs: Sequence[Any], label: str) -> Sequence[Any]:
    """Add a node of a file that makes or uses a queue; return its tensors."""
    plain = node.op.removesuffix("V2")
    if plain in QUEUES:
        return [_made(graph, plain, node, label)]
    queues: dict[Any, QueueBase] = graph.__dict__.get("queues", {})
    queue = queues.get(inputs[0].value) if inputs else None
    if queue is None:
        raise errors.InvalidArgumentError(
            None, None, explain(f"{node.name} is {node.op} and takes no queue of the graph: the graph is damaged.")
        )
    use, given = plain.removeprefix("Queue"), list(inputs[1:])
    if use == "Close":
        queue.close(node.attr["cancel_pending_enqueues"].b)
        return []
    calls = {"Enqueue": queue.enqueue, "EnqueueMany": queue.enqueue_many}
    if use in calls:
        calls[use](given)
        return []
    taking = {"DequeueMany": queue.dequeue_many, "DequeueUpTo": queue.dequeue_up_to}
    asking = {"Dequeue": queue.dequeue, "Size": queue.size, "IsClosed": queue.is_closed}
    found = taking[use](given[0]) if use in taking else asking[use]()
    return list(found) if isinstance(found, list) else [found]


importers.update(dict.fromkeys(NODE_TYPES, import_queue))
