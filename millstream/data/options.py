"""tf.data.Options: settings of a pipeline. Kept and merged; those that only tune other engines change nothing."""

from __future__ import annotations

import enum
from typing import Any


class AutoShardPolicy(enum.IntEnum):
    """How input is divided among workers."""

    OFF = -1
    AUTO = 0
    FILE = 1
    DATA = 2
    HINT = 3


class ExternalStatePolicy(enum.Enum):
    """What to do about state outside of a pipeline."""

    WARN = 0
    IGNORE = 1
    FAIL = 2


class _Group:
    """Named settings; unknown names raise."""

    names: tuple[str, ...] = ()

    def __init__(self) -> None:
        for name in self.names:
            object.__setattr__(self, name, None)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.names:
            raise AttributeError(
                f"Cannot set the property {name} on {type(self).__name__}; choose one of {', '.join(self.names)}."
            )
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def merge(self, other: Any) -> Any:
        """Return these settings overridden by those that `other` sets."""
        result = type(self)()
        for name in self.names:
            mine, theirs = getattr(self, name), getattr(other, name)
            value = mine.merge(theirs) if isinstance(mine, _Group) else mine if theirs is None else theirs
            object.__setattr__(result, name, value)
        return result


class OptimizationOptions(_Group):
    """tf.data.experimental.OptimizationOptions."""

    names = (
        "apply_default_optimizations",
        "filter_fusion",
        "filter_parallelization",
        "inject_prefetch",
        "map_and_batch_fusion",
        "map_and_filter_fusion",
        "map_fusion",
        "map_parallelization",
        "noop_elimination",
        "parallel_batch",
        "seq_interleave_prefetch",
        "shuffle_and_repeat_fusion",
        "warm_start",
    )


class DistributeOptions(_Group):
    """tf.data.experimental.DistributeOptions."""

    names = ("auto_shard_policy", "num_devices")


class AutotuneOptions(_Group):
    """tf.data.experimental.AutotuneOptions."""

    names = ("enabled", "cpu_budget", "ram_budget", "autotune_algorithm", "initial_parallelism", "min_parallelism")


class ThreadingOptions(_Group):
    """tf.data.ThreadingOptions."""

    names = ("max_intra_op_parallelism", "private_threadpool_size")


class Options(_Group):
    """tf.data.Options."""

    names = (
        "autotune",
        "dataset_name",
        "deterministic",
        "experimental_deterministic",
        "experimental_distribute",
        "experimental_external_state_policy",
        "experimental_optimization",
        "experimental_slack",
        "experimental_symbolic_checkpoint",
        "experimental_threading",
        "experimental_warm_start",
        "framework_type",
        "threading",
    )

    def __init__(self) -> None:
        super().__init__()
        for name, kind in (
            ("autotune", AutotuneOptions),
            ("experimental_distribute", DistributeOptions),
            ("experimental_optimization", OptimizationOptions),
            ("threading", ThreadingOptions),
        ):
            object.__setattr__(self, name, kind())
