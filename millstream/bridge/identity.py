"""Give our classes the module names by which other packages recognise TensorFlow's objects."""

from __future__ import annotations

from millstream.api.public import PUBLIC
from millstream.execution.tensor import EagerTensor

NAMES = {
    "Tensor": ("tensorflow.python.framework.tensor", "Tensor"),
    "RaggedTensor": ("tensorflow.python.ops.ragged.ragged_tensor", "RaggedTensor"),
    "sparse.SparseTensor": ("tensorflow.python.framework.sparse_tensor", "SparseTensor"),
    "data.Dataset": ("tensorflow.python.data.ops.dataset_ops", "DatasetV2"),
    "distribute.DistributedDataset": ("tensorflow.python.distribute.input_lib", "DistributedDataset"),
}
"""Public name: the module and class name that TensorFlow's own class has."""


def take_names() -> None:
    """Set `__module__` (and `__name__`) of the classes that are sniffed by name."""
    for public, (module, name) in NAMES.items():
        item = PUBLIC.get(public)
        if isinstance(item, type):
            item.__module__ = module
            item.__name__ = name
    EagerTensor.__module__ = "tensorflow.python.framework.ops"
