"""tf.DeviceSpec: the parts of a device's name, and names out of parts. Refuses names with parts that are unknown."""

from __future__ import annotations

from typing import Any

from millstream.api.public import public
from millstream.base.device_names import kind_name, merged, name_of, parts_of


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
        self._device_type = None if device_type is None else kind_name(str(device_type))
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
        return cls(**parts_of(spec))

    def parse_from_string(self, spec: str) -> DeviceSpec:
        """Return the parts of a name; this object stays as it is."""
        return self.from_string(spec)

    def to_string(self) -> str:
        """Return the name."""
        return name_of(self._fields())

    def make_merged_spec(self, dev: DeviceSpec) -> DeviceSpec:
        """Return the parts of `dev`, and those of this where `dev` has none."""
        return type(self)(**merged(self._fields(), dev._fields()))

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
        parts = parts_of(spec)
        for name in DeviceSpec.__slots__:
            setattr(self, name, parts.get(name.removeprefix("_")))
        return self

    def merge_from(self, dev: DeviceSpec) -> None:
        """Take the parts that `dev` has."""
        for name, value in dev._fields().items():
            if value is not None:
                setattr(self, f"_{name}", value)
