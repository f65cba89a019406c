"""The libraries that TensorFlow 1 built on graphs and sessions: variable scopes, losses, metrics, optimizers, training loops.

They are written in public functions, as programs are, so that the names of their ops are those that TensorFlow gives. Refuses
to run several processes together.
"""
