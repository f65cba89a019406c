"""tf.compat.v1.Session and what goes with it: the default graph and session, and the modes of TensorFlow 1."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, publish
from millstream.base.messages import message
from millstream.execution import session_fetches
from millstream.execution.context import default_session
from millstream.execution.ragged_value import RaggedTensorValue
from millstream.execution.session import InteractiveSession, Session
from millstream.execution.symbolic import SymbolicTensor

publish("compat.v1.Session", Session)
publish("compat.v1.InteractiveSession", InteractiveSession)
publish("compat.v1.ragged.RaggedTensorValue", RaggedTensorValue)
publish("compat.v1.__internal__.SymbolicTensor", SymbolicTensor)
publish("compat.v1.IndexedSlicesValue", session_fetches.IndexedSlicesValue)


@public("compat.v1.get_default_session")
def get_default_session() -> Any:
    """Return the session that `eval` and `run` of tensors and operations use; None where there is none."""
    return default_session()


@public("compat.v1.register_session_run_conversion_functions")
def register_session_run_conversion_functions(
    tensor_type: Any, fetch_function: Any, feed_function: Any = None, feed_function_for_partial_run: Any = None
) -> None:
    """Say what objects of a type stand for where sessions fetch and feed.

    Args:
      tensor_type: the class.
      fetch_function: takes an object, gives a list of what is fetched for it and a function of the list of results.
      feed_function: takes an object and its value, gives pairs of a tensor and a value.
      feed_function_for_partial_run: accepted: there are no partial runs.

    Raises:
      ValueError: the class, or one that it is of, is registered already.
    """
    session_fetches.register_expansion(tensor_type, fetch_function, feed_function, feed_function_for_partial_run)


for _name in ("ConfigProto", "GPUOptions", "GraphOptions", "OptimizerOptions", "RunMetadata", "RunOptions"):
    publish(f"compat.v1.{_name}", message(_name))
