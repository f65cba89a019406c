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


class AutotuneAlgorithm(enum.Enum):
    """How other engines search for the number of threads."""

    DEFAULT = 0
    HILL_CLIMB = 1
    GRADIENT_DESCENT = 2
    MAX_PARALLELISM = 3
    STAGE_BASED = 4


class ExternalStatePolicy(enum.Enum):
    """What to do about state outside of a pipeline."""

    WARN = 0
    IGNORE = 1
    FAIL = 2


class OptionsGroup:
    """Named settings of given types. Unknown names and other types raise; what is not set has its default."""

    types: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    aliases: dict[str, str] = {}
    _fixed = False

    def __init__(self) -> None:
        for name, kind in self.types.items():
            group = isinstance(kind, type) and issubclass(kind, OptionsGroup)
            object.__setattr__(self, name, kind() if group else self.defaults.get(name))

    def __getattr__(self, name: str) -> Any:
        if name in type(self).aliases:
            return getattr(self, type(self).aliases[name])
        raise AttributeError(f"{type(self).__name__} has no property {name!r}; choose one of {', '.join(self.types)}.")

    def fixed(self) -> Any:
        """Return these settings, which may not be changed from now on: those of a dataset."""
        object.__setattr__(self, "_fixed", True)
        for name in self.types:
            value = getattr(self, name)
            if isinstance(value, OptionsGroup):
                value.fixed()
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        if self._fixed:
            raise ValueError(
                "Mutating `tf.data.Options()` returned by `tf.data.Dataset.options()` has no effect. Use "
                "`tf.data.Dataset.with_options(options)` to set or update dataset options."
            )
        name = self.aliases.get(name, name)
        if name not in self.types:
            raise AttributeError(
                f"Cannot set the property {name} on {type(self).__name__}; choose one of {', '.join(self.types)}."
            )
        kind = self.types[name]
        if not isinstance(value, kind):
            raise TypeError(f'Property "{name}" must be of type {kind}, got: {value} (type: {type(value)})')
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, n) == getattr(other, n) for n in self.types)

    __hash__ = None  # type: ignore[assignment]

    def merge(self, options: Any) -> Any:
        """Return these settings overridden by those that `options` sets; TypeError for settings of another kind."""
        if type(options) is not type(self):
            raise TypeError(f"Could not merge incompatible options of type {type(options)} and {type(self)}.")
        result, unset = type(self)(), type(self)()
        for name in self.types:
            mine, theirs = getattr(self, name), getattr(options, name)
            if isinstance(mine, OptionsGroup):
                value = mine.merge(theirs)
            elif name == "framework_type" and mine and theirs:
                value = mine + theirs
            else:
                value = mine if theirs == getattr(unset, name) else theirs
            object.__setattr__(result, name, value)
        return result


class AutotuneOptions(OptionsGroup):
    """tf.data.experimental.AutotuneOptions."""

    types = {
        "enabled": bool,
        "cpu_budget": int,
        "ram_budget": int,
        "autotune_algorithm": AutotuneAlgorithm,
        "initial_parallelism": int,
        "min_parallelism": int,
    }


class DistributeOptions(OptionsGroup):
    """tf.data.experimental.DistributeOptions."""

    types = {"auto_shard_policy": AutoShardPolicy, "num_devices": int}
    defaults = {"auto_shard_policy": AutoShardPolicy.AUTO}


class OptimizationOptions(OptionsGroup):
    """tf.data.experimental.OptimizationOptions."""

    types = dict.fromkeys(
        (
            "apply_default_optimizations",
            "filter_fusion",
            "filter_parallelization",
            "inject_prefetch",
            "seq_interleave_prefetch",
            "map_and_batch_fusion",
            "map_and_filter_fusion",
            "map_fusion",
            "map_parallelization",
            "noop_elimination",
            "parallel_batch",
            "shuffle_and_repeat_fusion",
        ),
        bool,
    )


class ServiceOptions(OptionsGroup):
    """tf.data.experimental.ServiceOptions."""

    types = {"pinned": bool}


class ThreadingOptions(OptionsGroup):
    """tf.data.ThreadingOptions."""

    types = {"max_intra_op_parallelism": int, "private_threadpool_size": int}


class Options(OptionsGroup):
    """tf.data.Options: settings of a pipeline, given to `tf.data.Dataset.with_options`.

    `deterministic` decides whether parallel calls keep the order, `autotune.ram_budget` how many bytes the buffers that grow by
    themselves may hold (half of the machine's memory without it). The others are kept and merged, and tune nothing here.

    >>> options = tf.data.Options()
    >>> options.deterministic = False
    >>> options.merge(tf.data.Options()).deterministic
    False
    """

    types = {
        "autotune": AutotuneOptions,
        "deterministic": bool,
        "experimental_distribute": DistributeOptions,
        "experimental_external_state_policy": ExternalStatePolicy,
        "experimental_optimization": OptimizationOptions,
        "experimental_slack": bool,
        "experimental_symbolic_checkpoint": bool,
        "experimental_service": ServiceOptions,
        "experimental_warm_start": bool,
        "dataset_name": str,
        "framework_type": list,
        "threading": ThreadingOptions,
    }
    aliases = {"experimental_deterministic": "deterministic", "experimental_threading": "threading"}


UNSET: Options = Options().fixed()
"""The options of datasets that were given none."""
