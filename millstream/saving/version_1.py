"""Saved models of version 1: graphs without objects. Their signatures and any part of them are functions of what is fed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.base import errors, nest
from millstream.base.dtypes import as_dtype
from millstream.base.errors import explain
from millstream.base.messages import message, read
from millstream.base.structured_values import shape_of
from millstream.base.tensor_specs import TensorSpec
from millstream.execution.autotrackable import AutoTrackable
from millstream.execution.context import init_scope
from millstream.execution.dispatch import apply, apply_flat
from millstream.execution.func_graph import FuncGraph
from millstream.execution.function_arguments import Arguments, placeholder_specs
from millstream.execution.function_concrete import ConcreteFunction
from millstream.execution.trackable_resource import Asset, TrackableResource
from millstream.execution.variable import ResourceVariable
from millstream.graph.attributes import shape_of as sizes_of
from millstream.graph.file_ops import allowed_files
from millstream.graph.reading import Library, NodeReader, name_of_input
from millstream.graph.version_1 import check_inputs, has_version_1, raised
from millstream.ops.registry import find
from millstream.program.value import Program, Value, building
from millstream.saving import constants
from millstream.saving.bundle_reader import BundleReader
from millstream.saving.files import asset_path
from millstream.saving.loaded_functions import SignatureMap
from millstream.saving.saver_nodes import NodesByName, damaged
from millstream.saving.slices import Part

_REFERENCES = ("VariableV2", "Variable", "TemporaryVariable")
_HANDLES = ("VarHandleOp",)
_TABLES = {
    "HashTable": "HashTableV2", "HashTableV2": "HashTableV2", "MutableHashTable": "MutableHashTableV2",
    "MutableHashTableV2": "MutableHashTableV2", "MutableHashTableOfTensorsV2": "MutableHashTableOfTensorsV2",
    "MutableHashTableOfTensors": "MutableHashTableOfTensorsV2",
}  # fmt: skip
_ON_REFERENCES = {
    "Assign": "AssignVariableOp", "AssignAdd": "AssignAddVariableOp", "AssignSub": "AssignSubVariableOp",
    "ScatterAdd": "ResourceScatterAdd", "ScatterSub": "ResourceScatterSub", "ScatterUpdate": "ResourceScatterUpdate",
    "ScatterMul": "ResourceScatterMul", "ScatterDiv": "ResourceScatterDiv", "ScatterMin": "ResourceScatterMin",
    "ScatterMax": "ResourceScatterMax",
}  # fmt: skip
_OLDER = {
    "LookupTableFind": "LookupTableFindV2", "LookupTableInsert": "LookupTableInsertV2",
    "LookupTableImport": "LookupTableImportV2", "LookupTableSize": "LookupTableSizeV2",
    "LookupTableExport": "LookupTableExportV2", "InitializeTable": "InitializeTableV2",
    "InitializeTableFromTextFile": "InitializeTableFromTextFileV2",
}  # fmt: skip
OLDER_OPS = (*_REFERENCES, *_HANDLES, *_TABLES, *_ON_REFERENCES, *_OLDER, "IsVariableInitialized")
"""What graphs of version 1 may have besides the declared ops."""


class LoadedGraph(AutoTrackable):
    """A saved model of version 1: `signatures`, `variables`, and `prune` for any part of its graph."""

    _meta_graph: Any
    _nodes: dict[str, Any]
    _functions: dict[str, Any]
    _handles: dict[str, tuple[Any, Any]]
    _trainable: set[str]
    _fed: list[str]
    _files: frozenset[bytes] | None

    def __init__(self, meta_graph: Any, folder: str, allow_file_ops: bool = False) -> None:
        self._no_tracking(
            _meta_graph=meta_graph,
            _nodes={node.name: node for node in meta_graph.graph_def.node},
            _functions={f.signature.name: f for f in meta_graph.graph_def.library.function},
            _handles={},
            _trainable=_trainable_names(meta_graph),
        )
        check_inputs(self._nodes.values())
        info = meta_graph.meta_info_def
        self.tensorflow_version, self.tensorflow_git_version = info.tensorflow_version, info.tensorflow_git_version
        files = assets_of(meta_graph)
        paths = [asset_path(folder, a) for a in files]
        self._no_tracking(_fed=[a.tensor_info.name for a in files], _files=allowed_files(paths, allow_file_ops))
        self.asset_paths = [Asset(path) for path in paths]
        with init_scope():
            self.variables = [self._handle(n)[1] for n in self._nodes.values() if n.op in (*_REFERENCES, *_HANDLES)]
            self._tables = [self._handle(n)[1] for n in self._nodes.values() if n.op in _TABLES]
            self._restore(os.path.join(folder, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME))
            self._initialize()
        self.signatures = LaterSignatures({
            name: self._signature(definition)
            for name, definition in meta_graph.signature_def.items()
            if name != constants.INIT_SIGNATURE
        })  # fmt: skip

    def _no_tracking(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def _handle(self, node: Any) -> tuple[Any, Any]:
        """Return the handle that a node makes, which is made once, and the variable or table that owns it."""
        found = self._handles.get(node.name)
        if found is None:
            if node.op in _TABLES:
                op = find(_TABLES[node.op])
                reader = NodeReader(Library(), Program("table"), "the graph of the saved model")
                attributes = op.complete(reader.attributes_of(node, op))
                table = LoadedTable(op, attributes)
                found = (table.resource_handle, table)
            else:
                number, shape = node.attr["dtype"].type, shape_of(node.attr["shape"].shape)
                sizes = None if shape.rank is None else tuple(shape.as_list())
                name = node.attr["shared_name"].s.decode() or node.name
                handle = runtime.make_state(number, sizes, name)
                trainable = name in self._trainable or node.name in self._trainable
                made = ResourceVariable(
                    trainable=trainable, dtype=as_dtype(number), shape=shape, handle=handle, name=node.name
                )
                found = (handle, made)
            self._handles[node.name] = found
        return found  # type: ignore[no-any-return]

    def _restore(self, prefix: str) -> None:
        """Give variables what the checkpoint has for them, as the graph's own restoring does."""
        if not os.path.exists(f"{prefix}.index"):
            return
        reader = BundleReader(prefix)
        nodes = NodesByName(self._nodes.values())
        for node in self._reached([self._meta_graph.saver_def.restore_op_name], control=True):
            if node.op not in ("Assign", "AssignVariableOp"):
                continue
            source, index = nodes.source(node.input[1])
            if source.op not in ("RestoreV2", "Restore"):
                continue
            key = nodes.text(source.input[1], index)
            part = nodes.text(source.input[2], index) if source.op == "RestoreV2" else ""
            target = nodes.source(node.input[0])[0]
            if target.op not in (*_REFERENCES, *_HANDLES):
                raise damaged(f"{node.name!r} assigns to {target.op}")
            variable = self._handle(target)[1]
            variable.assign(reader.tensor(key, Part.of_text(part) if part else None))

    def _reached(self, names: Sequence[str], stops: Sequence[str] = (), control: bool = False) -> list[Any]:
        """Return the nodes that others need, in the order of the graph."""
        seen: set[str] = set()
        waiting = [name_of_input(n) for n in names if n and n not in stops]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            if name not in self._nodes:
                raise ValueError(explain(f"The graph of the saved model has no node {name!r}."))
            seen.add(name)
            for text in self._nodes[name].input:
                if text not in stops and text.removesuffix(":0") not in stops:
                    waiting.append(name_of_input(text))
        return [node for node in self._nodes.values() if node.name in seen]

    def _initialize(self) -> None:
        """Run what the graph wants to be run once, with the files where they are now."""
        operations: list[str] = []
        initial = self._meta_graph.signature_def.get(constants.INIT_SIGNATURE)
        if initial is not None:
            operations = [initial.outputs[constants.INIT_SIGNATURE].name]
        for key in (constants.MAIN_OP, constants.LEGACY_INIT):
            if not operations and key in self._meta_graph.collection_def:
                operations = list(self._meta_graph.collection_def[key].node_list.value)
        if operations:
            paths = dict(zip(self._fed, (a.asset_path for a in self.asset_paths), strict=True))
            run = self._function({name: name for name in paths}, {}, operations, "initialize")
            run.call_flat([paths[name] for name in sorted(paths)])

    def _signature(self, definition: Any) -> Any:
        feeds = {name: info.name for name, info in sorted(definition.inputs.items())}
        fetches = {name: info.name for name, info in definition.outputs.items()}
        for name, text in (*feeds.items(), *fetches.items()):
            if not text:
                raise errors.UnimplementedError(
                    None,
                    None,
                    f"{name!r} of a signature is no dense tensor, which is not supported in version-1 models.",
                )
        return lambda: self._function(feeds, fetches, [], "signature_wrapper")

    def prune(self, feeds: Any, fetches: Any, name: str = "pruned", input_signature: Any = None) -> Any:
        """Return the part of the graph between `feeds` and `fetches` as a function.

        Args:
          feeds: a structure of names of tensors that are given.
          fetches: a structure of names of tensors and operations that are wanted; operations give None.
          name: accepted and not used.
          input_signature: accepted and not used.

        Raises:
          ValueError: a name is not in the graph.
        """
        names = {n.partition(":")[0]: _full(n) for n in map(_name_of, nest.flatten(feeds))}
        flat = [_name_of(f) for f in nest.flatten(fetches)]
        tensors = [f for f in flat if ":" in f]
        function = self._function(
            names, {str(i): f for i, f in enumerate(tensors)}, [f for f in flat if ":" not in f], name
        )
        return Pruned(function, fetches, flat)

    def _function(
        self, feeds: dict[str, str], fetches: dict[str, str], operations: Sequence[str], name: str
    ) -> ConcreteFunction:
        stops = [_full(t).removesuffix(":0") for t in feeds.values()]
        wanted = [*fetches.values(), *operations]
        nodes = [_copied(n) for n in self._reached(wanted, stops)]
        functions = dict(self._functions)
        if has_version_1(nodes):
            nodes, here = raised(nodes, functions)
            wanted = [here(t) for t in fetches.values()]
        graph = FuncGraph(name)
        specs = {key: self._feed_spec(key, text) for key, text in feeds.items()}
        arguments = Arguments(((), specs))
        library = Library(functions.values())
        library.allowed_files = self._files
        reader = _Reader(self, graph, library)
        for spec, key in zip(placeholder_specs(arguments.kinds), sorted(specs), strict=True):
            text = _full(feeds[key])
            value = graph.placeholder(spec, key).value
            reader.replaced[text] = reader.replaced[text.removesuffix(":0")] = value
        reader.read(nodes)
        results = {key: graph.tensor(reader.value(text)) for key, text in zip(fetches, wanted, strict=False)}
        graph.variables = [v for _, v in self._handles.values() if isinstance(v, ResourceVariable)]
        made = ConcreteFunction(graph, arguments, arguments.kinds, results)
        made._argument_names = sorted(specs)
        made._python_name = name
        return made

    def _feed_spec(self, key: str, text: str) -> TensorSpec:
        node = self._nodes.get(name_of_input(text))
        if node is None:
            raise ValueError(explain(f"The graph of the saved model has no node {name_of_input(text)!r}."))
        shape = sizes_of(node.attr["shape"].shape) if "shape" in node.attr else None
        index = text.partition(":")[2] or "0"
        said = node.attr["_output_shapes"].list.shape if "_output_shapes" in node.attr else ()
        if index.isdigit() and int(index) < len(said):
            shape = sizes_of(said[int(index)])
        if node.op == "Const":
            shape = tuple(d.size for d in node.attr["value"].tensor.tensor_shape.dim)
        kinds = [node.attr[a].type for a in ("dtype", "T", "DstT", "Tout") if a in node.attr]
        if not kinds:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{node.name!r}, which a signature feeds, does not say its element type: the graph is damaged.",
            )
        return TensorSpec(None if shape is None else [None if n < 0 else n for n in shape], as_dtype(kinds[0]), key)


class _Reader(NodeReader):
    """Reads nodes of version-1 graphs: variables are states of the loaded model, also where nodes refer to them directly."""

    def __init__(self, model: LoadedGraph, graph: FuncGraph, library: Library) -> None:
        super().__init__(library, graph.program, "the graph of the saved model", _Reader._read_older)  # type: ignore[arg-type]
        self.model, self.graph = model, graph
        self.replaced = {}
        self._references: dict[str, Any] = {}

    def value(self, text: str) -> Value:
        """Return a value; a variable that is referred to is read."""
        name = name_of_input(text)
        if name in self._references and text not in self.replaced:
            handle, number = self._references[name]
            with building(self.program):
                return find("ReadVariableOp")(handle, dtype=as_dtype(number))  # type: ignore[no-any-return]
        return super().value(text)

    def _read_older(self, node: Any) -> list[Value] | None:
        if node.op in _REFERENCES:
            handle = self.graph.capture(self.model._handle(node)[0])
            self._references[node.name] = (handle, node.attr["dtype"].type)
            return [handle]
        if node.op in _HANDLES or node.op in _TABLES:
            return [self.graph.capture(self.model._handle(node)[0])]
        if node.op in _ON_REFERENCES or node.op == "IsVariableInitialized":
            handle, number = self._references[name_of_input(node.input[0])]
            rest = [self.value(t) for t in node.input[1:] if not t.startswith("^")]
            if node.op == "IsVariableInitialized":
                return [find("VarIsInitializedOp")(handle)]
            find(_ON_REFERENCES[node.op])(handle, *rest)
            self._references[node.name] = (handle, number)
            return [handle]
        if node.op in _OLDER:
            node.op = _OLDER[node.op]
        if node.op in ("Placeholder", "PlaceholderV2"):
            if node.name in self.replaced:
                return [self.replaced[node.name]]
            raise ValueError(
                explain(f"The part of the graph that is wanted needs {node.name!r}, which is not among what is given.")
            )
        if node.op == "PlaceholderWithDefault":
            return [self.inputs_of(node)[0]]
        return None


class LoadedTable(TrackableResource):
    """A table of a graph of version 1. Saved again, it is filled with what it holds then."""

    def __init__(self, op: Any, attributes: dict[str, Any]) -> None:
        super().__init__()
        self._op = op
        self._attributes = attributes

    def _create_resource(self) -> Any:
        return apply_flat(self._op, [], self._attributes)

    def _initialize(self) -> None:
        types = {"Tkeys": self._attributes["key_dtype"], "Tvalues": self._attributes["value_dtype"]}
        with init_scope():
            keys, values = apply(find("LookupTableExportV2"), self.resource_handle, **types)
        fill = "InitializeTableV2" if self._op.name == "HashTableV2" else "LookupTableImportV2"
        apply(find(fill), self.resource_handle, keys, values)


class LaterSignatures(SignatureMap):
    """Signatures whose functions are made when they are first asked for."""

    def __getitem__(self, key: str) -> Any:
        found = self._signatures[key]
        if not isinstance(found, ConcreteFunction):
            found = self._signatures[key] = found()
        return found


class Pruned:
    """A part of a graph as a function."""

    def __init__(self, function: ConcreteFunction, structure: Any, flat: Sequence[str]) -> None:
        self._function = function
        self._structure = structure
        self._flat = list(flat)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_function":
            raise AttributeError(name)
        return getattr(self._function, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        found = self._function(*args, **kwargs)
        tensors = iter([found[k] for k in sorted(found, key=int)])
        return nest.pack_sequence_as(self._structure, [next(tensors) if ":" in f else None for f in self._flat])


def _copied(node: Any) -> Any:
    made = message("NodeDef")()
    made.CopyFrom(node)
    return made


def _name_of(item: Any) -> str:
    return item if isinstance(item, str) else str(item.name)


def _full(text: str) -> str:
    return text if ":" in text else f"{text}:0"


def assets_of(meta_graph: Any) -> list[Any]:
    """Return the AssetFileDefs of a graph, which older ones keep in a collection."""
    found = list(meta_graph.asset_file_def)
    if not found and "saved_model_assets" in meta_graph.collection_def:
        packed = meta_graph.collection_def["saved_model_assets"].any_list.value
        found = [a for a in (read("AssetFileDef", p.value) for p in packed) if a is not None]
    return found


def _trainable_names(meta_graph: Any) -> set[str]:
    """Return the names of the variables that the graph's own list says are trained."""
    found = set()
    if "trainable_variables" in meta_graph.collection_def:
        for data in meta_graph.collection_def["trainable_variables"].bytes_list.value:
            described = read("VariableDef", data)
            if described is not None:
                found.add(described.variable_name.partition(":")[0])
    return found


def load_version_1(saved: Any, folder: str, tags: set[str] | None, allow_file_ops: bool = False) -> LoadedGraph:
    """Return the graph of a saved model that has these tags; the only one without tags.

    Raises:
      ValueError: there is none, or tags are needed to choose one.
    """
    have = [set(m.meta_info_def.tags) for m in saved.meta_graphs]
    if tags is None and len(have) != 1:
        raise ValueError(
            explain(
                "Importing a SavedModel with `tf.saved_model.load` requires a `tags=` argument if there is more than one MetaGraph. "
                f"Got `tags=None`, but there are {len(have)} MetaGraphs in the SavedModel with tag sets: {[sorted(h) for h in have]}. "
                "Pass a `tags=` argument to load this SavedModel."
            )
        )
    for meta_graph, own in zip(saved.meta_graphs, have, strict=True):
        if tags is None or own == tags:
            return LoadedGraph(meta_graph, folder, allow_file_ops)
    raise RuntimeError(
        explain(
            f"MetaGraphDef associated with tags {sorted(tags or ())} could not be found in SavedModel, with available tags "
            f"{[sorted(h) for h in have]}."
        )
    )
