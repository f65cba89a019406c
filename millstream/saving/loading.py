"""tf.saved_model.load: the objects of a saved model, its functions and what its variables hold. Runs no Python of the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from millstream import _runtime as runtime
from millstream.api.public import public
from millstream.base import errors, tensor_proto
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.structured_values import decode, shape_of
from millstream.execution.autotrackable import AutoTrackable
from millstream.execution.context import init_scope
from millstream.execution.custom_gradient import GraphCustom
from millstream.execution.data_structures import ListWrapper, _DictWrapper, _TupleWrapper
from millstream.execution.function import Function
from millstream.execution.tensor import Tensor, eager_from_array
from millstream.execution.trackable_resource import Asset, TrackableResource
from millstream.execution.variable import ResourceVariable, VariableAggregation, VariableSynchronization
from millstream.graph.file_ops import allowed_files
from millstream.graph.reading import Library, NodeReader
from millstream.program.primitives.shaping import constant
from millstream.program.value import Value
from millstream.saving import constants
from millstream.saving.files import asset_path, read_saved_model
from millstream.saving.loaded_functions import LoadedConcreteFunction, RestoredFunction, SignatureMap, damaged
from millstream.saving.loaded_values import restore_objects
from millstream.saving.options import LoadOptions


class LoadedObject(AutoTrackable):
    """An object of a saved model: its attributes are what it held. It can be called where it could before."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = self.__dict__.get("__call__")
        if function is None:
            raise TypeError(explain(f"{type(self).__name__!r} object is not callable: it was saved without __call__."))
        return function(*args, **kwargs)


class LoadedResource(TrackableResource):
    """A table, or another resource, of a saved model."""

    def _create_resource(self) -> Any:
        raise errors.InvalidArgumentError(
            None,
            None,
            explain("The saved model is damaged: it has a table or resource without the function that makes it."),
        )

    def _add_trackable_child(self, name: str, value: Any) -> None:
        if name in ("_create_resource", "_initialize", "_destroy_resource"):
            self.__dict__[name] = value
        else:
            self.__dict__[name] = value
            self._track_trackable(value, name, overwrite=True)

    def _trackable_children(self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        children = super()._trackable_children(save_type, cache, **kwargs)
        if save_type == "savedmodel":
            names = ("_create_resource", "_initialize", "_destroy_resource")
            children.update({n: self.__dict__[n] for n in names if n in self.__dict__})
        return children


class Loader:
    """Makes the objects of one graph of a saved model."""

    def __init__(self, meta_graph: Any, folder: str, options: LoadOptions) -> None:
        self.meta_graph = meta_graph
        self.folder = folder
        self.options = options
        self.saved = meta_graph.object_graph_def
        library = meta_graph.graph_def.library
        self.library = Library(library.function, self._custom_gradient)
        assets = [asset_path(folder, a) for a in meta_graph.asset_file_def]
        self.library.allowed_files = allowed_files(assets, options.allow_file_ops)
        self._gradients = {g.registered_op_type: g.gradient_func for g in library.registered_gradients}
        self.objects: list[Any] = [None] * len(self.saved.nodes)
        self._concrete: dict[str, LoadedConcreteFunction] = {}
        self._check_numbers()

    def _check_numbers(self) -> None:
        """Refuse a file whose objects refer to objects that it does not have."""
        count = len(self.saved.nodes)
        numbers = [i for f in self.saved.concrete_functions.values() for i in f.bound_inputs]
        for node in self.saved.nodes:
            numbers += [c.node_id for c in node.children]
            numbers += [i for s in node.saveable_objects.values() for i in (s.save_function, s.restore_function)]
            if node.HasField("asset") and not 0 <= node.asset.asset_file_def_index < len(
                self.meta_graph.asset_file_def
            ):
                raise errors.InvalidArgumentError(None, None, "The saved model refers to a file that it does not list.")
        if not count or any(not 0 <= i < count for i in numbers):
            raise errors.InvalidArgumentError(
                None, None, f"The saved model has {count} objects, and refers to others: it is damaged. Save it anew."
            )

    def load(self) -> Any:
        """Return the root, with everything below it restored."""
        with init_scope():
            for index, node in enumerate(self.saved.nodes):
                self.objects[index] = self._made(index, node)
            for index, node in enumerate(self.saved.nodes):
                self._finish_tuple(index)
                if isinstance(self.objects[index], _TupleWrapper):
                    continue
                for child in node.children:
                    self._finish_tuple(child.node_id)
                    _add_child(self.objects[index], child.local_name, self.objects[child.node_id])
            if not self.options.experimental_skip_checkpoint:
                self._restore()
            for item in self.objects:
                if isinstance(item, LoadedResource):
                    item._initialize()
        return self.objects[0]

    def _custom_gradient(self, reader: NodeReader, kind: str, inputs: Sequence[Value]) -> Any:
        """Return what stands for a node whose gradient the model says itself."""
        name = self._gradients.get(kind)
        if name is None or name not in self.saved.concrete_functions:
            return None
        saved = self.saved.concrete_functions[name]
        captures = []
        for index in saved.bound_inputs:
            item = self.objects[index]
            if isinstance(item, CapturedTensor) and item.function == reader.function:
                captures.append(reader.value(item.name))
            elif isinstance(item, Tensor):
                captures.append(constant(item.numpy(), item.dtype))
            else:
                return None
        given = decode(saved.output_signature)
        if not isinstance(given, (tuple, list)):
            raise damaged(name, f"is a gradient and gives {given!r}")
        layout = [(0 if spec is None else 1, None) for spec in given]
        specs = [v.spec.with_value(None) for v in (*inputs, *captures)]
        program = self.library.program(name, specs)
        definition = GraphCustom(name, len(inputs), len(inputs), program, layout)
        return definition, [*inputs, *inputs, *captures]

    def _finish_tuple(self, index: int) -> None:
        """Make a tuple of its members: it cannot get them later."""
        if isinstance(self.objects[index], _Tuple):
            self.objects[index] = None
            members = {int(c.local_name): c.node_id for c in self.saved.nodes[index].children if c.local_name.isdigit()}
            for member in members.values():
                self._finish_tuple(member)
            self.objects[index] = _TupleWrapper(tuple(self.objects[members[i]] for i in sorted(members)))

    def _made(self, index: int, node: Any) -> Any:
        kind = node.WhichOneof("kind")
        maker: Callable[[Any], Any] | None = getattr(self, f"_make_{kind}", None)
        if maker is None:
            raise errors.UnimplementedError(
                None,
                None,
                f"The object {index} of the saved model is a {kind}, which is not supported; export without it.",
            )
        return maker(getattr(node, kind))

    def _make_user_object(self, proto: Any) -> Any:
        wrappers = {
            "trackable_list_wrapper": lambda: ListWrapper([]),
            "trackable_dict_wrapper": lambda: _DictWrapper({}),
            "trackable_tuple_wrapper": _Tuple,
            "signature_map": SignatureMap,
        }
        return wrappers.get(proto.identifier, type("_UserObject", (LoadedObject,), {}))()

    def _make_asset(self, proto: Any) -> Any:
        return Asset(asset_path(self.folder, self.meta_graph.asset_file_def[proto.asset_file_def_index]))

    def _make_variable(self, proto: Any) -> Any:
        dtype, shape = as_dtype(proto.dtype), shape_of(proto.shape)
        sizes = None if shape.rank is None else tuple(shape.as_list())
        handle = runtime.make_state(proto.dtype, sizes, proto.name or "Variable")
        made = ResourceVariable(trainable=proto.trainable, dtype=dtype, shape=shape, handle=handle, name=proto.name)
        made._synchronization = VariableSynchronization(proto.synchronization)
        made._aggregation = VariableAggregation(proto.aggregation)
        return made

    def _make_constant(self, proto: Any) -> Any:
        for node in self.meta_graph.graph_def.node:
            if node.name == proto.operation and node.op == "Const":
                array, dtype = tensor_proto.of_proto(node.attr["value"].tensor)
                return eager_from_array(array, dtype)
        raise errors.InvalidArgumentError(
            None, None, f"The saved model has a constant {proto.operation!r}, which its graph does not have."
        )

    def _make_resource(self, proto: Any) -> Any:
        return LoadedResource(proto.device)

    def _concrete_function(self, name: str) -> LoadedConcreteFunction:
        found = self._concrete.get(name)
        if found is None:
            if name not in self.saved.concrete_functions:
                raise errors.InvalidArgumentError(
                    None, None, f"The saved model has no function {name!r}, though an object of it is that function."
                )
            saved = self.saved.concrete_functions[name]
            found = LoadedConcreteFunction(self.library, name, saved, lambda i: self.objects[i])
            self._concrete[name] = found
        return found

    def _make_function(self, proto: Any) -> Any:
        names = proto.concrete_functions
        name = names[0].removeprefix("__inference_").rpartition("_")[0] if names else "function"
        return RestoredFunction(name, [self._concrete_function(n) for n in names], proto.function_spec)

    def _make_bare_concrete_function(self, proto: Any) -> Any:
        found = self._concrete_function(proto.concrete_function_name)
        found.limit_arguments(proto.argument_keywords, proto.allowed_positional_arguments)
        return found

    def _make_captured_tensor(self, proto: Any) -> Any:
        return CapturedTensor(proto.concrete_function, proto.name)

    def aliases(self) -> dict[str, Any]:
        """Return the functions that were given other names: as functions where all their traces were, else as lists."""
        names: dict[str, set[str]] = {}
        for name, alias in self.meta_graph.meta_info_def.function_aliases.items():
            names.setdefault(alias, set()).add(name)
        whole = {
            frozenset(n.function.concrete_functions): i
            for i, n in enumerate(self.saved.nodes)
            if n.HasField("function")
        }
        found: dict[str, Any] = {}
        for alias, traces in names.items():
            index = whole.get(frozenset(traces))
            found[alias] = (
                [self._concrete_function(n) for n in sorted(traces)] if index is None else self.objects[index]
            )
        return found

    def _restore(self) -> None:
        prefix = os.path.join(self.folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
        if Path(f"{prefix}.index").exists():
            restore_objects(self.saved, self.objects, prefix, self.options.allow_partial_checkpoint)


class _Tuple:
    """Stands for a tuple of a saved model until its members are there."""


class CapturedTensor:
    """A value inside of another function of the saved model."""

    def __init__(self, function: str, name: str) -> None:
        self.function = function
        self.name = name


def _add_child(parent: Any, name: str, child: Any) -> None:
    if isinstance(parent, ListWrapper):
        parent.append(child)
    elif isinstance(parent, _DictWrapper):
        parent[name] = child
    elif isinstance(parent, (SignatureMap, LoadedResource)):
        parent._add_trackable_child(name, child)
    elif isinstance(parent, LoadedObject):
        if name == "__call__" or isinstance(child, (Function, LoadedConcreteFunction)):
            parent.__dict__[name] = child
        else:
            setattr(parent, name, child)


@public("saved_model.load", "compat.v1.saved_model.load_v2")
def load(export_dir: Any, tags: Any = None, options: Any = None) -> Any:
    """Load a saved model, as it was written by `tf.saved_model.save` here or in TensorFlow.

    Args:
      export_dir: the folder.
      tags: a tag or several, which choose the graph; not needed where there is one.
      options: a `tf.saved_model.LoadOptions`.

    Returns:
      An object with the attributes of the one that was saved: its functions, variables and tables, and `signatures`, a
      dictionary of functions that take and give tensors by name.

    Raises:
      OSError: there is no saved model in the folder.
      ValueError: the tags do not fit.
      tf.errors.NotFoundError: when a function is used whose graph has an op that is not declared here.

    >>> class Model(tf.Module):
    ...     @tf.function(input_signature=[tf.TensorSpec([None])])
    ...     def double(self, x):
    ...         return x * 2.0
    >>> folder = tempfile.mkdtemp()
    >>> tf.saved_model.save(Model(), folder)
    >>> tf.saved_model.load(folder).double([1.0, 2.0]).numpy().tolist()
    [2.0, 4.0]
    """
    folder = os.fspath(export_dir) if isinstance(export_dir, os.PathLike) else export_dir
    options = options or LoadOptions()
    wanted = None if tags is None else {tags} if isinstance(tags, str) else set(tags)
    saved = read_saved_model(folder)
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].HasField("object_graph_def"):
        from millstream.saving.version_1 import load_version_1

        return load_version_1(saved, folder, wanted, options.allow_file_ops)
    meta_graph = saved.meta_graphs[0]
    have = set(meta_graph.meta_info_def.tags)
    if wanted is not None and wanted != have:
        raise ValueError(
            explain(
                f"Got an incompatible argument to `tags`: {tags}. The SavedModel at {folder} has one MetaGraph with tags "
                f"{sorted(have)}. You may omit the argument, pass 'None', or pass matching tags."
            )
        )
    loader = Loader(meta_graph, folder, options)
    root = loader.load()
    if isinstance(root, LoadedObject):
        info = meta_graph.meta_info_def
        root.__dict__["tensorflow_version"] = info.tensorflow_version
        root.__dict__["tensorflow_git_version"] = info.tensorflow_git_version
        root.__dict__["graph_debug_info"] = None
        if options.experimental_load_function_aliases:
            root.__dict__["function_aliases"] = loader.aliases()
    return root
