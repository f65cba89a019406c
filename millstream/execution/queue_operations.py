"""Queues as nodes of graphs that sessions run: what makes a queue, and what files say of the nodes that use it.

Elements are kept in Python, by the queue's name, apart for each session; the handle is there for other readers of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes
from millstream.base.spec import Spec
from millstream.execution.queue_store import Store
from millstream.program.value import Definition, Node

Written = dict[str, tuple[str, Any]]

_KINDS = {
    "capacity": "int", "component_types": "list(type)", "container": "string", "min_after_dequeue": "int", "seed": "int",
    "seed2": "int", "shapes": "list(shape)", "shared_name": "string",
}  # fmt: skip


class MakeQueue(Definition):
    """Refer to a queue of the session."""

    effects = True
    stateful = True

    def __init__(self, name: str) -> None:
        self.name = name

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return (Spec(dtypes.resource, ()),)

    def make_handle(self) -> Any:
        """Return what stands for the queue where a plan hands it on."""
        return runtime.make_host(lambda *_: ())

    def written_as(self, node: Node) -> Written:
        """Return the attributes of a node."""
        return {name: (kind, node.attributes[name]) for name, kind in _KINDS.items() if name in node.attributes}


QUEUES = {
    name: MakeQueue(f"{name}V2") for name in ("FIFOQueue", "PaddingFIFOQueue", "PriorityQueue", "RandomShuffleQueue")
}

USES: dict[str, Callable[[Sequence[Any]], Written]] = {
    "Enqueue": lambda types: {"Tcomponents": ("list(type)", types), "timeout_ms": ("int", -1)},
    "EnqueueMany": lambda types: {"Tcomponents": ("list(type)", types), "timeout_ms": ("int", -1)},
    "Dequeue": lambda types: {"component_types": ("list(type)", types), "timeout_ms": ("int", -1)},
    "DequeueMany": lambda types: {"component_types": ("list(type)", types), "timeout_ms": ("int", -1)},
    "DequeueUpTo": lambda types: {"component_types": ("list(type)", types), "timeout_ms": ("int", -1)},
    "Close": lambda types: {"cancel_pending_enqueues": ("bool", False)},
    "CloseAll": lambda types: {"cancel_pending_enqueues": ("bool", True)},
    "Size": lambda types: {},
    "IsClosed": lambda types: {},
}
"""What nodes that use a queue say of themselves, by the element types of the queue."""


def node_type(use: str) -> str:
    """Return the type of a node that uses a queue."""
    return f"Queue{use.removesuffix('All')}V2"


def add_queue(graph: Any, store: Store, types: Sequence[Any], shapes: Sequence[Any] | None) -> Any:
    """Add the node of a queue to a graph of sessions; return its handle."""
    if store.kind == "PriorityQueue":
        # Its first part, the number by which elements come out, goes without saying.
        types, shapes = types[1:], None if shapes is None else shapes[1:]
    attributes = {
        "capacity": store.capacity if store.capacity < 2**31 - 1 else -1,
        "component_types": tuple(types),
        "container": graph.container_name,
        "shapes": tuple(
            None if s.rank is None else tuple(-1 if n is None else n for n in s.as_list()) for s in shapes or ()
        ),
        "shared_name": store.name if store.name != store.label else "",
    }
    if store.kind == "RandomShuffleQueue":
        first, second = store.seeds
        attributes.update(min_after_dequeue=store.kept, seed=first, seed2=second)
    return graph.create(QUEUES[store.kind], (), attributes, store.label)[0]


NODE_TYPES = tuple(f"{name}{end}" for name in (*QUEUES, *(f"Queue{use}" for use in USES)) for end in ("", "V2"))
"""All types of nodes of queues, older ones too."""
