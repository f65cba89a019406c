"""tf.data: datasets as chains of stages whose functions run as plans."""

from millstream.data import names as _names
