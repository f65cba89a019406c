"""tf.compat.v1.test.compute_gradient: slopes of graphs, by their gradients and by differences, in a session."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api.public import public, root
from millstream.base.errors import explain
from millstream.execution.context import current_graph, default_session

tf: Any = root()


def _each(delta: Any, measure: Any, array: Any) -> Any:
    """Return the slopes of `measure` by each element of an array, by differences: rows are elements."""
    rows = []
    flat = array.reshape(-1)
    for i in range(flat.size):
        kept = flat[i]
        flat[i] = kept + delta
        above = np.array(measure()).reshape(-1)
        flat[i] = kept - delta
        below = np.array(measure()).reshape(-1)
        flat[i] = kept
        rows.append((above - below) / (2 * delta))
    return np.array(rows)


@public("compat.v1.test.compute_gradient")
def compute_gradient(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Any = None,
) -> Any:
    """Return the matrix of slopes of `y` by `x` in the default session: by the graph's gradients, and by differences.

    Args:
      x: a tensor of real numbers, or a list of them.
      x_shape: its shape, or a list of shapes.
      y: the tensor that depends on it.
      y_shape: its shape.
      x_init_value: where the slopes are taken; random numbers where it is None.
      delta: how far the differences go.
      init_targets: operations that are run first.
      extra_feed_dict: feeds of other tensors.

    Returns:
      Two arrays [elements of x, elements of y], or a list of such pairs for a list of tensors.

    Raises:
      ValueError: there is no default session.
    """
    session = default_session()
    if session is None or current_graph() is None:
        raise ValueError(
            explain("compute_gradient measures in the default session: use it in `with tf.compat.v1.Session():`.")
        )
    if init_targets is not None:
        for target in init_targets if isinstance(init_targets, (list, tuple)) else [init_targets]:
            session.run(target)
    several = isinstance(x, (list, tuple))
    xs, shapes = (list(x), list(x_shape)) if several else ([x], [x_shape])
    values = list(x_init_value) if several and x_init_value is not None else [x_init_value] * len(xs)
    found = []
    for tensor, shape, given in zip(xs, shapes, values, strict=True):
        dtype = tensor.dtype.base_dtype.as_numpy_dtype
        array = np.random.random_sample(shape).astype(dtype) if given is None else np.array(given, dtype)
        feeds = {**(extra_feed_dict or {}), tensor: array}
        weights = tf.compat.v1.placeholder(y.dtype, y_shape)
        (slope,) = tf.compat.v1.gradients(y, [tensor], grad_ys=[weights])
        count = int(np.prod(y_shape, dtype=np.int64))
        columns = []
        for j in range(count):
            unit = np.zeros(count, y.dtype.as_numpy_dtype)
            unit[j] = 1
            dense = tf.convert_to_tensor(slope) if slope is not None else tf.zeros(shape, tensor.dtype)
            columns.append(session.run(dense, {**feeds, weights: unit.reshape(y_shape)}).reshape(-1))
        theory = np.array(columns).T.reshape(array.size, count)
        measured = _each(delta, lambda f=feeds: session.run(y, f), array).reshape(array.size, count)  # type: ignore[misc]
        found.append((theory, measured))
    return found if several else found[0]


@public("compat.v1.test.compute_gradient_error")
def compute_gradient_error(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: Any = None,
) -> float:
    """Return the largest difference between the two matrices of `tf.compat.v1.test.compute_gradient`; its arguments."""
    pairs = compute_gradient(x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict)
    pairs = pairs if isinstance(pairs, list) else [pairs]
    return float(max((np.abs(a - b).max(initial=0.0) for a, b in pairs), default=0.0))
