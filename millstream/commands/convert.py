"""`millstream convert`: a saved file as another kind of file. What is there is replaced when the new file is whole."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from millstream.commands.files import (
    CHECKPOINT,
    KERAS,
    PLAN,
    SAVED_MODEL,
    CommandError,
    concretes_of,
    keras_model,
    open_file,
    saved_model,
)
from millstream.execution.autotrackable import AutoTrackable
from millstream.saving.constants import PLAN_FILENAME
from millstream.saving.export import plan_of
from millstream.saving.freezing import frozen_graph
from millstream.saving.loading import load
from millstream.saving.replacing import write_whole
from millstream.saving.writing import save

KINDS = ("bundle", "saved_model", "plan", "frozen")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the job takes."""
    parser.add_argument("file", help="a saved model's folder, .keras, .pb or .pbtxt")
    parser.add_argument("out", help="where the new file or folder goes")
    parser.add_argument(
        "--to",
        choices=KINDS,
        help="bundle: a saved model with its plan beside; saved_model: without; plan: the plan alone; frozen: a GraphDef "
        "without variables. Without it, .plan and .pb or .pbtxt say plan and frozen, other names bundle",
    )
    parser.add_argument("--signature", help="only this signature; a frozen graph has one (default: serving_default)")
    parser.add_argument("--tag_set", help="the tags of the graph in a saved model, with commas")


def run(given: argparse.Namespace) -> int:
    """Write the new file."""
    file = open_file(given.file, given.tag_set)
    if file.kind in (PLAN, CHECKPOINT):
        raise CommandError(f"A {file.kind} cannot be converted: it has no graph. Give the model that it was made from.")
    out = Path(given.out)
    to = given.to or {".plan": "plan", ".pb": "frozen", ".pbtxt": "frozen"}.get(out.suffix, "bundle")
    if to in ("plan", "frozen"):
        functions = _chosen(concretes_of(file, given.tag_set), given.signature, to)
        if to == "plan":
            write_whole(out, plan_of(functions))
        else:
            write_whole(out, _graph_bytes(frozen_graph(next(iter(functions.values()))), out))
    elif file.kind == KERAS:
        if given.signature is not None:
            raise CommandError("A .keras file has one function; leave --signature out.")
        _export(keras_model(file.path), out, to == "bundle")
    else:
        root: Any
        if file.kind == SAVED_MODEL:
            root = saved_model(file, given.tag_set)
            functions = _chosen(dict(root.signatures.items()), given.signature, to)
        else:
            root = AutoTrackable()
            root.signature_functions = functions = _chosen(concretes_of(file), given.signature, to)
        save(root, out, signatures=functions, plan=to == "bundle")
    print(f"{out}: {to}")
    return 0


def _chosen(functions: dict[str, Any], signature: str | None, to: str) -> dict[str, Any]:
    if signature is None and to == "frozen" and len(functions) > 1:
        signature = "serving_default"
    if signature is None:
        return functions
    if signature not in functions:
        raise CommandError(
            f"There is no signature {signature!r}; --signature is one of: {', '.join(sorted(functions))}."
        )
    return {signature: functions[signature]}


def _export(model: Any, out: Path, plan: bool) -> None:
    model.export(str(out), format="tf_saved_model", verbose=False)
    if plan:
        write_whole(out / PLAN_FILENAME, plan_of(dict(load(out).signatures.items())))


def _graph_bytes(graph: Any, out: Path) -> bytes:
    if out.suffix == ".pbtxt":
        from google.protobuf import text_format

        return str(text_format.MessageToString(graph)).encode()
    return bytes(graph.SerializeToString(deterministic=True))
