"""tf.config: the devices of this machine. The cpu is the only one so far; it may go by several names (logical devices)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from millstream import _runtime as runtime
from millstream.api.public import public, publish
from millstream.base import errors
from millstream.execution.context import placement


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


@public("config.LogicalDeviceConfiguration", "config.experimental.VirtualDeviceConfiguration")
class LogicalDeviceConfiguration(NamedTuple):
    """What a logical device may use.

    Args:
      memory_limit: None; the cpu's memory is not parted.
      experimental_priority: None; the cpu has no priorities.
      experimental_device_ordinal: taken; not used.
    """

    memory_limit: Any = None
    experimental_priority: Any = None
    experimental_device_ordinal: Any = None


class _State:
    def __init__(self) -> None:
        self.configurations: list[LogicalDeviceConfiguration] | None = None
        self.used = False


_state = _State()


def reset_devices() -> None:
    """Forget how the cpu was divided, and that its devices were listed."""
    _state.__init__()  # type: ignore[misc]
    placement.processors = 1


def cpu_count() -> int:
    """Return how many logical devices the cpu is."""
    return placement.processors


@public("config.list_physical_devices", "config.experimental.list_physical_devices")
def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """Return the machine's devices that Millstream can use."""
    return [PhysicalDevice("/physical_device:CPU:0", "CPU")] if device_type in (None, "CPU") else []


@public("config.list_logical_devices", "config.experimental.list_logical_devices")
def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """Return the devices that ops can be placed on. They cannot be configured any more after this."""
    _state.used = True
    return (
        [LogicalDevice(f"/device:CPU:{i}", "CPU") for i in range(cpu_count())] if device_type in (None, "CPU") else []
    )


@public("config.get_visible_devices", "config.experimental.get_visible_devices")
def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """Return the devices that this process may use."""
    return list_physical_devices(device_type)


@public("config.set_visible_devices", "config.experimental.set_visible_devices")
def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Choose among the devices; the cpu cannot be hidden."""
    if device_type in (None, "CPU") and not devices:
        raise ValueError(errors.explain("The CPU cannot be hidden: it is the device that every op runs on."))


def _require_known(device: Any) -> None:
    if device not in list_physical_devices():
        raise ValueError(
            errors.explain(f"Unrecognized device: {device!r}; tf.config.list_physical_devices() gives them.")
        )


@public("config.get_logical_device_configuration", "config.experimental.get_virtual_device_configuration")
def get_logical_device_configuration(device: Any) -> list[LogicalDeviceConfiguration] | None:
    """Return how a device is divided; None where that was not set.

    Raises:
      ValueError: there is no such device.
    """
    _require_known(device)
    return _state.configurations


@public("config.set_logical_device_configuration", "config.experimental.set_virtual_device_configuration")
def set_logical_device_configuration(device: Any, logical_devices: Sequence[LogicalDeviceConfiguration]) -> None:
    """Divide a device into logical ones. Those of the cpu are names (`CPU:0`, `CPU:1` …) for the same cores and memory.

    Args:
      device: one of `tf.config.list_physical_devices()`.
      logical_devices: a `LogicalDeviceConfiguration` for each.

    Raises:
      ValueError: there is no such device, or a limit or priority is given.
      RuntimeError: the logical devices were listed already, and are others.

    >>> cpu = tf.config.list_physical_devices("CPU")[0]
    >>> print(tf.config.get_logical_device_configuration(cpu))
    None
    """
    _require_known(device)
    wanted = list(logical_devices)
    if any(c.memory_limit is not None for c in wanted):
        raise ValueError(errors.explain("Setting memory limit on CPU virtual devices is currently not supported"))
    if any(c.experimental_priority is not None for c in wanted):
        raise ValueError(
            errors.explain("Setting experimental_priority on CPU virtual devices is currently not supported")
        )
    if _state.used and (len(wanted) or 1) != cpu_count():
        raise RuntimeError(errors.explain("Virtual devices cannot be modified after being initialized"))
    _state.configurations = wanted
    placement.processors = len(wanted) or 1


@public("config.experimental.get_memory_growth")
def get_memory_growth(device: Any) -> bool:
    """Raise KeyError: only other devices than the cpu have memory that grows.

    Raises:
      ValueError: there is no such device.
    """
    _require_known(device)
    raise KeyError(device)


@public("config.experimental.set_memory_growth")
def set_memory_growth(device: Any, enable: bool) -> None:
    """Raise ValueError: only other devices than the cpu have memory that grows."""
    _require_known(device)
    raise ValueError(errors.explain("Cannot set memory growth on non-GPU and non-Pluggable devices"))


@public("config.experimental.get_device_details")
def get_device_details(device: Any) -> dict[str, Any]:
    """Return what is known of a device: nothing of the cpu.

    Raises:
      ValueError: `device` is no `tf.config.PhysicalDevice`.
    """
    if not isinstance(device, PhysicalDevice):
        raise ValueError(errors.explain(f"device must be a tf.config.PhysicalDevice, but got: {device!r}"))
    return {}


_NAME = re.compile(r".*?(?:^|[/:])([A-Za-z]+):(\d+)$")


def _require_cpu(device: Any) -> None:
    found = _NAME.fullmatch(str(device))
    if found is None:
        raise ValueError(
            errors.explain(
                f"Failed parsing device name: {device!r}. Note a valid device string should at least contain a device type and a "
                'device index, like "CPU:0".'
            )
        )
    if found[1].upper() != "CPU" or int(found[2]) >= cpu_count():
        raise ValueError(errors.explain(f"No matching devices found for {device!r}"))


@public("config.experimental.get_memory_info")
def get_memory_info(device: str) -> dict[str, int]:
    """Return how many bytes the runtime holds now (`current`), and held at most (`peak`), for tensors and what they are made in.

    Args:
      device: such as "CPU:0".

    Raises:
      ValueError: there is no such device.
    """
    _require_cpu(device)
    found = runtime.memory_stats()
    return {"current": found["reserved_bytes"], "peak": found["peak_reserved_bytes"]}


@public("config.experimental.get_memory_usage")
def get_memory_usage(device: str) -> int:
    """Return how many bytes the runtime holds now; see `get_memory_info`."""
    return get_memory_info(device)["current"]
