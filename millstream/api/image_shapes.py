"""What the image functions share: checks of images, their sizes as numbers or tensors, batches of one. Publishes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from millstream.api import array
from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.execution.convert import to_tensor
from millstream.execution.static_value import static_value
from millstream.execution.tensor import Tensor


def to_image(image: Any, name: str = "image", least: int = 3, most: int | None = None) -> Any:
    """Return `image` as a tensor; ValueError where its known rank is not within the limits or a size is 0."""
    tensor = to_tensor(image)
    rank = tensor.shape.rank
    if rank is None:
        return tensor
    if rank < least:
        raise ValueError(explain(f"'{name}' (shape {tensor.shape}) must be at least {_word(least)}-dimensional."))
    if most is not None and rank > most:
        ranks = " or ".join(str(n) for n in range(least, most + 1))
        raise ValueError(explain(f"'{name}' (shape {tensor.shape}) must have either {ranks} dimensions."))
    if any(n == 0 for n in tensor.shape.as_list()[-3:]):
        raise ValueError(explain(f"inner 3 dims of '{name}.shape' must be > 0: {tensor.shape}"))
    return tensor


def _word(count: int) -> str:
    return {1: "one", 2: "two", 3: "three", 4: "four"}[count]


def sizes_of(image: Any) -> list[Any]:
    """Return the sizes of all axes: numbers where they are known, scalars (int32) elsewhere."""
    static = image.shape.as_list()
    if None not in static:
        return list(static)
    whole = array.shape(image)
    return [whole[i] if n is None else n for i, n in enumerate(static)]


def batched(image: Any) -> tuple[Any, bool]:
    """Return `image` with four axes, and whether it had them."""
    if image.shape.rank == 3:
        return array.expand_dims(image, 0), False
    if image.shape.rank == 4:
        return image, True
    raise ValueError(explain(f"'image' (shape {image.shape}) must have either 3 or 4 dimensions."))


def unbatched(images: Any, was_batch: bool) -> Any:
    """Undo `batched`."""
    return images if was_batch else array.squeeze(images, [0])


def number(value: Any) -> Any:
    """Return an int where `value` is known now, else `value`."""
    if isinstance(value, Tensor):
        known = static_value(value)
        return value if known is None else int(known)
    return int(value) if isinstance(value, (int, np.integer, np.ndarray)) else value


def is_number(*values: Any) -> bool:
    """Return whether all values are known now."""
    return all(not isinstance(v, Tensor) for v in values)


def vector(values: Any, dtype: Any = dtypes.int32) -> Any:
    """Return numbers and scalars as one vector."""
    if is_number(*values):
        return to_tensor(np.asarray(values), dtype)
    return array.stack([to_tensor(v, None if isinstance(v, Tensor) else dtype) for v in values])
