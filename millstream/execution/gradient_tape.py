"""tf.GradientTape: the public face of tapes, over eager calls and over graphs being traced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.base import nest
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.operators import ones_like, zeros_like
from millstream.execution.symbolic import SymbolicTensor


class GradientTape:
    """Record operations for automatic differentiation; see tf.GradientTape."""

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_variables = watch_accessed_variables
        self._tape: tapes.Tape | None = None
        self._recording = False
        self._graph: Any = None
        self._start = 0

    def __enter__(self) -> GradientTape:
        self._push()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._recording:
            self._pop()

    def _push(self) -> None:
        if self._recording:
            raise ValueError("Tape is still recording, This can happen if you try to re-enter an already-active tape.")
        if self._tape is None:
            self._tape = tapes.Tape(self._persistent, self._watch_variables)
            self._graph = current_graph()
            self._start = len(self._graph.program.nodes) if self._graph is not None else 0
        tapes.push(self._tape)
        self._recording = True

    def _pop(self) -> None:
        assert self._tape is not None
        tapes.pop(self._tape)
        self._recording = False

    def watch(self, tensor: Any) -> None:
        """Follow `tensor`, or every tensor of a nested structure."""
        assert self._tape is not None
        for item in nest.flatten(tensor, expand_composites=True):
            handle = getattr(item, "handle", item)
            if not isinstance(handle, SymbolicTensor):
                self._tape.watch(to_tensor(handle))

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Any = "none",
    ) -> Any:
        """Differentiate `target` with respect to `sources`; the result has the structure of `sources`."""
        if self._tape is None:
            raise RuntimeError("A non-persistent GradientTape can only be used to compute one set of gradients (or jacobians)")
        tape = self._tape
        if self._recording and not self._persistent:
            self._pop()
        targets = nest.flatten(target)
        dys = [None] * len(targets) if output_gradients is None else nest.flatten(output_gradients)
        flat = nest.flatten(sources)
        handles = [getattr(s, "handle", s) for s in flat]
        if self._graph is not None and current_graph() is self._graph:
            found = tapes.graph_gradient(self._graph, self._start, targets, dys, handles)
        else:
            found = self._eager(tape, targets, dys, handles)
        if getattr(unconnected_gradients, "value", unconnected_gradients) == "zero":
            found = [zeros_like(s) if g is None else g for s, g in zip(flat, found, strict=True)]
        if not self._persistent:
            self._tape = None
        return nest.pack_sequence_as(sources, found)

    def _eager(self, tape: tapes.Tape, targets: Sequence[Any], dys: Sequence[Any], handles: Sequence[Any]) -> list[Any]:
        flows: dict[int, Any] = {}
        for target, dy in zip(targets, dys, strict=True):
            flow = ones_like(target) if dy is None else to_tensor(dy)
            flows[target._id] = flow if target._id not in flows else tapes.add_adjoints(flows[target._id], flow)
        found = tapes.backward(tape, flows, {h._id for h in handles})
        return [found.get(h._id) for h in handles]


__all__ = ["GradientTape", "IndexedSlices"]
