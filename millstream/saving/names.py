"""Load everything behind tf.saved_model."""

from millstream.api.public import publish
from millstream.execution.trackable_resource import Asset, TrackableResource
from millstream.saving import constants, files, fingerprint, loading, options, writing

publish("saved_model.Asset", Asset)
publish("compat.v1.saved_model.Asset", Asset)
publish("saved_model.experimental.TrackableResource", TrackableResource)
publish("compat.v1.saved_model.experimental.TrackableResource", TrackableResource)

__all__ = ["constants", "files", "fingerprint", "loading", "options", "writing"]
