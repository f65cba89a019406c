"""tf.compat.v1.wrap_function: a function that is traced once, of whose graph parts can be taken."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base import nest
from millstream.base.errors import explain
from millstream.base.tensor_specs import TensorSpec
from millstream.execution.func_graph import FuncGraph
from millstream.execution.function_arguments import Arguments, placeholder_specs
from millstream.execution.function_concrete import ConcreteFunction
from millstream.execution.operation import Operation
from millstream.execution.tensor import Tensor
from millstream.program.value import Node, Value
from millstream.version_1.variables.keys import collecting_apart

tf: Any = root()


@public("compat.v1.wrap_function")
def wrap_function(fn: Any, signature: Any, name: str | None = None) -> Any:
    """Return a function as one that is traced once, for tensors of `signature`.

    Args:
      fn: a function.
      signature: a specification for each argument, tf.TensorSpec.
      name: goes into the name of the graph, `wrapped_function_<name>`.

    Returns:
      A concrete function that has `prune`, too.

    >>> scaled = tf.compat.v1.wrap_function(lambda x: tf.multiply(x, 2.0, name="twice") + 1.0, [tf.TensorSpec([])])
    >>> float(scaled(tf.constant(3.0)))
    7.0
    >>> float(scaled.prune(scaled.inputs[0], "twice:0")(tf.constant(3.0)))
    6.0
    """
    kept: list[Any] = []

    def traced(*args: Any) -> Any:
        number = itertools.count()

        def make(next_creator: Any, **options: Any) -> Any:
            place = next(number)
            if place == len(kept):
                kept.append(next_creator(**options))
            # Where variables are made, the function is traced again, with those of the first time.
            return kept[place]

        with collecting_apart(), tf.variable_creator_scope(make):
            return fn(*args)

    found = tf.function(traced, input_signature=list(signature), autograph=False).get_concrete_function()
    made = WrappedFunction.__new__(WrappedFunction)
    made.__dict__.update(found.__dict__)
    made._kept = [*kept, *(v for v in found.variables if all(v is not k for k in kept))]
    made._graph.name = "wrapped_function" if name is None else f"wrapped_function_{name}"
    return made


class WrappedFunction(ConcreteFunction):
    """What `wrap_function` returns. It keeps its variables."""

    _kept: list[Any]

    def prune(self, feeds: Any, fetches: Any, name: str = "pruned", input_signature: Any = None) -> WrappedFunction:
        """Return the part of the graph between some tensors and others as a function.

        Args:
          feeds: a structure of tensors of the graph, or of their names: the arguments.
          fetches: a structure of tensors and operations, or of their names; operations run and give None.
          name: of the graph.
          input_signature: specifications of the arguments, (args, kwargs); those of `feeds` without it.

        Raises:
          ValueError: a feed is no tensor, or a name is not in the graph.
        """
        given = [self._element(feed) for feed in nest.flatten(feeds, expand_composites=True) if feed is not None]
        for feed in given:
            if not isinstance(feed, Tensor):
                raise ValueError(
                    explain(f"All members of argument `feeds` must be tensors. Got {feed} with type {type(feed)}.")
                )
        wanted = nest.map_structure(self._element, fetches)
        graph = FuncGraph(name)
        specs = (tuple(TensorSpec(t.shape, t.dtype) for t in given), {}) if input_signature is None else input_signature
        arguments = Arguments(specs)
        places: dict[Value, Value] = {}
        for feed, spec in zip(given, placeholder_specs(arguments.kinds), strict=True):
            places[feed.value] = graph.placeholder(spec, feed.op.name).value
        self._copy_into(graph, places, nest.flatten(wanted))
        graph.variables = list(self._kept)

        def there(item: Any) -> Any:
            return None if isinstance(item, Operation) else graph.tensor(places[item.value])

        made = WrappedFunction(graph, arguments, arguments.kinds, nest.map_structure(there, wanted))
        made._kept = self._kept
        made._python_name = name
        return made

    def _element(self, item: Any) -> Any:
        return self._graph.as_graph_element(item) if isinstance(item, str) else item

    def _copy_into(self, graph: FuncGraph, places: dict[Value, Value], wanted: Sequence[Any]) -> None:
        """Add to a graph what is needed of this one's nodes; `places` says what stands for its values there."""
        captured = {value: tensor for tensor, value in self._graph.external_captures()}
        needed: set[Node] = set()
        waiting = [item.value for item in wanted if isinstance(item, Tensor)]
        for item in wanted:
            if isinstance(item, Operation) and item._node is not None and places.keys().isdisjoint(item._node.outputs):
                needed.add(item._node)
                waiting += item._node.inputs
        while waiting:
            value = waiting.pop()
            if value in places:
                continue
            if value in captured:
                places[value] = graph.capture(captured[value])
            elif value.node is None:
                raise ValueError(
                    explain(f"The argument {self._graph.tensor(value).name!r} is needed: name it in `feeds`.")
                )
            elif value.node not in needed:
                needed.add(value.node)
                waiting += value.node.inputs
        for node in self._graph.program.nodes:
            if node in needed:
                outputs = graph.program.emit(node.definition, [places[v] for v in node.inputs], node.attributes)
                places.update(pair for pair in zip(node.outputs, outputs, strict=True) if pair[0] not in places)
                graph.program.nodes[-1].label = node.label
