"""Programs made at random from every statement that jumps: converted, each does what it does unconverted."""

from __future__ import annotations

import linecache
import random

import pytest

from millstream.execution.autograph import to_graph

VARIABLES = ("a", "b", "c")


class Writer:
    """Writes one program. Its loops end, mostly; each statement uses variables that are always defined."""

    def __init__(self, seed: int, python_only: bool) -> None:
        self.random = random.Random(seed)
        self.python_only = python_only
        self.lines: list[str] = []
        self.serial = 0

    def expression(self) -> str:
        pick = self.random.choice
        left, right = pick(VARIABLES), pick([*VARIABLES, "1", "2", "3"])
        shape = pick(["{l} + {r}", "{l} - {r}", "{l} * 2 % 7", "{l}", "({l} if {t} else {r})", "-{l} % 5"])
        return shape.format(l=left, r=right, t=self.test() if "{t}" in shape else "")

    def test(self) -> str:
        pick = self.random.choice
        base = f"{pick(VARIABLES)} {pick(['<', '>', '==', '!=', '<='])} {pick(['0', '2', '4', *VARIABLES])}"
        kind = self.random.random()
        if kind < 0.1:
            return f"not ({base})"
        if kind < 0.2:
            return f"({base} and {pick(VARIABLES)} < 5)"
        if kind < 0.3:
            return f"({base} or {pick(VARIABLES)} > 6)"
        if kind < 0.35:
            return f"0 <= {pick(VARIABLES)} < 4"
        return base

    def block(self, depth: int, in_loop: bool, indent: str) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.statement(depth, in_loop, indent)

    def statement(self, depth: int, in_loop: bool, indent: str) -> None:
        kinds = ["assign", "assign", "add"]
        if depth:
            kinds += ["if", "if", "if_else", "elif", "for", "for", "while", "python_for"]
            if self.python_only:
                kinds += ["try", "with", "finally", "while_true"]
        if in_loop:
            kinds += ["break", "continue"]
        kinds += ["return"] if self.random.random() < 0.4 else []
        self.write(self.random.choice(kinds), depth, in_loop, indent)

    def write(self, kind: str, depth: int, in_loop: bool, indent: str) -> None:
        add, deeper = self.lines.append, indent + "    "
        variable = self.random.choice(VARIABLES)
        if kind == "assign":
            add(f"{indent}{variable} = {self.expression()}")
        elif kind == "add":
            add(f"{indent}{variable} += {self.random.randint(-2, 3)}")
        elif kind in ("break", "continue"):
            add(f"{indent}if {self.test()}:")
            add(f"{deeper}{kind}")
        elif kind == "return":
            add(f"{indent}if {self.test()}:")
            add(f"{deeper}return {self.expression()}")
        elif kind in ("if", "if_else", "elif"):
            add(f"{indent}if {self.test()}:")
            self.block(depth - 1, in_loop, deeper)
            if kind == "elif":
                add(f"{indent}elif {self.test()}:")
                self.block(depth - 1, in_loop, deeper)
            if kind != "if":
                add(f"{indent}else:")
                self.block(depth - 1, in_loop, deeper)
        elif kind in ("for", "python_for", "while", "while_true"):
            self.loop(kind, depth, indent, deeper)
            if self.random.random() < 0.2:
                add(f"{indent}else:")
                self.block(depth - 1, in_loop, deeper)
        elif kind == "try":
            add(f"{indent}try:")
            self.block(depth - 1, in_loop, deeper)
            add(f"{deeper}a = a // (b % 3)")
            self.block(depth - 1, in_loop, deeper)
            add(f"{indent}except ZeroDivisionError:")
            self.block(depth - 1, in_loop, deeper)
            if self.random.random() < 0.5:
                add(f"{indent}else:")
                self.block(depth - 1, in_loop, deeper)
        elif kind == "finally":
            add(f"{indent}try:")
            self.block(depth - 1, in_loop, deeper)
            add(f"{indent}finally:")
            add(f"{deeper}{variable} = {self.expression()}")
        elif kind == "with":
            add(f"{indent}with suppress(ZeroDivisionError):")
            self.block(depth - 1, in_loop, deeper)
            add(f"{deeper}a = a // (b % 3)")
            self.block(depth - 1, in_loop, deeper)

    def loop(self, kind: str, depth: int, indent: str, deeper: str) -> None:
        self.serial += 1
        name = f"i{self.serial}"
        add = self.lines.append
        if kind == "for":
            add(f"{indent}for {name} in range({self.random.choice(['n', '3', 'n + 1'])}):")
            add(f"{deeper}{self.random.choice(VARIABLES)} += {name}")
        elif kind == "python_for":
            add(f"{indent}for {name} in [1, 2, 3]:")
            add(f"{deeper}{self.random.choice(VARIABLES)} += {name}")
        elif kind == "while":
            add(f"{indent}{name} = 0")
            add(f"{indent}while {name} < n and {self.test()}:")
            add(f"{deeper}{name} += 1")
        else:
            add(f"{indent}{name} = 0")
            add(f"{indent}while True:")
            add(f"{deeper}{name} += 1")
            add(f"{deeper}if {name} > 4:")
            add(f"{deeper}    break")
        self.block(depth - 1, True, deeper)

    def program(self, name: str):
        self.lines = ["def program(a, b, n):", "    c = 1"]
        for _ in range(3):
            self.statement(3, False, "    ")
        self.lines.append("    return a * 100 + b * 10 + c")
        text = "\n".join(self.lines) + "\n"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        scope: dict = {}
        exec(compile("from contextlib import suppress\n", name, "exec"), scope)
        exec(compile(text, name, "exec"), scope)
        return scope["program"], text


ARGUMENTS = ((1, 2, 3), (0, 0, 0), (5, -3, 2), (-4, 7, 4))


def outcome(function, arguments):
    try:
        return function(*arguments)
    except (ZeroDivisionError, UnboundLocalError) as error:
        return type(error)


def seeds(first, fast_end, end):
    return [*range(first, fast_end), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(fast_end, end))]


@pytest.mark.parametrize("seed", seeds(0, 60, 300))
def test_random_program_does_the_same_on_numbers(seed):
    function, text = Writer(seed, True).program(f"<random {seed}>")
    converted = to_graph(function)
    for arguments in ARGUMENTS:
        assert outcome(converted, arguments) == outcome(function, arguments), text


@pytest.mark.parametrize("seed", seeds(1000, 1040, 1250))
def test_random_program_does_the_same_on_symbolic_values(seed, interpreter):
    function, text = Writer(seed, False).program(f"<random {seed}>")
    for arguments in ARGUMENTS:
        assert type(interpreter)().call(function, *arguments) == function(*arguments), text
