"""Which of TensorFlow's public names Millstream has, by namespace, and which call signatures differ.

    .venv/bin/python tools/api_coverage.py [--reference FILE] [--missing tf.nn] [--signatures] [--all]

`tf.compat` and `tf.raw_ops` are left out unless --all is given: they repeat names and ops.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[2] / "shared/reference"
REFERENCE = Path(os.environ.get("MILLSTREAM_REFERENCE", SHARED)) / "tensorflow_api_2.21.json"
REPEATED = ("tf.compat", "tf.raw_ops")
ABSENT = object()


def namespace(name: str) -> str:
    """`tf.nn` for `tf.nn.relu`; `tf` for `tf.constant` and for the methods of `tf.Tensor`-like classes."""
    parts = name.split(".")
    return "tf" if len(parts) < 3 or parts[1][:1].isupper() else ".".join(parts[:2])


def look_up(root: Any, name: str) -> Any:
    """The object behind `tf.a.b`, or ABSENT."""
    found = root
    for part in name.split(".")[1:]:
        try:
            found = getattr(found, part)
        except AttributeError:
            return ABSENT
    return found


def parameters(signature: str) -> list[str]:
    """Parameter names of a published signature, `(x, name=None)`; stars kept."""
    depth, quoted, name, names = 0, False, "", []
    for letter in signature.split("->")[0].strip()[1:-1] + ",":
        if letter == "'":
            quoted = not quoted
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        if letter == "," and depth == 0 and not quoted:
            names.append(name.split("=")[0].split(":")[0].strip())
            name = ""
        else:
            name += letter
    return [name for name in names if name]


def signature_differs(found: Any, published: dict[str, Any]) -> str:
    """What differs in the parameter names, or an empty text."""
    if published["kind"] != "function" or "signature" not in published:
        return ""
    try:
        ours = [
            str(parameter).split("=")[0].split(":")[0].strip()
            for parameter in inspect.signature(found).parameters.values()
        ]
    except (TypeError, ValueError):
        return ""
    theirs = parameters(published["signature"])
    return "" if ours == theirs else f"({', '.join(ours)}), published: ({', '.join(theirs)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=REFERENCE)
    parser.add_argument(
        "--missing", help="list the missing names of this namespace ('tf' for the top, 'every' for all)"
    )
    parser.add_argument("--signatures", action="store_true", help="list functions whose parameter names differ")
    parser.add_argument("--all", action="store_true", help="count tf.compat and tf.raw_ops, too")
    options = parser.parse_args()
    if not options.reference.exists():
        sys.exit(f"{options.reference} is not there: name TensorFlow's list of public names with --reference")
    import millstream

    published = json.loads(options.reference.read_text())
    total: dict[str, int] = defaultdict(int)
    present: dict[str, int] = defaultdict(int)
    missing: list[str] = []
    different: list[str] = []
    for name, facts in published.items():
        if not options.all and name.startswith(REPEATED):
            continue
        total[namespace(name)] += 1
        found = look_up(millstream, name)
        if found is ABSENT:
            missing.append(name)
            continue
        present[namespace(name)] += 1
        if difference := signature_differs(found, facts):
            different.append(f"{name}{difference}")
    if options.missing:
        print(*(name for name in missing if options.missing in ("every", namespace(name))), sep="\n")
    if options.signatures:
        print(*different, sep="\n")
    print("| namespace | published | here | % |\n|---|---:|---:|---:|")
    for space in sorted(total):
        print(f"| {space} | {total[space]} | {present[space]} | {100 * present[space] // total[space]} |")
    everything, here = sum(total.values()), sum(present.values())
    print(f"| all | {everything} | {here} | {100 * here // everything} |")
    print(f"\n{len(different)} functions have other parameter names than published")


if __name__ == "__main__":
    main()
