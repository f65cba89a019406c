"""Variables that are found by their names, as tf.compat.v1 has them: collections, scopes, parts, templates."""
