"""Load everything of checkpoints behind tf.train."""

from millstream.api.public import publish
from millstream.saving import meta_graph
from millstream.saving.checkpoint import checkpoint, manager, options, reader, saver, sharding, state, views
from millstream.saving.checkpoint.values import PythonState

publish("train.experimental.PythonState", PythonState)
publish("compat.v1.train.experimental.PythonState", PythonState)

__all__ = ["checkpoint", "manager", "meta_graph", "options", "reader", "saver", "sharding", "state", "views"]
