"""tf.distribute: the default strategy of one process on one device."""
