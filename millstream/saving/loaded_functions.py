"""Functions of a saved model: traces read from its graph when they are first used, and the functions that choose among them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from millstream.base import errors, nest
from millstream.base.errors import explain
from millstream.base.structured_values import decode
from millstream.base.tensor_specs import TensorSpec
from millstream.base.type_specs import TypeSpec
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph
from millstream.execution.convert import to_tensor
from millstream.execution.func_graph import FuncGraph
from millstream.execution.function import Function
from millstream.execution.function_arguments import Arguments, placeholder_specs
from millstream.execution.function_concrete import ConcreteFunction
from millstream.execution.specs import spec_of
from millstream.execution.tensor import EagerTensor, Tensor
from millstream.execution.trackable import Trackable
from millstream.graph.reading import Library
from millstream.program.value import Value


def is_signature(given: Any) -> bool:
    """Whether something is positional arguments and keyword arguments."""
    return (
        isinstance(given, tuple)
        and len(given) == 2
        and isinstance(given[0], (tuple, list))
        and isinstance(given[1], dict)
    )


def damaged(function: str, how: str) -> errors.InvalidArgumentError:
    """Compose the error for a function whose description in a saved model does not fit."""
    return errors.InvalidArgumentError(
        None, None, f"The saved model is damaged: its function {function!r} {how}, which does not fit. Save it anew."
    )


class LoadedConcreteFunction(ConcreteFunction):
    """One function of a saved model. Its graph is read when something first asks for it."""

    def __init__(self, library: Library, name: str, saved: Any, find: Callable[[int], Any]) -> None:
        self._library = library
        self._function_name = name
        self._saved = saved
        self._find = find
        signature = decode(saved.canonicalized_input_signature)
        self._signature = signature if signature is not None else ((), {})
        if not is_signature(self._signature):
            raise damaged(name, f"takes {signature!r}")
        self._keywords: list[str] = []
        self._positional: int | None = None
        self._built = False

    def __getattr__(self, name: str) -> Any:
        # Asked for only what is not there yet.
        if name.startswith("__") or self.__dict__.get("_built", True):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self._build()
        return getattr(self, name)

    @property
    def name(self) -> str:
        """The function's name in the file."""
        return self._function_name

    @property
    def structured_input_signature(self) -> tuple[Any, dict[str, Any]]:
        """The arguments as specs: positional ones, and keyword ones."""
        return self._signature

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables that the function uses."""
        found = (self._find(i) for i in self._saved.bound_inputs)
        return tuple({id(v): v for v in found if hasattr(v, "assign")}.values())

    def limit_arguments(self, keywords: Sequence[str], positional: int) -> None:
        """Say by which names tensors may be given, and how many of them without names."""
        self._keywords, self._positional = list(keywords), positional

    def _build(self) -> None:
        self._built = True
        try:
            arguments = Arguments(self._signature)
            graph = FuncGraph(self._function_name)
            specs = placeholder_specs(arguments.kinds)
            names = [a.name for a in self._library.function(self._function_name).signature.input_arg]
            values = [graph.placeholder(s, n).value for s, n in zip(specs, names, strict=False)]
            for index in self._saved.bound_inputs:
                values.append(self._captured_value(graph, tensor_of(self._find(index), index)))
            self._library.fill(graph.program, self._function_name, values)
            outputs = iter([graph.tensor(v) for v in graph.program.outputs])
            structure = decode(self._saved.output_signature)
            flat = nest.flatten(structure, expand_composites=True)
            if sum(s is not None for s in flat) != len(graph.program.outputs):
                raise damaged(
                    self._function_name, f"gives {structure!r}, and its graph {len(graph.program.outputs)} tensors"
                )
            result = nest.pack_sequence_as(
                structure, [None if s is None else next(outputs) for s in flat], expand_composites=True
            )
            graph.variables = list(self.variables)
            super().__init__(graph, arguments, arguments.kinds, result)
            self._argument_names = [k.name or n for k, n in zip(arguments.kinds, names, strict=False)]
            if self._keywords and len(self._keywords) == len(arguments.kinds):
                self._argument_names = list(self._keywords)
            self._python_name = self._function_name
        except BaseException:
            self._built = False
            raise

    @staticmethod
    def _captured_value(graph: FuncGraph, tensor: Any) -> Value:
        found = graph.captures.get(id(tensor))
        if found is None:
            value = graph.program.input(spec_of(tensor))
            found = graph.captures[id(tensor)] = (tensor, value)
        return found[1]

    def flat_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any], convert: bool) -> list[Any] | None:
        """Return the tensors of a call's arguments; None where this function does not take them."""
        given = (args, kwargs)
        expected_args, expected_kwargs = self._signature
        if len(args) != len(expected_args) or kwargs.keys() != expected_kwargs.keys():
            return None
        found: list[Any] = []
        return found if _match(self._signature, given, convert, found) else None

    def _tensors_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        found = self.flat_arguments(args, kwargs, convert=True)
        if found is not None:
            return found
        names = self._argument_names
        if self._positional is not None and len(args) > self._positional:
            raise TypeError(
                explain(
                    f"{self._summary()} takes {self._positional} positional arguments but {len(args)} were given; name them."
                )
            )
        flat = list(nest.flatten(list(args), expand_composites=True))
        unknown = [n for n in kwargs if n not in names]
        missing = [n for n in names[len(flat) :] if n not in kwargs]
        if missing or unknown or len(flat) > len(names):
            what = f"missing required arguments: {', '.join(missing)}" if missing else f"unexpected keyword: {unknown}"
            raise TypeError(explain(f"{self._summary()} {what}."))
        flat += [kwargs[n] for n in names[len(flat) :]]
        return [self._checked(t, k) for t, k in zip(flat, self.kinds, strict=True)]

    def _summary(self) -> str:
        return f"{self._function_name}({', '.join(self._argument_names)})"

    def __repr__(self) -> str:
        return f"<LoadedConcreteFunction {self._function_name}>"


def _match(expected: Any, given: Any, convert: bool, into: list[Any]) -> bool:
    """Put the tensors of an argument where `expected` has specs; say whether the rest is as expected."""
    if isinstance(expected, TensorSpec):
        tensor = given
        if isinstance(given, TensorSpec):
            fits = given.is_subtype_of(TensorSpec(expected.shape, expected.dtype, given.name))
        else:
            if not isinstance(given, Tensor):
                if given is None or not (convert or hasattr(given, "__tf_tensor__") or hasattr(given, "_handle")):
                    return False
                try:
                    tensor = to_tensor(given, expected.dtype)
                except (TypeError, ValueError, errors.OpError):
                    return False
            fits = tensor.dtype is expected.dtype and expected.shape.is_compatible_with(tensor.shape)
        into.append(tensor)
        return fits
    if isinstance(expected, TypeSpec):
        if isinstance(given, TypeSpec) or not expected.is_compatible_with(given):
            return given == expected
        into.extend(nest.flatten(given, expand_composites=True))
        return True
    if isinstance(expected, dict):
        return (
            isinstance(given, dict)
            and expected.keys() == given.keys()
            and all(_match(expected[k], given[k], convert, into) for k in sorted(expected))
        )
    if isinstance(expected, (list, tuple)):
        return (
            isinstance(given, (list, tuple))
            and len(expected) == len(given)
            and all(_match(e, g, convert, into) for e, g in zip(expected, given, strict=True))
        )
    return type(expected) is type(given) and bool(expected == given)


def tensor_of(item: Any, index: int) -> Any:
    """Return the tensor that an object of a saved model is where a function uses it."""
    for name in ("resource_handle", "asset_path", "handle"):
        found = getattr(item, name, None)
        if found is not None:
            return found
    if isinstance(item, Tensor):
        return item
    raise errors.UnimplementedError(
        None,
        None,
        f"A function of the saved model uses its object {index}, {item!r}, which is neither a variable, nor a table, nor a "
        "constant, nor an asset; export the model without it.",
    )


class RestoredFunction(Function):
    """A function of a saved model: it takes what one of its traces takes."""

    def __init__(self, name: str, concrete_functions: Sequence[LoadedConcreteFunction], spec: Any) -> None:
        self.concrete_functions = list(concrete_functions)
        function_spec = decode(spec.fullargspec)
        signature = _signature(function_spec, spec.is_method)

        def restored(*args: Any, **kwargs: Any) -> Any:
            return self(*args, **kwargs)

        restored.__name__ = name
        restored.__signature__ = signature  # type: ignore[attr-defined]
        super().__init__(restored, name, autograph=False)
        given = decode(spec.input_signature)
        self._restored_signature = None if given is None else tuple(given)
        self._tracing_count = len(self.concrete_functions)

    @property
    def input_signature(self) -> tuple[Any, ...] | None:
        """The specs that the function was saved with."""
        return self._restored_signature

    def _choose(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[LoadedConcreteFunction, list[Any]]:
        if not self.concrete_functions:
            raise ValueError(explain("Found zero restored functions for caller function."))
        bound = self._bind(args, kwargs)
        for convert in (False, True):
            for concrete in self.concrete_functions:
                found = concrete.flat_arguments(*self._shortened(bound, concrete), convert)
                if found is not None:
                    return concrete, found
        options = "\n\n".join(
            f"Option {i + 1}:\n  {_described(*c.structured_input_signature)}"
            for i, c in enumerate(self.concrete_functions)
        )
        raise ValueError(
            explain(
                "Could not find matching concrete function to call loaded from the SavedModel. Got:\n  "
                f"{_described(*bound)}\n\nExpected these arguments to match one of the following "
                f"{len(self.concrete_functions)} option(s):\n\n{options}"
            )
        )

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        signature = self._signature
        if signature is None:
            return args, kwargs
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(explain(f"Binding inputs to {self._name}{signature} failed: {error}.")) from None
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def _shortened(self, bound: Any, concrete: LoadedConcreteFunction) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Leave out arguments behind the saved signature that have their defaults."""
        args, kwargs = bound
        count = len(concrete.structured_input_signature[0])
        assert self._signature is not None
        parameters = list(self._signature.parameters.values())
        while len(args) > count and len(parameters) >= len(args) and args[-1] is parameters[len(args) - 1].default:
            args = args[:-1]
        return args, kwargs

    def _miss(self, *args: Any, **kwargs: Any) -> Any:
        concrete, tensors = self._choose(args, kwargs)
        plain = concrete.plain and not kwargs and current_graph() is None and not tapes.recording()
        same = len(args) == len(tensors) and all(a is b for a, b in zip(args, tensors, strict=True))
        if plain and same and all(isinstance(t, EagerTensor) for t in tensors):
            inputs = (*args, *concrete._captured)
            self._cache.add(args, concrete.plan(inputs), 0, concrete._captured, concrete.single)
            return self._cache(*args)
        return concrete.call_flat(tensors)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """Return the trace for these arguments; specs may stand for tensors. The only one there is without arguments."""
        if not args and not kwargs and len(self.concrete_functions) == 1:
            return self.concrete_functions[0]
        if not args and not kwargs and self._restored_signature is not None:
            args = self._restored_signature
        return self._choose(args, kwargs)[0]

    def _list_all_concrete_functions(self) -> list[Any]:
        return list(self.concrete_functions)


def _signature(spec: Any, is_method: bool) -> inspect.Signature:
    """Return the signature of a FullArgSpec, without its first argument where that is the object."""
    if not {"args", "varargs", "varkw", "defaults", "kwonlyargs", "kwonlydefaults"} <= set(
        getattr(spec, "_fields", ())
    ):
        raise errors.InvalidArgumentError(
            None, None, f"The saved model states the parameters of a function as {spec!r}."
        )
    names = list(spec.args or ())
    defaults = list(spec.defaults or ())
    kinds = inspect.Parameter
    parameters = []
    for i, name in enumerate(names):
        at = i - (len(names) - len(defaults))
        default = defaults[at] if at >= 0 else kinds.empty
        parameters.append(kinds(name, kinds.POSITIONAL_OR_KEYWORD, default=default))
    if is_method or (names and names[0] == "self"):
        parameters = parameters[1:]
    if spec.varargs:
        parameters.append(kinds(spec.varargs, kinds.VAR_POSITIONAL))
    only = spec.kwonlydefaults or {}
    for name in spec.kwonlyargs or ():
        parameters.append(kinds(name, kinds.KEYWORD_ONLY, default=only.get(name, kinds.empty)))
    if spec.varkw:
        parameters.append(kinds(spec.varkw, kinds.VAR_KEYWORD))
    return inspect.Signature(parameters)


def _described(args: Any, kwargs: Any) -> str:
    lines = "\n".join(f"    * {a!r}" for a in args)
    return f"Positional arguments ({len(args)} total):\n{lines}\n  Keyword arguments: {kwargs!r}"


class SignatureMap(Trackable, Mapping[str, Any]):
    """The functions that a saved model offers to programs, by name. Cannot be changed."""

    def __init__(self, functions: Mapping[str, Any] | None = None) -> None:
        self._signatures: dict[str, Any] = dict(functions or {})

    def _add_trackable_child(self, name: str, value: Any) -> None:
        self._signatures[name] = value

    def __getitem__(self, key: str) -> Any:
        return self._signatures[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._signatures)

    def __len__(self) -> int:
        return len(self._signatures)

    def _trackable_children(self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        return dict(self.items()) if save_type == "savedmodel" else {}

    def __repr__(self) -> str:
        return f"_SignatureMap({dict(self.items())!r})"
