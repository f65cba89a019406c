"""What the families of dataset methods share: the stage, and how another dataset comes of it."""

from __future__ import annotations

from typing import Any

from millstream.base import dtypes
from millstream.base.errors import explain
from millstream.base.trace_types import installed
from millstream.data.options import Options
from millstream.data.stage import Limit, Stage
from millstream.execution.convert import to_tensor
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor


class DatasetMethods:
    """The base of the families: a stage with options."""

    _stage: Stage
    _options: Options

    @property
    def element_spec(self) -> Any:
        """The structure of type specs of the elements."""
        return self._stage.spec

    def _then(self, stage: Stage) -> Any:
        """Return the dataset of a stage that follows."""
        result = dataset(stage)
        result._options = self._options
        return result

    def _with_stage(self, stage: Stage) -> Any:
        return self._then(stage)


def dataset(stage: Stage) -> Any:
    """Return the dataset of a stage."""
    return installed("dataset_from_stage")(stage)


def whole(value: Any, limit: Limit | None = None) -> Any:
    """Return a whole number, or the tensor of a trace that will be one; InvalidArgumentError beyond the limit."""
    if isinstance(value, bool):
        raise TypeError(explain(f"Cannot convert {value!r} to a whole number."))
    if not isinstance(value, int):
        tensor = value if isinstance(value, (SymbolicTensor, EagerTensor)) else to_tensor(value, dtypes.int64)
        if isinstance(tensor, SymbolicTensor):
            return tensor
        value = int(tensor.numpy())
    return value if limit is None else limit.checked(value)
