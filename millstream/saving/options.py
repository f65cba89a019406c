"""Options of saving and loading models. Those that concern places that do not exist here are refused where they are used."""

from __future__ import annotations

import enum
from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain


@public("saved_model.experimental.VariablePolicy", "compat.v1.saved_model.experimental.VariablePolicy")
class VariablePolicy(enum.Enum):
    """What is saved of variables besides their values: NONE, their devices, or the copies of distributed ones."""

    NONE = None
    SAVE_VARIABLE_DEVICES = "save_variable_devices"
    EXPAND_DISTRIBUTED_VARIABLES = "expand_distributed_variables"

    def _save_variable_devices(self) -> bool:
        return self is not VariablePolicy.NONE

    def _expand_distributed_variables(self) -> bool:
        return self is VariablePolicy.EXPAND_DISTRIBUTED_VARIABLES

    @staticmethod
    def from_obj(obj: Any) -> VariablePolicy:
        """Return a policy, given itself, its value, or None for NONE."""
        if obj is None or isinstance(obj, VariablePolicy):
            return VariablePolicy.NONE if obj is None else obj
        for policy in VariablePolicy:
            if policy.value is not None and policy.value == str(obj).lower():
                return policy
        raise ValueError(
            explain(f"Received invalid VariablePolicy value: {obj}. Allowed: {[p.value for p in VariablePolicy]}.")
        )


@public("saved_model.SaveOptions", "compat.v1.saved_model.SaveOptions")
class SaveOptions:
    """How a model is saved.

    Args:
      namespace_whitelist: a list of texts: namespaces of ops that may be saved besides TensorFlow's own.
      save_debug_info: whether the lines of the user's code are saved; not supported.
      function_aliases: other names for functions: a dictionary from names to `tf.function`s.
      experimental_debug_stripper: whether `Assert`, `CheckNumerics` and `Print` are left out; not supported.
      experimental_io_device: the device that writes; only this machine's.
      experimental_variable_policy: a VariablePolicy, or its value.
      experimental_custom_gradients: whether the gradients of `tf.custom_gradient` functions are saved.
      experimental_image_format: not supported.
      experimental_skip_saver: whether variables are left out.
      experimental_sharding_callback: a `tf.train.experimental.ShardingCallback`: how the variables are cut into files.
      extra_tags: tags besides "serve".
      plan: our own: whether `model.plan` is written beside the model, which `libmillstream` runs without Python.
    """

    def __init__(
        self,
        namespace_whitelist: Any = None,
        save_debug_info: bool = False,
        function_aliases: Any = None,
        experimental_debug_stripper: bool = False,
        experimental_io_device: Any = None,
        experimental_variable_policy: Any = None,
        experimental_custom_gradients: bool = True,
        experimental_image_format: bool = False,
        experimental_skip_saver: bool = False,
        experimental_sharding_callback: Any = None,
        extra_tags: Any = None,
        *,
        plan: bool = False,
    ) -> None:
        self.plan = plan
        self.namespace_whitelist = _names(namespace_whitelist)
        self.save_debug_info = save_debug_info
        self.function_aliases = dict(function_aliases or {})
        self.experimental_debug_stripper = experimental_debug_stripper
        self.experimental_io_device = experimental_io_device
        self.experimental_variable_policy = VariablePolicy.from_obj(experimental_variable_policy)
        self.experimental_custom_gradients = experimental_custom_gradients
        self.experimental_image_format = experimental_image_format
        self.experimental_skip_saver = experimental_skip_saver
        self.experimental_sharding_callback = experimental_sharding_callback
        self.extra_tags = extra_tags


def _names(given: Any) -> list[str] | None:
    if given is None:
        return None
    if not isinstance(given, list):
        raise TypeError(
            explain(f"`namespace_whitelist` must be a list of strings. Got: {given} with type {type(given)}.")
        )
    for name in given:
        if not isinstance(name, str):
            raise ValueError(explain(f"Whitelisted namespace must be a string. Got: {name} of type {type(name)}."))
    return list(given)


@public("saved_model.LoadOptions")
class LoadOptions:
    """How a model is loaded.

    Args:
      allow_partial_checkpoint: whether variables may be missing from the checkpoint; they are then without a value.
      experimental_io_device: the device that reads; only this machine's.
      experimental_skip_checkpoint: whether variables are left without values.
      experimental_variable_policy: a VariablePolicy, or its value.
      experimental_load_function_aliases: whether the object gets `function_aliases`, from names to functions.
      allow_file_ops: our own: whether the model's ops may read and write any file; without it, its own assets only.
    """

    def __init__(
        self,
        allow_partial_checkpoint: bool = False,
        experimental_io_device: Any = None,
        experimental_skip_checkpoint: bool = False,
        experimental_variable_policy: Any = None,
        experimental_load_function_aliases: bool = False,
        *,
        allow_file_ops: bool = False,
    ) -> None:
        self.allow_file_ops = allow_file_ops
        self.allow_partial_checkpoint = allow_partial_checkpoint
        self.experimental_io_device = experimental_io_device
        self.experimental_skip_checkpoint = experimental_skip_checkpoint
        self.experimental_variable_policy = VariablePolicy.from_obj(experimental_variable_policy)
        self.experimental_load_function_aliases = experimental_load_function_aliases
