"""State the primitives that run other programs, check conditions and call the host. Their reverse rules are in `autodiff`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from millstream.base import dtypes
from millstream.base.sizes import Size, Symbol, fresh_symbol
from millstream.base.spec import Spec
from millstream.program.primitives.core import Primitive, primitive, refuse
from millstream.program.value import Program, Value, emit

EFFECTFUL_PRIMITIVES = ("call", "branch", "loop")


def _call_infer(*inputs: Spec, program: Program) -> tuple[Spec, ...]:
    if len(inputs) != len(program.inputs):
        raise refuse("call", f"{len(inputs)} inputs for {program.name}", f"give {len(program.inputs)}")
    return tuple(v.spec for v in program.outputs)


CALL = primitive("call", _call_infer, effects=True)


def call(program: Program, *inputs: Value) -> tuple[Value, ...]:
    """Run `program` on `inputs`."""
    return emit(CALL, *inputs, program=program)


def merged(a: Spec, b: Spec) -> Spec:
    """Return the spec that covers both: sizes that differ become unknown."""
    if a == b:
        return a
    if a.shape is None or b.shape is None or len(a.shape) != len(b.shape):
        return Spec(a.dtype, None, None, a.handle)
    shape = tuple(m if m == n else fresh_symbol("n") for m, n in zip(a.shape, b.shape, strict=True))
    return Spec(a.dtype, shape, a.value if a.value == b.value and a.shape == b.shape else None, a.handle)


def _branch_infer(index: Spec, *inputs: Spec, programs: tuple[Program, ...]) -> tuple[Spec, ...]:
    results = [v.spec for v in programs[0].outputs]
    for program in programs[1:]:
        if len(program.outputs) != len(results):
            raise refuse(
                "branch", f"{len(program.outputs)} and {len(results)} results", "all branches return the same number"
            )
        for i, value in enumerate(program.outputs):
            if value.spec.dtype != results[i].dtype:
                raise refuse(
                    "branch", f"results {results[i]} and {value.spec}", "all branches return the same element types"
                )
            results[i] = merged(results[i], value.spec)
    return outside(results, inputs)


BRANCH = primitive("branch", _branch_infer, effects=True)


def branch(index: Value, programs: Sequence[Program], *inputs: Value) -> tuple[Value, ...]:
    """Run the program that the int32 scalar `index` picks; out of range picks the last."""
    return emit(BRANCH, index, *inputs, programs=tuple(programs))


def _loop_infer(*inputs: Spec, condition: Program, body: Program, carried: int) -> tuple[Spec, ...]:
    return outside([v.spec for v in body.inputs[:carried]], inputs)


def outside(results: Sequence[Spec], inputs: Sequence[Spec]) -> tuple[Spec, ...]:
    """Give sizes that only the inner program knows new names: outside they are what they were at its end."""
    known = frozenset().union(*(s.symbols() for s in inputs)) if inputs else frozenset()
    names: dict[Symbol, Size] = {}
    for spec in results:
        for symbol in spec.symbols():
            if symbol not in known and symbol not in names:
                names[symbol] = fresh_symbol("n")
    return tuple(spec.substitute(names) for spec in results) if names else tuple(results)


LOOP = primitive("loop", _loop_infer, effects=True)


def loop(
    condition: Program, body: Program, carried: Sequence[Value], invariant: Sequence[Value] = ()
) -> tuple[Value, ...]:
    """While `condition` holds, replace the carried values by what `body` returns; both take carried then invariant."""
    return emit(LOOP, *carried, *invariant, condition=condition, body=body, carried=len(carried))


def _check_infer(condition: Spec, *data: Spec, message: str, error: str) -> tuple[Spec, ...]:
    if condition.dtype != dtypes.bool or condition.shape != ():
        raise refuse("check", str(condition), "give one bool")
    return ()


CHECK = primitive("check", _check_infer, effects=True)


def check(condition: Value, message: str, error: str = "InvalidArgumentError", data: Sequence[Value] = ()) -> None:
    """Stop with `error` and `message`, followed by `data`, where `condition` does not hold."""
    emit(CHECK, condition, *data, message=message, error=error)


HOST_CALL = primitive("host_call", lambda host, *inputs, outputs: tuple(outputs), effects=True)


def host_call(host: Value, inputs: Sequence[Value], outputs: Sequence[Spec]) -> tuple[Value, ...]:
    """Call the host object `host` with `inputs`; it returns values of the specs `outputs`."""
    return emit(HOST_CALL, host, *inputs, outputs=tuple(outputs))


HOST_FUNCTION = primitive("host_function", lambda *inputs, function, outputs: tuple(outputs), effects=True)


def host_function(
    function: Callable[..., Sequence[object]], inputs: Sequence[Value], outputs: Sequence[Spec]
) -> tuple[Value, ...]:
    """Call a function of arrays, in Python, when the program runs; it returns an array for each of `outputs`."""
    return emit(HOST_FUNCTION, *inputs, function=function, outputs=tuple(outputs))


def programs_of(definition: object, attributes: dict[str, object]) -> list[Program]:
    """Return the programs that a node runs."""
    if not isinstance(definition, Primitive) or definition.name not in EFFECTFUL_PRIMITIVES:
        return []
    found: list[Program] = []
    for value in attributes.values():
        if isinstance(value, Program):
            found.append(value)
        elif isinstance(value, tuple):
            found.extend(p for p in value if isinstance(p, Program))
    return found
