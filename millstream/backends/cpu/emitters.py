"""The table from primitives and claimed ops to the code that writes their instructions. Holds no emitter itself."""

from __future__ import annotations

from collections.abc import Callable

from millstream.backends.cpu.tails import Tail
from millstream.compiler.plan import FunctionWriter
from millstream.program.value import Node

Emitter = Callable[[Node, FunctionWriter], None]
Claim = Callable[[Node], bool]

EMITTERS: dict[str, Emitter] = {}
CLAIMS: dict[str, Claim] = {}
TAILS: dict[str, Callable[[Node, Tail, FunctionWriter], None]] = {}


def emits(name: str) -> Callable[[Emitter], Emitter]:
    """Register how the primitive or claimed op `name` becomes instructions."""

    def register(emitter: Emitter) -> Emitter:
        if name in EMITTERS:
            raise ValueError(f"Two emitters for {name!r}.")
        EMITTERS[name] = emitter
        return emitter

    return register


def emits_with_tail(name: str) -> Callable[..., Callable[[Node, Tail, FunctionWriter], None]]:
    """Register how the primitive `name` becomes an instruction that also does what comes behind it."""

    def register(emitter: Callable[[Node, Tail, FunctionWriter], None]) -> Callable[[Node, Tail, FunctionWriter], None]:
        TAILS[name] = emitter
        return emitter

    return register


def claims(name: str) -> Callable[[Claim], Claim]:
    """Register when the op `name` is kept whole. Its emitter is registered under the same name."""

    def register(claim: Claim) -> Claim:
        CLAIMS[name] = claim
        return claim

    return register


def simple(name: str, kernel: str | None = None) -> None:
    """Register a primitive that is one kernel of the same operands and no attributes."""

    def emitter(node: Node, writer: FunctionWriter) -> None:
        writer.instruction(
            kernel or name, [writer.place(v) for v in node.inputs], [writer.place(v) for v in node.outputs]
        )

    emits(name)(emitter)
