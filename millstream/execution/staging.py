"""The engine behind autograph: Python control flow on symbolic tensors becomes nodes of the graph being traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, nest
from millstream.base.errors import explain
from millstream.base.sizes import is_known
from millstream.base.spec import Spec
from millstream.execution import autograph, host
from millstream.execution.autograph.undefined import Missing
from millstream.execution.checking import assert_true
from millstream.execution.context import current_graph, tracing
from millstream.execution.control_flow import Traced, finish_cond, staged_loop
from millstream.execution.convert import constant_of, to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.func_graph import FuncGraph
from millstream.execution.specs import spec_of
from millstream.execution.staging_values import leaf_tensor, with_leaves
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import Tensor
from millstream.ops.registry import find


class Described:
    """Element type and shape of a leaf."""

    def __init__(self, spec: Spec) -> None:
        self.dtype = spec.dtype
        self.shape = spec.shape


class Staging:
    """Graph control flow, as `autograph.staging` asks for it."""

    def is_symbolic(self, value: Any) -> bool:
        """Whether `value` is a tensor of a graph being traced."""
        if isinstance(value, SymbolicTensor):
            return True
        # A variable in a graph has no value yet.
        return getattr(value, "_handle", None) is not None and current_graph() is not None and hasattr(value, "assign")

    def is_dataset(self, value: Any) -> bool:
        """Whether a `for` over `value` must be staged."""
        return current_graph() is not None and hasattr(value, "staged_loop")

    def describe(self, value: Any) -> Any:
        """Describe one leaf as the tensor that it is or would become; None where it cannot be one."""
        if isinstance(value, Tensor):
            return Described(spec_of(value))
        flow = getattr(value, "traced_flow", None)
        if flow is not None:
            return Described(Spec(dtypes.variant, ()))
        if value is None or isinstance(value, type) or (callable(value) and not hasattr(value, "__tf_tensor__")):
            return None
        if (
            not isinstance(value, (int, float, complex, bool, str, bytes, np.ndarray, np.generic))
            and not hasattr(value, "__tf_tensor__")
            and not hasattr(value, "_handle")
        ):
            return None
        try:
            return Described(spec_of(to_tensor(value)))
        except (TypeError, ValueError):
            return None

    def flatten(self, value: Any) -> list[Any]:
        """Return the leaves of a nested structure, those of composite tensors among them."""
        return nest.flatten(value, expand_composites=True)

    def assert_same_structure(self, first: Any, second: Any) -> None:
        """Raise where two structures differ."""
        nest.assert_same_structure(first, second, expand_composites=True)

    def cond(self, pred: Any, true_fn: Callable[[], list[Any]], false_fn: Callable[[], list[Any]]) -> list[Any]:
        """Stage a branch."""
        pred = self.truth(pred)
        outer = current_graph()
        assert outer is not None
        graphs = [FuncGraph(outer.own_name(name), outer) for name in ("cond_true", "cond_false")]
        results: list[list[Any]] = []
        for graph, function in zip(graphs, (true_fn, false_fn), strict=True):
            with tracing(graph):
                results.append(list(function()))
        fixed: dict[int, Any] = {}
        for i, (a, b) in enumerate(zip(*results, strict=True)):
            if isinstance(a, Missing) and isinstance(b, Missing):
                fixed[i] = a
            elif isinstance(a, Missing) or isinstance(b, Missing):
                which = 0 if isinstance(a, Missing) else 1
                with tracing(graphs[which]):
                    results[which][i] = self.zeros_like(results[1 - which][i])
        kept = [i for i in range(len(results[0])) if i not in fixed]
        branches = [Traced.finished(g, [r[i] for i in kept]) for g, r in zip(graphs, results, strict=True)]
        found = dict(zip(kept, finish_cond(pred, branches), strict=True))
        return [fixed[i] if i in fixed else found[i] for i in range(len(results[0]))]

    def truth(self, value: Any) -> Any:
        """Return a symbolic condition as a bool scalar."""
        return to_tensor(value)

    def while_loop(
        self,
        cond: Callable[..., Any],
        body: Callable[..., list[Any]],
        loop_vars: list[Any],
        shape_invariants: list[Any] | None,
        parallel_iterations: int | None,
        swap_memory: bool | None,
        maximum_iterations: Any,
    ) -> list[Any]:
        """Stage a loop over a list of values."""
        result = staged_loop(
            cond, body, list(loop_vars), shape_invariants, maximum_iterations, parallel_iterations or 10, "while"
        )
        return list(result)

    def probe(self, function: Callable[..., list[Any]], values: list[Any]) -> list[Any]:
        """Trace `function` in a graph that is thrown away."""
        graph = FuncGraph("probe", current_graph())
        flat = [leaf_tensor(v) for v in nest.flatten(values, expand_composites=True)]
        with tracing(graph):
            placeholders = [None if v is None else graph.placeholder(spec_of(v).with_value(None)) for v in flat]
            return list(function(*with_leaves(values, placeholders)))

    def zeros_like(self, value: Any) -> Any:
        """Return zeros of the structure, element types and shapes of `value`; unknown sizes count as one."""

        def zero(leaf: Any) -> Any:
            if leaf is None:
                return None
            spec = spec_of(leaf_tensor(leaf))
            if spec.dtype == dtypes.variant:
                return with_leaves(leaf, [leaf_tensor(leaf)])
            shape = [n if is_known(n) else 1 for n in spec.shape or ()]
            if spec.dtype == dtypes.string:
                return constant_of(np.full(shape, b"", object), spec.dtype)
            return constant_of(np.zeros(shape, spec.dtype.stored), spec.dtype)

        return nest.map_structure(zero, value, expand_composites=True)

    def iterate(self, value: Any) -> tuple[Any, Callable[[Any], Any]]:
        """Return how many elements a `for` over a tensor visits, and how to read the i-th."""
        if hasattr(value, "traced_flow"):
            return value.size(), value.read
        tensor = to_tensor(value)
        if tensor.shape.rank == 0:
            raise ValueError(explain("Cannot iterate over a scalar tensor."))
        return self._length(tensor), lambda i: apply(find("GatherV2"), tensor, i, constant_of(0, dtypes.int32))

    def _length(self, tensor: Any) -> Any:
        shape = tensor.shape
        if shape.rank is not None and shape[0] is not None:
            return constant_of(shape[0], dtypes.int32)
        sizes = apply(find("Shape"), tensor, out_type=dtypes.int32)
        return apply(find("GatherV2"), sizes, constant_of(0, dtypes.int32), constant_of(0, dtypes.int32))

    def shapes_may_vary(self, iterated: Any) -> bool:
        """Return whether the variables of a loop over a dataset or an iterator may change their shapes unasked."""
        return bool(iterated.shapes_may_vary)

    def for_dataset(
        self, iterated: Any, test: Callable[..., Any] | None, body: Callable[..., list[Any]], loop_vars: list[Any]
    ) -> list[Any]:
        """Stage a loop over a dataset."""
        return list(iterated.staged_loop(test, body, loop_vars))

    def dataset_element(self, iterated: Any) -> Any:
        """Return something like an element of a dataset, inside of `probe` only."""
        graph = current_graph()
        assert graph is not None
        specs = nest.flatten(iterated.element_spec, expand_composites=True)
        from millstream.execution.function_arguments import Kind, placeholder_specs

        kinds = [
            Kind(
                s.dtype,
                None
                if s.shape.rank is None
                else tuple(-1 - i if n is None else n for i, n in enumerate(s.shape.as_list())),
            )
            for s in specs
        ]
        placeholders = [graph.placeholder(spec) for spec in placeholder_specs(kinds)]
        return nest.pack_sequence_as(iterated.element_spec, placeholders, expand_composites=True)

    def range(self, start: Any, limit: Any, delta: Any) -> Any:
        """Return what a staged `for` over range() iterates."""
        parts = [start, limit, delta]
        dtype = next((p.dtype for p in parts if isinstance(p, Tensor)), dtypes.int32)
        return apply(find("Range"), *(to_tensor(p, None if isinstance(p, Tensor) else dtype) for p in parts))

    def logical_not(self, value: Any) -> Any:
        """Return the negation of a symbolic boolean."""
        return apply(find("LogicalNot"), to_tensor(value))

    def logical_and(self, first: Any, second: Any) -> Any:
        """Return whether both hold."""
        return apply(find("LogicalAnd"), to_tensor(first), to_tensor(second))

    def equal(self, first: Any, second: Any) -> Any:
        """Return whether two values are equal, element by element."""
        if isinstance(first, Tensor):
            return apply(find("Equal"), first, to_tensor(second, None if isinstance(second, Tensor) else first.dtype))
        return apply(find("Equal"), to_tensor(first, second.dtype), second)

    def assert_(self, condition: Any, message: Callable[[], Any] | None) -> None:
        """Stage a check."""
        assert_true(condition, [message()] if message is not None else ["assertion failed"])

    def print_(self, *values: Any, **words: Any) -> None:
        """Stage a print."""
        import sys

        words = {
            "output_stream": words.get("file") or sys.stdout,
            "sep": words.get("sep", " "),
            "end": words.get("end", "\n"),
        }
        host.print_values(values, words)

    def builtin(self, name: str, *arguments: Any, **words: Any) -> Any:
        """Do a Python builtin's work on symbolic arguments; NotImplemented asks for Python's own."""
        for argument in arguments:
            of_dataset = getattr(argument, "staged_builtin", None)
            if of_dataset is not None:
                return of_dataset(name, *arguments, **words)
        done = getattr(self, f"_builtin_{name}", None)
        return NotImplemented if done is None else done(*arguments, **words)

    def _builtin_abs(self, x: Any) -> Any:
        return apply(find("Abs"), to_tensor(x))

    def _builtin_float(self, x: Any = 0) -> Any:
        return apply(find("Cast"), to_tensor(x), DstT=dtypes.float32)

    def _builtin_int(self, x: Any = 0, base: Any = None) -> Any:
        return apply(find("Cast"), to_tensor(x), DstT=dtypes.int32)

    def _builtin_len(self, x: Any) -> Any:
        if hasattr(x, "traced_flow"):
            return x.size()
        if x.shape.rank == 0:
            raise ValueError(explain("len requires a tensor with at least one dimension, got a scalar."))
        known = None if x.shape.rank is None else x.shape[0]
        return self._length(x) if known is None else known

    def _reduced(self, op: str, x: Any) -> Any:
        return apply(find(op), to_tensor(x), constant_of(np.asarray([0], np.int32), dtypes.int32))

    def _extreme(self, reduce: str, pairwise: str, arguments: Sequence[Any], words: dict[str, Any]) -> Any:
        if words:
            return NotImplemented
        if len(arguments) == 1:
            return (
                self._reduced(reduce, arguments[0])
                if isinstance(arguments[0], Tensor)
                else self._extreme(reduce, pairwise, arguments[0], {})
            )
        dtype = next(a.dtype for a in arguments if isinstance(a, Tensor))
        result = to_tensor(arguments[0], None if isinstance(arguments[0], Tensor) else dtype)
        for other in arguments[1:]:
            result = apply(find(pairwise), result, to_tensor(other, None if isinstance(other, Tensor) else dtype))
        return result

    def _builtin_max(self, *arguments: Any, **words: Any) -> Any:
        return self._extreme("Max", "Maximum", arguments, words)

    def _builtin_min(self, *arguments: Any, **words: Any) -> Any:
        return self._extreme("Min", "Minimum", arguments, words)

    def _builtin_sum(self, x: Any, start: Any = 0) -> Any:
        if not isinstance(x, Tensor):
            return NotImplemented
        total = self._reduced("Sum", x)
        return (
            total
            if isinstance(start, int) and start == 0
            else apply(find("AddV2"), total, to_tensor(start, total.dtype))
        )

    def _builtin_all(self, x: Any) -> Any:
        return self._reduced("All", x) if isinstance(x, Tensor) else NotImplemented

    def _builtin_any(self, x: Any) -> Any:
        return self._reduced("Any", x) if isinstance(x, Tensor) else NotImplemented

    def _builtin_next(self, x: Any, *default: Any) -> Any:
        return x.get_next() if hasattr(x, "get_next") and not default else NotImplemented


def install() -> None:
    """Make this the engine behind converted code."""
    if autograph.installed() is None:
        autograph.install(Staging())
