"""Apply an op: run it at once from the plan cache, or add a node to the graph being traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millstream import _runtime as runtime
from millstream.backends.cpu.device import load
from millstream.base import dtypes, errors
from millstream.base.composite import CompositeTensor
from millstream.base.dtypes import DType, as_dtype
from millstream.base.spec import Spec
from millstream.execution.context import current_graph
from millstream.execution.convert import applying, to_tensor
from millstream.execution.name_scope import absolute
from millstream.execution.operation import base_name, free_label, operation_of_node
from millstream.execution.specs import spec_of
from millstream.execution.symbolic import out_of_scope
from millstream.execution.tensor import Tensor, TensorType
from millstream.ops.declaration import Op, Types
from millstream.program.failures import state_failure
from millstream.program.primitives.shaping import constant
from millstream.program.value import Definition, Program, Value, building, from_source

execute = runtime.execute


class Attributes:
    """The attributes of one call, one object for equal ones: the plan cache compares identities."""

    __slots__ = ("items",)

    def __init__(self, items: dict[str, Any]) -> None:
        self.items = items


_interned: dict[Any, Attributes] = {}
_handles: dict[Definition, Any] = {}


def handle_of(definition: Definition) -> Any:
    """Return the plan cache of an op."""
    handle = _handles.get(definition)
    if handle is None:
        known = _known_positions(definition)
        handle = runtime.OpHandle(definition.name, known, lambda inputs, key: compile_eager(definition, inputs, key))
        _handles[definition] = handle
        definitions[handle] = definition
    return handle


def _known_positions(definition: Definition) -> tuple[int, ...]:
    """Return the inputs whose content is part of the cache's key; negative ones count from the end, behind a list."""
    if not isinstance(definition, Op):
        return definition.known_positions({})
    if not definition.structured or not definition.known_inputs:
        return definition.known_inputs
    first = next(i for i, p in enumerate(definition.inputs) if p.shape != "one")
    return tuple(i if i < first else i - len(definition.inputs) for i in definition.known_inputs)


definitions: dict[Any, Definition] = {}


def definition_of(handle: Any) -> Definition:
    """Return the op whose plan cache this is."""
    return definitions[handle]


def attributes_key(op: Definition, attributes: dict[str, Any]) -> Attributes | None:
    """Return the one object that stands for these attributes of `op`; None for no attributes."""
    if not attributes:
        return None
    key = (op, *attributes.items())
    try:
        return _interned[key]
    except KeyError:
        return _interned.setdefault(key, Attributes(attributes))
    except TypeError:
        return Attributes(attributes)


_complete: dict[Any, Attributes | None] = {}


def _complete_key(op: Op, attributes: dict[str, Any]) -> Attributes | None:
    """Return the attributes object of a call, defaults filled in."""
    given = (op, *attributes.items())
    try:
        found = _complete.get(given)
    except TypeError:
        return attributes_key(op, _checked(op, attributes))
    if found is None:
        if len(_complete) > 65536:
            _complete.clear()
        found = _complete[given] = attributes_key(op, _checked(op, attributes))
    return found


def _checked(op: Op, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes with defaults filled in. While tracing, a refused one is TypeError or ValueError."""
    try:
        return op.complete(attributes)
    except errors.InvalidArgumentError as error:
        error.state(op.name, line=errors.with_text(errors.user_line()))
        if current_graph() is None:
            raise
        types = any(isinstance(attributes.get(name), DType) for name in op.types)
        raise (TypeError if types else ValueError)(error.message) from None


def compile_eager(definition: Definition, inputs: Sequence[Any], key: Attributes | None) -> tuple[Any, int, int]:
    """Make the plan of a program of this one op; inputs whose content decides shapes become constants."""
    attributes = key.items if key is not None else {}
    known = set(definition.known_positions(attributes))
    program = Program(definition.name)
    specs: list[Spec] = []
    with building(program), from_source(errors.user_line()):
        values: list[Value] = []
        for i, tensor in enumerate(inputs):
            spec = spec_of(tensor)
            specs.append(spec)
            value = program.input(spec)
            if i in known and tensor._count <= 256:
                array = tensor.numpy()
                value = constant(np.asarray(array, object) if tensor.dtype == dtypes.string else array, tensor.dtype)
            values.append(value)
        if isinstance(definition, Op):
            definition.check_types(values, attributes)
        program.outputs = list(program.emit(definition, values, attributes))
    return load(program, specs), 0, len(program.outputs)


def _state_eager_failure(handle: Any, key: Attributes | None, inputs: Sequence[Any], error: BaseException) -> None:
    """Say which op failed on which tensors, and where it was called: the plan only knows where it was made."""
    if isinstance(error, errors.OpError):
        definition = definitions[handle]
        attributes = key.items if key is not None else {}
        error.forget_line(definition.name)
        state_failure(error, definition, [_spec_with_content(t) for t in inputs], attributes, errors.user_line())


def _spec_with_content(tensor: Any) -> Spec:
    """Return the spec of an eager tensor, with what it holds where that is a few integers: indices, axes, sizes."""
    spec = spec_of(tensor)
    if spec.dtype.is_integer and spec.rank is not None and spec.rank <= 1 and tensor._count <= 8:
        content = tensor.numpy().tolist()
        return spec.with_value(tuple(content) if spec.rank else content)
    return spec


runtime.set_failure_hook(_state_eager_failure)


def apply(op: Op, *arguments: Any, **attributes: Any) -> Any:
    """Apply `op`: lists where it takes lists. Arguments that are no tensors are converted as its signature says."""
    if not op.structured:
        key = _complete_key(op, attributes) if op.attributes else None
        handle = handle_of(op)
        result = execute(handle, key, *arguments)
        if result is NotImplemented and not runtime.tracing():
            read = _read_variables(arguments)
            if read is not None:
                result = execute(handle, key, *read)
        if result is not NotImplemented:
            return _packed(op, result)
    for argument in arguments:
        if isinstance(argument, CompositeTensor):
            result = argument._apply_op(op, arguments, attributes)
            if result is not NotImplemented:
                return result
    graph = current_graph() if runtime.tracing() else None
    if graph is not None and not graph.building_function:
        return _packed(op, _apply_in_graph(graph, op, arguments, attributes))
    arguments = convert_arguments(op, arguments)
    complete = _checked(op, attributes)
    flat = op.flatten(arguments, complete)
    return _packed(op, apply_flat(op, flat, complete))


def _apply_in_graph(graph: Any, op: Op, arguments: Sequence[Any], attributes: dict[str, Any]) -> Any:
    """Add a node of `op` to the graph of a session. What its arguments are converted by is named after it."""
    label = free_label(graph, base_name(op))
    with absolute(f"{label}/"):
        arguments = convert_arguments(op, arguments)
    complete = _checked(op, attributes)
    outputs = _create(graph, op, op.flatten(arguments, complete), complete, label)
    return outputs[0] if len(outputs) == 1 else outputs


def _read_variables(arguments: Sequence[Any]) -> list[Any] | None:
    """Return the arguments with variables read; None where something else is to be converted."""
    read = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            read.append(argument)
        elif isinstance(argument, TensorType):
            read.append(argument.__tf_tensor__())  # type: ignore[attr-defined]
        else:
            return None
    return read


def apply_flat(definition: Definition, inputs: Sequence[Any], attributes: dict[str, Any]) -> Any:
    """Apply a definition to tensors; one tensor, or a tuple of them."""
    graph = current_graph()
    if graph is None:
        for tensor in inputs:
            if not isinstance(tensor, runtime.TensorBase):
                raise out_of_scope(tensor)
        return execute(handle_of(definition), attributes_key(definition, attributes), *inputs)
    outputs = _create(graph, definition, inputs, attributes)
    return outputs[0] if len(outputs) == 1 else outputs


overriding: list[Callable[[Any, Definition, str], Definition]] = []
"""`gradient_override.Overridden`, which puts itself here: it stands above."""

inspectors: list[Callable[[Any, Definition, Sequence[Any], Sequence[Any]], Sequence[Any]]] = []
"""Asked for the results of each new node of a graph: what they give takes their place."""


def _create(
    graph: Any, definition: Definition, inputs: Sequence[Any], attributes: dict[str, Any], label: str | None = None
) -> Any:
    """Add a node. While tracing, what does not fit is TypeError or ValueError, as TensorFlow has it; only calls give op errors."""
    kind: Any = ValueError
    if not graph.building_function and graph.overrides and definition.name in graph.overrides:
        definition = overriding[0](graph, definition, graph.overrides[definition.name])
    if not graph.building_function and not getattr(definition, "passes_reference", False):
        inputs = [t.read() if getattr(t, "is_reference", False) else t for t in inputs]
    try:
        if isinstance(definition, Op):
            kind = TypeError
            definition.check_types(inputs, attributes)
            kind = ValueError
        outputs = graph.create(definition, inputs, attributes, label)
        for inspect in inspectors:
            outputs = inspect(graph, definition, inputs, outputs)
        return outputs
    except errors.OpError as error:
        state_failure(error, definition, [_spec_here(t) for t in inputs], attributes, errors.user_line())
        if isinstance(error, errors.InvalidArgumentError):
            raise kind(error.message) from None
        raise


def _spec_here(tensor: Any) -> Spec:
    value = getattr(tensor, "value_", None)
    return spec_of(tensor) if value is None else value.spec


def _packed(op: Op, result: Any) -> Any:
    results = op.results
    if len(results) == 1 and results[0].shape == "one":
        return result
    if isinstance(result, Tensor):
        result = (result,)
    if len(results) == 1:
        return list(result)
    if not results:
        return new_operation() if runtime.tracing() else None
    lists = [i for i, part in enumerate(results) if part.shape != "one"]
    if len(lists) == 1:
        # All but the one list are single: what they leave over is its own.
        at, end = lists[0], len(result) - (len(results) - lists[0] - 1)
        return (*result[:at], list(result[at:end]), *result[end:])
    return tuple(result)


def new_operation() -> Any:
    """Return the operation that was just added to the graph of a session, or to a branch there; None elsewhere."""
    graph = current_graph()
    return operation_of_node(graph, graph.program.nodes[-1]) if graph is not None and graph.gives_operations else None


def convert_arguments(op: Op, arguments: Sequence[Any]) -> tuple[Any, ...]:
    """Return the arguments as tensors, Python values in the element type that the other arguments decide."""
    bound: dict[str, DType] = {}
    for parameter, argument in zip(op.inputs, arguments, strict=True):
        if isinstance(parameter.element, Types) and parameter.element.name not in bound:
            for item in argument if parameter.shape != "one" else (argument,):
                dtype = getattr(item, "dtype", None)
                if isinstance(item, TensorType) and not isinstance(dtype, DType):
                    dtype = as_dtype(dtype)
                if isinstance(dtype, DType):
                    bound[parameter.element.name] = dtype
                    break
    converted = []
    for parameter, argument in zip(op.inputs, arguments, strict=True):
        if parameter.shape == "one":
            converted.append(_convert(parameter.element, argument, bound))
        else:
            converted.append([_convert(parameter.element, a, bound) for a in argument])
    return tuple(converted)


def _convert(element: Any, argument: Any, bound: dict[str, DType]) -> Any:
    if isinstance(argument, Tensor):
        return argument
    if isinstance(element, DType):
        return to_tensor(argument, element)
    if isinstance(element, Types):
        wanted = bound.get(element.name)
        tensor = to_tensor(argument, wanted) if wanted is not None else to_tensor(argument, preferred=element.default)
        bound.setdefault(element.name, tensor.dtype)
        return tensor
    return to_tensor(argument)


applying[:] = [apply]
