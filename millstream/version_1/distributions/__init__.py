"""tf.compat.v1.distributions: distributions to draw from, with their densities and moments, and divergences between them."""
