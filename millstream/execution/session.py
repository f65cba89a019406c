"""Sessions: run parts of a graph with values that are fed. Each keeps the values of its variables. Refuses partial runs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from millstream.base import dtypes, errors
from millstream.base.errors import explain
from millstream.execution.context import current_graph, default_graph, runs_at_once, session_stack
from millstream.execution.graph import Graph
from millstream.execution.operation import Operation
from millstream.execution.session_fetches import Fetches, feeds_of, flat_feeds
from millstream.execution.session_options import SessionOptions
from millstream.execution.session_state import SessionState
from millstream.execution.session_step import Step, array_of, feeder
from millstream.execution.stopping import Stop, run_within
from millstream.execution.tensor import Tensor
from millstream.program.value import Node, Program, Value


class _Ready:
    """A run that was prepared: what makes tensors of the feeds, the step, and what its results are put into."""

    def __init__(self, feeds: list[Callable[[Any], Any]], step: Step, build: Callable[[Any, Any], Any]) -> None:
        self.feeds = feeds
        self.step = step
        self.build = build


class BaseSession:
    """What all sessions are: a graph, and the state that runs of it read and change."""

    def __init__(self, target: str = "", graph: Any = None, config: Any = None) -> None:
        if graph is None:
            graph = current_graph() or _graph_by_default()
        elif not isinstance(graph, Graph):
            raise TypeError(f'Argument `graph` must be a tf.Graph, but got "{type(graph).__name__}"')
        _check_target(target)
        self._graph = graph
        self._target = target
        self._config = config
        self._options = SessionOptions(config)
        self._state = SessionState()
        self._closed = False
        self._was_reset = False
        self._placed = 0
        """How many nodes of the graph are known to be on devices that are there."""
        self.stop = Stop(self)
        """Ends what runs, when this is closed."""
        self._ready: dict[Any, _Ready] = {}
        self._steps: dict[Any, Step] = {}
        self.streams = Program("session")
        """What the random streams of this session belong to."""
        _sessions.add(self)

    @property
    def graph(self) -> Any:
        """The graph that this runs."""
        return self._graph

    @property
    def graph_def(self) -> Any:
        """The graph as a GraphDef message."""
        return self._graph.as_graph_def(add_shapes=False)

    @property
    def sess_str(self) -> Any:
        """The target."""
        return self._target

    def state_of(self, node: Node) -> Any:
        """Return the handle of what a node of the graph refers to in this session."""
        return self._state.of_node(node, lambda made: self._inputs_of(made))

    def object_of(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return something of Python's that this session keeps under a key."""
        return self._state.object_of(key, make)

    def set_object(self, key: Any, value: Any) -> None:
        """Keep something of Python's under a key."""
        self._state.set_object(key, value)

    def _inputs_of(self, node: Node) -> list[Any]:
        return list(Step(self, node.inputs, (), ()).run(())) if node.inputs else []

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Compute `fetches`.

        Args:
          fetches: a tensor, an operation, the name of one, or any nesting of these.
          feed_dict: values for tensors, by the tensors or their names.
          options: a RunOptions message: `timeout_in_ms`, `trace_level` and `output_partition_graphs` have an effect.
          run_metadata: a RunMetadata message, filled with what is known of the run.

        Returns:
          The structure of `fetches` with arrays; None for operations.

        Raises:
          RuntimeError: the session is closed, or the graph is empty.
          TypeError: a fetch or a key of the feeds is nothing of a graph, or a value does not fit an element type.
          ValueError: a fetch or key belongs to another graph, or a value does not fit a shape.
          tf.errors.InvalidArgumentError: a placeholder that is needed is not fed, or an operation is to be on a device that is
            not there.
          tf.errors.DeadlineExceededError: the time that the run has was over before it was.
          tf.errors.CancelledError: the session was closed by another thread.
        """
        try:
            kind = fetches.__class__
            plain = (kind, *fetches) if kind is list or kind is tuple else fetches
            ready = self._ready[plain if not feed_dict else (plain, None, *feed_dict)]
        except (KeyError, TypeError):
            ready = None
        if (
            ready is None
            or self._closed
            or ready.step.edits != self._graph.edits
            or options
            or run_metadata is not None
        ):
            return self._run_new(fetches, feed_dict, options, run_metadata)
        if not feed_dict:
            return ready.build(ready.step.run(()), ())
        tensors = [feed(value) for feed, value in zip(ready.feeds, feed_dict.values(), strict=True)]
        return ready.build(ready.step.run(tensors), list(feed_dict.values()))

    def _run_new(self, fetches: Any, feed_dict: Any, options: Any, run_metadata: Any) -> Any:
        self._check_open()
        if feed_dict is not None and not isinstance(feed_dict, Mapping):
            raise TypeError(f"Argument `feed_dict` must be a dictionary. Received: {feed_dict!r}")
        items: list[tuple[Any, Any]] = []
        simple = True
        for key, value in flat_feeds(feed_dict or {}):
            parts = feeds_of(key, value)
            simple = simple and len(parts) == 1 and parts[0][0] is key
            items += parts
        keys = [self._fed(key) for key, _ in items]
        ready = self._prepare(Fetches(self._graph, fetches), keys)
        try:
            kind = fetches.__class__
            if simple and not self._options.limit_ms and len({id(k) for k in keys}) == len(feed_dict or {}):
                plain = (kind, *fetches) if kind is list or kind is tuple else fetches
                self._ready[plain if not feed_dict else (plain, None, *feed_dict)] = ready
        except TypeError:
            pass
        tensors = [feed(value) for feed, (_, value) in zip(ready.feeds, items, strict=True)]
        values = [value for _, value in items]
        return self._observed(lambda: ready.build(ready.step.run(tensors), values), options, run_metadata, ready.step)

    def _observed(self, run: Callable[[], Any], options: Any, run_metadata: Any, step: Step) -> Any:
        """Call `run` as RunOptions say, and fill in a RunMetadata message."""
        limit = self._options.time_limit(options)
        within = (lambda: run_within(limit, self.stop, run)) if limit else run
        if run_metadata is None:
            return within()
        from millstream.execution.session_metadata import recorded

        return recorded(within, options, run_metadata, step)

    def _check_open(self) -> None:
        self._check_usable()
        if not self._graph.program.nodes:
            raise RuntimeError("The Session graph is empty. Add operations to the graph before calling run().")

    def _fed(self, key: Any) -> Any:
        try:
            found = self._graph.as_graph_element(key, allow_operation=False)
        except (TypeError, ValueError, KeyError) as error:
            text = error.args[0] if error.args else error
            raise TypeError(f"Cannot interpret feed_dict key as Tensor: {text}") from None
        if not self._graph.is_feedable(found):
            raise ValueError(f"Tensor {found.name} may not be fed.")
        return found

    def _prepare(self, fetches: Fetches, keys: list[Any]) -> _Ready:
        for element in fetches.elements:
            if not self._graph.is_fetchable(element):
                operation = element.op if isinstance(element, Tensor) else element
                raise ValueError(f"Operation {operation.name!r} has been marked as not fetchable.")
        fed = {k.value: i for i, k in enumerate(keys)}
        fetches.elements = [_read(e) for e in fetches.elements]
        tensors = [e for e in fetches.elements if isinstance(e, Tensor)]
        fetched = [t.value for t in tensors if t.value not in fed]
        operations = [e._node for e in fetches.elements if isinstance(e, Operation) and e._node is not None]
        step = self._step(fetched, operations, list(fed))
        place = {v: i for i, v in enumerate(fetched)}
        sources: list[tuple[bool, int] | None] = [
            None if isinstance(e, Operation) else (True, fed[e.value]) if e.value in fed else (False, place[e.value])
            for e in fetches.elements
        ]
        order = [fed[v] for v in fed]
        feeds = [feeder(k) for k in keys]
        if len(order) != len(keys):
            raise ValueError("feed_dict names one tensor under two keys: feed it once.")
        return _Ready(feeds, step, _builder(fetches, sources, [_stored(k) for k in keys]))

    def _step(self, fetched: list[Value], operations: list[Node], fed: list[Value]) -> Step:
        key = (tuple(fetched), tuple(operations), tuple(fed))
        found = self._steps.get(key)
        if found is None or found.edits != self._graph.edits:
            found = Step(self, fetched, operations, fed)
            self._place(found.program.nodes)
            self._steps[key] = found
        return found

    def _place(self, needed: Sequence[Node]) -> None:
        """Look whether the devices that nodes are to be on are there."""
        nodes = self._graph.program.nodes
        new = needed if self._options.places_what_runs else nodes[self._placed :]
        self._options.place(new, self._graph.devices)
        self._placed = len(nodes)

    def make_callable(self, fetches: Any, feed_list: Any = None, accept_options: bool = False) -> Any:
        """Return a function of the values of `feed_list`, in order, that computes `fetches`.

        Args:
          fetches: as `run` takes them.
          feed_list: tensors, or their names.
          accept_options: whether the function takes `options` and `run_metadata`.

        Raises:
          TypeError: `feed_list` is no list, or names what is no tensor.
        """
        if feed_list is not None and not isinstance(feed_list, (list, tuple)):
            raise TypeError("Argument `feed_list` must be a list or tuple.")
        self._check_open()
        keys = [self._fed(k) for k in feed_list or ()]
        ready = self._prepare(Fetches(self._graph, fetches), keys)
        feeds, step, build = ready.feeds, ready.step, ready.build
        graph, count = self._graph, len(feeds)

        def run(*values: Any) -> Any:
            nonlocal step
            if self._closed:
                self._check_usable()
            if len(values) != count:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    explain(
                        f"This function takes {count} values, one for each tensor of feed_list, not {len(values)}."
                    ),
                )
            if step.edits != graph.edits:
                step = self._prepare(Fetches(graph, fetches), keys).step
            return build(step.run([feed(v) for feed, v in zip(feeds, values, strict=True)] if count else ()), values)

        if not accept_options and not self._options.limit_ms:
            return run

        def run_with_options(*values: Any, options: Any = None, run_metadata: Any = None) -> Any:
            return self._observed(lambda: run(*values), options, run_metadata, step)

        return run_with_options if accept_options else lambda *values: run_with_options(*values)

    def partial_run_setup(self, fetches: Any, feeds: Any = None) -> Any:
        """Raise tf.errors.UnimplementedError: a run is one program; call `run` once with all fetches, or several times."""
        raise _no_partial_runs()

    def partial_run(self, handle: Any, fetches: Any, feed_dict: Any = None) -> Any:
        """Raise tf.errors.UnimplementedError: a run is one program; call `run` once with all fetches, or several times."""
        raise _no_partial_runs()

    def list_devices(self) -> list[Any]:
        """Return the devices that this session runs on."""
        from millstream.execution.session_metadata import devices

        self._check_usable()
        return devices(self._options.devices)

    def _check_usable(self) -> None:
        if self._was_reset:
            raise errors.CancelledError(None, None, explain("Session has been closed."))
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")

    def close(self) -> None:
        """Forget the state and end what runs, with tf.errors.CancelledError there; later runs are refused."""
        if not self._closed:
            self._closed = True
            self.stop.set()
            self._ready.clear()
            self._steps.clear()
            self._state.clear()

    @contextmanager
    def as_default(self) -> Iterator[Any]:
        """Let `eval` and `run` of tensors and operations use this session on this thread."""
        stack = session_stack()
        stack.append(self)
        try:
            yield self
        finally:
            if not stack or stack[-1] is not self:
                raise AssertionError(f"Nesting violated for default stack of {type(self)} objects")
            stack.pop()


_sessions: weakref.WeakSet[BaseSession] = weakref.WeakSet()


def _check_target(target: Any) -> None:
    if target is not None and not isinstance(target, (str, bytes)):
        raise TypeError(f'Argument `target` must be a string, but got "{type(target).__name__}"')
    if target not in ("", b"", None, "local"):
        raise errors.UnimplementedError(
            None,
            None,
            explain(f"Sessions run in this process: target={target!r} is not supported; leave it empty."),
        )


def _read(element: Any) -> Any:
    """Return what is fetched for an element: of a reference, what the variable holds when the rest is done."""
    return element.read() if getattr(element, "is_reference", False) else element


def _no_partial_runs() -> errors.UnimplementedError:
    return errors.UnimplementedError(
        None,
        None,
        explain(
            "Partial runs are not supported: a run is compiled as one program.",
            fix="Call session.run once with all fetches and feeds, or once for each part, keeping what passes between them in "
            "variables.",
        ),
    )


def _graph_by_default() -> Graph:
    if runs_at_once():
        raise RuntimeError("The Session graph is empty. Add operations to the graph before calling run().")
    return default_graph()


def _stored(key: Any) -> Any:
    """Return the NumPy type that values of a tensor have."""
    return np.dtype(object) if key.dtype == dtypes.string else np.dtype(key.dtype.as_numpy_dtype)


def _builder(fetches: Fetches, sources: list[tuple[bool, int] | None], stored: list[Any]) -> Callable[[Any, Any], Any]:
    """Return what puts results, and what was fed, into the structure of the fetches."""
    inner = fetches.build
    if all(s is not None and not s[0] for s in sources) and [s[1] for s in sources if s] == list(range(len(sources))):
        if len(sources) == 1:
            return lambda results, _: inner((array_of(results[0]),))
        return lambda results, _: inner([array_of(r) for r in results])

    def build(results: Any, fed: Any) -> Any:
        found = [
            None
            if source is None
            else np.asarray(fed[source[1]], stored[source[1]])
            if source[0]
            else array_of(results[source[1]])
            for source in sources
        ]
        return inner(found)

    return build


class Session(BaseSession):
    """Runs operations of a graph. A context manager, in which its graph and itself are the default ones.

    Args:
      target: empty: sessions run in this process.
      graph: the graph, the default one where it is None.
      config: a ConfigProto message: time limits, devices and pools of threads; `session_options` lists what has an effect.
    """

    def __init__(self, target: str = "", graph: Any = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._contexts: list[Any] = []

    def __enter__(self) -> Session:
        contexts = [self._graph.as_default(), self.as_default()]
        for context in contexts:
            context.__enter__()
        self._contexts.append(contexts)
        return self

    def __exit__(self, *error: Any) -> None:
        for context in reversed(self._contexts.pop()):
            context.__exit__(*error)
        if not self._contexts:
            self.close()

    @staticmethod
    def reset(target: str, containers: Any = None, config: Any = None) -> None:
        """Close all sessions of this process: what is run in them later raises tf.errors.CancelledError.

        Args:
          target: empty: sessions run in this process.
          containers: accepted: no container outlives its session.
          config: accepted and not used.
        """
        _check_target(target)
        for session in list(_sessions):
            session._was_reset = session._was_reset or not session._closed
            session.close()


class InteractiveSession(BaseSession):
    """A session that makes itself, and its graph, the default ones until it is closed.

    Args:
      target: empty: sessions run in this process.
      graph: the graph, the default one where it is None.
      config: a ConfigProto message: time limits, devices and pools of threads; `session_options` lists what has an effect.
    """

    def __init__(self, target: str = "", graph: Any = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        self._entered = [self.as_default()]
        if graph is not None:
            self._entered.append(graph.as_default())
        for context in self._entered:
            context.__enter__()

    def close(self) -> None:
        """Forget the state and stop being the default session."""
        super().close()
        entered, self._entered = self._entered, []
        for context in reversed(entered):
            context.__exit__(None, None, None)
