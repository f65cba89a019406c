"""tf.function: a Python function becomes a graph once per kind of arguments, and a plan once per set of shapes."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.base import errors, nest
from millstream.base.flags import flags
from millstream.base.tensor_specs import TensorSpec
from millstream.base.type_specs import TypeSpec
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, scopes
from millstream.execution.control_flow import cond
from millstream.execution.convert import to_tensor
from millstream.execution.function_arguments import Arguments, Kind, accepts, differences, relaxed
from millstream.execution.function_concrete import ConcreteFunction, trace
from millstream.execution.function_types import Callable as CallableType
from millstream.execution.function_types import FunctionType
from millstream.execution.tensor import EagerTensor, Tensor
from millstream.execution.trackable import Trackable

MOST_SHAPES = 5
"""After so many traces that differ in shapes only, the next one leaves the sizes that vary open."""

_all: weakref.WeakSet[Function] = weakref.WeakSet()
_run_eagerly = False
_collected: list[Any] | None = None


def run_functions_eagerly(run_eagerly: bool) -> None:
    """Run the Python code of all traced functions at each call (True), or their traces (False)."""
    global _run_eagerly
    _run_eagerly = bool(run_eagerly)
    for function in list(_all):
        function._cache.cache_clear()


def collect_graphs(into: list[Any] | None) -> None:
    """Put the graphs of the traced functions that are called from now on into a list, each once; None ends that."""
    global _collected
    _collected = into
    for function in list(_all):
        function._cache.cache_clear()


def functions_run_eagerly() -> bool:
    """Return whether traced functions run their Python code at each call."""
    return _run_eagerly


class Function(Trackable):
    """A Python function that is traced when a new kind of arguments comes. See tf.function."""

    def __init__(
        self,
        python_function: Callable[..., Any],
        name: str | None = None,
        input_signature: Sequence[Any] | None = None,
        autograph: bool = True,
        jit_compile: bool | None = None,
        reduce_retracing: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        self._python_function = python_function
        self._name = name or getattr(python_function, "__name__", None) or type(python_function).__name__
        self._autograph = autograph
        self._jit_compile = jit_compile
        self._reduce_retracing = reduce_retracing
        self._options = dict(options or {})
        self._lock = threading.RLock()
        self._exact: dict[Any, ConcreteFunction] = {}
        self._buckets: dict[Any, list[ConcreteFunction]] = {}
        self._tracing_count = 0
        self._beginning: ConcreteFunction | None = None
        self._instances: weakref.WeakKeyDictionary[Any, Function] = weakref.WeakKeyDictionary()
        self._cache = runtime.CallCache(self._miss)
        self._read_parameters()
        self._input_signature = self._checked_signature(input_signature)
        if not isinstance(python_function, types.MethodType):
            functools.update_wrapper(self, python_function, updated=())
            # Attributes of what is wrapped are found here, but `_lock` of a Keras layer is not ours.
            for key, value in getattr(python_function, "__dict__", {}).items():
                if not hasattr(self, key):
                    self.__dict__[key] = value
        _all.add(self)

    def _read_parameters(self) -> None:
        try:
            self._signature: inspect.Signature | None = inspect.signature(self._python_function)
        except (TypeError, ValueError):
            self._signature = None
        parameters = list(self._signature.parameters.values()) if self._signature is not None else []
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self._names = [p.name for p in parameters if p.kind in positional]
        self._simple = all(p.kind in positional for p in parameters) and self._signature is not None

    def _checked_signature(self, given: Any) -> tuple[Any, ...] | None:
        if given is None:
            return None
        if not isinstance(given, (list, tuple)):
            raise TypeError(errors.explain(f"input_signature must be either a tuple or a list, got {type(given)}."))
        if any(not isinstance(s, TypeSpec) for s in nest.flatten(given, expand_composites=False)):
            bad = next(s for s in nest.flatten(given) if not isinstance(s, TypeSpec))
            raise TypeError(
                errors.explain(
                    f"input_signature must be a possibly nested sequence of TensorSpec objects, got {bad!r} of type {type(bad)}."
                )
            )
        self._check_constraints(len(given))
        return tuple(given)

    def _check_constraints(self, count: int) -> None:
        """Refuse a signature of `count` specs that leaves a parameter without a value, or has more than there are."""
        if self._signature is None:
            return
        kinds = inspect.Parameter
        parameters = [p for i, p in enumerate(self._signature.parameters.values()) if i or p.name != "self"]
        plain = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        open_ = next((p for p in plain[count:] if p.default is kinds.empty), None)
        if open_ is not None:
            raise TypeError(errors.explain(f"input_signature missing type constraint for {open_.name}"))
        bare = next((p for p in parameters if p.kind is kinds.KEYWORD_ONLY and p.default is kinds.empty), None)
        if bare is not None:
            raise TypeError(
                errors.explain(
                    f"Since input_signature is defined, keyword-only parameter `{bare.name}` must have a default value"
                )
            )
        if count > len(plain) and not any(p.kind is kinds.VAR_POSITIONAL for p in parameters):
            raise TypeError(errors.explain(f"input_signature contains {count - len(plain)} extra type constraints."))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the trace for these arguments, making it first where there is none."""
        if scopes[0]:
            return self._miss(*args, **kwargs)
        return self._cache(*args, **kwargs)

    def _miss(self, *args: Any, **kwargs: Any) -> Any:
        if _run_eagerly:
            return self._python_function(*args, **kwargs)
        arguments = self._arguments(args, kwargs)
        concrete = self._find(arguments)
        tensors = arguments.tensors
        if concrete is self._beginning:
            return self._begin(concrete, arguments)
        if _collected is not None and current_graph() is None:
            if not any(g is concrete._graph for g in _collected):
                _collected.append(concrete._graph)
        elif (
            concrete.plain
            and concrete._scope is None
            and not kwargs
            and current_graph() is None
            and not tapes.recording()
        ):
            direct = len(args) == len(tensors) and all(
                a is b and isinstance(a, EagerTensor) for a, b in zip(args, tensors, strict=True)
            )
            if direct and not concrete._inner_graphs and concrete.op.late is None:
                inputs = (*args, *concrete._captured)
                self._cache.add(args, concrete.plan(inputs), 0, concrete._captured, concrete.single)
                return self._cache(*args)
        return concrete.call_flat(tensors)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments in one form: positional where they can be, defaults filled in."""
        if self._signature is None or (not kwargs and self._simple and len(args) == len(self._names)):
            return args, kwargs
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(
                errors.explain(
                    f"Binding inputs to tf.function failed due to `{errors.without_line(error)}`. Received args: {args} and kwargs: {kwargs} for "
                    f"signature: {self._signature}."
                )
            ) from None
        if self._input_signature is None:
            bound.apply_defaults()
        return bound.args, bound.kwargs

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        bound = self._bind(args, kwargs)
        if self._input_signature is not None:
            return self._cast(*bound)
        return Arguments(bound)

    def _cast(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Return arguments as the input signature has them."""
        signature = self._input_signature
        assert signature is not None
        if len(args) < len(signature) and kwargs:
            names = self._names[len(args) : len(signature)]
            args = (*args, *(kwargs.pop(n) for n in names if n in kwargs))
        if len(args) != len(signature) or any(k in self._names[: len(signature)] for k in kwargs):
            given = f"{len(args)} arguments" if not kwargs else f"{len(args)} arguments and {sorted(kwargs)}"
            raise TypeError(
                errors.explain(
                    f"Binding inputs to tf.function failed due to `{given} for an input_signature of {len(signature)}`. Received "
                    f"args: {args} and kwargs: {kwargs} for signature: {self._signature_text()}."
                )
            )
        try:
            cast = tuple(_cast_to(spec, value) for spec, value in zip(signature, args, strict=True))
        except (TypeError, ValueError, AssertionError) as error:
            raise TypeError(
                errors.explain(
                    f"Binding inputs to tf.function failed due to `{errors.without_line(error)}`. Received args: {args} and kwargs: {kwargs} for "
                    f"signature: {self._signature_text()}."
                )
            ) from None
        return Arguments((cast, kwargs))

    def _signature_text(self) -> str:
        names = [*self._names, *(f"arg{i}" for i in range(len(self._names), 64))]
        return "(" + ", ".join(f"{n}: {s!r}" for n, s in zip(names, self._input_signature or (), strict=False)) + ")"

    def _find(self, arguments: Arguments) -> ConcreteFunction:
        key = arguments.full_key
        found = self._exact.get(key) if self._beginning is None else None
        if found is not None and found.usable() and found.serves(arguments.tensors):
            return found
        with self._lock:
            bucket = self._buckets.setdefault(arguments.key, [])
            first = self._beginning
            if first is not None and not first.waits():
                self._beginning = None
            elif first is not None and first.after in bucket and accepts(first.kinds, arguments.kinds):
                return first
            for known in reversed(bucket):
                if accepts(known.kinds, arguments.kinds) and known.usable() and known.serves(arguments.tensors):
                    self._exact[key] = known
                    return known
            kinds = self._chosen_kinds(arguments, bucket)
            made = self._trace(arguments, kinds, bucket)
            if made.creates:
                # What the function does where its variables exist is another trace; this one is for the first call alone.
                first, made = made, self._trace(arguments, kinds, bucket)
                first.after = made
                self._beginning = first if first.waits() else None
            else:
                first = None
            bucket.append(made)
            self._exact[key] = made
            return first if first is not None and self._beginning is first else made

    def _begin(self, first: ConcreteFunction, arguments: Arguments) -> Any:
        """Call the trace that gives its variables their values; in a graph, where they have none yet when that runs."""
        after = first.after
        assert after is not None
        if current_graph() is not None:
            tensors = arguments.tensors
            return cond(first.has_begun(), lambda: after.call_flat(tensors), lambda: first.call_flat(tensors))
        with self._lock:
            return (first if first.waits() else after).call_flat(arguments.tensors)

    def _chosen_kinds(self, arguments: Arguments, bucket: Sequence[ConcreteFunction]) -> Sequence[Kind]:
        """Return the kinds to trace for: those of the signature, of this call, or relaxed where shapes keep varying."""
        if self._input_signature is not None:
            specs = list(nest.flatten(self._input_signature, expand_composites=True))
            wanted = Arguments(tuple(specs)).kinds
            extra = arguments.kinds[len(wanted) :]
            return [
                *(Kind(w.dtype, w.dims, k.handle, w.name) for w, k in zip(wanted, arguments.kinds, strict=False)),
                *extra,
            ]
        kinds: Sequence[Kind] = arguments.kinds
        similar = [
            c
            for c in bucket
            if len(c.kinds) == len(kinds) and relaxed(c.kinds, kinds) is not None and not accepts(c.kinds, kinds)
        ]
        if similar and (self._reduce_retracing or len(similar) >= MOST_SHAPES):
            for known in similar:
                kinds = relaxed(known.kinds, kinds) or kinds
        return kinds

    def _trace(
        self, arguments: Arguments, kinds: Sequence[Kind], bucket: Sequence[ConcreteFunction]
    ) -> ConcreteFunction:
        if self._tracing_count and "retrace" in flags().show:
            self._report(arguments, kinds, bucket)
        python_function = self._python_function
        if self._autograph:
            from millstream.execution import autograph, staging

            staging.install()
            python_function = autograph.convert(python_function, True, self._options.get("autograph_options"))
        concrete = trace(
            python_function,
            self._name,
            arguments,
            kinds,
            creation="allowed" if not self._tracing_count else "refused",
            by_reference=any(c._graph.inlined and not c.usable() for c in bucket),
            names=[self._path_name(path) for path in arguments.paths],
        )
        self._tracing_count += 1
        concrete._bind = self._bind
        concrete._parameter_names = self._names
        concrete._argument_parameters = [
            self._path_name("]".join(path.split("]")[:2]) + "]") for path in arguments.paths
        ]
        concrete._python_name = self._name
        return concrete

    def _path_name(self, path: str) -> str:
        """Return the name of an argument from its place: `[0][i]` is positional, `[1]['k']` a keyword."""
        parts = [p.strip("'\"") for p in path.replace("]", "").split("[")[1:]]
        if not parts or len(parts) < 2:
            return "args"
        if parts[0] == "0":
            index = int(parts[1])
            parts[1] = self._names[index] if index < len(self._names) else f"args_{index - len(self._names)}"
        return "_".join(parts[1:])

    def _report(self, arguments: Arguments, kinds: Sequence[Kind], bucket: Sequence[ConcreteFunction]) -> None:
        lines = [f"retrace {self._tracing_count} of {self._name}, called at {errors.user_line()}"]
        if bucket:
            names = [self._path_name(p) for p in arguments.paths]
            lines += [f"  {d}" for d in differences(bucket[-1].kinds, arguments.kinds, names)] or [
                "  what it captured is not in reach here"
            ]
        else:
            known = [c._arguments.key for b in self._buckets.values() for c in b[-1:]]
            nearest = min(
                (_key_differences(k, arguments.key, self._names) for k in known), key=len, default=["first of its kind"]
            )
            lines += [f"  {line}" for line in nearest]
        if list(kinds) != arguments.kinds:
            lines.append(f"  sizes that vary are left open now: {', '.join(map(str, kinds))}")
        print("\n".join(lines), file=sys.stderr)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> ConcreteFunction:
        """Return the trace for these arguments; specs may stand for tensors."""
        if self._input_signature is not None and not args and not kwargs:
            args = self._input_signature
        found = self._find(self._arguments(args, kwargs))
        if found is self._beginning:
            raise ValueError(
                errors.explain(
                    f"{self._name} makes a variable whose initial value depends on an argument, which its first call sets. "
                    "Call the function once, then ask for its trace."
                )
            )
        return found

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        try:
            found = self._instances.get(instance)
        except TypeError:
            return self._bound(instance, lambda: instance)
        if found is None:
            found = self._bound(instance, weakref.ref(instance))
            self._instances[instance] = found
        return found

    def _bound(self, instance: Any, reference: Callable[[], Any]) -> Function:
        inner = self._python_function
        bound = Function(
            _weakly_bound(inner, instance, reference),
            self._name,
            None,
            self._autograph,
            self._jit_compile,
            self._reduce_retracing,
            self._options,
        )
        if self._input_signature is not None:
            bound._input_signature = self._input_signature
        bound.__dict__["__self_reference__"] = reference
        return bound

    @property
    def function_type(self) -> FunctionType:
        """The signature of the Python function; of the input signature where there is one."""
        if self._input_signature is not None:
            return FunctionType.of(self._names, self._input_signature, {}, None)
        parameters = list(self._signature.parameters.values()) if self._signature is not None else []
        return FunctionType([p.replace(annotation=p.empty) for p in parameters])

    def experimental_get_tracing_count(self) -> int:
        """Return how often the Python function was traced."""
        return self._tracing_count

    def experimental_get_compiler_ir(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Return a function that prints the stages of the program for these arguments."""
        concrete = self.get_concrete_function(*args, **kwargs)
        from millstream.program.printer import to_text

        return lambda stage="hlo", device_name=None, platform_name=None: to_text(concrete.graph.program)

    @property
    def python_function(self) -> Callable[..., Any]:
        """The function as it was given."""
        return self._python_function

    @property
    def input_signature(self) -> tuple[Any, ...] | None:
        """The specs that all arguments are cast to; None where none were given."""
        return self._input_signature

    @property
    def function_spec(self) -> Any:
        """The signature of the Python function."""
        return FunctionSpec(self._signature, self._names, self._input_signature)

    @property
    def name(self) -> str:
        """The name of the Python function."""
        return self._name

    def pretty_printed_concrete_signatures(self, verbose: bool = True) -> str:
        """Return the signatures of all traces as text."""
        return "\n\n".join(c.pretty_printed_signature(verbose) for c in self._list_all_concrete_functions())

    def _list_all_concrete_functions(self) -> list[ConcreteFunction]:
        if self._input_signature is not None and not self._buckets:
            self.get_concrete_function()
        return [c for bucket in self._buckets.values() for c in bucket]

    def _list_all_concrete_functions_for_serialization(self) -> list[ConcreteFunction]:
        return self._list_all_concrete_functions()

    def _trackable_children(self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Return the traces, which saved models keep."""
        if save_type == "checkpoint":
            return {}
        return {f"trace_{i}": c for i, c in enumerate(self._list_all_concrete_functions_for_serialization())}

    def _decorate(self, decorator: Callable[..., Any]) -> None:
        if self._tracing_count:
            raise ValueError(errors.explain("Functions cannot be decorated after they have been traced."))
        self._python_function = decorator(self._python_function)
        self._read_parameters()

    def __repr__(self) -> str:
        return f"<millstream Function {self._name} with {self._tracing_count} traces>"


class FunctionSpec:
    """What is known of a traced function's parameters."""

    def __init__(self, signature: Any, names: Sequence[str], input_signature: Any) -> None:
        self.signature = signature
        self.arg_names = list(names)
        self.input_signature = input_signature

    @property
    def fullargspec(self) -> Any:
        parameters = self.signature.parameters.values() if self.signature is not None else ()
        defaults = tuple(p.default for p in parameters if p.default is not inspect.Parameter.empty)
        return inspect.FullArgSpec(self.arg_names, None, None, defaults, [], None, {})


def _weakly_bound(function: Any, instance: Any, reference: Callable[[], Any]) -> Callable[..., Any]:
    """Return `function` as a method of what `reference` gives, without keeping that alive."""
    cell = reference

    @functools.wraps(function)
    def method(*args: Any, **kwargs: Any) -> Any:
        owner = cell()
        if owner is None:
            raise ReferenceError(f"The object of the method {function!r} no longer exists.")
        from millstream.execution import autograph

        if autograph.current_status() is autograph.Status.ENABLED:
            return autograph.converted_call(autograph.Options(), function, (owner, *args), kwargs)
        return function(owner, *args, **kwargs)

    parameters = list(inspect.signature(function).parameters.values())
    method.__signature__ = inspect.Signature(parameters[1:])  # type: ignore[attr-defined]
    method.__dict__.pop("__wrapped__", None)
    return method


def _cast_to(spec: Any, value: Any) -> Any:
    """Return `value` as something of `spec`, a structure of specs."""
    if isinstance(spec, TensorSpec):
        if isinstance(value, TensorSpec):
            if not value.is_subtype_of(TensorSpec(spec.shape, spec.dtype, value.name)):
                raise TypeError(errors.explain(f"Can not cast {value!r} to {spec!r}"))
            return value
        tensor = value if isinstance(value, Tensor) else to_tensor(value, spec.dtype)
        if tensor.dtype is not spec.dtype or not spec.shape.is_compatible_with(tensor.shape):
            raise TypeError(errors.explain(f"Can not cast {TensorSpec(tensor.shape, tensor.dtype)!r} to {spec!r}"))
        return tensor
    if isinstance(spec, TypeSpec):
        if value is not spec and not spec.is_compatible_with(value):
            raise TypeError(errors.explain(f"Can not cast {value!r} to {spec!r}"))
        return value
    nest.assert_shallow_structure(spec, value, check_types=False)
    if isinstance(spec, dict):
        return {k: _cast_to(spec[k], value[k]) for k in spec}
    return nest.sequence_like(spec, [_cast_to(s, v) for s, v in zip(spec, value, strict=True)])


def _key_differences(before: Any, now: Any, names: Sequence[str]) -> list[str]:
    """Say which arguments' structures or Python values differ between two keys of arguments."""
    old, new = dict(_named_keys(before, names)), dict(_named_keys(now, names))
    found = []
    for name in [*old, *(n for n in new if n not in old)]:
        a, b = old.get(name), new.get(name)
        if a != b:
            found.append(f"{name}: {_key_text(b)} instead of {_key_text(a)}")
    return found


def _named_keys(key: Any, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    _, positional, keywords = key
    for i, part in enumerate(positional[1:]):
        yield names[i] if i < len(names) else f"argument {i}", part
    yield from keywords[1:]


def _key_text(key: Any) -> str:
    if isinstance(key, tuple) and len(key) == 2 and key[0] == "value":
        return repr(key[1])
    return "nothing" if key is None else "a tensor" if key == "tensor" else str(key)


CallableType.register(Function)
