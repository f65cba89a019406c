"""Checkpoints: the values of the objects that a root holds, by the paths to them. Files are those of `saving.bundle_*`."""
