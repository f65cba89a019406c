"""Programs of version 1, and what TensorFlow gave for them."""
