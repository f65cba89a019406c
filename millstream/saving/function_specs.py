"""The parameters of a Python function, as saved models state them."""

from __future__ import annotations

import inspect
from typing import Any

from millstream.base.messages import message
from millstream.base.structured_values import encode


def function_spec_message(function: Any) -> Any:
    """Return the FunctionSpec of a `tf.function`."""
    made = message("FunctionSpec")()
    signature = getattr(function, "_signature", None)
    made.fullargspec.CopyFrom(encode(_full(signature)))
    given = function.input_signature
    made.input_signature.CopyFrom(encode(None if given is None else tuple(given)))
    jit = getattr(function, "_jit_compile", None)
    made.jit_compile = 0 if jit is None else 1 if jit else 2
    return made


def _full(signature: Any) -> inspect.FullArgSpec:
    kinds = inspect.Parameter
    parameters = list(signature.parameters.values()) if signature is not None else []
    plain = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    only = [p for p in parameters if p.kind is kinds.KEYWORD_ONLY]
    star = next((p.name for p in parameters if p.kind is kinds.VAR_POSITIONAL), None)
    pairs = next((p.name for p in parameters if p.kind is kinds.VAR_KEYWORD), None)
    defaults = tuple(p.default for p in plain if p.default is not kinds.empty)
    only_defaults = {p.name: p.default for p in only if p.default is not kinds.empty}
    return inspect.FullArgSpec(
        [p.name for p in plain], star, pairs, defaults or None, [p.name for p in only], only_defaults or None, {}
    )
