"""Write the instructions that read and write variables. Scatter updates change the variable's own bytes in place."""

from __future__ import annotations

from millstream.backends.cpu.emitters import claims, emits, simple
from millstream.base.spec import Spec
from millstream.compiler.plan import ALIAS, BINDING, HEAP, FunctionWriter
from millstream.program.value import Node

simple("is_set", "state_is_set")


def _held_slot(spec: Spec, writer: FunctionWriter) -> int:
    """A slot that the kernel fills: where the variable leaves sizes open, it decides them, too."""
    return writer.slot(spec, HEAP, 0, 0 if spec.is_static else BINDING)


@emits("read")
def _read(node: Node, writer: FunctionWriter) -> None:
    value = node.outputs[0]
    writer.places[value] = _held_slot(value.spec, writer)
    writer.instruction("state_read", [writer.place(node.inputs[0])], [writer.places[value]])


@emits("write")
def _write(node: Node, writer: FunctionWriter) -> None:
    handle, value = (writer.place(v) for v in node.inputs)
    writer.instruction("state_write", [handle, value], [])


# The kernel's numbers of the ways to combine.
KINDS = {"set": 0, "add": 1, "sub": 2, "max": 3, "min": 4, "multiply": 5, "divide": 6}


def _can_edit(node: Node) -> bool:
    """Whether the sizes are known, so that the update can go straight into the variable's bytes."""
    held, indices, updates = node.inputs[0].spec.handle, node.inputs[1].spec, node.inputs[2].spec
    return (
        held is not None
        and held.is_static
        and indices.is_static
        and updates.is_static
        and held.dtype == updates.dtype
        and not held.dtype.is_bool
    )


def _editing(name: str, kind: str, rows: bool) -> None:
    """Register the scatter op `name`; with `rows` each index picks a row, else the last axis of indices is one place."""

    def emitter(node: Node, writer: FunctionWriter) -> None:
        handle, indices, updates = node.inputs
        held = handle.spec.handle
        assert held is not None
        assert indices.spec.shape is not None
        own = _held_slot(held, writer)
        writer.instruction("state_edit", [writer.place(handle)], [own])
        place = writer.place(indices)
        if rows:
            place = writer.slot(Spec(indices.dtype, (*indices.spec.shape, 1)), ALIAS, place)
        changed = writer.slot(held, ALIAS, own)
        writer.instruction("scatter_nd", [own, place, writer.place(updates)], [changed], [KINDS[kind], int(rows)])

    claims(name)(_can_edit)
    emits(name)(emitter)


for _name, _kind in (
    ("Add", "add"),
    ("Sub", "sub"),
    ("Mul", "multiply"),
    ("Div", "divide"),
    ("Min", "min"),
    ("Max", "max"),
):
    _editing(f"ResourceScatter{_name}", _kind, True)
_editing("ResourceScatterUpdate", "set", True)
for _name, _kind in (("Update", "set"), ("Add", "add"), ("Sub", "sub"), ("Max", "max"), ("Min", "min")):
    _editing(f"ResourceScatterNd{_name}", _kind, False)
