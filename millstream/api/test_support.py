"""tf.test beside its classes: gradients checked by differences, and what this build is made with."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.gradient_tape import GradientTape
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.tensor import eager_constant

_DELTA = 1.0 / 1024


def _real(array: Any) -> Any:
    """Return an array flat; complex numbers as two real ones each."""
    flat = np.ascontiguousarray(array).ravel()
    return flat.view(flat.real.dtype) if np.iscomplexobj(flat) else flat


def _value(tensor: Any) -> Any:
    return to_tensor(tensor).numpy()


@public("test.compute_gradient")
def compute_gradient(
    f: Callable[..., Any], x: Any, delta: float | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the Jacobians of a function by its gradient and by differences.

    Args:
      f: a function of tensors that gives one tensor.
      x: a list of its arguments.
      delta: how far an argument is moved for the differences; 1/1024 without it.

    Returns:
      Two lists with a matrix [size of the result, size of the argument] for each argument. Complex numbers count twice.

    Raises:
      ValueError: where x is no list, or f gives more than one tensor.

    >>> theory, numbers = tf.test.compute_gradient(tf.square, [tf.constant([2.0, 3.0])])
    >>> theory[0].tolist()
    [[4.0, 0.0], [0.0, 6.0]]
    """
    if not isinstance(x, (list, tuple)):
        raise ValueError(explain(f"`x` must be a list or tuple of arguments, not {type(x).__name__}."))
    allowed = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128)
    tensors = [to_tensor(v) for v in x]
    for tensor in tensors:
        if tensor.dtype not in allowed:
            raise TypeError(explain(f"Type {tensor.dtype} is not supported by compute_gradient; give {allowed}."))
    step = _DELTA if delta is None else delta
    count = range(len(tensors))
    return [_by_gradient(f, tensors, i) for i in count], [_by_differences(f, tensors, i, step) for i in count]


def _by_gradient(f: Callable[..., Any], tensors: Sequence[Any], i: int) -> np.ndarray:
    with GradientTape(persistent=True) as tape:
        tape.watch(tensors)
        y = to_tensor(f(*tensors))
    result, argument = _value(y), _value(tensors[i])
    rows = _real(np.zeros_like(result)).size
    jacobian = np.zeros((rows, _real(argument).size), _real(argument).dtype)
    for row in range(rows):
        direction = np.zeros_like(result)
        unit = _real(direction)
        unit[row] = 1
        flow = eager_constant(unit.view(result.dtype).reshape(result.shape), y.dtype)
        gradient = tape.gradient(y, tensors[i], output_gradients=flow)
        if gradient is not None:
            dense = to_tensor(gradient) if isinstance(gradient, IndexedSlices) else gradient
            jacobian[row] = _real(_value(dense))
    return jacobian


def _by_differences(f: Callable[..., Any], tensors: Sequence[Any], i: int, delta: float) -> np.ndarray:
    argument = _value(tensors[i])
    # Differences of short numbers are taken after widening: what f rounds is its own.
    wide = np.float64 if argument.dtype.itemsize <= 4 and not np.iscomplexobj(argument) else None

    def moved(place: int, by: float) -> Any:
        flat = _real(argument.copy())
        flat[place] += np.asarray(by, flat.dtype)
        other = eager_constant(flat.view(argument.dtype).reshape(argument.shape), tensors[i].dtype)
        result = _real(_value(f(*tensors[:i], other, *tensors[i + 1 :])))
        return result.astype(np.float64) if wide else result

    columns = [(moved(p, delta) - moved(p, -delta)) / (2 * delta) for p in range(_real(argument).size)]
    if not columns:
        return np.zeros((_real(_value(f(*tensors))).size, 0), _real(argument).dtype)
    return np.stack(columns, 1).astype(_real(argument).dtype)


@public("test.assert_equal_graph_def")
def assert_equal_graph_def(expected: Any, actual: Any) -> None:
    """Fail where two GraphDefs have other nodes; their order and versions do not matter.

    Args:
      expected: a GraphDef.
      actual: another.

    Raises:
      AssertionError: where they differ.
      TypeError: where one is no GraphDef.
    """
    for graph in (expected, actual):
        if type(graph).__name__ != "GraphDef":
            raise TypeError(explain(f"A GraphDef is compared, not a {type(graph).__name__}."))
    ours, theirs = ({node.name: node for node in graph.node} for graph in (expected, actual))
    for name in ours.keys() ^ theirs.keys():
        raise AssertionError(f"The node {name!r} is only in the {'expected' if name in ours else 'actual'} graph.")
    for name, node in ours.items():
        if node.SerializeToString(deterministic=True) != theirs[name].SerializeToString(deterministic=True):
            raise AssertionError(f"The node {name!r} differs:\n{node}\n!=\n{theirs[name]}")


@public("compat.v1.test.assert_equal_graph_def")
def assert_equal_graph_def_v1(
    actual: Any, expected: Any, checkpoint_v2: bool = False, hash_table_shared_name: bool = False
) -> None:
    """See `tf.test.assert_equal_graph_def`; the last two parameters are accepted and not used."""
    assert_equal_graph_def(expected, actual)


@public("test.create_local_cluster", "compat.v1.test.create_local_cluster")
def create_local_cluster(
    num_workers: int, num_ps: int, protocol: str = "grpc", worker_config: Any = None, ps_config: Any = None
) -> Any:
    """Refuse: there are no servers of a cluster.

    Raises:
      tf.errors.UnimplementedError: always.
    """
    raise errors.UnimplementedError(
        None,
        None,
        explain("tf.test.create_local_cluster is not supported: Millstream runs in one process and has no servers."),
    )


@public("test.benchmark_config", "compat.v1.test.benchmark_config")
def benchmark_config() -> Any:
    """Return None: there are no sessions to configure."""
    return None


@public("test.disable_with_predicate", "compat.v1.test.disable_with_predicate")
def disable_with_predicate(pred: Callable[[], bool], skip_message: str) -> Callable[..., Any]:
    """Return a decorator that skips a test where `pred()` holds when it runs.

    Args:
      pred: a function without arguments.
      skip_message: why it is skipped.
    """

    def decorator(test: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(test)
        def decorated(self: Any, *args: Any, **kwargs: Any) -> Any:
            if pred():
                self.skipTest(skip_message)
            return test(self, *args, **kwargs)

        return decorated

    return decorator


@public("test.with_eager_op_as_function", "compat.v1.test.with_eager_op_as_function")
def with_eager_op_as_function(cls: Any = None, only_as_function: bool = False) -> Any:
    """Return a class of tests as it is: eager ops always run as functions of one op.

    Args:
      cls: the class; without it a decorator is returned.
      only_as_function: accepted and not used.
    """
    return cls if cls is not None else lambda decorated: decorated


@public("test.experimental.sync_devices", "compat.v1.test.experimental.sync_devices")
def sync_devices() -> None:
    """Return at once: ops are done when their call returns."""


@public("test.gpu_device_name", "compat.v1.test.gpu_device_name")
def gpu_device_name() -> str:
    """Return the name of a GPU: an empty text, since there is none."""
    return ""


@public("test.is_built_with_cuda", "compat.v1.test.is_built_with_cuda")
def is_built_with_cuda() -> bool:
    """Return whether this build has kernels for CUDA."""
    return False


@public("test.is_built_with_rocm", "compat.v1.test.is_built_with_rocm")
def is_built_with_rocm() -> bool:
    """Return whether this build has kernels for ROCm."""
    return False


@public("test.is_built_with_gpu_support", "compat.v1.test.is_built_with_gpu_support")
def is_built_with_gpu_support() -> bool:
    """Return whether this build has kernels for GPUs."""
    return False


@public("test.is_built_with_xla", "compat.v1.test.is_built_with_xla")
def is_built_with_xla() -> bool:
    """Return whether this build has XLA in it: it compiles by itself."""
    return False


@public("test.is_cpu_target_available")
def is_cpu_target_available(target: str) -> bool:
    """Return whether code for a kind of processor can be made: only for this machine's.

    Args:
      target: "x86_64", "aarch64" …
    """
    return target.lower() == platform.machine().lower()


@public("test.is_gpu_available", "compat.v1.test.is_gpu_available")
def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: Any = None) -> bool:
    """Return whether there is a GPU to compute on. There is none.

    Args:
      cuda_only: whether only those of CUDA count.
      min_cuda_compute_capability: the least (major, minor) that counts.
    """
    return False
