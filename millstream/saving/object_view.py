"""The objects below a root as saved models keep them: functions, their traces and what these captured are objects too."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.base.structured_values import encode
from millstream.execution.data_structures import wrap_or_unwrap
from millstream.execution.function import Function
from millstream.execution.function_concrete import ConcreteFunction
from millstream.execution.trackable import Trackable
from millstream.execution.trackable_resource import Asset, TrackableResource
from millstream.execution.variable import Variable, is_resource_variable
from millstream.saving.checkpoint.object_graph import children_of
from millstream.saving.loaded_functions import SignatureMap

SIGNATURES = "signatures"

_log = logging.getLogger(__name__)


class ConstantNode(Trackable):
    """A tensor that a function captured."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


class ConcreteNode(Trackable):
    """A trace."""

    def __init__(self, concrete: Any, positional: int | None = None) -> None:
        self.concrete = concrete
        self.positional = positional


class FunctionNode(Trackable):
    """A `tf.function` and its traces."""

    def __init__(self, function: Any, traces: Iterable[ConcreteNode]) -> None:
        self.function = function
        self.traces = list(traces)


class ObjectView:
    """Gives the children of objects, as `ObjectGraph` asks for them."""

    def __init__(self, root: Any, signatures: SignatureMap) -> None:
        self.root = root
        self.signatures = signatures
        self.resources: dict[int, Any] = {}
        """What owns each handle, and each path of an asset, by the tensor's id()."""
        self._wrapped: dict[int, tuple[Any, Any]] = {}
        self._cache: dict[Any, Any] = {}
        self._kept: list[Any] = []

    def children(self, tracked: Any) -> dict[str, Any]:
        """Return the children of an object by name."""
        if isinstance(tracked, FunctionNode):
            return {f"trace_{i}": node for i, node in enumerate(tracked.traces)}
        if isinstance(tracked, ConcreteNode):
            return self._captured(tracked.concrete)
        if isinstance(tracked, SignatureMap):
            return {name: self._concrete(function, named=True) for name, function in tracked.items()}
        if is_resource_variable(tracked):
            self.resources[id(tracked.handle)] = tracked
            return {}
        if isinstance(tracked, Asset):
            self.resources[id(tracked.asset_path)] = tracked
        found = self._own(tracked)
        if isinstance(tracked, TrackableResource):
            self.resources[id(tracked.resource_handle)] = tracked
            found.update(self._functions_of(tracked, found))
        if tracked is self.root:
            found.pop(SIGNATURES, None)
        return found

    def _own(self, tracked: Any) -> dict[str, Any]:
        try:
            given = children_of(tracked, "savedmodel", cache=self._cache)
        except TypeError as error:
            if "cache" not in str(error):
                raise
            given = children_of(tracked, "savedmodel")
        found = {}
        for name, child in given.items():
            node = self.node_of(child)
            if node is not None:
                found[name] = node
        return found

    def node_of(self, child: Any) -> Any:
        """Return the object that stands for a child; None where it is nothing to save."""
        known = self._wrapped.get(id(child))
        if known is not None:
            return known[1]
        node = child
        if isinstance(child, Function):
            node = self._function(child)
        elif isinstance(child, ConcreteFunction):
            node = ConcreteNode(child)
        elif is_resource_variable(child) and not isinstance(child, Variable):
            # A variable of Keras is the one that it holds.
            node = child.value
        elif not isinstance(child, Trackable):
            node = wrap_or_unwrap(child)
        if not isinstance(node, Trackable):
            return None
        self._wrapped[id(child)] = (child, node)
        return node

    def _function(self, function: Any) -> FunctionNode:
        traces = []
        for concrete in function._list_all_concrete_functions_for_serialization():
            if _can_be_stated(concrete):
                traces.append(self._concrete(concrete))
        return FunctionNode(function, traces)

    def _concrete(self, concrete: Any, named: bool = False) -> ConcreteNode:
        known = self._wrapped.get(id(concrete))
        if known is None:
            positional = None
            if named:
                positional = 1 if len(concrete._argument_names) == 1 else 0
            known = self._wrapped[id(concrete)] = (concrete, ConcreteNode(concrete, positional))
        return known[1]  # type: ignore[no-any-return]

    def _captured(self, concrete: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for i, tensor in enumerate(concrete.captured_inputs):
            if tensor.dtype in (dtypes.resource, dtypes.variant) or id(tensor) in self.resources:
                continue
            known = self._wrapped.get(id(tensor))
            if known is None:
                known = self._wrapped[id(tensor)] = (tensor, ConstantNode(tensor))
            found[f"capture_{i}"] = known[1]
        return found

    def _functions_of(self, resource: Any, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the functions that make, fill and drop a resource."""
        found = {}
        for name, called in (
            ("_create_resource", "_creator"),
            ("_initialize", "_initializer"),
            ("_destroy_resource", "_destroyer"),
        ):
            if name in known:
                continue
            function = Function(_giving_something(getattr(resource, name)), called, [], autograph=False)
            self._kept.append(function)
            function.get_concrete_function()
            found[name] = self._function(function)
        return found


def _giving_something(method: Any) -> Any:
    """Return a method as a function that gives a tensor: 1 where it gives none."""
    from millstream.execution.tensor import eager_constant

    def run() -> Any:
        result = method()
        return eager_constant(1, dtypes.int32) if result is None else result

    return run


def _can_be_stated(concrete: Any) -> bool:
    """Return whether the arguments of a trace have a form in files; only then it can be called after loading."""
    try:
        encode(concrete.structured_input_signature)
    except TypeError as error:
        _log.warning("A trace of %s is not saved: %s", concrete.name, error)
        return False
    return not concrete._inner_graphs


def check_root(root: Any) -> None:
    """Refuse what cannot be the root of a saved model.

    Raises:
      ValueError: it is no trackable object, or holds something under a name that is kept for signatures.
    """
    if not isinstance(root, Trackable):
        raise ValueError(
            explain(
                f"Expected an object of type `Trackable`, such as `tf.Module` or a subclass of `Trackable`, got {root} of type {type(root)}."
            )
        )
    known = children_of(root).get(SIGNATURES)
    if known is not None and not isinstance(known, SignatureMap):
        raise ValueError(
            explain(
                f"Exporting an object {root} which has an attribute named '{SIGNATURES}' is not supported, since this name is "
                "reserved. Consider renaming the attribute."
            )
        )
