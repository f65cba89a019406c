"""tf.compat.v1.train.Saver: checkpoints that know variables by names, in sessions and where ops run at once.

Version 2 is written; 2 and 1 are read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
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
from millstream.saving.checkpoint.graph_saver import parts_in_graph, restore_in_session, write_of_session
from millstream.saving.checkpoint.restoring import read_object_graph
from millstream.saving.checkpoint.values import check_shape, full_name_of, values_of
from millstream.saving.checkpoint.writing import text_of
from millstream.saving.meta_graph import Parts, graph_in_use, meta_graph_of
from millstream.saving.meta_graph import write as write_meta_graph_file
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
      saver_def: a SaverDef of a graph that `import_meta_graph` added: its variables are saved.
      builder: not supported.
      defer_build: whether `build` is still to be called.
      allow_empty: whether there may be no variables.
      write_version: must be 2.
      pad_step_number: whether numbers in names have eight digits.
      save_relative_paths: whether the file `checkpoint` names checkpoints relative to its folder.
      filename: accepted and not used.

    Raises:
      RuntimeError: there is no `var_list`, and ops run at once; in a graph, all its global variables are meant.
      ValueError: two variables have one name, or there are none, or `saver_def` is of another graph.
      NotImplementedError: for version 1 and `builder`.

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
        self._graph = graph_in_use()
        if var_list is None and not defer_build and self._graph is None:
            raise RuntimeError(
                explain("When eager execution is enabled, `var_list` must specify a list or dict of variables to save")
            )
        if builder is not None:
            raise NotImplementedError(
                explain("builder makes ops that save; give var_list, and values are written directly.")
            )
        if saver_def is not None:
            max_to_keep, keep_checkpoint_every_n_hours = saver_def.max_to_keep, saver_def.keep_checkpoint_every_n_hours
        if write_version != _VERSION_2:
            raise NotImplementedError(
                explain(f"Checkpoints of version {write_version} are read, not written; use write_version=2.")
            )
        self._reshape, self._max_to_keep, self._every_hours = reshape, max_to_keep, keep_checkpoint_every_n_hours
        self._allow_empty, self._pad, self._relative = allow_empty, pad_step_number, save_relative_paths
        self._next_preserved = time.time() + keep_checkpoint_every_n_hours * _HOUR_SECONDS
        self._last: list[tuple[str, float]] = []
        self._variables: dict[str, Any] | None = None
        self._parts: Parts = []
        self._filename = filename or "model"
        self.saver_def = message("SaverDef")(
            max_to_keep=max_to_keep or 0,
            keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
            version=_VERSION_2,
        )
        if saver_def is not None:
            self._take_imported(saver_def)
        elif not defer_build:
            self._take(var_list)

    def _take(self, var_list: Any) -> None:
        if self._graph is None:
            self._variables = _named(var_list)
        else:
            self._parts = parts_in_graph(self._graph, var_list)
            self._variables = {key: variable for key, _, variable in self._parts}
        if not self._variables and not self._allow_empty:
            raise ValueError(explain("No variables to save; give var_list, or allow_empty=True."))

    def _take_imported(self, saver_def: Any) -> None:
        known = {} if self._graph is None else self._graph.__dict__.get("saved_parts", {})
        if saver_def.restore_op_name not in known:
            raise ValueError(
                explain(
                    f"The SaverDef names {saver_def.restore_op_name!r}, which no graph that was imported here has; use "
                    "tf.compat.v1.train.import_meta_graph, or give var_list."
                )
            )
        self._parts = known[saver_def.restore_op_name]
        self._variables = {key: variable for key, _, variable in self._parts}

    def build(self) -> None:
        """Take the variables of the graph now, where that was put off; RuntimeError where ops run at once."""
        if self._graph is None:
            self._graph = graph_in_use()
        if self._graph is None:
            raise RuntimeError(explain("Use save/restore instead of build in eager mode."))
        if self._variables is None:
            self._take(None)

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
          sess: the session; not used where ops run at once.
          save_path: where to, without number.
          global_step: a number, or what holds one, for the end of the path.
          latest_filename: the file that says which checkpoint is the latest, `checkpoint` without it.
          meta_graph_suffix: the end of the name of the graph's file.
          write_meta_graph: whether to write the graph beside its variables, where there is one.
          write_state: whether to write that file.
          strip_default_attrs: whether the graph says that defaults are left out.
          save_debug_info: accepted and not used.

        Raises:
          TypeError: `sess` is no session.
          ValueError: the path is that of the file that names the latest one.
          NotImplementedError: inside of a traced function.
        """
        if self._graph is None and current_graph() is not None:
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
            number = _step_number(global_step, sess if self._graph is not None else None)
            path = f"{path}-{number:08d}" if self._pad else f"{path}-{number}"
        if not held:
            return None
        if self._graph is not None:
            write_of_session(sess, self._parts, path)
            if write_meta_graph:
                self.export_meta_graph(f"{path}.{meta_graph_suffix}", strip_default_attrs=strip_default_attrs)
            if write_state:
                self._note(path, os.path.dirname(path), latest)
            return path
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
        with suppress(FileNotFoundError):
            os.remove(f"{gone[0]}.meta")

    def restore(self, sess: Any, save_path: Any) -> None:
        """Bring the variables' values back.

        Args:
          sess: the session; not used where ops run at once.
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
        if self._graph is not None:
            restore_in_session(sess, self._parts, path, self._reshape)
            return
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
        return self.saver_def

    def to_proto(self, export_scope: Any = None) -> Any:
        """Return a SaverDef with what this object was given."""
        return self.saver_def

    @staticmethod
    def from_proto(saver_def: Any, import_scope: Any = None) -> Saver:
        """Return the Saver of a graph that was imported; ValueError where it was not."""
        return Saver(saver_def=saver_def, name=import_scope)

    def export_meta_graph(
        self,
        filename: str | None = None,
        collection_list: Any = None,
        as_text: bool = False,
        export_scope: str | None = None,
        clear_devices: bool = False,
        clear_extraneous_savers: bool = False,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> Any:
        """Return the graph with what saves and restores its variables as a MetaGraphDef message, and write it to a file.

        See `tf.compat.v1.train.export_meta_graph`.

        Raises:
          NotImplementedError: where ops run at once, and for `export_scope`.
        """
        if self._graph is None or export_scope:
            raise NotImplementedError(
                explain("There is no version-1 graph to write; tf.saved_model.save writes functions.")
                if self._graph is None
                else explain("export_scope is not supported; write the whole graph.")
            )
        made = meta_graph_of(
            self._graph,
            self._parts,
            self.saver_def,
            collection_list,
            clear_devices=clear_devices,
            strip_default_attrs=strip_default_attrs,
        )
        if filename:
            write_meta_graph_file(made, filename, as_text)
        return made


def _step_number(given: Any, session: Any) -> int:
    if hasattr(given, "graph") and session is not None:
        return int(session.run(given))
    return int(given.numpy() if hasattr(given, "numpy") else given)
