"""The base of composite tensors, by its public name."""

from __future__ import annotations

from millstream.api.public import publish
from millstream.base.composite import CompositeTensor

publish("__internal__.CompositeTensor", CompositeTensor)
