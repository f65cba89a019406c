"""The cpu as a target of the compiler: what it claims, fuses and emits. The work is in the emitters, by family."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from millstream.backends.cpu.emitters import CLAIMS, EMITTERS, TAILS
from millstream.backends.cpu.tails import read_tail
from millstream.backends.cpu.updates import update_in_place
from millstream.base import dtypes, errors
from millstream.compiler.plan import FunctionWriter
from millstream.program.primitives.core import Primitive
from millstream.program.value import Node, Value

_NOT_FAMILIES = ("device", "emitters", "tails", "target", "tile_program", "updates")

for _module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    if _module.name not in _NOT_FAMILIES and not _module.name.endswith("_test"):
        importlib.import_module(f"millstream.backends.cpu.{_module.name}")


class CpuTarget:
    """Writes plans for the Millstream runtime."""

    name = "cpu"

    def claims(self, node: Node) -> bool:
        claim = CLAIMS.get(node.definition.name)
        return claim is not None and claim(node)

    def fuses(self, node: Node) -> bool:
        definition = node.definition
        return isinstance(definition, Primitive) and definition.elementwise and node.outputs[0].dtype != dtypes.string

    def emit(self, node: Node, writer: FunctionWriter) -> None:
        emitter = EMITTERS.get(node.definition.name)
        if emitter is None:
            raise errors.UnimplementedError(
                None, None, f"The cpu back end has no kernel for {node.definition.name} on {node.inputs}."
            )
        emitter(node, writer)

    def takes(self, node: Node, tail: Sequence[Node]) -> bool:
        return node.definition.name in TAILS and read_tail(node, tail) is not None

    def emit_with_tail(self, node: Node, tail: Sequence[Node], writer: FunctionWriter) -> None:
        read = read_tail(node, tail)
        assert read is not None
        TAILS[node.definition.name](node, read, writer)

    def emit_fused(self, nodes: Sequence[Node], outputs: Sequence[Value], writer: FunctionWriter) -> None:
        from millstream.backends.cpu.elementwise import emit_fused

        emit_fused(nodes, outputs, writer)

    def finish(self, writer: FunctionWriter) -> None:
        update_in_place(writer)


CPU = CpuTarget()
