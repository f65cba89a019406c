"""tf.nest: nested structures of values."""

from __future__ import annotations

from millstream.api.public import publish
from millstream.base import nest

for _name in ("assert_same_structure", "flatten", "is_nested", "map_structure", "pack_sequence_as"):
    publish(f"nest.{_name}", getattr(nest, _name))
