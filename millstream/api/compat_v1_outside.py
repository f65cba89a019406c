"""Names of tf.compat.v1 that are outside of what Millstream does, with reasons; and small ones that stand nowhere else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from millstream.api.public import public, publish, root
from millstream.api.refusal import refusing_class, refusing_function
from millstream.base.errors import explain
from millstream.base.messages import read

tf: Any = root()

OUTSIDE = {
    "there are no TPUs here": """
    tpu.CrossShardOptimizer tpu.PaddingSpec
    tpu.batch_parallel(computation,inputs=None,num_shards=1,infeed_queue=None,device_assignment=None,name=None,xla_options=None)
    tpu.bfloat16_scope(name=None) tpu.core(num) tpu.cross_replica_sum(x,group_assignment=None,name=None)
    tpu.experimental.embedding_column(categorical_column,dimension,combiner='mean',initializer=None,max_sequence_length=0,learning_rate_fn=None,embedding_lookup_device=None,tensor_core_shape=None,use_safe_embedding_lookup=True)
    tpu.experimental.shared_embedding_columns(categorical_columns,dimension,combiner='mean',initializer=None,shared_embedding_collection_name=None,max_sequence_lengths=None,learning_rate_fn=None,embedding_lookup_device=None,tensor_core_shape=None,use_safe_embedding_lookup=True)
    tpu.initialize_system(embedding_config=None,job=None,compilation_failure_closes_chips=True,tpu_cancellation_closes_chips=None)
    tpu.outside_compilation(computation,*args,**kwargs)
    tpu.replicate(computation,inputs=None,infeed_queue=None,device_assignment=None,name=None,maximum_shapes=None,padding_spec=None,xla_options=None)
    tpu.rewrite(computation,inputs=None,infeed_queue=None,device_assignment=None,name=None,xla_options=None)
    tpu.shard(computation,inputs=None,num_shards=1,input_shard_axes=None,outputs_from_all_shards=True,output_shard_axes=None,infeed_queue=None,device_assignment=None,name=None,xla_options=None)
    tpu.shutdown_system(job=None)
    """,
    "the profiler of version 1 reads what TensorFlow's own executor measures; use tf.profiler.experimental": """
    profiler.AdviceProto profiler.GraphNodeProto profiler.MultiGraphNodeProto profiler.OpLogProto
    profiler.ProfileOptionBuilder profiler.Profiler profiler.advise(graph=None,run_meta=None,options=0)
    profiler.profile(graph=None,run_meta=None,op_log=None,cmd='scope',options=0)
    profiler.write_op_log(graph,log_dir,op_log=None,run_meta=None,add_trace=True)
    """,
    "gradients of several workers meet in other processes; train in one, or with tf.distribute": """
    train.SyncReplicasOptimizer
    """,
    "dual coordinate ascent was left behind by TensorFlow itself; use an optimizer": """
    train.sdca_fprint(input,name=None)
    train.sdca_optimizer(sparse_example_indices,sparse_feature_indices,sparse_feature_values,dense_features,example_weights,example_labels,sparse_indices,sparse_weights,dense_weights,example_state_data,loss_type,l1,l2,num_loss_partitions,num_inner_iterations,adaptative=True,name=None)
    train.sdca_shrink_l1(weights,l1,l2,name=None)
    """,
    "models are quantised by TensorFlow's own converter, on saved models": """
    train.do_quantize_training_on_graphdef(input_graph,num_bits)
    """,
    "libraries of TensorFlow's file systems are built for its own runtime; use fsspec or a mounted folder": """
    load_file_system_library(library_filename)
    """,
}
"""Names by the reason. Functions stand with their parameters, classes without."""

for _reason, _names in OUTSIDE.items():
    for _word in _names.split():
        _name, _opening, _rest = _word.partition("(")
        _full = f"compat.v1.{_name}"
        publish(
            _full, refusing_function(_full, _rest.rstrip(")"), _reason) if _opening else refusing_class(_full, _reason)
        )


@public("compat.v1.train.summary_iterator")
def summary_iterator(path: Any) -> Iterator[Any]:
    """Give the Event messages of a file of summaries, one after the other."""
    for data in tf.compat.v1.io.tf_record_iterator(path):
        yield read("Event", data)


_KEPT_BY_SERVERS = (
    "Variable", "VariableV2", "AutoReloadVariable", "MutableHashTable", "MutableHashTableV2", "MutableHashTableOfTensors",
    "MutableHashTableOfTensorsV2", "MutableDenseHashTable", "MutableDenseHashTableV2", "VarHandleOp",
    "BoostedTreesEnsembleResourceHandleOp", "BoostedTreesQuantileStreamResourceHandleOp",
    "ResourceConditionalAccumulator", "DecisionTreeResource",
)  # fmt: skip


@public("compat.v1.train.replica_device_setter")
def replica_device_setter(
    ps_tasks: int = 0,
    ps_device: str = "/job:ps",
    worker_device: str = "/job:worker",
    merge_devices: bool = True,
    cluster: Any = None,
    ps_ops: Any = None,
    ps_strategy: Any = None,
) -> Any:
    """Return a function that says the device of an operation, for `tf.compat.v1.device`: variables go to parameter servers.

    The devices stand in the graph, for those who run it in a cluster; sessions of this process refuse them, as they have none.

    Args:
      ps_tasks: how many parameter servers there are.
      ps_device: their device.
      worker_device: the device of all else.
      merge_devices: whether what an operation asks for itself is kept where it asks for less than a whole device.
      cluster: a ClusterSpec, or what makes one, which says how many servers there are.
      ps_ops: the types of the operations that servers keep; those of variables and tables without it.
      ps_strategy: a function of an operation that gives the number of its server; one after the other without it.

    Returns:
      A function; None where there are no parameter servers.

    Raises:
      TypeError: `ps_strategy` is no function.
    """
    if cluster is not None:
        spec = cluster if hasattr(cluster, "as_dict") else tf.train.ClusterSpec(cluster)
        job = tf.DeviceSpec.from_string(ps_device).job
        ps_tasks = len(spec.as_dict().get(job, ()))
    if not ps_tasks:
        return None
    numbers = itertools.count()
    strategy = (lambda _: next(numbers) % ps_tasks) if ps_strategy is None else ps_strategy
    if not callable(strategy):
        raise TypeError(explain("ps_strategy must be callable"))
    kept = _KEPT_BY_SERVERS if ps_ops is None else ps_ops

    def device(operation: Any) -> str:
        if not merge_devices and operation.device:
            return str(operation.device)
        asked = tf.DeviceSpec.from_string(operation.device or "")
        server = tf.DeviceSpec.from_string(ps_device or "")
        if operation.type in kept and ps_device and server.job and asked.job in (None, server.job):
            place = server.replace(task=strategy(operation))
        else:
            place = tf.DeviceSpec.from_string(worker_device or "")
        return str(place.make_merged_spec(asked).to_string())

    return device


@public("compat.v1.experimental.output_all_intermediates")
def output_all_intermediates(state: bool | None) -> None:
    """Change nothing: what gradients of branches and loops need is kept as they need it."""


@public("compat.v1.user_ops.my_fact")
def my_fact() -> Any:
    """Return a fact."""
    return tf.constant("0! == 1")
