"""Compares the ops that Millstream declares with TensorFlow's published OpDefs, and prints every difference.

    .venv/bin/python tools/opdef_compare.py [--reference FILE] [--missing]

Counts and element-type lists that follow from list inputs carry a minimum in OpDefs; declarations do not state it, so it
is not compared.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import sys
from pathlib import Path
from typing import Any, get_args, get_origin

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parent / "tests/conformance/testdata/tensorflow_opdefs_2.21.json.gz"
KINDS = {int: "int", bool: "bool", float: "float", str: "string", bytes: "string"}
TYPE_NAMES = {"float": "float32", "half": "float16", "double": "float64"}
NOT_ANNOTATED = ("list(shape)", "func", "list(func)", "tensor", "list(tensor)")
"""Kinds that a declaration may annotate with Any: Python has no short type for them."""
REQUIRED = object()


def published(path: Path = REFERENCE) -> dict[str, dict[str, Any]]:
    """The reference by op name, in the form that `differences` takes."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return {name: plain(definition) for name, definition in json.load(file).items()}


def plain(definition: dict[str, Any]) -> dict[str, Any]:
    """One published OpDef as sides (name and what decides the type) and attributes (type, allowed, default)."""
    attributes = {}
    for name, attribute in definition["attrs"].items():
        attributes[name] = {
            "type": attribute["type"],
            "allowed": set(attribute.get("allowed", ())),
            "default": plain_default(attribute["default"]) if "default" in attribute else REQUIRED,
        }
    sides = {
        side: [
            (
                parameter["name"],
                parameter.get("type") or parameter.get("type_attr") or parameter.get("type_list_attr"),
                parameter.get("number_attr", ""),
            )
            for parameter in definition[side]
        ]
        for side in ("inputs", "outputs")
    }
    return {"attributes": attributes, "stateful": definition.get("is_stateful", False), **sides}


def plain_default(default: dict[str, Any]) -> Any:
    """A default as Python has it: text for strings, names for types, tuples for lists, None for an unknown shape."""
    (kind, value), *_ = default.items()
    if kind == "s":
        return base64.b64decode(value).decode("utf-8")
    if kind == "i":
        return int(value)
    if kind == "f":
        return float(value)
    if kind == "type":
        name = value.removeprefix("DT_").lower()
        return TYPE_NAMES.get(name, name)
    if kind == "list":
        if not value:
            return ()
        (item_kind, items), *_ = value.items()
        return tuple(plain_default({item_kind: item}) for item in items)
    if kind == "shape":
        if value.get("unknown_rank", value.get("unknownRank")):
            return None
        return tuple(int(dimension["size"]) for dimension in value.get("dim", ()))
    return value


def declared(op: Any) -> dict[str, Any]:
    """One of our declarations in the same form. The only place here that knows how an op is declared."""
    attributes: dict[str, dict[str, Any]] = {}
    for types in op.types.values():
        attributes[types.name] = type_attribute(types)
    for name, attribute in op.attributes.items():
        if name in op.types:
            continue
        attributes[name] = {
            "type": kind_name(attribute.kind),
            "allowed": {plain_value(value) for value in attribute.allowed},
            "default": REQUIRED if attribute.required else plain_value(attribute.default),
        }
    sides: dict[str, list[tuple[str, str, str]]] = {"inputs": [], "outputs": []}
    named = [(parameter.name, parameter) for parameter in op.inputs]
    for side, parameters in (("inputs", named), ("outputs", list(zip(op.output_names, op.results)))):
        for name, parameter in parameters:
            element = parameter.element
            count = getattr(parameter, "count", "")
            sides[side].append((name, element if isinstance(element, str) else element.name, count))
            if count:
                attributes.setdefault(count, {"type": "int", "allowed": set(), "default": REQUIRED})
            if parameter.shape == "mixed":
                allowed = {dtype.name for dtype in parameter.allowed}
                attributes.setdefault(element, {"type": "list(type)", "allowed": allowed, "default": REQUIRED})
            elif not isinstance(element, str) and hasattr(element, "allowed"):
                attributes.setdefault(element.name, type_attribute(element))
    return {"attributes": attributes, "stateful": op.stateful, **sides}


def type_attribute(types: Any) -> dict[str, Any]:
    default = REQUIRED if types.default is None else types.default.name
    return {"type": "type", "allowed": {dtype.name for dtype in types.allowed}, "default": default}


def kind_name(kind: Any) -> str:
    """`list(int)` for tuple[int, ...], `string` for str and for Literal texts, `type` for DType."""
    arguments = get_args(kind)
    if get_origin(kind) in (tuple, list):
        return f"list({kind_name(arguments[0])})"
    if arguments and all(isinstance(argument, str) for argument in arguments):
        return "string"
    if arguments and all(isinstance(argument, int) for argument in arguments):
        return "int"
    if arguments:  # `X | None`: None stands for what is unknown, a shape of unknown rank
        if list[int] in arguments or tuple[int, ...] in arguments:
            return "shape"
        return kind_name(next(argument for argument in arguments if argument is not type(None)))
    names = {"DType": "type", "TensorShape": "shape", "Shape": "shape", "Function": "func", "Program": "func"}
    return KINDS.get(kind) or names.get(getattr(kind, "__name__", ""), getattr(kind, "__name__", str(kind)))


def plain_value(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(plain_value(item) for item in value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value.name if hasattr(value, "as_numpy_dtype") else value


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """What is stated differently, one line each: ours first."""
    lines = []
    for side in ("inputs", "outputs"):
        if ours[side] != theirs[side]:
            lines.append(f"{side}: {shown(ours[side])}, published: {shown(theirs[side])}")
    if ours["stateful"] != theirs["stateful"]:
        lines.append(f"stateful: {ours['stateful']}, published: {theirs['stateful']}")
    mine, right = ours["attributes"], theirs["attributes"]
    lines += [f"attribute {name}: not declared" for name in sorted(right.keys() - mine.keys())]
    lines += [f"attribute {name}: not published" for name in sorted(mine.keys() - right.keys())]
    for name in sorted(mine.keys() & right.keys()):
        for field in ("type", "allowed", "default"):
            if field == "type" and mine[name][field] == "Any" and right[name][field] in NOT_ANNOTATED:
                continue
            if not same(mine[name][field], right[name][field]):
                here, there = shown(mine[name][field]), shown(right[name][field])
                lines.append(f"attribute {name}, {field}: {here}, published: {there}")
    return lines


def same(ours: Any, theirs: Any) -> bool:
    """Equal, where a float published in single precision equals the double that prints the same."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return abs(ours - theirs) <= 1e-7 * abs(theirs)
    return bool(ours == theirs) and isinstance(ours, bool) == isinstance(theirs, bool)


def shown(value: Any) -> str:
    if value is REQUIRED:
        return "required"
    return "{" + ", ".join(sorted(map(str, value))) + "}" if isinstance(value, set) else repr(value)


def compare(ops: dict[str, Any], reference: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Differences by op; an op that is not published at all differs, too."""
    found = {}
    for name, op in sorted(ops.items()):
        lines = differences(declared(op), reference[name]) if name in reference else ["not published"]
        if lines:
            found[name] = lines
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, default=REFERENCE)
    parser.add_argument("--missing", action="store_true", help="also list the published ops that are not declared")
    options = parser.parse_args()
    from millstream.ops.registry import all_ops

    ops, reference = all_ops(), published(options.reference)
    found = compare(ops, reference)
    for name, lines in found.items():
        print(name, *lines, sep="\n  ")
    if options.missing:
        print("Not declared:", *sorted(reference.keys() - ops.keys()), sep="\n  ")
    print(f"{len(ops)} ops declared of {len(reference)}; {len(found)} differ")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
