"""Compute symbolic tensors at once where they need no argument of the function being traced: initial values of variables."""

from __future__ import annotations

from typing import Any

from millstream.backends.cpu.device import load
from millstream.base.errors import explain
from millstream.execution.specs import spec_of
from millstream.execution.symbolic import SymbolicTensor
from millstream.program.value import Node, Program, Value


def lifted(tensor: Any) -> Any:
    """Return the eager tensor that the symbolic `tensor` always is; ValueError where it depends on an argument."""
    graph = tensor.graph
    captured = {value: outside for outside, value in graph.captures.values()}
    nodes: dict[Node, None] = {}
    inputs: dict[Value, Any] = {}
    stack = [tensor.value]
    while stack:
        value = stack.pop()
        if value.node is None:
            if value not in captured:
                raise ValueError(
                    explain(
                        "Tensor-typed variable initializers must either be wrapped in an init_scope or callable (e.g., "
                        "`tf.Variable(lambda : tf.truncated_normal([10, 40]))`) when building functions. Please file a feature "
                        "request if this restriction inconveniences you."
                    )
                )
            inputs[value] = captured[value]
        elif value.node not in nodes:
            nodes[value.node] = None
            stack.extend(value.node.inputs)
    program = Program("initial_value")
    program.inputs = list(inputs)
    program.nodes = [n for n in graph.program.nodes if n in nodes]
    program.outputs = [tensor.value]
    arguments = tuple(lifted(t) if isinstance(t, SymbolicTensor) else t for t in inputs.values())
    return load(program, [spec_of(t) for t in arguments]).run(0, arguments)[0]
