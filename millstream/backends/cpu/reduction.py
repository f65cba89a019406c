"""Write the instructions of reductions: tile programs whose output is reduced."""

from __future__ import annotations

from millstream.backends.cpu.elementwise import dense_strides
from millstream.backends.cpu.emitters import emits
from millstream.backends.cpu.tile_program import TileProgram
from millstream.compiler.plan import FunctionWriter
from millstream.program.value import Node


def iteration_order(rank: int, axes: tuple[int, ...]) -> tuple[list[int], tuple[int, int]]:
    """Return the order of iteration over the axes, and which of them, as a range, are reduced."""
    if axes == tuple(range(axes[0], axes[0] + len(axes))):
        return list(range(rank)), (axes[0], axes[0] + len(axes))
    kept = [i for i in range(rank) if i not in axes]
    return [*kept, *axes], (len(kept), rank)


@emits("reduce")
def _reduce(node: Node, writer: FunctionWriter) -> None:
    x = node.inputs[0]
    order, reduced = iteration_order(x.rank, node.attributes["axes"])
    strides = dense_strides(x.shape)
    tile = TileProgram([x.shape[i] for i in order], reduced)
    tile.output(tile.input(x.dtype.as_datatype_enum, [strides[i] for i in order]), None, node.attributes["kind"])
    writer.instruction(tile.kernel, [writer.place(x)], [writer.place(node.outputs[0])], tile.operands())
