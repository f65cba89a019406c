"""The main graph of a saved model: what readers use that know no objects. Variables, constants, signatures, saving, restoring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millstream.base import dtypes, tensor_proto
from millstream.base.messages import message
from millstream.graph.attributes import shape_message
from millstream.graph.writing import Names, constant_message
from millstream.saving import constants


class MainGraph:
    """Collects nodes, each named once."""

    def __init__(self, meta_graph: Any) -> None:
        self.meta_graph = meta_graph
        self.nodes = meta_graph.graph_def.node
        self._names = Names()
        self._of: dict[int, str] = {}

    def node(self, op: str, name: str, inputs: Sequence[str] = (), **attributes: Any) -> str:
        """Add a node and return its name. An attribute is a field of AttrValue and its value."""
        return self._named(op, self._names.node(name), inputs, **attributes)

    def _named(self, op: str, name: str, inputs: Sequence[str] = (), **attributes: Any) -> str:
        made = self.nodes.add(name=name, op=op)
        made.input.extend(inputs)
        for key, (field, value) in attributes.items():
            target = made.attr[key]
            if field in ("tensor", "shape"):
                getattr(target, field).CopyFrom(value)
            elif field == "func":
                target.func.name = value
            elif field.startswith("list."):
                target.list.SetInParent()
                getattr(target.list, field[5:]).extend(value)
            else:
                setattr(target, field, value)
        return name

    def constant(self, tensor: Any, name: str = "Const") -> str:
        """Return the name of a constant, added at first."""
        found = self._of.get(id(tensor))
        if found is None:
            array = np.asarray(tensor.numpy(), object) if tensor.dtype is dtypes.string else tensor.numpy()
            number = tensor.dtype.as_datatype_enum
            value = constant_message(array, tensor.dtype)
            found = self._of[id(tensor)] = self.node("Const", name, dtype=("type", number), value=("tensor", value))
        return found

    def texts(self, texts: Sequence[str], name: str) -> str:
        """Add a vector of texts."""
        value = tensor_proto.to_proto([t.encode() for t in texts], dtypes.string, (len(texts),))
        return self.node("Const", name, dtype=("type", dtypes.string.as_datatype_enum), value=("tensor", value))

    def variable(self, variable: Any) -> str:
        """Return the name of a variable's handle."""
        found = self._of.get(id(variable.handle))
        if found is None:
            name = self._names.node(variable._shared_name)
            found = self._of[id(variable.handle)] = self._named(
                "VarHandleOp",
                name,
                shared_name=("s", name.encode()),
                dtype=("type", variable.dtype.as_datatype_enum),
                shape=("shape", shape_message(variable.shape)),
            )
        return found

    def know(self, tensor: Any, name: str) -> None:
        """Say which output stands for a tensor of the program."""
        self._of[id(tensor)] = name

    def name_of(self, tensor: Any) -> str:
        """Return what stands for a captured tensor; a new constant for numbers."""
        return self._of.get(id(tensor)) or self.constant(tensor)

    def call(self, function: str, concrete: Any, arguments: Sequence[str] = (), name: str | None = None) -> str:
        """Call a function of the library on nodes and on what it captured."""
        program = concrete.graph.program
        return self.node(
            "StatefulPartitionedCall",
            name or "StatefulPartitionedCall",
            [*arguments, *(self.name_of(t) for t in concrete.captured_inputs)],
            Tin=("list.type", [v.dtype.as_datatype_enum for v in program.inputs]),
            Tout=("list.type", [v.dtype.as_datatype_enum for v in program.outputs]),
            f=("func", function),
        )

    def signature(self, name: str, function: str, concrete: Any) -> None:
        """Offer a function as a signature."""
        made = self.meta_graph.signature_def[name]
        made.method_name = constants.PREDICT_METHOD
        arguments = []
        for argument, kind in zip(concrete._argument_names, concrete.kinds, strict=True):
            number, shape = kind.dtype.as_datatype_enum, shape_message(kind.shape)
            holder = self.node("Placeholder", f"{name}_{argument}", dtype=("type", number), shape=("shape", shape))
            arguments.append(holder)
            _tell(made.inputs[argument], f"{holder}:0", number, shape)
        called = self.call(function, concrete, arguments)
        for i, (key, tensor) in enumerate(sorted(concrete.structure.items())):
            value = concrete.graph.program.outputs[i]
            _tell(made.outputs[key], f"{called}:{i}", tensor.dtype.as_datatype_enum, shape_message(value.spec.shape))

    def start(self, calls: Sequence[str]) -> None:
        """Offer what is to run once before anything else."""
        name = self.node("NoOp", "init", [f"^{c}" for c in calls])
        unknown = message("TensorShapeProto")(unknown_rank=True)
        _tell(
            self.meta_graph.signature_def[constants.INIT_SIGNATURE].outputs[constants.INIT_SIGNATURE], name, 0, unknown
        )

    def saver(self, values: Sequence[tuple[str, Any]]) -> None:
        """Add what restores and saves variables, given as (name in the checkpoint, variable) pairs."""
        text = dtypes.string.as_datatype_enum
        scalar = message("TensorShapeProto")()
        prefix = self.node("Placeholder", "saver_filename", dtype=("type", text), shape=("shape", scalar))
        keys = self.texts([k for k, _ in values], "save/names")
        slices = self.texts([""] * len(values), "save/slices")
        numbers = [v.dtype.as_datatype_enum for _, v in values]
        saved, restored = [], []
        if values:
            found = self.node("RestoreV2", "save/RestoreV2", [prefix, keys, slices], dtypes=("list.type", numbers))
            for i, (_, variable) in enumerate(values):
                number = ("type", variable.dtype.as_datatype_enum)
                handle = self.variable(variable)
                restored.append(self.node("AssignVariableOp", "save/Assign", [handle, f"{found}:{i}"], dtype=number))
                saved.append(self.node("ReadVariableOp", "save/Read", [handle], dtype=number))
            done = [
                "^" + self.node("SaveV2", "save/SaveV2", [prefix, keys, slices, *saved], dtypes=("list.type", numbers))
            ]
        else:
            done = []
        restore = self.node("NoOp", "save/restore_all", [f"^{r}" for r in restored])
        save = self.node("Identity", "save/control_dependency", [prefix, *done], T=("type", text))
        self.meta_graph.saver_def.filename_tensor_name = f"{prefix}:0"
        self.meta_graph.saver_def.save_tensor_name = f"{save}:0"
        self.meta_graph.saver_def.restore_op_name = restore
        self.meta_graph.saver_def.version = 2


def _tell(made: Any, name: str, number: int, shape: Any) -> None:
    made.name = name
    made.dtype = number
    made.tensor_shape.CopyFrom(shape)
