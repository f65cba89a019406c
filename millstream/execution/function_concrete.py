"""Concrete functions: one trace of a Python function, callable with tensors. Plans are made for the shapes that come."""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from millstream import _runtime as runtime
from millstream.autodiff.split import acts
from millstream.backends.cpu.device import load
from millstream.base import dtypes, errors, nest
from millstream.base.collecting import uncollected
from millstream.base.composite import CompositeTensor
from millstream.base.errors import explain
from millstream.base.shapes import TensorShape
from millstream.base.tensor_specs import TensorSpec
from millstream.compiler import passes
from millstream.execution import tape as tapes
from millstream.execution.context import current_graph, graph_stack, init_scope, trace_scope, tracing
from millstream.execution.convert import to_tensor
from millstream.execution.dispatch import apply
from millstream.execution.func_graph import FuncGraph
from millstream.execution.function_arguments import Arguments, Kind, accepts, placeholder_specs
from millstream.execution.function_text import SignatureText
from millstream.execution.function_types import Callable as CallableType
from millstream.execution.function_types import FunctionType
from millstream.execution.program_call import FunctionOp, call_program
from millstream.execution.specs import spec_of
from millstream.execution.staging_values import leaf_tensor, with_leaves
from millstream.execution.symbolic import SymbolicTensor
from millstream.execution.tensor import EagerTensor, Tensor
from millstream.execution.trackable import Trackable
from millstream.execution.variable import Variable
from millstream.execution.variable_scatter import tell_graphs
from millstream.ops.comparison import logical_and
from millstream.ops.declaration import runtime_name
from millstream.program.primitives.control import HOST_CALL
from millstream.program.value import Program

_serial = itertools.count()


class ConcreteFunction(Trackable):
    """One graph with fixed structure and element types. Made by tracing; called with tensors."""

    def __init__(self, graph: FuncGraph, arguments: Arguments, kinds: Sequence[Kind], result: Any) -> None:
        self._graph = graph
        self._arguments = arguments
        self.kinds = list(kinds)
        self.structure = nest.map_structure(_as_leaf, result)
        self._flat = nest.flatten(self.structure, expand_composites=True)
        self._finish_graph()
        self.single = isinstance(self.structure, Tensor)
        self.plain = (not self.op.lists and self.single) or (
            self.structure.__class__ is tuple
            and bool(self.structure)
            and all(isinstance(v, Tensor) for v in self.structure)
            and not self.op.lists
        )
        self._argument_names: list[str] = []
        self._plans: dict[Any, Any] = {}
        self._cache = runtime.CallCache(self._miss)
        self._fetch = self._find_fetch() if not self.op.lists and self.op.late is None else None
        self._fetched = runtime.CallCache(self._miss_fetched)
        self._inner_graphs = [g for g in (getattr(t, "graph", None) for t in self._captured) if g is not None]
        self._variables = [weakref.ref(v) for v in graph.variables]
        self.creates = bool(graph.created)
        self._late = list(graph.late.values())
        self._find_handles()
        graph.variables = []

    def _finish_graph(self) -> None:
        """Put the inputs that are captured behind the arguments, and set the outputs."""
        graph = self._graph
        program = graph.program
        given = [leaf_tensor(v) for v in self._flat if v is not None]
        program.outputs = [graph.value_of(v) for v in given]
        order = {v: t for t, v in graph.external_captures()}
        self._captured = tuple(order[v] for v in program.inputs if v in order)
        program.inputs = [*(v for v in program.inputs if v not in order), *(v for v in program.inputs if v in order)]
        self.op = FunctionOp(program)

    def _find_handles(self) -> None:
        """Remember what this trace takes for granted of the variables it is given: which is which, and which it captures."""
        graph = self._graph
        self._own_handles = {number for t in self._captured if (number := identity(t)) is not None}
        numbers = {v: number for number, v in graph.given.items()}
        inputs = graph.program.inputs
        self._fixed = {i: numbers[v] for i, v in enumerate(inputs) if v in graph.relied_on}
        self._given = list(self._arguments.variables)
        graph.given = {}

    def serves(self, tensors: Sequence[Any]) -> bool:
        """Return whether the variables given are distinct from those captured, or are those that the trace knows."""
        for i in self._given:
            number = identity(tensors[i])
            if self._fixed.get(i, number) != number or (i not in self._fixed and number in self._own_handles):
                return False
        return True

    def waits(self) -> bool:
        """Return whether a variable that this trace makes has no value yet, because only a call can compute it."""
        with init_scope():
            return any(v is not None and not v.is_initialized() for v in (reference() for reference in self._late))

    def has_begun(self) -> Any:
        """Return, as a tensor of the graph, whether the variables that this trace makes have their values."""
        made = [v.is_initialized() for v in (reference() for reference in self._late) if v is not None]
        return functools.reduce(lambda a, b: apply(logical_and, a, b), made)

    @property
    def name(self) -> str:
        """The function's name, as bytes in TensorFlow's files."""
        return self._graph.name

    @property
    def graph(self) -> FuncGraph:
        """The graph that the trace made."""
        return self._graph

    @property
    def inputs(self) -> list[Any]:
        """The symbolic tensors of the arguments, then of what is captured."""
        return [self._graph.tensor(v) for v in self._graph.program.inputs]

    @property
    def outputs(self) -> list[Any]:
        """The symbolic tensors of the results, flat."""
        return [self._graph.tensor(v) for v in self._graph.program.outputs]

    @property
    def captured_inputs(self) -> list[Any]:
        """The tensors from outside that the function uses, variables by their handles."""
        return list(self._captured)

    @property
    def variables(self) -> tuple[Any, ...]:
        """The variables that the function uses."""
        found = tuple(reference() for reference in self._variables)
        if any(v is None for v in found):
            raise AssertionError(
                explain(
                    "Called a function referencing variables which have been deleted. This likely means that function-local "
                    "variables were created and not referenced elsewhere in the program. This is generally a mistake; consider "
                    "storing variables in an object attribute on first call."
                )
            )
        return found

    @property
    def trainable_variables(self) -> tuple[Any, ...]:
        """The trainable ones of `variables`."""
        return tuple(v for v in self.variables if v.trainable)

    @property
    def inference_fn(self) -> Callable[..., Any]:
        """The function of flat tensors."""
        return lambda *tensors: self.call_flat(tensors)

    @property
    def structured_input_signature(self) -> tuple[Any, dict[str, Any]]:
        """The arguments as specs: positional ones, and keyword ones."""
        args, kwargs = self._arguments.signature(self.kinds)
        return args, kwargs

    @property
    def structured_outputs(self) -> Any:
        """The results as specs, in the structure that the Python function returned."""
        return nest.map_structure(_as_spec, self.structure)

    @property
    def output_shapes(self) -> Any:
        """The shapes of the results."""
        return nest.map_structure(lambda x: getattr(x, "shape", TensorShape(None)), self.structure)

    @property
    def output_dtypes(self) -> Any:
        """The element types of the results."""
        return nest.map_structure(lambda x: getattr(x, "dtype", None), self.structure)

    @property
    def function_type(self) -> Any:
        """The signature: its annotations are the specs of the arguments and results."""
        args, kwargs = self.structured_input_signature
        return FunctionType.of(self._parameter_names, args, kwargs, self.structured_outputs)

    def pretty_printed_signature(self, verbose: bool = True) -> str:
        """Return the signature as text: in lines, or in one."""
        args, kwargs = self.structured_input_signature
        text = SignatureText(self._parameter_names, args, kwargs, self.structured_outputs, self._captured)
        return text.long() if verbose else text.short()

    after: ConcreteFunction | None = None
    """The trace that serves once the variables that this one makes exist; None where it makes none."""
    _scope: Hashable = None
    _parameter_names: Sequence[str] = ()
    _argument_parameters: Sequence[str] = ()
    _python_name = "function"

    def usable(self) -> bool:
        """Return whether what this captured can be reached from here."""
        if self._scope != trace_scope():
            return False
        if self._inner_graphs:
            around = {id(g) for g in graph_stack()}
            if any(id(g) not in around for g in self._inner_graphs):
                return False
        if tapes.recording() and not self._graph.by_reference:
            return not tapes.any_watched(self._graph.inlined)
        return True

    def plan(self, inputs: Sequence[Any]) -> Any:
        """Return the plan for inputs (captures included) of these shapes."""
        specs = tuple(spec_of(t) for t in inputs)
        key = (passes.settings(), specs)
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = load(self._graph.program, specs)
        return found

    def _find_fetch(self) -> tuple[int, Program] | None:
        """Where the first thing that the program does is to take an element from an iterator, return which input that is.

        Then the element is taken before the call, and the plan is made for the sizes that it has.
        """
        program = self._graph.program
        for node in program.nodes:
            if node.definition is HOST_CALL and len(node.inputs) == 1 and node.inputs[0] in program.inputs:
                rest = Program(program.name)
                rest.inputs = [*node.outputs, *program.inputs]
                rest.nodes = [n for n in program.nodes if n is not node]
                rest.outputs = program.outputs
                return program.inputs.index(node.inputs[0]), rest
            if acts(node):
                break
        return None

    def _call_fetched(self, tensors: tuple[Any, ...], next_flat: Callable[[], tuple[Any, ...]]) -> Any:
        return self._fetched(*next_flat(), *tensors)

    def _miss_fetched(self, *tensors: Any) -> Any:
        assert self._fetch is not None
        inputs = (*tensors, *self._captured)
        plan = load(self._fetch[1], [spec_of(t) for t in inputs])
        self._fetched.add(tensors, plan, 0, self._captured, self.single)
        outputs = plan.run(0, inputs)
        return outputs[0] if self.single else outputs

    def _miss(self, *tensors: Any) -> Any:
        inputs = (*tensors, *self._captured)
        if self._fetch is not None and current_graph() is None and not tapes.recording() and not self._inner_graphs:
            next_flat = getattr(inputs[self._fetch[0]], "next_flat", None)
            if next_flat is not None:
                return self._call_fetched(tensors, next_flat)
        if current_graph() is not None or tapes.recording() or self.op.late is not None:
            self._tell()
            outputs = call_program(self.op, inputs)
        else:
            plan = self.plan(inputs)
            if not self._inner_graphs:
                self._cache.add(tensors, plan, 0, self._captured, self.single)
            outputs = plan.run(0, inputs)
            for i, element in self.op.lists:
                outputs[i].element_spec = element
        return outputs[0] if self.single else outputs

    def _tell(self) -> None:
        if current_graph() is not None:
            for reference in self._variables:
                variable = reference()
                if variable is not None:
                    tell_graphs(variable)

    def call_flat(self, tensors: Sequence[Any]) -> Any:
        """Call with the tensors of the arguments, in order; the result has the traced structure."""
        result = self._cache(*tensors)
        return result if self.plain else self.pack(result)

    def pack(self, result: Sequence[Any]) -> Any:
        """Return flat results in the traced structure."""
        result = [result] if isinstance(result, Tensor) else list(result)
        for i, element in self.op.lists:
            if isinstance(result[i], EagerTensor):
                result[i].element_spec = element
        tensors = iter(result)
        flat = [None if v is None else next(tensors) for v in self._flat]
        if len(flat) == 1 and self._flat[0] is self.structure and isinstance(self.structure, Tensor):
            return flat[0]
        return with_leaves(self.structure, flat)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call with the arguments of the Python function, or with tensors by their names."""
        return self.call_flat(self._tensors_of(args, kwargs))

    def _tensors_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        try:
            if self._bind is not None:
                bound = Arguments(self._bind(args, kwargs))
                if len(bound.kinds) == len(self.kinds) and (
                    bound.key == self._arguments.key or self._fits(bound.structure)
                ):
                    return self._all_checked(bound.tensors)
        except TypeError:
            pass
        flat = [*nest.flatten(args, expand_composites=True)]
        names = [k.name or self._argument_names[i] for i, k in enumerate(self.kinds)] if kwargs else []
        for name in names[len(flat) :]:
            if name not in kwargs:
                raise TypeError(
                    explain(f"{self._python_name} is missing the argument {name!r}; it takes {', '.join(names)}.")
                )
            flat.append(kwargs.pop(name))
        flat = [v for v in flat if isinstance(v, (Tensor, *_NUMBERS)) or hasattr(v, "__array__")]
        if kwargs or len(flat) != len(self.kinds):
            raise TypeError(
                explain(
                    f"{self._python_name}{self.pretty_printed_signature(False)} was called with {len(flat)} tensors"
                    + (f" and the unknown names {sorted(kwargs)}" if kwargs else "")
                    + f"; it takes {len(self.kinds)}."
                )
            )
        return self._all_checked([v.handle if isinstance(v, Variable) else v for v in flat])

    def _all_checked(self, values: Sequence[Any]) -> list[Any]:
        tensors = [self._checked(v, k) for v, k in zip(values, self.kinds, strict=True)]
        if not self.serves(tensors):
            raise ValueError(
                explain(
                    f"{self._python_name} was traced for a variable that is not among those it captures, or for one that is, "
                    "and given the other. Call the tf.function, which traces for both."
                )
            )
        return tensors

    _bind: Callable[..., Any] | None = None

    def _fits(self, structure: Any) -> bool:
        traced = self._arguments.structure
        try:
            nest.assert_same_structure(traced, structure, check_types=False)
        except (TypeError, ValueError):
            return False
        # A number or text of Python is part of the trace: another one is another trace.
        pairs = zip(nest.flatten(traced), nest.flatten(structure), strict=True)
        return all(old == new for old, new in pairs if isinstance(old, _NUMBERS))

    def _checked(self, value: Any, kind: Kind) -> Any:
        spec = kind.tensor_spec()
        if kind.dtype is dtypes.resource and kind.handle is not None:
            given = spec_of(value) if isinstance(value, Tensor) else None
            if given is None or not accepts([kind], [Kind(given.dtype, (), given.handle)]):
                raise TypeError(
                    explain(
                        f"Binding inputs to tf.function failed due to `Can not cast {value!r} to a variable of {kind.handle}`. "
                        "Give a variable of the traced element type and shape, or call the tf.function."
                    )
                )
            return value
        tensor = value if isinstance(value, Tensor) else to_tensor(value, kind.dtype)
        if tensor.dtype is not kind.dtype or not spec.shape.is_compatible_with(tensor.shape):
            given_spec = TensorSpec(tensor.shape, tensor.dtype)
            if tensor.dtype is not kind.dtype:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    explain(
                        f"cannot compute {self.name}: an input was expected to be a {runtime_name(kind.dtype)} tensor but is a "
                        f"{runtime_name(tensor.dtype)} tensor; convert it with tf.cast, or call the tf.function."
                    ),
                )
            raise TypeError(
                explain(
                    f"Binding inputs to tf.function failed due to `Can not cast {given_spec!r} to {spec!r}`. Received args: "
                    f"{self._arguments.structure[0]!r}. Give a tensor of the traced element type and shape, or call the tf.function."
                )
            )
        return tensor

    def __repr__(self) -> str:
        return f"<ConcreteFunction {self.pretty_printed_signature(verbose=False)} at {hex(id(self))}>"

    def __str__(self) -> str:
        return f"ConcreteFunction {self.pretty_printed_signature()}"


_NUMBERS = (int, float, complex, bool, str, bytes)


def _as_leaf(value: Any) -> Any:
    """A result as it is kept: variables are their values, numbers are tensors."""
    if (
        value is None
        or hasattr(value, "traced_flow")
        or (isinstance(value, (SymbolicTensor, CompositeTensor)) and not hasattr(value, "_handle"))
    ):
        return value
    return value if isinstance(value, Tensor) else to_tensor(value)


def _as_spec(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, CompositeTensor):
        return value._type_spec
    if hasattr(value, "traced_flow"):
        return TensorSpec([], value.flow.dtype)
    return TensorSpec(value.shape, value.dtype)


def trace(
    python_function: Callable[..., Any],
    name: str,
    arguments: Arguments,
    kinds: Sequence[Kind],
    *,
    creation: str = "allowed",
    by_reference: bool = False,
    names: Sequence[str] = (),
) -> ConcreteFunction:
    """Run `python_function` once on placeholders and return the graph as a function."""
    graph = FuncGraph(f"__inference_{name}_{next(_serial)}", current_graph())
    graph.creation = creation
    graph.by_reference = by_reference
    placeholders = []
    for i, spec in enumerate(placeholder_specs(kinds)):
        placeholders.append(graph.placeholder(spec, kinds[i].name or (names[i] if i < len(names) else None)))
    stand_for_variables(graph, arguments, placeholders)
    args, kwargs = arguments.rebuild(placeholders)
    with tracing(graph), uncollected():
        result = python_function(*args, **kwargs)
        _check_results(python_function, result)
        made = ConcreteFunction(graph, arguments, kinds, result)
    del result, args, kwargs
    made._scope = trace_scope()
    made._arguments = arguments.without_variables(kinds)
    made._argument_names = [k.name or (names[i] if i < len(names) else f"arg{i}") for i, k in enumerate(kinds)]
    if any(reference() is None for reference in graph.created):
        raise ValueError(explain(CREATED_AGAIN))
    return made


def stand_for_variables(graph: FuncGraph, arguments: Arguments, placeholders: list[SymbolicTensor]) -> None:
    """Let one placeholder stand for a variable that is given in several places, and know what it is."""
    first: dict[Any, SymbolicTensor] = {}
    for i, spec in arguments.variables.items():
        placeholders[i] = first.setdefault(spec.alias_id, placeholders[i])
        number = identity(arguments.tensors[i])
        if number is not None:
            graph.given[number] = placeholders[i].value


def identity(handle: Any) -> int | None:
    """Return the number of the variable that a handle belongs to, where that is known."""
    if isinstance(handle, SymbolicTensor):
        return next((number for number, v in handle.graph.given.items() if v is handle.value), None)
    return handle._id if isinstance(handle, EagerTensor) else None


CREATED_AGAIN = (
    "tf.function only supports singleton tf.Variables created on the first call. Make sure the tf.Variable is only created "
    "once or created outside tf.function."
)


def _check_results(python_function: Any, result: Any) -> None:
    for value in nest.flatten(result, expand_composites=True):
        if value is None or isinstance(value, Tensor) or hasattr(value, "traced_flow"):
            continue
        try:
            to_tensor(value)
        except (TypeError, ValueError):
            raise TypeError(
                explain(
                    "To be compatible with tf.function, Python functions must return zero or more Tensors or ExtensionTypes or None "
                    f"values; in compilation of {python_function}, found return value of type {type(value).__name__}, which is not "
                    "a Tensor or ExtensionType."
                )
            ) from None


CallableType.register(ConcreteFunction)
