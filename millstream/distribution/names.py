"""Names of tf.distribute: reads the modules that publish them, and refuses those that need machines other than this one."""

from __future__ import annotations

import enum

from millstream.api.public import publish
from millstream.api.refusal import refusing_class, refusing_function
from millstream.distribution import clusters, cross_device, mirrored, options, strategy, version_1  # noqa: F401

_OUTSIDE = {
    ("there are no TPUs here", "train with tf.distribute.MirroredStrategy"): """
    TPUStrategy experimental.TPUStrategy cluster_resolver.TPUClusterResolver
    """,
    ("there are no parameter servers", "train in this process with tf.distribute.MirroredStrategy"): """
    ParameterServerStrategy experimental.ParameterServerStrategy coordinator.ClusterCoordinator
    coordinator.PerWorkerValue coordinator.RemoteValue experimental.coordinator.ClusterCoordinator
    experimental.coordinator.PerWorkerValues experimental.coordinator.RemoteValue
    experimental.partitioners.FixedShardsPartitioner experimental.partitioners.MaxSizePartitioner
    experimental.partitioners.MinSizePartitioner experimental.partitioners.Partitioner
    """,
    ("nothing is sent over a network", "run everything in this process"): """
    Server experimental.rpc.Client experimental.rpc.Server cluster_resolver.GCEClusterResolver
    cluster_resolver.KubernetesClusterResolver cluster_resolver.SlurmClusterResolver
    """,
    ("no cluster ends this process", "save with tf.train.CheckpointManager or keras.callbacks.BackupAndRestore"): """
    experimental.PreemptionCheckpointHandler experimental.PreemptionWatcher experimental.TerminationConfig
    """,
}
"""Classes by the reason, and what to do instead."""


class KubernetesExecutableLocation(enum.Enum):
    """Where a client of Kubernetes runs."""

    WITHIN_CLUSTER = 0
    OFF_CLUSTER = 1


publish("distribute.cluster_resolver.KubernetesExecutableLocation", KubernetesExecutableLocation)
publish(
    "distribute.coordinator.experimental_get_current_worker_index",
    refusing_function(
        "distribute.coordinator.experimental_get_current_worker_index", "", "there are no parameter servers"
    ),
)
for (_reason, _instead), _names in _OUTSIDE.items():
    for _name in _names.split():
        publish(f"distribute.{_name}", refusing_class(f"distribute.{_name}", _reason, _instead))
