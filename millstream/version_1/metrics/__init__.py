"""tf.compat.v1.metrics: means and counts that are kept in local variables of a graph, and the operations that update them."""

from millstream.version_1.metrics import at_top_k, counts, means, thresholds
