"""Gradient tapes: what ran is written down, and walked backwards. Knows no op; rules come with the definitions."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.autodiff.reverse import PASSES_ROWS, reverse
from millstream.base import dtypes
from millstream.execution.derived import GradientOp
from millstream.execution.dispatch import apply_flat, attributes_key, definitions, execute, handle_of
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.late_gradient import has_unknown_rank, late_gradient, nodes_between
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import eager_constant, watchers
from millstream.ops import math, unary
from millstream.program.primitives.elementwise import ADD
from millstream.program.primitives.shaping import full
from millstream.program.slices import Slices, dense
from millstream.program.value import Definition, Node, Value, building


class _Stack(threading.local):
    def __init__(self) -> None:
        self.tapes: list[Tape] = []
        self.paused = 0


_stack = _Stack()

trainable: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""Trainable variables by the id of their handle."""


def trainable_variable(handle: Any) -> Any:
    """Return the trainable variable of a handle, eager or an argument of a trace; None where there is none."""
    if isinstance(handle, SymbolicTensor):
        variable = handle.variable
        return variable if variable is not None and variable.trainable else None
    return trainable.get(handle._id)


def is_watched(tensor: Any) -> bool:
    """Return whether any tape follows `tensor`."""
    return any(tensor._id in tape.watched for tape in _stack.tapes)


watchers[:] = [is_watched]


def any_watched(ids: set[int]) -> bool:
    """Return whether any tape follows one of the tensors with these ids."""
    return any(not ids.isdisjoint(tape.watched) for tape in _stack.tapes)


class Record:
    """One call: what ran on what, and what it gave, with the ids of both."""

    __slots__ = ("attributes", "definition", "input_ids", "inputs", "output_ids", "outputs")

    def __init__(self, definition: Definition, attributes: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.definition = definition
        self.attributes = attributes
        self.inputs = inputs
        self.outputs = outputs
        self.input_ids = [t._id for t in inputs]
        self.output_ids = [t._id for t in outputs]


class Tape:
    """The records of one tape, and the ids of the tensors it follows."""

    forward = False

    def __init__(self, persistent: bool = False, watch_variables: bool = True) -> None:
        self.persistent = persistent
        self.watch_variables = watch_variables
        self.records: list[Record] = []
        self.watched: set[int] = set()
        self.kept: list[Any] = []
        self.variables: dict[int, Any] = {}

    def watch(self, tensor: Any) -> None:
        """Follow an eager tensor; a handle stands for its variable."""
        if tensor._dtype == RESOURCE:
            self.watch_handle(tensor)
        elif tensor._id not in self.watched:
            self.watched.add(tensor._id)
            self.kept.append(tensor)

    def wants(self, tensor: Any) -> bool:
        """Return whether a call on `tensor` is to be written down."""
        return tensor._id in self.watched or (
            self.watch_variables and tensor._dtype == RESOURCE and tensor._id in trainable
        )

    def record(self, item: Record) -> None:
        """Write down a call if it touches what the tape follows."""
        watched, touched = self.watched, False
        for i, number in enumerate(item.input_ids):
            if number in watched:
                touched = True
            elif number in trainable and self.watch_variables:
                self.watch_handle(item.inputs[i])
                touched = True
        if touched:
            self.records.append(item)
            watched.update(item.output_ids)

    def watch_handle(self, handle: Any) -> None:
        """Follow a variable by its handle."""
        if handle._id not in self.watched:
            self.watched.add(handle._id)
            self.kept.append(handle)
        variable = trainable.get(handle._id)
        if variable is not None:
            self.variables.setdefault(handle._id, variable)


RESOURCE = dtypes.resource.as_datatype_enum


def push(tape: Tape) -> None:
    """Start recording on `tape`."""
    _stack.tapes.append(tape)
    _update()


def pop(tape: Tape) -> None:
    """Stop recording on `tape`."""
    _stack.tapes.remove(tape)
    _update()


@contextmanager
def only(tape: Tape) -> Iterator[Tape]:
    """Let only `tape` record inside the `with` block, and what computes tangents as calls run."""
    before = _stack.tapes
    _stack.tapes = [tape, *(t for t in before if t.forward)]
    _update()
    try:
        yield tape
    finally:
        _stack.tapes = before
        _update()


@contextmanager
def fresh() -> Iterator[None]:
    """Run what is inside as if no tape were there: calls from inside of a plan."""
    before = _stack.tapes, _stack.paused
    _stack.tapes, _stack.paused = [], 0
    _update()
    try:
        yield
    finally:
        _stack.tapes, _stack.paused = before
        _update()


@contextmanager
def without(tape: Any) -> Iterator[None]:
    """Let `tape` not record inside the `with` block."""
    before, _stack.tapes = _stack.tapes, [t for t in _stack.tapes if t is not tape]
    _update()
    try:
        yield
    finally:
        _stack.tapes = before
        _update()


def follows(tensor: Any) -> bool:
    """Return whether a tape follows `tensor`, or would, being a trainable variable."""
    return any(t.wants(tensor) for t in _stack.tapes)


def should_record(tensors: Iterable[Any]) -> bool:
    """Return whether calls on any of these tensors would now be written down."""
    return recording() and any(tape.wants(tensor) for tape in _stack.tapes for tensor in tensors)


def zeros_for(tensor: Any) -> Any:
    """Return zeros like an eager tensor."""
    return eager_constant(np.zeros(tensor._shape, tensor.dtype.stored), tensor.dtype)


def pause(by: int) -> None:
    """Stop (1) or go on (-1) with all recording of this thread."""
    _stack.paused += by
    _update()


def _update() -> None:
    runtime.set_recording(0 if _stack.paused else len(_stack.tapes))


def _hook(handle: Any, key: Any, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
    item = Record(definitions[handle], key, inputs, outputs)
    for tape in _stack.tapes:
        tape.record(item)


runtime.set_record_hook(_hook)


def recording() -> bool:
    """Return whether any tape records eager calls on this thread."""
    return bool(_stack.tapes) and not _stack.paused


def record(definition: Definition, attributes: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Write down a call that did not go through the plan cache."""
    if not _stack.paused and _stack.tapes:
        item = Record(definition, attributes, inputs, outputs)
        for tape in _stack.tapes:
            tape.record(item)


_gradient_calls: dict[Any, Any] = {}


def backward(tape: Tape, flows: dict[int, Any], sources: set[int]) -> dict[int, Any]:
    """Walk the records backwards from the adjoints `flows` (by tensor id); return the adjoints of `sources`."""
    reached = set(sources)
    relevant = []
    for item in tape.records:
        if not reached.isdisjoint(item.input_ids):
            relevant.append(item)
            reached.update(item.output_ids)
    for item in reversed(relevant):
        output_ids = item.output_ids
        if len(output_ids) == 1:
            if output_ids[0] not in flows:
                continue
            given: tuple[int, ...] = (0,)
        else:
            given = tuple(i for i, number in enumerate(output_ids) if number in flows)
            if not given:
                continue
        wanted = tuple([i for i, number in enumerate(item.input_ids) if number in reached])
        for i, adjoint in zip(wanted, _backward_one(item, given, wanted, flows), strict=True):
            if adjoint is not None:
                number = item.input_ids[i]
                flows[number] = adjoint if number not in flows else add_adjoints(flows[number], adjoint)
    return {i: flows[i] for i in sources if i in flows}


def _backward_one(
    item: Record, given: tuple[int, ...], wanted: tuple[int, ...], flows: dict[int, Any]
) -> Sequence[Any]:
    own = getattr(item.definition, "backward", None)
    dys = [flows[item.output_ids[i]] for i in given]
    if own is not None:
        answer = own(item, given, wanted, dys)
        if answer is not NotImplemented:
            return answer  # type: ignore[no-any-return]
    if dys[0].__class__ is IndexedSlices and item.definition.name in PASSES_ROWS:
        rows = dys[0]
        values = apply_flat(unary.cast, [rows.values], {"DstT": item.inputs[0].dtype, "Truncate": False})
        return [IndexedSlices(values, rows.indices, rows.dense_shape)]
    dys = [to_dense(d) if d.__class__ is IndexedSlices else d for d in dys]
    count = len(item.inputs)
    call = (item.definition, item.attributes, given, wanted, count, len(item.outputs))
    found = _gradient_calls.get(call)
    if found is None:
        attributes = item.attributes.items if item.attributes is not None else {}
        op = GradientOp(item.definition, attributes, given, wanted)
        words = {"input_count": count, "output_count": len(item.outputs)}
        found = _gradient_calls[call] = (op, handle_of(op), attributes_key(op, words), words)
    op, handle, key, words = found
    result = execute(handle, key, *item.inputs, *item.outputs, *dys)
    if result is NotImplemented:
        result = apply_flat(op, [*item.inputs, *item.outputs, *dys], words)
    if op.plain:
        return result if result.__class__ is tuple else (result,)
    return _adjoints(item, op, wanted, result)


def _adjoints(item: Record, op: GradientOp, wanted: tuple[int, ...], result: Any) -> list[Any]:
    flat = result if isinstance(result, tuple) else (result,)
    adjoints: list[Any] = []
    at = 0
    for count, i in zip(op.layout_of(flat), wanted, strict=True):
        if count == 2:
            source = item.inputs[i]
            shape = runtime.state_info(source)["value_shape"] if source._dtype == RESOURCE else source._shape
            adjoints.append(IndexedSlices(flat[at], flat[at + 1], shape))
        else:
            adjoints.append(flat[at] if count else None)
        at += count
    return adjoints


def to_dense(adjoint: Any) -> Any:
    """Return an adjoint as one tensor."""
    return adjoint.to_dense() if isinstance(adjoint, IndexedSlices) else adjoint


def add_adjoints(a: Any, b: Any) -> Any:
    """Return a + b; two sparse ones stay sparse."""
    if isinstance(a, IndexedSlices) and isinstance(b, IndexedSlices):
        return a.joined(b)
    key = attributes_key(math.add, {})
    result = execute(handle_of(math.add), key, to_dense(a), to_dense(b))
    return apply_flat(math.add, [to_dense(a), to_dense(b)], {}) if result is NotImplemented else result


def graph_gradient(
    graph: Any, nodes: Sequence[Node], targets: Sequence[Any], dys: Sequence[Any], sources: Sequence[Any]
) -> list[Any]:
    """Differentiate nodes of a graph; adjoints as symbolic tensors, IndexedSlices or None."""
    program = graph.program
    values = [graph.value_of(s) for s in sources]
    dys = [d.to_dense() if isinstance(d, IndexedSlices) else d for d in dys]
    ends = [graph.value_of(t) for t in targets]
    between = nodes_between(nodes, values, ends)
    if has_unknown_rank(between):
        connected = {v for n in between for v in n.inputs}
        late = late_gradient(graph, between, ends, dys, [v for v in values if v in connected])
        place = dict(zip([v for v in values if v in connected], late, strict=True))
        return [graph.tensor(place[v]) if v in place else None for v in values]
    with building(program):
        flows: dict[Value, Any] = {}
        for value, dy in zip(ends, dys, strict=True):
            flow = graph.value_of(dy) if dy is not None else full(value.shape, 1, value.dtype)
            flows[value] = flow if value not in flows else program.emit(ADD, (flows[value], flow), {})[0]
        found = reverse(nodes, flows, values)
        results: list[Any] = []
        for value in values:
            adjoint = found.get(value)
            if isinstance(adjoint, Slices):
                results.append(
                    IndexedSlices(graph.tensor(adjoint.values), graph.tensor(adjoint.indices), adjoint.shape)
                )
            else:
                results.append(None if adjoint is None else graph.tensor(dense(adjoint)))
    return results
