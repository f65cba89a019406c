"""Saved models of version 1, written from a session and read into one: tf.compat.v1.saved_model.Builder, load, simple_save.

Refuses folders that hold something already, and tags that no graph of a model has.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from millstream.api.public import public, publish, root
from millstream.base.errors import explain
from millstream.base.messages import message
from millstream.execution.static_value import static_value
from millstream.saving import constants
from millstream.saving.files import asset_path, name_asset, read_saved_model
from millstream.saving.meta_graph import graph_in_use, import_with_elements, write
from millstream.saving.saver_nodes import element_of
from millstream.saving.version_1 import assets_of

tf: Any = root()

_TRAIN_OP = "__saved_model_train_op"


def _op_signature(operation: Any, key: str) -> Any:
    """Return a SignatureDef that names an operation."""
    made = message("SignatureDef")()
    made.outputs[key].name = operation.name
    made.outputs[key].tensor_shape.unknown_rank = True
    return made


@public("compat.v1.saved_model.Builder", "compat.v1.saved_model.builder.SavedModelBuilder")
class SavedModelBuilder:
    """Writes graphs with the variables of a session as a saved model.

    Args:
      export_dir: a folder that is not there yet, or is empty.

    Raises:
      AssertionError: it holds something.

    >>> folder = f"{tempfile.mkdtemp()}/model"
    >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    ...     x = tf.compat.v1.placeholder(tf.float32, [None], name="x")
    ...     weight = tf.compat.v1.get_variable("w", initializer=2.0)
    ...     session.run(tf.compat.v1.global_variables_initializer())
    ...     tf.compat.v1.saved_model.simple_save(session, folder, {"x": x}, {"y": x * weight})
    >>> tf.saved_model.load(folder).signatures["serving_default"](x=tf.constant([3.0]))["y"].numpy().tolist()
    [6.0]
    """

    def __init__(self, export_dir: Any) -> None:
        self._folder = os.fspath(export_dir)
        if os.path.isdir(self._folder) and os.listdir(self._folder):
            raise AssertionError(
                explain(
                    f"Export directory {self._folder} already exists, and isn't empty. Please choose a different export "
                    "directory, or delete all the contents of the specified directory."
                )
            )
        os.makedirs(self._folder, exist_ok=True)
        self._saved_model = message("SavedModel")(saved_model_schema_version=constants.SCHEMA_VERSION)
        self._has_variables = False
        self._assets: dict[str, str] = {}
        """The names of files in the model, by their paths."""

    def add_meta_graph_and_variables(
        self,
        sess: Any,
        tags: Iterable[str],
        signature_def_map: Mapping[str, Any] | None = None,
        assets_collection: Sequence[Any] | None = None,
        legacy_init_op: Any = None,
        clear_devices: bool = False,
        init_op: Any = None,
        train_op: Any = None,
        strip_default_attrs: bool = False,
        saver: Any = None,
        main_op: Any = None,
    ) -> None:
        """Add the graph in use under tags, with the variables of a session; called once, before `add_meta_graph`.

        Args:
          sess: the session.
          tags: what the graph is found by.
          signature_def_map: signatures by names.
          assets_collection: constant tensors of the paths of files that go with the model.
          legacy_init_op: an older name of `init_op`.
          clear_devices: whether to leave devices out.
          init_op: is run when the model is loaded.
          train_op: an operation that trains.
          strip_default_attrs: whether the graph says that defaults are left out.
          saver: what saves the variables; all global ones without it.
          main_op: another name of `init_op`.

        Raises:
          AssertionError: it was called before.
        """
        if self._has_variables:
            raise AssertionError(
                explain(
                    "Graph state including variables and assets has already been saved. Please invoke `add_meta_graph()` instead."
                )
            )
        saver = saver or tf.compat.v1.train.Saver(sharded=True, allow_empty=True)
        folder = os.path.join(self._folder, constants.VARIABLES_DIRECTORY)
        os.makedirs(folder, exist_ok=True)
        saver.save(sess, os.path.join(folder, constants.VARIABLES_FILENAME), write_meta_graph=False, write_state=False)
        self._has_variables = True
        start = main_op or init_op or legacy_init_op
        self._add(
            saver, tags, signature_def_map, assets_collection, start, train_op, clear_devices, strip_default_attrs
        )

    def add_meta_graph(
        self,
        tags: Iterable[str],
        signature_def_map: Mapping[str, Any] | None = None,
        assets_collection: Sequence[Any] | None = None,
        legacy_init_op: Any = None,
        clear_devices: bool = False,
        init_op: Any = None,
        train_op: Any = None,
        saver: Any = None,
        main_op: Any = None,
        strip_default_attrs: bool = False,
    ) -> None:
        """Add the graph in use under other tags; its variables are those that were saved before.

        See `add_meta_graph_and_variables`.

        Raises:
          AssertionError: no variables were saved yet.
        """
        if not self._has_variables:
            raise AssertionError(
                explain(
                    "Graph state including variables and assets has not been saved yet. Please invoke `add_meta_graph_and_variables()` first."
                )
            )
        saver = saver or tf.compat.v1.train.Saver(sharded=True, allow_empty=True)
        start = main_op or init_op or legacy_init_op
        self._add(
            saver, tags, signature_def_map, assets_collection, start, train_op, clear_devices, strip_default_attrs
        )

    def _add(
        self,
        saver: Any,
        tags: Iterable[str],
        signatures: Mapping[str, Any] | None,
        assets: Sequence[Any] | None,
        start: Any,
        train: Any,
        clear_devices: bool,
        strip_default_attrs: bool,
    ) -> None:
        made = saver.export_meta_graph(clear_devices=clear_devices, strip_default_attrs=strip_default_attrs)
        made.meta_info_def.tags.extend(sorted(tags))
        for key, definition in (signatures or {}).items():
            made.signature_def[key].MergeFromString(definition.SerializeToString())
        for key, operation in ((constants.INIT_SIGNATURE, start), (_TRAIN_OP, train)):
            if operation is not None:
                made.signature_def[key].CopyFrom(_op_signature(operation, key))
        for tensor in assets or ():
            self._copy_asset(made, tensor)
        self._saved_model.meta_graphs.add().CopyFrom(made)

    def _copy_asset(self, made: Any, tensor: Any) -> None:
        known = static_value(tensor)
        if known is None:
            raise ValueError(explain(f"Asset filepath tensor {tensor!r} must be a constant."))
        text = known.item() if hasattr(known, "item") else known
        path = text.decode() if isinstance(text, bytes) else str(text)
        folder = os.path.join(self._folder, constants.ASSETS_DIRECTORY)
        os.makedirs(folder, exist_ok=True)
        name = name_asset(path, self._assets)
        shutil.copyfile(path, os.path.join(folder, name))
        asset = made.asset_file_def.add(filename=name)
        asset.tensor_info.name = tensor.name

    def save(
        self,
        as_text: bool = False,
        experimental_image_format: bool = False,
        experimental_image_writer_options: Any = None,
    ) -> str:
        """Write the model's file and return its path.

        Raises:
          NotImplementedError: `experimental_image_format`.
        """
        if experimental_image_format or experimental_image_writer_options is not None:
            raise NotImplementedError(explain("experimental_image_format is not supported; write one file."))
        name = constants.FILENAME_PBTXT if as_text else constants.FILENAME_PB
        path = os.path.join(self._folder, name)
        write(self._saved_model, path, as_text)
        return path


@public("compat.v1.saved_model.simple_save")
def simple_save(session: Any, export_dir: Any, inputs: Any, outputs: Any, legacy_init_op: Any = None) -> None:
    """Write the graph in use and the variables of a session as a model to serve.

    Args:
      session: the session.
      export_dir: a folder that is not there yet, or is empty.
      inputs: tensors by names, which are fed.
      outputs: tensors by names, which are given.
      legacy_init_op: is run when the model is loaded, beside what fills tables.
    """
    start = tf.group(tf.compat.v1.tables_initializer(), legacy_init_op) if legacy_init_op is not None else None
    builder = SavedModelBuilder(export_dir)
    signature = tf.compat.v1.saved_model.predict_signature_def(inputs, outputs)
    builder.add_meta_graph_and_variables(
        session,
        [constants.SERVING],
        {constants.DEFAULT_SIGNATURE: signature},
        assets_collection=graph_in_use().get_collection("asset_filepaths"),
        main_op=start or tf.compat.v1.tables_initializer(),
        clear_devices=True,
    )
    builder.save()


@public("compat.v1.saved_model.load", "compat.v1.saved_model.loader.load")
def load(sess: Any, tags: Iterable[str], export_dir: Any, import_scope: str | None = None, **saver_kwargs: Any) -> Any:
    """Add a graph of a saved model to the session's, restore its variables there, and run what it wants to be run once.

    Args:
      sess: the session.
      tags: those of the graph.
      export_dir: the folder of the model.
      import_scope: put before all names.
      **saver_kwargs: see `tf.compat.v1.train.import_meta_graph`.

    Returns:
      The MetaGraphDef message of the graph.

    Raises:
      RuntimeError: there is no graph with just these tags.
      OSError: there is no model.
    """
    folder = os.fspath(export_dir)
    wanted = {tags} if isinstance(tags, str) else set(tags)
    model = read_saved_model(folder)
    found = [m for m in model.meta_graphs if set(m.meta_info_def.tags) == wanted]
    if not found:
        there = [sorted(m.meta_info_def.tags) for m in model.meta_graphs]
        raise RuntimeError(
            explain(
                f"MetaGraphDef associated with tags {sorted(wanted)} could not be found in SavedModel; it has {there}."
            )
        )
    meta_graph = found[0]
    prefix = f"{import_scope.removesuffix('/')}/" if import_scope else ""
    files = assets_of(meta_graph)
    assets = [asset_path(folder, file) for file in files]
    with sess.graph.as_default():
        saver, _ = import_with_elements(meta_graph, import_scope=import_scope, assets=assets, **saver_kwargs)
        path = os.path.join(folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
        if saver is not None and os.path.exists(f"{path}.index"):
            saver.restore(sess, path)
        feeds = {
            element_of(sess.graph, prefix + file.tensor_info.name): path
            for file, path in zip(files, assets, strict=True)
        }
        name = _start_of(meta_graph)
        if name:
            sess.run(element_of(sess.graph, prefix + name), feeds)
    return meta_graph


def _start_of(meta_graph: Any) -> str:
    """Return the name of the operation that is run once; empty where there is none."""
    signature = meta_graph.signature_def.get(constants.INIT_SIGNATURE)
    if signature is not None:
        return str(signature.outputs[constants.INIT_SIGNATURE].name)
    for key in (constants.MAIN_OP, constants.LEGACY_INIT):
        if key in meta_graph.collection_def:
            return next((str(name) for name in meta_graph.collection_def[key].node_list.value), "")
    return ""


def main_op() -> Any:
    """Return an operation that initialises variables and fills tables."""
    v1 = tf.compat.v1
    return tf.group(v1.global_variables_initializer(), v1.local_variables_initializer(), v1.tables_initializer())


def main_op_with_restore(restore_op_name: str) -> Any:
    """Return an operation that initialises variables, fills tables, and waits for the operation that restores.

    Args:
      restore_op_name: the name of that operation in the graph.
    """
    with tf.control_dependencies([main_op()]):
        restore = tf.compat.v1.get_default_graph().get_operation_by_name(restore_op_name)
        return tf.group(restore)


publish("compat.v1.saved_model.main_op.main_op", main_op)
for _name in ("main_op_with_restore", "main_op.main_op_with_restore"):
    publish(f"compat.v1.saved_model.{_name}", main_op_with_restore)


@public("compat.v1.saved_model.signature_def_utils.MethodNameUpdater")
class MethodNameUpdater:
    """Changes the method names of signatures in a saved model's file.

    Args:
      export_dir: the folder of the model.
    """

    def __init__(self, export_dir: Any) -> None:
        self._folder = os.fspath(export_dir)
        self._saved_model = read_saved_model(self._folder)

    def replace_method_name(self, signature_key: str, method_name: str, tags: Any = None) -> None:
        """Give a signature another method name, in the graphs of `tags` or in all.

        Raises:
          ValueError: a name is missing, or no graph has these tags and this signature.
        """
        if not signature_key or not method_name:
            raise ValueError(explain("Both `signature_key` and `method_name` must be given."))
        wanted = None if tags is None else {tags} if isinstance(tags, str) else set(tags)
        is_there = False
        for meta_graph in self._saved_model.meta_graphs:
            if wanted is None or set(meta_graph.meta_info_def.tags) == wanted:
                if signature_key not in meta_graph.signature_def:
                    raise ValueError(explain(f"MetaGraphDef does not have a signature {signature_key!r}."))
                meta_graph.signature_def[signature_key].method_name = method_name
                is_there = True
        if not is_there:
            raise ValueError(explain(f"MetaGraphDef associated with tags {tags} could not be found in SavedModel."))

    def save(self, new_export_dir: Any = None) -> None:
        """Write the file: into the same folder, or alone into another one."""
        folder = self._folder if new_export_dir is None else os.fspath(new_export_dir)
        write(self._saved_model, os.path.join(folder, constants.FILENAME_PB))
