"""The file `checkpoint` of a folder: which checkpoints are there, and which is the latest. Written whole or not at all."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from millstream.api.public import public
from millstream.base.errors import explain
from millstream.base.files import of_system
from millstream.base.messages import message
from millstream.saving.replacing import write_whole

log = logging.getLogger("millstream")
_FILE = "checkpoint"


def _state_path(folder: str, latest_filename: str | None) -> str:
    return os.path.join(folder, latest_filename or _FILE)


@public("compat.v1.train.generate_checkpoint_state_proto")
def generate_checkpoint_state_proto(
    save_dir: Any,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Any = None,
    all_model_checkpoint_timestamps: Any = None,
    last_preserved_timestamp: float | None = None,
) -> Any:
    """Return a CheckpointState, its paths relative to the folder where that is relative itself.

    Args:
      save_dir: the folder.
      model_checkpoint_path: the latest checkpoint.
      all_model_checkpoint_paths: all that are there, the oldest first.
      all_model_checkpoint_timestamps: when they were written, in seconds.
      last_preserved_timestamp: when the last one was written that is kept for good.

    Raises:
      ValueError: there are not as many times as paths.
    """
    paths = list(all_model_checkpoint_paths or [])
    if not paths or paths[-1] != model_checkpoint_path:
        paths.append(model_checkpoint_path)
    if all_model_checkpoint_timestamps and len(all_model_checkpoint_timestamps) != len(paths):
        raise ValueError(
            explain(
                f"Checkpoint timestamps, if provided, must match checkpoint paths (got paths {paths} and timestamps "
                f"{all_model_checkpoint_timestamps})"
            )
        )
    folder = os.fspath(save_dir)

    def relative(path: str) -> str:
        return path if os.path.isabs(folder) or os.path.isabs(path) else os.path.relpath(path, folder)

    made = message("CheckpointState")(model_checkpoint_path=relative(model_checkpoint_path))
    made.all_model_checkpoint_paths.extend(relative(p) for p in paths)
    made.all_model_checkpoint_timestamps.extend(all_model_checkpoint_timestamps or ())
    if last_preserved_timestamp is not None:
        made.last_preserved_timestamp = last_preserved_timestamp
    return made


@public("compat.v1.train.update_checkpoint_state")
def update_checkpoint_state(
    save_dir: Any,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Any = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Any = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Write the file that says which checkpoints a folder has; see `generate_checkpoint_state_proto`.

    Raises:
      RuntimeError: the checkpoint is where this file is to go.
    """
    update_state(
        save_dir,
        model_checkpoint_path,
        all_model_checkpoint_paths,
        latest_filename,
        False,
        all_model_checkpoint_timestamps,
        last_preserved_timestamp,
    )


@public("__internal__.train.update_checkpoint_state")
def update_state(
    save_dir: Any,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Any = None,
    latest_filename: str | None = None,
    save_relative_paths: bool = False,
    all_model_checkpoint_timestamps: Any = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Write the file that says which checkpoints a folder has, with paths relative to it if `save_relative_paths`."""
    from google.protobuf import text_format

    folder = os.fspath(save_dir)
    given = list(all_model_checkpoint_paths or [])
    if save_relative_paths:
        given = [os.path.relpath(p, folder) if os.path.isabs(p) else p for p in given]
        if os.path.isabs(model_checkpoint_path):
            model_checkpoint_path = os.path.relpath(model_checkpoint_path, folder)
    state = generate_checkpoint_state_proto(
        folder, model_checkpoint_path, given, all_model_checkpoint_timestamps, last_preserved_timestamp
    )
    path = _state_path(folder, latest_filename)
    if path == state.model_checkpoint_path:
        raise RuntimeError(
            explain(
                f"Save path '{model_checkpoint_path}' conflicts with path used for checkpoint state. Please use a different save "
                "path."
            )
        )
    try:
        write_whole(Path(path), text_format.MessageToString(state).encode())
    except OSError as error:
        raise of_system(error, path) from None


def note_checkpoint(path: str) -> None:
    """Note a checkpoint as the latest one of its folder."""
    update_state(os.path.dirname(path), path, [path], save_relative_paths=True)


@public("train.get_checkpoint_state", "compat.v1.train.get_checkpoint_state")
def get_checkpoint_state(checkpoint_dir: Any, latest_filename: str | None = None) -> Any:
    """Return the CheckpointState of a folder, its paths with the folder in front; None where there is none.

    Args:
      checkpoint_dir: the folder.
      latest_filename: the name of the file that says so, `checkpoint` without it.

    Raises:
      ValueError: the file names no checkpoint.
    """
    from google.protobuf import text_format

    folder = os.fspath(checkpoint_dir)
    path = _state_path(folder, latest_filename)
    state = message("CheckpointState")()
    try:
        with open(path, encoding="utf-8") as file:
            text_format.Merge(file.read(), state)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        log.warning("%s: %s\n%s: Checkpoint ignored", type(error).__name__, error, path)
        return None
    if not state.model_checkpoint_path:
        raise ValueError(explain(f"Invalid checkpoint state loaded from {folder}"))
    state.model_checkpoint_path = os.path.join(folder, state.model_checkpoint_path)
    for i, each in enumerate(state.all_model_checkpoint_paths):
        state.all_model_checkpoint_paths[i] = os.path.join(folder, each)
    return state


@public("train.latest_checkpoint", "compat.v1.train.latest_checkpoint")
def latest_checkpoint(checkpoint_dir: Any, latest_filename: str | None = None) -> str | None:
    """Return the path of the latest checkpoint of a folder; None where there is none.

    Args:
      checkpoint_dir: the folder.
      latest_filename: the name of the file that says so, `checkpoint` without it.
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None:
        return None
    path = str(state.model_checkpoint_path)
    if os.path.exists(f"{path}.index") or os.path.exists(path):
        return path
    log.error("Couldn't match files for checkpoint %s", path)
    return None


@public("train.checkpoints_iterator", "compat.v1.train.checkpoints_iterator")
def checkpoints_iterator(
    checkpoint_dir: Any,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """Go through the checkpoints of a folder as they come; those that another one follows quickly are left out.

    Args:
      checkpoint_dir: the folder.
      min_interval_secs: how much time to let pass between two of them, at least.
      timeout: how long to wait for the next one; for ever without it.
      timeout_fn: called when nothing came; if it returns True, or is not given, this was all.
    """
    last: str | None = None
    while True:
        path = wait_for_new_checkpoint(checkpoint_dir, last, timeout=timeout)
        if path is None:
            if not timeout_fn:
                log.info("Timed-out waiting for a checkpoint.")
                return
            if timeout_fn():
                return
            continue
        start = time.time()
        last = path
        yield path
        wait = start + min_interval_secs - time.time()
        if wait > 0:
            time.sleep(wait)


def wait_for_new_checkpoint(
    checkpoint_dir: Any, last: str | None = None, seconds_to_sleep: float = 1.0, timeout: float | None = None
) -> str | None:
    """Return the latest checkpoint once it is another than `last`; None where that takes longer than `timeout`."""
    end = None if timeout is None else time.time() + timeout
    while True:
        path = latest_checkpoint(checkpoint_dir)
        if path is not None and path != last:
            return path
        if end is not None and time.time() + seconds_to_sleep > end:
            return None
        time.sleep(seconds_to_sleep)


@public("compat.v1.train.checkpoint_exists")
def checkpoint_exists(checkpoint_prefix: str) -> bool:
    """Return whether there is a checkpoint under a prefix."""
    return os.path.exists(f"{checkpoint_prefix}.index") or os.path.exists(checkpoint_prefix)


@public("compat.v1.train.get_checkpoint_mtimes")
def get_checkpoint_mtimes(checkpoint_prefixes: Sequence[str]) -> list[float]:
    """Return when checkpoints were written, in seconds; those that are not there are left out."""
    found = []
    for prefix in checkpoint_prefixes:
        for path in (f"{prefix}.index", prefix):
            if os.path.exists(path):
                found.append(os.path.getmtime(path))
                break
    return found


@public("compat.v1.train.remove_checkpoint")
def remove_checkpoint(
    checkpoint_prefix: str, checkpoint_format_version: int = 2, meta_graph_suffix: str = "meta"
) -> None:
    """Delete a checkpoint and its graph."""
    delete_files(checkpoint_prefix)
    for path in (checkpoint_prefix, f"{checkpoint_prefix}.{meta_graph_suffix}"):
        if os.path.exists(path):
            os.unlink(path)


def delete_files(prefix: str) -> None:
    """Delete the files of a checkpoint: the index first, so that nobody finds one without its data."""
    import glob

    for path in [f"{prefix}.index", *glob.glob(f"{glob.escape(prefix)}.data-?????-of-?????")]:
        if os.path.exists(path):
            os.unlink(path)
