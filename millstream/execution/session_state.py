"""What a session keeps between runs: the variables, tables and other things that nodes of its graph refer to by name."""

from __future__ import annotations

import threading
from typing import Any

from millstream import _runtime as runtime
from millstream.execution.context import tracing
from millstream.execution.dispatch import apply_flat
from millstream.program.value import Node


class SessionState:
    """The state of one session, by container and name."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Any] = {}
        self._of_node: dict[Node, Any] = {}
        self._objects: dict[Any, Any] = {}
        self._lock = threading.RLock()

    def of_node(self, node: Node, inputs: Any) -> Any:
        """Return the handle of what a node refers to, which is made where there is none of its name."""
        found = self._of_node.get(node)
        if found is None:
            with self._lock:
                key = key_of(node)
                found = self._kept.get(key)
                if found is None:
                    found = self._kept[key] = _made(node, key[1], inputs)
                self._of_node[node] = found
        return found

    def object_of(self, key: Any, make: Any) -> Any:
        """Return something of Python's that is kept under a key; `make` makes it."""
        with self._lock:
            found = self._objects.get(key)
            if found is None:
                found = self._objects[key] = make()
        return found

    def set_object(self, key: Any, value: Any) -> None:
        """Keep something of Python's under a key."""
        with self._lock:
            self._objects[key] = value

    def clear(self, container: str | None = None) -> None:
        """Forget what is kept in a container, or all."""
        with self._lock:
            self._kept = {k: v for k, v in self._kept.items() if container is not None and k[0] != container}
            self._of_node = {
                n: v for n, v in self._of_node.items() if container is not None and key_of(n)[0] != container
            }
            if container is None:
                self._objects.clear()


def key_of(node: Node) -> tuple[str, str]:
    """Return the container and the name of what a node refers to."""
    attributes = node.attributes
    name = attributes.get("shared_name") or node.label or node.definition.name
    return attributes.get("container", ""), name


def _made(node: Node, name: str, inputs: Any) -> Any:
    spec = node.outputs[0].spec.handle
    if node.definition.name in ("VarHandleOp", "VariableV2") and spec is not None:
        sizes = None if spec.shape is None else tuple(n if isinstance(n, int) else None for n in spec.shape)
        return runtime.make_state(spec.dtype.as_datatype_enum, sizes, name)
    make_handle = getattr(node.definition, "make_handle", None)
    if make_handle is not None:
        return make_handle()
    attributes = dict(node.attributes)
    if attributes.get("shared_name"):
        attributes["shared_name"] = ""
    with tracing(None):
        return apply_flat(node.definition, inputs(node), attributes)
