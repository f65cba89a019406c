"""What tf.data publishes and Millstream does not have: each name raises UnimplementedError, and says what to do instead."""

from __future__ import annotations

import enum

from millstream.api.public import publish
from millstream.api.refusal import refusing_function

SERVICE = "the tf.data service shares datasets between machines, and Millstream works on one"
_SOURCE = (
    "job_name=None, consumer_index=None, num_consumers=None, max_outstanding_requests=None, data_transfer_protocol=None"
)
OUTSIDE = {
    "service.distribute": (
        f"processing_mode, service, {_SOURCE}, compression='AUTO', cross_trainer_cache=None, target_workers='AUTO'",
        SERVICE,
        "read the dataset here, with num_parallel_calls",
    ),
    "service.from_dataset_id": (
        f"processing_mode, service, dataset_id, element_spec=None, {_SOURCE}, cross_trainer_cache=None, target_workers='AUTO'",
        SERVICE,
        "make the dataset here",
    ),
    "service.register_dataset": (
        "service, dataset, compression='AUTO', dataset_id=None",
        SERVICE,
        "save it with Dataset.save",
    ),
    "service.DispatchServer": ("config=None, start=True", SERVICE, "read the dataset here"),
    "service.WorkerServer": ("config, start=True", SERVICE, "read the dataset here"),
    "service.DispatcherConfig": (
        "port=0, protocol=None, work_dir=None, fault_tolerant_mode=False, worker_addresses=None, job_gc_check_interval_ms=None, "
        "job_gc_timeout_ms=None, worker_timeout_ms=None, worker_max_concurrent_snapshots=0",
        SERVICE,
        "read the dataset here",
    ),
    "service.WorkerConfig": (
        "dispatcher_address, worker_address=None, port=0, protocol=None, heartbeat_interval_ms=None, "
        "dispatcher_timeout_ms=None, data_transfer_protocol=None, data_transfer_address=None",
        SERVICE,
        "read the dataset here",
    ),
    "service.CrossTrainerCache": ("trainer_id", SERVICE, "use Dataset.cache"),
    "distributed_save": ("dataset, path, data_service_address, compression='AUTO'", SERVICE, "use Dataset.save"),
    "get_model_proto": ("iterator", "iterators have no performance model as a message", "use tf.profiler"),
    "make_saveable_from_iterator": (
        "iterator, external_state_policy=None",
        "Saver objects of graph mode are not there",
        "use tf.train.Checkpoint(iterator=iterator), or iterator.save()",
    ),
}
"""By name below tf.data.experimental: the parameters, why it is not there, and what to do instead."""


class ShardingPolicy(enum.IntEnum):
    """How the tf.data service parts datasets between workers."""

    OFF = 0
    DYNAMIC = 1
    FILE = 2
    DATA = 3
    FILE_OR_DATA = 4
    HINT = 5


publish("data.experimental.service.ShardingPolicy", ShardingPolicy)
for _name, _row in OUTSIDE.items():
    publish(f"data.experimental.{_name}", refusing_function(f"data.experimental.{_name}", *_row))
