"""Programs of StableHLO that other packages exported, called as functions of arrays: XLA compiles them for each set of shapes.

They need the package jax, from which they come; it is imported when the first one is called.
"""

from __future__ import annotations

import functools
import importlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from millstream.base import errors

OLDEST_VERSION = 4
NEWEST_VERSION = 10
"""Of the calling conventions of exported modules: from where StableHLO's artifacts are portable, to jax 0.10."""

MOST_KEPT = 256
"""Compiled programs that are kept."""


@dataclass(frozen=True)
class Module:
    """A serialized module, and the place of the processor among the platforms that it asks about; None where it does not."""

    artifact: bytes
    platform: int | None

    def __call__(self, *arrays: Any) -> list[Any]:
        given = [np.asarray(a) for a in arrays]
        if self.platform is not None:
            given.insert(0, np.asarray(self.platform, np.int32))
        kinds = tuple((a.shape, str(a.dtype)) for a in given)
        return _compiled(self.artifact, kinds)(given)


def module_for_processor(
    artifact: bytes, version: int, platforms: Sequence[str], disabled_checks: Sequence[str] = ()
) -> Module:
    """Return a module of a calling convention, made for some platforms, as a function for the processor.

    Raises:
      UnimplementedError: the version is not known.
      NotFoundError: the module was made for other platforms, and `disabled_checks` has no "platform".
    """
    if not OLDEST_VERSION <= version <= NEWEST_VERSION:
        raise errors.UnimplementedError(
            None,
            None,
            f"XlaCallModule: version={version}; modules of the versions {OLDEST_VERSION} to {NEWEST_VERSION} are "
            "supported. Export it with jax 0.4.7 or newer.",
        )
    wanted = tuple(str(p).upper() for p in platforms)
    if wanted and "CPU" not in wanted and "platform" not in disabled_checks:
        raise errors.NotFoundError(
            None,
            None,
            f"The current platform CPU is not among the platforms required by the module: [{', '.join(wanted)}]",
        )
    return Module(artifact, wanted.index("CPU") if len(wanted) > 1 and "CPU" in wanted else None)


@functools.lru_cache(MOST_KEPT)
def _compiled(module: bytes, kinds: tuple[tuple[tuple[int, ...], str], ...]) -> Callable[[list[Any]], list[Any]]:
    """Return a module, compiled for arguments of these shapes, as a function of arrays."""
    try:
        jax = importlib.import_module("jax")
    except ImportError:
        raise ImportError(
            errors.explain(
                "Modules of StableHLO are compiled by the package jax, which is not installed; pip install jax."
            )
        ) from None
    ir = importlib.import_module("jaxlib.mlir.ir")
    client = importlib.import_module("jaxlib.xla_client")
    device = jax.devices("cpu")[0]
    context = ir.Context()
    refined = ir.Module.parse(_refined(module, context, [shape for shape, _ in kinds]), context)
    program = device.client.compile_and_load(refined, client.DeviceList((device,)), client.CompileOptions())

    def run(arrays: list[Any]) -> list[Any]:
        # Without this, jax would make 64-bit numbers 32-bit ones.
        with jax.enable_x64(True):
            placed = [jax.device_put(a, device) for a in arrays]
        found = program.execute_sharded(placed).disassemble_into_single_device_arrays()
        return [np.asarray(parts[0]) for parts in found]

    return run


def _refined(module: bytes, context: Any, shapes: list[tuple[int, ...]]) -> bytes:
    """Return the module with the sizes of the arguments in the place of those that it leaves open."""
    ir = importlib.import_module("jaxlib.mlir.ir")
    hlo = importlib.import_module("jaxlib.mlir.dialects.stablehlo")
    functions = importlib.import_module("jaxlib.mlir.dialects.func")
    hlo.register_dialect(context)
    made = hlo.deserialize_portable_artifact(context, module)
    with context, ir.Location.unknown(context):
        table = ir.SymbolTable(made.operation)
        given = table["main"]
        wanted = given.type
        table.set_symbol_name(given, "given")
        given.attributes["sym_visibility"] = ir.StringAttr.get("private")
        types = [
            ir.RankedTensorType.get(shape, ir.RankedTensorType(t).element_type)
            for shape, t in zip(shapes, wanted.inputs, strict=True)
        ]
        with ir.InsertionPoint(made.body):
            main = functions.FuncOp("main", ir.FunctionType.get(types, wanted.results), visibility="public")
            block = main.add_entry_block()
        with ir.InsertionPoint(block):
            values = [
                a if a.type == t else hlo.convert(t, a) for a, t in zip(block.arguments, wanted.inputs, strict=True)
            ]
            call = functions.CallOp(wanted.results, ir.FlatSymbolRefAttr.get("given"), values)
            functions.ReturnOp(call.results)
        text = io.BytesIO()
        made.operation.write_bytecode(text)
    compiler = importlib.import_module("jaxlib._jax").mlir
    try:
        return compiler.refine_polymorphic_shapes(text.getvalue(), True, True)  # type: ignore[no-any-return]
    except RuntimeError as error:
        raise errors.InvalidArgumentError(None, None, str(error)) from None
