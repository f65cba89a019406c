"""tf.config: settings of this process, and where ops are placed. The devices themselves: `config_devices.py`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from millstream import _runtime as runtime
from millstream.api.config_devices import cpu_count
from millstream.api.public import public
from millstream.base import errors
from millstream.base.device_names import device_text, parts_of, processor
from millstream.compiler import passes
from millstream.execution.context import current_graph, placement, soft_placement
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.ops.picking import dynamic_update_slice as _update_op


@public("config.threading.get_intra_op_parallelism_threads")
def get_intra_op_parallelism_threads() -> int:
    """Return the number of threads that one op may use."""
    return int(runtime.thread_count())


@public("config.threading.set_intra_op_parallelism_threads")
def set_intra_op_parallelism_threads(num_threads: int) -> None:
    """Set the number of threads that one op may use; 0 for all of the machine's."""
    if num_threads < 0:
        raise ValueError(
            errors.explain(f"num_threads={num_threads}; give 0 for all, or how many threads one op may use.")
        )
    runtime.set_thread_count(num_threads)


_settings = {"determinism": False, "tensor_float_32": True}
_chosen: dict[str, Any] = {"synchronous": True, "device_policy": "silent", "jit": "", "threads_between": 0}
_options: dict[str, bool] = {"disable_model_pruning": False, "disable_meta_optimizer": False}
_OPTIONS = (
    "layout_optimizer", "constant_folding", "shape_optimization", "remapping", "arithmetic_optimization",
    "dependency_optimization", "loop_optimization", "function_optimization", "debug_stripper", "disable_model_pruning",
    "scoped_allocator_optimization", "pin_to_host_optimization", "implementation_selector", "auto_mixed_precision",
    "disable_meta_optimizer", "min_graph_nodes", "auto_parallel",
)  # fmt: skip


_PASSES = {"constant_folding": ("fold",), "arithmetic_optimization": ("simplify", "share"), "remapping": ("absorb",)}
"""What TensorFlow's options are called here."""


@public("config.experimental.tensor_float_32_execution_enabled")
def tensor_float_32_execution_enabled() -> bool:
    """Return whether products of float32 may be made of shorter numbers. The cpu never makes them so."""
    return _settings["tensor_float_32"]


@public("config.experimental.enable_tensor_float_32_execution")
def enable_tensor_float_32_execution(enabled: bool) -> None:
    """Allow products of float32 to be made of shorter numbers. The cpu never makes them so."""
    _settings["tensor_float_32"] = bool(enabled)


@public("config.experimental.get_synchronous_execution")
def get_synchronous_execution() -> bool:
    """Return whether ops must be done when their call returns. They always are."""
    return bool(_chosen["synchronous"])


@public("config.experimental.set_synchronous_execution")
def set_synchronous_execution(enable: bool) -> None:
    """Say whether ops must be done when their call returns. They always are; False only allows what is never used."""
    _chosen["synchronous"] = bool(enable)


@public("config.experimental.get_device_policy")
def get_device_policy() -> str:
    """Return what happens where tensors of other devices come: "silent" (they are copied), "warn", "explicit" …"""
    return str(_chosen["device_policy"])


@public("config.experimental.set_device_policy")
def set_device_policy(device_policy: str | None) -> None:
    """Say what happens where tensors of other devices come. There is one device: none ever do.

    Args:
      device_policy: "silent", "silent_for_int32", "warn", "explicit"; None for "silent".

    Raises:
      ValueError: for other texts.
    """
    chosen = "silent" if device_policy is None else device_policy
    if chosen not in ("silent", "silent_for_int32", "warn", "explicit"):
        raise ValueError(errors.explain(f"Invalid argument `device_policy`: {device_policy!r}."))
    _chosen["device_policy"] = chosen


@public("config.optimizer.get_jit")
def get_jit() -> str:
    """Return whether all functions were asked to be compiled: "" or "autoclustering". They always are."""
    return str(_chosen["jit"])


@public("config.optimizer.set_jit")
def set_jit(enabled: bool | str) -> None:
    """Ask for all functions to be compiled: they are anyway.

    Args:
      enabled: True or "autoclustering", or False.
    """
    _chosen["jit"] = "autoclustering" if enabled in (True, "autoclustering") else ""


@public("config.optimizer.get_experimental_options")
def get_experimental_options() -> dict[str, bool]:
    """Return the options that were set by `set_experimental_options`, and the two that are always there."""
    return dict(_options)


@public("config.optimizer.set_experimental_options")
def set_experimental_options(options: dict[str, bool]) -> None:
    """Set options of TensorFlow's optimizer of graphs, for functions that are compiled from now on.

    They switch passes of this compiler (`millstream.compiler.passes`): "constant_folding" is "fold",
    "arithmetic_optimization" is "simplify" and "share", "remapping" is "absorb"; "disable_model_pruning" switches "prune" off,
    and "disable_meta_optimizer" all that can be off. The others have no counterpart and are kept to be read.

    Args:
      options: values by name; names that are unknown are left out.
    """
    _options.update({k: v for k, v in options.items() if k in _OPTIONS})
    everything_off = bool(_options["disable_meta_optimizer"])
    off = {name for option, names in _PASSES.items() if not _options.get(option, True) for name in names}
    if _options["disable_model_pruning"]:
        off.add("prune")
    passes.switch_off_only(p.name for p in passes.PASSES if p.optional and (everything_off or p.name in off))


@public("config.threading.get_inter_op_parallelism_threads")
def get_inter_op_parallelism_threads() -> int:
    """Return the number of threads that run ops beside each other, as it was set; 0 leaves it to the runtime."""
    return int(_chosen["threads_between"])


@public("config.threading.set_inter_op_parallelism_threads")
def set_inter_op_parallelism_threads(num_threads: int) -> None:
    """Set the number of threads that run ops beside each other. It is kept to be read: all ops share the threads of one pool."""
    if num_threads < 0:
        raise ValueError(errors.explain(f"num_threads={num_threads}; give 0, or a number of threads."))
    _chosen["threads_between"] = int(num_threads)


@public("config.experimental.enable_op_determinism")
def enable_op_determinism() -> None:
    """Ask for the same results on every run: Millstream's kernels on the cpu give them anyway."""
    _settings["determinism"] = True


@public("config.experimental.disable_op_determinism")
def disable_op_determinism() -> None:
    """Take back enable_op_determinism."""
    _settings["determinism"] = False


def is_op_determinism_enabled() -> bool:
    """Return whether determinism was asked for."""
    return _settings["determinism"]


@public("config.set_soft_device_placement")
def set_soft_device_placement(enabled: bool) -> None:
    """Accept ops on devices that do not exist, by running them on the cpu."""
    placement.soft = bool(enabled)


@public("config.get_soft_device_placement")
def get_soft_device_placement() -> bool:
    """Return whether soft placement is on."""
    return soft_placement()


@public("device")
@contextmanager
def device(device_name: str | None) -> Iterator[None]:
    """Place what is computed inside on a device. The cpu takes what other devices would, unless soft placement is off."""
    if callable(device_name):
        raise RuntimeError(errors.explain("tf.device does not support functions."))
    graph = current_graph()
    if graph is not None and not graph.building_function:
        with graph.device(device_name):
            yield
        return
    if device_name is not None:
        name = device_text(device_name)
        if processor(parts_of(name), cpu_count(), soft_placement()) is None:
            raise errors.InvalidArgumentError(
                None, None, errors.explain(f"{name} unknown device. Choose '/device:CPU:0'.")
            )
    yield


class Context:
    """What TensorFlow's eager context is to libraries: it knows the mode and the devices, and its kernel cache can be cleared."""

    def executing_eagerly(self) -> bool:
        """Return whether ops run at once."""
        return current_graph() is None

    @property
    def device_spec(self) -> Any:
        """The device that calls are placed on: none in particular."""
        from millstream.api.device_spec import DeviceSpec

        return DeviceSpec()

    def clear_kernel_cache(self) -> None:
        """Give cached memory back to the system."""
        runtime.release_cached_memory()

    def num_gpus(self) -> int:
        """Return the number of GPUs."""
        return 0


_context = Context()


def context() -> Context:
    """Return the process's context."""
    return _context


def dynamic_update_slice(input: Any, update: Any, indices: Any) -> Any:
    """Return the input with `update` written at `indices`, moved so that it fits."""
    start = indices if not isinstance(indices, (list, tuple)) else to_tensor(list(indices))
    return apply(_update_op, input, update, start)


@public("sysconfig.get_build_info")
def get_build_info() -> dict[str, Any]:
    """Return how this build was made."""
    return {"is_cuda_build": False, "is_rocm_build": False, "is_tensorrt_build": False}


@public("config.experimental.reset_memory_stats")
def reset_memory_stats(device: str) -> None:
    """Refuse: the peak of the cpu's memory is kept from the start of the process.

    Args:
      device: the name of a device.

    Raises:
      ValueError: always: no device here has statistics that can be reset, as TensorFlow's cpu has none.
    """
    raise ValueError(errors.explain(f"Cannot reset memory stats for device {device!r}: give the name of a GPU."))


@public("config.experimental.enable_mlir_bridge")
def enable_mlir_bridge() -> None:
    """Refuse: there is no MLIR bridge; Millstream's compiler is always on.

    Raises:
      tf.errors.UnimplementedError: always.
    """
    raise errors.UnimplementedError(
        None, None, errors.explain("tf.config.experimental.enable_mlir_bridge is not supported: there is no MLIR here.")
    )


@public("config.experimental.disable_mlir_bridge")
def disable_mlir_bridge() -> None:
    """Return at once: there is no MLIR bridge."""


@public("config.experimental.ClusterDeviceFilters")
class ClusterDeviceFilters:
    """Which devices of a cluster the tasks see. It is kept, and refused where it would be used: there are no clusters."""

    def __init__(self) -> None:
        self._filters: dict[str, dict[int, list[str]]] = {}

    def set_device_filters(self, job_name: str, task_index: int, device_filters: Any) -> None:
        """Set the filters of one task.

        Args:
          job_name: the name of the job.
          task_index: the number of the task in it.
          device_filters: names of devices, such as "/job:ps".

        Raises:
          TypeError: where these are no texts.
        """
        if not all(isinstance(f, str) for f in device_filters):
            raise TypeError(errors.explain("Device filters must be a list of strs"))
        self._filters.setdefault(job_name, {})[int(task_index)] = list(device_filters)


def _no_cluster(name: str) -> errors.UnimplementedError:
    return errors.UnimplementedError(
        None,
        None,
        errors.explain(f"tf.config.{name} is not supported: Millstream runs in one process, without servers."),
    )


@public("config.experimental_connect_to_cluster")
def experimental_connect_to_cluster(
    cluster_spec_or_resolver: Any,
    job_name: str = "localhost",
    task_index: int = 0,
    protocol: Any = None,
    make_master_device_default: bool = True,
    cluster_device_filters: Any = None,
) -> None:
    """Refuse: there are no servers of a cluster to connect to.

    Raises:
      tf.errors.UnimplementedError: always.
    """
    raise _no_cluster("experimental_connect_to_cluster")


@public("config.experimental_connect_to_host")
def experimental_connect_to_host(remote_host: Any = None, job_name: str = "worker") -> None:
    """Refuse: there are no servers to connect to.

    Raises:
      ValueError: where there is no host.
      tf.errors.UnimplementedError: always else.
    """
    if not remote_host:
        raise ValueError(errors.explain("Must provide at least one remote_host"))
    raise _no_cluster("experimental_connect_to_host")


@public("experimental.async_scope")
@contextmanager
def async_scope() -> Iterator[None]:
    """Let ops of the block return before they are done: they always are done."""
    yield


@public("experimental.async_clear_error")
def async_clear_error() -> None:
    """Return at once: errors are raised where they happen."""


@public("experimental.function_executor_type")
@contextmanager
def function_executor_type(executor_type: str | None) -> Iterator[None]:
    """Choose what runs functions in the block: there is one way only, whatever the name.

    Args:
      executor_type: the name; accepted and not used.
    """
    yield


@public("experimental.enable_strict_mode")
def enable_strict_mode() -> None:
    """Make warnings of names that are outdated errors."""
    warnings.filterwarnings("error", category=DeprecationWarning, module="millstream")


@public("experimental.register_filesystem_plugin")
def register_filesystem_plugin(plugin_location: str) -> None:
    """Refuse: plugins for TensorFlow's file systems are bound to its own runtime.

    Args:
      plugin_location: the library.

    Raises:
      tf.errors.UnimplementedError: always.
    """
    raise errors.UnimplementedError(
        None,
        None,
        errors.explain(
            f"{plugin_location}: plugins of file systems are not supported; mount the files, or read them by Python."
        ),
    )
