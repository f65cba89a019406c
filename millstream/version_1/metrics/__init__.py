"""tf.compat.v1.metrics: means and counts that are kept in local variables of a graph, and the operations that update them."""
