"""Variables that are found by their names, as tf.compat.v1 has them: collections, scopes, parts, templates."""

from millstream.version_1.variables import keys, partitioners, scope, templates
