"""`millstream show`: what a saved file holds, and any stage of it as text. Changes nothing."""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from millstream.backends.cpu.device import checked
from millstream.backends.cpu.target import CPU
from millstream.base.dtypes import as_dtype
from millstream.commands.files import (
    CHECKPOINT,
    GRAPH,
    KERAS,
    PLAN,
    SAVED_MODEL,
    CommandError,
    File,
    chosen_meta_graph,
    concretes_of,
    graph_of,
    meta_graphs,
    open_file,
)
from millstream.commands.signature_text import function_texts, signature_text
from millstream.compiler.pipeline import lower
from millstream.graph.attributes import shape_of
from millstream.program.printer import to_text
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.constants import PLAN_FILENAME, VARIABLES_DIRECTORY, VARIABLES_FILENAME
from millstream.saving.export import plan_of

STAGES = ("graph", "program", "plan")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the job takes."""
    parser.add_argument("file", nargs="?", help="a saved model's folder, a plan, .keras, checkpoint, .pb or .pbtxt")
    parser.add_argument("--dir", help="the same as FILE, for saved models")
    parser.add_argument(
        "--stage", choices=STAGES, help="print this stage: the graph, the program of primitives, the plan"
    )
    parser.add_argument("--signature", help="only this signature, with --stage program or plan")
    parser.add_argument("--tag_set", help="the tags of the graph in a saved model, with commas")
    parser.add_argument("--signature_def", help="what this signature of the saved model takes and gives")
    parser.add_argument("--all", action="store_true", help="all signatures and functions of a saved model")


def run(given: argparse.Namespace) -> int:
    """Print what was asked for."""
    path = given.file or given.dir
    if path is None:
        raise CommandError("Name the file to show: millstream show FILE.")
    file = open_file(path, given.tag_set)
    if given.signature is not None and given.stage not in ("program", "plan"):
        raise CommandError(
            "--signature chooses what --stage program or --stage plan shows; give one of them, or leave it out."
        )
    if file.kind != SAVED_MODEL and (given.all or given.signature_def is not None):
        raise CommandError(
            f"{path!r} is a {file.kind}; --all and --signature_def are for saved models. Leave them out."
        )
    if given.stage:
        print(stage_of(file, given.stage, given.signature, given.tag_set))
    elif file.kind == SAVED_MODEL and (given.all or given.tag_set or given.signature_def or given.dir):
        print("\n".join(as_other_tools(file.path, given)))
    else:
        print(summary_of(file))
    return 0


def stage_of(file: File, stage: str, signature: str | None, tags: str | None) -> str:
    """Return a stage of a file as text."""
    if file.kind == PLAN:
        if stage != "plan":
            raise CommandError(f"A plan holds no {stage}: it is the last stage. Give --stage plan.")
        return checked(Path(file.path).read_bytes()).text()
    if file.kind == CHECKPOINT:
        raise CommandError("A checkpoint holds values and no graph; leave --stage out.")
    if stage == "graph" and file.kind in (SAVED_MODEL, GRAPH):
        made = chosen_meta_graph(file.path, tags).graph_def if file.kind == SAVED_MODEL else graph_of(file.path)
        return "\n".join(graph_lines(made))
    functions = concretes_of(file, tags)
    if signature is not None:
        if signature not in functions:
            raise CommandError(f"There is no signature {signature!r}; there are: {', '.join(sorted(functions))}.")
        functions = {signature: functions[signature]}
    if stage == "plan":
        return checked(plan_of(functions)).text()
    texts = []
    for name, concrete in functions.items():
        program = concrete.graph.program
        if stage == "program":
            program = lower(program, [v.spec for v in program.inputs], CPU)
        texts.append(f"signature {name}\n{to_text(program)}")
    return "\n".join(texts)


def graph_lines(graph_def: Any) -> Iterable[str]:
    """Return the nodes of a graph and of its functions, one line each."""
    yield f"graph, {len(graph_def.node)} nodes, producer {graph_def.versions.producer}"
    yield from map(_node_line, graph_def.node)
    for function in graph_def.library.function:
        inputs = ", ".join(f"{a.name}: {as_dtype(a.type).name}" for a in function.signature.input_arg)
        yield f"function {function.signature.name}({inputs})"
        yield from map(_node_line, function.node_def)
        yield f"  return {', '.join(f'{a.name}={function.ret[a.name]}' for a in function.signature.output_arg)}"


def _node_line(node: Any) -> str:
    said = []
    for name, value in sorted(node.attr.items()):
        kind = value.WhichOneof("value")
        if kind == "shape":
            said.append(f"{name}={_sizes(shape_of(value.shape))}")
        elif kind == "type":
            said.append(f"{name}={as_dtype(value.type).name}" if value.type else f"{name}=?")
        elif kind == "tensor":
            sizes = [d.size for d in value.tensor.tensor_shape.dim]
            said.append(f"{name}={as_dtype(value.tensor.dtype).name}{_sizes(sizes)}")
        elif kind == "func":
            said.append(f"{name}={value.func.name}")
        elif kind == "list" and value.list.shape:
            said.append(f"{name}={[_sizes(shape_of(s)) for s in value.list.shape]}")
        elif kind in ("i", "b", "f"):
            said.append(f"{name}={getattr(value, kind)}")
        elif kind == "s":
            said.append(f"{name}={value.s[:40]!r}")
    return f"  {node.name} = {node.op}({', '.join(node.input)}) {{{', '.join(said)}}}"


def _sizes(sizes: Any) -> str:
    return "[?]" if sizes is None else f"[{', '.join('?' if n < 0 else str(n) for n in sizes)}]"


def summary_of(file: File) -> str:
    """Return what a file is, what it offers and how large its parts are."""
    if file.kind == PLAN:
        return checked(Path(file.path).read_bytes()).summary()
    if file.kind == CHECKPOINT:
        return "\n".join(["checkpoint", *checkpoint_lines(file.path)])
    if file.kind == GRAPH:
        made = graph_of(file.path)
        counts: dict[str, int] = {}
        for node in [*made.node, *(n for f in made.library.function for n in f.node_def)]:
            counts[node.op] = counts.get(node.op, 0) + 1
        ops = ", ".join(f"{op} {n}" for op, n in sorted(counts.items(), key=lambda p: (-p[1], p[0])))
        head = f"graph, {made.ByteSize()} bytes: {len(made.node)} nodes, {len(made.library.function)} functions"
        inputs = [_node_line(n) for n in made.node if n.op.startswith("Placeholder")]
        return "\n".join([head, f"ops: {ops}", *inputs])
    if file.kind == KERAS:
        return "\n".join(keras_lines(file.path))
    return "\n".join(saved_model_lines(file.path))


def checkpoint_lines(prefix: str) -> Iterable[str]:
    """Return the tensors of a checkpoint, with their sizes."""
    reader = BundleReader(prefix)
    total = 0
    for name in reader.names:
        entry = reader.entry(name)
        total += entry.size_bytes
        yield f"  {name}: {entry.dtype.name}{list(entry.shape)} {entry.size_bytes} bytes"
    yield f"{len(reader.names)} tensors, {total} bytes"


def keras_lines(path: str) -> Iterable[str]:
    """Return what a .keras file says of itself."""
    with zipfile.ZipFile(path) as archive:
        try:
            about = json.loads(archive.read("metadata.json"))
            config = json.loads(archive.read("config.json"))
        except (KeyError, ValueError) as error:
            raise CommandError(f"{path!r} is no whole .keras file: {error}.") from None
        yield f"keras model, written by Keras {about.get('keras_version')} on {about.get('date_saved')}"
        yield f"{config.get('class_name')} {config.get('config', {}).get('name', '')}"
        for layer in config.get("config", {}).get("layers", []):
            inner = layer.get("config", {})
            shape = inner.get("batch_shape") or layer.get("build_config", {}).get("input_shape") or ""
            yield f"  {inner.get('name')}: {layer.get('class_name')} {shape}"
        for item in archive.infolist():
            yield f"file {item.filename}: {item.file_size} bytes"


def saved_model_lines(folder: str) -> Iterable[str]:
    """Return the graphs, signatures and variables of a saved model."""
    for meta in meta_graphs(folder):
        tags = ",".join(meta.meta_info_def.tags)
        library = meta.graph_def.library.function
        yield f"saved model, tags {tags}: {len(meta.graph_def.node)} nodes, {len(library)} functions, by {meta.meta_info_def.tensorflow_version}"
        for name, signature in sorted(meta.signature_def.items()):
            inputs = ", ".join(f"{k}: {_tensor(v)}" for k, v in sorted(signature.inputs.items()))
            outputs = ", ".join(f"{k}: {_tensor(v)}" for k, v in sorted(signature.outputs.items()))
            yield f"signature {name}({inputs}) -> {outputs}"
    prefix = Path(folder, VARIABLES_DIRECTORY, VARIABLES_FILENAME)
    if Path(f"{prefix}.index").exists():
        yield "variables"
        yield from checkpoint_lines(str(prefix))
    plan = Path(folder, PLAN_FILENAME)
    if plan.exists():
        yield checked(plan.read_bytes()).summary()


def _tensor(info: Any) -> str:
    return f"{as_dtype(info.dtype).name if info.dtype else '?'}{_sizes(shape_of(info.tensor_shape))}"


def as_other_tools(folder: str, given: argparse.Namespace) -> Iterable[str]:
    """Return what saved_model_cli shows, in its words."""
    if given.all:
        for meta in meta_graphs(folder):
            tags = ", ".join(f"'{t}'" for t in sorted(meta.meta_info_def.tags))
            yield f"\nMetaGraphDef with tag-set: {tags} contains the following SignatureDefs:"
            for name in sorted(meta.signature_def):
                yield f"\nsignature_def['{name}']:"
                yield from signature_text(meta.signature_def[name], 1)
            yield from function_texts(meta)
    elif given.tag_set is None:
        yield "The given SavedModel contains the following tag-sets:"
        for meta in meta_graphs(folder):
            yield ", ".join(f"'{t}'" for t in sorted(meta.meta_info_def.tags))
    elif given.signature_def is None:
        yield "The given SavedModel MetaGraphDef contains SignatureDefs with the following keys:"
        for name in sorted(chosen_meta_graph(folder, given.tag_set).signature_def):
            yield f'SignatureDef key: "{name}"'
    else:
        meta = chosen_meta_graph(folder, given.tag_set)
        if given.signature_def not in meta.signature_def:
            raise CommandError(
                f"There is no signature {given.signature_def!r}; there are: {', '.join(sorted(meta.signature_def))}."
            )
        yield from signature_text(meta.signature_def[given.signature_def], 0)
