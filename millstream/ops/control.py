"""Declare the ops that run functions. A function is a program; `autodiff.control_ops` has their reverse rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millstream.base import dtypes
from millstream.base.shapes import TensorShape
from millstream.ops.declaration import Op, Tensor, TensorList, Types, op
from millstream.program.primitives.control import branch, call, check, loop
from millstream.program.primitives.core import refuse
from millstream.program.primitives.elementwise import compare, convert
from millstream.program.primitives.reduction import reduce_all
from millstream.program.primitives.shaping import constant
from millstream.program.value import Program, Value

C = Types("Tcond")


class _Forgetful(dict[Any, Any]):
    """Keeps nothing: what is remembered of these ops would keep the programs that they run alive."""

    def __setitem__(self, key: Any, value: Any) -> None:
        return None


def truth(condition: Value) -> Value:
    """Return a scalar as a bool: numbers are true where they are not zero."""
    if condition.dtype == dtypes.bool:
        return condition
    if condition.rank != 0 or condition.dtype == dtypes.string:
        raise refuse("If", str(condition.spec), "give one bool or one number")
    return compare(condition, constant(0, condition.dtype), "NE")


def _if(name: str, stateful: bool) -> Op:
    def body(
        cond: Tensor[C],
        input: TensorList["Tin"],
        *,
        Tout: tuple[dtypes.DType, ...],
        then_branch: Program,
        else_branch: Program,
        output_shapes: tuple[TensorShape, ...] = (),
    ) -> TensorList["Tout"]:
        return branch(convert(truth(cond), dtypes.int32), (else_branch, then_branch), *input)

    body.__doc__ = "Run `then_branch` on `input` where `cond` holds, else `else_branch`."
    return op(name, outputs="output", stateful=stateful, effects=True)(body)


if_ = _if("If", True)
stateless_if = _if("StatelessIf", False)


def _case(name: str, stateful: bool) -> Op:
    def body(
        branch_index: Tensor[dtypes.int32],
        input: TensorList["Tin"],
        *,
        Tout: tuple[dtypes.DType, ...],
        branches: tuple[Program, ...],
        output_shapes: tuple[TensorShape, ...] = (),
    ) -> TensorList["Tout"]:
        return branch(branch_index, branches, *input)

    body.__doc__ = "Run the branch that `branch_index` picks on `input`; out of range picks the last."
    return op(name, outputs="output", stateful=stateful, effects=True)(body)


case = _case("Case", True)
stateless_case = _case("StatelessCase", False)


def _while(name: str, stateful: bool) -> Op:
    def body(
        input: TensorList["T"],
        *,
        cond: Program,
        body: Program,
        output_shapes: tuple[TensorShape, ...] = (),
        parallel_iterations: int = 10,
    ) -> TensorList["T"]:
        return loop(cond, body, input)

    body.__doc__ = "While `cond` holds for the values, replace them by what `body` gives."
    return op(name, outputs="output", stateful=stateful, effects=True)(body)


while_ = _while("While", True)
stateless_while = _while("StatelessWhile", False)


def _call(name: str, stateful: bool) -> Op:
    def body(
        args: TensorList["Tin"],
        *,
        Tout: tuple[dtypes.DType, ...],
        f: Program,
        config: str = "",
        config_proto: str = "",
        executor_type: str = "",
    ) -> TensorList["Tout"]:
        return call(f, *args)

    body.__doc__ = "Run the function `f` on `args`."
    return op(name, outputs="output", stateful=stateful, effects=True)(body)


partitioned_call = _call("PartitionedCall", False)
stateful_partitioned_call = _call("StatefulPartitionedCall", True)


@op("Assert", outputs=(), stateful=True)
def assert_(condition: Tensor[dtypes.bool], data: TensorList["T"], *, summarize: int = 3) -> None:
    """Stop, showing `data`, where `condition` does not hold."""
    holds = condition if condition.rank == 0 else reduce_all(condition, "and")
    check(holds, "assertion failed:", "InvalidArgumentError", data)


assert_.no_gradient()


@op("NoOp", outputs=(), stateful=False)
def no_op() -> None:
    """Do nothing."""


def programs(operation: Op, attributes: dict[str, Any]) -> Sequence[Program]:
    """Return the functions that an op of this file runs."""
    found: list[Program] = []
    for value in attributes.values():
        found += (
            [value]
            if isinstance(value, Program)
            else [v for v in value if isinstance(v, Program)]
            if isinstance(value, tuple)
            else []
        )
    return found


for _op in (
    if_,
    stateless_if,
    case,
    stateless_case,
    while_,
    stateless_while,
    partitioned_call,
    stateful_partitioned_call,
):
    _op._memo = _Forgetful()
