"""Check that a program holds together: what each node reads was made before it, and its outputs are what it says."""

from __future__ import annotations

from millstream.base.errors import InternalError
from millstream.base.sizes import is_known
from millstream.base.spec import Spec
from millstream.program.primitives.control import programs_of
from millstream.program.value import Node, Program, UnknownRank, Value


def verify(program: Program, after: str = "") -> None:
    """Raise InternalError, which names the pass `after` which this was found, where a program does not hold together."""
    made: set[Value] = set(program.inputs)
    for node in program.nodes:
        for value in node.inputs:
            if value not in made:
                raise _wrong(program, after, f"{node!r} reads {value!r}, which nothing before it makes")
        for value in node.outputs:
            if value in made:
                raise _wrong(program, after, f"{node!r} is there twice")
            if value.node is not node:
                raise _wrong(program, after, f"{value!r} does not know that {node!r} makes it")
        _check_specs(program, node, after)
        made.update(node.outputs)
        for inner in programs_of(node.definition, node.attributes):
            verify(inner, after)
    for value in program.outputs:
        if value not in made:
            raise _wrong(program, after, f"the output {value!r} is never made")


def _check_specs(program: Program, node: Node, after: str) -> None:
    try:
        specs = node.definition.infer_values(node.inputs, node.attributes)
    except UnknownRank:
        return
    if len(specs) != len(node.outputs):
        raise _wrong(program, after, f"{node!r} has {len(node.outputs)} outputs, and gives {len(specs)}")
    for value, spec in zip(node.outputs, specs, strict=True):
        if not _agree(value.spec, spec):
            raise _wrong(program, after, f"{node!r} says {value.spec}, and gives {spec}")


def _agree(said: Spec, given: Spec) -> bool:
    if said.dtype != given.dtype:
        return False
    if said.shape is None or given.shape is None:
        return True
    return len(said.shape) == len(given.shape) and all(
        a == b or not is_known(a) or not is_known(b) for a, b in zip(said.shape, given.shape, strict=True)
    )


def _wrong(program: Program, after: str, what: str) -> InternalError:
    where = f" after the pass {after!r}" if after else ""
    return InternalError(None, None, f"The program {program.name!r} does not hold together{where}: {what}.")
