"""tf.xla.experimental: Millstream compiles every function, so a computation runs as one, and scopes say nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from millstream.api.function import control_dependencies, group
from millstream.api.public import public
from millstream.base import nest
from millstream.base.errors import explain, without_line
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.function import Function
from millstream.execution.operation import Operation
from millstream.ops.registry import find


@public("xla.experimental.compile", "compat.v1.xla.experimental.compile")
def compile(computation: Callable[..., Any], inputs: Any = None) -> Any:
    """Run `computation(*inputs)` as one compiled program.

    Args:
      computation: a function of tensors. It returns tensors, then, in graphs of version 1, operations that run with them.
      inputs: a list of its arguments, each a structure of what tensors are made of.

    Returns:
      A list of the tensors; a structure other than a flat list or tuple as it is. Without any tensor, an operation that
      waits for the operations given, which in functions and outside of graphs is None.

    Raises:
      TypeError: `inputs` is no list.
      ValueError: an output is no tensor, or tensors stand behind operations.

    >>> tf.xla.experimental.compile(lambda x, y: (x + y, x * y), [2.0, 3.0])
    [<tf.Tensor: shape=(), dtype=float32, numpy=5.0>, <tf.Tensor: shape=(), dtype=float32, numpy=6.0>]
    """
    if current_graph() is None:
        return Function(lambda: _outputs(computation, inputs), "xla_compile", autograph=False)()
    return _outputs(computation, inputs)


def _outputs(computation: Callable[..., Any], inputs: Any) -> Any:
    inputs = [] if inputs is None else inputs
    if not isinstance(inputs, Sequence):
        raise TypeError(explain(f"inputs must be a list, given {type(inputs).__name__}."))
    given = nest.pack_sequence_as(inputs, [apply(find("Identity"), to_tensor(x)) for x in nest.flatten(inputs)])
    result = computation(*given)
    if not _is_flat(result):
        if any(isinstance(value, Operation) for value in nest.flatten(result)):
            raise ValueError(
                explain(
                    "xla.compile does not support Operation as return value in non-flat output structure. Return a flat list, "
                    "or make tensors wait for it by tf.control_dependencies."
                )
            )
        return nest.map_structure(_tensor, result)
    flat = [] if result is None else list(result) if isinstance(result, Sequence) else [result]
    outputs = [value if isinstance(value, Operation) else _tensor(value) for value in flat]
    operations = [value for value in outputs if isinstance(value, Operation)]
    tensors = outputs[: len(outputs) - len(operations)]
    if any(isinstance(value, Operation) for value in tensors):
        raise ValueError(
            explain(
                "XLA computation function must return zero or more Tensor values followed by zero or more Operations."
            )
        )
    if not tensors:
        return group(*operations, name="output_0")
    with control_dependencies(operations):
        return [apply(find("Identity"), tensor) for tensor in tensors]


def _tensor(value: Any) -> Any:
    try:
        return apply(find("Identity"), to_tensor(value))
    except (TypeError, ValueError) as error:
        raise ValueError(
            explain(
                "XLA computation function return values must all either be Operations or convertible to Tensors. "
                f'Got error: "{without_line(error)}"'
            )
        ) from None


def _is_flat(result: Any) -> bool:
    """Whether this is one value, or a list or tuple of single values."""
    if isinstance(result, str) or not isinstance(result, (Sequence, Mapping)):
        return not hasattr(type(result), "__attrs_attrs__")
    return isinstance(result, Sequence) and all(
        not isinstance(value, (Sequence, Mapping)) and not hasattr(type(value), "__attrs_attrs__") for value in result
    )


@public("xla.experimental.jit_scope", "compat.v1.xla.experimental.jit_scope")
@contextmanager
def jit_scope(compile_ops: Any = True, separate_compiled_gradients: bool = False) -> Iterator[None]:
    """Hint that the ops made inside are compiled together; all are, whatever the hint says.

    Args:
      compile_ops: whether they are, or a function of a NodeDef that says so: a hint.
      separate_compiled_gradients: whether gradients are compiled apart: a hint.

    Raises:
      RuntimeError: ops run at once here: use it inside a tf.function.

    >>> @tf.function
    ... def f(x):
    ...     with tf.xla.experimental.jit_scope():
    ...         return x + 1
    """
    if current_graph() is None:
        raise RuntimeError(
            explain(
                "xla.experimental.jit_scope is not supported when eager execution is enabled. Try use it inside tf.function."
            )
        )
    yield
