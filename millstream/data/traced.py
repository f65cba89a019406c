"""Functions that users give to datasets: traced once, run as plans. What they capture of an outer trace is bound per call."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.autodiff.split import acts
from millstream.base import nest
from millstream.base.errors import explain
from millstream.base.specs import TensorSpec
from millstream.data.leaves import component_specs, components, is_plain, leaf_specs, leaves_of, normalized, spec_of
from millstream.data.native import is_transparent
from millstream.data.stage import Element, Scope
from millstream.execution import staging
from millstream.execution.autograph.conversion import convert_as_here
from millstream.execution.function import Function
from millstream.execution.program_call import call_program
from millstream.execution.staging_values import leaf_tensor
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor


class Traced:
    """A function from elements to a structure, with the specs of both."""

    def __init__(self, function: Callable[..., Any], spec: Any, stage: str, *, unpack: bool = True) -> None:
        self.stage = stage
        self.input_specs = leaf_specs(spec)
        staging.install()
        converted = convert_as_here(function)
        found: list[Any] = []

        def body(*tensors: Any) -> Any:
            leaves = leaves_of(self.input_specs, tensors)
            element = nest.pack_sequence_as(spec, leaves)
            given = element if unpack and type(element) is tuple else (element,)
            result = converted(*given)
            result = tuple(result) if isinstance(result, list) else result
            try:
                result = normalized(result)
                self.spec = spec_of(result)
            except (TypeError, ValueError) as error:
                raise TypeError(
                    explain(f"Unsupported return value from function passed to Dataset.{stage}(): {result}.")
                ) from error
            flat: list[Any] = []
            self.templates: dict[int, tuple[Any, list[Any]]] = {}
            for i, (s, leaf) in enumerate(zip(leaf_specs(self.spec), nest.flatten(result), strict=True)):
                parts = self._dataset_parts(i, s, leaf)
                flat.extend(components(s, leaf) if parts is None else parts)
            found.append(result)
            return tuple(leaf_tensor(t) if not isinstance(t, Tensor) else t for t in flat)

        specs = [TensorSpec(c.shape, c.dtype) for s in self.input_specs for c in component_specs(s)]
        traced = Function(body, name=getattr(function, "__name__", "map"), autograph=False)
        self.concrete = traced.get_concrete_function(*specs)
        self.output_specs = leaf_specs(self.spec)
        self.captured: tuple[Any, ...] = tuple(self.concrete._captured)
        self.tensors_in = is_plain(spec)
        self.tensors_out = is_plain(self.spec)
        self._start()

    def _start(self) -> None:
        self._cache = runtime.CallCache(self._miss)

    def _dataset_parts(self, index: int, spec: Any, leaf: Any) -> list[Any] | None:
        """Keep the stages of a dataset that the function made; its tensors are outputs."""
        stage = getattr(leaf, "_stage", None)
        if stage is None:
            return None
        parts = stage.symbolic()
        self.templates[index] = (leaf, parts)
        return list(parts)

    def _miss(self, *tensors: Any) -> Any:
        inputs = (*tensors, *self.captured)
        if self.concrete.op.late is not None:
            return call_program(self.concrete.op, inputs)
        plan = self.concrete.plan(inputs)
        self._cache.add(tensors, plan, 0, self.captured, False)
        return plan.run(0, inputs)

    def is_identity(self) -> bool:
        """Whether the function gives what it is given, and does nothing."""
        program = self.concrete.graph.program
        return program.outputs == program.inputs and not program.nodes and not self.templates

    def symbolic(self) -> list[SymbolicTensor]:
        """Return what the function captured of a trace around it."""
        return [t for t in self.captured if isinstance(t, SymbolicTensor)]

    def bound(self, known: dict[int, Any]) -> Traced:
        """Return the function with values in the place of what it captured of a trace."""
        if not any(id(t) in known for t in self.captured):
            return self
        result = copy.copy(self)
        result.captured = tuple(known.get(id(t), t) for t in self.captured)
        result._start()
        return result

    def mapped(self, scope: Scope) -> Any:
        """Return the function for readers of the runtime; None where Python must pack what goes in or comes out."""
        if (
            self.templates
            or self.concrete.op.lists
            or self.concrete.op.late is not None
            or not (is_transparent(self.input_specs) and is_transparent(self.spec))
        ):
            return None
        draws = self.drawing(scope) is not self

        def compiled(*tensors: Any) -> tuple[Any, tuple[Any, ...]]:
            return self.concrete.plan((*tensors, *self.captured)), self.captured

        compiled.scope = scope  # type: ignore[attr-defined]  # its random streams go with the last who holds it
        return runtime.make_mapped_function(compiled, scope.number if draws else 0, draws)

    def unshared(self) -> Traced:
        """Return the function for one iterator; see `Stage.unshared`."""
        if not self.templates:
            return self
        result = copy.copy(self)
        result.templates = {
            i: (made._with_stage(made._stage.unshared()), parts) for i, (made, parts) in self.templates.items()
        }
        return result

    def drawing(self, scope: Scope) -> Callable[[Element], Element]:
        """Return the function with random streams of its own; itself where it has no effects."""
        if self.acts is None:
            self.acts = any(acts(node) for node in self.concrete.graph.program.nodes)
        if not self.acts:
            return self

        def call(leaves: Element) -> Element:
            before = runtime.set_random_scope(scope.number)
            try:
                return self(leaves)
            finally:
                runtime.set_random_scope(before)

        return call

    acts: bool | None = None

    def __call__(self, leaves: Element) -> Element:
        """Return the leaves of the result."""
        if self.tensors_in:
            found = self._cache(*leaves)
        else:
            found = self._cache(
                *(c for s, leaf in zip(self.input_specs, leaves, strict=True) for c in components(s, leaf))
            )
        if self.tensors_out:
            return found  # type: ignore[no-any-return]
        return self._packed(found)

    def _packed(self, tensors: Sequence[Any]) -> Element:
        for i, element in self.concrete.op.lists:
            tensors[i].element_spec = element
        at, result = 0, []
        for i, spec in enumerate(self.output_specs):
            if i in self.templates:
                dataset, parts = self.templates[i]
                known = {id(p): t for p, t in zip(parts, tensors[at : at + len(parts)], strict=True)}
                result.append(dataset._with_stage(dataset._stage.bound(known)))
                at += len(parts)
                continue
            count = len(component_specs(spec))
            result.extend(leaves_of([spec], tensors[at : at + count]))
            at += count
        return tuple(result)
