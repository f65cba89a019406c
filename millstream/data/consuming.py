"""What reads a dataset to its end at once: reduce and get_single_element; now, or when the graph being traced runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream import _runtime as runtime
from millstream.base import dtypes, nest
from millstream.base.shapes import to_spec_shape
from millstream.base.spec import Spec
from millstream.base.specs import TensorSpec
from millstream.data.leaves import component_specs, components, leaf_specs, leaves_of
from millstream.data.options import Options
from millstream.data.stage import Run, Scope, Stage, refused
from millstream.data.traced import Traced
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, tracing
from millstream.execution.convert import to_tensor
from millstream.program.primitives.control import HOST_CALL


def when_run(spec: Any, known: list[Any], function: Callable[..., list[Any]]) -> Any:
    """Return the structure `spec` of what `function` makes of tensors of the trace: now, or each time the graph runs."""
    graph = current_graph()
    assert graph is not None
    specs = leaf_specs(spec)
    parts = [c for s in specs for c in component_specs(s)]

    def call(*tensors: Any) -> tuple[Any, ...]:
        with tracing(None), tapes.fresh():
            leaves = function(*tensors)
            return tuple(c for s, leaf in zip(specs, leaves, strict=True) for c in components(s, leaf))

    handle = runtime.make_host(call)
    outputs = tuple(Spec(p.dtype, to_spec_shape(p.shape, "n")) for p in parts)
    found = graph.create(HOST_CALL, [handle, *known], {"outputs": outputs})
    return nest.pack_sequence_as(spec, leaves_of(specs, list(found)))


def computed(
    stage: Stage, functions: list[Traced], extra: list[Any], spec: Any, compute: Callable[..., list[Any]]
) -> Any:
    """Return what `compute(stage, functions, extra)` gives: at once, or with the values that tensors have when a graph runs."""
    if current_graph() is None:
        with tracing(None), tapes.fresh():
            return nest.pack_sequence_as(spec, compute(stage, functions, extra))
    symbolic = [*stage.symbolic(), *(t for f in functions for t in f.symbolic())]

    def run(*tensors: Any) -> list[Any]:
        given, values = tensors[: len(symbolic)], list(tensors[len(symbolic) :])
        known = {id(s): t for s, t in zip(symbolic, given, strict=True)}
        return compute(stage.bound(known), [f.bound(known) for f in functions], values)

    return when_run(spec, [*symbolic, *extra], run)


def reduced(stage: Stage, options: Options, state: Any, spec: Any, function: Traced) -> Any:
    """Return the last state."""
    flat = [c for s, leaf in zip(leaf_specs(spec), nest.flatten(state), strict=True) for c in components(s, leaf)]

    def compute(bound: Stage, functions: list[Traced], values: list[Any]) -> list[Any]:
        run = Run(options)
        reader = bound.unshared().reader(run)
        held = tuple(leaves_of(leaf_specs(spec), values))
        fold = functions[0].drawing(Scope())
        while True:
            try:
                element = run.draw(reader)
            except StopIteration:
                return list(held)
            held = fold((*held, *element))

    return computed(stage, [function], flat, spec, compute)


def single_element(stage: Stage, options: Options) -> Any:
    """Return the only element."""

    def compute(bound: Stage, functions: list[Traced], values: list[Any]) -> list[Any]:
        run = Run(options)
        reader = bound.unshared().reader(run)
        try:
            element = run.draw(reader)
        except StopIteration:
            raise refused("Dataset was empty. [Op:DatasetToSingleElement]") from None
        try:
            run.draw(reader)
        except StopIteration:
            return list(element)
        raise refused("Dataset had more than one element. [Op:DatasetToSingleElement]")

    return computed(stage, [], [], stage.spec, compute)


def count_now(stage: Stage) -> Any:
    """Return the number of elements as an int64 tensor."""
    if current_graph() is None or not stage.symbolic():
        return to_tensor(stage.count(), dtypes.int64)
    symbolic = stage.symbolic()

    def count(*tensors: Any) -> list[Any]:
        known = {id(s): t for s, t in zip(symbolic, tensors, strict=True)}
        return [to_tensor(stage.bound(known).count(), dtypes.int64)]

    return when_run(TensorSpec([], dtypes.int64), list(symbolic), count)
