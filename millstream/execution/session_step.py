"""One kind of run of a session: these fetches with these feeds, compiled once for each set of shapes that is fed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.backends.cpu.device import load
from millstream.base import dtypes
from millstream.execution import tape as tapes
from millstream.execution.context import call_at_once
from millstream.execution.program_call import FunctionOp
from millstream.execution.session_program import Part
from millstream.execution.specs import spec_of
from millstream.execution.stopping import running
from millstream.execution.tensor import EagerTensor, eager_constant, eager_from_array
from millstream.program.value import Node, Value


class Step:
    """Runs a part of a graph in a session. Called with eager tensors for what is fed; gives those that are fetched."""

    def __init__(
        self, session: Any, fetched: Sequence[Value], operations: Iterable[Node], fed: Sequence[Value]
    ) -> None:
        graph = session.graph
        self.edits = graph.edits
        part = Part(graph, fetched, operations, fed)
        self.program = part.program
        self.program.streams = (session.streams, part.numbers)
        self.session = session
        self.held = (*(session.state_of(node) for node in part.state), *part.captured)
        self.op = FunctionOp(self.program)
        self.cache = runtime.CallCache(self._miss, session.stop.flag)

    def _miss(self, *tensors: Any) -> tuple[Any, ...]:
        if runtime.recording() > 0:
            with tapes.fresh():
                return self.cache(*tensors)  # type: ignore[no-any-return]
        if runtime.tracing():
            return call_at_once(self.cache, *tensors)  # type: ignore[no-any-return]
        inputs = (*tensors, *self.held)
        late = self.op.late
        if late is not None:
            # On a thread that has no graph yet, too, where ops do not run at once.
            return call_at_once(lambda: tuple(late.run(inputs)))  # type: ignore[no-any-return]
        plan = load(self.program, [spec_of(t) for t in inputs])
        self.cache.add(tensors, plan, 0, self.held, False)
        return plan.run(0, inputs)  # type: ignore[no-any-return]

    def run(self, tensors: Sequence[Any]) -> Sequence[Any]:
        """Run outside of all graphs and tapes, wherever it is called."""
        session, stops = self.session, running.stops
        stops.append(stops[-1] if stops and stops[-1].session is session else session.stop)
        try:
            return self.cache(*tensors)  # type: ignore[no-any-return]
        finally:
            stops.pop()


def array_of(tensor: Any) -> Any:
    """Return what a run gives for a tensor: an array, a number of NumPy, or bytes."""
    return tensor.numpy() if tensor.dtype is not dtypes.variant else tensor


def feeder(tensor: Any) -> Callable[[Any], Any]:
    """Return what makes eager tensors of values that are fed for `tensor`, and refuses those that do not fit."""
    dtype = tensor.dtype
    make: Callable[..., Any] = eager_constant if dtype == dtypes.string else eager_from_array
    wanted = np.dtype(object) if dtype == dtypes.string else np.dtype(dtype.as_numpy_dtype)
    shape = tensor.shape
    rank = shape.rank
    known = [(axis, size) for axis, size in enumerate(() if rank is None else shape.as_list()) if size is not None]

    def feed(value: Any) -> Any:
        if value.__class__ is not np.ndarray or value.dtype != wanted:
            value = _as_array(value, tensor, wanted)
        given = value.shape
        if rank is not None and (len(given) != rank or (known and any(given[axis] != size for axis, size in known))):
            raise ValueError(
                f"Cannot feed value of shape {value.shape!s} for Tensor {tensor.name}, which has shape {shape!s}"
            )
        return make(value, dtype)

    return feed


def _as_array(value: Any, tensor: Any, wanted: Any) -> Any:
    dtype = tensor.dtype
    if isinstance(value, EagerTensor) or hasattr(value, "graph"):
        raise TypeError(
            "The value of a feed cannot be a tf.Tensor object. Acceptable feed values include Python scalars, strings, lists, "
            f"numpy ndarrays, or TensorHandles. For reference, the tensor object was {value} which was passed to the argument "
            f"`feed_dict` with key {tensor}."
        )
    if isinstance(value, int) and not isinstance(value, bool) and dtype != dtypes.string:
        try:
            kept = np.asarray(value, dtype=wanted)
        except OverflowError:
            kept = None
        if kept is None or kept != value:
            raise TypeError(
                f"Type of feed value {value} with type {type(value)} is not compatible with Tensor type {wanted.type}. Try "
                "explicitly setting the type of the feed tensor to a larger type (e.g. int64)."
            )
        return kept
    return np.asarray(value, dtype=wanted)
