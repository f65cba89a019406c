"""`millstream check`: whether a file is whole, and which of its ops Millstream does not have. Runs none of it."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from millstream.backends.cpu.device import checked
from millstream.base import errors
from millstream.commands.files import CHECKPOINT, GRAPH, KERAS, PLAN, File, graph_of, meta_graphs, open_file
from millstream.graph.file_ops import SAVING
from millstream.graph.reading import CALLS, NOTHING
from millstream.graph.version_1 import ENTERS, EXITS, MERGES, NEXTS, SWITCHES
from millstream.ops.registry import find
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.constants import PLAN_FILENAME, VARIABLES_DIRECTORY, VARIABLES_FILENAME
from millstream.saving.version_1 import OLDER_OPS

_CONTROL = (*SWITCHES, *MERGES, *ENTERS, *EXITS, *NEXTS, "LoopCond")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the job takes."""
    parser.add_argument("file", help="a saved model's folder, a plan, .keras, checkpoint, .pb or .pbtxt")


def run(given: argparse.Namespace) -> int:
    """Print what is wrong; 1 where something is."""
    file = open_file(given.file)
    found = list(complaints(file))
    for line in found:
        print(line)
    print(f"{given.file}: {file.kind}, {'nothing is wrong' if not found else f'{len(found)} complaints'}")
    return 1 if found else 0


def complaints(file: File) -> Iterable[str]:
    """Return what is wrong with a file."""
    if file.kind == PLAN:
        yield from _plan_complaints(Path(file.path))
    elif file.kind == CHECKPOINT:
        yield from _checkpoint_complaints(file.path)
    elif file.kind == KERAS:
        yield from _archive_complaints(file.path)
    elif file.kind == GRAPH:
        yield from graph_complaints(graph_of(file.path), "the graph")
    else:
        for meta in meta_graphs(file.path):
            yield from graph_complaints(meta.graph_def, f"the graph with the tags {','.join(meta.meta_info_def.tags)}")
        prefix = Path(file.path, VARIABLES_DIRECTORY, VARIABLES_FILENAME)
        if Path(f"{prefix}.index").exists():
            yield from _checkpoint_complaints(str(prefix))
        plan = Path(file.path, PLAN_FILENAME)
        if plan.exists():
            yield from _plan_complaints(plan)


def _plan_complaints(path: Path) -> Iterable[str]:
    try:
        checked(path.read_bytes())
    except errors.OpError as error:
        yield f"{path}: {error.message}"


def _checkpoint_complaints(prefix: str) -> Iterable[str]:
    try:
        reader = BundleReader(prefix)
        names = reader.names
    except (errors.OpError, OSError) as error:
        yield f"{prefix}: {error}"
        return
    for name in names:
        try:
            reader.array(name)
        except (errors.OpError, OSError) as error:
            yield f"{prefix}: {name}: {error}"


def _archive_complaints(path: str) -> Iterable[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        yield f"{path}: {error}"
        return
    if wrong is not None:
        yield f"{path}: the sum of {wrong} does not fit; it is damaged"
    yield from (f"{path}: {name} is missing" for name in ("metadata.json", "config.json") if name not in names)


def graph_complaints(graph_def: Any, place: str) -> Iterable[str]:
    """Return what a graph takes that is not there, and the ops that Millstream does not have."""
    functions = {f.signature.name for f in graph_def.library.function}
    missing: dict[str, int] = {}
    for where, nodes, given in _scopes(graph_def, place):
        names = {n.name for n in nodes} | given
        for node in nodes:
            if not _is_known(node.op, functions):
                missing[node.op] = missing.get(node.op, 0) + 1
            for text in node.input:
                name = text.removeprefix("^").partition(":")[0]
                if name not in names:
                    yield f"{node.name} in {where} takes {text!r}, which nothing in it makes"
            for value in node.attr.values():
                for called in [value.func.name] if value.HasField("func") else [f.name for f in value.list.func]:
                    if called and called not in functions:
                        yield f"{node.name} in {where} calls the function {called!r}, which is not there"
    for op, count in sorted(missing.items()):
        yield f"{place}: {count} nodes are {op}, which is not supported here: leave that part out of the graph"


def _scopes(graph_def: Any, place: str) -> Iterable[tuple[str, Any, set[str]]]:
    yield place, graph_def.node, set()
    for function in graph_def.library.function:
        yield (
            f"the function {function.signature.name}",
            function.node_def,
            {a.name for a in function.signature.input_arg},
        )


def _is_known(op: str, functions: set[str]) -> bool:
    if (
        op in functions
        or op in (*NOTHING, *CALLS, *SAVING, "ShardedFilename", *_CONTROL, *OLDER_OPS)
        or op.startswith("Placeholder")
    ):
        return True
    try:
        find(op)
    except KeyError:
        return op in ("Const", "_Arg", "_Retval", "Assert")
    return True
