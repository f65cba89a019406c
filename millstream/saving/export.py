"""Write functions and models as plan files, which run without Python. Refuses what only Python can run, naming it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from millstream import _runtime as runtime
from millstream.backends.cpu.target import CPU
from millstream.base import dtypes, errors, nest
from millstream.base.tensor_specs import TensorSpec
from millstream.compiler.pipeline import add_function
from millstream.compiler.plan import ModuleWriter
from millstream.execution import variable as variables
from millstream.execution.dispatch import apply
from millstream.execution.function import Function
from millstream.execution.function_concrete import ConcreteFunction
from millstream.execution.specs import spec_of, state_info
from millstream.ops.registry import find
from millstream.program.primitives import lookup
from millstream.program.primitives.control import CALL
from millstream.program.primitives.shaping import constant
from millstream.program.value import Program, Value, building
from millstream.saving.replacing import write_whole

DEFAULT_SIGNATURE = "serving_default"


def export_plan(
    function: Any,
    path: str | os.PathLike[str],
    input_signature: Sequence[Any] | Mapping[str, Sequence[Any] | None] | None = None,
    *,
    signature_name: str = DEFAULT_SIGNATURE,
) -> None:
    """Write `function` to the plan file `path`, with the values that its variables hold now.

    Args:
      function: a `tf.function`, a concrete function, a Keras model or any callable; or a dictionary of these by the
        names of their signatures, which then share their variables.
      path: where the file goes. It is replaced at once, when it is whole.
      input_signature: `TensorSpec`s of the arguments; a size of None may be any when the plan runs. Not needed for concrete
        functions, Keras models that know their inputs, and functions with a signature or one trace of their own. For a
        dictionary of functions: a dictionary of signatures.
      signature_name: what the signature is called in the file.
    """
    module = _Exported()
    if isinstance(function, Mapping):
        given = input_signature if isinstance(input_signature, Mapping) else {}
        for name, each in function.items():
            module.add(name, concrete_of(each, given.get(name)))
    else:
        if isinstance(input_signature, Mapping):
            raise ValueError(
                "A dictionary of signatures needs a dictionary of functions; give one list of TensorSpecs."
            )
        module.add(signature_name, concrete_of(function, input_signature))
    write_whole(Path(path), module.bytes())


def plan_of(signatures: Mapping[str, ConcreteFunction]) -> bytes:
    """Return the plan of concrete functions by the names of their signatures, with what their variables and tables hold now.

    Raises:
      tf.errors.UnimplementedError: a function runs Python, or uses what no plan can hold.
    """
    module = _Exported()
    for name, concrete in signatures.items():
        module.add(name, concrete)
    return module.bytes()


def concrete_of(function: Any, input_signature: Sequence[Any] | None = None) -> ConcreteFunction:
    """Return the trace of `function` for `input_signature`, or for the signature that it has itself."""
    if isinstance(function, ConcreteFunction):
        return function
    if isinstance(input_signature, TensorSpec):
        input_signature = [input_signature]
    if isinstance(function, Function):
        if input_signature is not None:
            return function.get_concrete_function(*input_signature)
        traces = function._list_all_concrete_functions()
        if len(traces) == 1:
            return traces[0]
        raise ValueError(
            f"{function!r} has {len(traces)} traces and no signature; give export_plan an input_signature of TensorSpecs."
        )
    if not callable(function):
        raise TypeError(f"export_plan takes a function or a model, got {function!r}.")
    if hasattr(function, "inputs") and hasattr(function, "trainable_variables"):
        specs = _model_signature(function) if input_signature is None else list(input_signature)
        return _trace_model(function, specs)
    if input_signature is None:
        raise ValueError(f"export_plan needs an input_signature of TensorSpecs to trace {function!r}.")
    return Function(function).get_concrete_function(*input_signature)


def _model_signature(model: Any) -> list[Any]:
    """Return the specs of what a Keras model takes: one structure, as it is called."""
    functional = getattr(model, "_functional", None) or model
    inputs = getattr(functional, "_inputs_struct", None)
    if inputs is None:
        inputs = model.inputs
        if isinstance(inputs, list) and len(inputs) == 1:
            inputs = inputs[0]
    if inputs is None:
        raise ValueError(
            f"{type(model).__name__} was never called, so its inputs are not known; give export_plan an input_signature."
        )
    return [nest.map_structure(lambda t: TensorSpec(tuple(t.shape), t.dtype, t.name.split(":")[0]), inputs)]


def _trace_model(model: Any, specs: list[Any]) -> ConcreteFunction:
    def serve(*inputs: Any) -> Any:
        return model(*inputs, training=False)

    return Function(serve, getattr(model, "name", None) or "model", autograph=False).get_concrete_function(*specs)


class _Exported:
    """A module that collects signatures, and the variables that they share."""

    def __init__(self) -> None:
        self.writer = ModuleWriter()
        self._states: dict[int, int] = {}
        self._names: set[str] = set()
        self._held: list[Any] = []
        """Handles that have a state: they must live as long as their identities are remembered."""

    def add(self, name: str, concrete: ConcreteFunction) -> None:
        """Compile a concrete function and offer it as signature `name`."""
        inner = concrete.graph.program
        captured = concrete.captured_inputs
        count = len(inner.inputs) - len(captured)
        program = Program(inner.name)
        states: list[tuple[int, int]] = []
        with building(program):
            arguments: list[Value] = [program.input(v.spec) for v in inner.inputs[:count]]
            for tensor in captured:
                state = self._state(tensor)
                if state is None:
                    arguments.append(constant(tensor.numpy(), tensor.dtype))
                else:
                    states.append((len(program.inputs), state))
                    arguments.append(program.input(spec_of(tensor)))
            program.outputs = list(program.emit(CALL, arguments, {"program": inner}))
        index = add_function(self.writer, program, [v.spec for v in program.inputs], CPU)
        inputs = list(_distinct(concrete._argument_names[:count]))
        self.writer.signatures.append((name, index, inputs, output_names(concrete), states))

    def _state(self, tensor: Any) -> int | None:
        """Return the index of the state behind a variable's handle; None for a tensor of numbers."""
        if hasattr(tensor, "value_"):
            raise ValueError(f"{tensor!r} belongs to a function around the one to export; export that one.")
        if tensor.dtype not in (dtypes.resource, dtypes.variant):
            return None
        found = self._states.get(id(tensor))
        if found is not None:
            return found
        info = state_info(tensor) if tensor.dtype is dtypes.resource else None
        if info is None:
            return self._table(tensor)
        variable = variables.by_handle.get(tensor._id)
        spec = spec_of(tensor).handle
        assert spec is not None
        if variable is None or not spec.is_static:
            raise errors.UnimplementedError(
                None,
                None,
                f"A plan cannot hold {tensor!r}: a variable that travels needs a known shape; it has {spec}.",
            )
        value = self.writer.constant(variable.numpy(), spec.dtype)
        shape = tuple(int(n) for n in spec.shape or ())  # type: ignore[arg-type]
        name = next(_distinct([variable._shared_name], self._names))
        return self._keep(tensor, (name, spec.dtype, shape, value, None))

    def _keep(self, tensor: Any, record: tuple[str, Any, tuple[int, ...], int, int | None]) -> int:
        self._states[id(tensor)] = len(self.writer.states)
        self._held.append(tensor)
        self.writer.states.append(record)
        return self._states[id(tensor)]

    def _table(self, tensor: Any) -> int:
        """Return the index of the state that is a table: a function fills it when the plan is opened."""
        try:
            key, value, shape = runtime.table_info(tensor)
        except TypeError:
            raise errors.UnimplementedError(
                None,
                None,
                f"A plan cannot hold {tensor!r}, which the function uses: only variables, tables, and tensors of numbers and "
                "text travel with it. Pass what the object gives as an argument.",
            ) from None
        kinds = {"Tkeys": dtypes.as_dtype(key), "Tvalues": dtypes.as_dtype(value)}
        keys, values = apply(find("LookupTableExportV2"), tensor, **kinds)
        name = next(_distinct(["table"], self._names))
        maker = Program(f"make_{name}")
        with building(maker):
            table = lookup.new((), key=kinds["Tkeys"], value=kinds["Tvalues"], shape=tuple(shape), filled_once=False)
            filled = (constant(keys.numpy(), keys.dtype), constant(values.numpy(), values.dtype))
            lookup.insert(table, filled[0], filled[1], clear=False)
            maker.outputs = [table]
        index = add_function(self.writer, maker, [], CPU)
        return self._keep(tensor, (name, dtypes.resource, (), -1, index))

    def bytes(self) -> bytes:
        """Return the file."""
        if any(item.kernel == "host_kept" for function in self.writer.functions for item in function.instructions):
            raise errors.UnimplementedError(
                None,
                None,
                "A plan cannot hold a function that runs in Python, such as a module of StableHLO (XlaCallModule); export the "
                "model from Keras on this engine, or leave that part out.",
            )
        return self.writer.bytes()


def output_names(concrete: ConcreteFunction) -> list[str]:
    """Return a name for each tensor that a function gives: its key in a dictionary, else `output_0`, `output_1` …"""
    structure = concrete.structure
    flat = nest.flatten(structure, expand_composites=True)
    if isinstance(structure, Mapping) and len(flat) == len(structure):
        names = [str(key) for key in sorted(structure)]
    else:
        names = [f"output_{i}" for i in range(len(flat))]
    return [n for n, v in zip(names, flat, strict=True) if v is not None]


def _distinct(names: Sequence[str], taken: set[str] | None = None) -> Iterator[str]:
    """Give each name once, with a number behind it where it was given before."""
    taken = set() if taken is None else taken
    for name in names:
        chosen, count = name, 0
        while chosen in taken:
            count += 1
            chosen = f"{name}_{count}"
        taken.add(chosen)
        yield chosen
