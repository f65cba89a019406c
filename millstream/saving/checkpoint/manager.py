"""tf.train.CheckpointManager: numbers checkpoints in a folder and deletes old ones."""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain
from millstream.saving.checkpoint import state
from millstream.saving.checkpoint.in_sessions import number_of
from millstream.saving.checkpoint.options import CheckpointOptions

log = logging.getLogger("millstream")
_HOUR_SECONDS = 3600.0


@public("train.CheckpointManager", "compat.v1.train.CheckpointManager")
class CheckpointManager:
    """Keeps the checkpoints of a folder: the last few, and some for good. A new manager goes on where an old one stopped.

    Args:
      checkpoint: the `tf.train.Checkpoint` to save.
      directory: the folder.
      max_to_keep: how many checkpoints to keep; None for all.
      keep_checkpoint_every_n_hours: a checkpoint that would be deleted is kept for good if the last such one is this much
        older.
      checkpoint_name: how the files' names begin.
      step_counter: a variable that counts steps, with `checkpoint_interval`.
      checkpoint_interval: how many steps are to lie between two checkpoints, at least.
      init_fn: called by `restore_or_initialize` where there is no checkpoint.
      last_checkpoint_step: the step of the last checkpoint, where that is known.

    Raises:
      ValueError: `max_to_keep` is not positive, or an interval is given without a counter.

    >>> checkpoint = tf.train.Checkpoint(step=tf.Variable(0))
    >>> manager = tf.train.CheckpointManager(checkpoint, tempfile.mkdtemp(), max_to_keep=2)
    >>> paths = [manager.save() for _ in range(3)]
    >>> manager.checkpoints == paths[1:]
    True
    """

    def __init__(
        self,
        checkpoint: Any,
        directory: Any,
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
        step_counter: Any = None,
        checkpoint_interval: int | None = None,
        init_fn: Callable[[], Any] | None = None,
        last_checkpoint_step: int | None = None,
    ) -> None:
        if max_to_keep is not None and max_to_keep <= 0:
            raise ValueError(explain(f"Expected a positive integer or `None` for `max_to_keep`, got {max_to_keep}."))
        if checkpoint_interval is not None and step_counter is None:
            raise ValueError(explain("`step_counter` should be passed if `checkpoint_interval` is not None."))
        self._checkpoint = checkpoint
        self._max_to_keep = max_to_keep
        self._keep_every_hours = keep_checkpoint_every_n_hours
        self._directory = os.fspath(directory)
        self._checkpoint_prefix = os.path.join(self._directory, checkpoint_name)
        self._init_fn = init_fn
        self._step_counter = step_counter
        self._checkpoint_interval = checkpoint_interval
        self._last_checkpoint_step = last_checkpoint_step
        # Those that may be deleted, and when they were written; the oldest first.
        self._maybe_delete: dict[str, float] = {}
        self._latest_checkpoint: str | None = None
        self._go_on()

    def _go_on(self) -> None:
        """Take over what the folder says."""
        recovered = state.get_checkpoint_state(self._directory)
        now = time.time()
        if recovered is None:
            # A little back, so that a manager made anew at once does not take its first checkpoint for preserved.
            self._last_preserved_timestamp = now - 1.0
            return
        self._latest_checkpoint = recovered.model_checkpoint_path
        if recovered.last_preserved_timestamp > now:
            log.warning(
                "time.time() returned a value %f seconds behind the last preserved checkpoint timestamp.",
                recovered.last_preserved_timestamp - now,
            )
        self._last_preserved_timestamp = min(recovered.last_preserved_timestamp, now)
        paths = list(recovered.all_model_checkpoint_paths)
        times = list(recovered.all_model_checkpoint_timestamps) or [self._last_preserved_timestamp] * len(paths)
        for path, written in zip(paths, times, strict=False):
            if min(written, now) > self._last_preserved_timestamp:
                self._maybe_delete[path] = min(written, now)

    @property
    def directory(self) -> str:
        """The folder."""
        return self._directory

    @property
    def checkpoint_interval(self) -> int | None:
        """How many steps lie between two checkpoints, at least."""
        return self._checkpoint_interval

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the latest checkpoint, for `restore`; None where there is none."""
        return self._latest_checkpoint

    @property
    def checkpoints(self) -> list[str]:
        """The paths of those that may still be deleted, the oldest first."""
        return list(self._maybe_delete)

    @property
    def checkpoint(self) -> Any:
        """The `tf.train.Checkpoint` that is saved."""
        return self._checkpoint

    @property
    def _prefix(self) -> str:
        return self._checkpoint_prefix

    def save(self, checkpoint_number: Any = None, check_interval: bool = True, options: Any = None) -> str | None:
        """Write a checkpoint, delete what is too old, and return its path; None where it was not yet time.

        Args:
          checkpoint_number: the number of the checkpoint, or a variable that holds it; the checkpoint's counter without it.
          check_interval: whether to write only when `checkpoint_interval` steps have passed. Otherwise it is written unless
            there is one of this very step.
          options: `tf.train.CheckpointOptions`.
        """
        if self._checkpoint_interval is not None and not self._is_time(check_interval):
            return None
        number = self._checkpoint._next_number(None, self._checkpoint_prefix)
        if checkpoint_number is not None:
            number = number_of(checkpoint_number)
        options = copy.copy(options) if options is not None else CheckpointOptions()
        options.experimental_write_callbacks = [*(options.experimental_write_callbacks or ()), self._note]
        return str(self._checkpoint._write(f"{self._checkpoint_prefix}-{number}", options=options))

    def _is_time(self, check_interval: bool) -> bool:
        step = number_of(self._step_counter)
        last = self._last_checkpoint_step
        if last is not None and (step == last or (check_interval and step < last + (self._checkpoint_interval or 0))):
            return False
        self._last_checkpoint_step = step
        return True

    def _note(self, path: str) -> None:
        """Note a checkpoint that was written, and delete what is too old."""
        self._maybe_delete.pop(path, None)
        self._maybe_delete[path] = time.time()
        self._latest_checkpoint = path
        # Once before anything is deleted: who is stopped in between finds the new one.
        self._record()
        if self._sweep():
            self._record()

    def _record(self) -> None:
        state.update_state(
            self._directory,
            model_checkpoint_path=str(self._latest_checkpoint),
            all_model_checkpoint_paths=list(self._maybe_delete),
            all_model_checkpoint_timestamps=list(self._maybe_delete.values()),
            last_preserved_timestamp=self._last_preserved_timestamp,
            save_relative_paths=True,
        )

    def _sweep(self) -> bool:
        """Delete or preserve the oldest; return whether there were too many."""
        too_many = False
        while self._max_to_keep and len(self._maybe_delete) > self._max_to_keep:
            too_many = True
            path = next(iter(self._maybe_delete))
            written = self._maybe_delete.pop(path)
            hours = self._keep_every_hours
            if hours and written - hours * _HOUR_SECONDS >= self._last_preserved_timestamp:
                self._last_preserved_timestamp = written
                continue
            state.delete_files(path)
        return too_many

    def restore_or_initialize(self) -> str | None:
        """Restore the latest checkpoint and return its path; without one, call `init_fn` and return None."""
        if self._latest_checkpoint is not None:
            self._checkpoint.restore(self._latest_checkpoint)
            if self._checkpoint_interval is not None:
                self._last_checkpoint_step = number_of(self._step_counter)
            return self._latest_checkpoint
        if self._init_fn is not None:
            self._init_fn()
        return None

    def sync(self) -> None:
        """Wait until all is written; raise what kept it from that."""
        if self._checkpoint is not None:
            self._checkpoint.sync()
