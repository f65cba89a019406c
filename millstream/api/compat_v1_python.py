"""tf.compat.v1.py_func and Print: functions of Python in graphs, and prints that pass a tensor on."""

from __future__ import annotations

import sys
from typing import Any

from millstream.api.public import public, root
from millstream.base import nest
from millstream.execution import host
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import new_operation

tf: Any = root()


@public("compat.v1.py_func")
def py_func(func: Any, inp: Any, Tout: Any, stateful: bool = True, name: str | None = None) -> Any:
    """Call a function of NumPy arrays, now or when the graph runs; no gradients flow through it.

    Args:
      func: takes arrays, gives one array or a list of them.
      inp: the tensors that it is called with.
      Tout: the element type of what it gives, or a list of them.
      stateful: accepted: it is called in each run that needs it, once.
      name: of the operation.

    Returns:
      A tensor, a list of tensors, or an operation where there are no results.
    """
    return host.call_python(func, nest.flatten(inp), Tout, numpy=True)


@public("compat.v1.Print")
def print_through(
    input_: Any,
    data: Any,
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Return `input_`; print the tensors `data` to sys.stderr when it is computed.

    Args:
      input_: a tensor.
      data: the tensors to print.
      message: what stands before them.
      first_n: print only so many times; always where it is None or negative.
      summarize: how many elements of each are shown, 3 where it is None.
      name: of the operation.
    """
    tensor = to_tensor(input_)
    tensors = [to_tensor(d) for d in data]
    left = [-1 if first_n is None or first_n < 0 else first_n]
    most = 3 if summarize is None else summarize

    def show(first: Any, *values: Any) -> list[Any]:
        if left[0]:
            left[0] -= 1
            texts = []
            for value in values:
                flat = value.numpy().ravel().tolist() if value.shape.rank else [value.numpy()]
                shown = flat if most < 0 else flat[:most]
                words = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in shown]
                texts.append(f"[{' '.join(words)}{'...' if len(flat) > len(shown) else ''}]")
            print(f"{message or ''}{''.join(texts)}", file=sys.stderr, flush=True)
        return []

    graph = current_graph()
    if graph is None:
        show(tensor, *tensors)
        return tf.identity(tensor)
    host.call_on_host("Print", show, [tensor, *tensors], ())
    with tf.control_dependencies([] if graph.building_function else [new_operation()]):
        return tf.identity(tensor, name=name)
