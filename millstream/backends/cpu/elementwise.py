"""Write fused instructions: chains of elementwise primitives as one tile program, and the reductions at their ends."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np

from millstream.backends.cpu.emitters import emits
from millstream.backends.cpu.tile_program import Register, TileProgram
from millstream.base.sizes import Size, equal, is_known
from millstream.compiler.fuse import coordinate
from millstream.compiler.plan import FunctionWriter
from millstream.program.primitives.reduction import REDUCE
from millstream.program.primitives.shaping import BROADCAST, CONSTANT, SLICE
from millstream.program.value import Node, Value


def dense_strides(shape: Sequence[Size]) -> list[Size]:
    """Return the element strides of a row-major array."""
    strides: list[Size] = []
    step: Size = 1
    for n in reversed(shape):
        strides.insert(0, step)
        step = step * n
    return strides


def read_strides(value: Value, placed: Container[Value] = ()) -> tuple[Value, list[Size], Size]:
    """Return what has the bytes of `value`, its strides along the axes of `value`, and its first element.

    Broadcasts repeat with stride 0. Slices that no instruction made, those not among `placed`, are read where they lie.
    """
    node = value.node
    if node is not None and node.definition is SLICE and value not in placed:
        source, inner, first = read_strides(node.inputs[0], placed)
        first = first + sum(a * s for a, s in zip(node.attributes["start"], inner, strict=True))
        return source, [s * n for s, n in zip(inner, node.attributes["stride"], strict=True)], first
    if node is None or node.definition is not BROADCAST:
        return value, dense_strides(value.shape), 0
    source, inner, first = read_strides(node.inputs[0], placed)
    strides: list[Size] = [0] * value.rank
    for axis, (n, stride) in enumerate(zip(node.inputs[0].shape, inner, strict=True)):
        wide = node.attributes["axes"][axis]
        m = node.attributes["shape"][wide]
        if n == 1 and m != 1:
            continue
        # Where only running tells whether the size is 1, the stride is computed then.
        repeats: Size = 0 if n == m or is_known(n) else equal(n, 1) * (1 - equal(m, 1))
        strides[wide] = stride * (1 - repeats)
    return source, strides, first


class Chain:
    """Build the tile program of a chain of nodes over one iteration space."""

    def __init__(self, shape: Sequence[Size], writer: FunctionWriter, reduced: tuple[int, int] | None = None) -> None:
        self.shape = tuple(shape)
        self.writer = writer
        self.tile = TileProgram(list(shape), reduced)
        self.registers: dict[Value, Register] = {}
        self.inputs: list[int] = []
        self.order: Sequence[int] | None = None
        """The axes in the order in which they are walked; None for their own."""

    def read(self, value: Value) -> Register:
        """Return the register of a value: a step's result, a constant, or an input."""
        known = self.registers.get(value)
        if known is not None:
            return known
        source, strides, first = read_strides(value, self.writer.places)
        dtype = value.dtype.as_datatype_enum
        axis = coordinate(value)
        node = source.node
        if node is not None and node.definition is CONSTANT and node.attributes["value"].size == 1:
            data = np.ascontiguousarray(node.attributes["value"]).tobytes()
            register = self.tile.constant(dtype, data)
        elif axis is not None and source not in self.writer.places:
            register = self.tile.iota(axis if self.order is None else list(self.order).index(axis), dtype)
        elif source in self.registers and strides == dense_strides(source.shape) and source.shape == value.shape:
            register = self.registers[source]
        else:
            slot = self.place_constant(source)
            order = range(len(strides)) if self.order is None else self.order
            register = self.tile.input(dtype, [strides[i] for i in order], first)
            self.inputs.append(slot)
        self.registers[value] = register
        return register

    def place_constant(self, value: Value) -> int:
        """Return the slot of a value."""
        return self.writer.place(value)

    def apply(self, node: Node) -> None:
        """Add one node's step."""
        operands = [self.read(v) for v in node.inputs]
        name, output = node.definition.name, node.outputs[0]
        dtype = output.dtype.as_datatype_enum
        if name == "compare":
            register = self.tile.compare(node.attributes["direction"], *operands)
        elif name == "convert":
            register = self.tile.convert(dtype, operands[0])
        elif name == "popcnt":
            register = self.tile.convert(dtype, self.tile.apply(name, operands[0].dtype, *operands))
        elif name == "select":
            register = self.tile.select(*operands)
        else:
            register = self.tile.apply(name, dtype, *operands)
        self.registers[output] = register


def emit_fused(nodes: Sequence[Node], outputs: Sequence[Value], writer: FunctionWriter) -> None:
    """Write one instruction for `nodes`, reductions of their results among them; `outputs` are what others need."""
    reductions = {n.outputs[0]: n for n in nodes if n.definition is REDUCE}
    first = next((n.outputs[0] for n in nodes if n.definition is not REDUCE), None)
    shape = first.shape if first is not None else nodes[0].inputs[0].shape
    chain = Chain(shape, writer)
    if reductions:
        _reduce_over(chain, next(iter(reductions.values())).attributes["axes"], all(v in reductions for v in outputs))
    for node in nodes:
        if node.definition is not REDUCE:
            chain.apply(node)
    slots = []
    for value in outputs:
        if value in reductions:
            node = reductions[value]
            chain.tile.output(chain.read(node.inputs[0]), kind=node.attributes["kind"])
        else:
            chain.tile.output(chain.registers[value])
        slots.append(writer.place(value))
    writer.instruction(chain.tile.kernel, chain.inputs, slots, chain.tile.operands())


def _reduce_over(chain: Chain, axes: Sequence[int], may_turn: bool) -> None:
    """Make `chain` reduce over `axes`; where they do not lie together, it walks the axes in another order."""
    kept = [i for i in range(len(chain.shape)) if i not in axes]
    if tuple(axes) == tuple(range(axes[0], axes[-1] + 1)):
        order = list(range(len(chain.shape)))
    else:
        assert may_turn
        order = [*(i for i in kept if i < axes[-1]), *axes, *(i for i in kept if i > axes[-1])]
        chain.order = order
    begin = order.index(axes[0])
    chain.tile = TileProgram([chain.shape[i] for i in order], (begin, begin + len(axes)))


@emits("iota")
def _iota(node: Node, writer: FunctionWriter) -> None:
    value = node.outputs[0]
    tile = TileProgram(list(value.shape))
    tile.output(tile.iota(node.attributes["axis"], value.dtype.as_datatype_enum))
    writer.instruction("fused", [], [writer.place(value)], tile.operands())
