"""Programs of ops as the messages of TensorFlow's files, and back. Runs nothing."""
