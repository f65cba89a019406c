"""tf.autograph: Python control flow that becomes graph control flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millstream.api.public import public, publish
from millstream.execution import autograph

publish("autograph.experimental.do_not_convert", autograph.do_not_convert)
publish("autograph.experimental.Feature", autograph.Feature)
publish("autograph.experimental.set_loop_options", autograph.set_loop_options)
publish("autograph.to_code", autograph.to_code)
publish("autograph.set_verbosity", autograph.set_verbosity)
publish("autograph.trace", autograph.trace)


@public("autograph.to_graph")
def to_graph(entity: Any, recursive: bool = True, experimental_optional_features: Any = None) -> Callable[..., Any]:
    """Return a Python function with its control flow rewritten, so that tensors may decide where it goes in a graph.

    Args:
      entity: a function or method of Python.
      recursive: whether what it calls is rewritten too.
      experimental_optional_features: one or several `tf.autograph.experimental.Feature`.

    Raises:
      ConversionError: its source is not at hand or cannot be rewritten.

    >>> f = tf.autograph.to_graph(lambda x: x if x > 0 else -x)
    """
    from millstream.execution import staging

    staging.install()
    return autograph.to_graph(entity, recursive, experimental_optional_features)
