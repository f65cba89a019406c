"""`millstream run`: a Python program with the other name answered by us, or a signature of a saved file with given inputs."""

from __future__ import annotations

import argparse
import ast
import os
import re
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from millstream.base.dtypes import string
from millstream.base.messages import message
from millstream.bridge.install import NAME, install_as_tensorflow
from millstream.commands.files import CHECKPOINT, PLAN, CommandError, File, concretes_of, open_file
from millstream.commands.plan_call import PlanFile
from millstream.execution.convert import to_tensor
from millstream.saving.constants import DEFAULT_SIGNATURE

_INPUT = re.compile(r"^([^=]+)=([^\[\]]+)(?:\[([^\[\]]+)\])?$")
_EXPRESSION = re.compile(r"^([^=]+)=(.+)$", re.DOTALL)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the job takes."""
    parser.add_argument("-m", dest="module", action="store_true", help="FILE is a module's name, as for `python -m`")
    parser.add_argument("--replace", action="store_true", help=f"for programs: also where a real {NAME} is installed")
    parser.add_argument("--dir", help="the same as FILE, for saved models")
    parser.add_argument("--tag_set", help="the tags of the graph in a saved model, with commas")
    parser.add_argument("--signature_def", "--signature", dest="signature_def", help="default: serving_default")
    parser.add_argument("--inputs", default="", help="name=FILE.npy or name=FILE.npz[key], separated by semicolons")
    parser.add_argument("--input_exprs", default="", help="name=EXPRESSION with np for NumPy, separated by semicolons")
    parser.add_argument("--input_examples", default="", help='name=[{"feature": [values]}, …], separated by semicolons')
    parser.add_argument("--outdir", help="write each result to NAME.npy in this folder, too")
    parser.add_argument("--overwrite", action="store_true", help="replace files in --outdir")
    parser.add_argument("file", nargs="?", help="a Python program, or a saved model, plan, .keras, .pb or .pbtxt")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="the program's arguments")


def run(given: argparse.Namespace) -> int:
    """Run a program or a signature."""
    path = given.file or given.dir
    if path is None:
        raise CommandError("Name what to run: millstream run PROGRAM.py, or a saved file with --inputs.")
    if runs_program(given):
        return run_program(path, given.args, module=given.module, replace=given.replace)
    if given.args:
        # Behind a program all arguments are its own; behind a saved file they are ours.
        rest = argparse.ArgumentParser(prog=f"millstream run {path}")
        add_arguments(rest)
        options = list(given.args)
        given.args = []
        given = rest.parse_args(options, given)
        if given.file != path and given.file is not None:
            raise CommandError(f"One file is run, given are {path!r} and {given.file!r}.")
    run_signature(open_file(path, given.tag_set), given)
    return 0


def runs_program(given: argparse.Namespace) -> bool:
    """Whether the command line names a Python program, whose errors are its own."""
    if given.module or given.file is None or given.file.endswith(".py"):
        return bool(given.file)
    return _is_text(given.file)


def _is_text(path: str) -> bool:
    """Whether a file without a known ending is text that Python reads: no saved file is."""
    if not os.path.isfile(path) or path.endswith((".pb", ".pbtxt", ".keras", ".index", ".plan")):
        return False
    with open(path, "rb") as file:
        return b"\0" not in file.read(1024)


def run_program(script: str, args: Sequence[str], *, module: bool, replace: bool) -> int:
    """Run a Python program that imports the other name."""
    if not module and not os.path.exists(script):
        raise CommandError(f"{script!r} does not exist; give the path of a Python program.")
    install_as_tensorflow(replace=replace)
    sys.argv = [script, *args]
    if module:
        runpy.run_module(script, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
        runpy.run_path(script, run_name="__main__")
    return 0


def run_signature(file: File, given: argparse.Namespace) -> None:
    """Call a signature with the inputs that the command line gives, and print its results."""
    if file.kind == CHECKPOINT:
        raise CommandError("A checkpoint holds values only; give the model that it belongs to.")
    arrays = {
        **_from_files(given.inputs),
        **_from_expressions(given.input_exprs),
        **_from_examples(given.input_examples),
    }
    results = _of_plan(file, given, arrays) if file.kind == PLAN else _of_functions(file, given, arrays)
    for key in sorted(results):
        print(f"Result for output key {key}:\n{results[key]}")
        if given.outdir:
            _write(Path(given.outdir), key, results[key], given.overwrite)


def _of_functions(file: File, given: argparse.Namespace, arrays: dict[str, Any]) -> dict[str, Any]:
    functions = concretes_of(file, given.tag_set)
    name = _signature(list(functions), given.signature_def)
    function = functions[name]
    wanted = {k: (v.dtype, v.shape) for k, v in zip(function._argument_names, function.kinds, strict=False)}
    _check_inputs(name, wanted, arrays)
    results = function(
        **{
            k: to_tensor(np.asarray(arrays[k], object if kind is string else None), kind)
            for k, (kind, _) in wanted.items()
        }
    )
    flat = results if isinstance(results, dict) else {f"output_{i}": v for i, v in enumerate(_listed(results))}
    return {k: v.numpy() for k, v in flat.items()}


def _of_plan(file: File, given: argparse.Namespace, arrays: dict[str, Any]) -> dict[str, Any]:
    plan = PlanFile(file.path)
    name = _signature(plan.signatures, given.signature_def)
    place = plan.signatures.index(name)
    _check_inputs(name, plan.inputs(place), arrays)
    return plan.call(place, arrays)


def _signature(names: list[str], wanted: str | None) -> str:
    name = wanted or (names[0] if len(names) == 1 else DEFAULT_SIGNATURE)
    if name not in names:
        raise CommandError(f"There is no signature {name!r}; --signature_def is one of: {', '.join(sorted(names))}.")
    return name


def _check_inputs(name: str, wanted: dict[str, Any], arrays: dict[str, Any]) -> None:
    if arrays.keys() != wanted.keys():
        said = ", ".join(f"{k}: {kind.name}{shape}" for k, (kind, shape) in wanted.items()) or "nothing"
        raise CommandError(f"{name!r} takes {said}; given are {', '.join(sorted(arrays)) or 'none'}.")


def _listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (list, tuple)) else [results]


def _write(folder: Path, key: str, array: Any, overwrite: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{key.replace('/', '_')}.npy"
    if path.exists() and not overwrite:
        raise CommandError(f"{path} exists; give --overwrite to replace it.")
    np.save(path, array)
    print(f"Output {key} is saved to {path}")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _from_files(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in _parts(text):
        match = _INPUT.match(part)
        if match is None:
            raise CommandError(f"--inputs {part!r}: write name=FILE.npy or name=FILE.npz[key].")
        name, path, key = match.groups()
        if not os.path.exists(path):
            raise CommandError(f"--inputs {part!r}: {path!r} does not exist.")
        try:
            loaded = np.load(path, allow_pickle=False)
        except ValueError as error:
            raise CommandError(f"--inputs {part!r}: {path!r} is no .npy or .npz file of numbers: {error}.") from None
        if isinstance(loaded, np.ndarray):
            if key is not None:
                raise CommandError(f"--inputs {part!r}: {path!r} holds one array; leave [{key}] out.")
            found[name] = loaded
            continue
        names = list(loaded.files)
        if (key is None and len(names) != 1) or (key is not None and key not in names):
            raise CommandError(f"--inputs {part!r}: {path!r} holds {', '.join(names)}; name one in brackets.")
        found[name] = loaded[key or names[0]]
    return found


def _from_expressions(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in _parts(text):
        match = _EXPRESSION.match(part)
        if match is None:
            raise CommandError(f"--input_exprs {part!r}: write name=EXPRESSION.")
        try:
            # What stands on the command line is the caller's own program.
            found[match[1]] = eval(match[2], {"np": np, "numpy": np})
        except Exception as error:
            raise CommandError(f"--input_exprs {part!r}: {type(error).__name__}: {error}.") from None
    return found


def _from_examples(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in _parts(text):
        match = _EXPRESSION.match(part)
        try:
            listed = ast.literal_eval(match[2]) if match is not None else None
        except (ValueError, SyntaxError):
            listed = None
        if match is None or not isinstance(listed, list) or not all(isinstance(e, dict) for e in listed):
            raise CommandError(f'--input_examples {part!r}: write name=[{{"feature": [values]}}, …].')
        found[match[1]] = np.array([_example(e) for e in listed], object)
    return found


def _example(features: dict[str, Any]) -> bytes:
    made = message("Example")()
    for name, values in features.items():
        if not isinstance(values, list):
            raise CommandError(f"The feature {name!r} is {values!r}; give a list of numbers or texts.")
        target = made.features.feature[name]
        first = values[0] if values else 0.0
        if isinstance(first, float):
            target.float_list.value.extend(values)
        elif isinstance(first, (str, bytes)):
            target.bytes_list.value.extend(v.encode() if isinstance(v, str) else v for v in values)
        elif isinstance(first, int):
            target.int64_list.value.extend(values)
        else:
            raise CommandError(f"The feature {name!r} holds {type(first).__name__}; give numbers or texts.")
    return bytes(made.SerializeToString())
