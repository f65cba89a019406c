"""Options of writing and reading checkpoints."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain
from millstream.saving.checkpoint.sharding import ShardingCallback


@public("train.CheckpointOptions", "compat.v1.train.CheckpointOptions")
class CheckpointOptions:
    """How a checkpoint is written or read.

    Args:
      experimental_io_device: the device that reads and writes; only this machine's, so it makes no difference.
      experimental_enable_async_checkpoint: the old name of `enable_async`.
      experimental_write_callbacks: functions that are called when the checkpoint is written, with its path or with nothing.
      enable_async: whether a thread writes while the program goes on. What is written are the values of this moment.
      experimental_skip_slot_variables: whether what optimizers keep for variables is not restored.
      experimental_sharding_callback: a `tf.train.experimental.ShardingCallback` that says which tensors go to which file.

    Raises:
      ValueError: the sharding callback is of another class.
    """

    __slots__ = (
        "enable_async",
        "experimental_enable_async_checkpoint",
        "experimental_io_device",
        "experimental_sharding_callback",
        "experimental_skip_slot_variables",
        "experimental_write_callbacks",
    )

    def __init__(
        self,
        experimental_io_device: Any = None,
        experimental_enable_async_checkpoint: bool = False,
        experimental_write_callbacks: Any = None,
        enable_async: bool = False,
        experimental_skip_slot_variables: bool = False,
        experimental_sharding_callback: Any = None,
    ) -> None:
        self.experimental_io_device = experimental_io_device
        self.enable_async = experimental_enable_async_checkpoint or enable_async
        self.experimental_enable_async_checkpoint = self.enable_async
        for callback in experimental_write_callbacks or ():
            if len(inspect.signature(callback).parameters) > 1:
                raise AssertionError(
                    explain(f"Callback functions for checkpoint take the path or nothing; {callback} takes more.")
                )
        self.experimental_write_callbacks = experimental_write_callbacks
        if experimental_sharding_callback is not None and not isinstance(
            experimental_sharding_callback, ShardingCallback
        ):
            raise ValueError(
                explain(
                    "The experimental_sharding_callback checkpoint option must be of type ShardingCallback. The option provided "
                    f"was of type {type(experimental_sharding_callback)}."
                )
            )
        self.experimental_sharding_callback = experimental_sharding_callback
        self.experimental_skip_slot_variables = experimental_skip_slot_variables

    def __copy__(self) -> CheckpointOptions:
        return CheckpointOptions(
            self.experimental_io_device,
            self.enable_async,
            copy.copy(self.experimental_write_callbacks),
            self.enable_async,
            self.experimental_skip_slot_variables,
            self.experimental_sharding_callback,
        )

    def called_when_written(self, path: str) -> None:
        """Call the functions that want to know."""
        for callback in self.experimental_write_callbacks or ():
            if inspect.signature(callback).parameters:
                callback(path)
            else:
                callback()
