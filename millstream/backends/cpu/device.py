"""Load and run plans on the cpu: the only importer of the native module among the back ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from millstream import _runtime as runtime
from millstream.backends.cpu.lapack import find_function
from millstream.backends.cpu.plan_text import PlanText
from millstream.backends.cpu.target import CPU
from millstream.base import errors
from millstream.base.collecting import uncollected
from millstream.base.flags import flags
from millstream.base.spec import Spec
from millstream.compiler import passes
from millstream.compiler.pipeline import compile_program
from millstream.program.value import Program

runtime.set_error_factory(errors.from_runtime)
runtime.set_lapack(find_function)
if flags().threads:
    runtime.set_thread_count(flags().threads)

# Functions compile again; ops that were called eagerly keep their plans.
passes.when_changed.append(runtime.forget_plans)


def load(program: Program, specs: Sequence[Spec]) -> runtime.Plan:
    """Compile `program` for inputs of `specs` and load the plan."""
    with uncollected():
        data = compile_program(program, specs, CPU, show=flags().show)
        plan = runtime.Plan(data)
    if "plan" in flags().show:
        print(PlanText(data).text(), file=sys.stderr)
    return plan


def checked(data: bytes) -> PlanText:
    """Return a plan file in words; DataLossError where the runtime would not run it."""
    runtime.Plan(data)
    return PlanText(data)
