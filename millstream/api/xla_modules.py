"""Programs of StableHLO that other packages exported, called as one function: XLA compiles them for each set of shapes.

They need the package jax, from which they come; it is imported when the first one is called. Gradients are the business of
who exported them.
"""

from __future__ import annotations

import functools
import importlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.base import errors
from millstream.base.dtypes import as_dtype
from millstream.base.shapes import TensorShape, to_spec_shape
from millstream.base.spec import Spec
from millstream.execution.convert import to_tensor
from millstream.execution.host import call_on_host
from millstream.execution.tensor import eager_from_array

NEWEST_VERSION = 10
"""Of the calling conventions of exported modules."""

MOST_KEPT = 256
"""Compiled programs that are kept."""


def newest_version() -> int:
    """Return the newest calling convention of modules that `call_module` takes."""
    return NEWEST_VERSION


def call_module(
    args: Sequence[Any],
    *,
    version: int,
    module: bytes,
    Tout: Sequence[Any],
    Sout: Sequence[Any],
    platforms: Sequence[str] = (),
    function_list: Sequence[Any] = (),
    has_token_input_output: bool = False,
    disabled_checks: Sequence[str] = (),
    use_shardy_partitioner: bool = False,
) -> list[Any]:
    """Return what a serialized StableHLO module gives for the arguments; now, or when the graph runs.

    Args:
      args: tensors.
      version: the calling convention, up to `newest_version()`.
      module: StableHLO's portable artifact.
      Tout: element types of the results.
      Sout: shapes of the results; sizes that depend on the arguments are None.
      platforms: what the module was made for; CPU must be among them, unless `disabled_checks` has "platform".
      function_list: functions that the module calls back; refused.
      has_token_input_output: taken; newer modules have no tokens.
      disabled_checks: safety checks to leave out.
      use_shardy_partitioner: taken; there is one device.

    Raises:
      NotImplementedError: the version is not known, or the module calls functions back.
      NotFoundError: the module was made for other platforms.
    """
    if function_list:
        raise NotImplementedError(
            errors.explain(
                f"A module that calls back into functions, {list(function_list)}, is not supported; export it without "
                "jax2tf.call_tf."
            )
        )
    if not 5 <= version <= NEWEST_VERSION:
        raise NotImplementedError(
            errors.explain(f"version={version}; modules of the versions 5 to {NEWEST_VERSION} are supported.")
        )
    wanted = tuple(str(p).upper() for p in platforms)
    if wanted and "CPU" not in wanted and "platform" not in disabled_checks:
        raise errors.NotFoundError(
            None,
            None,
            f"The current platform CPU is not among the platforms required by the module: [{', '.join(wanted)}]",
        )
    number = wanted.index("CPU") if len(wanted) > 1 and "CPU" in wanted else None

    types = [as_dtype(t) for t in Tout]

    def run(*tensors: Any) -> list[Any]:
        arrays = [t.numpy() for t in tensors]
        if number is not None:
            arrays.insert(0, np.int32(number))
        kinds = tuple((a.shape, str(a.dtype)) for a in map(np.asarray, arrays))
        found = _compiled(module, kinds)(arrays)
        return [eager_from_array(a, t) for a, t in zip(found, types, strict=True)]

    outputs = [Spec(t, to_spec_shape(TensorShape(shape))) for t, shape in zip(types, Sout, strict=True)]
    return call_on_host("XlaCallModule", run, [to_tensor(a) for a in args], outputs)


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
