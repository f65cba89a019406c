"""Variables of version-1 graphs, saved from a session and restored into one, by names and parts. Adds nothing to graphs: they
may be finalized."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from millstream.base import errors
from millstream.base.errors import explain
from millstream.execution.context import tracing
from millstream.execution.convert import to_tensor
from millstream.execution.graph_variable import GraphVariable
from millstream.saving.checkpoint.restoring import read_object_graph
from millstream.saving.checkpoint.values import Value
from millstream.saving.checkpoint.writing import write_values
from millstream.saving.meta_graph import Parts
from millstream.saving.slices import Part
from millstream.saving.version_1_checkpoint import open_checkpoint


def _of(variable: Any) -> list[Any]:
    """Return the variables that one thing stands for: itself, or its parts."""
    if hasattr(variable, "_get_variable_list"):
        return list(variable._get_variable_list())
    if isinstance(variable, (list, tuple)):
        return [v for inner in variable for v in _of(inner)]
    if not isinstance(variable, GraphVariable):
        raise TypeError(explain(f"Variable to save is not a Variable of the graph: {variable}"))
    return [variable]


def parts_in_graph(graph: Any, var_list: Any) -> Parts:
    """Return what is saved under which names, as which parts; all global variables where `var_list` is None.

    Raises:
      TypeError: there is something else than variables.
      ValueError: two have one name.
    """
    if var_list is None:
        var_list = list(dict.fromkeys([*graph.get_collection("variables"), *graph.get_collection("saveable_objects")]))
    pairs: Iterable[tuple[str | None, Any]]
    pairs = var_list.items() if isinstance(var_list, Mapping) else [(None, variable) for variable in var_list]
    found: Parts = []
    seen: set[tuple[str, str]] = set()
    for name, given in pairs:
        for variable in _of(given):
            info = variable.__dict__.get("_save_slice_info")
            key = name or (info.full_name if info is not None else variable.op.name)
            part = "" if info is None else info.spec
            if (key, part) in seen or (not part and any(k == key for k, _ in seen)):
                raise ValueError(explain(f"At least two variables have the same name: {key}"))
            seen.add((key, part))
            found.append((key, part, variable))
    return sorted(found, key=lambda item: item[0])


def write_of_session(session: Any, parts: Parts, path: str) -> None:
    """Write what variables hold in a session."""
    if not hasattr(session, "graph"):
        raise TypeError(f"'sess' must be a Session. Received: {session}")
    values = session.run([variable._as_graph_element() for _, _, variable in parts])
    with tracing(None):
        write_values(
            path,
            [
                Value(key, part, to_tensor(value, variable.dtype.base_dtype))
                for (key, part, variable), value in zip(parts, values, strict=True)
            ],
        )


def restore_in_session(session: Any, parts: Parts, path: str, reshape: bool) -> None:
    """Make variables hold in a session what a checkpoint has.

    Raises:
      tf.errors.NotFoundError: a name is not in it.
      tf.errors.InvalidArgumentError: a value has another element type or shape than its variable.
    """
    reader = open_checkpoint(path)
    names = _names_in(reader, [key for key, _, _ in parts])
    assignments, feeds = [], {}
    with tracing(None):
        for key, part, variable in parts:
            if names[key] not in reader:
                raise errors.NotFoundError(
                    None,
                    None,
                    explain(
                        f"Key {key} not found in checkpoint: restoring from checkpoint failed. This is most likely due to a "
                        f"Variable name or other graph key that is missing from the checkpoint {path}."
                    ),
                )
            array = _value(reader, names[key], part, variable, reshape)
            assignments.append(variable.initializer)
            feeds[variable.initializer.inputs[1]] = array
    session.run(assignments, feeds)


def _names_in(reader: Any, keys: list[str]) -> dict[str, str]:
    """Return the names of values in a checkpoint, of objects too, whose variables' names are known."""
    found = {key: key for key in keys}
    if not all(key in reader for key in keys):
        graph = read_object_graph(reader)
        for node in graph.nodes if graph is not None else ():
            found.update((a.full_name, a.checkpoint_key) for a in node.attributes if a.full_name in found)
    return found


def _value(reader: Any, key: str, part: str, variable: Any, reshape: bool) -> Any:
    have, want = reader.entry(key).dtype, variable.dtype.base_dtype
    if have is not want:
        raise errors.InvalidArgumentError(
            None, None, f"tensor_name = {key}; expected dtype {want.name} does not equal original dtype {have.name}"
        )
    tensor = reader.tensor(key, Part.of_text(part) if part else None)
    array = np.asarray(tensor.numpy())
    shape = variable.shape
    if reshape and shape.is_fully_defined() and array.size == shape.num_elements():
        return array.reshape(shape.as_list())
    if not shape.is_compatible_with(array.shape):
        raise errors.InvalidArgumentError(
            None,
            None,
            explain(
                f"Restoring from checkpoint failed. Assign requires shapes of both tensors to match. lhs shape= "
                f"{shape.as_list()} rhs shape= {list(array.shape)} of {key!r}."
            ),
        )
    return array
