"""Who the workers are: cluster resolvers that need no network, and the strategies of one worker. Refused: several workers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from millstream.api.public import public
from millstream.api.train_cluster import ClusterSpec
from millstream.base import errors
from millstream.distribution.mirrored import CopyingStrategy, MirroredExtended
from millstream.distribution.options import CommunicationImplementation, CommunicationOptions
from millstream.distribution.strategy import Extended, Strategy


@public("distribute.cluster_resolver.ClusterResolver")
class ClusterResolver:
    """Says which processes make up a cluster, and which of them this one is."""

    task_type: str | None = None
    task_id: int | None = None
    environment = ""

    def cluster_spec(self) -> Any:
        """Return the `tf.train.ClusterSpec`."""
        raise NotImplementedError(errors.explain(f"{type(self).__name__}.cluster_spec is not given."))

    def master(self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None) -> str:
        """Return the address of the session's master: that of the given task."""
        raise NotImplementedError(errors.explain(f"{type(self).__name__}.master is not given."))

    def num_accelerators(
        self, task_type: str | None = None, task_id: int | None = None, config_proto: Any = None
    ) -> dict[str, int]:
        """Return how many accelerators of each kind a worker has: none here."""
        return {}


def _address(spec: Any, task_type: str | None, task_id: int | None, rpc_layer: str | None) -> str:
    if task_type is None or task_id is None or task_type not in spec.jobs:
        return ""
    address = str(spec.task_address(task_type, task_id))
    return f"{rpc_layer}://{address}" if rpc_layer else address


@public("distribute.cluster_resolver.SimpleClusterResolver")
class SimpleClusterResolver(ClusterResolver):
    """A cluster that is given.

    Args:
      cluster_spec: a `tf.train.ClusterSpec`.
      master: the address of the session's master.
      task_type: the job of this process.
      task_id: its number there.
      environment: a name for where it runs.
      num_accelerators: how many of each kind, by name.
      rpc_layer: the protocol, such as "grpc".

    Raises:
      TypeError: `cluster_spec` is no ClusterSpec.
    """

    def __init__(
        self,
        cluster_spec: Any,
        master: str = "",
        task_type: str | None = None,
        task_id: int | None = None,
        environment: str = "",
        num_accelerators: dict[str, int] | None = None,
        rpc_layer: str | None = None,
    ) -> None:
        if not isinstance(cluster_spec, ClusterSpec):
            raise TypeError(errors.explain("cluster_spec must be a `tf.train.ClusterSpec`."))
        if not isinstance(master, str):
            raise TypeError(errors.explain("master must be a string."))
        self._spec, self._master, self._accelerators = cluster_spec, master, num_accelerators
        self.task_type, self.task_id, self.environment, self.rpc_layer = task_type, task_id, environment, rpc_layer

    def cluster_spec(self) -> Any:
        """Return the `tf.train.ClusterSpec`."""
        return self._spec

    def master(self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None) -> str:
        """Return the address of the given task; of the session's master without."""
        if task_type is not None and task_id is not None:
            return _address(self._spec, task_type, task_id, rpc_layer or self.rpc_layer)
        return self._master

    def num_accelerators(
        self, task_type: str | None = None, task_id: int | None = None, config_proto: Any = None
    ) -> dict[str, int]:
        """Return how many accelerators of each kind a worker has."""
        return self._accelerators or {}


@public("distribute.cluster_resolver.TFConfigClusterResolver")
class TFConfigClusterResolver(ClusterResolver):
    """The cluster that the environment variable TF_CONFIG describes, as JSON.

    Args:
      task_type: the job of this process; TF_CONFIG says it without.
      task_id: its number there.
      rpc_layer: the protocol, such as "grpc".
      environment: a name for where it runs.
    """

    def __init__(
        self,
        task_type: str | None = None,
        task_id: int | None = None,
        rpc_layer: str | None = None,
        environment: str | None = None,
    ) -> None:
        said = self._said().get("task", {})
        number = said.get("index") if task_id is None else task_id
        self.task_type = task_type if task_type is not None else said.get("type")
        self.task_id = None if number is None else int(number)
        self.rpc_layer = rpc_layer or self._said().get("rpc_layer")
        self.environment = environment or self._said().get("environment", "")

    def _said(self) -> dict[str, Any]:
        return dict(json.loads(os.environ.get("TF_CONFIG", "{}")))

    def cluster_spec(self) -> Any:
        """Return the `tf.train.ClusterSpec`."""
        return ClusterSpec(self._said().get("cluster", {}))

    def master(self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None) -> str:
        """Return the address of the session's master; "" where this process is alone."""
        said = self._said()
        if "session_master" in said:
            return str(said["session_master"])
        spec = self.cluster_spec()
        if len(spec.jobs) == 0 or (len(spec.jobs) == 1 and spec.num_tasks(spec.jobs[0]) == 1):
            return ""
        kind = self.task_type if task_type is None else task_type
        number = self.task_id if task_id is None else task_id
        return _address(spec, kind, number, rpc_layer or self.rpc_layer)


@public("distribute.cluster_resolver.UnionResolver")
class UnionResolver(ClusterResolver):
    """Several resolvers as one; the first one's task is that of this process.

    Args:
      *args: resolvers.
      **kwargs: `rpc_layer`, `task_type`, `task_id`, in place of those of the first one.

    Raises:
      ValueError: no resolver is given.
      TypeError: one of them is none.
    """

    def __init__(self, *args: ClusterResolver, **kwargs: Any) -> None:
        if not args:
            raise ValueError(errors.explain("At least one ClusterResolver must be specified in UnionResolver."))
        if not all(isinstance(one, ClusterResolver) for one in args):
            raise TypeError(errors.explain("All elements must be a `ClusterResolver`."))
        self._all = args
        self.task_type = kwargs.get("task_type", args[0].task_type)
        self.task_id = kwargs.get("task_id", args[0].task_id)
        self.rpc_layer = kwargs.get("rpc_layer", getattr(args[0], "rpc_layer", None))
        self.environment = args[0].environment

    def cluster_spec(self) -> Any:
        """Return the `tf.train.ClusterSpec` of all jobs."""
        tasks: dict[str, list[str]] = {}
        for one in self._all:
            spec = one.cluster_spec()
            for job in spec.jobs:
                known = tasks.setdefault(job, [])
                known += [address for address in spec.job_tasks(job) if address not in known]
        return ClusterSpec(tasks)

    def master(self, task_type: str | None = None, task_id: int | None = None, rpc_layer: str | None = None) -> str:
        """Return the address of the given task; of the first resolver's master without."""
        if task_type is not None and task_id is not None:
            return _address(self.cluster_spec(), task_type, task_id, rpc_layer or self.rpc_layer)
        return self._all[0].master(rpc_layer=rpc_layer)


def _only_worker(resolver: ClusterResolver) -> None:
    """Refuse clusters of several workers."""
    spec = resolver.cluster_spec()
    workers = sum(spec.num_tasks(job) for job in spec.jobs if job in ("chief", "worker"))
    if workers > 1:
        raise errors.UnimplementedError(
            None,
            None,
            errors.explain(
                f"tf.distribute.MultiWorkerMirroredStrategy is not supported with several workers; the cluster has {workers}",
                "run one worker, or train in this process with tf.distribute.MirroredStrategy.",
            ),
        )


@public("distribute.MultiWorkerMirroredStrategy")
class MultiWorkerMirroredStrategy(CopyingStrategy):
    """Train with copies of the variables on each of several workers. There is one worker here, which has one replica.

    Args:
      cluster_resolver: a `tf.distribute.cluster_resolver.ClusterResolver`; TF_CONFIG without.
      communication_options: hints.

    Raises:
      tf.errors.UnimplementedError: the cluster has several workers.
    """

    def __init__(
        self, cluster_resolver: ClusterResolver | None = None, communication_options: CommunicationOptions | None = None
    ) -> None:
        self._resolver = TFConfigClusterResolver() if cluster_resolver is None else cluster_resolver
        _only_worker(self._resolver)
        super().__init__(MirroredExtended(self, ("/job:localhost/replica:0/task:0/device:CPU:0",)))

    @property
    def cluster_resolver(self) -> ClusterResolver:  # type: ignore[override]
        """The resolver that says who the workers are."""
        return self._resolver


@public("distribute.experimental.MultiWorkerMirroredStrategy")
class MultiWorkerMirroredStrategyExperimental(MultiWorkerMirroredStrategy):
    """The older form of `tf.distribute.MultiWorkerMirroredStrategy`."""

    def __init__(
        self,
        communication: CommunicationImplementation = CommunicationImplementation.AUTO,
        cluster_resolver: ClusterResolver | None = None,
    ) -> None:
        super().__init__(cluster_resolver, CommunicationOptions(implementation=communication))


@public("distribute.experimental.CentralStorageStrategy")
class CentralStorageStrategy(Strategy):
    """Variables in one place, computed with on one device.

    Args:
      compute_devices: the names of the devices that compute: one, since the devices here share their memory.
      parameter_device: the name of the device that variables lie on; a hint for the same reason.

    Raises:
      tf.errors.UnimplementedError: there are several compute devices.
    """

    def __init__(self, compute_devices: Sequence[str] | None = None, parameter_device: str | None = None) -> None:
        devices = tuple(compute_devices or ("/device:CPU:0",))
        if len(devices) > 1:
            raise errors.UnimplementedError(
                None,
                None,
                errors.explain(
                    f"tf.distribute.experimental.CentralStorageStrategy is not supported on several devices, here {devices}",
                    "give one, or use tf.distribute.MirroredStrategy.",
                ),
            )
        super().__init__(Extended(self, devices))
