"""tf.saved_model.save: objects, the graphs of their functions and what their variables hold, in a folder that TensorFlow reads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from millstream.api.public import PUBLIC, public
from millstream.base import dtypes, errors
from millstream.base.errors import explain
from millstream.base.flags import flags
from millstream.base.messages import message
from millstream.base.shapes import from_spec_shape
from millstream.base.structured_values import encode
from millstream.base.tensor_specs import TensorSpec
from millstream.execution.context import current_graph, init_scope
from millstream.execution.data_structures import ListWrapper, _DictWrapper, _TupleWrapper
from millstream.execution.trackable_resource import Asset, TrackableResource
from millstream.execution.variable import is_resource_variable
from millstream.graph.attributes import shape_message
from millstream.graph.writing import LibraryWriter, versions
from millstream.saving import constants
from millstream.saving.checkpoint.object_graph import ObjectGraph
from millstream.saving.checkpoint.values import VARIABLE_VALUE, key_of
from millstream.saving.checkpoint.writing import write as write_checkpoint
from millstream.saving.export import plan_of
from millstream.saving.files import name_asset
from millstream.saving.fingerprint import fingerprint_of
from millstream.saving.function_specs import function_spec_message
from millstream.saving.loaded_functions import SignatureMap
from millstream.saving.main_graph import MainGraph
from millstream.saving.object_view import (
    SIGNATURES,
    ConcreteNode,
    ConstantNode,
    FunctionNode,
    ObjectView,
    check_root,
)
from millstream.saving.options import SaveOptions
from millstream.saving.replacing import replaced_folder
from millstream.saving.signatures import distinct_names, signatures_of

_IDENTIFIERS = (
    (ListWrapper, "trackable_list_wrapper"),
    (_DictWrapper, "trackable_dict_wrapper"),
    (_TupleWrapper, "trackable_tuple_wrapper"),
    (SignatureMap, "signature_map"),
)


class Writer:
    """Makes the messages of one saved model."""

    def __init__(self, root: Any, signatures: SignatureMap, options: SaveOptions) -> None:
        self.view = ObjectView(root, signatures)
        self.graph = ObjectGraph(root, [(SIGNATURES, signatures)], children=self.view.children)
        self.options = options
        self.saved = message("SavedModel")(saved_model_schema_version=constants.SCHEMA_VERSION)
        self.meta_graph = self.saved.meta_graphs.add()
        self.library = LibraryWriter()
        self.library.keep_gradients = options.experimental_custom_gradients
        self.main = MainGraph(self.meta_graph)
        self.assets: dict[str, str] = {}
        self._functions: dict[int, str] = {}
        self._nodes: dict[int, int] = {}
        """Which object stands for a captured tensor."""

    def write(self) -> Any:
        """Return the SavedModel message."""
        self._say_what_it_is()
        objects = self.graph.objects
        for number, tracked in enumerate(objects):
            self._place(number, tracked)
        for number, tracked in enumerate(objects):
            node = self.meta_graph.object_graph_def.nodes.add()
            for name, child in self.graph.children[number]:
                reference = {"node_id": self.graph.number_of(child), "local_name": name}
                node.children.add(**reference)
                if isinstance(tracked, (FunctionNode, ConcreteNode)):
                    node.dependencies.add(**reference)
            self._describe(tracked, node)
        self._write_main_graph()
        self._write_gradients()
        self.meta_graph.graph_def.library.CopyFrom(self.library.message)
        return self.saved

    def _say_what_it_is(self) -> None:
        info = self.meta_graph.meta_info_def
        info.tags.extend([constants.SERVING, *(self.options.extra_tags or ())])
        info.tensorflow_version = PUBLIC.get("__version__", "2.21.0")
        info.tensorflow_git_version = "millstream"
        info.stripped_default_attrs = True
        versions(self.meta_graph.graph_def)

    def _place(self, number: int, tracked: Any) -> None:
        """Learn which object owns which tensor."""
        if is_resource_variable(tracked):
            # Of the copies of a variable in several replicas one is saved; traces of the others use that one.
            for copy in (tracked, *getattr(tracked, "_values", ())):
                self._nodes[id(copy.handle)] = number
            self.main.variable(tracked)
        elif isinstance(tracked, ConstantNode):
            self._nodes[id(tracked.tensor)] = number
            self.main.constant(tracked.tensor)
        elif isinstance(tracked, Asset):
            self._nodes[id(tracked.asset_path)] = number
            self._add_asset(tracked)
        elif isinstance(tracked, TrackableResource):
            self._nodes[id(tracked.resource_handle)] = number

    def _add_asset(self, asset: Any) -> None:
        path = asset.asset_path.numpy().decode(errors="surrogateescape")
        if path not in self.assets:
            made = self.meta_graph.asset_file_def.add(filename=name_asset(path, self.assets))
            made.tensor_info.name = self.main.constant(asset.asset_path, "asset_path_initializer") + ":0"
            made.tensor_info.dtype = dtypes.string.as_datatype_enum
            made.tensor_info.tensor_shape.SetInParent()

    def _describe(self, tracked: Any, node: Any) -> None:
        if is_resource_variable(tracked):
            _describe_variable(tracked, node.variable)
        elif isinstance(tracked, FunctionNode):
            node.function.concrete_functions.extend(self._function(t.concrete) for t in tracked.traces)
            node.function.function_spec.CopyFrom(function_spec_message(tracked.function))
        elif isinstance(tracked, ConcreteNode):
            self._describe_concrete(tracked, node.bare_concrete_function)
        elif isinstance(tracked, ConstantNode):
            node.constant.operation = self.main.constant(tracked.tensor)
        elif isinstance(tracked, Asset):
            path = tracked.asset_path.numpy().decode(errors="surrogateescape")
            node.asset.asset_file_def_index = list(self.assets).index(path)
        elif isinstance(tracked, TrackableResource):
            node.resource.SetInParent()
        else:
            found = next((name for kind, name in _IDENTIFIERS if isinstance(tracked, kind)), tracked._object_identifier)
            node.user_object.identifier = found
            node.user_object.version.producer = 1
            node.user_object.version.min_consumer = 1

    def _describe_concrete(self, node: ConcreteNode, made: Any) -> None:
        concrete = node.concrete
        names = distinct_names(concrete)
        made.concrete_function_name = self._function(concrete)
        made.argument_keywords.extend(names)
        made.allowed_positional_arguments = len(names) if node.positional is None else node.positional

    def _function(self, concrete: Any) -> str:
        """Return the name of a trace in the library, written at first."""
        found = self._functions.get(id(concrete))
        if found is not None:
            return found
        program = concrete.graph.program
        count = len(program.inputs) - len(concrete.captured_inputs)
        names = [*distinct_names(concrete)[:count], *("unknown" for _ in concrete.captured_inputs)]
        found = self.library.add(program, concrete.graph.name, names)
        self._functions[id(concrete)] = found
        made = self.meta_graph.object_graph_def.concrete_functions[found]
        for tensor in concrete.captured_inputs:
            made.bound_inputs.append(self._owner(tensor, concrete))
        made.canonicalized_input_signature.CopyFrom(encode(concrete.structured_input_signature))
        made.output_signature.CopyFrom(encode(concrete.structured_outputs))
        return found

    def _write_gradients(self) -> None:
        """State the gradients that functions say themselves, and what they captured inside of these."""
        objects = self.meta_graph.object_graph_def
        for custom in self.library.customs:
            registered = self.library.message.registered_gradients.add(registered_op_type=custom.kind)
            registered.gradient_func = custom.name
            made = objects.concrete_functions[custom.name]
            for place in custom.places:
                made.bound_inputs.append(len(objects.nodes))
                captured = objects.nodes.add().captured_tensor
                captured.name, captured.concrete_function = place, custom.function
            specs = [_spec_of(v, f"result_grads_{i}") for i, v in enumerate(custom.node.outputs)]
            made.canonicalized_input_signature.CopyFrom(encode(((None, *specs), {})))
            flowing = iter(custom.definition.gradient_program.outputs)
            results: list[Any] = [None] * custom.definition.count
            results += [_spec_of(next(flowing)) if size else None for size, _ in custom.definition.layout]
            made.output_signature.CopyFrom(encode(results))

    def _owner(self, tensor: Any, concrete: Any) -> int:
        number = self._nodes.get(id(tensor))
        if number is None:
            from millstream.execution import variable as variables

            known = variables.by_handle.get(getattr(tensor, "_id", -1))
            raise AssertionError(
                explain(
                    "Tried to export a function which references an 'untracked' resource. TensorFlow objects (e.g. tf.Variable) "
                    "captured by functions must be 'tracked' by assigning them to an attribute of a tracked object or assigned to "
                    f"an attribute of the main object directly. The function is {concrete.name}, which uses "
                    f"{known if known is not None else tensor!r}."
                )
            )
        return number

    def _write_main_graph(self) -> None:
        started = []
        resources = [t for t in self.graph.objects if isinstance(t, TrackableResource)]
        for resource in resources:
            create = self._trace(resource, "_create_resource")
            handle = self.main.call(self._function(create), create, name="table")
            self.main.know(resource.resource_handle, handle)
        for resource in resources:
            fill = self._trace(resource, "_initialize")
            started.append(self.main.call(self._function(fill), fill, name="initialize"))
        for name, concrete in self.view.signatures.items():
            self.main.signature(name, self._function(concrete), concrete)
        self.main.start(started)
        if not self.options.experimental_skip_saver:
            names = zip(self.graph.names, self.graph.objects, strict=True)
            self.main.saver([(key_of(n, VARIABLE_VALUE), v) for n, v in names if is_resource_variable(v)])

    def _trace(self, resource: Any, name: str) -> Any:
        number = self.graph.number_of(resource)
        assert number is not None
        return dict(self.graph.children[number])[name].traces[0].concrete


def _spec_of(value: Any, name: str | None = None) -> TensorSpec:
    return TensorSpec(from_spec_shape(value.spec.shape), value.dtype, name)


def _describe_variable(variable: Any, made: Any) -> None:
    made.dtype = variable.dtype.as_datatype_enum
    made.shape.CopyFrom(shape_message(variable.shape))
    made.trainable = variable.trainable
    made.synchronization = variable.synchronization.value
    made.aggregation = variable.aggregation.value
    made.name = variable._shared_name


def _refuse_options(options: SaveOptions) -> None:
    for name in ("experimental_image_format", "experimental_debug_stripper", "save_debug_info"):
        if getattr(options, name):
            raise errors.UnimplementedError(None, None, f"SaveOptions({name}=True) is not supported; leave it out.")


@public(
    "saved_model.save",
    "compat.v1.saved_model.save",
    "compat.v1.saved_model.experimental.save",
)
def save(obj: Any, export_dir: Any, signatures: Any = None, options: Any = None, *, plan: bool | None = None) -> None:
    """Write an object to a folder, as TensorFlow does: it can be loaded without the code that made it.

    Functions that are attributes of the object, or of what it holds, are saved with the traces that they have; a
    `tf.function` with an `input_signature` is traced for it.

    Args:
      obj: a `tf.Module`, a Keras model, or another trackable object.
      export_dir: the folder. What is there is replaced when all is written.
      signatures: a function or a dictionary of functions for programs that call by name; without it, the object's only
        function with an `input_signature`.
      options: a `tf.saved_model.SaveOptions`.
      plan: whether `model.plan` is written beside the model: its signatures, variables and tables, for `libmillstream`, which
        runs it without Python. The default is what `options` say, or MILLSTREAM_EXPORT_PLAN=1 for all that have signatures.

    Raises:
      ValueError: `obj` is not trackable, or a signature is no function with one.
      AssertionError: called inside of a `tf.function`, or a function uses a variable that the object does not hold.
      tf.errors.UnimplementedError: a function does something that no op of TensorFlow does.

    >>> class Scale(tf.Module):
    ...     def __init__(self):
    ...         self.factor = tf.Variable(3.0)
    ...     @tf.function(input_signature=[tf.TensorSpec([None])])
    ...     def __call__(self, x):
    ...         return x * self.factor
    >>> folder = tempfile.mkdtemp()
    >>> tf.saved_model.save(Scale(), folder)
    >>> tf.saved_model.load(folder)([1.0, 2.0]).numpy().tolist()
    [3.0, 6.0]
    """
    if current_graph() is not None:
        raise AssertionError(
            explain(
                "tf.saved_model.save is not supported inside a traced @tf.function. Move the call to the outer eagerly-executed context."
            )
        )
    options = options or SaveOptions()
    _refuse_options(options)
    check_root(obj)
    folder = os.fspath(export_dir)
    with init_scope():
        offered = signatures_of(obj, signatures)
        writer = Writer(obj, offered, options)
        saved = writer.write()
        wanted = options.plan or (flags().export_plan and len(offered) > 0) if plan is None else plan
        planned = plan_of(_plannable(offered)) if wanted else None
        _name_aliases(writer, options)
    with replaced_folder(folder) as new:
        (new / constants.VARIABLES_DIRECTORY).mkdir()
        (new / constants.ASSETS_DIRECTORY).mkdir()
        prefix = str(new / constants.VARIABLES_DIRECTORY / constants.VARIABLES_FILENAME)
        if not options.experimental_skip_saver:
            write_checkpoint(writer.graph, prefix, options.experimental_sharding_callback)
        for path, name in writer.assets.items():
            shutil.copyfile(path, new / constants.ASSETS_DIRECTORY / name)
        data = saved.SerializeToString(deterministic=True)
        Path(new, constants.FILENAME_PB).write_bytes(data)
        Path(new, constants.FINGERPRINT_FILENAME).write_bytes(fingerprint_of(saved, data, prefix).SerializeToString())
        if planned is not None:
            Path(new, constants.PLAN_FILENAME).write_bytes(planned)


def _plannable(signatures: Any) -> dict[str, Any]:
    if not len(signatures):
        raise ValueError(
            explain("A plan offers signatures, and this object has none: give signatures=, or a tf.function with one.")
        )
    return dict(signatures.items())


def _name_aliases(writer: Writer, options: SaveOptions) -> None:
    """Write down the other names of functions."""
    known = {id(node.function): node for node in writer.graph.objects if isinstance(node, FunctionNode)}
    for alias, function in options.function_aliases.items():
        node = known.get(id(function))
        if node is None:
            raise ValueError(explain(f"The function with the alias {alias!r} is not held by the object that is saved."))
        for trace in node.traces:
            writer.meta_graph.meta_info_def.function_aliases[writer._function(trace.concrete)] = alias
