"""Names of TensorFlow that are outside of what Millstream does: each says so, and why, when it is used."""

from __future__ import annotations

import enum

from millstream.api.public import PUBLIC, publish
from millstream.api.refusal import refusing_class, refusing_function

OUTSIDE = {
    "there are no TPUs here, and their embedding engines have no counterpart": """
    tpu.XLAOptions tpu.experimental.DeviceAssignment tpu.experimental.DeviceOrderMode
    tpu.experimental.HardwareFeature tpu.experimental.TPUSystemMetadata tpu.experimental.Topology
    tpu.experimental.embedding.Adagrad tpu.experimental.embedding.AdagradMomentum tpu.experimental.embedding.Adam
    tpu.experimental.embedding.CustomCombiner tpu.experimental.embedding.CustomOptimizer
    tpu.experimental.embedding.FTRL tpu.experimental.embedding.FeatureConfig
    tpu.experimental.embedding.QuantizationConfig tpu.experimental.embedding.RowIdInitializer
    tpu.experimental.embedding.SGD tpu.experimental.embedding.SparseCoreEmbeddingConfig
    tpu.experimental.embedding.TPUEmbedding tpu.experimental.embedding.TPUEmbeddingForServing
    tpu.experimental.embedding.TPUEmbeddingV0 tpu.experimental.embedding.TPUEmbeddingV2
    tpu.experimental.embedding.TableConfig
    tpu.experimental.embedding.serving_embedding_lookup(inputs,weights,tables,feature_config)
    tpu.experimental.initialize_tpu_system(cluster_resolver) tpu.experimental.shutdown_tpu_system(cluster_resolver)
    """,
    "Millstream's programs are not MLIR: MILLSTREAM_SHOW=program prints them": """
    mlir.experimental.convert_function(concrete_function,pass_pipeline,show_debug_info)
    mlir.experimental.convert_graph_def(graph_def,pass_pipeline,show_debug_info)
    mlir.experimental.convert_saved_model(saved_model_path,exported_names,show_debug_info)
    mlir.experimental.convert_saved_model_v1(saved_model_path,exported_names,tags,lift_variables,include_variables_in_initializers,upgrade_legacy,show_debug_info)
    mlir.experimental.run_pass_pipeline(mlir_txt,pass_pipeline,show_debug_info)
    mlir.experimental.tflite_to_tosa_bytecode(flatbuffer,bytecode,use_external_constant,ordered_input_arrays,ordered_output_arrays)
    mlir.experimental.write_bytecode(filename,mlir_txt)
    """,
    "models are quantised by TensorFlow's own converter, on saved models": """
    quantization.experimental.QuantizationComponentSpec quantization.experimental.QuantizationMethod
    quantization.experimental.QuantizationOptions quantization.experimental.TfRecordRepresentativeDatasetSaver
    quantization.experimental.UnitWiseQuantizationSpec quantization.experimental.quantize_saved_model(saved_model_path,output_directory,quantization_options,representative_dataset,overwrite_output_directory)
    """,
    "tensors are not spread over meshes of devices": """
    experimental.dtensor.DTensorCheckpoint experimental.dtensor.DTensorDataset experimental.dtensor.DVariable
    experimental.dtensor.Layout experimental.dtensor.Mesh
    experimental.dtensor.barrier(mesh,barrier_name,timeout_in_ms)
    experimental.dtensor.call_with_layout(fn,layout,args,kwargs) experimental.dtensor.check_layout(tensor,layout)
    experimental.dtensor.client_id() experimental.dtensor.copy_to_mesh(tensor,layout,source_layout)
    experimental.dtensor.create_distributed_mesh(mesh_dims,mesh_name,local_devices,device_type,use_xla_spmd)
    experimental.dtensor.create_mesh(mesh_dims,mesh_name,devices,device_type,use_xla_spmd)
    experimental.dtensor.create_tpu_mesh(mesh_dim_names,mesh_shape,mesh_name,ring_dims,ring_axes,ring_bounds,can_split_host_across_rings,build_ring_across_rings,rotate_ring_across_rings,use_xla_spmd)
    experimental.dtensor.default_mesh(mesh) experimental.dtensor.device_name()
    experimental.dtensor.enable_save_as_bf16(variables) experimental.dtensor.fetch_layout(tensor)
    experimental.dtensor.full_job_name(task_id) experimental.dtensor.get_default_mesh()
    experimental.dtensor.heartbeat_enabled()
    experimental.dtensor.initialize_accelerator_system(device_type,enable_coordination_service,num_logical_cpu_devices,experimental_reset_context,experimental_enable_megcore)
    experimental.dtensor.initialize_multi_client(device_type,enable_coordination_service,num_logical_cpu_devices,experimental_reset_context,experimental_enable_megcore)
    experimental.dtensor.initialize_tpu_system(device_type,enable_coordination_service,num_logical_cpu_devices,experimental_reset_context,experimental_enable_megcore)
    experimental.dtensor.is_dtensor(tensor) experimental.dtensor.job_name() experimental.dtensor.jobs()
    experimental.dtensor.local_devices(device_type,for_client_id)
    experimental.dtensor.name_based_restore(mesh,checkpoint_prefix,name_tensor_dict)
    experimental.dtensor.name_based_save(mesh,checkpoint_prefix,name_tensor_dict) experimental.dtensor.num_clients()
    experimental.dtensor.num_global_devices(device_type) experimental.dtensor.num_local_devices(device_type)
    experimental.dtensor.pack(tensors,layout) experimental.dtensor.preferred_device_type()
    experimental.dtensor.relayout(tensor,layout,name) experimental.dtensor.relayout_like(tensor,layout_tensor,name)
    experimental.dtensor.run_on(mesh)
    experimental.dtensor.sharded_save(mesh,file_prefix,tensor_names,shape_and_slices,tensors)
    experimental.dtensor.shutdown_accelerator_system() experimental.dtensor.shutdown_tpu_system()
    experimental.dtensor.unpack(tensor)
    """,
    "TensorRT runs on GPUs of NVIDIA only": """
    experimental.tensorrt.ConversionParams experimental.tensorrt.Converter
    """,
}
"""Names by the reason. Functions stand with their parameters, classes without."""


class _EmbeddingFeature(enum.Enum):
    """Which embedding engine a TPU has; programs read its values as they are loaded."""

    UNSUPPORTED = "UNSUPPORTED"
    V1 = "V1"
    V2 = "V2"


_EmbeddingFeature.__name__ = "EmbeddingFeature"
publish("experimental.dtensor.MATCH", "match")
publish("experimental.dtensor.UNSHARDED", "unsharded")
for _reason, _names in OUTSIDE.items():
    for _word in _names.split():
        _name, _opening, _rest = _word.partition("(")
        _made = refusing_function(_name, _rest.rstrip(")"), _reason) if _opening else refusing_class(_name, _reason)
        publish(_name, _made)
PUBLIC["tpu.experimental.HardwareFeature"].EmbeddingFeature = _EmbeddingFeature
