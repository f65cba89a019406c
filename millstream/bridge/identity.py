"""Give our classes the module names by which other packages recognise TensorFlow's objects."""

from __future__ import annotations

import functools
from typing import Any

from millstream.api.public import when_published
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor
from millstream.execution.variable import ResourceVariable

NAMES = {
    "Tensor": ("tensorflow.python.framework.tensor", "Tensor"),
    "RaggedTensor": ("tensorflow.python.ops.ragged.ragged_tensor", "RaggedTensor"),
    "IndexedSlices": ("tensorflow.python.framework.indexed_slices", "IndexedSlices"),
    "TensorArray": ("tensorflow.python.ops.tensor_array_ops", "TensorArray"),
    "TensorShape": ("tensorflow.python.framework.tensor_shape", "TensorShape"),
    "TensorSpec": ("tensorflow.python.framework.tensor", "TensorSpec"),
    "Variable": ("tensorflow.python.ops.variables", "Variable"),
    "dtypes.DType": ("tensorflow.python.framework.dtypes", "DType"),
    "sparse.SparseTensor": ("tensorflow.python.framework.sparse_tensor", "SparseTensor"),
    "data.Dataset": ("tensorflow.python.data.ops.dataset_ops", "DatasetV2"),
    "distribute.DistributedDataset": ("tensorflow.python.distribute.input_lib", "DistributedDataset"),
}
"""Public name: the module and class name that TensorFlow's own class has."""


def take_names() -> None:
    """Set `__module__` (and `__name__`) of the classes that are sniffed by name, now or when they are loaded."""
    for public, (module, name) in NAMES.items():
        when_published(public, functools.partial(_rename, module, name))
    ResourceVariable.__module__ = "tensorflow.python.ops.resource_variable_ops"
    EagerTensor.__module__ = SymbolicTensor.__module__ = "tensorflow.python.framework.ops"


def _rename(module: str, name: str, item: Any) -> None:
    if isinstance(item, type):
        item.__module__ = module
        item.__name__ = name
