"""tf.DeviceSpec: the parts of a device's name, and names out of parts. Refuses names with parts that are unknown."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain

_KINDS = ("CPU", "GPU", "TPU")


@public("DeviceSpec")
class DeviceSpec:
    """A device by the parts of its name; those that are None may be any.

    Args:
      job: the name of the job.
      replica: the number of the replica.
      task: the number of the task.
      device_type: "CPU" or "GPU", say.
      device_index: the number of the device.

    >>> tf.DeviceSpec(job="ps", device_type="CPU", device_index=0).to_string()
    '/job:ps/device:CPU:0'
    """

    __slots__ = ("_device_index", "_device_type", "_job", "_replica", "_task")

    def __init__(
        self, job: Any = None, replica: Any = None, task: Any = None, device_type: Any = None, device_index: Any = None
    ) -> None:
        self._job = None if job is None else str(job)
        self._replica = None if replica is None else int(replica)
        self._task = None if task is None else int(task)
        kind = None if device_type is None else str(device_type)
        self._device_type = kind.upper() if kind is not None and kind.upper() in _KINDS else kind
        self._device_index = None if device_index is None else int(device_index)

    @property
    def job(self) -> str | None:
        """The name of the job."""
        return self._job

    @property
    def replica(self) -> int | None:
        """The number of the replica."""
        return self._replica

    @property
    def task(self) -> int | None:
        """The number of the task."""
        return self._task

    @property
    def device_type(self) -> str | None:
        """The kind of device."""
        return self._device_type

    @property
    def device_index(self) -> int | None:
        """The number of the device."""
        return self._device_index

    @classmethod
    def from_string(cls, spec: str) -> DeviceSpec:
        """Return the parts of a name such as "/job:ps/replica:0/task:0/device:CPU:0" or "/cpu:0".

        Raises:
          ValueError: where a part is unknown, or the kind of device stands there twice.
        """
        return cls(**_parts(spec))

    def parse_from_string(self, spec: str) -> DeviceSpec:
        """Return the parts of a name; this object stays as it is."""
        return self.from_string(spec)

    def to_string(self) -> str:
        """Return the name."""
        text = "" if self._job is None else f"/job:{self._job}"
        text += "" if self._replica is None else f"/replica:{self._replica}"
        text += "" if self._task is None else f"/task:{self._task}"
        if self._device_type is not None:
            text += f"/device:{self._device_type}:{'*' if self._device_index is None else self._device_index}"
        return text

    def make_merged_spec(self, dev: DeviceSpec) -> DeviceSpec:
        """Return the parts of `dev`, and those of this where `dev` has none."""
        return self.replace(**{k: v for k, v in dev._fields().items() if v is not None})

    def replace(self, **kwargs: Any) -> DeviceSpec:
        """Return the same with other parts."""
        return type(self)(**{**self._fields(), **kwargs})

    def _fields(self) -> dict[str, Any]:
        return {name.removeprefix("_"): getattr(self, name) for name in DeviceSpec.__slots__}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceSpec) and self.to_string() == other.to_string()

    def __hash__(self) -> int:
        return hash(self.to_string())

    def __repr__(self) -> str:
        fields = ("job", "replica", "task", "device_type", "device_index")
        return f"<DeviceSpec({', '.join(f'{n}={getattr(self, n)}' for n in fields)})>"


@public("compat.v1.DeviceSpec")
class DeviceSpecV1(DeviceSpec):
    """A device by the parts of its name, which may be set one by one. See `tf.DeviceSpec`."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            value = value if value is None or name in ("job", "device_type") else int(value)
        object.__setattr__(self, f"_{name.removeprefix('_')}", value)

    def parse_from_string(self, spec: str) -> DeviceSpec:
        """Take the parts of a name; return this object."""
        for name in DeviceSpec.__slots__:
            setattr(self, name, _parts(spec).get(name.removeprefix("_")))
        return self

    def merge_from(self, dev: DeviceSpec) -> None:
        """Take the parts that `dev` has."""
        for name, value in dev._fields().items():
            if value is not None:
                setattr(self, f"_{name}", value)


def _parts(spec: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in spec.split("/"):
        words = part.split(":")
        count = len(words)
        kind = None
        if count == 2 and words[0] in ("job", "replica", "task"):
            found[words[0]] = words[1] if words[0] == "job" else int(words[1])
        elif count in (1, 2) and words[0].upper() in _KINDS:
            kind, index = words[0].upper(), words[1] if count == 2 else "*"
        elif count == 3 and words[0] == "device":
            kind, index = words[1], words[2]
        elif words[0]:
            raise ValueError(
                explain(f"Unknown attribute '{words[0]}' is encountered while parsing the device spec: '{spec}'.")
            )
        if kind is not None:
            if "device_type" in found:
                raise ValueError(
                    explain(f"Multiple device types are not allowed while parsing the device spec: {spec}.")
                )
            found["device_type"] = kind
            found["device_index"] = None if index == "*" else int(index)
    return found
