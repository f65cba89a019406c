"""Losses, metrics, optimizers, decays and recurrent networks of version 1 give what TensorFlow gave."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

import millstream as tf
from millstream.version_1.testdata import (
    column_programs,
    distribution_programs,
    metric_programs,
    programs,
    queue_graph,
    reader_programs,
    state_programs,
)

RECORDED = json.loads(gzip.decompress((Path(__file__).parent / "testdata/libraries.json.gz").read_bytes()))


def same(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return isinstance(given, list) and len(given) == len(wanted) and all(map(same, given, wanted))
    if isinstance(wanted, float) and isinstance(given, float):
        return (math.isnan(wanted) and math.isnan(given)) or math.isclose(given, wanted, rel_tol=2e-5, abs_tol=2e-7)
    return bool(given == wanted)


PROGRAMS = {
    run.__name__: run
    for run in (
        programs.decays,
        programs.losses,
        programs.optimizers,
        metric_programs.metrics,
        metric_programs.recurrent,
        state_programs.references,
        state_programs.averages,
        state_programs.hooks,
        distribution_programs.distributions,
        column_programs.columns,
        reader_programs.readers,
        reader_programs.accumulators,
        reader_programs.handles,
    )
}


def test_all_that_was_recorded_is_compared() -> None:
    assert {*PROGRAMS, "queues"} == set(RECORDED)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_programs_give_what_tensorflow_gave(kind: str) -> None:
    found = PROGRAMS[kind](tf)
    assert list(found) == list(RECORDED[kind])
    different = [name for name, wanted in RECORDED[kind].items() if not same(found[name], wanted)]
    assert not different, [(name, found[name], RECORDED[kind][name]) for name in different[:2]]


@pytest.mark.parametrize("writer", ["TensorFlow", "Millstream"])
@pytest.mark.parametrize("scope", [None, "inner"])
def test_queues_and_summaries_of_written_graphs_run_as_in_tensorflow(
    writer: str, scope: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "queues.meta"
    if writer == "TensorFlow":
        path.write_bytes(gzip.decompress((Path(__file__).parent / "testdata/queues.meta.gz").read_bytes()))
    else:
        queue_graph.write(tf, str(path))
    found = queue_graph.read(tf, str(path), scope)
    different = [name for name, wanted in RECORDED["queues"].items() if not same(found[name], wanted)]
    assert not different, [(name, found[name], RECORDED["queues"][name]) for name in different]


def test_queues_are_written_as_the_nodes_that_tensorflow_writes(tmp_path: Path) -> None:
    queue_graph.write(tf, str(tmp_path / "own"))
    given = gzip.decompress((Path(__file__).parent / "testdata/queues.meta.gz").read_bytes())

    def nodes(data: bytes) -> list[Any]:
        definition = tf.compat.v1.MetaGraphDef.FromString(data).graph_def
        return sorted(
            (n.op, len(n.input), sorted(k for k in n.attr if not k.startswith("_")))
            for n in definition.node
            if "Queue" in n.op
        )

    own = nodes((tmp_path / "own").read_bytes())
    assert own == nodes(given)
    assert {"FIFOQueueV2", "PaddingFIFOQueueV2", "PriorityQueueV2", "RandomShuffleQueueV2"} < {kind for kind, *_ in own}


def test_a_node_that_takes_no_queue_is_refused() -> None:
    definition = tf.compat.v1.GraphDef()
    definition.node.add(name="a", op="Const").attr["dtype"].type = 1
    definition.node[0].attr["value"].tensor.CopyFrom(tf.make_tensor_proto(1.0))
    definition.node.add(name="b", op="QueueSizeV2").input.append("a")
    with tf.Graph().as_default(), pytest.raises(ValueError, match="takes no queue of the graph"):
        tf.import_graph_def(definition)
