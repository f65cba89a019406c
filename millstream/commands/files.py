"""Find out what a saved file is, and what functions it has. Refuses what is none of the kinds that Millstream reads."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream.backends.cpu.plan_text import MAGIC
from millstream.base import messages
from millstream.base.errors import explain
from millstream.bridge.keras import load_keras
from millstream.execution.function_concrete import ConcreteFunction
from millstream.graph.reading import name_of_input
from millstream.ops.registry import find
from millstream.saving.bundle_reader import index_path
from millstream.saving.checkpoint.reader import checkpoint_path
from millstream.saving.constants import DEFAULT_SIGNATURE, FILENAME_PB, FILENAME_PBTXT, INIT_SIGNATURE
from millstream.saving.export import concrete_of
from millstream.saving.files import contains_saved_model, read_saved_model
from millstream.saving.loading import load
from millstream.saving.version_1 import LoadedGraph

SAVED_MODEL, PLAN, KERAS, CHECKPOINT, GRAPH = "saved model", "plan", "keras model", "checkpoint", "graph"

_INPUTS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")


class CommandError(Exception):
    """Something that whoever typed the command can mend."""


@dataclass
class File:
    """A file of a known kind."""

    path: str
    kind: str


def open_file(path: str, tags: str | None = None) -> File:
    """Return what kind of saved file or folder `path` is. `tags` choose a graph of it: only saved models have several."""
    file = _recognised(path)
    if tags is not None and file.kind != SAVED_MODEL:
        raise CommandError(f"{path!r} is a {file.kind}; --tag_set chooses a graph of a saved model. Leave it out.")
    return file


def _recognised(path: str) -> File:
    if os.path.isdir(path):
        if contains_saved_model(path):
            return File(path, SAVED_MODEL)
        found = checkpoint_path(path)
        if found is not None:
            return File(found, CHECKPOINT)
        raise CommandError(
            f"{path!r} is a folder, but there is neither a saved_model.pb nor a checkpoint in it; name the model's own folder."
        )
    if path.endswith(".index") and os.path.exists(path):
        return File(path.removesuffix(".index"), CHECKPOINT)
    if os.path.exists(index_path(path)):
        return File(path, CHECKPOINT)
    if not os.path.exists(path):
        raise CommandError(f"{path!r} does not exist; give the path of a saved file or folder.")
    if os.path.basename(path) in (FILENAME_PB, FILENAME_PBTXT):
        return File(os.path.dirname(path) or ".", SAVED_MODEL)
    with open(path, "rb") as file:
        head = file.read(8)
    if head == MAGIC:
        return File(path, PLAN)
    if zipfile.is_zipfile(path) and path.endswith((".keras", ".zip")):
        return File(path, KERAS)
    if path.endswith((".pb", ".pbtxt", ".graphdef", ".meta")):
        return File(path, GRAPH)
    raise CommandError(
        f"{path!r} is no file that Millstream knows: it reads saved models (folders), plans, .keras, checkpoints (their "
        "prefix or .index), and graphs (.pb, .pbtxt)."
    )


def graph_of(path: str) -> Any:
    """Return the GraphDef of a file, binary or text."""
    data = Path(path).read_bytes()
    if path.endswith(".meta"):
        meta = messages.read("MetaGraphDef", data)
        if meta is None:
            raise CommandError(f"{path!r} is damaged, or no MetaGraphDef.")
        return meta.graph_def
    if path.endswith(".pbtxt"):
        from google.protobuf import text_format

        made = messages.message("GraphDef")()
        try:
            text_format.Parse(data.decode("utf-8"), made)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise CommandError(f"{path!r} is no GraphDef in text form: {error}.") from None
        return made
    found = messages.read("GraphDef", data)
    if found is None or not found.node:
        raise CommandError(
            f"{path!r} is damaged, or no GraphDef; the main file of a saved model is named by its folder."
        )
    return found


def concretes_of(file: File, tags: str | None = None) -> dict[str, ConcreteFunction]:
    """Return the functions that a file offers, by the names of their signatures."""
    if file.kind == SAVED_MODEL:
        return dict(saved_model(file, tags).signatures.items())
    if file.kind == KERAS:
        return {DEFAULT_SIGNATURE: concrete_of(keras_model(file.path))}
    if file.kind == GRAPH:
        return {DEFAULT_SIGNATURE: whole_graph(graph_of(file.path), file.path)}
    raise CommandError(f"A {file.kind} has no functions; give a saved model, a .keras file or a graph.")


def saved_model(file: File, tags: str | None = None) -> Any:
    """Return what a saved model holds, which has signatures."""
    loaded = load(file.path, tags.split(",") if tags else None)
    if not len(loaded.signatures):
        raise CommandError(f"The saved model {file.path!r} has no signatures; save it with signatures=….")
    return loaded


def keras_model(path: str) -> Any:
    """Return the model of a .keras file."""
    return load_keras().saving.load_model(path, compile=False)


def whole_graph(graph_def: Any, path: str) -> ConcreteFunction:
    """Return a graph as a function from its placeholders to what nothing in it takes."""
    meta = messages.message("MetaGraphDef")()
    meta.graph_def.CopyFrom(graph_def)
    feeds = [n.name for n in graph_def.node if n.op in _INPUTS]
    taken = {name_of_input(text) for n in graph_def.node for text in n.input}
    fetches = [
        n.name for n in graph_def.node if n.name not in taken and n.op not in (*_INPUTS, "Const") and _gives(n.op)
    ]
    if not fetches:
        raise CommandError(f"The graph {path!r} gives nothing: each of its nodes is taken by another.")
    model = LoadedGraph(meta, os.path.dirname(path) or ".")
    return model._function({n: f"{n}:0" for n in feeds}, {n: f"{n}:0" for n in fetches}, (), "graph")


def _gives(op: str) -> bool:
    try:
        return bool(find(op).results)
    except KeyError:
        return op not in ("NoOp", "Assert")


def meta_graphs(path: str) -> Any:
    """Return the MetaGraphDefs of a saved model."""
    try:
        return read_saved_model(path).meta_graphs
    except OSError as error:
        raise CommandError(str(error)) from None


def chosen_meta_graph(path: str, tag_set: str | None) -> Any:
    """Return the MetaGraphDef with these tags, or the only one."""
    graphs = meta_graphs(path)
    if tag_set is None and len(graphs) == 1:
        return graphs[0]
    wanted = set((tag_set or "").split(","))
    for graph in graphs:
        if set(graph.meta_info_def.tags) == wanted:
            return graph
    there = "; ".join(",".join(g.meta_info_def.tags) for g in graphs)
    raise CommandError(
        explain(f"MetaGraphDef associated with tag-set {tag_set} could not be found; there are: {there}.")
    )


def public_signatures(meta_graph: Any) -> list[str]:
    """Return the names of the signatures that can be called."""
    return sorted(name for name in meta_graph.signature_def if name != INIT_SIGNATURE)
