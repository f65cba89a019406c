"""Functions of tensors of unknown rank that are written for known ranks: one node, traced when the ranks are there.

Refuses to be written to files: there is no op for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millstream.autodiff.reverse import by_position, flowing
from millstream.base.dtypes import DType
from millstream.base.errors import UnimplementedError
from millstream.base.spec import Spec
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, tracing
from millstream.execution.dispatch import apply_flat
from millstream.execution.func_graph import FuncGraph
from millstream.execution.program_call import FunctionOp
from millstream.program.primitives.shaping import constant
from millstream.program.value import Definition, Node, Value, current_program


class ByRank(Definition):
    """Calls a function of tensors, which gives one, as soon as their ranks are known."""

    effects = False

    def __init__(self, name: str, function: Callable[..., Any], dtype: DType) -> None:
        self.name = name
        self.function = function
        self.dtype = dtype

    def _traced(self, specs: Sequence[Spec]) -> tuple[FunctionOp, list[Any]]:
        """Return what the function does with tensors of known ranks, and what it takes besides them."""
        graph = FuncGraph(self.name)
        with tracing(graph), tapes.fresh():
            placeholders = [graph.placeholder(spec) for spec in specs]
            outputs = [graph.value_of(self.function(*placeholders))]
        captured = graph.external_captures()
        program = graph.program
        program.inputs = [*(p.value for p in placeholders), *(v for _, v in captured)]
        program.outputs = outputs
        return FunctionOp(program), [t for t, _ in captured]

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        """Return what is known: the element type, and the shape where the ranks are known."""
        if any(s.shape is None for s in inputs):
            return (Spec(self.dtype, None),)
        op, _ = self._traced(inputs)
        return op.infer([*inputs, *(v.spec for v in op.program.inputs[len(inputs) :])], attributes)

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        """Emit a call of the traced function."""
        if any(v.spec.shape is None for v in inputs):
            raise UnimplementedError(
                None,
                None,
                f"{self.name} of a tensor of unknown rank has no op in a file: {', '.join(str(v.spec) for v in inputs)}. State the "
                "rank with tf.ensure_shape.",
            )
        op, captured = self._traced([v.spec for v in inputs])
        return op.run_body([*inputs, *(constant(t.numpy(), t.dtype) for t in captured)], {})

    def reverse_rule(self, node: Node, flows: Any, reached: set[Value], again: Any) -> Any:
        """Reverse the traced function, called again."""
        program = current_program()
        start = len(program.nodes)
        outputs = self.run_body(node.inputs, node.attributes)
        return by_position(again(program.nodes[start:], flowing(outputs, flows), node.inputs), node.inputs)


def takes_any_rank(
    name: str, count: int = 1, dtype: Callable[[DType], DType] = lambda given: given
) -> Callable[[Any], Any]:
    """Decorate a function of `count` tensors and more: where a tensor of a trace has no rank yet, the function waits for it.

    It gives one tensor; `dtype` says its element type, given that of the first argument.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*arguments: Any) -> Any:
            tensors = arguments[:count]
            if current_graph() is None or all(t.shape.rank is not None for t in tensors):
                return function(*arguments)
            later = ByRank(name, lambda *given: function(*given, *arguments[count:]), dtype(tensors[0].dtype))
            return apply_flat(later, list(tensors), {})

        return called

    return decorate
