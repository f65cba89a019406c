"""Reverse rules of TensorFlow's ops that run functions. A differentiated one becomes the primitive that it means, in place."""

from __future__ import annotations

from typing import Any

from millstream.autodiff.control import CONTROL_RULES, Flows, branch_index, reverse_branch, reverse_call
from millstream.autodiff.loops import reverse_loop
from millstream.autodiff.split import Reverse
from millstream.program.value import Node, Program, Value


def _reverse_while(node: Node, flows: Flows, reached: set[Value], reverse: Reverse) -> Flows:
    condition, body = node.attributes["cond"], node.attributes["body"]
    return reverse_loop(node, condition, body, len(body.inputs), flows, reached, reverse)


def _reverse_if(node: Node, flows: Flows, reached: set[Value], reverse: Reverse) -> Flows:
    programs = (node.attributes["else_branch"], node.attributes["then_branch"])
    return reverse_branch(node, branch_index(node, node.inputs[0]), programs, flows, reached, reverse)


def _reverse_case(node: Node, flows: Flows, reached: set[Value], reverse: Reverse) -> Flows:
    return reverse_branch(node, node.inputs[0], node.attributes["branches"], flows, reached, reverse)


def _reverse_call_op(node: Node, flows: Flows, reached: set[Value], reverse: Reverse) -> Flows:
    definition, attributes = node.definition, node.attributes

    def rebuilt(program: Program) -> tuple[Any, dict[str, Any]]:
        return definition, {**attributes, "f": program, "Tout": tuple(v.dtype for v in program.outputs)}

    return reverse_call(node, attributes["f"], rebuilt, flows, reached, reverse)


CONTROL_RULES.update(
    {
        "While": _reverse_while,
        "StatelessWhile": _reverse_while,
        "If": _reverse_if,
        "StatelessIf": _reverse_if,
        "Case": _reverse_case,
        "StatelessCase": _reverse_case,
        "PartitionedCall": _reverse_call_op,
        "StatefulPartitionedCall": _reverse_call_op,
    }
)
