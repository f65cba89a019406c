"""Nodes of graphs that save and restore, read for what they say: names in checkpoints, and what gets these values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from millstream.base import errors, tensor_proto
from millstream.graph.reading import name_of_input


def damaged(how: str) -> errors.InvalidArgumentError:
    """Compose the error for a graph whose nodes do not hold together."""
    return errors.InvalidArgumentError(None, None, f"What restores the saved model is damaged: {how}. Save it anew.")


@contextmanager
def named() -> Iterator[None]:
    """Say that the graph is damaged where a name in the file is none of it."""
    try:
        yield
    except (KeyError, ValueError) as error:
        raise damaged(str(error.args[0])) from None


def element_of(graph: Any, name: str) -> Any:
    """Return a tensor or an operation of a graph that was loaded; InvalidArgumentError where it has none of this name."""
    with named():
        return graph.as_graph_element(name)


class NodesByName:
    """The nodes of one graph.

    All methods raise InvalidArgumentError where the graph is damaged.
    """

    def __init__(self, nodes: Iterable[Any]) -> None:
        self.all: dict[str, Any] = {node.name: node for node in nodes}

    def node(self, text: str) -> Any:
        """Return the node that an input names."""
        found = self.all.get(name_of_input(text))
        if found is None:
            raise damaged(f"it takes {text!r}, which nothing makes")
        return found

    def source(self, text: str) -> tuple[Any, int]:
        """Return the node behind Identities that gives a tensor, and which of its outputs that is."""
        for _ in range(len(self.all)):
            node, index = self.node(text), text.partition(":")[2]
            if node.op != "Identity" or not node.input:
                return node, int(index) if index.isdigit() else 0
            text = node.input[0]
        raise damaged(f"{text!r} is made of itself")

    def text(self, text: str, index: int) -> str:
        """Return one of the texts of a constant, such as the name of a tensor in a checkpoint."""
        node = self.source(text)[0]
        texts = tensor_proto.of_proto(node.attr["value"].tensor)[0].ravel() if node.op == "Const" else ()
        if index >= len(texts) or not isinstance(texts[index], bytes):
            raise damaged(f"{text!r} names no tensor of the checkpoint")
        return str(texts[index].decode(errors="surrogateescape"))

    def behind(self, text: str) -> Iterable[Any]:
        """Return the node that gives a tensor, and all that it is made of."""
        waiting, seen = [text], set()
        while waiting:
            node = self.node(waiting.pop())
            if node.name not in seen:
                seen.add(node.name)
                yield node
                waiting.extend(t for t in reversed(node.input) if not t.startswith("^"))

    def following(self, start: str) -> set[str]:
        """Return a node with all that use it, at once or through others, by their names."""
        users: dict[str, list[str]] = {}
        for node in self.all.values():
            for text in node.input:
                users.setdefault(name_of_input(text), []).append(node.name)
        found, waiting = {start}, [start]
        while waiting:
            new = set(users.get(waiting.pop(), ())) - found
            found |= new
            waiting.extend(new)
        return found
