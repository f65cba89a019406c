"""Private TensorFlow modules that programs import though every name in them is public too: where each name is found.

Only names that Millstream publishes; what is nowhere public is in private.py, or is not there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

PLACES = {
    "client.session": "compat.v1",
    "data.ops.dataset_ops": "data compat.v1.data",
    "data.ops.options": "data",
    "eager.backprop": ".",
    "eager.def_function": ".",
    "eager.polymorphic_function.def_function": ".",
    "framework.composite_tensor": "__internal__",
    "framework.constant_op": ".",
    "framework.dtypes": "dtypes .",
    "framework.errors": "errors",
    "framework.errors_impl": "errors",
    "framework.indexed_slices": ".",
    "framework.ops": ". compat.v1 __internal__",
    "framework.random_seed": "compat.v1 random",
    "framework.smart_cond": "__internal__.smart_cond",
    "framework.sparse_tensor": "sparse . compat.v1",
    "framework.tensor": ".",
    "framework.tensor_shape": ". compat.v1",
    "framework.tensor_spec": ".",
    "framework.tensor_util": ". compat.v1",
    "framework.type_spec": ".",
    "module.module": ".",
    "ops.array_ops": ". compat.v1 linalg",
    "ops.bitwise_ops": "bitwise",
    "ops.check_ops": "debugging compat.v1",
    "ops.clip_ops": ".",
    "ops.control_flow_ops": "compat.v1 .",
    "ops.custom_gradient": ".",
    "ops.gradients": "compat.v1 .",
    "ops.image_ops": "image",
    "ops.init_ops": "compat.v1 compat.v1.initializers",
    "ops.linalg.linalg": "linalg",
    "ops.linalg.linear_operator": "linalg",
    "ops.linalg_ops": "linalg compat.v1",
    "ops.list_ops": "raw_ops",
    "ops.logging_ops": "compat.v1",
    "ops.lookup_ops": "lookup lookup.experimental compat.v1",
    "ops.math_ops": "math . compat.v1",
    "ops.nn": "compat.v1.nn nn",
    "ops.nn_impl": "compat.v1.nn nn",
    "ops.nn_ops": "compat.v1.nn nn",
    "ops.numpy_ops.np_config": "experimental.numpy",
    "ops.parsing_ops": "io compat.v1",
    "ops.ragged.ragged_factory_ops": "ragged",
    "ops.ragged.ragged_tensor": ".",
    "ops.random_ops": "random compat.v1",
    "ops.resource_variable_ops": ".",
    "ops.script_ops": ".",
    "ops.sparse_ops": "sparse compat.v1",
    "ops.special_math_ops": "math . linalg",
    "ops.state_ops": "compat.v1",
    "ops.stateful_random_ops": "random",
    "ops.stateless_random_ops": "random",
    "ops.string_ops": "strings compat.v1",
    "ops.summary_ops_v2": "summary",
    "ops.tensor_array_ops": ".",
    "ops.variable_scope": "compat.v1",
    "ops.variables": ". compat.v1",
    "ops.while_loop": ".",
    "platform.gfile": "compat.v1.gfile io.gfile",
    "platform.test": "compat.v1.test test",
    "platform.tf_logging": "compat.v1.logging",
    "trackable.autotrackable": "__internal__.tracking",
    "training.moving_averages": "train compat.v1.train",
    "training.saver": "compat.v1.train",
    "util.compat": "compat",
}
"""Below tensorflow.python: the public namespaces that are asked in turn; `.` is the top one."""

RENAMED = {
    "framework.ops": {"name_scope_v2": "name_scope", "name_scope_v1": "compat.v1.name_scope"},
    "framework.smart_cond": {"smart_constant_value": "get_static_value"},
    "framework.tensor_util": {
        "constant_value": "get_static_value",
        "is_tf_type": "is_tensor",
    },
    "ops.numpy_ops.np_config": {"enable_numpy_behavior": "experimental.numpy.experimental_enable_numpy_behavior"},
    "ops.resource_variable_ops": {"ResourceVariable": "Variable", "BaseResourceVariable": "Variable"},
    "framework.indexed_slices": {"IndexedSlicesValue": "compat.v1.IndexedSlicesValue"},
}
"""Names that are published under another one."""


def finder(module: str) -> Callable[[str], Any] | None:
    """Return what answers for names of the private module `module`, without its first two words; None where nothing is known."""
    places = PLACES.get(module)
    if places is None:
        return None
    other = RENAMED.get(module, {})

    def find(name: str) -> Any:
        if name in other:
            *rooms, leaf = other[name].split(".")
            return getattr(_room(".".join(rooms)), leaf)
        if not name.startswith("_"):
            for place in places.split():
                found = getattr(_room(place.strip(".")), name, None)
                if found is not None:
                    return found
        raise AttributeError(f"module 'tensorflow.python.{module}' has no attribute {name!r}")

    return find


def _room(path: str) -> Any:
    found: Any = sys.modules["millstream"]
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
    return found
