"""tf.compat.v1.train.SessionManager: makes sessions that are restored from checkpoints, or initialised, and ready."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from millstream.api.public import public, root
from millstream.base import errors
from millstream.base.errors import explain

tf: Any = root()
log = logging.getLogger("millstream")


@public("compat.v1.train.SessionManager")
class SessionManager:
    """Restores or initialises sessions of a graph.

    Args:
      local_init_op: is run in each new session once it is ready for it.
      ready_op: gives the names of what is not initialised.
      ready_for_local_init_op: likewise, before `local_init_op`.
      graph: the graph; the default one without it.
      recovery_wait_secs: how long to wait between two looks.
      local_init_run_options: RunOptions of `local_init_op`.
      local_init_feed_dict: what is fed to it.

    Raises:
      ValueError: `ready_for_local_init_op` is given without `local_init_op`.
    """

    def __init__(
        self,
        local_init_op: Any = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        graph: Any = None,
        recovery_wait_secs: float = 30,
        local_init_run_options: Any = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        if ready_for_local_init_op is not None and local_init_op is None:
            raise ValueError(
                explain(
                    "If you pass a ready_for_local_init_op you must also pass a local_init_op , ready_for_local_init_op "
                    f"[{ready_for_local_init_op}]"
                )
            )
        self._graph = tf.compat.v1.get_default_graph() if graph is None else graph
        self._local_init_op, self._ready_op = local_init_op, ready_op
        self._ready_for_local_init_op, self._wait_seconds = ready_for_local_init_op, recovery_wait_secs
        self._options, self._feeds = local_init_run_options, local_init_feed_dict

    def _restored(
        self,
        master: str,
        saver: Any,
        checkpoint_dir: str | None,
        checkpoint_filename_with_path: str | None,
        wait_for_checkpoint: bool,
        max_wait_secs: float,
        config: Any,
    ) -> tuple[Any, bool]:
        if checkpoint_dir and checkpoint_filename_with_path:
            raise ValueError(explain("Can not provide both checkpoint_dir and checkpoint_filename_with_path."))
        session = tf.compat.v1.Session(target=master, graph=self._graph, config=config)
        if not saver or not (checkpoint_dir or checkpoint_filename_with_path):
            return session, False
        if checkpoint_filename_with_path:
            saver.restore(session, checkpoint_filename_with_path)
            return session, True
        began = time.time()
        state = tf.train.get_checkpoint_state(checkpoint_dir)
        while not state or not state.model_checkpoint_path:
            if not wait_for_checkpoint or time.time() - began >= max_wait_secs:
                return session, False
            log.info("Waiting for checkpoint to be available.")
            time.sleep(self._wait_seconds)
            state = tf.train.get_checkpoint_state(checkpoint_dir)
        saver.restore(session, state.model_checkpoint_path)
        saver.recover_last_checkpoints(state.all_model_checkpoint_paths)
        return session, True

    def prepare_session(
        self,
        master: str,
        init_op: Any = None,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Return a session that is restored from a checkpoint, else initialised by `init_op` and `init_fn`; and ready.

        Raises:
          RuntimeError: there is neither a checkpoint nor `init_op` or `init_fn`, or the session is not ready then.
          ValueError: both `checkpoint_dir` and `checkpoint_filename_with_path` are given.
        """
        session, is_restored = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint, max_wait_secs, config
        )
        if not is_restored:
            if init_op is None and not init_fn and self._local_init_op is None:
                raise RuntimeError(
                    explain("Model is not initialized and no init_op or init_fn or local_init_op was given")
                )
            if init_op is not None:
                session.run(init_op, feed_dict=init_feed_dict)
            if init_fn:
                init_fn(session)
        done, message = self._local_init(session)
        if not done:
            raise RuntimeError(
                explain(
                    f"Init operations did not make model ready for local_init.  Init op: {_name(init_op)}, init fn: {init_fn}, "
                    f"error: {message}"
                )
            )
        ready, message = self._is_ready(self._ready_op, session)
        if not ready:
            raise RuntimeError(
                explain(
                    f"Init operations did not make model ready.  Init op: {_name(init_op)}, init fn: {init_fn}, "
                    f"local_init_op: {_name(self._local_init_op)}, error: {message}"
                )
            )
        return session

    def recover_session(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
    ) -> tuple[Any, bool]:
        """Return a session, and whether it was restored from a checkpoint and is ready."""
        session, is_restored = self._restored(
            master, saver, checkpoint_dir, checkpoint_filename_with_path, wait_for_checkpoint, max_wait_secs, config
        )
        done, message = self._local_init(session)
        if not done:
            log.info("Restoring model did not make model ready for local init: %s", message)
            return session, False
        ready, message = self._is_ready(self._ready_op, session)
        if not ready:
            log.info("Restoring model did not make model ready: %s", message)
            return session, False
        return session, is_restored

    def wait_for_session(self, master: str, config: Any = None, max_wait_secs: float = float("Inf")) -> Any:
        """Return a session once it is ready.

        Raises:
          tf.errors.DeadlineExceededError: it is not within `max_wait_secs`.
        """
        began = time.time()
        session = tf.compat.v1.Session(target=master, graph=self._graph, config=config)
        while True:
            done, message = self._local_init(session)
            if done:
                done, message = self._is_ready(self._ready_op, session)
                if done:
                    return session
            passed = time.time() - began
            if passed + self._wait_seconds > max_wait_secs:
                raise errors.DeadlineExceededError(
                    None, None, explain(f"Session was not ready after waiting {passed:g} secs: {message}.")
                )
            time.sleep(self._wait_seconds)

    def _local_init(self, session: Any) -> tuple[bool, str | None]:
        """Run `local_init_op` where the session is ready for it; return whether it was."""
        if self._local_init_op is None:
            return True, None
        ready, message = self._is_ready(self._ready_for_local_init_op, session)
        if ready:
            session.run(self._local_init_op, feed_dict=self._feeds, options=self._options)
        return ready, message

    def _is_ready(self, operation: Any, session: Any) -> tuple[bool, str | None]:
        if operation is None:
            return True, None
        try:
            found = session.run(operation)
        except errors.FailedPreconditionError as error:
            return False, str(error)
        if found is None or getattr(found, "size", 0) == 0:
            return True, None
        names = ", ".join(item.decode() if isinstance(item, bytes) else str(item) for item in found.ravel())
        return False, f"Variables not initialized: {names}"


def _name(operation: Any) -> str:
    return str(getattr(operation, "name", operation))
