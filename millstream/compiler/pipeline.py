"""List the passes in order, from a graph or program to the bytes of a plan."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from millstream.base import errors
from millstream.base.flags import flags
from millstream.base.sizes import Symbol, fresh_symbol, is_known, symbols
from millstream.base.spec import Spec
from millstream.compiler import passes
from millstream.compiler.expand import ExpandedProgram, expand
from millstream.compiler.fuse import Group, fuse
from millstream.compiler.memory import plan_memory
from millstream.compiler.plan import INPUT, FunctionWriter, ModuleWriter
from millstream.compiler.prune import prune
from millstream.compiler.recompute import recompute
from millstream.compiler.share import share
from millstream.compiler.state import forward_state
from millstream.compiler.target import Target
from millstream.program.primitives.control import programs_of
from millstream.program.primitives.shaping import CONSTANT as CONSTANT_PRIMITIVE
from millstream.program.printer import to_text
from millstream.program.value import Program


def compile_program(
    program: Program, specs: Sequence[Spec], target: Target, *, show: frozenset[str] = frozenset()
) -> bytes:
    """Return the plan of `program` for inputs of `specs` on `target`. `show` (graph, program, memory) prints a stage."""
    module = ModuleWriter()
    add_function(module, program, specs, target, show=show)
    return module.bytes()


def add_function(
    module: ModuleWriter, program: Program, specs: Sequence[Spec], target: Target, *, show: frozenset[str] = frozenset()
) -> int:
    """Compile `program` into `module`; return the index of its function."""
    if "graph" in show:
        print(to_text(program), file=sys.stderr)
    expanded = lower(program, specs, target)
    if "program" in show:
        print(to_text(expanded), file=sys.stderr)
    index = write_function(module, expanded, target)
    if "memory" in show:
        from millstream.compiler.peak import describe_peak

        print(describe_peak(module.functions[index]), file=sys.stderr)
    return index


def lower(program: Program, specs: Sequence[Spec], target: Target) -> ExpandedProgram:
    """Run the passes that end in primitives and claimed ops."""
    expanded: ExpandedProgram = passes.run("expand", lambda p: expand(p, specs, target.claims), program)  # type: ignore[assignment]
    tidy(expanded)
    passes.run("recompute", recompute, expanded)
    return expanded


def tidy(program: Program) -> None:
    """Run the passes that shorten a program of primitives, in the programs inside it, too."""
    if passes.run("forward_state", forward_state, program):
        passes.run("share", share, program)
    for name, change in passes.settings().added:
        passes.run(name, change, program)
    passes.run("prune", prune, program)
    for node in program.nodes:
        for inner in programs_of(node.definition, node.attributes):
            tidy(inner)


def write_function(module: ModuleWriter, program: Program, target: Target) -> int:
    """Write a program of primitives as one function of the module; return its index."""
    writer = FunctionWriter(module, program.name)
    index = len(module.functions)
    module.functions.append(writer)
    bound = {n for v in program.inputs for n in v.spec.shape or () if isinstance(n, Symbol)}
    for position, value in enumerate(program.inputs):
        slot = writer.slot(_entering(value.spec, bound), INPUT, position)
        writer.places[value] = slot
        writer.inputs.append(slot)
    begun = time.perf_counter()
    groups = fuse(program, target.fuses, target.takes)
    if "passes" in flags().show:
        passes.tell("fuse, absorb", program.name, f"{len(program.nodes)} nodes -> {len(groups)} groups", begun)
    for group in groups:
        _write_group(group, writer, target)
    writer.source = None
    writer.outputs = [writer.place(v) for v in program.outputs]
    if passes.is_on("update"):
        target.finish(writer)
    plan_memory(writer)
    return index


def _entering(spec: Spec, bound: set[Symbol]) -> Spec:
    """Return the spec of an input: sizes made of symbols that no input's shape binds are not known yet when it is given."""
    if spec.shape is None or all(is_known(n) or symbols(n) <= bound for n in spec.shape):
        return spec
    return spec.with_shape(
        tuple(n if is_known(n) or symbols(n) <= bound else fresh_symbol("given") for n in spec.shape)
    )


def _write_group(group: Group, writer: FunctionWriter, target: Target) -> None:
    node = group.nodes[-1]
    writer.source = node.source
    if group.fused:
        # Without the pass "prune" there are chains that nobody reads.
        if group.outputs:
            target.emit_fused(group.nodes, group.outputs, writer)
        return
    if len(group.nodes) > 1:
        target.emit_with_tail(group.nodes[0], group.nodes[1:], writer)
        return
    for value in node.inputs:
        if value not in writer.places and (value.node is None or value.node.definition is not CONSTANT_PRIMITIVE):
            raise errors.InternalError(None, None, f"{node!r} reads {value!r}, which no instruction makes.")
    target.emit(node, writer)
