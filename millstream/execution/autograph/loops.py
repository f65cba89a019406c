"""The loops that converted code calls: plain Python over known values, staged where a tensor decides how long to go on.

Refuses what a graph cannot hold: variables that are not tensors, or that change type or shape, in a staged loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from millstream.execution.autograph import checks, staging
from millstream.execution.autograph.operators import PLAIN, GetState, SetState, if_stmt, nothing
from millstream.execution.autograph.staging import engine, is_symbolic
from millstream.execution.autograph.undefined import Missing, Undefined

Options = Callable[[], dict[str, Any]] | None


def while_stmt(
    test: Callable[[], Any],
    body: Callable[[], None],
    get_state: GetState,
    set_state: SetState,
    symbol_names: tuple[str, ...],
    opts: Options,
) -> None:
    """Loop while `test()` holds. A test that becomes a tensor after some rounds stages the rounds that follow."""
    while True:
        go_on = test()
        if type(go_on) not in PLAIN and is_symbolic(go_on):
            break
        if not go_on:
            return
        body()
    chosen = _loop_options(opts)

    def loop(cond: Callable[..., Any], step: Callable[..., list[Any]], init: list[Any], invariants: Any) -> list[Any]:
        return engine().while_loop(
            cond,
            step,
            init,
            invariants,
            chosen.get("parallel_iterations"),
            chosen.get("swap_memory"),
            chosen.get("maximum_iterations"),
        )

    _stage_loop(loop, test, lambda _: body(), None, get_state, set_state, symbol_names, chosen)


def for_stmt(
    iterated: Any,
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: GetState,
    set_state: SetState,
    symbol_names: tuple[str, ...],
    opts: Options,
    iterate_names: str,
) -> None:
    """Run `body` for each element, as long as `extra_test()` holds."""
    if not is_symbolic(iterated):
        engine_now = staging.installed()
        if engine_now is not None and engine_now.is_dataset(iterated):
            _for_dataset(iterated, extra_test, body, get_state, set_state, symbol_names, opts)
        elif isinstance(iterated, StagedIterable):
            _for_tensor(iterated.parts(), extra_test, body, get_state, set_state, symbol_names, opts)
        else:
            _for_python(iterated, extra_test, body, get_state, set_state, symbol_names)
        return
    _for_tensor(engine().iterate(iterated), extra_test, body, get_state, set_state, symbol_names, opts)


def _for_python(
    iterated: Iterable[Any],
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: GetState,
    set_state: SetState,
    symbol_names: tuple[str, ...],
) -> None:
    if extra_test is None:
        for element in iterated:
            body(element)
        return
    bounded = hasattr(iterated, "__len__")
    go_on: Any = extra_test()
    if not is_symbolic(go_on) and not go_on:
        return
    for element in iterated:
        if is_symbolic(go_on):
            # The loop may have ended, but only the graph knows: the rest of it runs under that condition.
            if_stmt(go_on, partial(body, element), nothing, get_state, set_state, symbol_names, len(symbol_names))
        else:
            body(element)
        go_on = extra_test()
        if is_symbolic(go_on):
            if not bounded:
                raise NotImplementedError(
                    "break and return statements which depend on a TF condition are not supported in Python for loops "
                    "over something without a length. Did you intend to make it a TF loop?"
                )
        elif not go_on:
            return


def _for_tensor(
    parts: tuple[Any, Callable[[Any], Any]],
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: GetState,
    set_state: SetState,
    symbol_names: tuple[str, ...],
    opts: Options,
) -> None:
    count, read = parts
    chosen = _loop_options(opts)

    def test() -> Any:
        return extra_test() if extra_test is not None else True

    def loop(cond: Callable[..., Any], step: Callable[..., list[Any]], init: list[Any], invariants: Any) -> list[Any]:
        def counted_cond(index: Any, *values: Any) -> Any:
            more = cond(*values)
            within = index < count
            if is_symbolic(more):
                return engine().logical_and(within, more)
            return within if more else False

        def counted_step(index: Any, *values: Any) -> list[Any]:
            return [index + 1, *step(read(index), *values)]

        limit = chosen.get("maximum_iterations", count)
        final = engine().while_loop(
            counted_cond,
            counted_step,
            [0, *init],
            None if invariants is None else [None, *invariants],
            chosen.get("parallel_iterations"),
            chosen.get("swap_memory"),
            limit,
        )
        return final[1:]

    _stage_loop(loop, test, body, lambda: read(0), get_state, set_state, symbol_names, chosen)


def _for_dataset(
    iterated: Any,
    extra_test: Callable[[], Any] | None,
    body: Callable[[Any], None],
    get_state: GetState,
    set_state: SetState,
    symbol_names: tuple[str, ...],
    opts: Options,
) -> None:
    chosen = _loop_options(opts)

    def loop(cond: Callable[..., Any], step: Callable[..., list[Any]], init: list[Any], invariants: Any) -> list[Any]:
        return engine().for_dataset(iterated, cond if extra_test is not None else None, step, init)

    def example() -> Any:
        return engine().dataset_element(iterated)

    varying = engine().shapes_may_vary(iterated)
    _stage_loop(loop, extra_test or no_test, body, example, get_state, set_state, symbol_names, chosen, varying)


def no_test() -> bool:
    """The extra test of a loop that nothing ends early."""
    return True


def _stage_loop(
    loop: Callable[[Callable[..., Any], Callable[..., list[Any]], list[Any], Any], list[Any]],
    test: Callable[[], Any],
    body: Callable[[Any], None],
    example: Callable[[], Any] | None,
    get_state: GetState,
    set_state: SetState,
    names: tuple[str, ...],
    chosen: dict[str, Any],
    varying: bool = False,
) -> None:
    """Stage a loop; `step` takes the element first where there is an `example` of one.

    `varying` lets shapes change from turn to turn without being asked.
    """
    before = get_state()
    start = _defined_start(before, body, example, get_state, set_state, names)
    staged = [index for index, value in enumerate(start) if checks.can_be_staged(value)]
    staged_names = [names[index] for index in staged]
    plain = list(start)
    invariants = _invariants(chosen, [before[index] for index in staged])

    def enter(values: Iterable[Any]) -> None:
        state = list(plain)
        for index, value in zip(staged, values):
            state[index] = value
        set_state(tuple(state))

    def cond(*values: Any) -> Any:
        enter(values)
        return test()

    def step(*values: Any) -> list[Any]:
        element = values[0] if example is not None else None
        values = values[1:] if example is not None else values
        enter(values)
        body(element)
        after = get_state()
        for index, value in enumerate(after):
            if index not in staged and value is not plain[index]:
                checks.refuse_in_loop(names[index], plain[index], value)
        results = [after[index] for index in staged]
        checks.match_iterations(staged_names, list(values), results, [...] * len(results) if varying else invariants)
        return results

    final = loop(cond, step, [start[index] for index in staged], invariants)
    enter(final)


def _defined_start(
    before: tuple[Any, ...],
    body: Callable[[Any], None],
    example: Callable[[], Any] | None,
    get_state: GetState,
    set_state: SetState,
    names: tuple[str, ...],
) -> list[Any]:
    """Give variables that first get a value inside the loop a zero of the kind that one round of the body gives."""
    start = list(before)
    open_indices = [i for i, value in enumerate(before) if value is None or isinstance(value, Undefined)]
    if not open_indices:
        return start
    found: list[Any] = []
    known = [index for index, value in enumerate(before) if checks.can_be_staged(value)]

    def one_round(*values: Any) -> list[Any]:
        state = list(before)
        for index, value in zip(known, values):
            state[index] = value
        set_state(tuple(state))
        body(example() if example is not None else None)
        after = get_state()
        found[:] = [after[index] for index in open_indices]
        return [value for value in found if checks.can_be_staged(value)]

    given = iter(engine().probe(one_round, [before[index] for index in known]))
    set_state(before)
    for index, value in zip(open_indices, found):
        if checks.can_be_staged(value):
            start[index] = engine().zeros_like(next(given))
        elif isinstance(value, Missing) or (value is None and before[index] is None):
            continue
        elif isinstance(value, Undefined):
            raise ValueError(f"'{names[index]}' must be defined before the loop.")
        else:
            checks.refuse_in_loop(names[index], before[index], value)
    return start


def _loop_options(opts: Options) -> dict[str, Any]:
    return opts() if opts is not None else {}


def _invariants(chosen: dict[str, Any], values: list[Any]) -> list[Any] | None:
    given = chosen.get("shape_invariants")
    if given is None:
        return None
    found: list[Any] = [None] * len(values)
    for tensor, shape in given:
        matching = [index for index, value in enumerate(values) if value is tensor]
        if not matching:
            raise ValueError(
                f"shape_invariants names {tensor!r}, which is not a variable that this loop changes; "
                "give pairs (variable, shape) of variables assigned in the loop"
            )
        for index in matching:
            found[index] = shape
    return found


class StagedIterable:
    """enumerate() or zip() over symbolic tensors: what a staged `for` visits, element by element."""

    def __init__(self, parts: Callable[[], tuple[Any, Callable[[Any], Any]]]) -> None:
        self.parts = parts

    def __iter__(self) -> Any:
        raise TypeError("enumerate and zip over a symbolic tensor can only be iterated by a converted for statement")


def parts_of(iterable: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return the count and the reader of a symbolic tensor, or of enumerate or zip over some."""
    if isinstance(iterable, StagedIterable):
        return iterable.parts()
    return engine().iterate(iterable)
