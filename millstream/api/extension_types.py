"""tf.experimental.ExtensionType and what belongs to it, under their public names."""

from __future__ import annotations

from millstream.api.public import publish
from millstream.execution import extension_type

for _name in ("ExtensionType", "BatchableExtensionType", "ExtensionTypeBatchEncoder", "ExtensionTypeSpec"):
    publish(f"experimental.{_name}", getattr(extension_type, _name))
publish("experimental.extension_type.as_dict", extension_type.as_dict)
