"""Variables that are found by their names, as tf.compat.v1 has them: collections, scopes, parts, templates."""

from millstream.api.compat_v1_variables import keys, partitioners, scope, templates
