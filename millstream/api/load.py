"""Load the modules of the api: most at once, so that their names are there; namespaces of their own when first used."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path

from millstream.api.public import LATER

_NOT_NAMES = ("compat_v1_names", "load", "outside", "public", "refusal")
_FAMILIES = {
    "audio": "audio",
    "autograph": "autograph",
    "compat_v1": "compat.v1",
    "feature_column": "feature_column",
    "image": "image",
    "io": "io",
    "linear_operators": "linalg",
    "lookup": "lookup",
    "matrix_functions": "linalg",
    "nn_rare": "nn",
    "nn_sampled": "nn",
    "quantization": "quantization",
    "queue": "queue",
    "random_candidates": "random",
    "raw_ops": "raw_ops",
    "sets": "sets",
    "signal": "signal",
    "strings": "strings",
    "test": "test",
    "train": "train",
    "xla": "xla",
    "experimental_numpy": "experimental.numpy",
    "extension": "experimental",
}
"""Files whose names start so wait until the namespace is asked for."""

_ROOMS = {
    "compat.v1": "millstream.version_1.names",
    "data": "millstream.data.names",
    "distribute": "millstream.distribution.names",
    "types.experimental.distributed": "millstream.distribution.names",
    "profiler": "millstream.profiling.profiler",
    "saved_model": "millstream.saving.names",
    "summary": "millstream.summary.names",
    "raw_ops": "millstream.saving.checkpoint.raw_operations",
    "train": "millstream.saving.checkpoint.names",
}

_OUTSIDE = ("experimental.dtensor", "experimental.tensorrt", "mlir", "quantization.experimental", "tpu")
"""Namespaces that only refuse."""


def load_api() -> None:
    """Import the modules of this folder, but for the families that wait."""
    waiting: dict[str, list[str]] = {namespace: [] for namespace in _FAMILIES.values()}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name in _NOT_NAMES or module.name.endswith("_test"):
            continue
        full = f"millstream.api.{module.name}"
        namespace = next((n for f, n in _FAMILIES.items() if module.name == f or module.name.startswith(f"{f}_")), None)
        if namespace is None:
            importlib.import_module(full)
        else:
            waiting[namespace].append(full)
    for namespace, room in (*_ROOMS.items(), *((n, "millstream.api.outside") for n in _OUTSIDE)):
        waiting.setdefault(namespace, []).append(room)
    LATER.update({n: functools.partial(_import_all, modules) for n, modules in waiting.items() if modules})


def _import_all(modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
