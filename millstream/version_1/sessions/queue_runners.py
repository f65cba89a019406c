"""tf.compat.v1.train.QueueRunner: threads that fill a queue of a session until it is closed."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from millstream.api.public import public, root
from millstream.base import errors
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.execution.context import executing_eagerly
from millstream.version_1.variables.keys import GraphKeys, add_to_collection, get_collection

tf: Any = root()
log = logging.getLogger("millstream")


@public("compat.v1.train.QueueRunner", "compat.v1.train.queue_runner.QueueRunner")
class QueueRunner:
    """Threads that each run an operation that enqueues, again and again.

    Args:
      queue: the queue.
      enqueue_ops: an operation for each thread.
      close_op: closes the queue when all threads are done; `queue.close()` without it.
      cancel_op: closes it and ends waiting threads, when the coordinator stops.
      queue_closed_exception_types: errors that mean that the queue is closed; OutOfRangeError and CancelledError without it.
      queue_runner_def: a QueueRunnerDef message, whose nodes are in the graph, in the place of all others.
      import_scope: the scope that these nodes were imported in.

    Raises:
      RuntimeError: ops run at once.
      ValueError: there is no queue or operation, or both these and a message are given.
    """

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Sequence[Any] | None = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: Any = None,
        queue_runner_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if executing_eagerly():
            raise RuntimeError(
                explain(
                    "QueueRunners are not supported when eager execution is enabled. Instead, please use tf.data to get data "
                    "into your model."
                )
            )
        if queue_runner_def is not None:
            if queue or enqueue_ops:
                raise ValueError(explain("queue_runner_def and queue are mutually exclusive."))
            queue, enqueue_ops, close_op, cancel_op, queue_closed_exception_types = _of_message(
                queue_runner_def, import_scope
            )
        if queue is None or not enqueue_ops:
            raise ValueError(explain("Must provide queue and enqueue_ops."))
        closed = (errors.OutOfRangeError,) if queue_closed_exception_types is None else queue_closed_exception_types
        if not isinstance(closed, tuple) or not closed or not all(issubclass(t, errors.OpError) for t in closed):
            raise TypeError(
                explain(
                    f"queue_closed_exception_types, when provided, must be a tuple of tf.error types, but saw: {closed}"
                )
            )
        self._queue, self._enqueue_ops, self._closed = queue, list(enqueue_ops), closed
        self._close_op = queue.close() if close_op is None else close_op
        self._cancel_op = queue.close(cancel_pending_enqueues=True) if cancel_op is None else cancel_op
        self._lock = threading.Lock()
        self._running: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._raised: list[Exception] = []

    @property
    def queue(self) -> Any:
        """The queue."""
        return self._queue

    @property
    def enqueue_ops(self) -> list[Any]:
        """The operations, one for each thread."""
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        """What closes the queue."""
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        """What closes the queue and ends waiting threads."""
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> Any:
        """The errors that mean that the queue is closed."""
        return self._closed

    @property
    def exceptions_raised(self) -> list[Exception]:
        """What the threads raised, where there is no coordinator to report it to."""
        return self._raised

    @property
    def name(self) -> str:
        """The name of the queue."""
        return str(self._queue.name)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """Return a QueueRunnerDef message; None where the queue is not in `export_scope`."""
        prefix = "" if export_scope is None else f"{export_scope.removesuffix('/')}/"
        name = self._queue.queue_node.name if hasattr(self._queue, "queue_node") else self._queue.name
        if not name.startswith(prefix):
            return None
        made = message("QueueRunnerDef")()
        made.queue_name = name.removeprefix(prefix)
        made.enqueue_op_name.extend(op.name.removeprefix(prefix) for op in self._enqueue_ops)
        made.close_op_name = self._close_op.name.removeprefix(prefix)
        made.cancel_op_name = self._cancel_op.name.removeprefix(prefix)
        made.queue_closed_exception_types.extend(kind(None, None, "").error_code for kind in self._closed)
        return made

    @staticmethod
    def from_proto(queue_runner_def: Any, import_scope: str | None = None) -> QueueRunner:
        """Return the QueueRunner of a QueueRunnerDef message, whose nodes are in the default graph."""
        return QueueRunner(queue_runner_def=queue_runner_def, import_scope=import_scope)

    def _fill(self, session: Any, operation: Any, coordinator: Any) -> None:
        counted = False
        try:
            while coordinator is None or not coordinator.should_stop():
                try:
                    session.run(operation)
                except self._closed:
                    with self._lock:
                        self._running[session] -= 1
                        counted = True
                        is_last = self._running[session] == 0
                    if is_last:
                        self._close(session)
                    return
        except Exception as error:
            if coordinator is None:
                log.error("Exception in QueueRunner: %s", error)
                with self._lock:
                    self._raised.append(error)
                raise
            coordinator.request_stop(error)
        finally:
            if not counted:
                with self._lock:
                    self._running[session] -= 1

    def _close(self, session: Any) -> None:
        try:
            session.run(self._close_op)
        except (errors.OpError, RuntimeError) as error:
            log.info("Ignored exception from running the operation that closes a queue: %s", error)

    def _close_when_stopped(self, session: Any, coordinator: Any) -> None:
        coordinator.wait_for_stop()
        try:
            session.run(self._cancel_op)
        except (errors.OpError, RuntimeError) as error:
            log.info("Ignored exception from running the operation that cancels a queue: %s", error)

    def create_threads(self, sess: Any, coord: Any = None, daemon: bool = False, start: bool = False) -> list[Any]:
        """Return threads that fill the queue in a session.

        Args:
          sess: the session; in which none of them runs already, else there are no threads.
          coord: a coordinator, which they report to and stop with.
          daemon: whether the process may end before them.
          start: whether to start them.
        """
        with self._lock:
            if self._running.get(sess, 0) > 0:
                return []
            self._running[sess] = len(self._enqueue_ops)
            self._raised = []
        threads = [
            threading.Thread(target=self._fill, args=(sess, op, coord), name=f"QueueRunnerThread-{self.name}-{op.name}")
            for op in self._enqueue_ops
        ]
        if coord is not None:
            name = f"QueueRunnerThread-{self.name}-close_on_stop"
            threads.append(threading.Thread(target=self._close_when_stopped, args=(sess, coord), name=name))
        for thread in threads:
            if coord is not None:
                coord.register_thread(thread)
            thread.daemon = daemon
            if start:
                thread.start()
        return threads


def _of_message(definition: Any, import_scope: str | None) -> tuple[Any, list[Any], Any, Any, Any]:
    """Return queue, operations and errors that a QueueRunnerDef names."""
    graph = tf.compat.v1.get_default_graph()
    prefix = f"{import_scope.removesuffix('/')}/" if import_scope else ""

    def node(name: str) -> Any:
        return graph.as_graph_element(prefix + name)

    kinds = tuple(
        tf.compat.v1.errors.exception_type_from_error_code(code) for code in definition.queue_closed_exception_types
    )
    operations = [node(name) for name in definition.enqueue_op_name]
    close, cancel = node(definition.close_op_name), node(definition.cancel_op_name)
    return node(definition.queue_name), operations, close, cancel, kinds or (errors.OutOfRangeError,)


@public("compat.v1.train.add_queue_runner", "compat.v1.train.queue_runner.add_queue_runner")
def add_queue_runner(qr: QueueRunner, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Add a QueueRunner to a collection of the graph, for `start_queue_runners`."""
    add_to_collection(collection, qr)


@public("compat.v1.train.start_queue_runners", "compat.v1.train.queue_runner.start_queue_runners")
def start_queue_runners(
    sess: Any = None,
    coord: Any = None,
    daemon: bool = True,
    start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[Any]:
    """Start the threads of all QueueRunners of the graph, and return them.

    Args:
      sess: the session; the default one without it.
      coord: a coordinator.
      daemon: whether the process may end before the threads.
      start: whether to start them.
      collection: where the QueueRunners are.

    Raises:
      RuntimeError: ops run at once.
      ValueError: there is no session.
    """
    if sess is None:
        sess = tf.compat.v1.get_default_session()
        if sess is None:
            raise ValueError(
                explain(
                    "Cannot start queue runners: No default session is registered. Use `with sess.as_default()` or pass an "
                    "explicit session to tf.start_queue_runners(sess=sess)"
                )
            )
    runners: Iterable[QueueRunner]
    with sess.graph.as_default():
        runners = get_collection(collection)
    return [t for runner in runners for t in runner.create_threads(sess, coord, daemon, start)]
