"""Graphs of version 1 as MetaGraphDef messages: nodes, collections, and what saves and restores; and such messages as graphs.

The nodes that save and restore are written for other readers: here a Saver writes and reads itself, and leaves them out where a
graph is read. Refuses items of collections that no message can say, with a warning.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from millstream.api.graphs import load_importers
from millstream.api.public import public, root
from millstream.base import tensor_proto
from millstream.base.errors import explain
from millstream.base.messages import message, read
from millstream.execution.context import current_graph, default_graph, runs_at_once
from millstream.execution.graph_definition import import_graph_def
from millstream.execution.graph_variable import GraphVariable
from millstream.execution.operation import Operation
from millstream.execution.tensor import Tensor
from millstream.execution.variable_parts import SaveSliceInfo
from millstream.graph.file_ops import allowed_files
from millstream.graph.reading import name_of_input
from millstream.graph.version_1 import check_inputs
from millstream.saving.main_graph import MainGraph
from millstream.saving.replacing import write_whole
from millstream.saving.saver_nodes import NodesByName, damaged, element_of, named

log = logging.getLogger("millstream")
tf: Any = root()

VARIABLES = (
    "variables",
    "local_variables",
    "trainable_variables",
    "metric_variables",
    "model_variables",
    "moving_average_variables",
    "global_step",
)
"""Collections whose items are variables."""

_NOT_SAID = ("global_step_read_op_cache", "cond_context", "while_context")

Parts = list[tuple[str, str, Any]]
"""Names in a checkpoint, the part of a larger tensor (or an empty text), and the variable."""


def graph_in_use() -> Any:
    """Return the graph that sessions run and that ops go to now; None where they run at once."""
    graph: Any = current_graph() or (None if runs_at_once() else default_graph())
    while graph is not None and graph.building_function:
        graph = graph.outer
    return graph


def add_saver(meta_graph: Any, parts: Parts, saver_def: Any) -> None:
    """Add to a message the nodes that save and restore variables, and name them in `saver_def`."""
    made = message("MetaGraphDef")()
    names = {node.name for node in meta_graph.graph_def.node}
    prefix, number = "save", 0
    while any(name == prefix or name.startswith(f"{prefix}/") for name in names):
        number += 1
        prefix = f"save_{number}"
    graph = MainGraph(made)
    text = ("type", 7)
    scalar = ("shape", message("TensorShapeProto")())
    model = tensor_proto.to_proto([b"model"], tf.string, ())
    given = graph.node("Const", f"{prefix}/filename/input", dtype=text, value=("tensor", model))
    file = graph.node("PlaceholderWithDefault", f"{prefix}/filename", [given], dtype=text, shape=scalar)
    path = graph.node("PlaceholderWithDefault", f"{prefix}/Const", [file], dtype=text, shape=scalar)
    numbers = [variable.dtype.base_dtype.as_datatype_enum for _, _, variable in parts]
    restored, done = [], []
    if parts:
        keys, slices = [key for key, _, _ in parts], [part for _, part, _ in parts]
        both = [[graph.texts(t, f"{prefix}/{op}/{n}") for t, n in ((keys, "tensor_names"), (slices, "shape_and_slices"))]
                for op in ("SaveV2", "RestoreV2")]  # fmt: skip
        values = [variable._as_graph_element().name.removesuffix(":0") for _, _, variable in parts]
        saved = graph.node("SaveV2", f"{prefix}/SaveV2", [path, *both[0], *values], dtypes=("list.type", numbers))
        done = [f"^{saved}"]
        found = graph.node("RestoreV2", f"{prefix}/RestoreV2", [path, *both[1]], dtypes=("list.type", numbers))
        for i, (_, _, variable) in enumerate(parts):
            kind = ("type", numbers[i])
            handle = variable.op.name
            if variable._is_resource:
                value = graph.node("Identity", f"{prefix}/Identity", [f"{found}:{i}"], T=kind)
                restored.append(
                    graph.node("AssignVariableOp", f"{prefix}/AssignVariableOp", [handle, value], dtype=kind)
                )
            else:
                restored.append(graph.node("Assign", f"{prefix}/Assign", [handle, f"{found}:{i}"], T=kind))
    saver_def.save_tensor_name = f"{graph.node('Identity', f'{prefix}/control_dependency', [path, *done], T=text)}:0"
    saver_def.restore_op_name = graph.node("NoOp", f"{prefix}/restore_all", [f"^{r}" for r in restored])
    saver_def.filename_tensor_name = f"{path}:0"
    meta_graph.graph_def.node.extend(made.graph_def.node)


def _say_collection(made: Any, name: str, items: Sequence[Any]) -> None:
    """Write a collection down, as what its items are."""
    first = items[0]
    if all(isinstance(item, GraphVariable) for item in items):
        made.bytes_list.value.extend(_definition(item).SerializeToString() for item in items)
    elif isinstance(first, (Tensor, Operation)):
        made.node_list.value.extend(item.name for item in items)
    elif hasattr(first, "to_proto"):
        made.bytes_list.value.extend(item.to_proto().SerializeToString() for item in items)
    elif isinstance(first, (bytes, str)):
        made.bytes_list.value.extend(item.encode() if isinstance(item, str) else item for item in items)
    elif isinstance(first, (int, np.integer)) and not isinstance(first, bool):
        made.int64_list.value.extend(int(item) for item in items)
    elif isinstance(first, float):
        made.float_list.value.extend(items)
    else:
        raise TypeError(f"items of type {type(first).__name__}")


def _definition(variable: Any) -> Any:
    """Return a variable as a VariableDef, with the part that it is of another."""
    made = variable.to_proto()
    part = variable.__dict__.get("_save_slice_info")
    if part is not None:
        part.fill_proto(made.save_slice_info_def)
    return made


def meta_graph_of(
    graph: Any,
    parts: Parts | None = None,
    saver_def: Any = None,
    collections: Iterable[str] | None = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    clear_devices: bool = False,
    strip_default_attrs: bool = False,
) -> Any:
    """Return a graph as a MetaGraphDef."""
    made = message("MetaGraphDef")()
    if meta_info_def is not None:
        made.meta_info_def.MergeFromString(meta_info_def.SerializeToString())
    made.meta_info_def.tensorflow_version = tf.__version__
    made.meta_info_def.stripped_default_attrs = strip_default_attrs
    given = graph.as_graph_def(add_shapes=True) if graph_def is None else graph_def
    made.graph_def.MergeFromString(given.SerializeToString())
    if clear_devices:
        for node in made.graph_def.node:
            node.device = ""
    if parts is not None:
        definition = message("SaverDef")()
        if saver_def is not None:
            definition.MergeFromString(saver_def.SerializeToString())
        add_saver(made, parts, definition)
        made.saver_def.CopyFrom(definition)
    elif saver_def is not None:
        made.saver_def.MergeFromString(saver_def.SerializeToString())
    for name in graph.get_all_collection_keys() if collections is None else collections:
        items = graph.get_collection(name)
        if not items or not isinstance(name, str) or name in _NOT_SAID:
            continue
        try:
            _say_collection(made.collection_def[name], name, items)
        except (TypeError, AttributeError) as error:
            del made.collection_def[name]
            log.warning("The collection %r is not written: %s cannot be said in a message.", name, error)
    return made


def write(made: Any, filename: str, as_text: bool = False) -> None:
    """Write a message to a file, which is whole or not there."""
    from google.protobuf import text_format

    data = text_format.MessageToString(made).encode() if as_text else made.SerializeToString(deterministic=True)
    path = Path(filename)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)


@public("compat.v1.train.export_meta_graph")
def export_meta_graph(
    filename: str | None = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: Any = None,
    collection_list: Any = None,
    as_text: bool = False,
    graph: Any = None,
    export_scope: str | None = None,
    clear_devices: bool = False,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    **kwargs: Any,
) -> Any:
    """Return a graph of version 1, with its collections, as a MetaGraphDef message, and write it to a file.

    Args:
      filename: where to; nowhere without it.
      meta_info_def: what to say of the model.
      graph_def: the nodes, in the place of the graph's own.
      saver_def: what names the nodes that save and restore.
      collection_list: the names of the collections to write; all of them without it.
      as_text: whether the file is text.
      graph: the graph; the default one without it.
      export_scope: not supported: write the whole graph.
      clear_devices: whether to leave devices out.
      clear_extraneous_savers: not needed: the nodes of other savers are not written.
      strip_default_attrs: whether to say that defaults are left out.
      save_debug_info: not supported: lines are not written.
      **kwargs: accepted for older programs and not used.

    Raises:
      RuntimeError: there is no graph.
      NotImplementedError: for `export_scope` and `save_debug_info`.
    """
    if export_scope or save_debug_info:
        what = "export_scope" if export_scope else "save_debug_info"
        raise NotImplementedError(explain(f"{what} is not supported; write the whole graph."))
    graph = graph_in_use() if graph is None else graph
    if graph is None:
        raise RuntimeError(explain("Exporting/importing meta graphs is not supported when eager execution is enabled."))
    made = meta_graph_of(
        graph, None, saver_def, collection_list, meta_info_def, graph_def, clear_devices, strip_default_attrs
    )
    if filename:
        write(made, filename, as_text)
    return made


def read_meta_graph(given: Any) -> Any:
    """Return a MetaGraphDef: the message itself, or what a file holds, in binary form or as text."""
    if not isinstance(given, (str, bytes, os.PathLike)):
        return message("MetaGraphDef").FromString(given.SerializeToString())
    path = os.fspath(given)
    path = path.decode() if isinstance(path, bytes) else path
    if not os.path.exists(path):
        raise OSError(f"File does not exist. Received: {path}.")
    data = Path(path).read_bytes()
    found = read("MetaGraphDef", data)
    if found is not None:
        return found
    from google.protobuf import text_format

    try:
        return text_format.Parse(data.decode(), message("MetaGraphDef")())
    except (UnicodeDecodeError, text_format.ParseError) as error:
        raise OSError(f"Cannot parse file {path}: {error}.") from None


def without_saver(meta_graph: Any) -> list[tuple[str, str, str]]:
    """Take the nodes of all savers out of a message; return (name, part, handle) of what the one that it names restores.

    Raises:
      tf.errors.InvalidArgumentError: they do not hold together.
    """
    check_inputs(meta_graph.graph_def.node)
    nodes = NodesByName(meta_graph.graph_def.node)
    starts = {_path_of(nodes, n.input[0]) for n in nodes.all.values() if n.op in ("SaveV2", "RestoreV2")} - {""}
    own = name_of_input(meta_graph.saver_def.filename_tensor_name)
    found: list[tuple[str, str, str]] = []
    gone: set[str] = set()
    for start in sorted(starts | ({own} & nodes.all.keys())):
        inside = nodes.following(start)
        gone |= inside
        for name in sorted(inside) if start == own else ():
            node = nodes.all[name]
            if node.op not in ("Assign", "AssignVariableOp"):
                continue
            source, index = nodes.source(node.input[1])
            if source.op == "RestoreV2":
                key, part = (nodes.text(source.input[place], index) for place in (1, 2))
                found.append((key, part, name_of_input(node.input[0])))
    prefixes = tuple(f"{start.rpartition('/')[0]}/" for start in starts if "/" in start)
    while prefixes:
        # What only the nodes that are gone used goes with them.
        used = {name_of_input(text) for n in nodes.all.values() if n.name not in gone for text in n.input}
        dead = {n for n in nodes.all if n not in gone and n not in used and n.startswith(prefixes)}
        if not dead:
            break
        gone |= dead
    kept = [node for node in meta_graph.graph_def.node if node.name not in gone]
    copies = [message("NodeDef").FromString(node.SerializeToString()) for node in kept]
    del meta_graph.graph_def.node[:]
    meta_graph.graph_def.node.extend(copies)
    return found


def _path_of(nodes: NodesByName, text: str) -> str:
    """Return the name of the path that a saver is fed; empty where the path is a constant, as of initial values."""
    return next((str(n.name) for n in nodes.behind(text) if n.op == "PlaceholderWithDefault"), "")


def import_into(meta_graph: Any, import_scope: str | None, **options: Any) -> tuple[dict[str, Any], list[Any]]:
    """Add a message's nodes and collections to the graph in use; return its variables by the names of their handles there,
    and what `return_elements` asked for."""
    graph = graph_in_use()
    described = meta_graph.meta_info_def.HasField("stripped_op_list")
    load_importers(meta_graph.graph_def)
    elements = import_graph_def(
        meta_graph.graph_def,
        options.get("input_map"),
        options.get("return_elements"),
        import_scope or "",
        meta_graph.meta_info_def.stripped_op_list if described else None,
        allowed_files(options.get("assets", ()), options.get("allow_file_ops", False)),
    )
    prefix = f"{import_scope.removesuffix('/')}/" if import_scope else ""
    wanted = options.get("restore_collections_predicate") or (lambda name: True)
    variables: dict[str, Any] = {}
    for name, collection in sorted(meta_graph.collection_def.items()):
        if not wanted(name):
            continue
        kind = collection.WhichOneof("kind")
        values = getattr(collection, kind).value if kind else ()
        if name in VARIABLES and kind == "bytes_list":
            for data in values:
                definition = read("VariableDef", data)
                if definition is None:
                    raise damaged(f"an item of the collection {name!r} is no variable")
                variable = variables.get(definition.variable_name)
                if variable is None:
                    with named():
                        variable = GraphVariable.from_proto(definition, import_scope)
                    variables[definition.variable_name] = variable
                    if definition.HasField("save_slice_info_def"):
                        variable._save_slice_info = SaveSliceInfo.of_proto(definition.save_slice_info_def)
                graph.add_to_collection(name, variable)
        elif kind == "node_list":
            for text in values:
                graph.add_to_collection(name, element_of(graph, prefix + text))
        elif kind in ("int64_list", "float_list"):
            for value in values:
                graph.add_to_collection(name, value)
        elif kind == "bytes_list" and name not in _NOT_SAID:
            for data in values:
                graph.add_to_collection(name, _of_bytes(name, data, import_scope))
    return {name_of_input(name): variable for name, variable in variables.items()}, elements or []


def _of_bytes(name: str, data: bytes, import_scope: str | None) -> Any:
    if name != "queue_runners":
        return data
    definition = read("QueueRunnerDef", data)
    if definition is None:
        raise damaged("an item of the collection 'queue_runners' is none")
    return tf.compat.v1.train.QueueRunner.from_proto(definition, import_scope)


@public("compat.v1.train.import_meta_graph")
def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, **kwargs: Any
) -> Any:
    """Add a graph that was written by `export_meta_graph` or a Saver to the default graph; return its Saver.

    Args:
      meta_graph_or_file: a MetaGraphDef message, or the path of a file of one.
      clear_devices: whether to leave devices out.
      import_scope: put before all names.
      **kwargs: `input_map`, `return_elements`, `restore_collections_predicate` and `allow_file_ops` of the import, and
        arguments of Saver.

    Returns:
      A Saver; None where the graph has no variables.

    Raises:
      RuntimeError: ops run at once.
      OSError: there is no such file, or it is none of a graph.
    """
    return import_with_elements(meta_graph_or_file, clear_devices, import_scope, **kwargs)[0]


def import_with_elements(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, **kwargs: Any
) -> tuple[Any, list[Any]]:
    """Do what `import_meta_graph` does; return the tensors and operations that `return_elements` names, too.

    `assets` are the paths that the graph's ops may read.
    """
    graph = graph_in_use()
    if graph is None:
        raise RuntimeError(explain("Exporting/importing meta graphs is not supported when eager execution is enabled."))
    meta_graph = read_meta_graph(meta_graph_or_file)
    if clear_devices:
        for node in meta_graph.graph_def.node:
            node.device = ""
    options = {
        key: kwargs.pop(key)
        for key in ("input_map", "return_elements", "restore_collections_predicate", "allow_file_ops", "assets")
        if key in kwargs
    }
    found = without_saver(meta_graph)
    variables, elements = import_into(meta_graph, import_scope, **options)
    if meta_graph.HasField("saver_def"):
        saver_def = message("SaverDef").FromString(meta_graph.saver_def.SerializeToString())
        prefix = f"{import_scope.removesuffix('/')}/" if import_scope else ""
        saver_def.restore_op_name = prefix + saver_def.restore_op_name
        restored = graph.__dict__.setdefault("saved_parts", {})
        restored[saver_def.restore_op_name] = [(k, part, variables[h]) for k, part, h in found if h in variables]
        return tf.compat.v1.train.Saver(saver_def=saver_def, name=import_scope), elements
    if any(isinstance(v, GraphVariable) for v in graph.get_collection("variables")):
        return tf.compat.v1.train.Saver(name=import_scope, **kwargs), elements
    log.info("Saver not created because there are no variables in the graph to restore")
    return None, elements
