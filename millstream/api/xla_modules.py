"""Programs of StableHLO that other packages exported, called as one function. What is refused: `ops/xla_modules.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.base import errors
from millstream.base.dtypes import as_dtype
from millstream.base.shapes import TensorShape
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.xla_modules import xla_call_module
from millstream.program.stablehlo import NEWEST_VERSION


def newest_version() -> int:
    """Return the newest calling convention of modules that `call_module` takes."""
    return NEWEST_VERSION


def call_module(
    args: Sequence[Any],
    *,
    version: int = 4,
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
      function_list: names of functions that the module calls back; refused.
      has_token_input_output: taken; newer modules have no tokens.
      disabled_checks: safety checks to leave out.
      use_shardy_partitioner: taken; there is one device.

    Raises:
      UnimplementedError: the version is not known, or the module calls functions back.
      NotFoundError: the module was made for other platforms.
    """
    if function_list:
        raise errors.UnimplementedError(
            None,
            None,
            errors.explain(
                f"A module that calls back into functions, {list(function_list)}, is not supported; export it without "
                "jax2tf.call_tf."
            ),
        )
    results = apply(
        xla_call_module,
        [to_tensor(a) for a in args],
        version=version,
        module=module,
        Tout=tuple(as_dtype(t) for t in Tout),
        Sout=tuple(TensorShape(s) for s in Sout),
        platforms=tuple(platforms),
        has_token_input_output=has_token_input_output,
        disabled_checks=tuple(disabled_checks),
        use_shardy_partitioner=use_shardy_partitioner,
    )
    return list(results)
