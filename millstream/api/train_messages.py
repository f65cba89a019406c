"""tf.train: the messages that examples are made of."""

from __future__ import annotations

from millstream.api.public import publish
from millstream.base.messages import message

for _name in (
    "BytesList",
    "Example",
    "Feature",
    "FeatureList",
    "FeatureLists",
    "Features",
    "FloatList",
    "Int64List",
    "SequenceExample",
):
    publish(f"train.{_name}", message(_name))
    publish(f"compat.v1.train.{_name}", message(_name))
