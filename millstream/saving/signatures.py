"""Signatures of saved models: functions that take tensors by name and give a dictionary of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millstream.base import nest
from millstream.base.errors import explain
from millstream.base.tensor_specs import TensorSpec
from millstream.execution.function import Function
from millstream.execution.function_concrete import ConcreteFunction
from millstream.execution.tensor import Tensor
from millstream.saving.constants import DEFAULT_SIGNATURE
from millstream.saving.loaded_functions import RestoredFunction, SignatureMap


def signatures_of(root: Any, given: Any) -> SignatureMap:
    """Return the signatures to save: those given, or the one that the object itself offers.

    Raises:
      ValueError: something given is no function with a signature.
    """
    if given is None:
        found = _offered(root)
        given = {} if found is None else {DEFAULT_SIGNATURE: found}
    elif not isinstance(given, Mapping):
        given = {DEFAULT_SIGNATURE: given}
    made: dict[str, Any] = {}
    for name, function in given.items():
        original = concrete_of(function)
        if original is None:
            raise ValueError(
                explain(
                    f"Expected a TensorFlow function for which to generate a signature, but got {function}. Only `tf.functions` "
                    "with an input signature or concrete functions can be used as a signature."
                )
            )
        made[name] = _wrapped(original, name)
    return SignatureMap(made)


def concrete_of(function: Any) -> Any:
    """Return the one trace of a function that has a signature; None for other things."""
    if isinstance(function, RestoredFunction):
        return function.concrete_functions[0] if len(function.concrete_functions) == 1 else None
    if isinstance(function, Function) and function.input_signature is not None:
        return function.get_concrete_function()
    return function if isinstance(function, ConcreteFunction) else None


def _offered(root: Any) -> Any:
    """Return the function that an object offers to be served: its own choice, or its only one with a signature."""
    try:
        own = getattr(root, "_default_save_signature", None)
    except TypeError:  # Nothing to offer: it has no inputs that a signature could name.
        own = None
    if own is not None:
        return own
    possible = []
    for child in root._trackable_children("savedmodel", cache={}).values():
        concrete = concrete_of(child)
        if concrete is not None and _can_be_signature(concrete):
            possible.append(concrete)
    return possible[0] if len(possible) == 1 else None


def _can_be_signature(concrete: Any) -> bool:
    try:
        _named(concrete.structured_outputs, concrete.name, "")
    except ValueError:
        return False
    return bool(concrete.outputs)


def _named(outputs: Any, function: str, signature: str) -> dict[str, Any]:
    """Return outputs as a dictionary of tensors."""
    if not isinstance(outputs, Mapping):
        listed = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        outputs = {f"output_{i}": v for i, v in enumerate(listed)}
    made = {}
    for name, value in outputs.items():
        if not isinstance(name, str):
            raise ValueError(
                explain(
                    f"Got a dictionary with a non-string key {name!r} in the output of the function {function} used to generate the SavedModel signature {signature!r}."
                )
            )
        if not isinstance(value, (Tensor, TensorSpec)):
            raise ValueError(
                explain(
                    f"Got a non-Tensor value {value!r} for key {name!r} in the output of the function {function} used to generate the SavedModel signature {signature!r}. Outputs for functions used as signatures must be a single Tensor, a sequence of Tensors, or a dictionary from string to Tensor."
                )
            )
        made[name] = value
    return made


def _wrapped(original: Any, signature: str) -> Any:
    """Return a trace that takes the tensors of `original` by name and gives its results by name."""
    names = distinct_names(original)
    specs = {}
    for name, kind in zip(names, original.kinds, strict=True):
        specs[name] = TensorSpec(kind.shape, kind.dtype, name)

    def signature_wrapper(**tensors: Any) -> Any:
        result = original.call_flat([tensors[name] for name in names])
        return _named(_without_none(result), original.name, signature)

    wrapper = Function(signature_wrapper, f"signature_wrapper_{signature}", autograph=False)
    made = wrapper.get_concrete_function(**specs)
    made._argument_names = sorted(names)
    return made


def _without_none(result: Any) -> Any:
    if isinstance(result, (list, tuple)):
        return list(nest.flatten(result))
    return result


def distinct_names(concrete: Any) -> list[str]:
    """Return a name for each tensor that a trace takes, each once: its own, or that of the parameter it is in."""
    taken: dict[str, int] = {}
    found = []
    for given, kind in zip(concrete._argument_parameters or concrete._argument_names, concrete.kinds, strict=False):
        name = kind.name or given
        count = taken.get(name, -1) + 1
        taken[name] = count
        found.append(f"{name}_{count}" if count else name)
    return found
