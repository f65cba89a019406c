"""Say what failed as users know it: the op, what it was given, and their line. Raises nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from millstream.base import errors
from millstream.base.spec import Spec
from millstream.program.value import Definition


def state_failure(
    error: errors.OpError,
    definition: Definition,
    inputs: Sequence[Spec],
    attributes: Mapping[str, Any],
    line: str | None,
) -> None:
    """Add to an error of `definition` what it does not say yet; `line` is what `errors.user_line` gave for it."""
    error.rename_inner(definition.name)
    error.state(definition.name, definition.describe_given(inputs, attributes), errors.with_text(line or ""))
