"""Hooks that write files: checkpoints, summaries."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base.errors import explain
from millstream.version_1.sessions.hooks import (
    SecondOrStepTimer,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    needed_step,
)
from millstream.version_1.variables.keys import GraphKeys, get_collection

tf: Any = root()
log = logging.getLogger("millstream")


@public("compat.v1.train.CheckpointSaverListener")
class CheckpointSaverListener:
    """What is told of checkpoints that a hook writes; each method does nothing here."""

    def begin(self) -> None:
        """Called once, when the graph may still be added to."""

    def before_save(self, session: Any, global_step_value: int) -> None:
        """Called before a checkpoint is written."""

    def after_save(self, session: Any, global_step_value: int) -> Any:
        """Called after a checkpoint was written; true asks to stop."""

    def end(self, session: Any, global_step_value: int) -> None:
        """Called at the end."""


@public("compat.v1.train.CheckpointSaverHook")
class CheckpointSaverHook(SessionRunHook):
    """Writes a checkpoint at the beginning, every so many seconds or steps, and at the end.

    Args:
      checkpoint_dir: the folder.
      save_secs: after how many seconds.
      save_steps: after how many steps.
      saver: what writes; that of `scaffold` without it.
      checkpoint_basename: the name of the files.
      scaffold: has the saver.
      listeners: CheckpointSaverListeners.
      save_graph_def: whether to write the graph, too.

    Raises:
      ValueError: both or neither of `save_secs` and `save_steps`, or both of `saver` and `scaffold` are given.
    """

    def __init__(
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Sequence[Any] | None = None,
        save_graph_def: bool = True,
    ) -> None:
        if saver is not None and scaffold is not None:
            raise ValueError(explain("You cannot provide both saver and scaffold."))
        self._saver, self._scaffold, self._folder = saver, scaffold, checkpoint_dir
        self._path = os.path.join(checkpoint_dir, checkpoint_basename)
        self._timer = SecondOrStepTimer(save_secs, save_steps)
        self._listeners, self._writes_graph = list(listeners or ()), save_graph_def
        self._steps_per_run = 1

    def begin(self) -> None:
        self._writer = tf.compat.v1.summary.FileWriterCache.get(self._folder)
        self._step = needed_step(self)
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        step = int(session.run(self._step))
        graph = tf.compat.v1.get_default_graph()
        if self._writes_graph:
            tf.io.write_graph(graph.as_graph_def(add_shapes=True), self._folder, "graph.pbtxt")
        self._writer.add_graph(graph)
        self._writer.add_meta_graph(
            tf.compat.v1.train.export_meta_graph(graph=graph, saver_def=self._get_saver().saver_def)
        )
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def before_run(self, run_context: SessionRunContext) -> Any:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        if not self._timer.should_trigger_for_step(int(run_values.results) + self._steps_per_run):
            return
        step = int(run_context.session.run(self._step))
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            if self._save(run_context.session, step):
                run_context.request_stop()

    def end(self, session: Any) -> None:
        last = int(session.run(self._step))
        if last != self._timer.last_triggered_step():
            self._save(session, last)
        for listener in self._listeners:
            listener.end(session, last)

    def _save(self, session: Any, step: int) -> bool:
        """Write a checkpoint; return whether a listener asks to stop."""
        for listener in self._listeners:
            listener.before_save(session, step)
        self._get_saver().save(session, self._path, global_step=step, write_meta_graph=self._writes_graph)
        kind = tf.compat.v1.SessionLog
        self._writer.add_session_log(kind(status=kind.CHECKPOINT, checkpoint_path=self._path), step)
        stops = False
        for listener in self._listeners:
            if listener.after_save(session, step):
                log.info("A CheckpointSaverListener requested that training be stopped: %r", listener)
                stops = True
        return stops

    def _get_saver(self) -> Any:
        if self._saver is not None:
            return self._saver
        if self._scaffold is not None:
            return self._scaffold.saver
        savers = get_collection(GraphKeys.SAVERS)
        if len(savers) != 1:
            raise RuntimeError(
                explain(
                    f"There must be one item in collection {GraphKeys.SAVERS}, there are {len(savers)}: give a saver."
                )
            )
        self._saver = savers[0]
        return self._saver


@public("compat.v1.train.SummarySaverHook")
class SummarySaverHook(SessionRunHook):
    """Writes summaries every so many steps or seconds.

    Args:
      save_steps: after how many steps.
      save_secs: after how many seconds.
      output_dir: the folder.
      summary_writer: what writes, in the place of one for `output_dir`.
      scaffold: has the merged summaries.
      summary_op: a tensor of a summary, or a list of them.

    Raises:
      ValueError: both or neither of `scaffold` and `summary_op` are given.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Any = None,
    ) -> None:
        if (scaffold is None) == (summary_op is None):
            raise ValueError(explain("Exactly one of scaffold or summary_op must be provided."))
        self._summary_op, self._scaffold = summary_op, scaffold
        self._writer, self._folder = summary_writer, output_dir
        self._timer = SecondOrStepTimer(save_secs, save_steps)

    def begin(self) -> None:
        if self._writer is None and self._folder:
            self._writer = tf.compat.v1.summary.FileWriterCache.get(self._folder)
        self._next: int | None = None
        self._step = needed_step(self)

    def before_run(self, run_context: SessionRunContext) -> Any:
        self._due = self._next is None or self._timer.should_trigger_for_step(self._next)
        wanted = {"global_step": self._step}
        summaries = self._summaries()
        if self._due and summaries is not None:
            wanted["summary"] = summaries
        return SessionRunArgs(wanted)

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        if self._writer is None:
            return
        step = int(run_values.results["global_step"]) + 1
        if self._next is None or self._due:
            step = int(run_context.session.run(self._step))
        if self._next is None:
            log_start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
            self._writer.add_session_log(log_start, step)
        if self._due:
            self._timer.update_last_triggered_step(step)
            found = run_values.results.get("summary")
            for summary in [] if found is None else found if isinstance(found, list) else [found]:
                self._writer.add_summary(summary, step)
        self._next = step + 1

    def end(self, session: Any) -> None:
        if self._writer is not None:
            self._writer.flush()

    def _summaries(self) -> Any:
        found = self._summary_op
        if found is None and self._scaffold is not None:
            found = self._scaffold.summary_op
        if found is None:
            return None
        return list(found) if isinstance(found, (list, tuple)) else [found]


@public("compat.v1.train.ProfilerHook")
class ProfilerHook(SessionRunHook):
    """Writes `timeline-<step>.json`, a trace that chrome://tracing shows, of one run every so many steps or seconds.

    A run is one plan, so there is one entry for it, with the names of what ran; the run's metadata go to the events, too.

    Args:
      save_steps: after how many steps.
      save_secs: after how many seconds.
      output_dir: the folder.
      show_dataflow: a hint: one entry has no arrows to others.
      show_memory: must be False.

    Raises:
      NotImplementedError: `show_memory`: sizes are not measured by the run.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ) -> None:
        if show_memory:
            raise NotImplementedError(explain("show_memory is not supported; profile with tf.profiler.experimental."))
        self._folder, self._timer = output_dir, SecondOrStepTimer(save_secs, save_steps)
        self._writer = tf.compat.v1.summary.FileWriterCache.get(output_dir)
        self._next: int | None = None

    def begin(self) -> None:
        self._step = needed_step(self)

    def before_run(self, run_context: SessionRunContext) -> Any:
        self._due = self._next is not None and self._timer.should_trigger_for_step(self._next)
        kind = tf.compat.v1.RunOptions
        return SessionRunArgs(
            {"global_step": self._step}, options=kind(trace_level=kind.FULL_TRACE) if self._due else None
        )

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        stale = int(run_values.results["global_step"])
        if self._next is None:
            self._timer.update_last_triggered_step(stale)
        step = stale + 1
        if self._due:
            step = int(run_context.session.run(self._step))
            self._timer.update_last_triggered_step(step)
            with open(os.path.join(self._folder, f"timeline-{step}.json"), "w", encoding="utf-8") as file:
                json.dump(chrome_trace(run_values.run_metadata.step_stats), file)
            self._writer.add_run_metadata(run_values.run_metadata, f"step_{step}")
        self._next = step + 1


def chrome_trace(step_stats: Any) -> dict[str, Any]:
    """Return StepStats as what chrome://tracing reads: a process for each device, and an entry for each thing that ran."""
    events: list[dict[str, Any]] = []
    for number, device in enumerate(step_stats.dev_stats):
        events.append({"name": "process_name", "ph": "M", "pid": number, "args": {"name": f"{device.device} Compute"}})
        for node in device.node_stats:
            label = node.timeline_label or node.node_name
            events.append(
                {
                    "ph": "X",
                    "cat": "Op",
                    "name": node.node_name,
                    "pid": number,
                    "tid": node.thread_id,
                    "ts": node.all_start_micros,
                    "dur": node.all_end_rel_micros,
                    "args": {"name": label},
                }
            )
    return {"traceEvents": events}
