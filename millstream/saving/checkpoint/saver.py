"""tf.compat.v1.train.Saver: checkpoints that know variables by names. Version 2 is written; 2 and 1 are read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from millstream.api.public import public
from millstream.base import dtypes, errors
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.trackable import Trackable
from millstream.execution.variable import is_resource_variable
from millstream.ops.registry import find
from millstream.saving.bundle_writer import BundleWriter
from millstream.saving.checkpoint import state
from millstream.saving.checkpoint.restoring import read_object_graph
from millstream.saving.checkpoint.values import check_shape, full_name_of, values_of
from millstream.saving.checkpoint.writing import text_of
from millstream.saving.version_1_checkpoint import open_checkpoint

_HOUR_SECONDS = 3600.0
_VERSION_2 = 2


def _named(given: Any) -> dict[str, Any]:
    """Return variables by the names under which they are saved."""
    if isinstance(given, Mapping):
        pairs: Iterable[tuple[str, Any]] = given.items()
    else:
        pairs = [(full_name_of(v) or getattr(v, "name", ""), v) for v in given]
    found: dict[str, Any] = {}
    for name, variable in pairs:
        if not is_resource_variable(variable) and not isinstance(variable, Trackable):
            raise TypeError(explain(f"Variable to save is not a Variable: {variable}"))
        if name in found:
            raise ValueError(explain(f"At least two variables have the same name: {name}"))
        found[name] = variable
    return found


@public("compat.v1.train.Saver")
class Saver:
    """Writes variables under their names, and brings them back.

    Args:
      var_list: variables, or a dictionary from names to them.
      reshape: whether a value may have another shape than its variable, of as many elements.
      sharded: taken; on one machine there is one file.
      max_to_keep: how many checkpoints to keep; None or 0 for all.
      keep_checkpoint_every_n_hours: a checkpoint is kept for good when it is this much younger than the last such one.
      name: accepted and not used.
      restore_sequentially: taken; one value is read after the other anyway.
      saver_def: not supported: it names ops of a graph.
      builder: not supported.
      defer_build: whether `build` is still to be called.
      allow_empty: whether there may be no variables.
      write_version: must be 2.
      pad_step_number: whether numbers in names have eight digits.
      save_relative_paths: whether the file `checkpoint` names checkpoints relative to its folder.
      filename: accepted and not used.

    Raises:
      RuntimeError: there is no `var_list`.
      ValueError: two variables have one name, or there are none.
      NotImplementedError: for version 1, `saver_def` and `builder`.

    >>> variable = tf.Variable([1.0, 2.0], name="weights")
    >>> saver = tf.compat.v1.train.Saver([variable])
    >>> path = saver.save(None, f"{tempfile.mkdtemp()}/model", global_step=7)
    >>> _ = variable.assign([0.0, 0.0])
    >>> saver.restore(None, path)
    >>> variable.numpy().tolist()
    [1.0, 2.0]
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = _VERSION_2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: str | None = None,
    ) -> None:
        if defer_build and var_list:
            raise ValueError(
                explain(
                    "If `var_list` is provided then build cannot be deferred. Either set defer_build=False or var_list=None."
                )
            )
        if var_list is None and not defer_build:
            raise RuntimeError(
                explain("When eager execution is enabled, `var_list` must specify a list or dict of variables to save")
            )
        if saver_def is not None or builder is not None:
            raise NotImplementedError(
                explain(
                    "saver_def and builder name ops of a version-1 graph; give var_list, and values are written directly."
                )
            )
        if write_version != _VERSION_2:
            raise NotImplementedError(
                explain(f"Checkpoints of version {write_version} are read, not written; use write_version=2.")
            )
        self._reshape, self._max_to_keep, self._every_hours = reshape, max_to_keep, keep_checkpoint_every_n_hours
        self._allow_empty, self._pad, self._relative = allow_empty, pad_step_number, save_relative_paths
        self._next_preserved = time.time() + keep_checkpoint_every_n_hours * _HOUR_SECONDS
        self._last: list[tuple[str, float]] = []
        self._variables: dict[str, Any] | None = None
        self._filename = filename or "model"
        if not defer_build:
            self._take(var_list)

    def _take(self, var_list: Any) -> None:
        self._variables = _named(var_list)
        if not self._variables and not self._allow_empty:
            raise ValueError(explain("No variables to save; give var_list, or allow_empty=True."))

    def build(self) -> None:
        """Raise: which variables there are is known in version-1 graphs only."""
        raise RuntimeError(explain("Use save/restore instead of build in eager mode."))

    def _held(self) -> dict[str, Any]:
        if self._variables is None:
            raise RuntimeError(explain("`build()` should be called before save if defer_build==True"))
        return self._variables

    def save(
        self,
        sess: Any,
        save_path: Any,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """Write the variables and return the path of the checkpoint; None where there are none.

        Args:
          sess: not used: values are at hand.
          save_path: where to, without number.
          global_step: a number, or what holds one, for the end of the path.
          latest_filename: the file that says which checkpoint is the latest, `checkpoint` without it.
          meta_graph_suffix: accepted and not used, as there is no graph.
          write_meta_graph: the same.
          write_state: whether to write that file.
          strip_default_attrs: accepted and not used.
          save_debug_info: accepted and not used.

        Raises:
          ValueError: the path is that of the file that names the latest one.
          NotImplementedError: inside of a traced function.
        """
        if current_graph() is not None:
            raise NotImplementedError(explain("Saver.save writes now; call it outside of traced functions."))
        held = self._held()
        latest = latest_filename or "checkpoint"
        if os.path.split(latest)[0]:
            raise ValueError(explain("'latest_filename' must not contain path components"))
        path = text_of(save_path)
        if global_step is None:
            if os.path.basename(path) == latest:
                raise ValueError(explain(f"'latest_filename' collides with 'save_path': '{latest}' and '{path}'"))
        else:
            number = int(global_step.numpy() if hasattr(global_step, "numpy") else global_step)
            path = f"{path}-{number:08d}" if self._pad else f"{path}-{number}"
        if not held:
            return None
        with BundleWriter(path) as writer:
            for name, variable in held.items():
                if is_resource_variable(variable):
                    writer.add(name, variable.value() if callable(variable.value) else variable.value.value())
                    continue
                for value in values_of(variable, name).values:
                    writer.add(value.key, value.tensor)
        if write_state:
            self._note(path, os.path.dirname(path), latest)
        return path

    def _note(self, path: str, folder: str, latest: str) -> None:
        self._last = [item for item in self._last if item[0] != path]
        self._last.append((path, time.time()))
        gone = None
        if self._max_to_keep and len(self._last) > self._max_to_keep:
            gone = self._last.pop(0)
        state.update_state(folder, path, self.last_checkpoints, latest, self._relative)
        if gone is None:
            return
        if gone[1] > self._next_preserved:
            self._next_preserved += self._every_hours * _HOUR_SECONDS
            return
        state.delete_files(gone[0])

    def restore(self, sess: Any, save_path: Any) -> None:
        """Bring the variables' values back.

        Args:
          sess: not used.
          save_path: the path of a checkpoint of names, of version 2 or 1, or of objects, whose variables' names are known too.

        Raises:
          ValueError: there is no checkpoint, or a value has a shape that its variable cannot hold.
          tf.errors.NotFoundError: a variable is not in it.
          tf.errors.InvalidArgumentError: a value has another element type than its variable.
        """
        held = self._held()
        if not held:
            return
        if save_path is None:
            raise ValueError(explain("Can't load save_path when it is None."))
        path = text_of(save_path)
        if not state.checkpoint_exists(path):
            raise ValueError(explain(f"The passed save_path is not a valid checkpoint: {path}"))
        reader = open_checkpoint(path)
        keys = {name: name for name in held}
        if not all(name in reader for name in held):
            graph = read_object_graph(reader)
            for node in graph.nodes if graph is not None else ():
                for attribute in node.attributes:
                    if attribute.full_name in keys:
                        keys[attribute.full_name] = attribute.checkpoint_key
        for name, key in keys.items():
            self._restore_one(reader, key, held[name])

    def _restore_one(self, reader: Any, key: str, variable: Any) -> None:
        if not is_resource_variable(variable):
            saved = values_of(variable, key)
            prefix = saved.attributes[0].key if variable._saved_name else ""
            variable._restore_from_tensors(
                {
                    v.key[len(prefix) :] if prefix else v.key.rpartition("/")[2]: reader.tensor(v.key)
                    for v in saved.values
                }
            )
            return
        have, want = reader.entry(key).dtype, as_dtype(variable.dtype)
        if have is not want:
            raise errors.InvalidArgumentError(
                None, None, f"tensor_name = {key}; expected dtype {want.name} does not equal original dtype {have.name}"
            )
        value = reader.tensor(key)
        if (
            self._reshape
            and variable.shape.is_fully_defined()
            and value.shape.num_elements() == variable.shape.num_elements()
        ):
            value = apply(find("Reshape"), value, to_tensor(variable.shape.as_list(), dtypes.int64))
        check_shape(variable, value)
        variable._restore_from_tensors({"VARIABLE_VALUE": value})

    @property
    def last_checkpoints(self) -> list[str]:
        """The paths of those that may still be deleted, the oldest first."""
        return [path for path, _ in self._last]

    def set_last_checkpoints(self, last_checkpoints: list[str]) -> None:
        """Say which checkpoints may be deleted, the oldest first."""
        self._last = [(path, float("inf")) for path in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: list[tuple[str, float]]) -> None:
        """Say which checkpoints may be deleted, and when they were written."""
        self._last = list(last_checkpoints_with_time)

    def recover_last_checkpoints(self, checkpoint_paths: Iterable[str]) -> None:
        """Say which checkpoints may be deleted; those that are not there are left out."""
        found = [(path, state.get_checkpoint_mtimes([path])) for path in checkpoint_paths]
        self._last = [(path, times[0]) for path, times in found if times]

    def as_saver_def(self) -> Any:
        """Return a SaverDef with what this object was given."""
        return message("SaverDef")(
            filename_tensor_name=self._filename,
            max_to_keep=self._max_to_keep or 0,
            keep_checkpoint_every_n_hours=self._every_hours,
            version=_VERSION_2,
        )

    def to_proto(self, export_scope: Any = None) -> Any:
        """Return a SaverDef with what this object was given."""
        return self.as_saver_def()

    @staticmethod
    def from_proto(saver_def: Any, import_scope: Any = None) -> Saver:
        """Raise: a SaverDef names ops of a version-1 graph."""
        return Saver(saver_def=saver_def, var_list=[])

    def export_meta_graph(self, filename: str | None = None, **options: Any) -> Any:
        """Raise: there is no version-1 graph to write."""
        raise NotImplementedError(
            explain("There is no version-1 graph to write; tf.saved_model.save writes functions.")
        )
