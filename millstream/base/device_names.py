"""Names of devices: their parts, and the processor of this machine that one stands for. Refuses parts that are unknown."""

from __future__ import annotations

from typing import Any

from millstream.base.errors import explain

HERE = "/job:localhost/replica:0/task:0"
"""This process, as names of its devices have it."""

_KINDS = ("CPU", "GPU", "TPU")


def kind_name(kind: str) -> str:
    """Return a kind of device as names have it."""
    return kind.upper() if kind.upper() in _KINDS else kind


def parts_of(name: str) -> dict[str, Any]:
    """Return the parts that a name states: job, replica, task, device_type and device_index, None where it is any.

    Raises:
      ValueError: a part is unknown, or no number where there must be one, or the kind of device stands there twice.

    >>> parts_of("/job:ps/cpu:0")
    {'job': 'ps', 'device_type': 'CPU', 'device_index': 0}
    """
    found: dict[str, Any] = {}
    for part in name.split("/"):
        words = part.split(":")
        count = len(words)
        kind = None
        if count == 2 and words[0] in ("job", "replica", "task"):
            found[words[0]] = words[1] if words[0] == "job" else _number(words[1], name)
        elif count in (1, 2) and words[0].upper() in _KINDS:
            kind, index = words[0], words[1] if count == 2 else "*"
        elif count == 3 and words[0] == "device":
            kind, index = words[1], words[2]
        elif words[0]:
            raise ValueError(
                explain(f"Unknown attribute '{words[0]}' is encountered while parsing the device spec: '{name}'.")
            )
        if kind is not None:
            if "device_type" in found:
                raise ValueError(
                    explain(f"Multiple device types are not allowed while parsing the device spec: {name}.")
                )
            found["device_type"] = kind_name(kind)
            found["device_index"] = None if index == "*" else _number(index, name)
    return found


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(explain(f"{error}, while parsing the device spec: '{name}'.")) from None


def device_text(asked: Any) -> str:
    """Return the name that was asked for: as text, by a `tf.DeviceSpec` or by a logical device.

    Raises:
      ValueError: it is none of these.
    """
    if isinstance(asked, str):
        return asked
    if hasattr(asked, "to_string"):
        return str(asked.to_string())
    if hasattr(asked, "device_type"):
        return str(asked.name)
    raise ValueError(explain(f"Expecting a string device name. Got {type(asked)}({asked})"))


def name_of(parts: dict[str, Any]) -> str:
    """Return the name of the parts that are there and not None."""
    stated = {key: value for key, value in parts.items() if value is not None}
    text = "".join(f"/{key}:{stated[key]}" for key in ("job", "replica", "task") if key in stated)
    if "device_type" in stated:
        text += f"/device:{stated['device_type']}:{stated.get('device_index', '*')}"
    return text


def merged(outer: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of `inner`, and those of `outer` that it does not state."""
    return {**outer, **{key: value for key, value in inner.items() if value is not None}}


def is_here(parts: dict[str, Any]) -> bool:
    """Return whether parts of a name fit devices of this process."""
    return parts.get("job") in (None, "localhost") and not parts.get("replica") and not parts.get("task")


def processor(parts: dict[str, Any], count: int, soft: bool) -> int | None:
    """Return which of `count` processors of this process the parts of a name stand for; None: they name another device.

    Args:
      parts: the parts.
      count: how many processors there are.
      soft: whether the first processor stands in for other devices of this process.
    """
    if not is_here(parts):
        return None
    index = parts.get("device_index") or 0
    if parts.get("device_type") in (None, "CPU") and index < count:
        return int(index)
    return 0 if soft and count else None
