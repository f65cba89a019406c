"""Optimizers on variables that are references, moving averages and hooks: more programs for record.py and libraries_test.py."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

from millstream.version_1.testdata.programs import Found, plain


def references(tf: Any) -> Found:
    """Three steps with variables that are no resources: losses, values, names, and the types of what takes the steps."""
    v1 = tf.compat.v1
    t = v1.train
    kinds = {
        "descent": lambda step: t.GradientDescentOptimizer(0.1),
        "nesterov": lambda step: t.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        "adam": lambda step: t.AdamOptimizer(0.1),
        "adagrad": lambda step: t.AdagradOptimizer(0.1),
        "averages": lambda step: t.AdagradDAOptimizer(0.1, step),
        "adadelta": lambda step: t.AdadeltaOptimizer(0.5),
        "centered": lambda step: t.RMSPropOptimizer(0.05, momentum=0.5, centered=True),
        "leader": lambda step: t.FtrlOptimizer(0.1, l2_shrinkage_regularization_strength=0.1),
        "proximal": lambda step: t.ProximalGradientDescentOptimizer(0.1, 0.01, 0.1),
    }
    found = {}
    for name, make in kinds.items():
        with tf.Graph().as_default() as graph, v1.Session() as session, v1.variable_scope("", use_resource=False):
            step = t.create_global_step()
            weights = v1.get_variable("w", initializer=np.float32([[0.1], [0.2], [0.3]]))
            rows = v1.get_variable("e", initializer=np.ones((5, 1), "f"))
            x, places = v1.placeholder(tf.float32, [None, 3]), v1.placeholder(tf.int32, [None])
            loss = tf.reduce_mean(tf.square(tf.matmul(x, weights) + tf.nn.embedding_lookup(rows, places)))
            train = make(step).minimize(loss, step)
            session.run(v1.global_variables_initializer())
            feeds = {x: np.arange(6, dtype="f").reshape(2, 3), places: [1, 1]}
            values = [plain(session.run([loss, train], feeds)[0]) for _ in range(3)]
            types = sorted({n.op for n in graph.as_graph_def().node if "Apply" in n.op})
            names = [v.name for v in v1.global_variables()]
            found[name] = [values, plain(session.run([weights, rows, step])), names, types, train.name]
    return found


def averages(tf: Any) -> Found:
    """Averages of variables after two moves; the names of averages, of the operation, and of what is restored."""
    v1, found = tf.compat.v1, {}
    for name, options in (("plain", {}), ("by updates", {"num_updates": 3})):
        with tf.Graph().as_default(), v1.Session() as session:
            weights = v1.get_variable("a/w", initializer=[1.0, 2.0])
            v1.get_variable("o", initializer=1.0)
            average = tf.train.ExponentialMovingAverage(0.5, **options)
            move = average.apply()
            session.run(v1.global_variables_initializer())
            session.run(weights.assign([3.0, 5.0]))
            session.run(move)
            session.run(move)
            held, names = average.average(weights), [v.name for v in v1.global_variables()]
            moved = [v.name for v in v1.moving_average_variables()]
            found[name] = [plain(session.run(held)), move.name, names, moved, sorted(average.variables_to_restore())]
    return found


def _events(tf: Any, folder: str) -> list[Any]:
    """What was written into a folder: its events in their order, and the names of the other files."""
    found: list[Any] = []
    for name in sorted(os.listdir(folder)):
        if "events" not in name:
            found.append(name)
            continue
        for event in tf.compat.v1.train.summary_iterator(os.path.join(folder, name)):
            tags = [value.tag for value in event.summary.value]
            found.append(
                [event.WhichOneof("what"), event.step, tags, event.session_log.status, event.tagged_run_metadata.tag]
            )
    return found


def hooks(tf: Any) -> Found:
    """What hooks and supervisors write."""
    v1, found = tf.compat.v1, {}
    train = v1.train
    for every in (2, 3):
        with tempfile.TemporaryDirectory() as folder:
            with tf.Graph().as_default():
                step = train.get_or_create_global_step()
                add = v1.assign_add(step, 1)
                summary = v1.summary.scalar("x", tf.cast(step, tf.float32))
                made = [
                    train.ProfilerHook(save_steps=every, output_dir=folder),
                    train.SummarySaverHook(save_steps=every, output_dir=folder, summary_op=summary),
                    train.StopAtStepHook(8),
                ]
                with train.MonitoredSession(hooks=made) as session:
                    while not session.should_stop():
                        session.run(add)
            v1.summary.FileWriterCache.clear()
            found[f"profiles and summaries every {every}"] = _events(tf, folder)
    for resources in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            with tf.Graph().as_default(), v1.variable_scope("", use_resource=resources):
                step = train.get_or_create_global_step()
                weight = v1.get_variable("w", initializer=1.0)
                v1.summary.scalar("loss", weight * weight)
                move = train.MomentumOptimizer(0.1, 0.9).minimize(weight * weight, step)
                options: dict[str, Any] = {"save_checkpoint_steps": 3, "save_summaries_steps": 3}
                options.update(checkpoint_dir=folder, log_step_count_steps=None, hooks=[train.StopAtStepHook(7)])
                with train.MonitoredTrainingSession(**options) as session:
                    while not session.should_stop():
                        last = session.run([move, weight])[1]
            v1.summary.FileWriterCache.clear()
            found[f"training, resources {resources}"] = [_events(tf, folder), plain(last)]
    return found
