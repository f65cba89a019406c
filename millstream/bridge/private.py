"""The few private TensorFlow modules that Keras and other libraries import, made of Millstream's parts."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from millstream.api.public import PUBLIC
from millstream.base import errors, type_specs
from millstream.base.messages import message
from millstream.bridge.private_names import PLACES, finder

_modules: dict[str, types.ModuleType] = {}


def _attributes() -> dict[str, dict[str, Any]]:
    from millstream.api import config, config_devices, sparse_matrices, xla_modules
    from millstream.execution import tape
    from millstream.execution.data_structures import ListWrapper, _DictWrapper
    from millstream.execution.trackable import Trackable

    return {
        "tensorflow.python": {},
        "tensorflow.python.data": {},
        "tensorflow.python.data.experimental": {},
        "tensorflow.python.data.experimental.ops": {},
        "tensorflow.python.data.experimental.ops.distribute": {
            "compute_batch_size": lambda dataset: dataset._rows_of_batches(),
        },
        "tensorflow.python.eager": {},
        "tensorflow.python.eager.context": {
            "async_wait": lambda: None,
            "context": config.context,
            "executing_eagerly": PUBLIC["executing_eagerly"],
            "_reset_context": config_devices.reset_devices,
        },
        "tensorflow.python.eager.record": {"should_record_backprop": tape.should_record},
        "tensorflow.python.eager.tape": {"should_record_backprop": tape.should_record},
        "tensorflow.python.framework": {},
        "tensorflow.python.framework.config": {
            "disable_op_determinism": config.disable_op_determinism,
            "enable_op_determinism": config.enable_op_determinism,
            "is_op_determinism_enabled": config.is_op_determinism_enabled,
        },
        "tensorflow.python.framework.tensor_util": {},
        "tensorflow.python.framework.type_spec_registry": {
            "register": type_specs.register_type_spec,
            "get_name": type_specs.get_type_spec_name,
            "lookup": type_specs.lookup_type_spec,
        },
        "tensorflow.python.ops": {},
        "tensorflow.python.ops.math_ops": {"is_nan": PUBLIC["math.is_nan"]},
        "tensorflow.python.ops.linalg": {},
        "tensorflow.python.ops.linalg.sparse": {},
        "tensorflow.python.ops.linalg.sparse.sparse_csr_matrix_ops": {
            name: getattr(sparse_matrices, name)
            for name in (
                "sparse_tensor_to_csr_sparse_matrix",
                "sparse_matrix_sparse_mat_mul",
                "csr_sparse_matrix_to_sparse_tensor",
            )
        },
        "tensorflow.python.trackable": {},
        "tensorflow.python.trackable.base": {"Trackable": Trackable},
        "tensorflow.python.trackable.data_structures": {"ListWrapper": ListWrapper, "_DictWrapper": _DictWrapper},
        "tensorflow.core": {},
        "tensorflow.core.example": {},
        "tensorflow.core.example.example_pb2": {"__getattr__": _message},
        "tensorflow.core.framework": {},
        "tensorflow.core.framework.graph_pb2": {"__getattr__": _message},
        "tensorflow.core.framework.summary_pb2": {"__getattr__": _message},
        "tensorflow.core.framework.tensor_pb2": {"__getattr__": _message},
        "tensorflow.core.framework.attr_value_pb2": {"__getattr__": _message},
        "tensorflow.core.framework.function_pb2": {"__getattr__": _message},
        "tensorflow.core.framework.node_def_pb2": {"__getattr__": _message},
        "tensorflow.core.framework.op_def_pb2": {"__getattr__": _message},
        "tensorflow.core.framework.tensor_shape_pb2": {"__getattr__": _message},
        "tensorflow.core.framework.versions_pb2": {"__getattr__": _message},
        "tensorflow.core.protobuf": {},
        "tensorflow.core.protobuf.fingerprint_pb2": {"__getattr__": _message},
        "tensorflow.core.protobuf.meta_graph_pb2": {"__getattr__": _message},
        "tensorflow.core.protobuf.saved_model_pb2": {"__getattr__": _message},
        "tensorflow.core.protobuf.saved_object_graph_pb2": {"__getattr__": _message},
        "tensorflow.core.protobuf.saver_pb2": {"__getattr__": _message},
        "tensorflow.core.protobuf.struct_pb2": {"__getattr__": _message},
        "tensorflow.core.protobuf.trackable_object_graph_pb2": {"__getattr__": _message},
        "tensorflow.core.util": {},
        "tensorflow.core.util.event_pb2": {"__getattr__": _message},
        "tensorflow.python.lib": {},
        "tensorflow.python.lib.io": {},
        "tensorflow.python.lib.io.tf_record": {"__getattr__": _of_records},
        "tensorflow.compiler": {},
        "tensorflow.compiler.tf2xla": {},
        "tensorflow.compiler.tf2xla.python": {},
        "tensorflow.compiler.tf2xla.python.xla": {
            "dynamic_update_slice": config.dynamic_update_slice,
            "call_module": xla_modules.call_module,
            "call_module_maximum_supported_version": xla_modules.newest_version,
        },
        "tensorflow.compiler.xla": {},
        "tensorflow.compiler.xla.xla_data_pb2": {"__getattr__": _message},
        "tensorflow.python.compiler": {},
        "tensorflow.python.compiler.xla": {},
        "tensorflow.python.compiler.xla.experimental": {},
        "tensorflow.python.compiler.xla.experimental.xla_sharding": {},
    }


def _message(name: str) -> Any:
    """Return a message's class; made when it is asked for, since that imports protobuf."""
    try:
        return message(name)
    except KeyError:
        raise AttributeError(f"there is no message {name!r}") from None


def _of_records(name: str) -> Any:
    from millstream.api import io_records

    return getattr(io_records, name)


def _from_room(room: str) -> Callable[[str], Any]:
    def find(name: str) -> Any:
        found = sys.modules.get(room)
        if found is None or name not in vars(found):
            raise AttributeError(f"module {room.replace('millstream', 'tensorflow', 1)!r} has no attribute {name!r}")
        return vars(found)[name]

    return find


def _packages() -> list[str]:
    """Every module of `PLACES` after the packages that it is in."""
    found: dict[str, None] = {}
    for place in PLACES:
        words = place.split(".")
        found |= dict.fromkeys("tensorflow.python." + ".".join(words[: count + 1]) for count in range(len(words)))
    return list(found)


def private_module(name: str) -> types.ModuleType | None:
    """Return the private module of this name; None where we have none."""
    if not _modules:
        for full, items in {**{full: {} for full in _packages()}, **_attributes()}.items():
            module = types.ModuleType(full)
            module.__path__ = []
            module.__dict__.update(items)
            # The import system puts it on the package, where a room of ours may have the same name: it must still be found.
            room = "millstream" + full.removeprefix("tensorflow")
            published = finder(full.removeprefix("tensorflow.python."))
            module.__dict__.setdefault("__getattr__", published or _from_room(room))
            _modules[full] = module
        for full, module in _modules.items():
            parent, _, leaf = full.rpartition(".")
            if parent in _modules:
                setattr(_modules[parent], leaf, module)
    return _modules.get(name)
