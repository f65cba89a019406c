"""Publishes the names of this room: imported when tf.compat.v1 is first asked for something that is not there yet."""

from millstream.version_1 import decays, initializers, losses, metrics, variables, weights
