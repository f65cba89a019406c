"""What is said of a variable that is a part of a larger one: under which name it is saved, and as which part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class SaveSliceInfo:
    """Under which name, and as which part of what shape, a part of a variable is saved."""

    def __init__(
        self, full_name: str, full_shape: Sequence[int], var_offset: Sequence[int], var_shape: Sequence[int]
    ) -> None:
        self.full_name, self.full_shape = full_name, list(full_shape)
        self.var_offset, self.var_shape = list(var_offset), list(var_shape)

    @property
    def spec(self) -> str:
        """The part in words that checkpoints know: "10 2 0,5:-"."""
        parts = ":".join(f"{o},{s}" for o, s in zip(self.var_offset, self.var_shape, strict=True))
        return f"{' '.join(map(str, self.full_shape))} {parts}"

    def fill_proto(self, made: Any) -> None:
        """Write it to a SaveSliceInfoDef message."""
        made.full_name = self.full_name
        made.full_shape.extend(self.full_shape)
        made.var_offset.extend(self.var_offset)
        made.var_shape.extend(self.var_shape)

    @classmethod
    def of_proto(cls, given: Any) -> SaveSliceInfo:
        """Return what a SaveSliceInfoDef message says."""
        return cls(given.full_name, list(given.full_shape), list(given.var_offset), list(given.var_shape))
