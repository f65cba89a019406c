"""tf.train.TrackableView and CheckpointView: the objects below a root, those of a checkpoint, and how they match."""

from __future__ import annotations

import logging
import weakref
from collections import deque
from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain
from millstream.execution.trackable import Trackable
from millstream.saving.checkpoint.object_graph import KEY, ObjectGraph, children_of
from millstream.saving.checkpoint.restoring import read_object_graph
from millstream.saving.checkpoint.writing import text_of
from millstream.saving.version_1_checkpoint import open_checkpoint

log = logging.getLogger("millstream")


@public("train.TrackableView")
class TrackableView:
    """The objects below a root.

    Args:
      root: the root, or a weak reference to it.

    >>> root = tf.Module()
    >>> root.a, root.b = tf.Variable(1), [tf.Variable(2)]
    >>> list(tf.train.TrackableView(root).children(root)), len(tf.train.TrackableView(root).descendants())
    (['a', 'b'], 4)
    """

    def __init__(self, root: Any) -> None:
        self._root_ref = root if isinstance(root, weakref.ref) else weakref.ref(root)

    @classmethod
    def children(cls, obj: Any, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        """Return what an object holds, by name.

        Args:
          obj: the object.
          save_type: "checkpoint" or "savedmodel".
          **kwargs: handed to the object.
        """
        return children_of(obj, save_type, **kwargs)

    @property
    def root(self) -> Any:
        """The root."""
        found = self._root_ref()
        if found is None:
            raise AssertionError(explain("The root of this view is gone; keep a reference to it."))
        return found

    def descendants(self) -> list[Any]:
        """Return all objects, the nearest first."""
        return self._graph().objects

    def _descendants_with_paths(self) -> tuple[list[Any], dict[int, Any]]:
        graph = self._graph()
        return graph.objects, {id(o): path for o, path in zip(graph.objects, graph.paths, strict=True)}

    def _graph(self) -> ObjectGraph:
        return ObjectGraph(self.root, skip_slots=True, children=self.children)


@public("__internal__.tracking.ObjectGraphView")
class ObjectGraphView(TrackableView):
    """The objects below a root and others that count as its children.

    Args:
      root: the root, or a weak reference to it.
      attached_dependencies: references (`name`, `ref`) to those others.
    """

    def __init__(self, root: Any, attached_dependencies: Any = None) -> None:
        super().__init__(root)
        self._attached_dependencies = attached_dependencies

    @property
    def attached_dependencies(self) -> Any:
        """References to those that count as children of the root."""
        return self._attached_dependencies

    def list_children(self, obj: Any, save_type: str = "checkpoint", **kwargs: Any) -> list[Any]:
        """Return references (`name`, `ref`) to what an object holds."""
        from millstream.execution.trackable import TrackableReference

        found = [TrackableReference(name, child) for name, child in children_of(obj, save_type, **kwargs).items()]
        return found + list(self._attached_dependencies or ()) if obj is self.root else found

    def children(self, obj: Any, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return what an object holds, by name."""
        return {reference.name: reference.ref for reference in self.list_children(obj, save_type, **kwargs)}

    def breadth_first_traversal(self) -> tuple[list[Any], dict[int, Any]]:
        """Return all objects, the nearest first, and their paths."""
        return self._descendants_with_paths()


@public("train.CheckpointView")
class CheckpointView:
    """The objects of a checkpoint by their numbers; the root is 0.

    Args:
      save_path: the path of the checkpoint.

    Raises:
      ValueError: it knows no objects.

    >>> path = tf.train.Checkpoint(a=tf.Variable(1)).write(f"{tempfile.mkdtemp()}/one")
    >>> tf.train.CheckpointView(path).children(0)
    {'a': 1}
    """

    def __init__(self, save_path: Any) -> None:
        proto = read_object_graph(open_checkpoint(text_of(save_path)))
        if proto is None:
            raise ValueError(
                explain(
                    f'The specified checkpoint "{save_path}" does not appear to be object-based (saved with TF2) since it is missing '
                    f'the key "{KEY}". Likely it was created with the TF1 name-based saver and does not contain an object '
                    "dependency graph."
                )
            )
        self._object_graph_proto = proto

    def children(self, node_id: int) -> dict[str, int]:
        """Return the numbers of what an object holds, by name."""
        return {child.local_name: child.node_id for child in self._object_graph_proto.nodes[node_id].children}

    def descendants(self) -> list[int]:
        """Return the numbers of all objects that are reached from the root, the nearest first."""
        return list(self._descendants_with_paths())

    def _descendants_with_paths(self) -> dict[int, str]:
        found = {0: "root"}
        waiting = deque([0])
        while waiting:
            number = waiting.popleft()
            for name, child in self.children(number).items():
                if child not in found:
                    found[child] = f"{found[number]}.{name}"
                    waiting.append(child)
        return found

    def match(self, obj: Any) -> dict[int, Any]:
        """Return the objects below `obj` that are in the same place as one of the checkpoint, by its number.

        Raises:
          ValueError: `obj` is not trackable.
        """
        if not isinstance(obj, Trackable):
            raise ValueError(explain(f"Expected a Trackable, got {obj} of type {type(obj)}."))
        found: dict[int, Any] = {0: obj}
        waiting: deque[tuple[int, Any]] = deque([(0, obj)])
        seen = set()
        while waiting:
            number, tracked = waiting.popleft()
            held = children_of(tracked)
            for name, child in self.children(number).items():
                if child in seen or child == 0 or name not in held:
                    continue
                if child not in found:
                    found[child] = held[name]
                    waiting.append((child, held[name]))
                elif found[child] is not held[name]:
                    log.warning(
                        "Inconsistent references when matching the checkpoint into this object graph. The referenced objects are: "
                        "(%s and %s).",
                        found[child],
                        held[name],
                    )
            seen.add(number)
        return found

    def diff(self, obj: Any) -> tuple[dict[int, Any], list[int], list[Any]]:
        """Return what `match` does, the numbers of other objects of the checkpoint, and other objects below `obj`."""
        matched = self.match(obj)
        ids = {id(o) for o in matched.values()}
        only_here = [o for o in TrackableView(obj).descendants() if id(o) not in ids]
        return matched, [n for n in self.descendants() if n not in matched], only_here
