"""Load everything behind tf.saved_model; publish the messages of graphs and what others call of this room by private names."""

from millstream.api.public import publish
from millstream.base import structured_values
from millstream.base.messages import message
from millstream.execution.trackable_resource import Asset, TrackableResource
from millstream.saving import (
    constants,
    files,
    fingerprint,
    loading,
    options,
    signature_defs,
    version_1_builder,
    writing,
)

publish("saved_model.Asset", Asset)
publish("compat.v1.saved_model.Asset", Asset)
publish("saved_model.experimental.TrackableResource", TrackableResource)
publish("compat.v1.saved_model.experimental.TrackableResource", TrackableResource)
publish("__internal__.saved_model.parse_saved_model", files.read_saved_model)
publish("__internal__.saved_model.encode_structure", structured_values.encode)
publish("__internal__.saved_model.decode_proto", structured_values.decode)

for _name in ("AttrValue", "GraphDef", "MetaGraphDef", "NameAttrList", "NodeDef", "TensorInfo"):
    publish(f"compat.v1.{_name}", message(_name))

__all__ = ["constants", "files", "fingerprint", "loading", "options", "signature_defs", "version_1_builder", "writing"]
