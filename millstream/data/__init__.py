"""tf.data: datasets as chains of iterators whose functions run as plans."""
