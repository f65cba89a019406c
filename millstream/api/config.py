"""tf.config: devices and settings of this process. The cpu is the only device so far."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from millstream import _runtime as runtime
from millstream.api.public import public, publish
from millstream.base import errors
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.picking import dynamic_update_slice as _update_op


class PhysicalDevice(NamedTuple):
    """A device of the machine."""

    name: str
    device_type: str


class LogicalDevice(NamedTuple):
    """A device that ops can be placed on."""

    name: str
    device_type: str


publish("config.PhysicalDevice", PhysicalDevice)
publish("config.LogicalDevice", LogicalDevice)


@public("config.list_physical_devices", "config.experimental.list_physical_devices")
def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """Return the machine's devices that Millstream can use."""
    return [PhysicalDevice("/physical_device:CPU:0", "CPU")] if device_type in (None, "CPU") else []


@public("config.list_logical_devices", "config.experimental.list_logical_devices")
def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """Return the devices that ops can be placed on."""
    return [LogicalDevice("/device:CPU:0", "CPU")] if device_type in (None, "CPU") else []


@public("config.get_visible_devices", "config.experimental.get_visible_devices")
def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """Return the devices that this process may use."""
    return list_physical_devices(device_type)


@public("config.set_visible_devices", "config.experimental.set_visible_devices")
def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Choose among the devices; the cpu cannot be hidden."""
    if device_type in (None, "CPU") and not devices:
        raise ValueError(errors.explain("The CPU cannot be hidden: it is the device that every op runs on."))


@public("config.threading.get_intra_op_parallelism_threads")
def get_intra_op_parallelism_threads() -> int:
    """Return the number of threads that one op may use."""
    return int(runtime.thread_count())


@public("config.threading.set_intra_op_parallelism_threads")
def set_intra_op_parallelism_threads(num_threads: int) -> None:
    """Set the number of threads that one op may use; 0 for all of the machine's."""
    if num_threads < 0:
        raise ValueError(
            errors.explain(f"num_threads={num_threads}; give 0 for all, or how many threads one op may use.")
        )
    runtime.set_thread_count(num_threads)


_settings = {"determinism": False, "soft_placement": True, "tensor_float_32": True}


@public("config.experimental.enable_op_determinism")
def enable_op_determinism() -> None:
    """Ask for the same results on every run: Millstream's kernels on the cpu give them anyway."""
    _settings["determinism"] = True


@public("config.experimental.disable_op_determinism")
def disable_op_determinism() -> None:
    """Take back enable_op_determinism."""
    _settings["determinism"] = False


def is_op_determinism_enabled() -> bool:
    """Return whether determinism was asked for."""
    return _settings["determinism"]


@public("config.set_soft_device_placement")
def set_soft_device_placement(enabled: bool) -> None:
    """Accept ops on devices that do not exist, by running them on the cpu."""
    _settings["soft_placement"] = enabled


@public("config.get_soft_device_placement")
def get_soft_device_placement() -> bool:
    """Return whether soft placement is on."""
    return _settings["soft_placement"]


_DEVICE_PARTS = re.compile(
    r"(job):([a-z_]\w*)|(replica):(\d+)|(task):(\d+)|(?:device:([a-z]\w*)|(cpu|gpu|tpu))(?::(\d+|\*))?", re.I
)


@public("device")
@contextmanager
def device(device_name: str | None) -> Iterator[None]:
    """Place what is computed inside on a device. The cpu takes what other devices would, unless soft placement is off."""
    if device_name is not None and not isinstance(device_name, str) and not callable(device_name):
        raise ValueError(errors.explain(f"Expecting a string device name. Got {type(device_name)}({device_name})"))
    if callable(device_name):
        raise RuntimeError(errors.explain("tf.device does not support functions."))
    for part in filter(None, (device_name or "").split("/")):
        found = _DEVICE_PARTS.fullmatch(part)
        if found is None:
            attribute = part.partition(":")[0]
            raise ValueError(
                errors.explain(
                    f"Unknown attribute '{attribute}' is encountered while parsing the device spec: '{device_name}'."
                )
            )
        kind = found[7] or found[8]
        elsewhere = (found[2] or "localhost") != "localhost" or int(found[4] or 0) + int(found[6] or 0) > 0
        other = kind is not None and (kind.upper() != "CPU" or found[9] not in (None, "*", "0"))
        if elsewhere or (other and not get_soft_device_placement()):
            raise errors.InvalidArgumentError(
                None, None, errors.explain(f"{device_name} unknown device. Choose '/device:CPU:0'.")
            )
    yield


class Context:
    """What TensorFlow's eager context is to Keras: something whose kernel cache can be cleared."""

    def clear_kernel_cache(self) -> None:
        """Give cached memory back to the system."""
        runtime.release_cached_memory()

    def num_gpus(self) -> int:
        """Return the number of GPUs."""
        return 0


_context = Context()


def context() -> Context:
    """Return the process's context."""
    return _context


def dynamic_update_slice(input: Any, update: Any, indices: Any) -> Any:
    """Return the input with `update` written at `indices`, moved so that it fits."""
    start = indices if not isinstance(indices, (list, tuple)) else to_tensor(list(indices))
    return apply(_update_op, input, update, start)


@public("sysconfig.get_build_info")
def get_build_info() -> dict[str, Any]:
    """Return how this build was made."""
    return {"is_cuda_build": False, "is_rocm_build": False, "is_tensorrt_build": False}


class NotSupported:
    """A name of TensorFlow's that is outside of what Millstream does: using it says so."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise errors.UnimplementedError(None, None, errors.explain(f"tf.{self._name} is not supported by Millstream."))

    def __repr__(self) -> str:
        return f"<tf.{self._name}: not supported>"


publish("experimental.dtensor.Layout", NotSupported("experimental.dtensor.Layout"))
publish("experimental.dtensor.UNSHARDED", "unsharded")
publish("experimental.dtensor.create_distributed_mesh", NotSupported("experimental.dtensor.create_distributed_mesh"))
