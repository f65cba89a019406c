"""tf.compat.v1.train.MonitoredSession: a session that is initialised, restored, watched by hooks, and made again where it was
aborted. Refuses sessions in other processes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base import errors
from millstream.base.errors import explain
from millstream.version_1.sessions import hooks as run_hooks
from millstream.version_1.sessions.hooks import SessionRunArgs, SessionRunContext, SessionRunValues
from millstream.version_1.sessions.manager import SessionManager
from millstream.version_1.sessions.saving_hooks import CheckpointSaverHook, SummarySaverHook
from millstream.version_1.sessions.scaffold import Scaffold
from millstream.version_1.variables.keys import GraphKeys, get_collection
from millstream.version_1.variables.store import parameters_of

tf: Any = root()
log = logging.getLogger("millstream")

_USE_DEFAULT: Any = object()
_MADE_AGAIN_AFTER = (errors.AbortedError, errors.UnavailableError)
_SUMMARY_STEPS, _CHECKPOINT_SECONDS = 100, 600


@public("compat.v1.train.SessionCreator")
class SessionCreator:
    """What makes the session of a monitored one."""

    def create_session(self) -> Any:
        """Return a new session, initialised."""
        raise NotImplementedError(f"create_session is not implemented for {self}.")


class _Creator(SessionCreator):
    def __init__(self, scaffold: Scaffold | None, master: str, config: Any) -> None:
        self._scaffold, self._master, self._config = scaffold or Scaffold(), master, config
        self._manager: SessionManager | None = None

    def _ready_manager(self) -> SessionManager:
        if self._manager is None:
            self._manager = SessionManager(
                local_init_op=self._scaffold.local_init_op,
                local_init_feed_dict=self._scaffold.local_init_feed_dict,
                ready_op=self._scaffold.ready_op,
                ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
                graph=tf.compat.v1.get_default_graph(),
            )
        return self._manager


@public("compat.v1.train.ChiefSessionCreator")
class ChiefSessionCreator(_Creator):
    """Makes sessions that are restored from a checkpoint, or initialised.

    Args:
      scaffold: what the graph needs.
      master: must be empty: this process.
      config: a ConfigProto.
      checkpoint_dir: the folder whose latest checkpoint is restored.
      checkpoint_filename_with_path: a checkpoint to restore.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        super().__init__(scaffold, master, config)
        self._folder, self._file = checkpoint_dir, checkpoint_filename_with_path

    def create_session(self) -> Any:
        """Return a new session, restored or initialised."""
        self._scaffold.finalize()
        return self._ready_manager().prepare_session(
            self._master,
            saver=self._scaffold.saver,
            checkpoint_dir=self._folder,
            checkpoint_filename_with_path=self._file,
            config=self._config,
            init_op=self._scaffold.init_op,
            init_feed_dict=self._scaffold.init_feed_dict,
            init_fn=None if self._scaffold.init_fn is None else lambda s: self._scaffold.init_fn(self._scaffold, s),
        )


@public("compat.v1.train.WorkerSessionCreator")
class WorkerSessionCreator(_Creator):
    """Makes sessions that wait until another one has initialised what they share, and refuses after `max_wait_secs`."""

    def __init__(
        self, scaffold: Scaffold | None = None, master: str = "", config: Any = None, max_wait_secs: float = 30 * 60
    ) -> None:
        super().__init__(scaffold, master, config)
        self._max_wait_secs = max_wait_secs

    def create_session(self) -> Any:
        """Return a session whose variables were initialised by another; DeadlineExceededError where none does it."""
        self._scaffold.finalize()
        return self._ready_manager().wait_for_session(
            self._master, config=self._config, max_wait_secs=self._max_wait_secs
        )


class StepContext:
    """What `run_step_fn` hands to a function: the session without hooks, a run with them, and a way to stop."""

    def __init__(self, session: Any, run_with_hooks_fn: Callable[..., Any]) -> None:
        self._session, self._run = session, run_with_hooks_fn

    @property
    def session(self) -> Any:
        """The session itself."""
        return self._session

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """Run as the monitored session does."""
        return self._run(*args, **kwargs)

    def request_stop(self) -> None:
        """Stop after this step."""
        raise StopIteration("step_fn has requested the iterations to stop.")


class _Watched:
    """A session with hooks and threads of queues, until it is closed."""

    def __init__(self, creator: SessionCreator, hooks: Sequence[Any], grace_seconds: float) -> None:
        self.session = creator.create_session()
        self.coordinator = tf.train.Coordinator(clean_stop_exception_types=())
        self.grace_seconds, self.hooks = grace_seconds, hooks
        self.stops = False
        if get_collection(GraphKeys.QUEUE_RUNNERS):
            tf.compat.v1.train.start_queue_runners(sess=self.session, coord=self.coordinator)
        for hook in hooks:
            hook.after_create_session(self.session, self.coordinator)

    def run(self, fetches: Any, feed_dict: Any, options: Any, run_metadata: Any) -> Any:
        try:
            self.coordinator.raise_requested_exception()
            return self._run(fetches, feed_dict, options, run_metadata)
        except _MADE_AGAIN_AFTER:
            raise
        except Exception:
            # What ended a thread is the cause of what ended this run.
            self.coordinator.raise_requested_exception()
            raise

    def _run(self, fetches: Any, feed_dict: Any, options: Any, run_metadata: Any) -> Any:
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict), self.session)
        wanted: dict[Any, Any] = {"caller": fetches}
        feeds = dict(feed_dict or {})
        for hook in self.hooks:
            request = hook.before_run(context)
            if request is None:
                continue
            if request.fetches is not None:
                wanted[hook] = request.fetches
            for key in request.feed_dict or {}:
                if key in feeds:
                    raise RuntimeError(explain(f"Same tensor is fed by two hooks, or by a hook and the caller: {key}."))
                feeds[key] = request.feed_dict[key]
            options = _both(options, request.options)
        metadata = run_metadata or tf.compat.v1.RunMetadata()
        results = self.session.run(wanted, feeds or None, options=options, run_metadata=metadata)
        for hook in self.hooks:
            hook.after_run(context, SessionRunValues(results.get(hook), options, metadata))
        self.stops = self.stops or context.stop_requested
        return results["caller"]

    def close(self) -> None:
        try:
            self.coordinator.request_stop()
            self.session.close()
            self.coordinator.join(stop_grace_period_secs=self.grace_seconds, ignore_live_threads=True)
        finally:
            self.session.close()


def _both(options: Any, more: Any) -> Any:
    """Return RunOptions that ask for what either of two asks for."""
    if options is None or more is None:
        return more if options is None else options
    made = tf.compat.v1.RunOptions()
    made.CopyFrom(options)
    made.trace_level = max(options.trace_level, more.trace_level)
    made.timeout_in_ms = max(options.timeout_in_ms, more.timeout_in_ms)
    made.inter_op_thread_pool = max(options.inter_op_thread_pool, more.inter_op_thread_pool)
    made.output_partition_graphs = options.output_partition_graphs or more.output_partition_graphs
    oom = "report_tensor_allocations_upon_oom"
    setattr(made, oom, getattr(options, oom) or getattr(more, oom))
    return made


class _Monitored:
    """What MonitoredSession and SingularMonitoredSession are."""

    def __init__(
        self, creator: SessionCreator, hooks: Sequence[Any] | None, recovers: bool, grace_seconds: float
    ) -> None:
        self._graph_was_finalized = tf.compat.v1.get_default_graph().finalized
        self._hooks = list(hooks or ())
        for hook in self._hooks:
            hook.begin()
        self._creator, self._recovers, self._grace = creator, recovers, grace_seconds
        self._watched: _Watched | None = self._made()

    def _made(self) -> _Watched:
        while True:
            try:
                return _Watched(self._creator, self._hooks, self._grace)
            except _MADE_AGAIN_AFTER as error:
                if not self._recovers:
                    raise
                log.info("A session is made again, as it was aborted while it was initialised: %s", error)

    @property
    def graph(self) -> Any:
        """The graph of the session; None once it is closed."""
        return None if self._watched is None else self._watched.session.graph

    def _open(self) -> _Watched:
        if self._watched is None:
            raise RuntimeError("Run called even after should_stop requested.")
        return self._watched

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Run as a session does, with the hooks around it."""
        while True:
            watched = self._open()
            try:
                return watched.run(fetches, feed_dict, options, run_metadata)
            except _MADE_AGAIN_AFTER as error:
                if not self._recovers:
                    raise
                log.info("The session was aborted and is made again: %s", error)
                watched.close()
                self._watched = self._made()

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """Call `step_fn(step_context)`, which may run without hooks and then with them.

        Raises:
          ValueError: the function has other parameters than `step_context` (and `self`).
        """
        names, _ = parameters_of(step_fn)
        if "step_context" not in names or [n for n in names if n not in ("self", "step_context")]:
            raise ValueError(
                explain(
                    "`step_fn` may either have one `step_context` argument, or `self` and `step_context` arguments."
                )
            )
        watched = self._open()
        try:
            return step_fn(StepContext(watched.session, self.run))
        except StopIteration:
            watched.stops = True
            return None

    def should_stop(self) -> bool:
        """Return whether a hook or a thread asked to stop, or the session is closed."""
        watched = self._watched
        return watched is None or watched.stops or watched.coordinator.should_stop()

    def close(self) -> None:
        """End hooks and threads, and close the session."""
        self._close_internal(None)

    def _is_closed(self) -> bool:
        return self._watched is None

    def _close_internal(self, kind: Any) -> None:
        watched = self._watched
        try:
            if kind is None:
                if watched is None:
                    raise RuntimeError("Session is already closed.")
                for hook in self._hooks:
                    hook.end(watched.session)
        finally:
            if watched is not None:
                try:
                    watched.close()
                finally:
                    self._watched = None
                    graph = watched.session.graph
                    if not self._graph_was_finalized:
                        graph._unsafe_unfinalize()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if isinstance(error, (errors.OutOfRangeError, StopIteration)):
            kind = None
        self._close_internal(kind)
        return kind is None


@public("compat.v1.train.MonitoredSession")
class MonitoredSession(_Monitored):
    """A session that is initialised, has hooks, and is made again from its last checkpoint where it was aborted.

    Args:
      session_creator: a SessionCreator; ChiefSessionCreator without it.
      hooks: SessionRunHooks.
      stop_grace_period_secs: how long threads are waited for at the end.

    >>> with tf.Graph().as_default():
    ...     step = tf.compat.v1.train.get_or_create_global_step()
    ...     add = tf.compat.v1.assign_add(step, 1)
    ...     with tf.compat.v1.train.MonitoredSession(hooks=[tf.compat.v1.train.StopAtStepHook(3)]) as session:
    ...         while not session.should_stop():
    ...             last = session.run(add)
    >>> int(last)
    3
    """

    StepContext = StepContext

    def __init__(
        self,
        session_creator: SessionCreator | None = None,
        hooks: Sequence[Any] | None = None,
        stop_grace_period_secs: float = 120,
    ) -> None:
        super().__init__(session_creator or ChiefSessionCreator(), hooks, True, stop_grace_period_secs)


@public("compat.v1.train.SingularMonitoredSession")
class SingularMonitoredSession(_Monitored):
    """A session that is initialised and has hooks; errors are not recovered from.

    Args:
      hooks: SessionRunHooks.
      scaffold: what the graph needs.
      master: must be empty: this process.
      config: a ConfigProto.
      checkpoint_dir: the folder whose latest checkpoint is restored.
      stop_grace_period_secs: how long threads are waited for at the end.
      checkpoint_filename_with_path: a checkpoint to restore.
    """

    StepContext = StepContext

    def __init__(
        self,
        hooks: Sequence[Any] | None = None,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: str | None = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: str | None = None,
    ) -> None:
        creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path)
        super().__init__(creator, hooks, False, stop_grace_period_secs)

    def raw_session(self) -> Any:
        """Return the session itself."""
        return self._open().session


@public("compat.v1.train.MonitoredTrainingSession")
def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: str | None = None,
    scaffold: Scaffold | None = None,
    hooks: Sequence[Any] | None = None,
    chief_only_hooks: Sequence[Any] | None = None,
    save_checkpoint_secs: Any = _USE_DEFAULT,
    save_summaries_steps: Any = _USE_DEFAULT,
    save_summaries_secs: Any = _USE_DEFAULT,
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = _USE_DEFAULT,
    summary_dir: str | None = None,
    save_graph_def: bool = True,
) -> MonitoredSession:
    """Return a MonitoredSession that writes checkpoints and summaries, and is restored from the last one.

    Args:
      master: must be empty: this process.
      is_chief: whether it initialises and writes; else it waits for who does.
      checkpoint_dir: where checkpoints are written and restored from; nothing is written without it.
      scaffold: what the graph needs.
      hooks: SessionRunHooks.
      chief_only_hooks: more of them, for the chief.
      save_checkpoint_secs: after how many seconds checkpoints are written, 600 without any.
      save_summaries_steps: after how many steps summaries are written, 100 without any.
      save_summaries_secs: after how many seconds.
      config: a ConfigProto.
      stop_grace_period_secs: how long threads are waited for at the end.
      log_step_count_steps: after how many steps their rate is logged.
      max_wait_secs: how long who is not the chief waits.
      save_checkpoint_steps: after how many steps checkpoints are written.
      summary_dir: where summaries are written, `checkpoint_dir` without it.
      save_graph_def: whether the graph is written with checkpoints.
    """
    if save_summaries_steps is _USE_DEFAULT and save_summaries_secs is _USE_DEFAULT:
        save_summaries_steps, save_summaries_secs = _SUMMARY_STEPS, None
    else:
        save_summaries_secs = None if save_summaries_secs is _USE_DEFAULT else save_summaries_secs
        save_summaries_steps = None if save_summaries_steps is _USE_DEFAULT else save_summaries_steps
    if save_checkpoint_steps is _USE_DEFAULT and save_checkpoint_secs is _USE_DEFAULT:
        save_checkpoint_steps, save_checkpoint_secs = None, _CHECKPOINT_SECONDS
    else:
        save_checkpoint_secs = None if save_checkpoint_secs is _USE_DEFAULT else save_checkpoint_secs
        save_checkpoint_steps = None if save_checkpoint_steps is _USE_DEFAULT else save_checkpoint_steps
    scaffold = scaffold or Scaffold()
    if not is_chief:
        waiting = WorkerSessionCreator(scaffold, master, config, max_wait_secs)
        return MonitoredSession(waiting, hooks, stop_grace_period_secs)
    every = list(chief_only_hooks or ())
    folder = summary_dir or checkpoint_dir
    if folder:
        if log_step_count_steps and log_step_count_steps > 0:
            every.append(run_hooks.StepCounterHook(every_n_steps=log_step_count_steps, output_dir=folder))
        if (save_summaries_steps and save_summaries_steps > 0) or (save_summaries_secs and save_summaries_secs > 0):
            every.append(
                SummarySaverHook(save_summaries_steps, save_summaries_secs, output_dir=folder, scaffold=scaffold)
            )
    if checkpoint_dir and (
        (save_checkpoint_secs and save_checkpoint_secs > 0) or (save_checkpoint_steps and save_checkpoint_steps > 0)
    ):
        os.makedirs(checkpoint_dir, exist_ok=True)
        every.append(
            CheckpointSaverHook(
                checkpoint_dir,
                save_checkpoint_secs,
                save_checkpoint_steps,
                scaffold=scaffold,
                save_graph_def=save_graph_def,
            )
        )
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    return MonitoredSession(creator, [*every, *(hooks or ())], stop_grace_period_secs)
