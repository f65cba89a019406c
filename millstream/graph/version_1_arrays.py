"""Write the TensorArrays of version-1 graphs as lists: what flows from one of their operations to the next becomes the list.

Their gradients, TensorArrayGradV3, are not understood.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from millstream.base import dtypes, errors, tensor_proto
from millstream.base.messages import message

ARRAYS = "TensorArrayV3"
_PASSED_ON = ("Enter", "RefEnter", "Exit", "Identity", "Switch", "Merge", "NextIteration")
_OPS: dict[str, tuple[str, tuple[int | str, ...]]] = {
    "TensorArrayWriteV3": ("TensorListSetItem", (3, 1, 2)),
    "TensorArrayReadV3": ("TensorListGetItem", (2, 1, "shape")),
    "TensorArrayGatherV3": ("TensorListGather", (2, 1, "shape")),
    "TensorArrayScatterV3": ("TensorListScatterIntoExistingList", (3, 2, 1)),
    "TensorArraySizeV3": ("TensorListLength", (1,)),
    "TensorArrayConcatV3": ("TensorListConcatV2", (1, "shape", "leading")),
    "TensorArraySplitV3": ("TensorListSplit", (1, "shape", 2)),
    "TensorArrayCloseV3": ("NoOp", ()),
}
"""The op of a list, and where each of its inputs stands among those of the array's op."""


def _of(text: str) -> tuple[str, str]:
    name, _, index = text.partition(":")
    return name, index or "0"


class _Writer:
    def __init__(self, nodes: Iterable[Any]) -> None:
        self.nodes = list(nodes)
        self.arrays = {node.name: node for node in self.nodes if node.op == ARRAYS}
        self.handles = {(name, "0"): name for name in self.arrays}
        """The arrays by the outputs that are their handles."""
        self.gone: set[str] = set()
        self.made: list[Any] = []
        self._follow_handles()

    def _follow_handles(self) -> None:
        """Find what passes handles on: lists need none of it."""
        found = True
        while found:
            found = False
            for node in self.nodes:
                texts = [_of(text) for text in node.input if not text.startswith("^")]
                array = next((self.handles[t] for t in texts if t in self.handles), None)
                if array is not None and node.op in _PASSED_ON and node.name not in self.gone:
                    self.gone.add(node.name)
                    self.handles.update({(node.name, "0"): array, (node.name, "1"): array})
                    found = True

    def constant(self, name: str, values: Any, dtype: Any) -> str:
        made = message("NodeDef")(name=name, op="Const")
        made.attr["dtype"].type = dtype.as_datatype_enum
        content = np.array(values, dtype.as_numpy_dtype)
        made.attr["value"].tensor.CopyFrom(tensor_proto.to_proto(content, dtype, content.shape))
        self.made.append(made)
        return name

    def shape(self, node: Any, array: Any) -> str:
        """Return a constant of the shape of an element: -1 where nothing is known of it."""
        shape = array.attr["element_shape"].shape
        unknown = "element_shape" not in array.attr or shape.unknown_rank
        return self.constant(f"{node.name}/element_shape", -1 if unknown else [d.size for d in shape.dim], dtypes.int32)

    def write(self) -> list[Any]:
        """Return all nodes, with lists in the place of arrays."""
        for node in self.nodes:
            if node.op in _OPS:
                self._use(node)
        for node in self.arrays.values():
            self._array(node)
        kept = [node for node in self.nodes if node.name not in self.gone]
        for node in kept:
            inputs = [
                text[:-2] if text.endswith(":1") and text[:-2] in self.arrays else text
                for text in node.input
                if text.removeprefix("^") not in self.gone
            ]
            if inputs != list(node.input):
                del node.input[:]
                node.input.extend(inputs)
        return [*self.made, *kept]

    def _array(self, node: Any) -> None:
        number = node.attr["dtype"].type
        place = self.shape(node, node)
        inputs = [place, *node.input]
        node.op = "TensorListReserve"
        self._become(node, inputs, {"element_dtype": number, "shape_type": dtypes.int32.as_datatype_enum})

    def _use(self, node: Any) -> None:
        name, places = _OPS[node.op]
        array = self.arrays.get(self.handles.get(_of(node.input[0]), ""))
        if array is None:
            raise errors.InvalidArgumentError(
                None, None, f"{node.name} is {node.op} and takes no TensorArray of the graph: the graph is damaged."
            )
        controls = [text for text in node.input if text.startswith("^")]
        given = list(node.input)
        inputs = []
        for place in places:
            if place == "shape":
                inputs.append(self.shape(node, array))
            elif place == "leading":
                inputs.append(self.constant(f"{node.name}/leading_dims", [], dtypes.int64))
            elif isinstance(place, int):
                inputs.append(given[place])
        node.op = name
        types = {} if name in ("TensorListLength", "NoOp") else {"element_dtype": array.attr["dtype"].type}
        self._become(node, [*inputs, *controls], types)
        if name == "TensorListSetItem" and array.attr["dynamic_size"].b:
            node.attr["resize_if_index_out_of_bounds"].b = True

    @staticmethod
    def _become(node: Any, inputs: list[str], types: dict[str, int]) -> None:
        del node.input[:]
        node.input.extend(inputs)
        node.attr.clear()
        for name, number in types.items():
            node.attr[name].type = number


LEAST_INPUTS = {
    ARRAYS: 1,
    **{op: 1 + max((p for p in places if isinstance(p, int)), default=0) for op, (_, places) in _OPS.items()},
}
"""How many inputs each op takes at least."""


def as_lists(nodes: Iterable[Any]) -> list[Any]:
    """Return the nodes of a graph with lists in the place of its TensorArrays; the nodes that are given are changed."""
    nodes = list(nodes)
    return _Writer(nodes).write() if any(node.op == ARRAYS for node in nodes) else nodes
