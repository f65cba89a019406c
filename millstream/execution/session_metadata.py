"""What sessions tell of their runs: RunMetadata with the graph that ran and the time that it took; their devices."""

from __future__ import annotations

import time
from collections import namedtuple
from collections.abc import Callable, Iterable
from typing import Any

from millstream.base.device_names import HERE
from millstream.base.messages import message

_MEMORY_LIMIT = 268435456

DeviceAttributes = namedtuple("DeviceAttributes", ["name", "device_type", "memory_limit_bytes", "incarnation"])
"""A device of a session."""


def devices(names: Iterable[str]) -> list[DeviceAttributes]:
    """Return what is known of devices of a session: all are this machine's processor."""
    return [DeviceAttributes(name, "CPU", _MEMORY_LIMIT, number) for number, name in enumerate(names, 1)]


def recorded(run: Callable[[], Any], options: Any, run_metadata: Any, step: Any) -> Any:
    """Run and fill in a RunMetadata message: the graph that ran where it is asked for, and, with a trace level, its time.

    A run is one plan: there is one entry for all of it, with the time that it took as a whole.
    """
    began = time.time_ns()
    result = run()
    took = time.time_ns() - began
    made = message("RunMetadata")()
    if options is not None and options.trace_level:
        device = made.step_stats.dev_stats.add(device=f"{HERE}/device:CPU:0")
        names = ",".join(dict.fromkeys(node.label for node in step.program.nodes if node.label))
        device.node_stats.add(
            node_name=step.program.name,
            timeline_label=f"{step.program.name}: {names}",
            all_start_micros=began // 1000,
            op_end_rel_micros=took // 1000,
            all_end_rel_micros=took // 1000,
            all_start_nanos=began,
            op_end_rel_nanos=took,
            all_end_rel_nanos=took,
        )
    if options is not None and options.output_partition_graphs:
        ran = {node.label for node in step.program.nodes}
        for node in step.session.graph.as_graph_def().node:
            if node.name in ran:
                if not made.partition_graphs:
                    made.partition_graphs.add()
                made.partition_graphs[0].node.add().CopyFrom(node)
    run_metadata.MergeFromString(made.SerializeToString())
    return result
