"""The protocol that a back end fulfils. Names no back end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from millstream.compiler.plan import FunctionWriter
from millstream.program.value import Node


class Target(Protocol):
    """Turns nodes into instructions."""

    name: str

    def claims(self, node: Node) -> bool:
        """Return whether the op `node` is kept whole, as one kernel; otherwise its body is expanded."""

    def fuses(self, node: Node) -> bool:
        """Return whether `node` may become a step of a fused elementwise instruction."""

    def emit(self, node: Node, writer: FunctionWriter) -> None:
        """Write the instructions of one node that is not fused; UnimplementedError where there is no kernel."""

    def takes(self, node: Node, tail: Sequence[Node]) -> bool:
        """Return whether the kernel of `node` also does what `tail`, a chain behind it, does."""

    def emit_with_tail(self, node: Node, tail: Sequence[Node], writer: FunctionWriter) -> None:
        """Write one instruction for `node` and the `tail` that it takes."""

    def emit_fused(self, nodes: Sequence[Node], outputs: Sequence[Any], writer: FunctionWriter) -> None:
        """Write one instruction for a chain of elementwise nodes; `outputs` are the values that others need."""

    def finish(self, writer: FunctionWriter) -> None:
        """Improve a function's instructions once all are written; memory is planned afterwards."""
