"""tf.profiler: what the runtime did when, in the files that TensorBoard's profiler reads."""
