"""tf.compat.v1.Session and what goes with it: the default graph and session, and the modes of TensorFlow 1."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public, publish
from millstream.execution import session_fetches
from millstream.execution.context import default_session
from millstream.execution.ragged_value import RaggedTensorValue
from millstream.execution.session import InteractiveSession, Session

publish("compat.v1.Session", Session)
publish("compat.v1.InteractiveSession", InteractiveSession)
publish("compat.v1.ragged.RaggedTensorValue", RaggedTensorValue)
publish("compat.v1.IndexedSlicesValue", session_fetches.IndexedSlicesValue)


@public("compat.v1.get_default_session")
def get_default_session() -> Any:
    """Return the session that `eval` and `run` of tensors and operations use; None where there is none."""
    return default_session()
