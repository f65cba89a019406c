"""Files that outlive the program: plans that run without Python."""

from millstream.saving.export import export_plan

__all__ = ["export_plan"]
