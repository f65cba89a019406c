"""tf.compat.v1.train's optimizers: in graphs with sessions, and where ops run at once."""
