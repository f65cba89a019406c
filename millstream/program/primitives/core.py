"""Define what a primitive is, and the table of all of them. Holds no primitive itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from millstream.base import errors
from millstream.base.sizes import Size
from millstream.base.spec import Spec
from millstream.program.value import Definition, UnknownRank, Value

Infer = Callable[..., Any]
Meaning = Callable[..., Any]
Reverse = Callable[..., Sequence[Value | None]]

LARGEST_SIZE_TENSOR = 64
"""Integer tensors of rank 0 or 1 up to this count carry their content as sizes in their spec."""


class Primitive(Definition):
    """One thing every back end must do: its spec rule, its NumPy meaning and its reverse rule.

    infer(*specs, **attributes) -> Spec or tuple of Spec.
    meaning(*arrays, **attributes) -> array or tuple of arrays.
    reverse(dy, y, *xs, **attributes) -> one adjoint or None for each x; dy and y are tuples where there are several outputs.
    """

    def __init__(
        self,
        name: str,
        infer: Infer,
        meaning: Meaning | None = None,
        reverse: Reverse | None = None,
        *,
        effects: bool = False,
        sizes: bool = False,
        elementwise: bool = False,
        outputs: int = 1,
    ) -> None:
        self.name = name
        self.rule = infer
        self.meaning = meaning
        self.reverse = reverse
        self.effects = effects
        self.sizes = sizes
        self.elementwise = elementwise
        self.output_count = outputs

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        specs = self.rule(*inputs, **attributes)
        if isinstance(specs, Spec):
            if self.sizes:
                value = self._size_value(inputs, attributes, specs)
                if value is not None:
                    specs = specs.with_value(value)
            return (specs,)
        return tuple(specs)

    def _size_value(
        self, inputs: Sequence[Spec], attributes: Mapping[str, Any], result: Spec
    ) -> Size | tuple[Size, ...] | None:
        """Run the NumPy meaning on sizes where the content of every input is known."""
        if not inputs or not result.dtype.is_integer or self.meaning is None:
            return None
        arrays = []
        for spec in inputs:
            if spec.value is None:
                return None
            if isinstance(spec.value, tuple):
                array = np.empty(len(spec.value), object)
                array[:] = spec.value
            else:
                array = np.array(spec.value, object)
            arrays.append(array)
        try:
            answer = self.meaning(*arrays, **attributes)
        except (TypeError, ZeroDivisionError):
            # Symbolic sizes, which the meaning cannot compute with; or a refusal, which belongs to the run.
            return None
        if isinstance(answer, np.ndarray):
            if answer.ndim > 1 or answer.size > LARGEST_SIZE_TENSOR:
                return None
            found = tuple(_plain(x) for x in answer.reshape(-1))
            scalar = answer.ndim == 0
        else:
            found, scalar = (_plain(answer),), True
        # What wraps around in its element type is no size: it is computed when the program runs.
        low, high = result.dtype.min, result.dtype.max
        if any(isinstance(x, int) and not low <= x <= high for x in found):
            return None
        return found[0] if scalar else found


def _plain(size: Any) -> Size:
    return int(size) if isinstance(size, (np.integer, np.bool_, bool)) else size


PRIMITIVES: dict[str, Primitive] = {}


def primitive(
    name: str, infer: Infer, meaning: Meaning | None = None, reverse: Reverse | None = None, **flags: Any
) -> Primitive:
    """Add a primitive to the table."""
    if name in PRIMITIVES:
        raise ValueError(f"The primitive {name!r} is stated twice.")
    PRIMITIVES[name] = Primitive(name, infer, meaning, reverse, **flags)
    return PRIMITIVES[name]


def known_shape(spec: Spec) -> tuple[Size, ...]:
    """Return the shape of a spec of known rank; UnknownRank otherwise."""
    if spec.shape is None:
        raise UnknownRank(f"The rank of {spec} is unknown here.")
    return spec.shape


def refuse(what: str, given: Any, allowed: str) -> errors.InvalidArgumentError:
    """Compose the error for a primitive given what it cannot take."""
    return errors.InvalidArgumentError(None, None, f"{what}: {given}; {allowed}.")
