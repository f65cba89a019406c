"""Settings of strategies: how values are communicated, how inputs are placed. In one process all of them are hints."""

from __future__ import annotations

import enum
from typing import Any

from millstream.api.public import public, publish
from millstream.base.errors import explain


class CommunicationImplementation(enum.Enum):
    """Which collectives workers talk by."""

    AUTO = "AUTO"
    RING = "RING"
    NCCL = "NCCL"


publish("distribute.experimental.CommunicationImplementation", CommunicationImplementation)
publish("distribute.experimental.CollectiveCommunication", CommunicationImplementation)


def _checked_pack(bytes_per_pack: int) -> int:
    if bytes_per_pack < 0:
        raise ValueError(
            explain(
                f"Argument `bytes_per_pack` must be >=0, Received {bytes_per_pack}.", "Leave it out, or give 0 or more."
            )
        )
    return bytes_per_pack


@public("distribute.experimental.CommunicationOptions")
class CommunicationOptions:
    """How workers communicate: all are hints, since the workers here are one process.

    Args:
      bytes_per_pack: how many bytes of gradients are sent at once; 0 decides itself.
      timeout_seconds: after how long a collective gives up; None never.
      implementation: a `CommunicationImplementation` or its name.

    Raises:
      ValueError: a negative number of bytes, or an unknown implementation.
    """

    def __init__(
        self,
        bytes_per_pack: int = 0,
        timeout_seconds: float | None = None,
        implementation: Any = CommunicationImplementation.AUTO,
    ) -> None:
        self.bytes_per_pack = _checked_pack(bytes_per_pack)
        self.timeout_seconds = timeout_seconds
        name = implementation.upper() if isinstance(implementation, str) else implementation
        self.implementation = CommunicationImplementation(name)


@public("distribute.experimental.CollectiveHints")
class CollectiveHints:
    """The older form of `CommunicationOptions`."""

    def __init__(self, bytes_per_pack: int = 0, timeout_seconds: float | None = None) -> None:
        self.bytes_per_pack = _checked_pack(bytes_per_pack)
        self.timeout_seconds = timeout_seconds


class InputReplicationMode(enum.Enum):
    """For whom a dataset's function is called."""

    PER_WORKER = "PER_WORKER"
    PER_REPLICA = "PER_REPLICA"


publish("distribute.InputReplicationMode", InputReplicationMode)


@public("distribute.InputOptions")
class InputOptions:
    """How a distributed dataset is made.

    Args:
      experimental_fetch_to_device: whether elements are brought to the devices; a hint: the devices share their memory.
      experimental_replication_mode: an `InputReplicationMode`; PER_REPLICA is refused where the options are used.
      experimental_place_dataset_on_device: whether the dataset itself lies on the devices; a hint.
      experimental_per_replica_buffer_size: how many elements are fetched ahead; a hint.
    """

    def __init__(
        self,
        experimental_fetch_to_device: bool | None = None,
        experimental_replication_mode: InputReplicationMode = InputReplicationMode.PER_WORKER,
        experimental_place_dataset_on_device: bool = False,
        experimental_per_replica_buffer_size: int = 1,
    ) -> None:
        self.experimental_fetch_to_device = experimental_fetch_to_device
        self.experimental_replication_mode = experimental_replication_mode
        self.experimental_place_dataset_on_device = experimental_place_dataset_on_device
        self.experimental_per_replica_buffer_size = experimental_per_replica_buffer_size


@public("distribute.RunOptions")
class RunOptions:
    """How `Strategy.run` compiles for TPUs; hints: there are none here."""

    def __init__(
        self,
        experimental_enable_dynamic_batch_size: bool = True,
        experimental_bucketizing_dynamic_shape: bool = False,
        experimental_xla_options: Any = None,
    ) -> None:
        self.experimental_enable_dynamic_batch_size = experimental_enable_dynamic_batch_size
        self.experimental_bucketizing_dynamic_shape = experimental_bucketizing_dynamic_shape
        self.experimental_xla_options = experimental_xla_options
