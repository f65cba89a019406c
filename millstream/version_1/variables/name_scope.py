"""tf.compat.v1.name_scope: a name before those of ops, in the graph of some tensors."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain
from millstream.execution.context import current_graph
from millstream.execution.name_scope import NameScope


@public("compat.v1.name_scope")
class name_scope:
    """Put a name before those of what is made inside.

    Args:
      name: the name; ends it with a slash, it is put in the place of all names around.
      default_name: the name where `name` is None.
      values: tensors whose graph is meant; accepted where ops run at once.

    Raises:
      TypeError: a name is no text.
      ValueError: there is no name, though there are `values`.

    >>> with tf.Graph().as_default(), tf.compat.v1.name_scope("part") as scope:
    ...     print(scope)
    part/
    """

    def __init__(self, name: Any, default_name: Any = None, values: Any = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(explain("`name` for name_scope must be a string."))
        self._name = default_name if name is None else name
        self._values = values
        if self._name is None and values is not None:
            raise ValueError(
                explain(f"At least one of name ({name}) and default_name ({default_name}) must be provided.")
            )
        self._open: list[list[Any]] = []

    @property
    def name(self) -> Any:
        """The name that was given."""
        return self._name

    def __enter__(self) -> str:
        entered: list[Any] = []
        for value in self._values or ():
            graph = (
                getattr(value, "graph", None)
                if current_graph() is not None and not hasattr(value, "_unique_id")
                else None
            )
            if graph is not None and graph is not current_graph():
                entered.append(graph.as_default())
                entered[-1].__enter__()
                break
        entered.append(NameScope(self._name or ""))
        found: str = entered[-1].__enter__()
        self._open.append(entered)
        return found

    def __exit__(self, *error: Any) -> None:
        for scope in reversed(self._open.pop()):
            scope.__exit__(*error)
