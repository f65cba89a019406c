"""Functions full of branches: converted, they do what the original does, on numbers and on symbolic values."""

# ruff: noqa
from __future__ import annotations

from millstream.execution.autograph.testing import Programs, same_on_numbers, same_on_symbolic_values

programs = Programs()
program = programs.program


@program((1,), (-1,))
def if_assigns(x):
    y = 0
    if x > 0:
        y = x
    return y


@program((1,), (-1,))
def if_else_assigns(x):
    if x > 0:
        y = 1
    else:
        y = 2
    return y


@program((1,), (-1,), (0,))
def elif_chain(x):
    if x > 0:
        y = 1
    elif x < 0:
        y = 2
    else:
        y = 3
    return y


@program((1,), (-1,), (0,))
def elif_chain_returns(x):
    if x > 0:
        return 1
    elif x < 0:
        return 2
    return 3


@program((1,), (-1,))
def early_return(x):
    if x > 0:
        return x * 2
    x = x - 5
    return x


@program((1, 1), (1, -1), (-1, 1), (-1, -1))
def nested_returns(x, y):
    if x > 0:
        if y > 0:
            return 1
        x += 10
    else:
        if y > 0:
            x += 20
        else:
            return 2
    return x


@program((5,), (-5,), (50,))
def return_in_middle_of_nested(x):
    if x > 0:
        if x > 10:
            return 100
        else:
            y = 1
        y += 1
    else:
        y = 7
    y *= 3
    if y > 10:
        return y
    return -y


@program((3,), (-3,))
def ternary(x):
    return 1 if x > 0 else 2


@program((3,), (-3,), (0,))
def nested_ternary(x):
    y = x * 2 if x > 0 else (x * 3 if x < -1 else 5)
    return y


@program((3, 4), (3, -4), (-3, 4))
def and_or_not(x, y):
    if x > 0 and y > 0:
        r = 1
    elif x > 0 or y > 0:
        r = 2
    else:
        r = 3
    if not (x > 3 or not y > 3) and x != 0:
        r += 10
    return r


@program((3,), (30,), (-3,))
def chained_comparison(x):
    if 0 < x < 10:
        return 1
    return 2


@program((3,), (5,), (7,))
def chained_comparison_three(x):
    return 1 < x <= 5 < x + 3


@program((3,))
def comparison_operand_made_once(x):
    made = []

    def middle():
        made.append(1)
        return 5

    ok = 0 < middle() < 10
    return x, len(made), ok


@program((3, 2), (3, 0))
def and_is_lazy(x, y):
    if y != 0 and x // y > 0:
        return 1
    return 0


@program((1,), (-1,))
def undefined_but_unused(x):
    if x > 0:
        y = 1
        x += y
    return x


@program((4,), (-4,))
def none_stays_none(n):
    y = None
    if n > 0:
        n += 1
    return n if y is None else y


@program((4,), (-4,))
def flag_object_in_both(n):
    marker = "a"
    if n > 0:
        n = n + 1
    if marker == "a":
        return n
    return 0


@program((4,), (-4,))
def tuples_in_branches(n):
    if n > 0:
        a, b = n, 2
    else:
        a, b = 3, n
    return a, b


@program((4,), (-4,))
def structures_in_branches(n):
    if n > 0:
        d = {"a": n, "b": (1, n)}
    else:
        d = {"a": 0, "b": (n, 2)}
    return d


@program((3,), (-3,))
def asserts(x):
    assert x != 0, "zero"
    return x


@programs.parametrize()
def test_converted_does_the_same_on_numbers(function, arguments):
    same_on_numbers(function, arguments)


@programs.parametrize(symbolic=True)
def test_converted_does_the_same_on_symbolic_values(function, arguments):
    same_on_symbolic_values(function, arguments)
