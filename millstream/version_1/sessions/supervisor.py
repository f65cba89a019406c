"""tf.compat.v1.train.Supervisor: a session with threads that save checkpoints and summaries; what monitored sessions replaced."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from millstream.api.public import public, root
from millstream.base.errors import explain
from millstream.execution.context import executing_eagerly
from millstream.version_1.sessions.manager import SessionManager
from millstream.version_1.training_steps import get_global_step
from millstream.version_1.variables.keys import GraphKeys, add_to_collection, get_collection

tf: Any = root()
log = logging.getLogger("millstream")


@public("compat.v1.train.Supervisor")
class Supervisor:
    """Prepares a session of a graph and looks after it: saves, summarises, runs queues, stops all together.

    Args:
      graph: the graph; the default one without it.
      ready_op: gives the names of what is not initialised.
      ready_for_local_init_op: likewise, before `local_init_op`.
      is_chief: whether it initialises and saves; else it waits for who does.
      init_op: initialises global variables.
      init_feed_dict: what is fed to it.
      local_init_op: initialises local variables and tables.
      logdir: where checkpoints and summaries go; nowhere without it.
      summary_op: gives all summaries.
      saver: saves variables.
      global_step: counts steps.
      save_summaries_secs: after how many seconds summaries are written; 0 for never.
      save_model_secs: after how many seconds checkpoints are written; 0 for never.
      recovery_wait_secs: how long to wait between two looks.
      stop_grace_secs: how long threads are waited for at the end.
      checkpoint_basename: the name of the checkpoints.
      session_manager: makes the session.
      summary_writer: writes summaries; one for `logdir` without it.
      init_fn: is called as init_fn(session) after `init_op`.
      local_init_run_options: RunOptions of `local_init_op`.

      An operation that is not given is made; one that is None is left out.

    Raises:
      RuntimeError: ops run at once.
    """

    USE_DEFAULT = 0

    def __init__(
        self,
        graph: Any = None,
        ready_op: Any = USE_DEFAULT,
        ready_for_local_init_op: Any = USE_DEFAULT,
        is_chief: bool = True,
        init_op: Any = USE_DEFAULT,
        init_feed_dict: Any = None,
        local_init_op: Any = USE_DEFAULT,
        logdir: str | None = None,
        summary_op: Any = USE_DEFAULT,
        saver: Any = USE_DEFAULT,
        global_step: Any = USE_DEFAULT,
        save_summaries_secs: float = 120,
        save_model_secs: float = 600,
        recovery_wait_secs: float = 30,
        stop_grace_secs: float = 120,
        checkpoint_basename: str = "model.ckpt",
        session_manager: SessionManager | None = None,
        summary_writer: Any = USE_DEFAULT,
        init_fn: Callable[[Any], Any] | None = None,
        local_init_run_options: Any = None,
    ) -> None:
        if executing_eagerly() and graph is None:
            raise RuntimeError(explain("Supervisors are incompatible with eager execution."))
        self._graph = tf.compat.v1.get_default_graph() if graph is None else graph
        self._is_chief, self._logdir, self._grace = is_chief, logdir, stop_grace_secs
        self._summary_seconds, self._model_seconds = save_summaries_secs, save_model_secs
        self._feeds, self._init_fn = init_feed_dict, init_fn
        self._coordinator = tf.train.Coordinator()
        self._has_written_graph = False
        v1 = tf.compat.v1
        with self._graph.as_default():
            self._ready_op = _item(ready_op, GraphKeys.READY_OP, v1.report_uninitialized_variables)
            self._ready_for_local = _item(ready_for_local_init_op, GraphKeys.READY_FOR_LOCAL_INIT_OP, lambda: None)
            self._init_op = _item(init_op, GraphKeys.INIT_OP, v1.global_variables_initializer)
            self._local_init_op = _item(
                local_init_op,
                GraphKeys.LOCAL_INIT_OP,
                lambda: tf.group(v1.local_variables_initializer(), v1.tables_initializer()),
            )
            self._saver = _item(saver, GraphKeys.SAVERS, lambda: v1.train.Saver() if v1.global_variables() else None)
            self._summary_op = _item(summary_op, GraphKeys.SUMMARY_OP, v1.summary.merge_all)
            self._global_step = get_global_step() if global_step is self.USE_DEFAULT else global_step
            self._writer = summary_writer
            if summary_writer is self.USE_DEFAULT:
                self._writer = v1.summary.FileWriter(logdir) if logdir and is_chief else None
        self._path = os.path.join(logdir, checkpoint_basename) if logdir else None
        self._manager = session_manager or SessionManager(
            local_init_op=self._local_init_op,
            ready_op=self._ready_op,
            ready_for_local_init_op=self._ready_for_local,
            graph=self._graph,
            recovery_wait_secs=recovery_wait_secs,
            local_init_run_options=local_init_run_options,
        )
        self._graph.finalize()

    @property
    def is_chief(self) -> bool:
        """Whether it initialises and saves."""
        return self._is_chief

    @property
    def session_manager(self) -> SessionManager:
        """What makes the session."""
        return self._manager

    @property
    def coord(self) -> Any:
        """What stops the threads."""
        return self._coordinator

    @property
    def init_op(self) -> Any:
        """What initialises global variables."""
        return self._init_op

    @property
    def init_feed_dict(self) -> Any:
        """What is fed to it."""
        return self._feeds

    @property
    def ready_op(self) -> Any:
        """What gives the names of what is not initialised."""
        return self._ready_op

    @property
    def ready_for_local_init_op(self) -> Any:
        """Likewise, before `local_init_op`."""
        return self._ready_for_local

    @property
    def summary_writer(self) -> Any:
        """What writes summaries."""
        return self._writer

    @property
    def summary_op(self) -> Any:
        """What gives all summaries."""
        return self._summary_op

    @property
    def save_summaries_secs(self) -> float:
        """After how many seconds summaries are written."""
        return self._summary_seconds

    @property
    def global_step(self) -> Any:
        """What counts steps."""
        return self._global_step

    @property
    def saver(self) -> Any:
        """What saves variables."""
        return self._saver

    @property
    def save_model_secs(self) -> float:
        """After how many seconds checkpoints are written."""
        return self._model_seconds

    @property
    def save_path(self) -> str | None:
        """The path of the checkpoints, without numbers."""
        return self._path

    def prepare_or_wait_for_session(
        self,
        master: str = "",
        config: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        start_standard_services: bool = True,
    ) -> Any:
        """Return a session that is ready, and start the threads that look after it."""
        self._coordinator.clear_stop()
        if self._writer is not None:
            self._writer.reopen()
        if not self._is_chief:
            session = self._manager.wait_for_session(master, config=config, max_wait_secs=max_wait_secs)
        else:
            session = self._manager.prepare_session(
                master,
                init_op=self._init_op,
                saver=self._saver,
                checkpoint_dir=self._logdir,
                wait_for_checkpoint=wait_for_checkpoint,
                max_wait_secs=max_wait_secs,
                config=config,
                init_feed_dict=self._feeds,
                init_fn=self._init_fn,
            )
            self._write_graph()
            if start_standard_services:
                self.start_standard_services(session)
        if start_standard_services:
            self.start_queue_runners(session)
        return session

    def _write_graph(self) -> None:
        if self._logdir:
            tf.io.write_graph(self._graph.as_graph_def(add_shapes=True), self._logdir, "graph.pbtxt")
        if self._writer is not None and not self._has_written_graph:
            self._writer.add_graph(self._graph)
            self._writer.add_meta_graph(tf.compat.v1.train.export_meta_graph(graph=self._graph))
            self._has_written_graph = True

    def _log(self, status: str, sess: Any = None, **more: Any) -> None:
        """Write down that the session begins, is saved or ends; with its step, while there is one to ask."""
        kind = tf.compat.v1.SessionLog
        step = None if sess is None else tf.compat.v1.train.global_step(sess, self._global_step)
        self._writer.add_session_log(kind(status=getattr(kind, status), **more), step)

    def start_standard_services(self, sess: Any) -> list[Any]:
        """Start the threads that save and summarise, and return them.

        Raises:
          RuntimeError: this is not the chief.
        """
        if not self._is_chief:
            raise RuntimeError(
                "Only chief supervisor can start standard services. Because only chief supervisors can write events."
            )
        if not self._logdir:
            log.warning("Standard services need a 'logdir' passed to the SessionManager")
            return []
        counts = self._global_step is not None and self._writer is not None
        if counts:
            self._log("START", sess)
        threads: list[Any] = []
        if self._writer is not None and self._summary_seconds:
            if self._summary_op is not None:
                threads.append(self.loop(self._summary_seconds, self._summarise_now, (sess,)))
            if counts:
                threads.append(self.loop(self._summary_seconds, _StepCounter(self, sess)))
        if self._saver is not None and self._model_seconds:
            threads.append(self.loop(self._model_seconds, self._save_now, (sess,)))
        return threads

    def _summarise_now(self, sess: Any) -> None:
        self.summary_computed(sess, sess.run(self._summary_op))

    def _save_now(self, sess: Any) -> None:
        self._saver.save(sess, self._path, global_step=self._global_step)
        if self._writer is not None and self._global_step is not None:
            self._log("CHECKPOINT", sess, checkpoint_path=self._path)

    def start_queue_runners(self, sess: Any, queue_runners: Iterable[Any] | None = None) -> list[Any]:
        """Start the threads of QueueRunners, those of the graph without any."""
        if queue_runners is None:
            queue_runners = self._graph.get_collection(GraphKeys.QUEUE_RUNNERS)
        return [t for q in queue_runners for t in q.create_threads(sess, self._coordinator, daemon=True, start=True)]

    def loop(self, timer_interval_secs: float | None, target: Any, args: Any = None, kwargs: Any = None) -> Any:
        """Start a thread that calls a function again and again, and return it."""
        made = tf.compat.v1.train.LooperThread(self._coordinator, timer_interval_secs, target, args, kwargs)
        made.start()
        return made

    def summary_computed(self, sess: Any, summary: Any, global_step: Any = None) -> None:
        """Write a summary.

        Raises:
          RuntimeError: there is no writer.
        """
        if self._writer is None:
            raise RuntimeError("Writing a summary requires a summary writer.")
        if global_step is None and self._global_step is not None:
            global_step = tf.compat.v1.train.global_step(sess, self._global_step)
        self._writer.add_summary(summary, global_step)

    def stop(
        self, threads: Sequence[Any] | None = None, close_summary_writer: bool = True, ignore_live_threads: bool = False
    ) -> None:
        """Stop the threads, and raise what one of them reported."""
        self._coordinator.request_stop()
        try:
            self._coordinator.join(threads, stop_grace_period_secs=self._grace, ignore_live_threads=ignore_live_threads)
        finally:
            if close_summary_writer and self._writer is not None:
                self._log("STOP")
                self._writer.close()
                self._has_written_graph = False

    def request_stop(self, ex: Any = None) -> None:
        """Ask the threads to stop."""
        self._coordinator.request_stop(ex)

    def should_stop(self) -> bool:
        """Return whether they are asked to stop."""
        return bool(self._coordinator.should_stop())

    def stop_on_exception(self) -> Any:
        """Ask the threads to stop where what is inside raises."""
        return self._coordinator.stop_on_exception()

    def wait_for_stop(self) -> None:
        """Wait until the threads are asked to stop."""
        self._coordinator.wait_for_stop()

    @contextmanager
    def managed_session(
        self,
        master: str = "",
        config: Any = None,
        start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[Any]:
        """Give a session, and stop and close all when what is inside ends."""
        session = None
        try:
            session = self.prepare_or_wait_for_session(master, config, start_standard_services=start_standard_services)
            yield session
        except Exception as error:
            self.request_stop(error)
        finally:
            try:
                self.stop(close_summary_writer=close_summary_writer)
            finally:
                if session is not None:
                    session.close()

    PrepareSession = prepare_or_wait_for_session
    StartStandardServices = start_standard_services
    StartQueueRunners = start_queue_runners
    SummaryComputed = summary_computed
    Loop, Stop, RequestStop, ShouldStop = loop, stop, request_stop, should_stop
    StopOnException, WaitForStop = stop_on_exception, wait_for_stop


class _StepCounter:
    """Writes how many steps were done each second since it was last called."""

    def __init__(self, supervisor: Supervisor, session: Any) -> None:
        self._supervisor, self._session = supervisor, session
        self._tag = f"{supervisor.global_step.op.name}/sec"
        self._seconds, self._step = time.monotonic(), self._now()

    def _now(self) -> int:
        return int(tf.compat.v1.train.global_step(self._session, self._supervisor.global_step))

    def __call__(self) -> None:
        step, seconds = self._now(), time.monotonic()
        passed = seconds - self._seconds
        rate = (step - self._step) / passed if passed > 0 else float("inf")
        self._seconds, self._step = seconds, step
        value = tf.compat.v1.Summary.Value(tag=self._tag, simple_value=rate)
        self._supervisor.summary_writer.add_summary(tf.compat.v1.Summary(value=[value]), step)
        log.debug("%s: %g", self._tag, rate)


def _item(given: Any, key: str, make: Callable[[], Any]) -> Any:
    """Return what was given; else the first item of a collection, which is made where there is none."""
    if given is not Supervisor.USE_DEFAULT:
        return given
    found = get_collection(key)
    if found:
        return found[0]
    made = make()
    if made is not None:
        add_to_collection(key, made)
    return made


@public("compat.v1.train.basic_train_loop")
def basic_train_loop(
    supervisor: Supervisor, train_step_fn: Callable[..., Any], args: Any = None, kwargs: Any = None, master: str = ""
) -> None:
    """Call `train_step_fn(session, *args, **kwargs)` again and again until the supervisor should stop."""
    with supervisor.managed_session(master) as session:
        while not supervisor.should_stop():
            train_step_fn(session, *(args or ()), **(kwargs or {}))
