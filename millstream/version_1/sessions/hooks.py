"""Hooks of monitored sessions: what is done before and after each run, and what is fetched with it."""

from __future__ import annotations

import logging
import time
from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from millstream.api.public import public, publish, root
from millstream.base.errors import explain
from millstream.version_1.training_steps import get_global_step, step_read

tf: Any = root()
log = logging.getLogger("millstream")

SessionRunValues = namedtuple("SessionRunValues", ["results", "options", "run_metadata"])
publish("compat.v1.train.SessionRunValues", SessionRunValues)


@public("compat.v1.train.SessionRunArgs")
class SessionRunArgs(NamedTuple):
    """What a hook wants of the next run: more to fetch, to feed, and options."""

    fetches: Any
    feed_dict: Any = None
    options: Any = None


@public("compat.v1.train.SessionRunContext")
class SessionRunContext:
    """What hooks are told of a run: what was asked for, the session; and where they ask to stop."""

    def __init__(self, original_args: Any, session: Any) -> None:
        self._original_args, self._session, self._stop_requested = original_args, session, False

    @property
    def original_args(self) -> Any:
        """What `run` was called with, as SessionRunArgs."""
        return self._original_args

    @property
    def session(self) -> Any:
        """The session that runs."""
        return self._session

    @property
    def stop_requested(self) -> bool:
        """Whether a hook asked to stop."""
        return self._stop_requested

    def request_stop(self) -> None:
        """Make `should_stop` of the monitored session true."""
        self._stop_requested = True


@public("compat.v1.train.SessionRunHook")
class SessionRunHook:
    """What is done around the runs of a monitored session; each method does nothing here."""

    def begin(self) -> None:
        """Called once, when the graph may still be added to."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called when a session was made; the graph is final."""

    def before_run(self, run_context: SessionRunContext) -> Any:
        """Return SessionRunArgs to be added to the next run, or None."""

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        """Called after each run with the results of what `before_run` asked for."""

    def end(self, session: Any) -> None:
        """Called at the end, unless an error ended it."""


@public("compat.v1.train.SecondOrStepTimer")
class SecondOrStepTimer:
    """Says when something is due again: every so many seconds, or every so many steps.

    Raises:
      ValueError: both or neither is given.
    """

    def __init__(self, every_secs: float | None = None, every_steps: int | None = None) -> None:
        if every_secs is None and every_steps is None:
            raise ValueError(explain("Either every_secs or every_steps should be provided."))
        if every_secs is not None and every_steps is not None:
            raise ValueError(explain("Can not provide both every_secs and every_steps."))
        self._every_secs, self._every_steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        """Forget what was done."""
        self._last_step: int | None = None
        self._last_seconds: float | None = None

    def should_trigger_for_step(self, step: int) -> bool:
        """Return whether it is due at this step: at first, and then as often as was said."""
        if self._last_step is None or self._last_seconds is None:
            return True
        if self._last_step == step:
            return False
        if self._every_secs is not None:
            return time.time() >= self._last_seconds + self._every_secs
        assert self._every_steps is not None
        return step >= self._last_step + self._every_steps

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Note that it was done at this step; return the seconds and steps since the last time, None at first."""
        now = time.time()
        passed: tuple[float | None, int | None] = (None, None)
        if self._last_step is not None and self._last_seconds is not None:
            passed = now - self._last_seconds, step - self._last_step
        self._last_seconds, self._last_step = now, step
        return passed

    def last_triggered_step(self) -> int | None:
        """Return the step at which it was last done."""
        return self._last_step


class NeverTriggerTimer(SecondOrStepTimer):
    """Says that nothing is ever due."""

    def __init__(self) -> None:
        super().__init__(every_steps=1)

    def should_trigger_for_step(self, step: int) -> bool:
        return False

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        return None, None


def needed_step(hook: Any) -> Any:
    """Return the tensor of the global step; RuntimeError where the graph has none."""
    found = step_read()
    if found is None:
        raise RuntimeError(explain(f"Global step should be created to use {type(hook).__name__}."))
    return found


def _named(item: Any) -> str:
    return str(getattr(item, "name", item))


@public("compat.v1.train.LoggingTensorHook")
class LoggingTensorHook(SessionRunHook):
    """Writes the values of tensors to the log, every so many runs or seconds, or at the end.

    Args:
      tensors: a list of tensors or their names, or a dictionary to them.
      every_n_iter: after how many runs.
      every_n_secs: after how many seconds.
      at_end: whether at the end.
      formatter: makes a text of a dictionary of values.

    Raises:
      ValueError: not exactly one of `every_n_iter` and `every_n_secs` is given, or neither and no `at_end`.
    """

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        at_end_only = at_end and every_n_iter is None and every_n_secs is None
        if not at_end_only and (every_n_iter is None) == (every_n_secs is None):
            raise ValueError(
                explain("either at_end and/or exactly one of every_n_iter and every_n_secs must be provided.")
            )
        if every_n_iter is not None and every_n_iter <= 0:
            raise ValueError(explain(f"invalid every_n_iter={every_n_iter}."))
        if not isinstance(tensors, Mapping):
            self._order: list[str] | None = [_named(t) for t in tensors]
            tensors = {_named(t): t for t in tensors}
        else:
            self._order = list(tensors)
        self._tensors, self._at_end, self._formatter = dict(tensors), at_end, formatter
        self._timer = NeverTriggerTimer() if at_end_only else SecondOrStepTimer(every_n_secs, every_n_iter)

    def begin(self) -> None:
        self._timer.reset()
        self._count = 0
        graph = tf.compat.v1.get_default_graph()
        self._current = {name: graph.as_graph_element(item) for name, item in self._tensors.items()}

    def before_run(self, run_context: SessionRunContext) -> Any:
        self._due = self._timer.should_trigger_for_step(self._count)
        return SessionRunArgs(self._current) if self._due else None

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        if self._due:
            self._write(run_values.results)
        self._count += 1

    def end(self, session: Any) -> None:
        if self._at_end:
            self._write(session.run(self._current))

    def _write(self, values: dict[str, Any]) -> None:
        seconds, _ = self._timer.update_last_triggered_step(self._count)
        if self._formatter:
            log.info(self._formatter(values))
            return
        text = ", ".join(f"{name} = {values[name]}" for name in self._order or ())
        log.info(text if seconds is None else f"{text} ({seconds:.3f} sec)")


@public("compat.v1.train.StopAtStepHook")
class StopAtStepHook(SessionRunHook):
    """Asks to stop after some steps, or at a step.

    Raises:
      ValueError: both or neither is given.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if (num_steps is None) == (last_step is None):
            raise ValueError(explain("Exactly one of num_steps or last_step must be specified."))
        self._num_steps, self._last_step = num_steps, last_step

    def begin(self) -> None:
        self._step = needed_step(self)

    def after_create_session(self, session: Any, coord: Any) -> None:
        if self._last_step is None:
            assert self._num_steps is not None
            self._last_step = int(session.run(self._step)) + self._num_steps

    def before_run(self, run_context: SessionRunContext) -> Any:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        assert self._last_step is not None
        # What was fetched may be the count before the step: ask again where it matters.
        if (
            int(run_values.results) + 1 >= self._last_step
            and int(run_context.session.run(self._step)) >= self._last_step
        ):
            run_context.request_stop()


@public("compat.v1.train.StepCounterHook")
class StepCounterHook(SessionRunHook):
    """Writes how many steps are done each second to the log and to summaries.

    Raises:
      ValueError: both or neither of `every_n_steps` and `every_n_secs` is given.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
    ) -> None:
        if (every_n_steps is None) == (every_n_secs is None):
            raise ValueError(explain("exactly one of every_n_steps and every_n_secs should be provided."))
        self._timer = SecondOrStepTimer(every_n_secs, every_n_steps)
        self._writer, self._folder = summary_writer, output_dir

    def begin(self) -> None:
        if self._writer is None and self._folder:
            self._writer = tf.compat.v1.summary.FileWriterCache.get(self._folder)
        self._step = needed_step(self)
        self._tag = f"{get_global_step().op.name}/sec"

    def before_run(self, run_context: SessionRunContext) -> Any:
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        stale = int(run_values.results)
        if not self._timer.should_trigger_for_step(stale + 1):
            return
        step = int(run_context.session.run(self._step))
        if self._timer.should_trigger_for_step(step):
            seconds, steps = self._timer.update_last_triggered_step(step)
            if seconds:
                self._log_and_record(steps or 0, seconds, step)

    def _log_and_record(self, elapsed_steps: int, elapsed_time: float, global_step: int) -> None:
        rate = elapsed_steps / elapsed_time
        if self._writer is not None:
            value = tf.compat.v1.Summary.Value(tag=self._tag, simple_value=rate)
            self._writer.add_summary(tf.compat.v1.Summary(value=[value]), global_step)
        log.info("%s: %g", self._tag, rate)


@public("compat.v1.train.NanLossDuringTrainingError")
class NanLossDuringTrainingError(RuntimeError):
    """Raised where a loss is not a number."""

    def __str__(self) -> str:
        return "NaN loss during training."


@public("compat.v1.train.NanTensorHook")
class NanTensorHook(SessionRunHook):
    """Raises NanLossDuringTrainingError, or stops, when a tensor is not a number."""

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss, self._fails = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> Any:
        return SessionRunArgs(self._loss)

    def after_run(self, run_context: SessionRunContext, run_values: Any) -> None:
        if not np.isnan(run_values.results).any():
            return
        if self._fails:
            log.error("Model diverged with loss = NaN.")
            raise NanLossDuringTrainingError
        log.warning("Model diverged with loss = NaN.")
        run_context.request_stop()


@public("compat.v1.train.FinalOpsHook")
class FinalOpsHook(SessionRunHook):
    """Runs something once at the end, and keeps its values."""

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._final_ops, self._feeds = final_ops, final_ops_feed_dict
        self._values: Any = None

    @property
    def final_ops_values(self) -> Any:
        """What the last run gave; None before it."""
        return self._values

    def end(self, session: Any) -> None:
        if self._final_ops is not None:
            self._values = session.run(self._final_ops, feed_dict=self._feeds)


@public("compat.v1.train.FeedFnHook")
class FeedFnHook(SessionRunHook):
    """Feeds each run what a function returns."""

    def __init__(self, feed_fn: Callable[[], Any]) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> Any:
        return SessionRunArgs(fetches=None, feed_dict=self.feed_fn())


@public("compat.v1.train.GlobalStepWaiterHook")
class GlobalStepWaiterHook(SessionRunHook):
    """Waits, before the first run, until the global step has reached a number."""

    def __init__(self, wait_until_step: int) -> None:
        self._until = wait_until_step

    def begin(self) -> None:
        self._waits = self._until > 0
        self._step = needed_step(self)

    def before_run(self, run_context: SessionRunContext) -> None:
        while self._waits:
            step = int(run_context.session.run(self._step))
            if step >= self._until:
                log.info("Done waiting at step %d.", step)
                self._waits = False
                return
            log.info("Waiting for global step %d; it is %d.", self._until, step)
            time.sleep(0.5)
