"""Load everything behind tf.saved_model."""

from millstream.saving import constants, files, loading, options

__all__ = ["constants", "files", "loading", "options"]
