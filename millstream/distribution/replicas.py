"""Replicas of one process: each has a thread, and one of them runs at a time, up to its end or to where all merge."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from millstream.autodiff.reverse import Adjoint
from millstream.base import nest
from millstream.base.errors import explain
from millstream.base.spec import Spec
from millstream.distribution.contexts import ReduceOp, ReplicaContext, entered
from millstream.distribution.values import regroup, select_replica
from millstream.execution import context
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, graph_stack, tracing
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.indexed_slices import IndexedSlices
from millstream.execution.name_scope import current_scope, named
from millstream.ops.registry import find
from millstream.program.primitives.shaping import full
from millstream.program.slices import dense
from millstream.program.value import Definition, Node, Value


class _Stopped(BaseException):
    """Ends a replica after another one failed."""


class Replica(ReplicaContext):
    """One of several replicas, where it runs."""

    def __init__(self, strategy: Any, number: int, runner: _Runner) -> None:
        super().__init__(strategy, number)
        self._runner = runner

    def merge_call(self, merge_fn: Callable[..., Any], args: Any = (), kwargs: Any = None) -> Any:
        """Wait for the other replicas, let merge_fn(strategy, *args) run once for all, and return this replica's part.

        Raises RuntimeError where another graph is traced here than where the replicas were called.
        """
        if current_graph() is not self._runner.graph:
            raise RuntimeError(
                explain(
                    "`merge_call` called while defining a new graph or a tf.function. This can often happen if the function "
                    "`fn` passed to `strategy.run()` contains a nested `@tf.function`, and the nested `@tf.function` contains a "
                    "synchronization point, such as aggregating gradients (e.g, optimizer.apply_gradients), or if the function "
                    "`fn` uses a control flow statement which contains a synchronization point in the body. Such behaviors are "
                    "not yet supported. Instead, please avoid nested `tf.function`s or control flow statements that may "
                    "potentially cross a synchronization boundary, for example, wrap the `fn` passed to `strategy.run` or the "
                    "entire `strategy.run` inside a `tf.function` or move the control flow out of `fn`."
                )
            )
        return self._runner.merge(merge_fn, args, kwargs or {})

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """Return the sum or mean of a structure of tensors over the replicas. Its gradient is that of the gradients."""
        op = ReduceOp.of(reduce_op)
        flat = [v if isinstance(v, IndexedSlices) else to_tensor(v) for v in nest.flatten(value)]
        found = self._all_reduced(op, flat)
        if any(isinstance(v, IndexedSlices) for v in flat):
            return nest.pack_sequence_as(value, found)
        return nest.pack_sequence_as(value, _recorded(_AllReduce(self, op, flat), found, flat))

    def _all_reduced(self, op: ReduceOp, flat: Sequence[Any]) -> list[Any]:
        def merge(strategy: Any, *values: Any) -> list[Any]:
            return [strategy.extended.sum_or_mean(op, v) for v in values]

        # Each replica has tensors of its own, as its tape and what is regrouped expect.
        return [_another(v) for v in self.merge_call(merge, args=tuple(flat))]

    def all_gather(self, value: Any, axis: int, options: Any = None) -> Any:
        """Return the values of the replicas joined along `axis`."""
        return self.merge_call(lambda strategy, v: strategy.gather(v, axis), args=(value,))


def _another(value: Any) -> Any:
    if isinstance(value, IndexedSlices):
        return value
    tapes.pause(1)
    try:
        return apply(find("Identity"), value)
    finally:
        tapes.pause(-1)


class _AllReduce(Definition):
    """Gives the reduced values, which come first among its inputs; adjoints are reduced over the replicas in turn."""

    effects = False

    def __init__(self, replica: Replica, op: ReduceOp, values: Sequence[Any]) -> None:
        self.name = "AllReduce"
        self.replica, self.op, self.count = replica, op, len(values)

    def infer(self, inputs: Sequence[Spec], attributes: Mapping[str, Any]) -> tuple[Spec, ...]:
        return tuple(inputs[: self.count])

    def run_body(self, inputs: Sequence[Value], attributes: Mapping[str, Any]) -> tuple[Value, ...]:
        return tuple(inputs[: self.count])

    def backward(self, item: Any, given: tuple[int, ...], wanted: tuple[int, ...], dys: list[Any]) -> list[Any]:
        """Reduce the adjoints of eager values."""
        place = dict(zip(given, dys, strict=True))
        flows = [tapes.zeros_for(y) if i not in place else tapes.to_dense(place[i]) for i, y in enumerate(item.outputs)]
        found = self.replica._all_reduced(self.op, flows)
        return [found[i] for i in wanted]

    def reverse_rule(
        self, node: Node, flows: Sequence[Adjoint | None], reached: set[Value], again: Any
    ) -> list[Adjoint | None]:
        """Reduce the adjoints of values of a graph."""
        graph: Any = self.replica._runner.graph
        dys = [full(v.shape, 0, v.dtype) if f is None else dense(f) for f, v in zip(flows, node.outputs, strict=True)]
        found = self.replica._all_reduced(self.op, [graph.tensor(dy) for dy in dys])
        return [*([None] * self.count), *(graph.value_of(t) for t in found)]


def _recorded(definition: _AllReduce, found: list[Any], values: list[Any]) -> list[Any]:
    graph = current_graph()
    if graph is not None:
        return list(graph.create(definition, [*found, *values], {}))
    if tapes.recording():
        tapes.record(definition, None, tuple(values), tuple(found))
    return found


class _Runner(threading.Thread):
    """The thread of one replica."""

    def __init__(self, strategy: Any, number: int, call: Callable[[], Any], shared: dict[str, list[Any]]) -> None:
        super().__init__(daemon=True, name=f"replica {number}")
        self.strategy, self.number, self.call, self.shared = strategy, number, call, shared
        self.graph, self.graphs, self.scope = current_graph(), graph_stack(), current_scope()
        self.go, self.paused = threading.Semaphore(0), threading.Semaphore(0)
        self.done = self.stopped = False
        self.asked: tuple[Callable[..., Any], Any, Any] | None = None
        self.answer: Any = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.made: dict[str, int] = {}

    def run(self) -> None:
        """Run the replica as far as the others wait for it."""
        self.go.acquire()
        try:
            if not self.stopped:
                with ExitStack() as stack:
                    for graph in self.graphs:
                        stack.enter_context(tracing(graph))
                    stack.enter_context(named(self.scope))
                    stack.enter_context(context.in_scope((id(self.strategy), self.number)))
                    stack.enter_context(entered(self.strategy, Replica(self.strategy, self.number, self)))
                    _running.runner = self
                    self.result = self.call()
        except BaseException as error:
            self.error = error
        self.done = True
        self.paused.release()

    def step(self) -> None:
        """Let the replica go on, and wait until it ends or merges."""
        self.go.release()
        self.paused.acquire()

    def merge(self, merge_fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Wait, in the replica's thread, for what merge_fn gives."""
        self.asked = (merge_fn, args, kwargs)
        self.paused.release()
        self.go.acquire()
        if self.stopped:
            raise _Stopped
        return self.answer

    def stop(self) -> None:
        """End the replica."""
        if not self.done:
            self.stopped = True
            self.step()
        self.join()


class _Running(threading.local):
    runner: _Runner | None = None


_running = _Running()


def created_once(name: str, make: Callable[[], Any]) -> Any:
    """Return the variable that a replica makes: the first replica makes it, the others get the same one.

    Variables of one name are told apart by their order.
    """
    runner = _running.runner
    if runner is None:
        return make()
    known = runner.shared.setdefault(name, [])
    at = runner.made.get(name, 0)
    runner.made[name] = at + 1
    if at == len(known):
        known.append(make())
    return known[at]


def call_each(strategy: Any, fn: Callable[..., Any], args: Any, kwargs: Any, count: int) -> Any:
    """Return what fn gives in each replica, regrouped.

    Raises RuntimeError where the replicas merge different numbers of times; what a replica raises.
    """
    shared: dict[str, list[Any]] = {}

    def call(number: int) -> Callable[[], Any]:
        words = dict(select_replica(number, kwargs))
        given = tuple(select_replica(number, args))
        return lambda: fn(*given, **words)

    runners = [_Runner(strategy, i, call(i), shared) for i in range(count)]
    for runner in runners:
        runner.start()
    try:
        while True:
            for runner in runners:
                runner.step()
                if runner.error is not None:
                    raise runner.error
            if all(runner.done for runner in runners):
                return regroup([runner.result for runner in runners])
            if any(runner.done for runner in runners):
                raise RuntimeError(
                    explain("Some replicas made a different number of replica_context().merge_call() calls.")
                )
            _merge(strategy, runners)
    finally:
        for runner in runners:
            runner.stop()


def _merge(strategy: Any, runners: Sequence[_Runner]) -> None:
    asked = [runner.asked for runner in runners]
    merge_fn = asked[0][0]  # type: ignore[index]
    args = regroup([a[1] for a in asked if a is not None])
    kwargs = regroup([a[2] for a in asked if a is not None])
    with entered(strategy, None):
        answer = merge_fn(strategy, *args, **kwargs)
    for runner in runners:
        runner.answer = select_replica(runner.number, answer)
