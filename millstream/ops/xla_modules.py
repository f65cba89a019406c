"""Declare the op of modules that XLA compiles. Refuses modules that call functions of the graph back."""

from __future__ import annotations

from typing import Any, NoReturn

from millstream.base import errors
from millstream.base.dtypes import DType
from millstream.base.shapes import TensorShape
from millstream.base.sizes import fresh_symbol
from millstream.base.spec import Spec
from millstream.ops.declaration import TensorList, op
from millstream.program.primitives.control import host_function
from millstream.program.stablehlo import module_for_processor
from millstream.program.value import Program


def _spec(dtype: DType, shape: Any) -> Spec:
    """Return the spec of a result; what stands open is a size that comes with it."""
    sizes = shape.as_list() if isinstance(shape, TensorShape) else shape
    if sizes is None:
        raise errors.UnimplementedError(
            None, None, "XlaCallModule: a shape in Sout has no rank; export the module with results of known rank."
        )
    return Spec(dtype, [fresh_symbol("n") if n is None or n < 0 else int(n) for n in sizes])


@op("XlaCallModule", outputs="output", stateful=True)
def xla_call_module(
    args: TensorList["Tin"],
    *,
    version: int,
    module: str,
    Sout: tuple[TensorShape, ...],
    Tout: tuple[DType, ...],
    dim_args_spec: tuple[str, ...] = (),
    platforms: tuple[str, ...] = (),
    function_list: tuple[Program, ...] = (),
    has_token_input_output: bool = False,
    disabled_checks: tuple[str, ...] = (),
    use_shardy_partitioner: bool = False,
) -> TensorList["Tout"]:
    """Call a serialized StableHLO module.

    Sizes that depend on the arguments are worked out by the module, so `dim_args_spec`, of the first versions, says nothing
    that it does not; there are no tokens in modules of these versions, and one device.
    """
    if function_list:
        raise errors.UnimplementedError(
            None,
            None,
            "XlaCallModule: the module calls functions of the graph back (function_list), which is not supported; export it "
            "without jax2tf.call_tf.",
        )
    artifact = module.encode("utf-8", "surrogateescape") if isinstance(module, str) else module
    function = module_for_processor(artifact, version, platforms, disabled_checks)
    return list(host_function(function, args, [_spec(t, s) for t, s in zip(Tout, Sout, strict=True)]))


@xla_call_module.gradient
def _no_gradient(*_: Any, **__: Any) -> NoReturn:
    raise LookupError(
        "gradient registry has no entry for: XlaCallModule. Export the function with jax2tf.convert(..., with_gradient=True), "
        "and save it with SaveOptions(experimental_custom_gradients=True)."
    )
