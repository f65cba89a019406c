"""From graphs to plans: pipeline.py lists the passes. Importing `loops` here adds how loops expand."""

from millstream.compiler import loops

__all__ = ["loops"]
