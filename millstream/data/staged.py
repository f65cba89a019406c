"""Python's builtins on datasets in traced functions, and the refusal of Python's own loops over what is made when a graph runs."""

from __future__ import annotations

import dis
import sys
from types import CodeType
from typing import Any

from millstream.base import dtypes, nest
from millstream.base.errors import OperatorNotAllowedInGraphError, explain
from millstream.data.stage import INFINITE, UNKNOWN
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.registry import find


def staged_builtin(name: str, *arguments: Any) -> Any:
    """Do what a builtin of Python does to datasets while tracing; NotImplemented asks for Python's own."""
    done = _BUILTINS.get(name)
    return NotImplemented if done is None else done(*arguments)


def _enumerate(dataset: Any, start: Any = 0) -> Any:
    return dataset.enumerate(start)


def _zip(*datasets: Any) -> Any:
    return type(datasets[0]).zip(datasets)


def _map(function: Any, *datasets: Any) -> Any:
    return (datasets[0] if len(datasets) == 1 else _zip(*datasets)).map(function)


def _filter(function: Any, dataset: Any) -> Any:
    return dataset.filter(function)


def _len(dataset: Any) -> Any:
    count = dataset.cardinality()
    known = apply(find("LogicalAnd"), apply(find("NotEqual"), count, INFINITE), apply(find("NotEqual"), count, UNKNOWN))
    message = "len requires dataset with definitive cardinality"
    apply(find("Assert"), known, [to_tensor(message), count])
    return count


def _decided(name: str, stops_at: bool) -> Any:
    def done(dataset: Any) -> Any:
        specs = nest.flatten(dataset.element_spec)
        if len(specs) != 1 or specs[0].dtype is not dtypes.bool:
            raise ValueError(
                explain(
                    f'in graph mode, the "{name}" builtin only supports datasets that return bool scalars; '
                    f"got: {dataset.element_spec}. Map the elements to one bool each."
                )
            )
        found = dataset.filter(lambda x: x if stops_at else apply(find("LogicalNot"), x)).take(1)
        return found.reduce(to_tensor(not stops_at), lambda _, x: x)

    return done


_BUILTINS = {
    "enumerate": _enumerate,
    "zip": _zip,
    "map": _map,
    "filter": _filter,
    "len": _len,
    "any": _decided("any", True),
    "all": _decided("all", False),
}

Place = tuple[CodeType, int]
"""Where Python code makes a call."""


def calling_place() -> Place:
    """Return where the caller of the method that asks stands."""
    frame = sys._getframe(2)
    return frame.f_code, frame.f_lasti


def refuse_python_loop(begun_at: Place | None) -> None:
    """Refuse, while tracing, the next element of a loop that Python itself runs: it would find no end.

    `next(iterator)` is a call; a `for`, comprehension or unpacking is none, and what consumes all at once (`list`, `sum`) asks
    from the very place where it began.
    """
    frame = sys._getframe(2)
    called = dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith(("CALL", "PRECALL"))
    if called and begun_at != (frame.f_code, frame.f_lasti):
        return
    raise OperatorNotAllowedInGraphError(
        explain(
            "Iterating over a dataset by Python while tracing (a comprehension, list(), sum(), unpacking, or code that AutoGraph does "
            "not convert) is not allowed: its elements are there when the graph runs. Use a `for` statement in code that AutoGraph "
            "converts, collect in a tf.TensorArray, or use dataset.reduce or dataset.batch."
        )
    )
