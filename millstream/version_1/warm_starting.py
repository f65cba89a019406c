"""tf.compat.v1.train.init_from_checkpoint and warm_start: variables of a graph whose initial values a checkpoint gives.

Refuses vocabularies that changed: `VocabInfo` is there to be named, not to be followed.
"""

from __future__ import annotations

import logging
import re
from collections import namedtuple
from collections.abc import Iterable, Mapping
from typing import Any

from millstream.api.public import public, publish, root
from millstream.base.errors import explain
from millstream.execution.context import executing_eagerly
from millstream.execution.dispatch import new_operation
from millstream.execution.variable import Variable
from millstream.version_1.variables.keys import GraphKeys, get_collection
from millstream.version_1.variables.store import current_store

tf: Any = root()
log = logging.getLogger("millstream")

VocabInfo = namedtuple(
    "VocabInfo",
    ["new_vocab", "new_vocab_size", "num_oov_buckets", "old_vocab", "old_vocab_size", "backup_initializer", "axis"],
    defaults=(-1, None, 0),
)
publish("compat.v1.train.VocabInfo", VocabInfo)


class _Checkpoint:
    """A checkpoint's path, and the shapes in it by name."""

    def __init__(self, folder_or_file: Any) -> None:
        given = str(folder_or_file)
        self.path = tf.train.latest_checkpoint(given) or given
        self.shapes = tf.train.load_checkpoint(given).get_variable_to_shape_map()

    def give(self, name: str, variables: list[Any], where: str) -> None:
        """Let variables, the parts of one as a rule, begin with what the checkpoint has under a name."""
        if name not in self.shapes:
            raise ValueError(
                explain(
                    f"Tensor {name} is not found in {self.path} checkpoint; it was to begin {where}. It has {sorted(self.shapes)}."
                )
            )
        for variable in variables:
            part = variable.__dict__.get("_save_slice_info")
            shape = variable.shape if part is None else tf.TensorShape(part.full_shape)
            if not shape.is_compatible_with(self.shapes[name]):
                raise ValueError(
                    explain(
                        f"Shape of variable {variable.name} ({shape}) doesn't match with shape of tensor {name} "
                        f"({self.shapes[name]}) from checkpoint reader."
                    )
                )
            with variable.graph.as_default(), tf.name_scope("checkpoint_initializer"):
                (value,) = tf.raw_ops.RestoreV2(
                    prefix=self.path,
                    tensor_names=[name],
                    shape_and_slices=["" if part is None else part.spec],
                    dtypes=[variable.dtype.base_dtype],
                )
                value.set_shape(variable.shape)
                variable.assign(value, read_value=False)
                variable._initializer_op, variable._initial_value = new_operation(), value
            log.info("Initialize variable %s from checkpoint %s with %s", variable.name, self.path, name)


def _parts_of(given: Any) -> list[Any] | None:
    """Return the variables that something is, None where it is a name."""
    if isinstance(given, Variable):
        return [given]
    if hasattr(given, "_get_variable_list"):
        return list(given._get_variable_list())
    if isinstance(given, list) and all(isinstance(v, Variable) for v in given):
        return given
    return None


def _named(name: str, held: Mapping[str, Any]) -> list[Any] | None:
    if name in held:
        return [held[name]]
    parts: list[Any] = []
    while f"{name}/part_{len(parts)}" in held:
        parts.append(held[f"{name}/part_{len(parts)}"])
    return parts or None


@public("compat.v1.train.init_from_checkpoint")
def init_from_checkpoint(ckpt_dir_or_file: Any, assignment_map: Any) -> None:
    """Let variables begin with what a checkpoint has, when they are initialised.

    Args:
      ckpt_dir_or_file: the path of a checkpoint, or a folder whose latest one is meant.
      assignment_map: pairs of what is in the checkpoint and here: a name, and a variable or its name; or "scope/" for all in
        a scope, and "scope/" here; "/" is the outermost scope.

    Raises:
      ValueError: the checkpoint lacks a name, a shape differs, or a scope is paired with a name.
      NotImplementedError: ops run at once: values are assigned there.
    """
    if executing_eagerly():
        raise NotImplementedError(
            explain(
                "init_from_checkpoint sets initializers of graphs; use tf.train.Checkpoint, or assign tf.train.load_variable(...)."
            )
        )
    checkpoint = _Checkpoint(ckpt_dir_or_file)
    held = current_store().variables
    pairs: Iterable[tuple[str, Any]]
    pairs = assignment_map.items() if isinstance(assignment_map, Mapping) else assignment_map
    for name, target in sorted(pairs, key=lambda pair: pair[0]):
        variables = _parts_of(target)
        if variables is None:
            variables = _named(target, held)
        if variables is not None:
            checkpoint.give(name, variables, str(getattr(target, "name", target)))
            continue
        if not name.endswith("/"):
            raise ValueError(
                explain(
                    f"Assignment map with scope only name {target} should map to scope only {name}. Should be 'scope/': "
                    "'other_scope/'."
                )
            )
        _give_scope(checkpoint, name, target, held)


def _give_scope(checkpoint: _Checkpoint, name: str, target: str, held: Mapping[str, Any]) -> None:
    scope = target[: target.rindex("/")] if "/" in target else ""
    inside = {n.partition("/part_")[0] for n in held if not scope or n.startswith(f"{scope}/")}
    for own in sorted(inside):
        rest = own[len(scope) :]
        rest = rest if target == "/" else rest[1:]
        wanted = (rest if name == "/" else name + rest).rstrip("/")
        checkpoint.give(wanted, _named(own, held) or [], own)


@public("compat.v1.train.warm_start")
def warm_start(
    ckpt_to_initialize_from: Any,
    vars_to_warm_start: Any = ".*",
    var_name_to_vocab_info: Any = None,
    var_name_to_prev_var_name: Mapping[str, str] | None = None,
) -> None:
    """Let variables begin with what a checkpoint has under their names, when they are initialised.

    Args:
      ckpt_to_initialize_from: the path of a checkpoint, or a folder whose latest one is meant.
      vars_to_warm_start: a pattern of names of trainable variables; a list of patterns of all; a list of variables; None.
      var_name_to_vocab_info: not supported.
      var_name_to_prev_var_name: names in the checkpoint by names here, where they differ.

    Raises:
      ValueError: the checkpoint lacks a name, or a shape differs.
      NotImplementedError: for `var_name_to_vocab_info`, and where ops run at once.
    """
    if var_name_to_vocab_info:
        raise NotImplementedError(
            explain(
                "var_name_to_vocab_info is not supported: give rows their new order yourself, with tf.gather on the old ones."
            )
        )
    previous = dict(var_name_to_prev_var_name or {})
    groups: dict[str, list[Any]] = {}
    for variable in _chosen(vars_to_warm_start):
        for part in _parts_of(variable) or []:
            info = part.__dict__.get("_save_slice_info")
            groups.setdefault(part.op.name if info is None else info.full_name, []).append(part)
    unknown = set(previous) - set(groups)
    if unknown:
        raise ValueError(
            explain(
                f"You provided the following variables in var_name_to_prev_var_name that were not used: {sorted(unknown)}."
            )
        )
    init_from_checkpoint(ckpt_to_initialize_from, [(previous.get(n, n), parts) for n, parts in groups.items()])


def _chosen(given: Any) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, str):
        return get_collection(GraphKeys.TRAINABLE_VARIABLES, given)
    if isinstance(given, list) and all(isinstance(item, str) for item in given):
        every = get_collection(GraphKeys.GLOBAL_VARIABLES)
        return [v for v in every if any(re.match(pattern, v.name) for pattern in given)]
    if isinstance(given, list) and all(_parts_of(item) is not None for item in given):
        return given
    raise ValueError(explain("If `vars_to_warm_start` is a list, it must be all `Variable` or all `str`."))
