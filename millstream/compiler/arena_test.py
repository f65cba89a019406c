"""Tests of the arena: values alive at once never overlap, chains write over what ends with them."""

from __future__ import annotations

import numpy as np

from millstream.base import dtypes
from millstream.base.sizes import Size, fresh_symbol
from millstream.base.spec import Spec
from millstream.compiler.memory import plan_memory
from millstream.compiler.plan import ALIAS, ARENA, BINDING, HEAP, INPUT, FunctionWriter, ModuleWriter

N = 64


def chain_words(inputs: int, stride: int = 1, outputs: int = 1) -> list[int]:
    """Attributes of a fused instruction that passes an input on, all read with `stride`."""
    words = [1, 1, inputs, 0, outputs, 0, 0, 0, N]
    for _ in range(inputs):
        words += [1, 0, stride]
    return words + [inputs, 1, 0] * outputs


def writer_of() -> FunctionWriter:
    return FunctionWriter(ModuleWriter(), "test")


def spec(count: int = N) -> Spec:
    return Spec(dtypes.float32, (count,))


def test_a_chain_writes_over_what_ends_with_it() -> None:
    f = writer_of()
    a, b, c, d = (f.slot(spec()) for _ in range(4))
    f.instruction("dot", [], [a])
    f.instruction("fused", [a], [b], chain_words(1))
    f.instruction("fused", [b], [c], chain_words(1))
    f.instruction("dot", [c], [d])
    plan_memory(f)
    assert [f.root(v) for v in (a, b, c)] == [a, a, a]
    assert f.arena_bytes == 2 * N * 4


def test_values_of_sizes_known_only_when_it_runs_are_written_over_unless_they_may_be_a_variables() -> None:
    for flags, shared in ((0, True), (BINDING, False)):
        f = writer_of()
        n = fresh_symbol("n")
        open_spec = Spec(dtypes.float32, (n,))
        a = f.slot(open_spec, HEAP, 0, flags)
        b, c = f.slot(open_spec), f.slot(open_spec)
        words: list[Size] = [*chain_words(1)]
        words[8] = n
        f.instruction("state_read" if flags else "dot", [], [a])
        f.instruction("fused", [a], [b], words)
        f.instruction("dot", [b], [c])
        plan_memory(f)
        assert (f.slots[b].storage == ALIAS) == shared
        assert [item.releases for item in f.instructions] == ([[], [], [a, c]] if shared else [[], [a], [b, c]])


def test_what_is_read_later_or_in_another_order_is_not_written_over() -> None:
    f = writer_of()
    a, b, c, d = (f.slot(spec()) for _ in range(4))
    f.instruction("dot", [], [a])
    f.instruction("fused", [a], [b], chain_words(1))
    f.instruction("fused", [a, b], [c], chain_words(2, stride=-1))
    f.instruction("dot", [c], [d])
    plan_memory(f)
    assert all(f.slots[v].storage == ARENA for v in (a, b, c, d))


def test_what_is_reduced_as_it_comes_is_not_written_over() -> None:
    f = writer_of()
    a, b, c, d = f.slot(spec()), f.slot(spec()), f.slot(spec(1)), f.slot(spec())
    f.instruction("dot", [], [a])
    f.instruction("fused_reduce", [a], [b, c], [*chain_words(1)[:-3], 1, 1, 0, 0, 1, 1])
    f.instruction("dot", [b, c], [d])
    plan_memory(f)
    assert f.slots[b].storage == ARENA


def test_two_results_never_take_the_same_bytes() -> None:
    f = writer_of()
    a, b, c, d = (f.slot(spec()) for _ in range(4))
    f.instruction("dot", [], [a])
    f.instruction("fused", [a], [b, c], chain_words(1, outputs=2))
    f.instruction("dot", [b, c], [d])
    plan_memory(f)
    assert [f.slots[v].storage for v in (b, c)].count(ALIAS) == 1


def test_values_alive_at_once_never_overlap() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        f = writer_of()
        made: list[int] = []
        for _ in range(60):
            given = [int(i) for i in random.choice(made[-12:], min(2, len(made)))] if made else []
            made.append(f.slot(spec(int(random.integers(1, 400)))))
            f.instruction("dot", given, [made[-1]])
        uses = {v: [t for t, item in enumerate(f.instructions) if v in (*item.inputs, *item.outputs)] for v in made}
        plan_memory(f)
        for i, v in enumerate(made):
            for w in made[:i]:
                a, b = f.slots[v], f.slots[w]
                if uses[v][0] <= uses[w][-1] and uses[w][0] <= uses[v][-1]:
                    ends = [s.location + int(s.spec.count or 0) * 4 for s in (a, b)]
                    assert a.location >= ends[1] or b.location >= ends[0]
        assert f.arena_bytes < sum(int(f.slots[v].spec.count or 0) * 4 + 64 for v in made)


def _scattering(*, read_later: bool) -> tuple[FunctionWriter, int, int]:
    """A function that scatters into zeros, which somebody may read afterwards."""
    writer = FunctionWriter(ModuleWriter(), "scatter")
    indices = writer.slot(Spec(dtypes.int32, (2, 1)), INPUT, 0)
    updates = writer.slot(Spec(dtypes.float32, (2, 4)), INPUT, 1)
    writer.inputs += [indices, updates]
    zeros = writer.slot(Spec(dtypes.float32, (8, 4)))
    writer.instruction("broadcast", [updates], [zeros])
    result = writer.slot(Spec(dtypes.float32, (8, 4)))
    writer.instruction("scatter_nd", [zeros, indices, updates], [result], [0, 0])
    writer.outputs = [result]
    if read_later:
        other = writer.slot(Spec(dtypes.float32, (8, 4)))
        writer.instruction("copy", [zeros], [other])
        writer.outputs.append(other)
    plan_memory(writer)
    return writer, zeros, result


def test_scattering_changes_what_nobody_reads_later():
    writer, zeros, result = _scattering(read_later=False)
    assert writer.slots[result].storage == ALIAS and writer.root(result) == zeros
    assert writer.slots[zeros].storage == HEAP, "the result must own its bytes"
    writer, zeros, result = _scattering(read_later=True)
    assert writer.slots[result].storage == HEAP and writer.slots[zeros].storage == ARENA
