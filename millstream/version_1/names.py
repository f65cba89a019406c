"""Publishes the names of this room: imported when tf.compat.v1 is first asked for something that is not there yet."""

from __future__ import annotations

import importlib

for _module in (
    "decays",
    "distributions.continuous",
    "distributions.counted",
    "feature_layers",
    "freezing",
    "initializers",
    "losses",
    "metrics.at_top_k",
    "metrics.counts",
    "metrics.means",
    "metrics.thresholds",
    "variables.keys",
    "variables.name_scope",
    "variables.other_forms",
    "variables.partitioners",
    "variables.scope",
    "variables.templates",
    "moving_averages",
    "optimizers.base",
    "optimizers.kinds",
    "optimizers.loss_scale",
    "rnn",
    "sessions.accumulators",
    "sessions.handles",
    "sessions.hooks",
    "sessions.input_queues",
    "sessions.manager",
    "sessions.monitored",
    "sessions.queue_runners",
    "sessions.readers",
    "sessions.saving_hooks",
    "sessions.supervisor",
    "training_steps",
    "warm_starting",
    "wrapped_functions",
):
    importlib.import_module(f"millstream.version_1.{_module}")
