"""What a session's ConfigProto and a run's RunOptions ask for. Hints are left alone; what this cannot do is refused.

Of ConfigProto, these have an effect: operation_timeout_in_ms, allow_soft_placement, log_device_placement, device_count of
"CPU", intra_op_parallelism_threads (of the first session that states it), session_inter_op_thread_pool (how many there are),
graph_options.place_pruned_graph, experimental.executor_type (a name that is known) and
experimental.disable_output_partition_graphs. Of RunOptions: timeout_in_ms, trace_level, output_partition_graphs and
inter_op_thread_pool (a number that is there). All others are hints about speed and memory of TensorFlow's own executors,
other machines and graphics cards, and change no results there either.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from millstream import _runtime as runtime
from millstream.base import errors
from millstream.base.device_names import HERE, parts_of, processor
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.execution import context
from millstream.execution.operation import type_of
from millstream.program.value import Node

_EXECUTORS = ("", "DEFAULT", "SINGLE_THREADED_EXECUTOR")

_threads_are_set: list[int] = []


class SessionOptions:
    """What a ConfigProto, or None, says about a session."""

    limit_ms = 0
    shows_places = False
    places_what_runs = False
    no_partition_graphs = False
    pools = 1

    def __init__(self, config: Any) -> None:
        self.soft = context.soft_placement()
        self.devices = _processors(context.placement.processors)
        if config is not None:
            self._read(config)

    def _read(self, config: Any) -> None:
        if not isinstance(config, message("ConfigProto")):
            raise TypeError(f'Argument `config` must be a tf.ConfigProto, but got "{type(config).__name__}"')
        self.soft = config.allow_soft_placement
        if "CPU" in config.device_count:
            self.devices = _processors(config.device_count["CPU"])
        self.limit_ms = max(config.operation_timeout_in_ms, 0)
        self.shows_places = config.log_device_placement
        self.places_what_runs = config.graph_options.place_pruned_graph
        self.no_partition_graphs = config.experimental.disable_output_partition_graphs
        self.pools = max(len(config.session_inter_op_thread_pool), 1)
        if config.graph_options.build_cost_model:
            raise _unsupported(
                "graph_options.build_cost_model: a run is one plan, whose parts have no costs of their own"
            )
        if config.experimental.executor_type not in _EXECUTORS:
            raise errors.NotFoundError(
                None,
                None,
                explain(
                    f"No executor factory registered for the given executor type: {config.experimental.executor_type}",
                    f"Registered factories are {{{', '.join(_EXECUTORS[1:])}}}.",
                ),
            )
        if config.intra_op_parallelism_threads > 0 and not _threads_are_set:
            _threads_are_set.append(config.intra_op_parallelism_threads)
            runtime.set_thread_count(config.intra_op_parallelism_threads)

    def time_limit(self, run_options: Any) -> int:
        """Return how many milliseconds a run has, 0: any; refuse a RunOptions message that does not go with the session."""
        if run_options is None:
            return self.limit_ms
        pool = run_options.inter_op_thread_pool
        if not -1 <= pool < self.pools:
            raise errors.InvalidArgumentError(
                None, None, explain(f"Invalid inter_op_thread_pool: {pool}", f"There are {self.pools}; -1 is none.")
            )
        if run_options.output_partition_graphs and self.no_partition_graphs:
            raise errors.InvalidArgumentError(
                None,
                None,
                explain(
                    "RunOptions.output_partition_graphs() is not supported when disable_output_partition_graphs is true."
                ),
            )
        return int(run_options.timeout_in_ms) if run_options.timeout_in_ms > 0 else self.limit_ms

    def place(self, nodes: Iterable[Node], asked: dict[Node, str]) -> None:
        """Refuse nodes on devices that are not there; say where nodes are, if that was asked for.

        Raises:
          tf.errors.InvalidArgumentError: names the first such node.
        """
        for node in nodes:
            name = asked.get(node, "")
            place = self._place(name)
            if place is None:
                raise self._nowhere(node, name)
            if self.shows_places and node.label:
                print(f"{node.label}: ({type_of(node)}): {place}", file=sys.stderr)

    def _place(self, asked: str) -> str | None:
        index = processor(parts_of(asked), len(self.devices), self.soft)
        return None if index is None else self.devices[index]

    def _nowhere(self, node: Node, asked: str) -> errors.InvalidArgumentError:
        return errors.InvalidArgumentError(
            None,
            None,
            explain(
                f"Cannot assign a device for operation {node.label}: {{{{node {node.label}}}}} was explicitly assigned to {asked} "
                f"but available devices are [ {', '.join(self.devices)} ]. Make sure the device specification refers to a valid "
                "device.",
                fix="ConfigProto(allow_soft_placement=True) lets the processor stand in for other devices of this machine.",
            ),
        )


def _processors(count: int) -> list[str]:
    return [f"{HERE}/device:CPU:{i}" for i in range(count)]


def _unsupported(what: str) -> errors.UnimplementedError:
    return errors.UnimplementedError(None, None, explain(f"ConfigProto.{what}.", "Leave it out."))
