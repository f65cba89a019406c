"""`millstream scan`: the ops of a saved model that reach outside of it, such as those that read or write files."""

from __future__ import annotations

import argparse

from millstream.commands.files import SAVED_MODEL, CommandError, meta_graphs, open_file
from millstream.graph.file_ops import NAMING, REFUSED, SAVING

_REACHING = {"ReadFile", "PrintV2", *NAMING, *REFUSED}.difference(SAVING)
"""What loading refuses or guards, and what may print to a file; without what every saved model has for its own files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the job takes."""
    parser.add_argument("file", nargs="?", help="a saved model's folder")
    parser.add_argument("--dir", help="the same as FILE")
    parser.add_argument("--tag_set", help="only the graph with these tags, with commas")
    parser.add_argument("--op_denylist", help="the ops to look for, with commas, in place of the usual ones")


def run(given: argparse.Namespace) -> int:
    """Print what was found; 1 where something was."""
    path = given.file or given.dir
    if path is None:
        raise CommandError("Name the saved model to scan: millstream scan FOLDER.")
    file = open_file(path)
    if file.kind != SAVED_MODEL:
        raise CommandError(f"{path!r} is a {file.kind}; scan takes a saved model's folder.")
    wanted = set(given.op_denylist.split(",")) if given.op_denylist else _REACHING
    graphs = [
        g
        for g in meta_graphs(file.path)
        if not given.tag_set or set(g.meta_info_def.tags) == set(given.tag_set.split(","))
    ]
    if not graphs:
        raise CommandError(f"No graph of {path!r} has the tags {given.tag_set}.")
    status = 0
    for meta in graphs:
        ops = {n.op for n in meta.graph_def.node} | {n.op for f in meta.graph_def.library.function for n in f.node_def}
        found = sorted(ops & wanted)
        tags = ",".join(meta.meta_info_def.tags)
        if found:
            status = 1
            print(f"MetaGraph with tag set [{tags}] contains the following denylisted ops: {', '.join(found)}")
        else:
            print(
                f"MetaGraph with tag set [{tags}] does not contain the default denylisted ops: {', '.join(sorted(wanted))}"
            )
    return status
