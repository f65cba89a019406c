"""Name the passes, switch them off, add to them, and tell what each did. What a pass does is in the file of its name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from millstream.base.errors import explain
from millstream.base.flags import flags
from millstream.program.value import Program
from millstream.program.verify import verify

Change = Callable[[Program], object]


@dataclass(frozen=True, slots=True)
class Pass:
    """One step from a program of ops to a plan. Without those that are not `optional` there is no plan."""

    name: str
    about: str
    optional: bool = True


PASSES = (
    Pass("expand", "calls and ops become primitives, but for the ops that the target has a kernel for", optional=False),
    Pass("simplify", "what changes nothing is left out (x * 1, a transposition of a transposition), sums of products become products"),
    Pass("fold", "what depends on constants only is computed once, up to 1024 elements"),
    Pass("share", "what a program computes twice is computed once"),
    Pass("forward_state", "a variable that was just read or written is not read again; writes that nothing sees are dropped"),
    Pass("prune", "what no output and no effect needs is dropped"),
    Pass("recompute", "what is large, cheap and read late is computed again there, where a program holds the most"),
    Pass("fuse", "elementwise primitives of one shape become one instruction"),
    Pass("absorb", "products and convolutions do the bias, activation and residual behind them themselves"),
    Pass("update", "variables, lists and tensors that nobody else looks at are changed in place"),
    Pass("plan_memory", "results get their place in one arena, shared by those that do not live at the same time", optional=False),
)  # fmt: skip
"""All passes, in the order in which they begin; the first three work on each node as it is made."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which passes are off, and what was added: names with functions that change a program of primitives in place."""

    off: frozenset[str] = frozenset()
    added: tuple[tuple[str, Change], ...] = ()


_settings = Settings()
when_changed: list[Callable[[], None]] = []
"""What is called when the settings change: whoever keeps plans forgets them."""


def settings() -> Settings:
    """Return what is set now."""
    return _settings


def is_on(name: str) -> bool:
    """Return whether a pass runs."""
    return name not in _settings.off


def _set(new: Settings) -> None:
    global _settings
    if new != _settings:
        _settings = new
        for forget in when_changed:
            forget()


def switch_off_only(names: Iterable[str]) -> None:
    """Switch these passes off, and all others on; see `switch`."""
    off = frozenset(names)
    _check_names(off)
    for needed in PASSES:
        if needed.name in off and not needed.optional:
            optional = ", ".join(p.name for p in PASSES if p.optional)
            raise ValueError(
                explain(f"There is no plan without the pass {needed.name!r}.", f"These can be off: {optional}.")
            )
    _set(replace(_settings, off=off))


def _check_names(names: Iterable[str]) -> None:
    known = [p.name for p in PASSES]
    for name in names:
        if name not in known:
            raise ValueError(explain(f"There is no pass {name!r}.", f"Choose one of {', '.join(known)}."))


def switch(name: str, on: bool) -> None:
    """Switch a pass on or off, for all that is compiled from now on. Functions are compiled again when they are next called.

    Args:
      name: one of `PASSES`.
      on: whether it runs.

    Raises:
      ValueError: there is no such pass, or there is no plan without it.
    """
    if on:
        _check_names([name])
        _set(replace(_settings, off=_settings.off - {name}))
    else:
        switch_off_only({*_settings.off, name})


@contextmanager
def switched_off(*names: str) -> Iterator[None]:
    """Compile without these passes inside of the block.

    >>> from millstream.compiler import passes
    >>> with passes.switched_off("fuse", "fold"):
    ...     tf.function(lambda x: tf.tanh(x) + 1.0)(tf.constant(0.0)).numpy().item()
    1.0
    """
    before = _settings
    try:
        for name in names:
            switch(name, False)
        yield
    finally:
        _set(before)


@contextmanager
def added(name: str, change: Change) -> Iterator[None]:
    """Run a pass of your own inside of the block, on each program of primitives, before "prune"; the programs of loops and
    branches come one by one, after the ones around them.

    Args:
      name: what `MILLSTREAM_SHOW=passes` calls it; not the name of a pass that is there.
      change: takes the `Program` and changes its `nodes` and `outputs` in place.

    Raises:
      ValueError: there is a pass of this name.

    >>> from millstream.compiler import passes
    >>> seen = []
    >>> with passes.added("look", lambda program: seen.extend(n.definition.name for n in program.nodes)):
    ...     tf.function(lambda x: tf.tanh(x))(tf.constant(0.0)).numpy().item()
    0.0
    >>> seen
    ['tanh']
    """
    if name in {p.name for p in PASSES} | {n for n, _ in _settings.added}:
        raise ValueError(explain(f"There is a pass {name!r} already.", "Choose another name."))
    before = _settings
    _set(replace(before, added=(*before.added, (name, change))))
    try:
        yield
    finally:
        _set(before)


def run(name: str, change: Change, program: Program) -> object:
    """Run a pass on a program unless it is off; say what it did and check the program where that was asked for."""
    if name in _settings.off:
        return None
    chosen = flags()
    shown = "passes" in chosen.show
    count, begun = len(program.nodes), time.perf_counter()
    answer = change(program)
    result = answer if isinstance(answer, Program) else program
    if shown:
        tell(name, program.name, f"{count} -> {len(result.nodes)} nodes", begun)
    if chosen.verify:
        verify(result, name)
    return answer


def tell(name: str, program: str, what: str, begun: float) -> None:
    """Print a line about a pass that began at `begun`, as `time.perf_counter` had it."""
    print(f"{name:14} {program:32} {what}, {(time.perf_counter() - begun) * 1e3:.2f} ms", file=sys.stderr)
