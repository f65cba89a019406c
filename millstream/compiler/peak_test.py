"""What is said of a plan's memory."""

from __future__ import annotations

from millstream.base import dtypes
from millstream.base.spec import Spec
from millstream.compiler.memory import plan_memory
from millstream.compiler.peak import describe_peak
from millstream.compiler.plan import INPUT, FunctionWriter, ModuleWriter


def _writer(counts: list[int]) -> FunctionWriter:
    """A chain of copies through values of so many elements, which are all different."""
    writer = FunctionWriter(ModuleWriter(), "chain")
    before = writer.slot(Spec(dtypes.float32, (counts[0],)), INPUT, 0)
    writer.inputs.append(before)
    for n in counts[1:]:
        slot = writer.slot(Spec(dtypes.float32, (n,)))
        writer.instruction("copy", [before], [slot])
        before = slot
    writer.outputs = [before]
    plan_memory(writer)
    return writer


def test_the_peak_is_where_two_large_neighbours_live():
    told = describe_peak(_writer([10, 20, 1000, 3000, 500])).splitlines()
    assert told[0] == "memory of chain: 16,000 bytes at instruction 2 of 4, copy; arena of 16,064 bytes"
    assert [line.split()[0] for line in told[1:]] == ["12,000", "4,000"]
    assert told[1].endswith("2 copy -> 3 copy")


def test_a_function_without_values_holds_nothing():
    assert describe_peak(_writer([10])) == "memory of chain: nothing"
