"""Every TensorFlow op, declared once, by family."""
