"""Values, programs and the primitives. Knows no TensorFlow op."""
