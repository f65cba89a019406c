"""tf.Variable and what belongs to variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from millstream.api.public import public, publish
from millstream.base.trace_types import install
from millstream.execution import graph_variable  # noqa: F401  (what variables of graphs are)
from millstream.execution import variable as variables
from millstream.execution.variable_scatter import tell_graphs

publish("Variable", variables.Variable)
publish("VariableAggregation", variables.VariableAggregation)
publish("VariableSynchronization", variables.VariableSynchronization)
install("ResourceVariable", variables.ResourceVariable)
install("variable_accessed", tell_graphs)


@public("variable_creator_scope")
@contextmanager
def variable_creator_scope(variable_creator: Callable[..., Any]) -> Iterator[None]:
    """Make variables inside by `variable_creator(next_creator, **arguments)`."""
    variables.creators.append(variable_creator)
    try:
        yield
    finally:
        variables.creators.remove(variable_creator)
