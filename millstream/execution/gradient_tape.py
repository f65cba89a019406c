"""tf.GradientTape: the public face of tapes, over eager calls and over graphs being traced."""

from __future__ import annotations

import enum
import functools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from millstream.autodiff.split import reached_values
from millstream.base import dtypes, nest
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph
from millstream.execution.convert import constant_of, to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.operators import ones_like, zeros_like
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor
from millstream.ops.registry import find
from millstream.program.value import Node, Value

log = logging.getLogger("millstream")


class UnconnectedGradients(enum.Enum):
    """What the gradient of something that the target does not depend on is."""

    NONE = "none"
    ZERO = "zero"


def handle_of_source(source: Any) -> Any:
    """Return the tensor that a tape knows a source by: of a variable, its handle."""
    if isinstance(source, Tensor):
        return source
    handle = getattr(source, "handle", None)
    if isinstance(handle, Tensor):
        return handle
    if isinstance(source, IndexedSlices):
        return source.values
    return to_tensor(source)


def gradient_part(value: Any) -> Any:
    """Return the part of a composite tensor that gradients flow to; anything else as it is."""
    rule = getattr(value, "__composite_gradient__", None) if isinstance(value, CompositeTensor) else None
    return value if rule is None else rule.get_gradient_components(value)


def gradient_parts(value: Any) -> list[Any]:
    """Return the tensors and variables that gradients flow to in a source: several in a composite tensor of composite ones."""
    part = gradient_part(value)
    if part is value:
        return [value]
    return [inner for item in nest.flatten(part) for inner in gradient_parts(item)]


def with_gradients(value: Any, gradients: Iterator[Any]) -> Any:
    """Return the next gradients in the form of the source whose parts they belong to."""
    part = gradient_part(value)
    if part is value:
        return next(gradients)
    found = nest.map_structure(lambda item: with_gradients(item, gradients), part)
    if all(gradient is None for gradient in nest.flatten(found)):
        return None
    return value.__composite_gradient__.replace_gradient_components(value, found)


class GradientTape:
    """Record operations for automatic differentiation; see tf.GradientTape."""

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_variables = watch_accessed_variables
        self._tape: tapes.Tape | None = None
        self._used: dict[int, Any] = {}
        self._recording = False
        self._graph: Any = None
        self._segments: list[tuple[Node | None, Node | None]] = []
        self._watched: dict[Value, None] = {}

    def __enter__(self) -> GradientTape:
        self._push()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._recording:
            self._pop()

    def _push(self, existing: bool = False) -> None:
        if self._recording:
            raise ValueError(
                explain("Tape is still recording, This can happen if you try to re-enter an already-active tape.")
            )
        if self._tape is None:
            self._tape = tapes.Tape(self._persistent, self._watch_variables)
            self._graph = current_graph()
        if self._graph is not None:
            nodes = self._graph.program.nodes
            self._segments.append((nodes[-1] if nodes else None, None))
            self._graph.open_tapes.append(self)
        tapes.push(self._tape)
        self._recording = True

    def _pop(self) -> None:
        assert self._tape is not None
        tapes.pop(self._tape)
        if self._graph is not None:
            nodes = self._graph.program.nodes
            self._segments[-1] = (self._segments[-1][0], nodes[-1] if nodes else None)
            self._graph.open_tapes.remove(self)
        self._recording = False

    def _nodes(self) -> list[Node]:
        """Return the nodes of the graph that were recorded."""
        program = self._graph.program
        place = {id(n): i for i, n in enumerate(program.nodes)}
        found: list[Node] = []
        for k, (first, last) in enumerate(self._segments):
            start = place[id(first)] + 1 if first is not None else 0
            is_open = self._recording and k == len(self._segments) - 1
            end = len(program.nodes) if is_open else (place[id(last)] + 1 if last is not None else 0)
            found += program.nodes[start:end]
        return found

    def _ensure(self) -> tapes.Tape:
        if self._tape is None:
            self._tape = tapes.Tape(self._persistent, self._watch_variables)
            self._graph = current_graph()
        return self._tape

    def watch(self, tensor: Any) -> None:
        """Follow `tensor`, or every tensor of a nested structure."""
        if self._tape is None and not self._recording:
            raise ValueError(explain("Tape is not recording: watch inside of `with tape:`."))
        tape = self._ensure()
        for item in nest.flatten(nest.map_structure(gradient_part, tensor), expand_composites=True):
            if not isinstance(item, Tensor) and not hasattr(item, "handle") and not hasattr(item, "__tf_tensor__"):
                raise ValueError(
                    explain(
                        f"Passed in object {item} of type {type(item).__name__!r}, not tf.Tensor or tf.Variable or ExtensionType."
                    )
                )
            dtype = dtypes.as_dtype(item.dtype)
            if not (dtype.is_floating or dtype.is_complex):
                log.warning("The dtype of the watched tensor must be floating (e.g. tf.float32), got %r", dtype)
            handle = handle_of_source(item)
            if not isinstance(handle, SymbolicTensor):
                tape.watch(handle)
                if handle._dtype == tapes.RESOURCE:
                    tape.variables.setdefault(handle._id, item)
            if self._graph is not None:
                self._watched[self._graph.value_of(handle)] = None

    def watched_variables(self) -> tuple[Any, ...]:
        """Return the variables that were read, or watched, while recording."""
        found = dict(self._used if self._tape is None else self._tape.variables)
        if self._graph is not None:
            used = {v for n in self._nodes() for v in n.inputs}
            for handle, value in self._graph.handles():
                if value in used and self._watch_variables:
                    variable = tapes.trainable_variable(handle)
                    if variable is not None:
                        found.setdefault(id(handle), variable)
        return tuple(found.values())

    def _forget(self) -> None:
        """Let go of what was recorded; which variables were used stays known."""
        if self._tape is not None:
            self._used = self._tape.variables
        self._tape = None

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Record nothing inside the `with` block."""
        if self._tape is None:
            raise RuntimeError(explain("Trying to stop recording a tape which is not recording."))
        self._pop()
        try:
            yield
        finally:
            self._push(existing=True)

    def reset(self) -> None:
        """Forget everything recorded."""
        if not self._recording:
            raise ValueError(explain("Tape is not recording."))
        self._pop()
        self._tape = None
        self._used = {}
        self._segments = []
        self._watched = {}
        self._push()

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
    ) -> Any:
        """Differentiate `target` with respect to `sources`; the result has the structure of `sources`."""
        tape = self._for_gradients()
        unconnected = _unconnected(unconnected_gradients)
        if self._recording and not self._persistent:
            self._pop()
        if target is None:
            raise TypeError(
                explain(
                    "Argument `target` should be a list or nested structure of Tensors, Variables or CompositeTensors to be differentiated, but received None."
                )
            )
        parts = nest.flatten(nest.map_structure(gradient_part, target), expand_composites=True)
        targets = [_target(t) for t in parts]
        given = (
            [None] * len(targets)
            if output_gradients is None
            else list(map(gradient_part, nest.flatten(output_gradients)))
        )
        dys = [
            None if d is None else (d if isinstance(d, IndexedSlices) else to_tensor(d, t.dtype))
            for d, t in zip(given, targets, strict=True)
        ]
        dys = [
            _ones(to_tensor(part)) if dy is None and t.dtype is dtypes.resource else dy
            for part, t, dy in zip(parts, targets, dys, strict=True)
        ]
        flat = [part for source in nest.flatten(sources) for part in gradient_parts(source)]
        for source in flat:
            dtype = getattr(source, "dtype", None)
            if dtype is None:
                raise TypeError(
                    explain(f"The source {source!r} is no tensor or variable; give what `target` depends on.")
                )
            if not (dtypes.as_dtype(dtype).is_floating or dtypes.as_dtype(dtype).is_complex):
                log.warning(
                    "The dtype of the source tensor must be floating (e.g. tf.float32) when calling GradientTape.gradient, got %r",
                    dtype,
                )
        found = self._flat_gradient(tape, targets, dys, flat)
        if unconnected is UnconnectedGradients.ZERO:
            found = [_zeros(s) if g is None else g for s, g in zip(flat, found, strict=True)]
        if not self._persistent:
            self._forget()
        gradients = iter(found)
        return nest.pack_sequence_as(sources, [with_gradients(source, gradients) for source in nest.flatten(sources)])

    def _for_gradients(self) -> tapes.Tape:
        if self._tape is None:
            raise RuntimeError(
                explain("A non-persistent GradientTape can only be used to compute one set of gradients (or jacobians)")
            )
        return self._tape

    def _flat_gradient(
        self, tape: tapes.Tape, targets: Sequence[Any], dys: Sequence[Any], flat: Sequence[Any]
    ) -> list[Any]:
        pairs = [(t, d) for t, d in zip(targets, dys, strict=True) if _is_differentiable(t)]
        handles = [handle_of_source(s) for s in flat]
        if self._graph is not None and current_graph() is not None:
            return self._in_graph([t for t, _ in pairs], [d for _, d in pairs], handles)
        if any(isinstance(t, SymbolicTensor) for t, _ in pairs):
            raise RuntimeError(
                explain(
                    "A tape that was opened outside of a function cannot differentiate the function's own tensors; open it inside."
                )
            )
        flows: dict[int, Any] = {}
        for target, dy in pairs:
            flow = ones_like(target) if dy is None else dy
            number = target._id
            flows[number] = flow if number not in flows else tapes.add_adjoints(flows[number], flow)
        wanted = {h._id for h in handles if h._id in tape.watched}
        found = tapes.backward(tape, flows, wanted)
        # What is itself the target changes with it, followed or not.
        return [found.get(h._id, flows.get(h._id)) for h in handles]

    def _in_graph(self, targets: Sequence[Any], dys: Sequence[Any], handles: Sequence[Any]) -> list[Any]:
        graph = current_graph()
        assert graph is not None
        nodes = self._nodes()
        sources = [graph.value_of(h) for h in handles]
        reached = reached_values(
            nodes, {*self._watched, *(v for h, v in zip(handles, sources, strict=True) if self._follows(h))}
        )
        chosen = [i for i, v in enumerate(sources) if v in reached]
        found = tapes.graph_gradient(graph, nodes, targets, dys, [handles[i] for i in chosen])
        place = dict(zip(chosen, found, strict=True))
        for i, handle in enumerate(handles):
            if i not in place:
                # What is itself the target changes with it, followed or not.
                own = [_ones(t) if d is None else d for t, d in zip(targets, dys, strict=True) if t is handle]
                place[i] = functools.reduce(tapes.add_adjoints, own) if own else None
        return [place[i] for i in range(len(handles))]

    def _follows(self, handle: Any) -> bool:
        """Whether a variable's handle, or an eager tensor from outside, is followed without being asked for."""
        if isinstance(handle, SymbolicTensor):
            return self._watch_variables and tapes.trainable_variable(handle) is not None
        tape = self._tape
        return tape is not None and (
            handle._id in tape.watched or (self._watch_variables and handle._id in tapes.trainable)
        )

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
        parallel_iterations: Any = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Differentiate every element of `target`: the result has the shape of `target`, then that of the source."""
        from millstream.execution.jacobian import jacobian

        tape = self._for_gradients()
        if self._recording and not self._persistent:
            self._pop()
        flat = nest.flatten(sources)
        found = jacobian(lambda dy: self._flat_gradient(tape, [_target(target)], [dy], flat), _target(target), flat)
        if _unconnected(unconnected_gradients) is UnconnectedGradients.ZERO:
            found = [_zero_jacobian(target, s) if g is None else g for s, g in zip(flat, found, strict=True)]
        if not self._persistent:
            self._forget()
        return nest.pack_sequence_as(sources, found)

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: Any = UnconnectedGradients.NONE,
        parallel_iterations: Any = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Differentiate every element of each row of `target` by the same row of `source`."""
        from millstream.execution.jacobian import batch_jacobian

        tape = self._for_gradients()
        if self._recording and not self._persistent:
            self._pop()
        target = _target(target)
        if target.shape.rank is not None and target.shape.rank < 2:
            raise ValueError(
                explain("Expected target of rank at least 2 (a batch of vectors): use jacobian for one of rank below.")
            )
        rows, source_rows = target.shape[0], source.shape[0]
        if rows is not None and source_rows is not None and rows != source_rows:
            raise ValueError(
                explain(
                    f"Need first dimension of target shape ({target.shape}) and source shape ({source.shape}) to match."
                )
            )
        found = batch_jacobian(lambda dy: self._flat_gradient(tape, [target], [dy], [source])[0], target, source)
        if found is None and _unconnected(unconnected_gradients) is UnconnectedGradients.ZERO:
            shape = [*target.shape.as_list(), *source.shape.as_list()[1:]]
            found = apply(find("Fill"), to_tensor(shape, dtypes.int32), to_tensor(0, target.dtype))
        if not self._persistent:
            self._forget()
        return found


def graph_gradients(
    ys: Sequence[Any], xs: Sequence[Any], grad_ys: Any, stop: Any, unconnected_gradients: Any
) -> list[Any]:
    """Return the gradients of `ys` for each of `xs` through the graph being traced; nothing flows through `stop`."""
    graph = current_graph()
    assert graph is not None
    targets = [_target(y) for y in ys]
    given = [None] * len(targets) if grad_ys is None else grad_ys if isinstance(grad_ys, (list, tuple)) else [grad_ys]
    if len(given) != len(targets):
        raise ValueError(explain(f"Passed {len(given)} grad_ys for {len(targets)} ys"))
    dys = [None if d is None else to_tensor(d, t.dtype) for d, t in zip(given, targets, strict=True)]
    stopped = {graph.value_of(handle_of_source(s)) for s in nest.flatten(stop)} if stop is not None else set()
    nodes = [n for n in graph.program.nodes if not any(v in stopped for v in n.outputs)]
    found = tapes.graph_gradient(graph, nodes, targets, dys, [handle_of_source(x) for x in xs])
    if _unconnected(unconnected_gradients) is UnconnectedGradients.ZERO:
        return [_zeros(x) if g is None else g for x, g in zip(xs, found, strict=True)]
    return found


def _unconnected(given: Any) -> UnconnectedGradients:
    try:
        return UnconnectedGradients(getattr(given, "value", given))
    except ValueError:
        raise ValueError(explain(f"Unknown value for unconnected_gradients: {given!r}")) from None


def _target(target: Any) -> Any:
    return target if isinstance(target, Tensor) else handle_of_source(target)


def _is_differentiable(target: Any) -> bool:
    dtype = target.dtype
    if dtype.is_floating or dtype.is_complex or dtype in (dtypes.resource, dtypes.variant):
        return True
    log.warning(
        "The dtype of the target tensor must be floating (e.g. tf.float32) when calling GradientTape.gradient, got %r",
        dtype,
    )
    return False


def _ones(target: Any) -> Any:
    return apply(find("OnesLike"), target) if isinstance(target, SymbolicTensor) else ones_like(target)


def _zeros(source: Any) -> Any:
    if isinstance(source, Tensor):
        return apply(find("ZerosLike"), source) if isinstance(source, SymbolicTensor) else zeros_like(source)
    return apply(find("ZerosLike"), to_tensor(source))


def _zero_jacobian(target: Any, source: Any) -> Any:
    shape = [*_target(target).shape.as_list(), *source.shape.as_list()]
    return apply(
        find("Fill"),
        constant_of(shape, dtypes.int32) if shape else to_tensor([], dtypes.int32),
        to_tensor(0, _target(target).dtype),
    )
